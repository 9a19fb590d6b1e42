/** The 31 characters of GB 32100-2015 in order of their value: no I, O, S, V, Z. */
const ALPHABET = '0123456789ABCDEFGHJKLMNPQRTUWXY'
/** W(i) = 3^(i-1) mod 31, GB 32100-2015 §5. */
const WEIGHTS = [1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28]
/** Weights of the organisation code, GB 11714-1997 §3. */
const ORGANISATION_WEIGHTS = [3, 7, 9, 10, 5, 8, 4, 2]

export type CreditCodeProblem = 'shape' | 'organisation_code' | 'checksum'
export type CreditCodeCheck =
  | { ok: true; creditCode: string; organisationCode: string; region: string }
  | { ok: false; problem: CreditCodeProblem }

/**
 * Checks a unified social credit code by GB 32100: 18 characters of its alphabet, six digits of region,
 * the organisation code inside it with its own GB 11714 check character, and the MOD 31-3 check character.
 */
export function checkCreditCode(text: string): CreditCodeCheck {
  const creditCode = text.normalize('NFKC').replace(/\s/g, '').toUpperCase()
  if (!/^[0-9A-HJ-NPQRTUWXY]{2}\d{6}[0-9A-HJ-NPQRTUWXY]{10}$/.test(creditCode))
    return { ok: false, problem: 'shape' }
  const organisationCode = creditCode.slice(8, 17)
  if (organisationCode[8] !== organisationCheckCharacter(organisationCode))
    return { ok: false, problem: 'organisation_code' }
  if (creditCode[17] !== creditCheckCharacter(creditCode)) return { ok: false, problem: 'checksum' }
  return { ok: true, creditCode, organisationCode, region: creditCode.slice(2, 8) }
}

/** The check character that belongs to the first 17 characters of a credit code. */
export function creditCheckCharacter(code: string): string {
  const sum = WEIGHTS.reduce((total, weight, i) => total + weight * ALPHABET.indexOf(code[i]!), 0)
  return ALPHABET[(31 - (sum % 31)) % 31]!
}

/** The check character that belongs to the first 8 characters of an organisation code (GB 11714). */
export function organisationCheckCharacter(code: string): string {
  // GB 11714 gives letters the values 10 to 35, with no gaps in the alphabet.
  const sum = ORGANISATION_WEIGHTS.reduce((total, weight, i) => total + weight * parseInt(code[i]!, 36), 0)
  const check = 11 - (sum % 11)
  return check === 10 ? 'X' : check === 11 ? '0' : String(check)
}
