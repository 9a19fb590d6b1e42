/** A contact as one typed field: a mobile number (Chinese, or international with +) or a mail address. */
export function readContact(value: string): { mobile: string } | { email: string } | null {
  const text = value.trim()
  const digits = text.replace(/[\s-]/g, '')
  if (/^1\d{10}$/.test(digits) || /^\+\d{8,15}$/.test(digits)) return { mobile: digits }
  if (/^[^\s@]+@[^\s@]+\.[^\s@]+$/.test(text)) return { email: text.toLowerCase() }
  return null
}
