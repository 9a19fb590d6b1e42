export type Language = 'zh' | 'en'

/** Chinese unless English is asked for more strongly (RFC 9110 §12.5.4). */
export function languageOf(acceptLanguage: string | undefined): Language {
  let zh = 0
  let en = 0
  for (const part of (acceptLanguage ?? '').slice(0, 500).split(',')) {
    const [tag = '', ...parameters] = part.trim().toLowerCase().split(';')
    const quality = parameters.map((parameter) => /^\s*q=([\d.]+)\s*$/.exec(parameter)?.[1]).find(Boolean)
    const weight = quality === undefined ? 1 : Number(quality)
    if (/^zh\b/.test(tag)) zh = Math.max(zh, weight)
    if (/^en\b/.test(tag)) en = Math.max(en, weight)
  }
  return en > zh ? 'en' : 'zh'
}
