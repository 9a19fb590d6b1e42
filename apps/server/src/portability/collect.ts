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
  type LossReason,
  parseExportManifest,
  TAR_END_BYTES,
} from '@yinxin/evidence'
import { buildTimestampResponse, toPem } from '@yinxin/pki'
import type { Ca } from '#src/ca/ca.ts'
import type { Clock } from '#src/clock.ts'
import type { Db, Tx } from '#src/db/db.ts'
import type { Evidence } from '#src/evidence/evidence.ts'
import type { Kms } from '#src/kms/kms.ts'
import type { Log } from '#src/log.ts'
import type { Seals } from '#src/seals/seals.ts'
import type { Storage, StoredObject } from '#src/storage/storage.ts'
import type { Timestamps } from '#src/timestamps/timestamps.ts'
import { type Archive, entriesOf } from './archive.ts'
import { LOSS_TRIES, lossReason, toLoss } from './losses.ts'
import { readmeText } from './readme.ts'
import { takeSnapshot } from './snapshot.ts'
import { segmentsOf } from './sources.ts'
import {
  type ExportRow,
  findExport,
  goneContracts,
  type ItemRow,
  insertItems,
  insertLosses,
  type LossRow,
  lossesOf,
  postponeItem,
  settleItem,
  waitingItems,
  waitingRound,
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
  log: Log
  kms: Pick<Kms, 'createScopeKey' | 'scopeKeyState'>
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
  /** The pause before content that could not be read is tried again. */
  retryMs: number
}

/** What remains of the work: nothing, or to go on after a while. */
export type Remainder = { isDone: true } | { isDone: false; afterMs: number }
const DONE: Remainder = { isDone: true }
const AT_ONCE: Remainder = { isDone: false, afterMs: 0 }

/** Of a bucket's multipart upload there are at most 10,000 parts. */
const PARTS_MAX = 9000
const PART_UNIT_BYTES = 1 << 20
const ITEMS_AT_A_TIME = 50

/** Content that is gone for good, by the refusals that say so. */
const GONE = new Set(['object_destroyed', 'access_destroyed', 'tenant_key_destroyed', 'sign_task_not_found'])

export type Collector = ReturnType<typeof createCollector>

export function createCollector(deps: CollectDeps) {
  const { db, clock, storage, archive } = deps

  /** Works on an export until it is done or the time is over. */
  async function advance(exportId: string, isOver: () => boolean): Promise<Remainder> {
    let job = await db.ask((tx) => findExport(tx, exportId))
    if (job === undefined || !['queued', 'collecting'].includes(job.status)) return DONE
    if (job.status === 'queued') job = await begin(job)
    const writer = await openWriter({ db, storage, archive }, job)
    for (;;) {
      const round = await db.ask((tx) => waitingRound(tx, exportId))
      if (round === undefined) break
      // What could not be read has its turn again after everything else, and after a pause.
      const pauseMs = (writer.job().resume_at?.getTime() ?? 0) - clock.now().getTime()
      if (round > 0 && pauseMs > 0) return { isDone: false, afterMs: pauseMs }
      if (!(await writeRound(writer, round, isOver))) return AT_ONCE
    }
    await finish(writer)
    return DONE
  }

  async function writeRound(writer: ArchiveWriter, round: number, isOver: () => boolean): Promise<boolean> {
    for (;;) {
      const items = await db.ask((tx) => waitingItems(tx, writer.job().id, round, ITEMS_AT_A_TIME))
      for (const item of items) {
        if (isOver()) return false
        await writeItem(writer, item)
      }
      if (items.length < ITEMS_AT_A_TIME) return true
    }
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
    const losses: LossRow[] = []
    for (const sealId of snapshot.sealIds) {
      const path = exportedSealPath(sealId)
      try {
        const svg = await db.work((tx) => deps.seals.pictureOf(tx, job.tenant_id, sealId))
        if (svg !== undefined) await text(path, 'seal', svg)
      } catch (error) {
        // Sealed in the database itself: no later try would find another copy.
        if (lossReason(error) !== 'damaged') throw error
        losses.push(lossOf(job, sealId, path, 'damaged'))
      }
    }
    const leastBytes = snapshot.estimatedBytes / PARTS_MAX
    const partBytes =
      leastBytes <= job.part_bytes
        ? job.part_bytes
        : Math.ceil(leastBytes / PART_UNIT_BYTES) * PART_UNIT_BYTES
    const facts: Partial<ExportRow> = {
      snapshot_at: snapshot.at,
      counts: { ...snapshot.counts, tenant: snapshot.tenant },
      loss_count: losses.length,
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
        tries: 0,
      }),
    )
    await writer.add(entries, stored, async (tx) => {
      await insertItems(tx, items)
      await insertLosses(tx, losses)
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
      if (await isGone(item, error)) return void (await db.work(settle('gone')))
      const reason = lossReason(error)
      if (reason === null) throw error
      deps.log.warn({ err: error, exportId: item.export_id, subjectId: item.subject_id }, 'not exported yet')
      if (item.tries + 1 < LOSS_TRIES) await postpone(writer, item)
      else await writeRest(writer, item)
    }
  }

  async function isGone(item: ItemRow, error: unknown): Promise<boolean> {
    const { code = '' } = error as { code?: string }
    if (code !== 'content_key_missing') return GONE.has(code)
    // A key that was destroyed is as it should be; one that is simply not there is a loss.
    const state = (await deps.kms.scopeKeyState([item.subject_id])).get(item.subject_id)?.state
    return state === 'destroyed'
  }

  /** Another try after a pause: a site may be down, or a disk be under repair. */
  async function postpone(writer: ArchiveWriter, item: ItemRow): Promise<void> {
    const resumeAt = new Date(clock.now().getTime() + deps.retryMs)
    await writer.add([], [], async (tx) => {
      await postponeItem(tx, item.export_id, item.position)
      return { resume_at: resumeAt }
    })
  }

  /** The last try: what can be read is written, the rest declared as lost. */
  async function writeRest(writer: ArchiveWriter, item: ItemRow): Promise<void> {
    const job = writer.job()
    const losses: LossRow[] = []
    const good: { entries: NewEntry[]; stored: StoredObject[] } = { entries: [], stored: [] }
    const attempt = async (
      path: string,
      recorded: { sizeBytes: number; sha256: string } | undefined,
      make: () => Promise<{ entry: NewEntry; stored?: StoredObject }>,
    ) => {
      try {
        const { entry, stored } = await make()
        if (stored === undefined) await writer.probe(entry)
        else good.stored.push(stored)
        good.entries.push(entry)
      } catch (error) {
        const reason = lossReason(error)
        if (reason === null || (await isGone(item, error))) throw error
        deps.log.error({ err: error, exportId: job.id, path }, 'lost to an export')
        losses.push(lossOf(job, item.subject_id, path, reason, recorded))
      }
    }
    if (item.kind === 'file') {
      const { sizeBytes, sha256 } = item.detail as FileDetail
      const recorded = sha256 === undefined ? undefined : { sizeBytes, sha256 }
      await attempt(exportedFilePath(item.subject_id), recorded, async () => {
        const [entry] = fileEntry(item).entries
        if (entry === undefined) throw new Error('a file has one entry')
        return { entry }
      })
    } else {
      const { documents } = item.detail as ContractDetail
      for (const [index, document] of documents.entries()) {
        const segments = await db.ask((tx) => segmentsOf(tx, document.id, document.revision))
        const last = segments.at(-1)
        const recorded = last && { sizeBytes: last.size_bytes, sha256: last.sha256 }
        await attempt(
          contractPath(item.subject_id, documentPath(index, document.name)),
          recorded,
          async () => ({
            entry: await documentEntry(job, item.subject_id, index, document),
          }),
        )
      }
      await attempt(evidenceRestPath(item.subject_id), undefined, () => evidenceEntry(job, item))
    }
    await writer.add(good.entries, good.stored, async (tx) => {
      await settleItem(tx, item.export_id, item.position, losses.length > 0 ? 'lost' : 'done')
      await insertLosses(tx, losses)
      return { loss_count: job.loss_count + losses.length }
    })
  }

  function fileEntry(item: ItemRow): { entries: NewEntry[]; stored: StoredObject[] } {
    const { objectId, sizeBytes, sha256 } = item.detail as FileDetail
    const entry: NewEntry = {
      path: exportedFilePath(item.subject_id),
      role: 'file',
      pieces: [{ objectId, sizeBytes }],
      ...(sha256 === undefined ? {} : { expectedSha256: sha256 }),
    }
    return { entries: [entry], stored: [] }
  }

  /** The documents as they were at the snapshot, and the evidence of what had happened until then. */
  async function contractEntries(job: ExportRow, item: ItemRow) {
    const { documents } = item.detail as ContractDetail
    const evidence = await evidenceEntry(job, item)
    const entries: NewEntry[] = []
    for (const [index, document] of documents.entries())
      entries.push(await documentEntry(job, item.subject_id, index, document))
    return { entries: [...entries, evidence.entry], stored: [evidence.stored] }
  }

  async function evidenceEntry(job: ExportRow, item: ItemRow) {
    const { events, documents } = item.detail as ContractDetail
    const taskId = item.subject_id
    const { content } = await deps.evidencePackage({ subjectId: job.tenant_id }, taskId, {
      events,
      revisions: new Map(documents.map(({ id, revision }) => [id, revision])),
    })
    const { object, piece } = await generate(job, await collectBytes(content))
    const entry: NewEntry = { path: evidenceRestPath(taskId), role: 'evidence', pieces: [piece] }
    return { entry, stored: object }
  }

  async function documentEntry(
    job: ExportRow,
    taskId: string,
    index: number,
    document: ContractDetail['documents'][number],
  ): Promise<NewEntry> {
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
    return { path, role: 'document', pieces, expectedSha256: last.sha256 }
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
    const lost = (await db.ask((tx) => lossesOf(tx, job.id))).map(toLoss)
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
      ...(lost.length === 0 ? {} : { lost }),
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

const lossOf = (
  job: Pick<ExportRow, 'id' | 'tenant_id'>,
  subjectId: string,
  path: string,
  reason: LossReason,
  recorded?: { sizeBytes: number; sha256: string },
): LossRow => ({
  export_id: job.id,
  path,
  tenant_id: job.tenant_id,
  subject_id: subjectId,
  reason,
  size_bytes: recorded?.sizeBytes ?? null,
  sha256: recorded?.sha256 ?? null,
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
