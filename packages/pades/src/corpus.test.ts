import { existsSync } from 'node:fs'
import { basename, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { ATTACKED, BORROWED_TIME, corpusFolder, pdfFiles, runCorpus, UNTOUCHED } from '../corpus.ts'

const folder = corpusFolder()

function files(context: { skip(note?: string): void }, part: string): string[] {
  if (existsSync(join(folder, part))) return pdfFiles(join(folder, part))
  console.warn(`SKIPPED: no corpus at ${folder}`)
  context.skip('no corpus')
  return []
}

describe('the corpus of real files', () => {
  it('is signed twice or refused by name: no crash, nothing over two seconds', async (context) => {
    const rows = await runCorpus(files(context, 'plain'), 'sign', false)
    const bad = rows.filter(({ outcome }) => outcome === 'timeout' || outcome.startsWith('failed'))
    expect(bad).toEqual([])
    expect(rows.filter(({ ms }) => ms > 2000)).toEqual([])
    const unencrypted = rows.filter(({ outcome }) => outcome !== 'encrypted')
    const signed = unencrypted.filter(({ outcome }) => outcome === 'signed')
    expect(signed.length / unencrypted.length).toBeGreaterThanOrEqual(0.98)
  })

  it('of signed files gets a verdict for each', async (context) => {
    const rows = await runCorpus(files(context, 'signed'), 'verify', false)
    expect(rows.filter(({ outcome }) => !['verified', 'truncated'].includes(outcome))).toEqual([])
    const verdict = new Map(rows.map(({ file, detail }) => [basename(file), detail]))
    for (const name of ATTACKED) expect(`${name} ${verdict.get(name)}`).toContain(`${name} false`)
    for (const name of BORROWED_TIME)
      expect(`${name} ${verdict.get(name)}`).toMatch(/ true .* timestamp_invalid/)
    for (const name of UNTOUCHED) expect(`${name} ${verdict.get(name)}`).toContain(`${name} true`)
  })
})
