import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { corpusFolder, pdfFiles } from '../corpus.ts'
import { appendUpdate, samplePdf } from '../test-files.ts'
import { createTestPki } from '../test-pki.ts'
import {
  extendDelta,
  extendPdf,
  type PdfSource,
  PdfRefusal,
  signPdf,
  timestampDelta,
  validatePdf,
  verifyPdf,
} from './pades.ts'

const at = new Date('2026-11-24T10:05:00Z')
const pki = createTestPki(at)
const trust = [pki.root]

/** Answers each question from a copy in one buffer that the next question overwrites, as an open file does. */
function reading(pdf: Uint8Array): PdfSource & { readonly seen: Set<number> } {
  const room = new Uint8Array(1 << 20)
  const seen = new Set<number>()
  return {
    length: pdf.length,
    seen,
    read(offset, length) {
      if (length > room.length || offset + length > pdf.length) throw new RangeError(`${offset} ${length}`)
      if (length < 1 << 18) for (let i = offset; i < offset + length; i += 4096) seen.add(i >> 12)
      room.set(pdf.subarray(offset, offset + length))
      return room.subarray(0, length)
    },
  }
}

const big = (form: 'table' | 'stream' | 'hybrid') => {
  const data = `endstream endobj ${'x'.repeat(700_000)} endstream `
  return samplePdf({
    form,
    pages: 2,
    extra: { 10: `<</Length ${data.length}>>\nstream\n${data}\nendstream` },
  })
}
const sign = (pdf: Uint8Array) =>
  signPdf(pdf, { ...pki.p256, placements: [], signingTime: at, timestamp: pki.timestamp })
const content = '<</Length 5>>\nstream\nq Q q\nendstream'

/** The report without what is the same file behind it: views and bytes. */
function outcome(act: () => unknown): unknown {
  try {
    return act()
  } catch (error) {
    if (error instanceof PdfRefusal) return error.code
    throw error
  }
}

describe('a signed file that is read by ranges', () => {
  it.each(['table', 'stream', 'hybrid'] as const)(
    'is judged as the whole one is, from a %s',
    async (form) => {
      const twice = await sign(await sign(big(form)))
      const changed = appendUpdate(twice, { 4: content })
      const damaged = Uint8Array.from(twice)
      damaged[300_000] = 0x79
      for (const pdf of [
        twice,
        changed,
        damaged,
        twice.subarray(0, twice.length - 40),
        Buffer.concat([twice, Buffer.from('junk')]),
      ]) {
        const source = reading(pdf)
        const whole = outcome(() => verifyPdf(pdf, { trust }))
        const byRanges = outcome(() => verifyPdf(source, { trust }))
        // What would have to be mended is refused by ranges.
        const mended = typeof whole === 'object' && whole !== null && 'repaired' in whole && whole.repaired
        if (mended || whole === 'truncated') expect(byRanges).toBe('damaged')
        else expect(byRanges).toEqual(whole)
      }
      const source = reading(twice)
      expect(verifyPdf(source, { trust }).ok).toBe(true)
      // Structure alone was looked at; the rest passed through the hash.
      expect(source.seen.size).toBeLessThan(90)
    },
  )

  it('is judged by EN 319 102-1 alike, and extended by the same bytes', async () => {
    const signed = await sign(big('table'))
    const crls = [pki.crl(at)]
    const options = {
      level: 'B-LTA',
      validationData: () => ({ crls }),
      timestamp: pki.timestamp,
    } as const
    const extended = await extendPdf(signed, options)
    const delta = await extendDelta(reading(signed), options)
    const byRanges = Buffer.concat([signed, delta])
    expect(byRanges.length - extended.length).toBeLessThan(64)
    for (const pdf of [extended, byRanges]) {
      const whole = validatePdf(pdf, { trust, at })
      expect(whole.indication).toBe('TOTAL_PASSED')
      expect(whole.signatures[0]?.level).toBe('B-LTA')
      expect(validatePdf(reading(pdf), { trust, at })).toEqual(whole)
    }
    const stamped = Buffer.concat([
      signed,
      await timestampDelta(reading(signed), { timestamp: pki.timestamp }),
    ])
    expect(verifyPdf(stamped, { trust })).toMatchObject({
      ok: true,
      documentTimestamps: [{ status: 'valid' }],
    })
  })

  it('gives the same report on every signed file of the corpus, or is refused where it would be mended', (context) => {
    const folder = join(corpusFolder(), 'signed')
    if (!existsSync(folder)) {
      console.warn(`SKIPPED: no corpus at ${folder}`)
      return context.skip('no corpus')
    }
    let same = 0
    for (const path of pdfFiles(folder)) {
      const pdf = new Uint8Array(readFileSync(path))
      const whole = outcome(() => verifyPdf(pdf))
      const byRanges = outcome(() => verifyPdf(reading(pdf)))
      const mended = typeof whole === 'object' && whole !== null && 'repaired' in whole && whole.repaired
      if (mended || (whole === 'truncated' && byRanges === 'damaged')) {
        expect(byRanges, path).toBe('damaged')
        continue
      }
      expect(byRanges, path).toEqual(whole)
      same++
    }
    expect(same).toBeGreaterThan(80)
  })

  it('of 200 MB is signed, verified and extended in little memory', (context) => {
    if (process.platform !== 'linux') return context.skip('the peak of memory is read from /proc')
    const folder = mkdtempSync(join(tmpdir(), 'yinxin-ranges-'))
    try {
      const script = new URL('../bench-ranges.ts', import.meta.url).pathname
      const run = spawnSync(process.execPath, [script, folder, '200'], { encoding: 'utf8' })
      if (run.status !== 0) throw new Error(run.stderr)
      const found = JSON.parse(run.stdout) as { ok: boolean; level: string; growthBytes: number }
      expect(found).toMatchObject({ ok: true, level: 'B-LTA' })
      expect(found.growthBytes).toBeLessThan(64 * 1024 * 1024)
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  }, 120_000)
})
