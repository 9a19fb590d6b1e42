import { closeSync, existsSync, openSync, readFileSync, readSync, statSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { corpusFolder, pdfFiles } from '../corpus.ts'
import { samplePdf } from '../test-files.ts'
import { withFile } from '../test-judges.ts'
import { createTestPki } from '../test-pki.ts'
import {
  inspectPdf,
  type PdfSource,
  PdfRefusal,
  prepareSignature,
  prepareSignatureOf,
  signDelta,
  verifyPdf,
} from './pades.ts'

const at = new Date('2026-11-24T10:05:00Z')
const pki = createTestPki(at)
const options = { placements: [], signingTime: at, reserveBytes: 4096 }

/** Counts what was read, apart from the one pass of the hash. */
function counting(pdf: Uint8Array): PdfSource & { readonly blocks: Set<number> } {
  const blocks = new Set<number>()
  return {
    length: pdf.length,
    blocks,
    read(offset, length) {
      if (length <= 65_536) blocks.add(offset)
      return pdf.slice(offset, offset + length)
    },
  }
}

/** A file of some size whose objects lie far apart. */
const large = (form: 'table' | 'stream' | 'hybrid') =>
  samplePdf({
    form,
    pages: 3,
    extra: { 10: `<</Length 3000000>>\nstream\n${'x'.repeat(3_000_000)}\nendstream` },
  })

describe('a file read by ranges', () => {
  it.each(['table', 'stream', 'hybrid'] as const)('is prepared as the whole one is, from a %s', (form) => {
    const pdf = large(form)
    const source = counting(pdf)
    expect(prepareSignatureOf(source, options)).toEqual(prepareSignature(pdf, options))
    expect(source.blocks.size).toBeLessThan(12)
  })

  it('gets a valid signature from an open handle', async () => {
    const pdf = large('table')
    const delta = await withFile(pdf, async (path) => {
      const handle = openSync(path, 'r')
      const read = (offset: number, length: number) => {
        const bytes = new Uint8Array(length)
        return bytes.subarray(0, readSync(handle, bytes, 0, length, offset))
      }
      const made = signDelta({ length: statSync(path).size, read }, { ...pki.p256, ...options })
      closeSync(handle)
      return made
    })
    expect(verifyPdf(Buffer.concat([pdf, delta]), { trust: [pki.root] }).ok).toBe(true)
  })

  it('is refused where it would have to be mended', () => {
    const broken = Buffer.from(
      Buffer.from(samplePdf())
        .toString('latin1')
        .replace(/startxref\n\d+/, 'startxref\n7'),
      'latin1',
    )
    expect(() => prepareSignatureOf(counting(broken), options)).toThrow(PdfRefusal)
  })

  it('gives the same result over the corpus, or is refused', (context) => {
    const folder = corpusFolder()
    if (!existsSync(folder)) {
      console.warn(`SKIPPED: no corpus at ${folder}`)
      return context.skip('no corpus')
    }
    let same = 0
    for (const name of pdfFiles(folder).filter((_, i) => i % 3 === 0)) {
      const pdf = new Uint8Array(readFileSync(name))
      let byRanges: unknown
      try {
        byRanges = prepareSignatureOf(counting(pdf), options)
      } catch (error) {
        if (!(error instanceof PdfRefusal)) throw new Error(name, { cause: error })
        continue
      }
      if (inspectPdf(pdf).repaired) continue
      expect(byRanges, name).toEqual(prepareSignature(pdf, options))
      same++
    }
    expect(same).toBeGreaterThan(100)
  })
})
