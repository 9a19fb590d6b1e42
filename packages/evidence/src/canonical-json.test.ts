import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { canonicalBytes, canonicalJson, parseCanonicalJson } from './canonical-json.ts'

const json = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.constant(null),
    fc.boolean(),
    fc.maxSafeInteger().map((n) => (n === 0 ? 0 : n)),
    fc.string({ unit: 'grapheme' }),
    fc.array(tie('value'), { maxLength: 5 }),
    fc.dictionary(fc.string({ unit: 'grapheme' }), tie('value'), { maxKeys: 5, noNullPrototype: true }),
  ),
})).value

describe('canonical JSON', () => {
  it('sorts keys by UTF-16 code units and escapes as RFC 8785 §3.2.3 shows', () => {
    const value = {
      '\u20ac': 'Euro Sign',
      '\r': 'Carriage Return',
      '\ufb33': 'Hebrew Letter Dalet With Dagesh',
      '1': 'One',
      '\ud83d\ude00': 'Emoji: Grinning Face',
      '\u0080': 'Control',
      '\u00f6': 'Latin Small Letter O With Diaeresis',
    }
    const keys = Object.keys(JSON.parse(canonicalJson(value)) as object)
    // A JavaScript object lists integer-like keys first, so the order is read from the text.
    const order = [...canonicalJson(value).matchAll(/"([^"]+)":/g)].map((match) =>
      JSON.parse(`"${match[1]}"`),
    )
    expect(keys).toHaveLength(7)
    expect(order).toEqual(['\r', '1', '\u0080', '\u00f6', '\u20ac', '\ud83d\ude00', '\ufb33'])
    expect(canonicalJson('\u20ac$\u000f\nA\'B"\\\\"/')).toBe(String.raw`"€$\u000f\nA'B\"\\\\\"/"`)
  })

  it('survives parsing in its own form only', () => {
    fc.assert(
      fc.property(json, (value) => {
        const text = canonicalJson(value)
        expect(canonicalJson(parseCanonicalJson(text))).toBe(text)
        expect(JSON.parse(text)).toEqual(value)
        expect(new TextDecoder().decode(canonicalBytes(value))).toBe(text)
      }),
    )
    for (const text of [
      '{"b":1,"a":2}',
      '{"a":1,"a":1}',
      '{ "a":1}',
      '[1.0]',
      '"\\u0041"',
      '[1]\n',
      '[9007199254740993]',
      '',
    ]) {
      expect(() => parseCanonicalJson(text)).toThrow(expect.objectContaining({ code: 'not_canonical' }))
    }
  })

  it('refuses what JSON would drop or bend silently', () => {
    const cycle: unknown[] = []
    cycle.push(cycle)
    for (const value of [
      undefined,
      { a: undefined },
      1.5,
      Number.NaN,
      -0,
      2 ** 53,
      1n,
      new Date(0),
      () => 1,
      '\ud800',
      cycle,
      new Map(),
    ]) {
      expect(() => canonicalJson(value)).toThrow(expect.objectContaining({ code: 'not_canonical' }))
    }
  })
})
