import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { corpusFolder, pdfFiles } from '../corpus.ts'
import { samplePdf } from '../test-files.ts'
import { hasJudge, run, withFile } from '../test-judges.ts'
import { createTestPki } from '../test-pki.ts'
import { inspectPdf, normalizePdf, PdfRefusal, signPdf, verifyPdf } from './pades.ts'

const at = new Date('2026-11-24T10:05:00Z')
const pki = createTestPki(at)

describe('a rewritten file', () => {
  it.each(['table', 'stream', 'hybrid'] as const)('has one clean section, coming from a %s', async (form) => {
    const clean = normalizePdf(samplePdf({ form, pages: 3 }))
    expect(inspectPdf(clean)).toMatchObject({
      pageCount: 3,
      xrefForm: 'table',
      revisions: 1,
      repaired: false,
    })
    expect(Buffer.from(clean).toString('latin1')).not.toContain('/ObjStm')
    const signed = await signPdf(clean, { ...pki.p256, placements: [], signingTime: at })
    expect(verifyPdf(signed).ok).toBe(true)
  })

  it('is never made of one that is signed', async () => {
    const signed = await signPdf(samplePdf(), { ...pki.p256, placements: [], signingTime: at })
    expect(() => normalizePdf(signed)).toThrow(PdfRefusal)
  })

  it('shows the same pages and satisfies qpdf, over the corpus', (context) => {
    const folder = join(corpusFolder(), 'plain')
    if (!existsSync(folder)) {
      console.warn('SKIPPED: no corpus')
      return context.skip()
    }
    if (!hasJudge(context, 'qpdf')) return
    let compared = 0
    for (const name of pdfFiles(folder).filter((_, i) => i % 12 === 0)) {
      const before = readFileSync(name)
      let clean: Uint8Array
      try {
        clean = normalizePdf(before)
      } catch (error) {
        if (error instanceof PdfRefusal) continue
        throw error
      }
      const [old, now] = [inspectPdf(before), inspectPdf(clean)]
      expect({ pages: now.pages, repaired: now.repaired }, name).toEqual({
        pages: old.pages,
        repaired: false,
      })
      const check = (pdf: Uint8Array) => withFile(pdf, (path) => run('qpdf', ['--check', path]).status)
      // qpdf ends with 0 for good, 3 for warnings, 2 for errors.
      const rank = (status: number | null) => (status === 0 ? 0 : status === 3 ? 1 : 2)
      expect(rank(check(clean)), name).toBeLessThanOrEqual(rank(check(before)))
      compared++
    }
    expect(compared).toBeGreaterThan(10)
  })
})
