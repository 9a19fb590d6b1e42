import { deflateSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { appendUpdate, samplePdf } from '../test-files.ts'
import { inspectPdf, PdfRefusal, prepareSignature, verifyPdf } from './pades.ts'

const at = new Date('2026-11-24T10:05:00Z')

function outcome(pdf: Uint8Array): string {
  const codes = [
    () => inspectPdf(pdf),
    () => verifyPdf(pdf),
    () => prepareSignature(pdf, { placements: [], signingTime: at }),
  ].map((act) => {
    try {
      act()
      return 'read'
    } catch (fault) {
      if (fault instanceof PdfRefusal) return fault.code
      throw fault
    }
  })
  return codes.join(' ')
}

/** A file whose cross-reference stream has these rows (type, 4-byte field, 2-byte field) and entries. */
function withXrefStream(body: string, rows: Buffer, entries: string): Uint8Array {
  const data = deflateSync(rows).toString('latin1')
  const head = `%PDF-1.7\n${body}`
  const stream = `9999 0 obj\n<</Type/XRef/W[1 4 2]${entries}/Root 1 0 R/Filter/FlateDecode/Length ${data.length}>>\nstream\n${data}\nendstream\nendobj\n`
  return Buffer.from(`${head}${stream}startxref\n${head.length}\n%%EOF\n`, 'latin1')
}

describe('a hostile file ends in a refusal, not in a hang', () => {
  it('when thousands of objects each look for the end of a string that never comes', () => {
    const extra: Record<number, string> = {}
    for (let i = 10; i < 30_000; i++) extra[i] = '('
    expect(outcome(samplePdf({ extra }))).toContain('too_complex')
  })

  it('when the same objects have to be found by scanning', () => {
    const text = Buffer.from(samplePdf())
      .toString('latin1')
      .replace(/startxref\n\d+/, 'startxref\n3')
    const objects = Array.from({ length: 60_000 }, (_, i) => `${i + 10} 0 obj\n(`).join('\n')
    expect(outcome(Buffer.from(text.replace('xref\n0 7', `${objects}\nxref\n0 7`), 'latin1'))).toContain(
      'too_complex',
    )
  })

  it('when a cross-reference stream claims the same rows over and over', () => {
    const rows = Buffer.alloc(7 * 3_000_000)
    const index = `[${'0 1000000 '.repeat(3)}]`
    const body = '1 0 obj\n<</Type/Catalog/Pages 2 0 R>>\nendobj\n'
    expect(outcome(withXrefStream(body, rows, `/Size 10000/Index${index}`))).not.toContain('read')
    const many = appendSections(40)
    expect(outcome(many)).toContain('too_complex')
  })

  it('when a stream inflates without end', () => {
    const bomb = deflateSync(Buffer.alloc(80 * 1024 * 1024)).toString('latin1')
    const body =
      '1 0 obj\n<</Type/Catalog/Pages 2 0 R>>\nendobj\n' +
      `5 0 obj\n<</Type/ObjStm/N 1/First 4/Filter/FlateDecode/Length ${bomb.length}>>\nstream\n${bomb}\nendstream\nendobj\n`
    const row = (type: number, second: number, third: number) => {
      const out = Buffer.alloc(7)
      out[0] = type
      out.writeUInt32BE(second, 1)
      out.writeUInt16BE(third, 5)
      return out
    }
    const rows = Buffer.concat([
      row(0, 0, 0),
      row(1, 9, 0),
      row(2, 5, 0),
      row(0, 0, 0),
      row(0, 0, 0),
      row(1, 56, 0),
    ])
    expect(outcome(withXrefStream(body, rows, '/Size 6'))).not.toContain('read')
  })

  it('when sections, pages or forms run in circles', () => {
    const form = samplePdf({
      catalog: '/AcroForm<</Fields[10 0 R]>>',
      extra: { 10: '<</T(a)/Kids[11 0 R]>>', 11: '<</T(b)/Parent 10 0 R/Kids[10 0 R 11 0 R]>>' },
    })
    expect(outcome(form)).toBe('read read read')
    const parents = samplePdf({
      catalog: '/AcroForm<</Fields[10 0 R]>>',
      extra: { 10: '<</T(a)/Parent 11 0 R>>', 11: '<</T(b)/Parent 10 0 R>>' },
    })
    expect(outcome(appendUpdate(parents, { 10: '<</T(c)/Parent 11 0 R>>' }))).toBe('read read read')
    const references = samplePdf({ catalog: '/Version 10 0 R', extra: { 10: '11 0 R', 11: '10 0 R' } })
    expect(outcome(references)).toBe('read read read')
  })
})

/** Many cross-reference streams in one chain, each with a million rows of its own. */
function appendSections(count: number): Uint8Array {
  const data = deflateSync(Buffer.alloc(7 * 1_000_000)).toString('latin1')
  let text = '%PDF-1.7\n1 0 obj\n<</Type/Catalog/Pages 2 0 R>>\nendobj\n'
  let previous = 0
  for (let i = 0; i < count; i++) {
    const offset = text.length
    const link = previous > 0 ? `/Prev ${previous}` : ''
    text += `9 0 obj\n<</Type/XRef/W[1 4 2]/Size 1000000/Root 1 0 R${link}/Filter/FlateDecode/Length ${data.length}>>\nstream\n${data}\nendstream\nendobj\n`
    previous = offset
  }
  return Buffer.from(`${text}startxref\n${previous}\n%%EOF\n`, 'latin1')
}

describe('mutated files', () => {
  const samples = (['table', 'stream', 'hybrid'] as const).map((form) =>
    samplePdf({ form, pages: 3, nested: form === 'stream' }),
  )
  const token = fc.constantFrom(
    '<<',
    '>>',
    '[',
    ']',
    '(',
    ')',
    '0 R',
    '9999999999',
    '-1',
    '/Prev 9',
    'endobj',
    'stream',
    'obj',
    'trailer',
  )
  const mutation = fc.record({
    at: fc.double({ min: 0, max: 1, noNaN: true }),
    text: fc.oneof(token, fc.string({ maxLength: 6 })),
  })

  it('are read or refused, never anything else', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...samples),
        fc.array(mutation, { minLength: 1, maxLength: 5 }),
        (sample, mutations) => {
          const changed = Buffer.from(sample)
          for (const { at: share, text } of mutations)
            changed.write(text, Math.floor(share * (sample.length - 12)), 'latin1')
          outcome(changed)
        },
      ),
      { numRuns: 3000 },
    )
  })

  it('and files cut anywhere are read or refused', () => {
    for (const sample of samples) for (let i = 0; i < sample.length; i += 5) outcome(sample.subarray(0, i))
  })
})
