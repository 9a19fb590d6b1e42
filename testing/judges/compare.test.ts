import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { corpusFolder, pdfFiles } from '../../packages/pades/corpus.ts'
import { compare, unexplained } from './compare.ts'
import { hasDss } from './dss.ts'
import { hasPyhanko } from './pyhanko.ts'

describe('our verdicts on the signed files of the corpus', () => {
  it('differ from those of pyHanko and EU DSS only where the difference is explained', (context) => {
    const folder = join(corpusFolder(), 'signed')
    if (!existsSync(folder)) {
      console.warn(`SKIPPED: no corpus at ${folder}`)
      context.skip('no corpus')
    }
    if (!hasDss(context) || !hasPyhanko(context)) return
    const rows = compare(pdfFiles(folder))
    expect(rows.length).toBeGreaterThan(90)
    expect(unexplained(rows)).toEqual([])
    // No file that either judge calls changed or broken is good for us, unless explained.
    const missed = rows.filter(
      ({ ours, dss }) => ours.label === 'good' && (dss.label === 'changed' || dss.label === 'broken'),
    )
    expect(missed.map(({ file }) => file)).toEqual(['Signature-P-SK-1 (HASH_FAILURE).pdf'])
  }, 600_000)
})
