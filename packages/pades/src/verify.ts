import { type DigestAlgorithm, parseCertificate, type Sm2Identity } from '@yinxin/pki'
import { type Coverage, coverageOf, type RangeDigest, rangeDigester } from './byte-range.ts'
import { compareRevisions } from './difference.ts'
import { readStore } from './dss.ts'
import {
  catalogOf,
  fetchObject,
  leniently,
  type PdfFile,
  type PdfInput,
  type PdfView,
  resolve,
  resolveDict,
  withInput,
} from './file.ts'
import {
  displayName,
  factsOf,
  failed,
  type Judgement,
  judgeDocumentTimestamp,
  judgeSignature,
  statusOf,
  type TrustOptions,
} from './judge.ts'
import { fieldLockOf } from './locks.ts'
import { isRef, nameOf, stringBytes, textOf } from './objects.ts'
import { eachPage, pageAt } from './pages.ts'
import { PdfRefusal } from './refusal.ts'
import {
  type ChangesAfter,
  type PdfVerification,
  type Problem,
  pdfProblem,
  type SignatureReport,
} from './report.ts'
import { noteDangling, numbersOf, type Revision, revisionEndingAt, revisionsOf } from './revisions.ts'
import { evidenceOf, NO_EVIDENCE } from './revoked.ts'
import { parsePdfDate } from './serialise.ts'
import { docMdpLevel } from './sign.ts'
import { type FoundSignature, findSignatures, unsignedFields } from './signature-fields.ts'
import { openSparse, type PdfSource } from './source.ts'
import { type ChangeLevel, type StepDifference, worse } from './step.ts'
import { isSpace, SyntaxFault } from './syntax.ts'

export interface VerifyOptions {
  /** DER of the certificates to trust. Left out, only integrity is judged. */
  readonly trust?: readonly Uint8Array[]
  /** Time to judge certificates at when there is no timestamp; the claimed signing time otherwise. */
  readonly at?: Date
  /** The identity SM2 signers of this file hash with, when it is not the standard 1234567812345678. */
  readonly sm2Identity?: Sm2Identity
}

/** Opens what is read by ranges. */
export function inputOf(pdf: Uint8Array | PdfSource): PdfInput {
  return pdf instanceof Uint8Array ? pdf : openSparse(pdf)
}

/**
 * Verifies every signature of a file and what happened after it. Bad signatures are reported, never thrown.
 * A file that is read by ranges is not mended: one with a broken cross-reference is refused.
 * @throws PdfRefusal if the file cannot be read at all
 */
export function verifyPdf(pdf: Uint8Array | PdfSource, options: VerifyOptions = {}): PdfVerification {
  return verifyInput(inputOf(pdf), options)
}

/** As `verifyPdf`, on a file that is opened already. */
export function verifyInput(input: PdfInput, options: VerifyOptions): PdfVerification {
  return refusing(() => verify(input, options))
}

/** Runs `use`; what cannot be read at all is refused by name. */
export function refusing<T>(use: () => T): T {
  try {
    return use()
  } catch (fault) {
    if (fault instanceof SyntaxFault) throw new PdfRefusal('damaged', fault.message)
    throw fault
  }
}

/** What a file is made of, before any judgement: its revisions, its signatures, what each later update changed. */
export interface Examination {
  readonly file: PdfFile
  readonly revisions: readonly Revision[]
  readonly found: readonly FoundSignature[]
  /** What revision `i` changed against revision `i + 1`; only for those after the oldest signature. */
  readonly steps: readonly (StepDifference | undefined)[]
}

/** @throws PdfRefusal if the file cannot be read at all */
export function examine(input: PdfInput): Examination {
  const newest = leniently(withInput(input, readable))
  const { file } = newest
  const revisions = revisionsOf(file)
  const found = findSignatures(revisions)
  // Pages taken out of a signed file are a finding; a file that never had any is unreadable.
  if (found.length === 0) pageAt(newest, 0)
  return { file, revisions, found, steps: compareSteps(revisions, oldestSigned(file, revisions, found)) }
}

function verify(pdf: PdfInput, options: VerifyOptions): PdfVerification {
  const { sm2Identity } = options
  const sm2 = sm2Identity === undefined ? {} : { sm2Identity }
  // 1. Facts: revisions, signatures, what each update changed, what the file says about its certificates.
  const { file, revisions, found, steps } = examine(pdf)
  const anchors = options.trust?.map(parseCertificate)
  const newest = revisions[0]
  const evidence = anchors && newest ? evidenceOf(readStore(newest.view)) : NO_EVIDENCE
  const trust: TrustOptions = { anchors, at: options.at, sm2, evidence }
  // 2. Judgement of each signature.
  const covered = found.map((one) => coverageOf(one, file.bytes.length))
  const digest = rangeDigester(pdf, covered)
  const pageOf = pageIndex(file, revisions)
  const reach = found.length > 0 ? reachOf(revisions) : []
  const context: Context = {
    file,
    revisions,
    steps,
    reach,
    digest,
    trust,
    pageOf,
  }
  const reports = judgeAll(context, found)
  // 3. The whole.
  const signatures = reports.filter((report) => !isTimestamp(report))
  const good = (report: SignatureReport) =>
    report.status === 'valid' &&
    report.trusted !== false &&
    (report.changesAfter === 'none' || report.changesAfter === 'signatures')
  return {
    ok: signatures.length > 0 && reports.every(good),
    signatures,
    documentTimestamps: reports.filter(isTimestamp),
    unsignedFields: revisions[0] ? unsignedFields(revisions[0]) : [],
    revisions: revisions.length,
    repaired: file.repaired,
    changes: steps.flatMap((step, revision) =>
      (step?.findings ?? []).map((finding) => ({ revision, ...finding })),
    ),
  }
}

const isTimestamp = (report: SignatureReport) => report.subFilter === 'ETSI.RFC3161'

/** From the newest to the oldest, as document timestamps prove what they cover; reported in the order of the file. */
function judgeAll(context: Context, found: readonly FoundSignature[]): SignatureReport[] {
  const ends = new Map(found.map((one) => [one, coverageOf(one, context.file.bytes.length).end]))
  const endOf = (one: FoundSignature) => ends.get(one) ?? 0
  const reports = new Map<FoundSignature, SignatureReport>()
  let proven: Date | undefined
  for (const one of [...found].sort((a, b) => endOf(b) - endOf(a))) {
    const trust = { ...context.trust, proven }
    const { report } = judgeOne({ ...context, trust }, one)
    reports.set(one, report)
    const { status, trusted, timestamp } = report
    if (!isTimestamp(report) || status !== 'valid' || trusted === false || timestamp === null) continue
    const time = new Date(timestamp)
    if (!proven || time < proven) proven = time
  }
  return found.flatMap((one) => reports.get(one) ?? [])
}

function readable(view: PdfView): PdfView {
  catalogOf(view)
  return view
}

interface Context {
  readonly file: PdfFile
  readonly revisions: readonly Revision[]
  /** What revision `i` changed against revision `i + 1`; only for those after the oldest signature. */
  readonly steps: readonly (StepDifference | undefined)[]
  /** Last byte used by each revision and those before it. */
  readonly reach: readonly number[]
  readonly digest: RangeDigest
  readonly trust: TrustOptions
  readonly pageOf: (num: number) => number | undefined
}

function oldestSigned(
  file: PdfFile,
  revisions: readonly Revision[],
  found: readonly FoundSignature[],
): number {
  let oldest = 0
  for (const signature of found) {
    const { end } = coverageOf(signature, file.bytes.length)
    oldest = Math.max(oldest, revisionEndingAt(file, revisions, end)?.index ?? revisions.length - 1)
  }
  return oldest
}

/** Compares each update after the oldest signature with its predecessor: linear in what was appended. */
function compareSteps(revisions: readonly Revision[], oldest: number): (StepDifference | undefined)[] {
  const steps: (StepDifference | undefined)[] = []
  if (oldest === 0) return steps
  const presence = { dangling: new Set<number>(), present: new Set<number>() }
  const budget = { objects: 20_000_000 }
  for (let i = revisions.length - 1; i >= 0; i--) {
    const revision = revisions[i]
    const older = revisions[i + 1]
    if (!revision) continue
    if (older && i < oldest) {
      try {
        steps[i] = compareRevisions(older, revision, presence.dangling, budget)
      } catch (fault) {
        // A revision that cannot be read cannot be cleared.
        if (!(fault instanceof SyntaxFault)) throw fault
        steps[i] = {
          level: 'other',
          changed: [],
          findings: [{ object: 0, level: 'other', rule: 'unreadable' }],
        }
      }
    }
    noteDangling(revision, numbersOf(revision), presence)
  }
  return steps
}

function judgeOne(context: Context, found: FoundSignature): { report: SignatureReport } {
  const { file, digest, trust } = context
  const coverage = coverageOf(found, file.bytes.length)
  const subFilter = nameOf(resolve(found.view, found.dict.get('SubFilter'))) ?? ''
  const claimed = parsePdfDate(textOf(resolve(found.view, found.dict.get('M'))) ?? '')
  const crypto = judgeCrypto(found, coverage, subFilter, claimed, digest, trust)
  const after = judgeAfter(context, found, coverage)
  const problems = [
    ...coverage.faults.map((code) => pdfProblem(code)),
    ...crypto.problems,
    ...(found.removed ? [pdfProblem('signature_removed')] : []),
    ...(file.repaired ? [pdfProblem('structure_repaired', 'warning')] : []),
    ...after.problems,
  ]
  const status =
    crypto.status === 'indeterminate' && statusOf(problems) === 'valid' ? 'indeterminate' : statusOf(problems)
  return {
    report: {
      status,
      signer: displayName(crypto.certificate),
      signedAt: crypto.claimedTime?.toISOString() ?? null,
      timestamp: crypto.timestamp?.toISOString() ?? null,
      level: crypto.level,
      coversWholeDocument: coverage.faults.length === 0 && coverage.end === file.bytes.length,
      changesAfter: after.changes,
      problems,
      trusted: crypto.trusted,
      fieldName: found.fieldNames[0] ?? '',
      pages: pagesOf(context, found),
      reason: textOf(resolve(found.view, found.dict.get('Reason'))) ?? null,
      location: textOf(resolve(found.view, found.dict.get('Location'))) ?? null,
      subFilter: subFilter === '' ? null : subFilter,
      byteRange: coverage.byteRange,
      certifies: docMdpLevel(found.view, found.dict) ?? null,
      digestAlgorithm: crypto.digestAlgorithm,
      signatureAlgorithm: crypto.signatureAlgorithm,
      certificate: factsOf(crypto.certificate),
      certificates: crypto.certificates,
    },
  }
}

function judgeCrypto(
  found: FoundSignature,
  coverage: Coverage,
  subFilter: string,
  claimed: Date | null,
  digest: RangeDigest,
  trust: TrustOptions,
): Judgement {
  if (!found.contents) return failed('invalid', pdfProblem('contents_missing'))
  const contents = stringBytes(found.contents)
  const readable = !coverage.faults.some(
    (code) => code === 'byterange_malformed' || code === 'byterange_outside_file',
  )
  // Where nothing sensible is covered the digest is that of nothing, and cannot match.
  const contentDigest = (algorithm: DigestAlgorithm) =>
    readable ? digest(coverage, algorithm) : digest({ ...coverage, gapFrom: 0, gapTo: 0, end: 0 }, algorithm)
  return subFilter === 'ETSI.RFC3161'
    ? judgeDocumentTimestamp(contents, contentDigest, trust)
    : judgeSignature(contents, subFilter, contentDigest, claimed, trust)
}

interface After {
  readonly changes: ChangesAfter
  readonly problems: readonly Problem[]
}

/** What of permitted annotations a reader of the report should look at. */
const ANNOTATION_WARNINGS = [
  ['annotation.covers_content', 'annotation_covers_content'],
  ['annotation.covers_field', 'annotation_covers_field'],
  ['annotation.hidden', 'annotation_hidden'],
] as const

/** What the certification that stood when a revision was signed permits; none permits nothing but signatures. */
function certificationIn(view: PdfView): 1 | 2 | 3 | undefined {
  const perms = resolveDict(view, resolveDict(view, view.trailer.get('Root'))?.get('Perms'))
  const certification = resolveDict(view, perms?.get('DocMDP'))
  return certification && docMdpLevel(view, certification)
}

/** Judges everything behind the covered bytes. */
function judgeAfter(context: Context, found: FoundSignature, coverage: Coverage): After {
  const { file, revisions, steps } = context
  if (coverage.faults.length > 0) return { changes: 'other', problems: [] }
  const whole = coverage.end === file.bytes.length
  const revision = revisionEndingAt(file, revisions, coverage.end)
  if (!revision) {
    if (whole && file.repaired) return { changes: 'none', problems: [] }
    return { changes: 'other', problems: [pdfProblem(whole ? 'not_a_revision' : 'revision_bypassed')] }
  }
  const problems: Problem[] = []
  if ((context.reach[revision.index] ?? 0) > coverage.end) problems.push(pdfProblem('entry_beyond_signature'))
  if (revision.index === 0 && !onlySpaceAfter(file, coverage.end)) problems.push(pdfProblem('trailing_bytes'))
  let level: ChangeLevel = 'none'
  const rules: { level: ChangeLevel; rule: string; text: string }[] = []
  const lock = fieldLockOf(found.view, found.dict)
  const broken = new Set<string>()
  for (let i = 0; i < revision.index; i++) {
    const step = steps[i]
    if (!step) continue
    level = worse(level, step.level)
    for (const finding of step.findings) {
      if (finding.level === 'other' || finding.level === 'form' || finding.level === 'annotations')
        rules.push({ level: finding.level, text: `${finding.rule} ${finding.object}`, rule: finding.rule })
      if (finding.field !== undefined && lock?.covers(finding.field)) broken.add(finding.field)
    }
  }
  const permits = docMdpLevel(found.view, found.dict)
  const annotated = rules.some(({ level }) => level === 'annotations')
  const forbidden = level === 'annotations' && (permits ?? certificationIn(revision.view)) !== 3
  if (problems.length > 0 || forbidden) level = 'other'
  const named = (...levels: ChangeLevel[]) =>
    rules
      .filter((one) => levels.includes(one.level))
      .map(({ text }) => text)
      .slice(0, 5)
      .join(', ')
  if (level === 'other')
    problems.push(pdfProblem('changed_after_signing', 'error', named('other', 'form', 'annotations')))
  else {
    if (rules.some((one) => one.level === 'form'))
      problems.push(pdfProblem('form_changed_after_signing', 'warning', named('form')))
    if (annotated) problems.push(pdfProblem('annotated_after_signing', 'warning', named('annotations')))
    for (const [rule, code] of ANNOTATION_WARNINGS)
      if (rules.some((one) => one.rule === rule)) problems.push(pdfProblem(code, 'warning'))
  }
  const went = (...levels: ChangeLevel[]) =>
    levels.includes(level) || rules.some((one) => levels.includes(one.level))
  if (permits === 1 ? went('signatures', 'form', 'annotations') : permits === 2 && annotated)
    problems.push(pdfProblem('docmdp_violation'))
  if (broken.size > 0)
    problems.push(pdfProblem('fieldmdp_violation', 'error', [...broken].slice(0, 5).join(', ')))
  const changes = level === 'validation' ? 'signatures' : level
  // Bytes were appended even where no object changed: the document is no longer the last word of this signature.
  return { changes: changes === 'none' && revision.index > 0 ? 'signatures' : changes, problems }
}

/**
 * For each revision the last byte that its objects, and those of all before it, take up. An entry behind the signed
 * bytes would let later content slip into a signed object.
 */
function reachOf(revisions: readonly Revision[]): number[] {
  const reach: number[] = []
  let furthest = 0
  for (let i = revisions.length - 1; i >= 0; i--) {
    const revision = revisions[i]
    if (!revision) continue
    const { view } = revision
    for (const section of view.sections.slice(0, revision.sectionCount)) {
      for (const num of section.numbers()) {
        const entry = section.lookup(num)
        if (entry?.type !== 'offset') continue
        // The view's own object is parsed (and its end known) only if no newer section of it replaced this one.
        fetchObject(view, num)
        furthest = Math.max(furthest, entry.offset, view.file.ends.get(entry.offset) ?? 0)
      }
    }
    reach[i] = furthest
  }
  return reach
}

function onlySpaceAfter({ bytes, load }: PdfFile, from: number): boolean {
  for (let at = from; at < bytes.length; at += 65_536) {
    const end = Math.min(bytes.length, at + 65_536)
    load(at, end)
    for (let i = at; i < end; i++) if (!isSpace(bytes[i])) return false
  }
  return true
}

/** Page numbers by object number, read only when a signature is visible. */
function pageIndex(file: PdfFile, revisions: readonly Revision[]): (num: number) => number | undefined {
  let index: Map<number, number> | undefined
  return (num) => {
    if (!index) {
      index = new Map()
      const newest = revisions[0]
      try {
        if (newest) for (const page of eachPage(newest.view)) index.set(page.ref.num, index.size)
      } catch (fault) {
        if (!(fault instanceof SyntaxFault || fault instanceof PdfRefusal) || file.bytes.length === 0)
          throw fault
      }
    }
    return index.get(num)
  }
}

function pagesOf(context: Context, found: FoundSignature): number[] {
  const pages = new Set<number>()
  for (const widget of found.widgets) {
    const rect = resolve(found.view, widget.get('Rect'))
    if (!Array.isArray(rect) || (rect[0] === rect[2] && rect[1] === rect[3])) continue
    const page = widget.get('P')
    const index = isRef(page) ? context.pageOf(page.num) : undefined
    if (index !== undefined) pages.add(index)
  }
  return [...pages].sort((a, b) => a - b)
}
