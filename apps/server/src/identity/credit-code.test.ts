import { describe, expect, it } from 'vitest'
import { checkCreditCode, creditCheckCharacter, organisationCheckCharacter } from './credit-code.ts'

/** Published codes of real companies, and the example of GB 32100. */
const REAL = [
  '91350100M000100Y43',
  '91110000802100433B',
  '9144030071526726XG',
  '91330100799655058B',
  '914403001922038216',
  '91110108551385082Q',
  '91310000631696382C',
]

describe('credit codes (GB 32100)', () => {
  it.each(REAL)('accepts %s', (code) => {
    expect(checkCreditCode(code)).toMatchObject({
      ok: true,
      creditCode: code,
      organisationCode: code.slice(8, 17),
    })
  })

  it('reads small and full-width letters as the same code', () => {
    expect(checkCreditCode('９1350100m000100y43')).toMatchObject({
      ok: true,
      creditCode: '91350100M000100Y43',
    })
  })

  it('names what is wrong', () => {
    expect(checkCreditCode('91350100M000100Y4')).toEqual({ ok: false, problem: 'shape' })
    expect(checkCreditCode('91350100I000100Y43')).toEqual({ ok: false, problem: 'shape' })
    expect(checkCreditCode('91350100M000100Y44')).toEqual({ ok: false, problem: 'checksum' })
    // A right outer check character over a wrong organisation code.
    const inner = '91350100M000100Y5'
    expect(checkCreditCode(inner + creditCheckCharacter(inner))).toEqual({
      ok: false,
      problem: 'organisation_code',
    })
  })

  it('catches every single wrong character of every example', () => {
    for (const code of REAL)
      for (let place = 0; place < 18; place++)
        for (const other of '0123456789ABCDEFGHJKLMNPQRTUWXY') {
          const changed = code.slice(0, place) + other + code.slice(place + 1)
          if (changed !== code) expect(checkCreditCode(changed).ok, changed).toBe(false)
        }
  })

  it('computes the organisation check character of GB 11714, X and 0 included', () => {
    expect(organisationCheckCharacter('71526726')).toBe('X')
    expect(organisationCheckCharacter('D2143569')).toBe('X')
    expect(organisationCheckCharacter('80210043')).toBe('3')
  })
})
