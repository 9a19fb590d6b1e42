import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { checkIdNumber, idCheckCharacter, maskIdNumber } from './id-number.ts'

const at = new Date('2026-11-24T00:00:00Z')
const problemOf = (text: string, when = at) => {
  const check = checkIdNumber(text, when)
  return check.ok ? null : check.problem
}
const withCheck = (digits: string) => digits + idCheckCharacter(digits)

describe('identity numbers (GB 11643)', () => {
  it('accepts the examples printed in the standard', () => {
    expect(checkIdNumber('11010519491231002X', at)).toEqual({
      ok: true,
      idNumber: '11010519491231002X',
      birthDate: '1949-12-31',
      sex: 'female',
    })
    expect(checkIdNumber('440524188001010014', at)).toMatchObject({
      ok: true,
      birthDate: '1880-01-01',
      sex: 'male',
    })
  })

  it('reads full-width digits, spaces and a small x as the same number', () => {
    expect(checkIdNumber(' １１０１０５ 19491231 002x', at)).toMatchObject({
      ok: true,
      idNumber: '11010519491231002X',
    })
  })

  it('names what is wrong', () => {
    expect(problemOf('')).toBe('shape')
    expect(problemOf('110105491231002')).toBe('shape')
    expect(problemOf('1101051949123100XX')).toBe('shape')
    expect(problemOf(withCheck('10010519491231002'))).toBe('region')
    expect(problemOf(withCheck('11000019491231002'))).toBe('region')
    expect(problemOf(withCheck('11010519490231002'))).toBe('birth_date')
    expect(problemOf(withCheck('11010520230229002'))).toBe('birth_date')
    expect(problemOf(withCheck('11010518700101002'))).toBe('birth_date')
    expect(problemOf('110105194912310021')).toBe('checksum')
  })

  it('counts the birth date by the calendar of China', () => {
    const bornToday = withCheck('11010520261124002')
    expect(problemOf(bornToday, new Date('2026-11-23T15:59:59Z'))).toBe('birth_date')
    expect(problemOf(bornToday, new Date('2026-11-23T16:00:00Z'))).toBeNull()
    expect(problemOf(withCheck('11010520240229002'))).toBeNull()
  })

  it('catches every single wrong digit and every swap of neighbours', () => {
    const good = '11010519491231002X'
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 16 }), fc.integer({ min: 0, max: 9 }), (place, digit) => {
        const changed = good.slice(0, place) + digit + good.slice(place + 1)
        if (changed !== good) expect(checkIdNumber(changed, at).ok).toBe(false)
        const swapped = good.slice(0, place) + good[place + 1] + good[place] + good.slice(place + 2)
        if (swapped !== good) expect(checkIdNumber(swapped, at).ok).toBe(false)
      }),
    )
  })

  it('shows only the ends when masked', () => {
    expect(maskIdNumber('11010519491231002X')).toBe('110*************2X')
  })
})
