import { describe, expect, it } from 'vitest'
import { idNumberLooksRight } from './id-number.ts'

describe('the ID number as typed', () => {
  it('passes the example of the standard and a check digit X', () => {
    expect(idNumberLooksRight('11010519491231002X')).toBe(true)
    expect(idNumberLooksRight(' 11010519491231002x ')).toBe(true)
    expect(idNumberLooksRight('440524188001010014')).toBe(true)
  })

  it('refuses every single wrong digit', () => {
    const right = '11010519491231002X'
    for (let index = 0; index < 17; index++) {
      const wrong = `${right.slice(0, index)}${(Number(right[index]) + 1) % 10}${right.slice(index + 1)}`
      expect(idNumberLooksRight(wrong), wrong).toBe(false)
    }
    expect(idNumberLooksRight('1101051949123100')).toBe(false)
  })
})
