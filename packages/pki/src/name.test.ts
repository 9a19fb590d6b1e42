import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { normalForm } from './name.ts'

/** The definition, without the short cuts. */
const plainly = (value: string) => value.normalize('NFKC').toLowerCase().trim().replace(/\s+/g, ' ')

describe('the form in which names are compared', () => {
  it('is composed, caseless and without needless spaces, whatever the name is made of', () => {
    const pieces = fc.constantFrom(
      ' ',
      '  ',
      '\t',
      'A',
      'b',
      'Ａ',
      '王',
      '鿿',
      '一',
      '﨑',
      'é',
      'e\u0301',
      'K',
      '\u3000',
      'İ',
      'ß',
      '１',
    )
    fc.assert(
      fc.property(
        fc.oneof(fc.string(), fc.string({ unit: pieces }), fc.string({ unit: 'grapheme' })),
        (value) => {
          expect(normalForm(value)).toBe(plainly(value))
        },
      ),
      { numRuns: 3000 },
    )
  })
})
