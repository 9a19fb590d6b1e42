/**
 * The export of a tenant: what lies where, and the two tables that bind it. docs/reference/export-bundle.md describes
 * the same for people.
 */
import { fromUtf8 } from './bytes.ts'
import { canonicalBytes, type Json, type JsonObject, parseCanonicalJson } from './canonical-json.ts'
import { isInstant } from './event-chain.ts'
import { EvidenceError } from './evidence-error.ts'
import { isSafePath } from './tar-format.ts'

/** The last four entries; they stand in no table themselves. */
export const EXPORT_ENTRIES = 'entries.jsonl'
export const EXPORT_MANIFEST = 'manifest.json'
export const EXPORT_PROOF = 'manifest.tlog-proof'
export const EXPORT_TIMESTAMP = 'manifest.tsr'
export const EXPORT_TAIL: readonly string[] = [
  EXPORT_ENTRIES,
  EXPORT_MANIFEST,
  EXPORT_PROOF,
  EXPORT_TIMESTAMP,
]

export const evidenceRestPath = (taskId: string): string => `contracts/${taskId}/evidence-rest.zip`
/** A document of a contract lies at its path within the evidence package. */
export const contractPath = (taskId: string, path: string): string => `contracts/${taskId}/${path}`
export const exportedFilePath = (fileId: string): string => `files/${fileId}.pdf`
export const exportedSealPath = (sealId: string): string => `seals/${sealId}.svg`

/** Which contract an entry belongs to, and its path inside. */
export function contractOfPath(path: string): { taskId: string; inner: string } | null {
  const match = /^contracts\/([0-9a-f-]{36})\/(.+)$/.exec(path)
  return match === null ? null : { taskId: match[1] as string, inner: match[2] as string }
}

export type ExportRole = 'readme' | 'index' | 'table' | 'file' | 'document' | 'evidence' | 'seal' | 'trust'
const ROLES: readonly string[] = [
  'readme',
  'index',
  'table',
  'file',
  'document',
  'evidence',
  'seal',
  'trust',
] satisfies ExportRole[]

export interface ExportEntry {
  path: string
  role: ExportRole
  sizeBytes: number
  /** Both hexadecimal. */
  sha256: string
  sm3: string
}

/** Why an entry that belongs into an export is not in it. */
export type LossReason = 'unreadable' | 'damaged' | 'key_missing' | 'failed'
const LOSS_REASONS: readonly string[] = [
  'unreadable',
  'damaged',
  'key_missing',
  'failed',
] satisfies LossReason[]

/** An entry that the installation could not read any more when it made the export, and says so. */
export interface ExportLoss {
  path: string
  /** The file, seal or contract that it belongs to. */
  subjectId: string
  reason: LossReason
  /** What it was recorded with, where that is known. */
  sizeBytes: number | null
  sha256: string | null
}

export interface ExportManifest {
  format: 'yinxin-export'
  v: 1
  exportId: string
  tenant: { id: string; kind: string; name: string; creditCode: string | null }
  createdAt: string
  /** Everything committed before this moment is in. */
  snapshotAt: string
  /** Only what changed since this moment is in; null for a full export. */
  since: string | null
  counts: { files: number; contracts: number; documents: number; events: number; tables: JsonObject }
  /** Contracts that existed at the snapshot and whose content was destroyed before it was read. */
  gone: string[]
  /** Entries that could not be read; absent when there are none. */
  lost?: ExportLoss[]
  entries: { count: number; sizeBytes: number; sha256: string; sm3: string }
  /** Hints only: the keys that judge come from outside. */
  log: { origin: string; keys: string[] }
  trust: { anchors: string[] }
  environment: JsonObject
}

/** The leaf of the log that binds an export: signed with the checkpoint above it. */
export interface ExportLeaf {
  v: 1
  type: 'export.issued'
  exportId: string
  tenantId: string
  at: string
  manifestSha256: string
  /** Of `manifest.tsr` as a whole: a timestamp does not cover every byte of its own encoding. */
  timestampSha256: string
}

export function exportLeafBytes(
  manifest: ExportManifest,
  manifestSha256: string,
  timestampSha256: string,
): Uint8Array {
  const leaf: ExportLeaf = {
    v: 1,
    type: 'export.issued',
    exportId: manifest.exportId,
    tenantId: manifest.tenant.id,
    at: manifest.createdAt,
    manifestSha256,
    timestampSha256,
  }
  return canonicalBytes(leaf)
}

/** Reads a leaf; whether the log holds it is for the caller to check. @throws EvidenceError */
export function parseExportLeaf(bytes: Uint8Array): ExportLeaf {
  const source = fromUtf8(bytes)
  if (source === null) throw refuse('text is not UTF-8')
  const names = 'at,exportId,manifestSha256,tenantId,timestampSha256,type,v'
  const leaf = members(parseCanonicalJson(source), 'leaf', names)
  if (leaf.type !== 'export.issued' || leaf.v !== 1) throw refuse('leaf is not of an export')
  id(leaf.exportId)
  id(leaf.tenantId)
  instant(leaf.at)
  hash(leaf.manifestSha256)
  hash(leaf.timestampSha256)
  return leaf as unknown as ExportLeaf
}

/** One line of `entries.jsonl`, its line feed included. */
export function exportEntryLine(entry: ExportEntry): Uint8Array {
  const { path, role, sizeBytes, sha256, sm3 } = entry
  const line = canonicalBytes({ path, role, sizeBytes, sha256, sm3 })
  const ended = new Uint8Array(line.length + 1)
  ended.set(line)
  ended[line.length] = 0x0a
  return ended
}

/** @throws EvidenceError */
export function parseExportEntry(line: string): ExportEntry {
  const entry = members(parseCanonicalJson(line), 'entry', 'path,role,sha256,sizeBytes,sm3')
  if (typeof entry.path !== 'string' || !isSafePath(entry.path) || EXPORT_TAIL.includes(entry.path))
    throw refuse('path of an entry is not allowed')
  if (typeof entry.role !== 'string' || !ROLES.includes(entry.role)) throw refuse('role is not known')
  hash(entry.sha256)
  hash(entry.sm3)
  count(entry.sizeBytes)
  return entry as unknown as ExportEntry
}

/** Reads a manifest; its bytes must be canonical JSON. @throws EvidenceError */
export function parseExportManifest(bytes: Uint8Array): ExportManifest {
  const source = fromUtf8(bytes)
  if (source === null) throw refuse('text is not UTF-8')
  const manifest = members(
    parseCanonicalJson(source),
    'manifest',
    'counts,createdAt,entries,environment,exportId,format,gone,log,since,snapshotAt,tenant,trust,v',
    'lost',
  )
  if (manifest.format !== 'yinxin-export' || manifest.v !== 1)
    throw refuse('format of the export is not known')
  id(manifest.exportId)
  const tenant = members(manifest.tenant, 'tenant', 'creditCode,id,kind,name')
  id(tenant.id)
  for (const text of [tenant.kind, tenant.name])
    if (typeof text !== 'string') throw refuse('tenant has no name')
  if (tenant.creditCode !== null && typeof tenant.creditCode !== 'string')
    throw refuse('credit code is no text')
  for (const time of [manifest.createdAt, manifest.snapshotAt]) instant(time)
  if (manifest.since !== null) instant(manifest.since)
  const counts = members(manifest.counts, 'counts', 'contracts,documents,events,files,tables')
  for (const key of ['contracts', 'documents', 'events', 'files'] as const) count(counts[key])
  if (!isObject(counts.tables)) throw refuse('tables are not counted')
  for (const one of Object.values(counts.tables)) count(one)
  for (const one of list(manifest.gone)) id(one)
  if (manifest.lost !== undefined) losses(list(manifest.lost))
  const entries = members(manifest.entries, 'entries', 'count,sha256,sizeBytes,sm3')
  count(entries.count)
  count(entries.sizeBytes)
  hash(entries.sha256)
  hash(entries.sm3)
  const log = members(manifest.log, 'log', 'keys,origin')
  if (typeof log.origin !== 'string') throw refuse('log has no origin')
  for (const key of list(log.keys)) if (typeof key !== 'string') throw refuse('a key is no text')
  for (const anchor of list(members(manifest.trust, 'trust', 'anchors').anchors)) hash(anchor)
  if (!isObject(manifest.environment)) throw refuse('environment is not an object')
  return manifest as unknown as ExportManifest
}

function losses(given: readonly Json[]): void {
  // There is one way to say that nothing was lost.
  if (given.length === 0) throw refuse('an empty list of losses')
  const paths = new Set<string>()
  for (const one of given) {
    const loss = members(one, 'loss', 'path,reason,sha256,sizeBytes,subjectId')
    const { path, reason } = loss
    if (typeof path !== 'string' || !isSafePath(path) || EXPORT_TAIL.includes(path) || paths.has(path))
      throw refuse('path of a loss is not allowed')
    paths.add(path)
    id(loss.subjectId)
    if (typeof reason !== 'string' || !LOSS_REASONS.includes(reason)) throw refuse('reason is not known')
    if (loss.sha256 !== null) hash(loss.sha256)
    if (loss.sizeBytes !== null) count(loss.sizeBytes)
  }
}

function members(value: Json | undefined, name: string, required: string, optional = ''): JsonObject {
  if (!isObject(value)) throw refuse(`${name} is not an object`)
  const given = Object.keys(value).filter((key) => key !== optional)
  if (given.sort().join() !== required) throw refuse(`${name} has other members than the format`)
  return value
}

function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function list(value: Json | undefined): Json[] {
  if (!Array.isArray(value)) throw refuse('not a list')
  return value
}

function id(value: Json | undefined): void {
  if (typeof value !== 'string' || !/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(value))
    throw refuse('an id is not a uuid')
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
