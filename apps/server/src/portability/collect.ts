/**
 * Makes an export in steps that each end in a transaction, so that a killed server goes on where it was:
 * 1. the snapshot, 2. files and contracts one by one, 3. list, manifest, its place in the log and its time.
 */
import { createHash } from 'node:crypto'
import {
  canonicalBytes,
  collectBytes,
  contractPath,
  documentPath,
  EXPORT_ENTRIES,
  EXPORT_MANIFEST,
  EXPORT_PROOF,
  EXPORT_TIMESTAMP,
  type ExportManifest,
  evidenceRestPath,
  exportEntryLine,
  exportedFilePath,
  exportedSealPath,
  exportLeafBytes,
  parseExportManifest,
  TAR_END_BYTES,
} from '@yinxin/evidence'
import { buildTimestampResponse, toPem } from '@yinxin/pki'
import type { Ca } from '#src/ca/ca.ts'
import type { Clock } from '#src/clock.ts'
import type { Db, Tx } from '#src/db/db.ts'
import type { Evidence } from '#src/evidence/evidence.ts'
import type { Kms } from '#src/kms/kms.ts'
import type { Seals } from '#src/seals/seals.ts'
import type { Storage, StoredObject } from '#src/storage/storage.ts'
import type { Timestamps } from '#src/timestamps/timestamps.ts'
import { type Archive, entriesOf } from './archive.ts'
import { readmeText } from './readme.ts'
import { takeSnapshot } from './snapshot.ts'
import { segmentsOf } from './sources.ts'
import {
  type ExportRow,
  findExport,
  goneContracts,
  type ItemRow,
  insertItems,
  settleItem,
  waitingItems,
} from './store.ts'
import type { ContractDetail, Counts, FileDetail, Piece } from './tables.ts'
import { type ArchiveWriter, type NewEntry, openWriter } from './writer.ts'

/** The evidence of a contract as it was at a moment, without its documents. */
export type EvidenceSource = (
  reader: { subjectId: string },
  taskId: string,
  asOf: { events: number; revisions: ReadonlyMap<string, number> },
) => Promise<{ content: AsyncIterable<Uint8Array> }>

export interface CollectDeps {
  db: Db
  clock: Clock
  kms: Pick<Kms, 'createScopeKey'>
  storage: Pick<Storage, 'put' | 'record'>
  archive: Archive
  ca: Pick<Ca, 'anchors'>
  timestamps: Pick<Timestamps, 'stamp'>
  evidence: Pick<Evidence, 'log' | 'enter' | 'proveEntry'>
  seals: Pick<Seals, 'pictureOf'>
  evidencePackage: EvidenceSource
  environment: () => { mode: string; developmentCa: boolean; simulators: string[] }
  /** How long a finished archive can be fetched. */
  keptMs: number
}

/** Of a bucket's multipart upload there are at most 10,000 parts. */
const PARTS_MAX = 9000
const PART_UNIT_BYTES = 1 << 20
const ITEMS_AT_A_TIME = 50

/** Content that is gone for good, by the refusals that say so. */
const GONE = new Set([
  'object_destroyed',
  'access_destroyed',
  'content_key_missing',
  'tenant_key_destroyed',
  'sign_task_not_found',
])

export type Collector = ReturnType<typeof createCollector>

export function createCollector(deps: CollectDeps) {
  const { db, clock, storage, archive } = deps

  /** Works on an export until it is done or `untilMs` is reached. True when nothing is left. */
  async function advance(exportId: string, isOver: () => boolean): Promise<boolean> {
    let job = await db.ask((tx) => findExport(tx, exportId))
    if (job === undefined || !['queued', 'collecting'].includes(job.status)) return true
    if (job.status === 'queued') job = await begin(job)
    const writer = await openWriter({ db, storage, archive }, job)
    for (;;) {
      const items = await db.ask((tx) => waitingItems(tx, exportId, ITEMS_AT_A_TIME))
      for (const item of items) {
        if (isOver()) return false
        await writeItem(writer, item)
      }
      if (items.length < ITEMS_AT_A_TIME) break
    }
    await finish(writer)
    return true
  }

  /** The snapshot and its tables; killed in the middle, it is taken anew. */
  async function begin(job: ExportRow): Promise<ExportRow> {
    await deps.kms.createScopeKey(job.tenant_id, job.id)
    const snapshot = await takeSnapshot(
      { db, storage, now: () => clock.now() },
      { tenantId: job.tenant_id, since: job.since, exportId: job.id },
    )
    const stored: StoredObject[] = snapshot.entries.map((one) => one.stored)
    const entries: NewEntry[] = []
    const text = async (path: string, role: NewEntry['role'], content: string) => {
      const made = await generate(job, Buffer.from(content, 'utf8'))
      stored.push(made.object)
      entries.push({ path, role, pieces: [made.piece] })
    }
    await text('README.txt', 'readme', readmeText)
    for (const { path, role, stored: object } of snapshot.entries)
      entries.push({ path, role, pieces: [pieceOf(object)], expectedSha256: object.sha256 })
    const { rootDer } = deps.ca.anchors()
    await text('trust/root.pem', 'trust', toPem(rootDer, 'CERTIFICATE'))
    await text('trust/log.vkey', 'trust', `${deps.evidence.log.vkey}\n`)
    for (const sealId of snapshot.sealIds) {
      const svg = await db.work((tx) => deps.seals.pictureOf(tx, job.tenant_id, sealId))
      if (svg !== undefined) await text(exportedSealPath(sealId), 'seal', svg)
    }
    const leastBytes = snapshot.estimatedBytes / PARTS_MAX
    const partBytes =
      leastBytes <= job.part_bytes
        ? job.part_bytes
        : Math.ceil(leastBytes / PART_UNIT_BYTES) * PART_UNIT_BYTES
    const facts: Partial<ExportRow> = {
      snapshot_at: snapshot.at,
      counts: { ...snapshot.counts, tenant: snapshot.tenant },
      part_bytes: partBytes,
    }
    // Nothing of it is true before the entries are: killed until then, the export is still queued.
    const writer = await openWriter({ db, storage, archive }, { ...job, ...facts })
    const items = snapshot.items.map(
      ({ kind, subjectId, detail }, position): ItemRow => ({
        export_id: job.id,
        position,
        tenant_id: job.tenant_id,
        kind,
        subject_id: subjectId,
        detail,
        state: 'waiting',
      }),
    )
    await writer.add(entries, stored, async (tx) => {
      await insertItems(tx, items)
      return { ...facts, status: 'collecting' }
    })
    return writer.job()
  }

  async function writeItem(writer: ArchiveWriter, item: ItemRow): Promise<void> {
    const settle = (state: 'done' | 'gone') => async (tx: Tx) => {
      await settleItem(tx, item.export_id, item.position, state)
      return {}
    }
    try {
      const { entries, stored } =
        item.kind === 'file' ? fileEntry(item) : await contractEntries(writer.job(), item)
      await writer.add(entries, stored, settle('done'))
    } catch (error) {
      // Destroyed after the snapshot: the manifest says so, and the rest goes on.
      if (!GONE.has((error as { code?: string }).code ?? '')) throw error
      await db.work(settle('gone'))
    }
  }

  function fileEntry(item: ItemRow): { entries: NewEntry[]; stored: StoredObject[] } {
    const { objectId, sizeBytes } = item.detail as FileDetail
    return {
      entries: [{ path: exportedFilePath(item.subject_id), role: 'file', pieces: [{ objectId, sizeBytes }] }],
      stored: [],
    }
  }

  /** The documents as they were at the snapshot, and the evidence of what had happened until then. */
  async function contractEntries(job: ExportRow, item: ItemRow) {
    const { events, documents } = item.detail as ContractDetail
    const taskId = item.subject_id
    const { content } = await deps.evidencePackage({ subjectId: job.tenant_id }, taskId, {
      events,
      revisions: new Map(documents.map(({ id, revision }) => [id, revision])),
    })
    const rest = await generate(job, await collectBytes(content))
    const entries: NewEntry[] = []
    for (const [index, document] of documents.entries()) {
      const segments = await db.ask((tx) => segmentsOf(tx, document.id, document.revision))
      const last = segments.at(-1)
      if (last === undefined) throw new Error(`document ${document.id} has no content`)
      const pieces = segments.map(
        (segment): Piece => ({
          objectId: segment.object_id,
          sizeBytes: segment.segment_bytes,
          partyId: job.tenant_id,
        }),
      )
      const path = contractPath(taskId, documentPath(index, document.name))
      entries.push({ path, role: 'document', pieces, expectedSha256: last.sha256 })
    }
    entries.push({ path: evidenceRestPath(taskId), role: 'evidence', pieces: [rest.piece] })
    return { entries, stored: [rest.object] }
  }

  /** List and manifest; the log's signature over it, and a time. */
  async function finish(writer: ArchiveWriter): Promise<void> {
    const job = writer.job()
    const list = await storage.put({
      tenantId: job.tenant_id,
      scopeId: job.id,
      class: 'draft',
      content: lines(job.id),
    })
    const sums = { count: 0, sizeBytes: 0, sha256: createHash('sha256'), sm3: createHash('sm3') }
    for await (const entry of entriesOf(db, job.id)) {
      const line = exportEntryLine(lineOf(entry))
      sums.count += 1
      sums.sizeBytes += entry.size_bytes
      sums.sha256.update(line)
      sums.sm3.update(line)
    }
    const { tenant, ...counts } = job.counts as Counts & { tenant: ExportManifest['tenant'] }
    const { rootDer } = deps.ca.anchors()
    const { mode, developmentCa, simulators } = deps.environment()
    const manifest: ExportManifest = {
      format: 'yinxin-export',
      v: 1,
      exportId: job.id,
      tenant,
      createdAt: clock.now().toISOString(),
      snapshotAt: (job.snapshot_at ?? clock.now()).toISOString(),
      since: job.since?.toISOString() ?? null,
      counts,
      gone: await db.ask((tx) => goneContracts(tx, job.id)),
      entries: {
        count: sums.count,
        sizeBytes: sums.sizeBytes,
        sha256: sums.sha256.digest('hex'),
        sm3: sums.sm3.digest('hex'),
      },
      log: { origin: deps.evidence.log.origin, keys: [deps.evidence.log.vkey] },
      trust: { anchors: [createHash('sha256').update(rootDer).digest('hex')] },
      environment: { platform: 'yinxin', mode, developmentCa, simulators: [...simulators] },
    }
    const bytes = canonicalBytes(manifest)
    // Reading it back holds the writer to the rules of the reader.
    parseExportManifest(bytes)
    const manifestSha256 = createHash('sha256').update(bytes).digest('hex')
    // Time first, so that the log binds every byte of the answer: a token covers its time, not all of its encoding.
    const { token } = await deps.timestamps.stamp(Buffer.from(manifestSha256, 'hex'))
    const stamp = buildTimestampResponse({ token })
    const leaf = exportLeafBytes(manifest, manifestSha256, createHash('sha256').update(stamp).digest('hex'))
    await db.work((tx) => deps.evidence.enter(tx, job.id, leaf))
    const proof = await deps.evidence.proveEntry(job.id, leaf, { carried: true })
    const stored: StoredObject[] = [list]
    const entries: NewEntry[] = [{ path: EXPORT_ENTRIES, role: 'index', pieces: [pieceOf(list)] }]
    for (const [path, content] of [
      [EXPORT_MANIFEST, bytes],
      [EXPORT_PROOF, Buffer.from(proof, 'utf8')],
      [EXPORT_TIMESTAMP, stamp],
    ] as const) {
      const made = await generate(job, content)
      stored.push(made.object)
      entries.push({ path, role: 'index', pieces: [made.piece] })
    }
    const now = clock.now()
    await writer.add(
      entries,
      stored,
      async () => ({
        status: 'ready',
        manifest_sha256: manifestSha256,
        ready_at: now,
        expires_at: new Date(now.getTime() + deps.keptMs),
      }),
      'last',
      new Uint8Array(TAR_END_BYTES),
    )
  }

  async function* lines(exportId: string): AsyncGenerator<Uint8Array> {
    let gathered: Uint8Array[] = []
    for await (const entry of entriesOf(db, exportId)) {
      gathered.push(exportEntryLine(lineOf(entry)))
      if (gathered.length < 500) continue
      yield Buffer.concat(gathered)
      gathered = []
    }
    yield Buffer.concat(gathered)
  }

  async function generate(job: Pick<ExportRow, 'id' | 'tenant_id'>, content: Uint8Array) {
    const object = await storage.put({
      tenantId: job.tenant_id,
      scopeId: job.id,
      class: 'draft',
      content,
    })
    return { object, piece: pieceOf(object) }
  }

  return { advance }
}

const pieceOf = (object: StoredObject): Piece => ({
  objectId: object.id,
  sizeBytes: object.sizeBytes,
  generated: true,
})

const lineOf = (entry: {
  path: string
  role: NewEntry['role']
  size_bytes: number
  sha256: string
  sm3: string
}) => ({
  path: entry.path,
  role: entry.role,
  sizeBytes: entry.size_bytes,
  sha256: entry.sha256,
  sm3: entry.sm3,
})
