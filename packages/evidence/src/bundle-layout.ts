import { fromUtf8 } from './bytes.ts'
import { canonicalBytes, type Json, type JsonObject, parseCanonicalJson } from './canonical-json.ts'
import { isInstant } from './event-chain.ts'
import { EvidenceError } from './evidence-error.ts'

/** Names inside an evidence package. The first two come first and stand in no manifest. */
export const MANIFEST = 'manifest.json'
export const MANIFEST_PROOF = 'manifest.tlog-proof'
export const README = 'README.txt'
export const CHECKPOINT = 'checkpoint'
export const EVENTS = 'events.jsonl'
export const DISCLOSURES = 'disclosures.json'
export const CHECKPOINT_TIMESTAMP = 'timestamps/checkpoint.tsr'

/** Documents of a package; an export keeps them beside the rest of it. */
export const documentEntryPath = /^documents\/[1-9]\d*-[^/]+$/
export const proofPath = (seq: number): string => `proofs/${seq}.tlog-proof`
export const certificatePath = (fingerprint: string): string => `certificates/${fingerprint}.pem`
export const crlPath = (sha256: string): string => `crl/${sha256}.crl`

export type EntryRole =
  | 'certificate'
  | 'checkpoint'
  | 'crl'
  | 'disclosures'
  | 'document'
  | 'events'
  | 'proof'
  | 'readme'
  | 'timestamp'

/** Which path each role has; a manifest that says otherwise is refused. */
const PATHS: Record<EntryRole, RegExp> = {
  certificate: /^certificates\/[0-9a-f]{64}\.pem$/,
  checkpoint: /^checkpoint$/,
  crl: /^crl\/[0-9a-f]{64}\.crl$/,
  disclosures: /^disclosures\.json$/,
  document: documentEntryPath,
  events: /^events\.jsonl$/,
  proof: /^proofs\/(0|[1-9]\d*)\.tlog-proof$/,
  readme: /^README\.txt$/,
  timestamp: /^timestamps\/checkpoint\.tsr$/,
}

export interface ManifestEntry {
  path: string
  role: EntryRole
  sha256: string
  sizeBytes: number
}

export interface ManifestDocument {
  documentId: string
  path: string
  /** As its owner named it. */
  name: string
  sha256: string
  sizeBytes: number
}

export interface Manifest {
  format: 'yinxin-evidence'
  v: 1
  taskId: string
  title?: string
  createdAt: string
  documents: ManifestDocument[]
  events: { count: number; lastHash: string }
  /** Hints only: the keys that judge come from outside the package. */
  log: { origin: string; keys: string[] }
  /** SHA-256 of the certificates the platform's signatures lead to; hints only. */
  trust: { anchors: string[] }
  /** What the platform states about itself: versions, clock, availability. */
  environment: JsonObject
  entries: ManifestEntry[]
}

/** The leaf that binds a package to the log: it names the manifest's hash and stands outside the package's chain. */
export interface IssuedLeaf {
  v: 1
  type: 'evidence.issued'
  taskId: string
  at: string
  events: { count: number; lastHash: string }
  manifestSha256: string
}

/** What `extra` of the manifest's proof carries: the leaf, and how the log grew from the events' checkpoint. */
export interface ManifestProofExtra {
  leaf: IssuedLeaf
  /** Hashes of the consistency proof, hexadecimal. */
  consistency: string[]
}

/** Reads a manifest; its bytes must be canonical JSON. @throws EvidenceError `bad_bundle_input` or `not_canonical` */
export function parseManifest(bytes: Uint8Array): Manifest {
  const value = parseJson(bytes)
  const manifest = object(
    value,
    'manifest',
    'createdAt,documents,entries,environment,events,format,log,taskId,trust,v',
    'title',
  )
  if (manifest.format !== 'yinxin-evidence' || manifest.v !== 1)
    throw refuse('format of the package is not known')
  instant(manifest.createdAt)
  text(manifest.taskId, 'taskId')
  if (manifest.title !== undefined) text(manifest.title, 'title')
  readEventsEnd(manifest.events)
  const log = object(manifest.log, 'log', 'keys,origin')
  text(log.origin, 'origin')
  for (const key of list(log.keys, 'keys')) text(key, 'key')
  const trust = object(manifest.trust, 'trust', 'anchors')
  for (const anchor of list(trust.anchors, 'anchors')) hash(anchor)
  if (!isObject(manifest.environment)) throw refuse('environment is not an object')
  for (const item of list(manifest.documents, 'documents')) {
    const document = object(item, 'document', 'documentId,name,path,sha256,sizeBytes')
    for (const key of ['documentId', 'name', 'path'] as const) text(document[key], key)
    hash(document.sha256)
    count(document.sizeBytes)
  }
  for (const item of list(manifest.entries, 'entries')) readEntry(item)
  return manifest as unknown as Manifest
}

/** Reads the extra data of the manifest's proof. @throws EvidenceError */
export function parseManifestProofExtra(bytes: Uint8Array): ManifestProofExtra {
  const extra = object(parseJson(bytes), 'extra', 'consistency,leaf')
  for (const item of list(extra.consistency, 'consistency')) hash(item)
  const leaf = object(extra.leaf, 'leaf', 'at,events,manifestSha256,taskId,type,v')
  if (leaf.v !== 1 || leaf.type !== 'evidence.issued') throw refuse('leaf is of another kind')
  instant(leaf.at)
  text(leaf.taskId, 'taskId')
  hash(leaf.manifestSha256)
  readEventsEnd(leaf.events)
  return extra as unknown as ManifestProofExtra
}

/** The log entry of an issued package. */
export function issuedLeafBytes(leaf: IssuedLeaf): Uint8Array {
  return canonicalBytes(leaf)
}

/** A document's entry name: its number, then its name with everything replaced that a file name may not hold. */
export function documentPath(index: number, name: string): string {
  const plain = name
    .normalize('NFC')
    .replace(/[^\p{L}\p{N}\p{M} ._()（）《》【】、,，-]/gu, '_')
    .replace(/^[. ]+|[. ]+$/g, '')
    .replace(/\.pdf$/i, '')
  // 40 characters are at most 160 bytes of UTF-8, well under what a name may have.
  const short = [...plain]
    .slice(0, 40)
    .join('')
    .replace(/[. ]+$/, '')
  return `documents/${index + 1}-${short === '' ? 'document' : short}.pdf`
}

/** Order of entries: by UTF-16 code units of their paths, as canonical JSON orders keys. */
export function byPath(a: { path: string }, b: { path: string }): number {
  return a.path < b.path ? -1 : a.path > b.path ? 1 : 0
}

function readEntry(item: Json): void {
  const entry = object(item, 'entry', 'path,role,sha256,sizeBytes')
  const { role, path } = entry
  if (typeof role !== 'string' || !Object.hasOwn(PATHS, role)) throw refuse('role of an entry is not known')
  if (typeof path !== 'string' || !PATHS[role as EntryRole].test(path))
    throw refuse('path of an entry does not fit its role')
  hash(entry.sha256)
  count(entry.sizeBytes)
}

function readEventsEnd(value: Json | undefined): void {
  const events = object(value, 'events', 'count,lastHash')
  count(events.count)
  hash(events.lastHash)
}

function parseJson(bytes: Uint8Array): Json {
  const source = fromUtf8(bytes)
  if (source === null) throw refuse('text is not UTF-8')
  return parseCanonicalJson(source)
}

function object(value: Json | undefined, name: string, required: string, optional?: string): JsonObject {
  if (!isObject(value)) throw refuse(`${name} is not an object`)
  const keys = Object.keys(value)
    .filter((key) => key !== optional)
    .sort()
    .join()
  if (keys !== required) throw refuse(`${name} has other members than the format`)
  return value
}

function list(value: Json | undefined, name: string): Json[] {
  if (!Array.isArray(value)) throw refuse(`${name} is not a list`)
  return value
}

function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function text(value: Json | undefined, name: string): void {
  if (typeof value !== 'string' || value === '') throw refuse(`${name} is not a text`)
}

function hash(value: Json | undefined): void {
  if (typeof value !== 'string' || !/^[0-9a-f]{64}$/.test(value))
    throw refuse('a hash is 64 hexadecimal characters')
}

function count(value: Json | undefined): void {
  if (typeof value !== 'number' || value < 0) throw refuse('a size is not a count')
}

function instant(value: Json | undefined): void {
  if (typeof value !== 'string' || !isInstant(value)) throw refuse('a time is not an instant in UTC')
}

function refuse(why: string): EvidenceError {
  return new EvidenceError('bad_bundle_input', why)
}
