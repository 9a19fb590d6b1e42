import { type SignatureReport, verifyPdf } from '@yinxin/pades'
import { type Certificate, type Crl, startDigest } from '@yinxin/pki'
import { certificatePath, EVENTS, MANIFEST, type Manifest, type ManifestDocument } from './bundle-layout.ts'
import { type ProblemList, reasonOf } from './bundle-problems.ts'
import { toHex } from './bytes.ts'
import type { JsonObject } from './canonical-json.ts'
import type { EvidenceEvent } from './event-chain.ts'
import { revokedAt } from './verify-certificates.ts'
import type { Entries } from './verify-entries.ts'

/** How far the platform's clock and the timestamp authority's may be apart. */
const CLOCK_TOLERANCE_MS = 10 * 60_000

/** What signatures are judged by. */
export interface TrustMaterial {
  /** Certificates of the package by fingerprint. */
  certificates: ReadonlyMap<string, Certificate>
  crls: readonly Crl[]
  /** DER of the roots from outside; undefined when none were given. */
  trust: readonly Uint8Array[] | undefined
}

export interface DocumentVerdict {
  documentId: string
  name: string
  path: string
  sha256: string
  ok: boolean
  signatures: readonly SignatureReport[]
  /** Whether every signature of the platform leads to a given root; null without roots. */
  trusted: boolean | null
}

/** Judges each signed PDF by itself and against what the events say of it. */
export function verifyDocuments(
  entries: Entries,
  manifest: Manifest,
  events: readonly EvidenceEvent[],
  material: TrustMaterial,
  problems: ProblemList,
): DocumentVerdict[] {
  const known = new Set(manifest.documents.map(({ documentId }) => documentId))
  for (const event of events) {
    const id = event.data.documentId
    if (isAboutDocument(event) && (typeof id !== 'string' || !known.has(id))) {
      problems.add(MANIFEST, 'document_missing', `#${event.seq}`)
    }
  }
  return manifest.documents.map((document) => {
    const before = problems.all.length
    const own = events.filter(
      (event) => isAboutDocument(event) && event.data.documentId === document.documentId,
    )
    const pdf = entries.get(document.path)
    const { documentId, name, path, sha256 } = document
    const seen = pdf === undefined ? null : readPdf(document, pdf, own, material.trust, problems)
    if (pdf !== undefined && seen !== null) compareWithEvents(document, pdf, seen, own, material, problems)
    return {
      documentId,
      name,
      path,
      sha256,
      ok: seen !== null && problems.all.length === before,
      signatures: seen?.signatures ?? [],
      trusted: seen === null || material.trust === undefined ? null : seen.trusted,
    }
  })
}

interface SeenPdf {
  signatures: readonly SignatureReport[]
  trusted: boolean
}

function readPdf(
  document: ManifestDocument,
  pdf: Uint8Array,
  own: readonly EvidenceEvent[],
  trust: readonly Uint8Array[] | undefined,
  problems: ProblemList,
): SeenPdf | null {
  try {
    const integrity = verifyPdf(pdf)
    // A document of the task that nobody had to sign is bound by its hash alone.
    const unsigned =
      integrity.signatures.length === 0 && !own.some((event) => event.type === 'document.signed')
    if (!unsigned && !integrity.ok) {
      const detail = errorCodes(integrity.signatures)
      problems.add(document.path, 'document_invalid', detail === '' ? undefined : detail)
    }
    if (trust === undefined) return { signatures: integrity.signatures, trusted: false }
    const { signatures } = verifyPdf(pdf, { trust: [...trust] })
    // A signature that was in the file before it came to the platform has a chain of its own.
    const ownSignatures = signatures.filter((one) => revisionEnd(one) > baseSize(own))
    const trusted = ownSignatures.every((one) => one.trusted === true)
    if (!trusted) problems.add(document.path, 'document_untrusted')
    return { signatures, trusted }
  } catch (error) {
    problems.add(document.path, 'document_unreadable', reasonOf(error))
    return null
  }
}

/** The document's history by events must be the one by its revisions, signature for signature. */
function compareWithEvents(
  document: ManifestDocument,
  pdf: Uint8Array,
  seen: SeenPdf,
  own: readonly EvidenceEvent[],
  material: TrustMaterial,
  problems: ProblemList,
): void {
  const hashAt = prefixHashes(pdf, [baseSize(own), ...seen.signatures.map(revisionEnd)])
  followHashes(document, own, hashAt, problems)
  const unmatched = own.filter((event) => event.type === 'document.signed')
  for (const signature of seen.signatures) {
    const end = revisionEnd(signature)
    const at = unmatched.findIndex(
      ({ data }) =>
        data.documentSha256 === hashAt.get(end) &&
        data.certificateSha256 === signature.certificate?.fingerprintSha256,
    )
    const [event] = at < 0 ? [] : unmatched.splice(at, 1)
    if (event !== undefined) compareSignature(event, signature, material, problems)
    else if (end > baseSize(own)) problems.add(document.path, 'signature_without_event', signature.fieldName)
  }
  for (const event of unmatched) problems.add(EVENTS, 'event_without_signature', `#${event.seq}`)
}

function compareSignature(
  event: EvidenceEvent,
  signature: SignatureReport,
  material: TrustMaterial,
  problems: ProblemList,
): void {
  const fingerprint = String(event.data.certificateSha256)
  const certificate = material.certificates.get(fingerprint)
  if (certificate === undefined)
    problems.add(certificatePath(fingerprint), 'certificate_missing', `#${event.seq}`)
  else if (event.data.certificateSerial !== certificate.serialHex) {
    problems.add(EVENTS, 'event_invalid', `#${event.seq} certificateSerial`)
  }
  const revoked = certificate === undefined ? null : revokedAt(certificate, material.crls)
  // The timestamp proves that the signature existed then; without one only the event tells.
  const signedAt = Date.parse(signature.timestamp ?? event.at)
  if (revoked !== null && revoked.getTime() <= signedAt) {
    problems.add(certificatePath(fingerprint), 'certificate_revoked', `#${event.seq}`)
  }
  if (signature.timestamp === null) return
  const told = event.data.timestamp
  const agrees = told === undefined || (typeof told === 'string' && Date.parse(told) === signedAt)
  if (!agrees || Math.abs(Date.parse(event.at) - signedAt) > CLOCK_TOLERANCE_MS) {
    problems.add(EVENTS, 'time_mismatch', `#${event.seq}`)
  }
}

/** From the file that was added, each signature's event starts where the one before ended, up to the file at hand. */
function followHashes(
  document: ManifestDocument,
  own: readonly EvidenceEvent[],
  hashAt: ReadonlyMap<number, string>,
  problems: ProblemList,
): void {
  const [first, ...rest] = own
  if (first?.type !== 'document.added' || rest.some((event) => event.type === 'document.added')) {
    problems.add(EVENTS, 'document_hash', `${document.documentId} has no single document.added`)
    return
  }
  if (first.data.documentSha256 !== hashAt.get(baseSize(own))) {
    problems.add(document.path, 'document_hash', `#${first.seq}`)
  }
  let current = first.data.documentSha256
  for (const event of rest) {
    if (event.data.previousSha256 !== current)
      problems.add(EVENTS, 'document_hash', `#${event.seq} previousSha256`)
    current = event.data.documentSha256
  }
  if (current !== document.sha256) problems.add(document.path, 'document_hash', 'last event')
}

/** Both types carry `documentId` and `documentSha256`; other events may mention a document as they like. */
function isAboutDocument(event: EvidenceEvent): boolean {
  return event.type === 'document.added' || event.type === 'document.signed'
}

function baseSize(own: readonly EvidenceEvent[]): number {
  const data: JsonObject | undefined = own[0]?.data
  return typeof data?.sizeBytes === 'number' ? data.sizeBytes : 0
}

/** End of the revision a signature closes: the second covered range ends there. */
function revisionEnd(signature: SignatureReport): number {
  const [, , start = 0, length = 0] = signature.byteRange
  return start + length
}

function errorCodes(signatures: readonly SignatureReport[]): string {
  const codes = signatures.flatMap((one) =>
    one.problems.filter(({ severity }) => severity === 'error').map(({ code }) => code),
  )
  return [...new Set(codes)].join(' ')
}

/** SHA-256 of several prefixes of a file in one pass. */
function prefixHashes(pdf: Uint8Array, ends: readonly number[]): Map<number, string> {
  const hashes = new Map<number, string>()
  const running = startDigest('sha256')
  let at = 0
  for (const end of [...new Set(ends)].sort((a, b) => a - b)) {
    if (end > pdf.length) break
    running.update(pdf.subarray(at, end))
    at = end
    hashes.set(end, toHex(running.copy().digest()))
  }
  return hashes
}
