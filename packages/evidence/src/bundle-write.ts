import { buildTimestampResponse, parseCertificate, startDigest, toPem } from '@yinxin/pki'
import {
  byPath,
  CHECKPOINT,
  CHECKPOINT_TIMESTAMP,
  certificatePath,
  crlPath,
  DISCLOSURES,
  documentEntryPath,
  documentPath,
  type EntryRole,
  EVENTS,
  type IssuedLeaf,
  issuedLeafBytes,
  MANIFEST,
  MANIFEST_PROOF,
  type Manifest,
  type ManifestDocument,
  parseManifest,
  proofPath,
  README,
} from './bundle-layout.ts'
import { README_TEXT } from './bundle-readme.ts'
import { concatBytes, sha256Hex, toHex, utf8 } from './bytes.ts'
import { canonicalBytes, type JsonObject } from './canonical-json.ts'
import {
  type Disclosure,
  type EvidenceEvent,
  eventBytes,
  eventHash,
  verifyChain,
  verifyDisclosure,
} from './event-chain.ts'
import { EvidenceError } from './evidence-error.ts'
import { leafHash, verifyConsistency, verifyInclusion } from './merkle.ts'
import { type Checkpoint, openCheckpoint } from './note.ts'
import { encodeTlogProof, verifyTlogProof } from './tlog-proof.ts'
import { writeZip, type ZipContent, type ZipInput } from './zip-write.ts'

export interface BundleDocument {
  documentId: string
  name: string
  /** Of the signed file, hexadecimal. */
  sha256: string
  sizeBytes: number
  content: ZipContent
}

export interface BundleInput {
  taskId: string
  title?: string
  createdAt: Date
  documents: readonly BundleDocument[]
  /** The task's whole chain. */
  events: readonly EvidenceEvent[]
  /** What the receiver of this package may see of the commitments. */
  disclosures: readonly Disclosure[]
  log: {
    /** vkeys of the log and of its witnesses. */
    keys: readonly string[]
    /** A signed checkpoint that covers all events. */
    checkpoint: string
    /** RFC 3161 token over SHA-256 of the checkpoint's text. */
    timestampToken: Uint8Array
    /** Inclusion proof of each event in that checkpoint, in the order of the events. */
    proofs: readonly { index: number; hashes: readonly Uint8Array[] }[]
  }
  /** DER: event certificates, their chain, the timestamp authority's. Given twice counts once. */
  certificates: readonly Uint8Array[]
  crls?: readonly Uint8Array[]
  /** DER of the roots; they go into the package too, and their hashes into the manifest as hints. */
  anchors: readonly Uint8Array[]
  environment: JsonObject
}

/** A package whose manifest is fixed and waits for its place in the log. */
export interface PreparedBundle {
  manifest: Manifest
  manifestBytes: Uint8Array
  manifestSha256: string
  /** The entry to append to the log; its leaf is what {@link writeBundle} needs the proof of. */
  issuedEntry: Uint8Array
  issuedLeaf: IssuedLeaf
  logKeys: readonly string[]
  eventsCheckpoint: string
  files: readonly ZipInput[]
}

/** Where the log put the entry of a prepared package. */
export interface ManifestLogProof {
  index: number
  hashes: readonly Uint8Array[]
  /** A signed checkpoint that covers the entry. */
  checkpoint: string
  /** Consistency proof from the events' checkpoint to this one. */
  consistency: readonly Uint8Array[]
}

/**
 * First half of issuing: checks everything that goes in, and fixes the manifest. Append `issuedEntry` to the
 * log, then call {@link writeBundle}.
 *
 * @throws EvidenceError when chain, disclosures or proofs do not hold: what cannot be verified is not issued
 */
export function prepareBundle(input: BundleInput): PreparedBundle {
  // Opened once: its signature is the same for all events.
  const { checkpoint } = openCheckpoint(input.log.checkpoint, input.log.keys)
  checkEvents(input, checkpoint)
  const documents = input.documents.map(
    (document, index): ManifestDocument => ({
      documentId: document.documentId,
      path: documentPath(index, document.name),
      name: document.name,
      sha256: document.sha256,
      sizeBytes: document.sizeBytes,
    }),
  )
  const files = [
    ...input.documents.map((document, index) => documentFile(documents[index]?.path as string, document)),
    ...textFiles(input),
    ...certificateFiles([...input.certificates, ...input.anchors]),
    ...(input.crls ?? []).map((crl) => memoryFile(crlPath(sha256Hex(crl)), 'crl', crl)),
  ].sort(byPath)
  const anchors = [...new Set(input.anchors.map((der) => sha256Hex(der)))].sort()
  const manifest: Manifest = {
    format: 'yinxin-evidence',
    v: 1,
    taskId: input.taskId,
    ...(input.title === undefined ? {} : { title: input.title }),
    createdAt: input.createdAt.toISOString(),
    documents,
    events: { count: input.events.length, lastHash: eventHash(input.events.at(-1) as EvidenceEvent) },
    log: { origin: checkpoint.origin, keys: [...input.log.keys] },
    trust: { anchors },
    environment: input.environment,
    entries: files.map(({ path, role, sha256, sizeBytes }) => ({ path, role, sha256, sizeBytes })),
  }
  const manifestBytes = canonicalBytes(manifest)
  // Reading it back holds the writer to the rules of the reader.
  parseManifest(manifestBytes)
  const manifestSha256 = sha256Hex(manifestBytes)
  const issuedLeaf: IssuedLeaf = {
    v: 1,
    type: 'evidence.issued',
    taskId: manifest.taskId,
    at: manifest.createdAt,
    events: manifest.events,
    manifestSha256,
  }
  return {
    manifest,
    manifestBytes,
    manifestSha256,
    issuedEntry: issuedLeafBytes(issuedLeaf),
    issuedLeaf,
    logKeys: manifest.log.keys,
    eventsCheckpoint: input.log.checkpoint,
    files: files.map(({ path, content }) => ({ name: path, content })),
  }
}

/**
 * Second half: the package as a stream of bytes. Documents given as functions are read twice and never held; an
 * export keeps them elsewhere and asks for the rest alone.
 *
 * @throws EvidenceError before the first byte when the proof does not hold; in mid-stream when a document is not
 *   the one its hash says
 */
export function writeBundle(
  prepared: PreparedBundle,
  proof: ManifestLogProof,
  parts: 'all' | 'without-documents' = 'all',
): AsyncIterable<Uint8Array> {
  const { leaf, consistency } = { leaf: prepared.issuedLeaf, consistency: proof.consistency.map(toHex) }
  const tlogProof = {
    extra: canonicalBytes({ leaf, consistency }),
    index: proof.index,
    hashes: [...proof.hashes],
    checkpoint: proof.checkpoint,
  }
  const after = verifyTlogProof(tlogProof, prepared.issuedEntry, prepared.logKeys).checkpoint
  const before = openCheckpoint(prepared.eventsCheckpoint, prepared.logKeys).checkpoint
  if (proof.index < before.size) throw refuse('package entry stands before the checkpoint of its events')
  if (!verifyConsistency(before.size, after.size, before.root, after.root, proof.consistency)) {
    throw refuse('consistency proof between the two checkpoints does not hold')
  }
  return writeZip([
    { name: MANIFEST, content: prepared.manifestBytes },
    { name: MANIFEST_PROOF, content: utf8(encodeTlogProof(tlogProof)) },
    ...prepared.files.filter(({ name }) => parts === 'all' || !documentEntryPath.test(name)),
  ])
}

interface BundleFile {
  path: string
  role: EntryRole
  sha256: string
  sizeBytes: number
  content: ZipContent
}

function checkEvents(input: BundleInput, checkpoint: Checkpoint): void {
  const { events, disclosures, log } = input
  if (events.length === 0) throw refuse('a package has at least one event')
  const [problem] = verifyChain(events)
  if (problem !== undefined) throw refuse(`event ${problem.index}: ${problem.code}`)
  if (events[0]?.taskId !== input.taskId) throw refuse('events are of another task')
  if (log.proofs.length !== events.length) throw refuse('every event needs its proof')
  for (const [seq, event] of events.entries()) {
    const proof = log.proofs[seq] as { index: number; hashes: readonly Uint8Array[] }
    const leaf = leafHash(eventBytes(event))
    if (!verifyInclusion(leaf, proof.index, checkpoint.size, checkpoint.root, proof.hashes))
      throw new EvidenceError('bad_proof', `event ${seq} is not leaf ${proof.index} of the checkpointed tree`)
  }
  for (const disclosure of disclosures) {
    const event = events[disclosure.seq]
    if (event === undefined || !verifyDisclosure(event, disclosure)) {
      throw refuse(`disclosure of ${disclosure.path} in event ${disclosure.seq} opens nothing`)
    }
  }
}

function textFiles(input: BundleInput): BundleFile[] {
  const { log, events } = input
  const lines = events.flatMap((event) => [eventBytes(event), utf8('\n')])
  const disclosures = input.disclosures
    .map(({ seq, path, salt, value }) => ({ seq, path, salt, value }))
    .sort((a, b) => a.seq - b.seq || byPath(a, b))
  return [
    memoryFile(README, 'readme', utf8(README_TEXT)),
    memoryFile(EVENTS, 'events', concatBytes(lines)),
    memoryFile(DISCLOSURES, 'disclosures', canonicalBytes(disclosures)),
    memoryFile(CHECKPOINT, 'checkpoint', utf8(log.checkpoint)),
    memoryFile(CHECKPOINT_TIMESTAMP, 'timestamp', buildTimestampResponse({ token: log.timestampToken })),
    ...log.proofs.map(({ index, hashes }, seq) => {
      const proof = encodeTlogProof({ index, hashes: [...hashes], checkpoint: log.checkpoint })
      return memoryFile(proofPath(seq), 'proof', utf8(proof))
    }),
  ]
}

function certificateFiles(ders: readonly Uint8Array[]): BundleFile[] {
  const byFingerprint = new Map(ders.map((der) => [parseCertificate(der).fingerprintSha256, der]))
  return [...byFingerprint].map(([fingerprint, der]) =>
    memoryFile(certificatePath(fingerprint), 'certificate', utf8(toPem(der, 'CERTIFICATE'))),
  )
}

function memoryFile(path: string, role: EntryRole, content: Uint8Array): BundleFile {
  return { path, role, sha256: sha256Hex(content), sizeBytes: content.length, content }
}

function documentFile(path: string, document: BundleDocument): BundleFile {
  const { sha256, sizeBytes, content } = document
  if (content instanceof Uint8Array && (sha256Hex(content) !== sha256 || content.length !== sizeBytes)) {
    throw refuse(`document ${document.documentId} is not the one its hash says`)
  }
  const checked: ZipContent = content instanceof Uint8Array ? content : () => hashed(document, content)
  return { path, role: 'document', sha256, sizeBytes, content: checked }
}

/** Passes a stream on and fails at its end when it was another file than the manifest says. */
async function* hashed(
  document: BundleDocument,
  content: () => AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  const hash = startDigest('sha256')
  let sizeBytes = 0
  for await (const chunk of content()) {
    hash.update(chunk)
    sizeBytes += chunk.length
    yield chunk
  }
  if (toHex(hash.digest()) !== document.sha256 || sizeBytes !== document.sizeBytes) {
    throw refuse(`document ${document.documentId} is not the one its hash says`)
  }
}

function refuse(why: string): EvidenceError {
  return new EvidenceError('bad_bundle_input', why)
}
