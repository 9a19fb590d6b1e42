/** Ids as FASC clients hold them: at most 32 characters, so a UUID goes without its dashes. */
export function toOpenId(id: string): string {
  return id.replaceAll('-', '')
}

/** The UUID behind an id in either form; null for anything else. */
export function readOpenId(text: string): string | null {
  const hex = text.trim().toLowerCase().replaceAll('-', '')
  if (!/^[0-9a-f]{32}$/.test(hex)) return null
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-')
}
