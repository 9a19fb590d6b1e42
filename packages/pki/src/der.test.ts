import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { normaliseBer } from './ber.ts'
import { concatBytes } from './bytes.ts'
import {
  childrenOf,
  enter,
  maximumDepth,
  next,
  readBitString,
  readElement,
  readInteger,
  readNamedBits,
  readOid,
  readOnly,
  readText,
  readTime,
} from './der-read.ts'
import {
  bitString,
  certificateTime,
  element,
  encode,
  generalizedTime,
  integer,
  namedBits,
  octetString,
  oid,
  printableString,
  sequence,
  setOf,
  unsignedInteger,
  utf8String,
} from './der-write.ts'
import { PkiError } from './errors.ts'

const bytesOf = (hex: string): Uint8Array =>
  Uint8Array.from(hex.replaceAll(' ', '').match(/../g) ?? [], (pair) => Number.parseInt(pair, 16))
const read = (der: Uint8Array) => readElement(der, 0, der.length)

/** The code of the PkiError that the call must throw. */
function refusal(call: () => unknown): string {
  try {
    call()
  } catch (error) {
    if (error instanceof PkiError) return error.code
    throw error
  }
  return 'accepted'
}

describe('DER round trips', () => {
  it('keeps every integer', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(2n ** 200n), max: 2n ** 200n }), (value) => {
        expect(readInteger(read(integer(value)))).toBe(value)
      }),
    )
    for (const value of [0n, 1n, 127n, 128n, 255n, 256n, -1n, -128n, -129n, 32767n, 32768n])
      expect(readInteger(read(integer(value)))).toBe(value)
  })

  it('keeps unsigned big-endian bytes as a positive integer', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 30 }), (bytes) => {
        const value = BigInt(`0x${Buffer.from(bytes).toString('hex')}`)
        expect(readInteger(read(unsignedInteger(bytes)))).toBe(value)
      }),
    )
  })

  it('keeps every object identifier', () => {
    const arc = fc.bigInt({ min: 0n, max: 2n ** 100n })
    const dotted = fc
      .tuple(fc.constantFrom(0n, 1n, 2n), arc, fc.array(arc, { maxLength: 3 }))
      .map(([first, second, rest]) => [first, first < 2n ? second % 40n : second, ...rest].join('.'))
    fc.assert(
      fc.property(dotted, (text) => {
        expect(readOid(read(oid(text)))).toBe(text)
      }),
    )
    expect(Buffer.from(oid('1.2.840.113549')).toString('hex')).toBe('06062a864886f70d')
  })

  it('keeps every time to its resolution', () => {
    const date = fc.date({
      min: new Date('1950-01-01T00:00:00Z'),
      max: new Date('9999-12-31T23:59:59.999Z'),
      noInvalidDate: true,
    })
    fc.assert(
      fc.property(date, (value) => {
        expect(readTime(read(encode(generalizedTime(value)))).getTime()).toBe(value.getTime())
        expect(readTime(read(encode(certificateTime(value)))).getTime()).toBe(
          Math.floor(value.getTime() / 1000) * 1000,
        )
      }),
    )
  })

  it('switches from UTCTime to GeneralizedTime in 2050', () => {
    expect(encode(certificateTime(new Date('2049-12-31T23:59:59Z')))[0]).toBe(0x17)
    expect(encode(certificateTime(new Date('2050-01-01T00:00:00Z')))[0]).toBe(0x18)
  })

  it('keeps texts, named bits and lengths of every size', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 300 }), (text) => {
        expect(readText(read(encode(utf8String(text))))).toBe(text)
      }),
    )
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat(20)), (positions) => {
        expect(readNamedBits(read(namedBits(positions)))).toEqual([...positions].sort((a, b) => a - b))
      }),
    )
    for (const length of [0, 127, 128, 255, 256, 65535, 65536]) {
      const der = encode(octetString(new Uint8Array(length)))
      const found = readOnly(der, 0x04, 'octets')
      expect(found.end - found.content).toBe(length)
    }
  })

  it('sorts a SET OF by encoding', () => {
    const der = encode(setOf([integer(300), integer(2), integer(1)]))
    expect(childrenOf(read(der)).map((child) => readInteger(child))).toEqual([1n, 2n, 300n])
  })

  it('reads times with fractions and refuses those that do not exist', () => {
    const time = (text: string, tag = 0x18) =>
      readTime(read(encode(element(tag, new TextEncoder().encode(text)))))
    expect(time('20260301120000.5Z').toISOString()).toBe('2026-03-01T12:00:00.500Z')
    expect(time('490101000000Z', 0x17).getUTCFullYear()).toBe(2049)
    expect(time('500101000000Z', 0x17).getUTCFullYear()).toBe(1950)
    for (const bad of [
      '20260230120000Z',
      '20261301120000Z',
      '20260301240000Z',
      '20260301120060Z',
      '20260301120000.50Z',
      '20260301120000+0800',
      '202603011200Z',
      '',
    ])
      expect(
        refusal(() => time(bad)),
        bad,
      ).toBe('der')
  })
})

describe('DER that must be refused', () => {
  const bad: Record<string, string> = {
    'nothing at all': '',
    'a tag alone': '30',
    'content cut off': '30 05 02 01 01',
    'a length cut off': '30 82 01',
    'a length that could be short': '04 81 01 00',
    'a length with a leading zero': '04 82 00 80',
    'an indefinite length': '30 80 00 00',
    'a length of five octets': '04 85 01 00 00 00 00',
    'a length of four gigabytes': '04 84 ff ff ff ff',
    'the reserved length': '04 ff',
    'a high tag number': '1f 81 01 00',
  }
  for (const [name, hex] of Object.entries(bad))
    it(name, () => expect(refusal(() => readOnly(bytesOf(hex), 0x30, 'thing'))).toBe('der'))

  it('octets after the element', () =>
    expect(refusal(() => readOnly(bytesOf('30 00 00'), 0x30, 'thing'))).toBe('der'))
  it('a child that reaches outside its parent', () => {
    expect(refusal(() => next(enter(readOnly(bytesOf('30 03 04 05 00'), 0x30, 'thing'))))).toBe('der')
  })
  it('nesting without end', () => {
    let der: Uint8Array = encode(sequence())
    for (let level = 0; level < 40; level += 1) der = encode(sequence(der))
    let levels = 0
    const descend = () => {
      for (let found = readOnly(der, 0x30, 'thing'); ; levels += 1) found = next(enter(found))
    }
    expect(refusal(descend)).toBe('der')
    expect(levels).toBe(maximumDepth)
  })
  const primitives: [string, string, (found: ReturnType<typeof read>) => unknown][] = [
    ['an empty integer', '02 00', readInteger],
    ['an integer with a needless zero', '02 02 00 01', readInteger],
    ['an integer with a needless sign', '02 02 ff 80', readInteger],
    ['an empty identifier', '06 00', readOid],
    ['an identifier cut off', '06 02 2a 86', readOid],
    ['an identifier with a padded arc', '06 03 2a 80 01', readOid],
    ['a bit string without its first octet', '03 00', readBitString],
    ['a bit string of eight unused bits', '03 02 08 ff', readNamedBits],
    ['broken UTF-8', '0c 02 c3 28', readText],
    ['half a UTF-16 character', '1e 01 41', readText],
    ['text outside ASCII in a PrintableString', '13 01 e9', readText],
  ]
  for (const [name, hex, reader] of primitives)
    it(name, () => expect(refusal(() => reader(read(bytesOf(hex))))).toBe('der'))

  it('values that cannot be written', () => {
    for (const text of ['', '1', '3.1', '1.40', '1.2.x', '1..2', '01.2', '1.02'])
      expect(
        refusal(() => oid(text)),
        text,
      ).toBe('argument')
    expect(refusal(() => printableString('中'))).toBe('argument')
    expect(refusal(() => generalizedTime(new Date(Number.NaN)))).toBe('argument')
    expect(refusal(() => integer(2 ** 60))).toBe('argument')
  })
})

describe('BER', () => {
  it('gets definite lengths, whole strings and short lengths, and loses what follows', () => {
    // SEQUENCE (indefinite) { OCTET STRING (constructed, indefinite) { 'ab', 'c' }, INTEGER 5 with a long length }
    const ber = bytesOf('30 80 24 80 04 02 61 62 04 01 63 00 00 02 82 00 01 05 00 00 ff')
    const { der, end } = normaliseBer(ber)
    expect(Buffer.from(der).toString('hex')).toBe('3008040361626302' + '0105')
    expect(end).toBe(ber.length - 1)
  })

  it('leaves DER byte for byte alone', () => {
    const der = encode(
      sequence(
        setOf([integer(3), utf8String('印')]),
        bitString(Uint8Array.of(1, 2)),
        element(0xa0, octetString(integer(1))),
      ),
    )
    expect(normaliseBer(der)).toEqual({ der, end: der.length })
  })

  it('joins very many fragments', () => {
    const fragments = Uint8Array.from(
      { length: 600_000 },
      (_, index) => [0x04, 0x01, index & 0xff][index % 3]!,
    )
    const { der } = normaliseBer(concatBytes([Uint8Array.of(0x24, 0x80), fragments, new Uint8Array(2)]))
    expect(der.length).toBe(200_000 + 5)
  })

  it('refuses endless nesting, missing ends and primitives without length', () => {
    for (const hex of [
      '30 80'.repeat(2000),
      '30 80 02 01 05',
      '04 80 00 00',
      '24 06 02 01 05 02 01 05',
      '30 88 ff ff ff ff ff ff ff ff',
      '24 80'.repeat(2000),
      // Complete, only too deep.
      '30 80'.repeat(60) + '00 00'.repeat(60),
    ])
      expect(
        refusal(() => normaliseBer(bytesOf(hex))),
        hex.slice(0, 20),
      ).toBe('der')
  })
})
