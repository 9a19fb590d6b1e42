import { spawnSync } from 'node:child_process'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createTestPki } from '../test-pki.ts'
import { samplePdf } from '../test-files.ts'
import { hasJudge, run, withFile } from '../test-judges.ts'
import { drawingContent, drawQr, prepareAppearance, signPdf, verifyPdf } from './pades.ts'

const at = new Date('2026-11-24T10:00:00Z')

describe('a QR code on a signature', () => {
  it.each([
    ['an address', 'https://sign.example.com/verify?task=0197f6a1-0c1e-7d21-9a3e-5f0c6a7b8d90', 'M'],
    ['Chinese and characters beyond the basic plane', '印信合同 𠮷 №42', 'H'],
    ['a long text', 'x'.repeat(900), 'L'],
  ] as const)('holding %s is read by another program from the page', async (_, text, errorCorrection) => {
    const pki = createTestPki(at)
    const drawing = drawQr(text, { sizePt: 150, errorCorrection })
    const appearance = prepareAppearance(drawingContent(drawing))
    const placement = { page: 0, rect: { x: 60, y: 20, width: 150, height: 150 }, appearance }
    const signed = await signPdf(samplePdf({ pages: 1 }), {
      ...pki.p256,
      placements: [placement],
      signingTime: at,
    })
    expect(verifyPdf(signed).ok).toBe(true)
    const context = { skip: () => undefined }
    if (!hasJudge(context, 'zbarimg', ['--version']) || !hasJudge(context, 'mutool', ['-v'])) return
    withFile(signed, (path) => {
      run('mutool', ['draw', '-q', '-r', '200', '-o', `${path}.png`, path, '1'])
      // What it has to say about a missing message bus goes to standard error.
      const read = spawnSync('zbarimg', ['-q', '--raw', `${path}.png`], { encoding: 'utf8' }).stdout.trim()
      expect(read).toBe(text)
    })
  })

  it('draws within its square whatever it holds, dark modules on white', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1, maxLength: 200, unit: 'binary' }), (text) => {
        const { items, widthPt, heightPt } = drawQr(text, { sizePt: 60, color: '#102030' })
        expect([widthPt, heightPt, items.length]).toEqual([60, 60, 2])
        for (const [, x = 0, y = 0] of items[1]!.path) {
          expect(Math.min(x, y)).toBeGreaterThanOrEqual(0)
          expect(Math.max(x, y)).toBeLessThanOrEqual(60)
        }
      }),
      { numRuns: 50 },
    )
  })

  it('refuses what no code can hold', () => {
    expect(() => drawQr('', { sizePt: 60 })).toThrow(RangeError)
    expect(() => drawQr('x'.repeat(2_332), { sizePt: 60 })).toThrow('longer than a QR code can hold')
    expect(() => drawQr('x'.repeat(2_954), { sizePt: 60, errorCorrection: 'L' })).toThrow(RangeError)
    expect(drawQr('x'.repeat(2_331), { sizePt: 60 }).items).toHaveLength(2)
  })
})
