import {
  type Certificate,
  digest,
  parseCertificate,
  parseTimestampToken,
  verifyTimestampToken,
} from '@yinxin/pki'
import { fromBase64, sha256Hex, utf8 } from './bytes.ts'
import { canonicalBytes, type JsonObject } from './canonical-json.ts'
import { parseEvent } from './event-chain.ts'
import type { NoteKey } from './note.ts'
import { parseTlogProof, verifyTlogProof } from './tlog-proof.ts'

/** A certificate of destruction with everything that proves it, in one JSON file. */
export interface DestructionProof {
  kind: 'yinxin-destruction-proof'
  v: 1
  certificate: JsonObject
  /** The event of the contract's chain that carries the certificate's digest: canonical JSON, an entry of the log. */
  entry: string
  /** C2SP tlog-proof of that entry. */
  proof: string
  /** RFC 3161 token over the certificate's canonical JSON, base64. */
  timestamp: string
  /** SHA-256 of the PDF that tells the same, hex; null when there is none. */
  pdfSha256: string | null
}

export interface DestructionProofProblem {
  code:
    | 'not_a_proof'
    | 'certificate_not_in_event'
    | 'event_mismatch'
    | 'proof_invalid'
    | 'timestamp_invalid'
    | 'timestamp_untrusted'
    | 'checks_failed'
    | 'pdf_mismatch'
  detail: string
}

export interface DestructionProofReport {
  ok: boolean
  problems: DestructionProofProblem[]
  certificate: JsonObject | null
  /** Of the RFC 3161 token. */
  timestamp: string | null
  logIndex: number | null
  /** Null when no log key was given. */
  logVerified: boolean | null
  /** Whether the timestamp leads to a given root; null when none was given. */
  trusted: boolean | null
}

export interface VerifyDestructionOptions {
  /** Keys of the log (and its witnesses), from elsewhere. */
  logKeys?: readonly (NoteKey | string)[]
  /** Trusted roots, DER. */
  trust?: readonly Uint8Array[]
  /** The PDF that came with it. */
  pdf?: Uint8Array
}

const EVENT_TYPES: Record<string, string> = {
  contract: 'contract.destroyed',
  access: 'access.destroyed',
}

/** Judges a proof of destruction offline. Never throws on a bad one: what is wrong stands in the report. */
export function verifyDestructionProof(
  value: unknown,
  { logKeys, trust, pdf }: VerifyDestructionOptions = {},
): DestructionProofReport {
  const report: DestructionProofReport = {
    ok: false,
    problems: [],
    certificate: null,
    timestamp: null,
    logIndex: null,
    logVerified: logKeys === undefined ? null : false,
    trusted: trust === undefined ? null : false,
  }
  const add = (code: DestructionProofProblem['code'], detail: string) =>
    report.problems.push({ code, detail })
  const proof = value as Partial<DestructionProof> | null
  if (
    typeof proof !== 'object' ||
    proof === null ||
    proof.kind !== 'yinxin-destruction-proof' ||
    proof.v !== 1
  ) {
    add('not_a_proof', 'not a proof of destruction, version 1')
    return report
  }
  let bytes: Uint8Array
  try {
    bytes = canonicalBytes(proof.certificate as JsonObject)
  } catch (error) {
    add('not_a_proof', reason(error))
    return report
  }
  const certificate = proof.certificate as JsonObject
  report.certificate = certificate
  const sha256 = sha256Hex(bytes)

  // 1. The event names this very certificate.
  const entry = utf8(String(proof.entry ?? ''))
  try {
    const event = parseEvent(entry)
    if (event.data.certificateSha256 !== sha256) add('certificate_not_in_event', `digest is ${sha256}`)
    if (event.taskId !== certificate.contractId || event.type !== EVENT_TYPES[String(certificate.extent)])
      add('event_mismatch', `${event.type} of ${event.taskId}`)
  } catch (error) {
    add('certificate_not_in_event', reason(error))
  }
  // 2. The event stands in the log.
  try {
    const parsed = parseTlogProof(String(proof.proof ?? ''))
    report.logIndex = parsed.index
    if (logKeys !== undefined) {
      verifyTlogProof(parsed, entry, logKeys)
      report.logVerified = true
    }
  } catch (error) {
    add('proof_invalid', reason(error))
  }
  // 3. The certificate existed at the time that is claimed.
  try {
    const token = fromBase64(String(proof.timestamp ?? ''))
    if (token === null) throw new Error('not base64')
    const { messageImprint, genTime } = parseTimestampToken(token)
    const { algorithm } = messageImprint
    const imprint = { digest: digest(algorithm, bytes), digestAlgorithm: algorithm }
    const integrity = verifyTimestampToken(token, imprint)
    if (!integrity.ok) throw new Error(integrity.problems.map(({ code }) => code).join(' '))
    report.timestamp = genTime.toISOString()
    if (trust !== undefined) {
      const anchors: Certificate[] = trust.map((der) => parseCertificate(der))
      report.trusted = verifyTimestampToken(token, imprint, { anchors }).ok
      if (!report.trusted) add('timestamp_untrusted', 'no given root vouches for the timestamp')
    }
  } catch (error) {
    add('timestamp_invalid', reason(error))
  }
  // 4. It claims what it checked, and every check passed.
  const checks = Array.isArray(certificate.verification) ? (certificate.verification as JsonObject[]) : []
  const failed = checks.filter((one) => one.ok !== true)
  if (checks.length === 0 || failed.length > 0)
    add('checks_failed', failed.map((one) => String(one.check)).join(' ') || 'no checks')
  if (pdf !== undefined && sha256Hex(pdf) !== proof.pdfSha256) add('pdf_mismatch', 'the PDF is another one')
  report.ok = report.problems.length === 0
  return report
}

const reason = (error: unknown) => (error instanceof Error ? error.message : String(error))
