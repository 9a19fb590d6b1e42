/**
 * Our verdicts beside those of pyHanko and EU DSS, on every signed file of the corpus, as docs/validation-compared.md:
 *
 *   node testing/judges/compare.ts            writes the document; fails where a difference is not explained
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { PdfRefusal, type PdfVerification, type SignatureReport, verifyPdf } from '@yinxin/pades'
import { corpusFolder, pdfFiles } from '../../packages/pades/corpus.ts'
import { explanations } from './differences.ts'
import { type DssRevision, type DssVerdict, judgeWithDss } from './dss.ts'
import { judgeWithPyhanko, type PyhankoSignature, type PyhankoVerdict } from './pyhanko.ts'

/**
 * `good`: every signature is intact and only signatures, timestamps and validation data came after it; `form`: fields
 * were filled in besides, or a certification permits the annotations; `changed`: something else was; `broken`: a signature or its byte range is not sound.
 */
export type Label = 'good' | 'form' | 'changed' | 'broken' | 'unsigned' | 'unreadable'

export interface Opinion {
  readonly label: Label
  /** What the label rests on: objects and rules, or the judge's own words. */
  readonly grounds: readonly string[]
}

export interface Compared {
  readonly file: string
  readonly ours: Opinion
  readonly pyhanko: Opinion
  readonly dss: Opinion
  readonly differs: boolean
  readonly explanation: string | undefined
}

/** Chains are left out of the comparison: no anchors are given, as the corpus has none in common. */
export function compare(files: readonly string[]): Compared[] {
  const pyhanko = judgeWithPyhanko(files)
  const dss = judgeWithDss(files)
  return files.map((path, i) => {
    const file = basename(path)
    const ours = opinionOfOurs(path)
    const theirs = { pyhanko: opinionOfPyhanko(at(pyhanko, i)), dss: opinionOfDss(at(dss, i)) }
    const differs = !agree(ours, theirs.pyhanko) || !agree(ours, theirs.dss)
    return { file, ours, ...theirs, differs, explanation: explanations[file] }
  })
}

function at<T>(list: readonly T[], index: number): T {
  const item = list[index]
  if (item === undefined) throw new Error(`no verdict ${index}`)
  return item
}

/** Changed and broken are both a no; everything else has to be the same. */
function agree(one: Opinion, other: Opinion): boolean {
  const plain = (label: Label) => (label === 'broken' ? 'changed' : label)
  return plain(one.label) === plain(other.label)
}

const RANK: readonly Label[] = ['unsigned', 'good', 'form', 'changed', 'broken', 'unreadable']

function worst(opinions: readonly Opinion[]): Opinion {
  const label = opinions.reduce<Label>(
    (sofar, { label }) => (RANK.indexOf(label) > RANK.indexOf(sofar) ? label : sofar),
    'unsigned',
  )
  return { label, grounds: [...new Set(opinions.flatMap(({ grounds }) => grounds))] }
}

function opinionOfOurs(path: string): Opinion {
  let report: PdfVerification
  try {
    report = verifyPdf(new Uint8Array(readFileSync(path)))
  } catch (fault) {
    if (fault instanceof PdfRefusal) return { label: 'unreadable', grounds: [fault.code] }
    throw fault
  }
  const changes = report.changes
    .filter(({ level }) => level === 'other' || level === 'form' || level === 'annotations')
    .map(({ rule, object }) => `${rule} in object ${object}`)
  return worst(
    [...report.signatures, ...report.documentTimestamps].map((one) => opinionOfReport(one, changes)),
  )
}

function opinionOfReport(report: SignatureReport, changes: readonly string[]): Opinion {
  const errors = report.problems.filter(({ severity }) => severity === 'error').map(({ code }) => code)
  const beyond = new Set(['changed_after_signing', 'docmdp_violation', 'signature_removed'])
  if (errors.some((code) => !beyond.has(code)))
    return { label: 'broken', grounds: errors.filter((code) => !beyond.has(code)) }
  if (errors.length > 0 || report.changesAfter === 'other')
    return {
      label: 'changed',
      grounds: [...errors.filter((code) => code !== 'changed_after_signing'), ...changes],
    }
  const permitted = report.changesAfter === 'form' || report.changesAfter === 'annotations'
  return permitted ? { label: 'form', grounds: changes } : { label: 'good', grounds: [] }
}

function opinionOfPyhanko(verdict: PyhankoVerdict): Opinion {
  if (verdict.error) return { label: 'unreadable', grounds: [verdict.error] }
  return worst([...verdict.signatures, ...verdict.documentTimestamps].map(opinionOfEmbedded))
}

function opinionOfEmbedded(one: PyhankoSignature): Opinion {
  if (one.error) return { label: 'unreadable', grounds: [one.error] }
  if (!one.intact || !one.valid) {
    return { label: 'broken', grounds: [one.intact ? 'signature not valid' : 'digest differs'] }
  }
  if (one.suspicious) return { label: 'changed', grounds: [one.suspicious] }
  // FORM_FILLING is also pyHanko's word for further signatures.
  return { label: one.changes === 'OTHER' ? 'changed' : 'good', grounds: [] }
}

function opinionOfDss(verdict: DssVerdict): Opinion {
  if (verdict.error) return { label: 'unreadable', grounds: [verdict.error] }
  const opinions = verdict.signatures.map((one): Opinion => {
    const grounds = [
      ...(one.dataIntact ? [] : ['signed data not intact']),
      ...(one.signatureIntact ? [] : ['signature value not intact']),
    ]
    if (grounds.length > 0) return { label: 'broken', grounds }
    const { label, grounds: changes } = opinionOfRevision(one.revision)
    const lost = one.timestamps.some(({ intact }) => !intact)
    return { label, grounds: lost ? [...changes, 'signature timestamp not intact'] : changes }
  })
  for (const { intact, revision } of verdict.documentTimestamps) {
    if (!intact) opinions.push({ label: 'broken', grounds: ['document timestamp not intact'] })
    else if (revision) opinions.push(opinionOfRevision(revision))
  }
  return worst(opinions)
}

function opinionOfRevision(revision: DssRevision): Opinion {
  if (!revision.byteRangeValid) return { label: 'broken', grounds: ['byte range not valid'] }
  if (!revision.dictionaryConsistent)
    return { label: 'broken', grounds: ['signature dictionary not consistent between revisions'] }
  const objects = [...revision.undefined, ...revision.annotation]
  if (objects.length > 0) return { label: 'changed', grounds: objects }
  if (revision.pageDifferencePages.length + revision.annotationOverlapPages.length > 0)
    return { label: 'changed', grounds: ['pages or overlapping annotations'] }
  const seen = revision.visualDifferencePages.map((page) => `page ${page} looks different`)
  return seen.length > 0 ? { label: 'form', grounds: seen } : { label: 'good', grounds: [] }
}

/** Differences nobody explained, and explanations that explain nothing any more. */
export function unexplained(rows: readonly Compared[]): string[] {
  const differing = new Set(rows.filter(({ differs }) => differs).map(({ file }) => file))
  return [
    ...rows.filter((row) => row.differs && !row.explanation).map(({ file }) => `${file}: not explained`),
    ...Object.keys(explanations)
      .filter((file) => !differing.has(file))
      .map((file) => `${file}: explained, but all agree`),
  ]
}

/** The document, from the rows. */
export function documentOf(rows: readonly Compared[]): string {
  const signed = rows.filter(({ ours, pyhanko, dss }) =>
    [ours, pyhanko, dss].some(({ label }) => label !== 'unsigned'),
  )
  const agreed = signed.filter(({ differs }) => !differs)
  const lines = [
    '# 验签结果对照 · Validation compared',
    '',
    '同一批签过的文件，印信、pyHanko 与 EU DSS 各自的结论；凡不一致处，写明对象、规则与原因。',
    '由 `node testing/judges/compare.ts` 生成，测试保证每处不一致都有解释。',
    '',
    'Verdicts of Yinxin, pyHanko 0.38.0 and EU DSS 6.3 on the same signed files, written by',
    '`node testing/judges/compare.ts`; a test holds that every difference is explained. No trust anchors are given, so',
    'certificate chains stay out of it. **good**: every signature is intact, and only signatures, timestamps and',
    'validation data came after it. **form**: fields were filled in besides. **changed**: something else was.',
    '**broken**: a signature or its byte range is not sound. (pyHanko does not tell filled forms from further signatures.)',
    '',
    `${rows.length} files, ${signed.length} of them signed; all three agree on ${agreed.length}.`,
    '',
    '## Differences · 不一致之处',
    '',
    '| file | Yinxin | pyHanko | EU DSS | why |',
    '| --- | --- | --- | --- | --- |',
    ...signed
      .filter(({ differs }) => differs)
      .map(
        ({ file, ours, pyhanko, dss, explanation }) =>
          `| ${[file, cell(ours), cell(pyhanko), cell(dss), explanation ?? ''].map(escaped).join(' | ')} |`,
      ),
    '',
    '## Agreement · 一致之处',
    '',
    '| file | verdict | grounds of ours |',
    '| --- | --- | --- |',
    ...agreed.map(
      ({ file, ours }) => `| ${escaped(file)} | ${ours.label} | ${escaped(shortened(ours.grounds))} |`,
    ),
    '',
  ]
  return lines.join('\n')
}

function cell({ label, grounds }: Opinion): string {
  return grounds.length > 0 ? `**${label}**: ${shortened(grounds)}` : `**${label}**`
}

function shortened(grounds: readonly string[]): string {
  const shown = grounds.slice(0, 3).map((text) => (text.length > 160 ? `${text.slice(0, 160)}…` : text))
  if (grounds.length > 3) shown.push(`${grounds.length - 3} more`)
  return shown.join('; ')
}

function escaped(text: string): string {
  return text.replace(/\s+/g, ' ').replaceAll('|', '\\|').replaceAll('<', '&lt;')
}

if (import.meta.main) {
  const folder = join(corpusFolder(), 'signed')
  if (!existsSync(folder)) throw new Error(`no corpus at ${folder}`)
  const rows = compare(pdfFiles(folder))
  const target = join(import.meta.dirname, '../../docs/validation-compared.md')
  writeFileSync(target, documentOf(rows))
  const open = unexplained(rows)
  for (const line of open) console.error(line)
  console.log(
    `${rows.length} files, ${rows.filter(({ differs }) => differs).length} differences, written to ${target}`,
  )
  process.exitCode = open.length > 0 ? 1 : 0
}
