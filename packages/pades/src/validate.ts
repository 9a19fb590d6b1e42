import {
  type Certificate,
  PkiError,
  parseCertificate,
  type SignedData,
  type Sm2Identity,
  type TimestampToken,
  verifyTimestampToken,
} from '@yinxin/pki'
import { coverageOf } from './byte-range.ts'
import { type ChainBlock, judgeChain, type TrustStore } from './chain.ts'
import { type ConclusionText, conclusionText } from './conclusion.ts'
import { readStore } from './dss.ts'
import { leniently, resolve, withInput } from './file.ts'
import { integrityBlocks } from './integrity.ts'
import { fromPki } from './judge.ts'
import { containersOf, readable } from './needs.ts'
import { nameOf, stringBytes } from './objects.ts'
import type { PdfVerification, Problem, SignatureReport } from './report.ts'
import { revisionsOf } from './revisions.ts'
import { readableCrls } from './revoked.ts'
import { type FoundSignature, findSignatures } from './signature-fields.ts'
import type { PdfSource } from './source.ts'
import { inputOf, verifyInput } from './verify.ts'

/** EN 319 102-1 §5.1.3, Table 5. */
export type Indication = 'TOTAL_PASSED' | 'TOTAL_FAILED' | 'INDETERMINATE'

/** EN 319 102-1 §5.1.3, Table 6: those this process can come to. */
export type SubIndication =
  | 'FORMAT_FAILURE'
  | 'HASH_FAILURE'
  | 'SIG_CRYPTO_FAILURE'
  | 'REVOKED'
  | 'EXPIRED'
  | 'NOT_YET_VALID'
  | 'SIG_CONSTRAINTS_FAILURE'
  | 'CHAIN_CONSTRAINTS_FAILURE'
  | 'CERTIFICATE_CHAIN_GENERAL_FAILURE'
  | 'CRYPTO_CONSTRAINTS_FAILURE'
  | 'NO_SIGNING_CERTIFICATE_FOUND'
  | 'NO_CERTIFICATE_CHAIN_FOUND'
  | 'REVOKED_NO_POE'
  | 'REVOKED_CA_NO_POE'
  | 'OUT_OF_BOUNDS_NO_POE'
  | 'TRY_LATER'

export interface ValidationOptions {
  /** DER of the certificates to trust. */
  readonly trust: readonly Uint8Array[]
  /** The time to judge at: now, or an earlier or later moment. */
  readonly at: Date
  /** Data from elsewhere, beside what the file carries. */
  readonly certificates?: readonly Uint8Array[]
  readonly crls?: readonly Uint8Array[]
  readonly ocsps?: readonly Uint8Array[]
  /** Whether a certificate whose revocation nothing speaks about leaves the question open; it does when left out. */
  readonly requireRevocation?: boolean
  /** The identity SM2 signers of this file hash with, when it is not the standard 1234567812345678. */
  readonly sm2Identity?: Sm2Identity
}

/** One step of the process and what it came to. */
export interface Block {
  readonly block:
    | 'format'
    | 'cryptography'
    | 'identification'
    | 'changes'
    | 'chain-now'
    | 'chain-past'
    | 'timestamp'
  readonly indication: 'PASSED' | 'FAILED' | 'INDETERMINATE'
  readonly subIndication?: SubIndication
  /** The moment certificates were judged at. */
  readonly at?: string
  readonly problems: readonly Problem[]
}

export interface ValidatedSignature {
  readonly kind: 'signature' | 'document-timestamp'
  readonly fieldName: string
  readonly signer: string
  readonly level: 'B-B' | 'B-T' | 'B-LT' | 'B-LTA' | 'PKCS7-B' | 'PKCS7-T' | null
  readonly indication: Indication
  readonly subIndication: SubIndication | null
  /** The earliest moment at which the signature provably existed; null when only its own claim is known. */
  readonly provenAt: string | null
  /** The latest moment that provably came before it; null when there is none. */
  readonly provenAfter: string | null
  /** For people, in both languages. */
  readonly conclusion: ConclusionText
  readonly blocks: readonly Block[]
}

/** Facts without judgement, beside those of the verification report. */
export interface DiagnosticData {
  readonly validatedAt: string
  readonly verification: PdfVerification
  readonly store: { readonly certificates: number; readonly crls: number; readonly ocsps: number }
  /** Every timestamp of the file: what it is over, and the time in it. */
  readonly timestamps: readonly { readonly over: string; readonly time: string; readonly authority: string }[]
}

export interface PdfValidation {
  /** Passed only if there is a signature and every one passed; failed as soon as one failed. */
  readonly indication: Indication
  readonly signatures: readonly ValidatedSignature[]
  readonly diagnostic: DiagnosticData
}

/**
 * Validates a file by the process of EN 319 102-1: facts, then each signature at the time given, and where that
 * leaves it open, at the moment at which timestamps prove it existed (§5.5, §5.6). Data in the file's store counts.
 * @throws PdfRefusal if the file cannot be read at all
 */
export function validatePdf(pdf: Uint8Array | PdfSource, options: ValidationOptions): PdfValidation {
  const input = inputOf(pdf)
  // 1. Facts.
  const sm2 = options.sm2Identity === undefined ? {} : { sm2Identity: options.sm2Identity }
  const verification = verifyInput(input, sm2)
  const items = withInput(input, (view) => {
    const { file } = leniently(view)
    const revisions = revisionsOf(file)
    return findSignatures(revisions).map((found) => itemOf(found, file.bytes.length))
  })
  const store = withInput(input, (view) => readStore(leniently(view)))
  const trust = { ...trustStore(options, items, store), sm2 }
  pair(items, verification)
  // 2. Timestamps from the newest to the oldest: each is proven by those after it, and proves what it covers.
  const proofs: Proof[] = []
  const results = new Map<Item, ValidatedSignature>()
  for (const item of [...items].reverse()) {
    const result = judge(item, items, proofs, trust, options)
    results.set(item, result)
    if (item.isTimestamp && result.indication === 'TOTAL_PASSED' && item.token)
      proofs.push({ end: item.end, at: item.token.genTime })
  }
  // 3. The whole.
  const signatures = items.map((item) => results.get(item)).filter((one) => one !== undefined)
  const own = signatures.filter(({ kind }) => kind === 'signature')
  const failed = signatures.some(({ indication }) => indication === 'TOTAL_FAILED')
  const passed = own.length > 0 && signatures.every(({ indication }) => indication === 'TOTAL_PASSED')
  return {
    indication: failed ? 'TOTAL_FAILED' : passed ? 'TOTAL_PASSED' : 'INDETERMINATE',
    signatures,
    diagnostic: {
      validatedAt: options.at.toISOString(),
      verification,
      store: {
        certificates: store.certificates.length,
        crls: store.crls.length,
        ocsps: store.ocsps.length,
      },
      timestamps: items.flatMap(timestampFacts),
    },
  }
}

interface Item {
  readonly found: FoundSignature
  readonly end: number
  readonly isTimestamp: boolean
  readonly container: SignedData | undefined
  /** Of a document timestamp. */
  readonly token: TimestampToken | undefined
  /** Of a signature. */
  readonly tokens: readonly Uint8Array[]
  report: SignatureReport | undefined
}

/** That everything before `end` existed at a time. */
interface Proof {
  readonly end: number
  readonly at: Date
}

function itemOf(found: FoundSignature, fileLength: number): Item {
  const isTimestamp = nameOf(resolve(found.view, found.dict.get('SubFilter'))) === 'ETSI.RFC3161'
  const contents = found.contents ? stringBytes(found.contents) : new Uint8Array(0)
  const base = { found, isTimestamp, end: coverageOf(found, fileLength).end, report: undefined }
  const unread = { ...base, container: undefined, token: undefined, tokens: [] }
  try {
    const [container] = containersOf(contents, isTimestamp)
    const tokens = container?.signers[0]?.timestampTokens ?? []
    if (!isTimestamp) return { ...base, container, token: undefined, tokens }
    const { token } = verifyTimestampToken(
      contents,
      { content: new Uint8Array(0) },
      { allowZeroPadding: true },
    )
    return { ...base, container, token, tokens: [] }
  } catch (error) {
    if (!(error instanceof PkiError)) throw error
    return unread
  }
}

/** Each item with the report on it; both lists are in the order of the file. */
function pair(items: readonly Item[], verification: PdfVerification): void {
  const [signatures, stamps] = [[...verification.signatures], [...verification.documentTimestamps]]
  for (const item of items) item.report = (item.isTimestamp ? stamps : signatures).shift()
}

function trustStore(
  options: ValidationOptions,
  items: readonly Item[],
  store: ReturnType<typeof readStore>,
): Omit<TrustStore, 'sm2'> {
  const carried = items.flatMap(({ container }) => (container ? [container] : []))
  return {
    anchors: options.trust.map(parseCertificate),
    intermediates: [
      ...readable([...store.certificates, ...(options.certificates ?? [])]),
      ...carried.flatMap(({ certificates }) => certificates),
    ],
    crls: readableCrls([...store.crls, ...(options.crls ?? []), ...carried.flatMap(({ crls }) => crls)]),
    ocsps: [...store.ocsps, ...(options.ocsps ?? [])],
    requireRevocation: options.requireRevocation ?? true,
  }
}

function judge(
  item: Item,
  items: readonly Item[],
  proofs: readonly Proof[],
  trust: TrustStore,
  options: ValidationOptions,
): ValidatedSignature {
  const { report } = item
  const blocks: Block[] = []
  const kind = item.isTimestamp ? 'document-timestamp' : 'signature'
  // 1. When it existed: by timestamps over it, each judged at the moment it is itself proven for.
  const proven = earliest([
    ...proofs.filter(({ end }) => end >= item.end && item.end > 0).map(({ at }) => at),
    ...signatureTimes(item, proofs, trust, options.at, blocks),
  ])
  const after = latestBefore(item, items)
  // 2. Format, cryptography, changes: as the verification found them.
  blocks.unshift(...integrityBlocks(report))
  // 3. The chain now, and if that is open, at the proven time.
  const certificate = signerOf(report)
  if (!certificate) {
    blocks.push({
      block: 'identification',
      indication: 'INDETERMINATE',
      subIndication: 'NO_SIGNING_CERTIFICATE_FOUND',
      problems: [],
    })
  } else blocks.push(...chainBlocks(certificate, item, proven, after, trust, options.at))
  const { indication, subIndication } = conclude(blocks)
  const base = {
    kind,
    fieldName: report?.fieldName ?? '',
    signer: report?.signer ?? '',
    level: levelOf(report, item, items, blocks),
    indication,
    subIndication,
    provenAt: proven?.toISOString() ?? null,
    provenAfter: after?.toISOString() ?? null,
    blocks,
  } as const
  return { ...base, conclusion: conclusionText(base) }
}

function earliest(times: readonly Date[]): Date | undefined {
  return [...times].sort((a, b) => a.getTime() - b.getTime())[0]
}

/** Times from the timestamps inside a signature that hold. */
function signatureTimes(
  item: Item,
  proofs: readonly Proof[],
  trust: TrustStore,
  now: Date,
  blocks: Block[],
): Date[] {
  const value = item.container?.signers[0]?.signature
  if (!value) return []
  const times: Date[] = []
  const sealed = earliest(proofs.filter(({ end }) => end >= item.end && item.end > 0).map(({ at }) => at))
  for (const token of item.tokens) {
    const result = verifyTimestampToken(token, { content: value }, trust.sm2)
    const { genTime, signerCertificate } = result
    if (!result.ok || !genTime || !signerCertificate) {
      // A token over something else than this signature proves nothing about it; it goes (§5.5.4, step 4).
      const elsewhere = result.problems.some(({ code }) => code === 'timestamp-imprint-mismatch')
      blocks.push({
        block: 'timestamp',
        indication: 'FAILED',
        subIndication: elsewhere ? 'HASH_FAILURE' : 'SIG_CRYPTO_FAILURE',
        problems: result.problems.filter(({ severity }) => severity === 'error').map(fromPki),
      })
      continue
    }
    const more = [...(result.token?.signedData.certificates ?? [])]
    const chain = judgeChain(signerCertificate, more, 'timestamping', now, trust)
    const past =
      chain.ok || !sealed ? chain : judgeChain(signerCertificate, more, 'timestamping', sealed, trust)
    if (past.ok) times.push(genTime)
    blocks.push({ block: 'timestamp', ...statusOf(past), at: genTime.toISOString(), problems: past.problems })
  }
  return times
}

/** The newest timestamp whose bytes this signature signs: it cannot be older than that. */
function latestBefore(item: Item, items: readonly Item[]): Date | undefined {
  const times = items
    .filter((other) => other !== item && other.end <= item.end && other.end > 0)
    .filter(({ isTimestamp, report }) => isTimestamp && report?.status === 'valid')
    .flatMap(({ token }) => (token ? [token.genTime] : []))
  return times.sort((a, b) => b.getTime() - a.getTime())[0]
}

function signerOf(report: SignatureReport | undefined): Certificate | undefined {
  const [der] = report?.certificate ? report.certificates : []
  return der && parseCertificate(der)
}

function chainBlocks(
  certificate: Certificate,
  item: Item,
  proven: Date | undefined,
  after: Date | undefined,
  trust: TrustStore,
  now: Date,
): Block[] {
  const purpose = item.isTimestamp ? 'timestamping' : 'signing'
  const more = item.container?.certificates ?? []
  const current = judgeChain(certificate, more, purpose, now, trust)
  const blocks: Block[] = [
    { block: 'chain-now', ...statusOf(current), at: now.toISOString(), problems: current.problems },
  ]
  if (current.ok) return blocks
  // Expired or revoked before something it already contains: no proof can help any more.
  const late = after && certainlyLate(certificate, current, after)
  if (late) return [{ ...(blocks[0] as Block), indication: 'FAILED', subIndication: late }]
  if (!proven || proven >= now) return blocks
  if (certificate.notBefore > proven) {
    const early = { indication: 'FAILED', subIndication: 'NOT_YET_VALID' } as const
    return [{ block: 'chain-past', ...early, at: proven.toISOString(), problems: [] }]
  }
  const past = judgeChain(certificate, more, purpose, proven, trust)
  blocks.push({ block: 'chain-past', ...statusOf(past), at: proven.toISOString(), problems: past.problems })
  return blocks
}

function certainlyLate(certificate: Certificate, chain: ChainBlock, after: Date): SubIndication | undefined {
  if (chain.revokedAt && chain.revokedAt <= after) return 'REVOKED'
  return certificate.notAfter < after ? 'EXPIRED' : undefined
}

function statusOf(chain: ChainBlock): Pick<Block, 'indication' | 'subIndication'> {
  return chain.ok
    ? { indication: 'PASSED' }
    : { indication: 'INDETERMINATE', ...(chain.subIndication ? { subIndication: chain.subIndication } : {}) }
}

/** A failure decides; the past stands in for the present; the rest has to pass. */
function conclude(blocks: readonly Block[]): { indication: Indication; subIndication: SubIndication | null } {
  // A timestamp that does not hold proves nothing, but does not undo the signature it is attached to.
  const counted = blocks.filter(({ block }) => block !== 'timestamp')
  const past = counted.find(({ block }) => block === 'chain-past')
  const deciding = counted.filter(({ block }) => !(past && block === 'chain-now'))
  const failed = deciding.find(({ indication }) => indication === 'FAILED')
  if (failed) return { indication: 'TOTAL_FAILED', subIndication: failed.subIndication ?? null }
  const open = deciding.find(({ indication }) => indication === 'INDETERMINATE')
  if (open) return { indication: 'INDETERMINATE', subIndication: open.subIndication ?? null }
  return { indication: 'TOTAL_PASSED', subIndication: null }
}

/** The level the file reaches for this signature (EN 319 142-1 §6), by what is there and holds. */
function levelOf(
  report: SignatureReport | undefined,
  item: Item,
  items: readonly Item[],
  blocks: readonly Block[],
): ValidatedSignature['level'] {
  const level = report?.level ?? null
  if (item.isTimestamp || !level?.startsWith('B-')) return level
  const later = items.filter((other) => other.isTimestamp && other.end > item.end && other.token)
  if (level === 'B-B' && later.length === 0) return level
  const withData = (to: number) => storeCovers(item, to)
  const newestEnd = Math.max(...items.map(({ end }) => end), 0)
  if (blocks.some(({ block, indication }) => block.startsWith('chain') && indication === 'PASSED')) {
    if (later.some(({ end }) => withData(end))) return 'B-LTA'
    if (withData(Math.max(newestEnd, item.found.view.file.bytes.length))) return 'B-LT'
  }
  return 'B-T'
}

/** Whether the store, as the bytes up to `end` have it, lists revocation data. */
function storeCovers(item: Item, end: number): boolean {
  const { file } = item.found.view
  const revision = revisionsOf(file).find(({ offset }) => offset < end)
  if (!revision) return false
  const { crls, ocsps } = readStore(revision.view)
  return crls.length + ocsps.length > 0
}

function timestampFacts(item: Item): DiagnosticData['timestamps'] {
  const name = item.report?.fieldName ?? ''
  if (item.token)
    return [
      { over: 'document', time: item.token.genTime.toISOString(), authority: item.report?.signer ?? '' },
    ]
  return item.tokens.flatMap((token) => {
    const { genTime, signerCertificate } = verifyTimestampToken(token, { content: new Uint8Array(0) })
    if (!genTime) return []
    return [{ over: name, time: genTime.toISOString(), authority: signerCertificate?.subject.text ?? '' }]
  })
}
