import { refuse } from './errors.ts'

/** What a person types to come in, in its one canonical form. */
export interface Login {
  kind: 'mobile' | 'email'
  value: string
  channel: 'sms' | 'mail'
}

/**
 * Reads a login: a mobile number of mainland China (kept as 11 digits), any other number in the form
 * +CC…, or a mail address (kept in lower case). Refuses everything else as `login_invalid`.
 */
export function parseLogin(text: string): Login {
  const login = readLogin(text)
  if (login === null) throw refuse('login_invalid')
  return login
}

/** Like {@link parseLogin}, with null for what is no login. */
export function readLogin(text: string): Login | null {
  const plain = text.normalize('NFKC').trim()
  if (plain.includes('@')) {
    // No control and no invisible characters (\p{C}): they would make a second address that looks the same.
    const isMail =
      plain.length <= 254 && /^[^\s\p{C}@<>"',;()]{1,64}@[a-z0-9-]+(\.[a-z0-9-]+)*$/iu.test(plain)
    return isMail ? { kind: 'email', value: plain.toLowerCase(), channel: 'mail' } : null
  }
  const digits = plain.replace(/[\s-]/g, '')
  const mainland = /^(?:\+?86)?(1[3-9]\d{9})$/.exec(digits)?.[1]
  if (mainland !== undefined) return { kind: 'mobile', value: mainland, channel: 'sms' }
  // ITU-T E.164: at most 15 digits with the country code.
  return /^\+[1-9]\d{6,14}$/.test(digits) && !digits.startsWith('+86')
    ? { kind: 'mobile', value: digits, channel: 'sms' }
    : null
}

/** `138****0000`: the ends stay readable for whoever knows the number. */
export function maskMobile(mobile: string): string {
  const head = mobile.startsWith('+') ? 4 : 3
  return `${mobile.slice(0, head)}${'*'.repeat(Math.max(3, mobile.length - head - 4))}${mobile.slice(-4)}`
}

/** `z***@example.com`. */
export function maskEmail(email: string): string {
  const at = email.lastIndexOf('@')
  return `${email.slice(0, 1)}***${email.slice(at)}`
}

/** Masks a login of either kind. */
export function maskLogin(login: string): string {
  return login.includes('@') ? maskEmail(login) : maskMobile(login)
}

/** `张*`, `欧阳**`→`欧**`: the first character of a person's name stays. */
export function maskName(name: string): string {
  const [first = '', ...rest] = name
  return first + '*'.repeat(Math.max(1, rest.length))
}
