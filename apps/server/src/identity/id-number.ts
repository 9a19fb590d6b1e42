/** Two-digit province codes of GB/T 2260, and 81–83 of the residence permits for Hong Kong, Macao and Taiwan. */
const PROVINCES = new Set(
  '11 12 13 14 15 21 22 23 31 32 33 34 35 36 37 41 42 43 44 45 46 50 51 52 53 54 61 62 63 64 65 71 81 82 83'.split(
    ' ',
  ),
)
/** W(i) = 2^(18-i) mod 11, GB 11643-1999 §6.1. */
const WEIGHTS = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2]
const CHECK_CHARACTERS = '10X98765432'
/** Nobody who signs was born longer ago than this; it catches slips in the year. */
const OLDEST_YEARS = 150

export type IdNumberProblem = 'shape' | 'region' | 'birth_date' | 'checksum'
export type IdNumberCheck =
  | { ok: true; idNumber: string; birthDate: string; sex: 'male' | 'female' }
  | { ok: false; problem: IdNumberProblem }

/**
 * Checks a citizen identity number by GB 11643: shape, region prefix, a birth date that exists and is
 * not after `at`, and the ISO 7064 MOD 11-2 check character. Says nothing about whether it was issued.
 */
export function checkIdNumber(text: string, at: Date): IdNumberCheck {
  const idNumber = text.normalize('NFKC').replace(/\s/g, '').toUpperCase()
  if (!/^\d{17}[\dX]$/.test(idNumber)) return { ok: false, problem: 'shape' }
  // A region is six digits; only the province level is stable enough to refuse by.
  if (!PROVINCES.has(idNumber.slice(0, 2)) || idNumber.slice(2, 6) === '0000')
    return { ok: false, problem: 'region' }
  const birthDate = calendarDate(idNumber.slice(6, 14))
  if (birthDate === null || !isPlausibleBirth(birthDate, at)) return { ok: false, problem: 'birth_date' }
  if (idNumber[17] !== idCheckCharacter(idNumber)) return { ok: false, problem: 'checksum' }
  return { ok: true, idNumber, birthDate, sex: Number(idNumber[16]) % 2 === 1 ? 'male' : 'female' }
}

/** The check character that belongs to the first 17 digits. */
export function idCheckCharacter(digits: string): string {
  const sum = WEIGHTS.reduce((total, weight, i) => total + weight * Number(digits[i]), 0)
  return CHECK_CHARACTERS[sum % 11]!
}

/** First three and last two characters stay readable. */
export function maskIdNumber(idNumber: string): string {
  return `${idNumber.slice(0, 3)}${'*'.repeat(Math.max(0, idNumber.length - 5))}${idNumber.slice(-2)}`
}

function calendarDate(digits: string): string | null {
  const [year, month, day] = [digits.slice(0, 4), digits.slice(4, 6), digits.slice(6, 8)].map(Number)
  const date = new Date(Date.UTC(year!, month! - 1, day!))
  const exists =
    date.getUTCFullYear() === year && date.getUTCMonth() === month! - 1 && date.getUTCDate() === day
  return exists ? date.toISOString().slice(0, 10) : null
}

function isPlausibleBirth(birthDate: string, at: Date): boolean {
  // China's calendar day runs eight hours ahead of UTC.
  const today = new Date(at.getTime() + 8 * 3_600_000).toISOString().slice(0, 10)
  const oldest = `${String(Number(today.slice(0, 4)) - OLDEST_YEARS).padStart(4, '0')}${today.slice(4)}`
  return birthDate <= today && birthDate >= oldest
}
