/** Data that can leave: exports of everything a tenant owns, and contracts that came from another installation. */
import type { ExportLoss } from '@yinxin/evidence'
import { z } from 'zod'
import type { Accounts, Caller, SessionCaller } from '#src/accounts/accounts.ts'
import type { Audit, AuditCaller } from '#src/audit/audit.ts'
import type { Tx } from '#src/db/db.ts'
import { newId } from '#src/ids.ts'
import type { Jobs } from '#src/jobs/jobs.ts'
import type { Kms } from '#src/kms/kms.ts'
import type { Log } from '#src/log.ts'
import type { Lang, Notifications } from '#src/notifications/notifications.ts'
import type { Storage } from '#src/storage/storage.ts'
import { createArchive } from './archive.ts'
import { type CollectDeps, createCollector, type Remainder } from './collect.ts'
import { type BucketSecret, bucketLabel, createDelivery, told } from './delivery.ts'
import { refuse } from './errors.ts'
import { createImporter, type ImporterDeps } from './import.ts'
import { toLoss } from './losses.ts'
import { createHistories } from './import-history.ts'
import { createImports } from './imports.ts'
import { createRights } from './rights.ts'
import { holdersOf, loginsOf } from './sources.ts'
import {
  deleteContents,
  type ExportRow,
  exportsHolding,
  findExport,
  generatedObjects,
  insertExport,
  isOver,
  itemProgress,
  listExports,
  listParts,
  lockExport,
  lossesOf,
  overdueExports,
  runningExport,
  updateExport,
} from './store.ts'
import type { BucketPlace, Counts, ExportStatus } from './tables.ts'
import { ExportEnded, ExportMoved } from './writer.ts'

export { portabilityPromises } from './promises.ts'
export { createImported, type Imported, importedObjects } from './imported.ts'
export { createPortabilityCommands } from './operator.ts'

export interface PortabilityDeps
  extends Omit<CollectDeps, 'archive' | 'storage' | 'kms' | 'evidence'>,
    Pick<ImporterDeps, 'documents'> {
  log: Log
  jobs: Jobs
  kms: Kms
  storage: Storage
  audit: Audit
  accounts: Accounts
  notifications: Notifications
  evidence: CollectDeps['evidence'] & ImporterDeps['evidence']
  baseUrl: string
  /** Size of a part of an archive; larger where it would become too many. */
  partBytes: number
  /** Buckets in the own network; for sandboxes alone. */
  allowPrivate: boolean
  /** The largest bundle that is taken over HTTP. */
  importLimitBytes: number
}

export interface ExportInput {
  /** Of the caller's own login, for the purpose `export`; not for apps. */
  code?: string | undefined
  since?: Date | undefined
  bucket?: (BucketPlace & BucketSecret) | undefined
}

export interface ExportView {
  id: string
  status: ExportStatus
  since: Date | null
  snapshotAt: Date | null
  createdAt: Date
  readyAt: Date | null
  expiresAt: Date | null
  counts: Counts | null
  sizeBytes: number
  entries: number
  partBytes: number
  manifestSha256: string | null
  progress: { items: number; settled: number }
  /** Of a finished one: whether everything is in it. */
  outcome: 'complete' | 'complete_with_losses' | null
  lossCount: number
  /** The first of what could not be read; all of them stand in the manifest. */
  losses: ExportLoss[]
  bucket: (BucketPlace & { deliveredAt: Date | null }) | null
  problem: string | null
}

export interface PartView {
  number: number
  sizeBytes: number
  sha256: string
}

export const PROOF_PURPOSE = 'export'
/** A job works so long and then queues itself again, so that a stopping server is not kept. */
const SLICE_MS = 20_000
/** A snapshot may miss what was being committed at its moment under an earlier time; the next one looks back further. */
const OVERLAP_MS = 10 * 60_000
const JOB_ATTEMPTS = 12
/** How long an export is left to another process that was seen at it. */
const BUSY_MS = 5000
/** What object storage takes for every part but the last. */
const BUCKET_PART_BYTES_MIN = 5 << 20
/** Losses that a view names; the manifest names all. */
const LOSSES_SHOWN = 100

export type Portability = ReturnType<typeof createPortability>

export function createPortability(deps: PortabilityDeps) {
  const { db, clock, log, jobs, kms, storage, audit, accounts, notifications } = deps
  const archive = createArchive({ db, storage })
  const collector = createCollector({ ...deps, archive })
  const delivery = createDelivery({
    db,
    kms,
    archive,
    allowPrivate: deps.allowPrivate,
    now: () => clock.now(),
  })
  const rights = createRights(deps)
  const importer = createImporter(deps)
  const imports = createImports({ ...deps, importer })
  let isClosing = false

  jobs.define(
    'portability.export',
    z.object({ exportId: z.uuid() }),
    async ({ exportId }, { attempt, maxAttempts }) => {
      const endMs = performance.now() + SLICE_MS
      const isSliceOver = () => isClosing || performance.now() > endMs
      try {
        const left = await work(exportId, isSliceOver)
        if (!left.isDone) await goOn(exportId, left.afterMs)
      } catch (error) {
        if (error instanceof ExportEnded) return
        // Who was faster may be an operator's command that is killed: this one comes back to look.
        if (error instanceof ExportMoved) return await goOn(exportId, BUSY_MS)
        if (attempt < maxAttempts) throw error
        log.error({ err: error, exportId }, 'an export was given up')
        if (await keepWithoutBucket(exportId, told(error))) await announce(exportId)
        else await end(exportId, 'failed', told(error))
      }
    },
  )
  jobs.define(
    'portability.abandon',
    z.object({ exportId: z.uuid() }),
    async ({ exportId }, { attempt, maxAttempts }) => {
      const job = await db.ask((tx) => findExport(tx, exportId))
      if (job === undefined) return
      try {
        await delivery.abandon(job)
      } catch (error) {
        if (attempt < maxAttempts) throw error
        log.error({ err: error, exportId }, 'an upload was left open in the bucket of a customer')
      }
      await db.work((tx) => updateExport(tx, exportId, { bucket_secret_sealed: null, upload_id: null }))
    },
  )
  jobs.define('portability.expire', z.looseObject({}), async () => {
    const ids = await db.work((tx) => overdueExports(tx, clock.now()))
    for (const id of ids) await end(id, 'expired')
  })
  jobs.schedule('portability.expire', '*/10 * * * *')

  const goOn = (exportId: string, afterMs = 0) =>
    db.work((tx) =>
      jobs.enqueue(
        tx,
        'portability.export',
        { exportId },
        {
          maxAttempts: JOB_ATTEMPTS,
          ...(afterMs === 0 ? {} : { runAt: new Date(clock.now().getTime() + afterMs) }),
        },
      ),
    )

  /** Only the bucket failed: the archive can still be downloaded, and says what went wrong. */
  function keepWithoutBucket(exportId: string, problem: string): Promise<boolean> {
    return db.work(async (tx) => {
      const job = await lockExport(tx, exportId)
      if (job?.status !== 'ready') return false
      await updateExport(tx, exportId, { problem, ...(await leaveBucket(tx, job)) })
      return true
    })
  }

  /** Forgets how to enter the bucket; when an upload is open there, not before a job has ended it. */
  async function leaveBucket(tx: Tx, job: ExportRow): Promise<Partial<ExportRow>> {
    if (job.upload_id === null || job.bucket_secret_sealed === null) return { bucket_secret_sealed: null }
    await jobs.enqueue(tx, 'portability.abandon', { exportId: job.id }, { maxAttempts: JOB_ATTEMPTS })
    return {}
  }

  /** Whoever works on an export in this process: a job, or an operator who waits for it. */
  const working = new Map<string, Promise<Remainder>>()

  /** Called twice at a time, the second waits for the first. */
  function work(exportId: string, isSliceOver: () => boolean): Promise<Remainder> {
    const running = working.get(exportId)
    if (running !== undefined) return running
    const begun = workAlone(exportId, isSliceOver).finally(() => working.delete(exportId))
    working.set(exportId, begun)
    return begun
  }

  async function workAlone(exportId: string, isSliceOver: () => boolean): Promise<Remainder> {
    const left = await collector.advance(exportId, isSliceOver)
    if (!left.isDone) return left
    const job = await db.ask((tx) => findExport(tx, exportId))
    if (job?.status !== 'ready') return { isDone: true }
    if (job.bucket !== null && job.delivered_at === null) {
      if (job.bucket_secret_sealed === null) return { isDone: true }
      if (!(await delivery.advance(job, isSliceOver))) return { isDone: false, afterMs: 0 }
    }
    await announce(exportId)
    return { isDone: true }
  }

  async function announce(exportId: string): Promise<void> {
    await db.work(async (tx) => {
      const job = await lockExport(tx, exportId)
      if (job?.status !== 'ready' || job.announced_at !== null) return
      await updateExport(tx, exportId, { announced_at: clock.now() })
      const logins = await loginsOf(tx, job.tenant_id)
      for (const to of logins)
        await notifications.send(tx, {
          channel: to.includes('@') ? 'mail' : 'sms',
          to,
          template: 'export-ready',
          lang: job.lang,
          tenantId: job.tenant_id,
          purpose: 'export',
          params: {
            link: `${deps.baseUrl}/exports`,
            ...(job.loss_count === 0 ? {} : { lost: job.loss_count }),
            ...(job.bucket === null ? {} : { bucket: (job.bucket as BucketPlace).bucket }),
          },
        })
      await audit.record(tx, {
        tenantId: job.tenant_id,
        caller: { kind: 'system', duty: 'export' },
        action: 'export.ready',
        subjectKind: 'export',
        subjectId: job.id,
        data: { manifestSha256: job.manifest_sha256, sizeBytes: job.size_bytes, lost: job.loss_count },
      })
    })
  }

  /** Ends an export for good: what was made for it is destroyed with its key. */
  async function end(
    exportId: string,
    status: 'failed' | 'canceled' | 'expired' | 'voided',
    problem: string | null = null,
    by: AuditCaller = { kind: 'system', duty: 'export' },
  ): Promise<void> {
    const ended = await db.work(async (tx) => {
      const job = await lockExport(tx, exportId)
      if (job === undefined || isOver(job.status)) return false
      const objects = await generatedObjects(tx, exportId)
      if (objects.length > 0) await storage.destroy(tx, objects, `export-${status}`)
      await deleteContents(tx, exportId)
      await updateExport(tx, exportId, { status, problem, ...(await leaveBucket(tx, job)) })
      await audit.record(tx, {
        tenantId: job.tenant_id,
        caller: by,
        action: `export.${status}`,
        subjectKind: 'export',
        subjectId: exportId,
      })
      return true
    })
    if (ended) await kms.destroyScopeKey(exportId)
  }

  async function owned(caller: Pick<Caller, 'subjectId'>, exportId: string): Promise<ExportRow> {
    const job = await db.ask((tx) => findExport(tx, exportId))
    if (job === undefined || job.tenant_id !== caller.subjectId) throw refuse('export_not_found')
    return job
  }

  async function readable(caller: Pick<Caller, 'subjectId'>, exportId: string): Promise<ExportRow> {
    const job = await owned(caller, exportId)
    if (isOver(job.status)) throw refuse('export_over', { status: job.status })
    if (job.status !== 'ready') throw refuse('export_not_ready', { status: job.status })
    return job
  }

  async function begin(
    tx: Tx,
    of: { tenantId: string; by: AuditCaller; lang: Lang },
    input: Pick<ExportInput, 'since' | 'bucket'>,
  ): Promise<ExportRow> {
    if ((await runningExport(tx, of.tenantId)) !== undefined) throw refuse('export_running')
    const now = clock.now()
    const id = newId(now.getTime())
    const { bucket } = input
    const row: ExportRow = {
      id,
      tenant_id: of.tenantId,
      status: 'queued',
      requested_by: of.by,
      lang: of.lang,
      since: input.since === undefined ? null : new Date(input.since.getTime() - OVERLAP_MS),
      snapshot_at: null,
      counts: null,
      part_bytes: bucket === undefined ? deps.partBytes : Math.max(deps.partBytes, BUCKET_PART_BYTES_MIN),
      size_bytes: 0,
      entry_count: 0,
      manifest_sha256: null,
      problem: null,
      bucket: null,
      bucket_secret_sealed: null,
      upload_id: null,
      delivered_at: null,
      announced_at: null,
      created_at: now,
      ready_at: null,
      expires_at: null,
      loss_count: 0,
      resume_at: null,
    }
    if (bucket !== undefined) {
      const { keyId, secret, ...place } = bucket
      row.bucket = { ...place, key: place.key === '' ? `yinxin-export-${id}.tar` : place.key }
      row.bucket_secret_sealed = kms.sealSecret(
        bucketLabel(id),
        Buffer.from(JSON.stringify({ keyId, secret })),
      )
    }
    await insertExport(tx, row)
    await audit.record(tx, {
      tenantId: of.tenantId,
      caller: of.by,
      action: 'export.requested',
      subjectKind: 'export',
      subjectId: id,
      data: {
        since: row.since?.toISOString() ?? null,
        ...(bucket === undefined ? {} : { bucket: bucket.bucket, endpoint: bucket.endpoint }),
      },
    })
    await jobs.enqueue(tx, 'portability.export', { exportId: id }, { maxAttempts: JOB_ATTEMPTS })
    return row
  }

  async function view(row: ExportRow): Promise<ExportView> {
    const progress = isOver(row.status)
      ? { items: 0, settled: 0 }
      : await db.ask((tx) => itemProgress(tx, row.id))
    const losses =
      row.loss_count === 0 ? [] : (await db.ask((tx) => lossesOf(tx, row.id, LOSSES_SHOWN))).map(toLoss)
    return {
      id: row.id,
      status: row.status,
      since: row.since,
      snapshotAt: row.snapshot_at,
      createdAt: row.created_at,
      readyAt: row.ready_at,
      expiresAt: row.expires_at,
      counts: row.counts as Counts | null,
      sizeBytes: row.size_bytes,
      entries: row.entry_count,
      partBytes: row.part_bytes,
      manifestSha256: row.manifest_sha256,
      progress,
      outcome: row.status !== 'ready' ? null : row.loss_count === 0 ? 'complete' : 'complete_with_losses',
      lossCount: row.loss_count,
      losses,
      bucket: row.bucket === null ? null : { ...(row.bucket as BucketPlace), deliveredAt: row.delivered_at },
      problem: row.problem,
    }
  }

  return {
    rights,
    importer,
    imports,
    histories: createHistories(deps),
    /** True when nothing is left to do for now that could be done at once. */
    workOn: async (exportId: string, isSliceOver: () => boolean) =>
      (await work(exportId, isSliceOver)).isDone,

    /** Sends the code that an export by a person needs. */
    sendCode: (caller: SessionCaller, lang: Lang) => {
      rights.requirePerson(caller)
      return accounts.sendProof(caller, PROOF_PURPOSE, lang)
    },

    /** Orders an export; a job makes it. @throws `export_not_allowed`, `export_needs_code`, `export_running` */
    async create(caller: Caller, input: ExportInput, lang: Lang): Promise<ExportView> {
      const { code, ...wanted } = input
      await rights.require(caller)
      if (caller.kind === 'session' && code === undefined) throw refuse('export_needs_code')
      if (wanted.bucket !== undefined) {
        const { keyId, secret, ...place } = wanted.bucket
        await delivery.check(
          { ...place, key: place.key === '' ? 'yinxin-export.tar' : place.key },
          { keyId, secret },
        )
      }
      const of = { tenantId: caller.subjectId, by: caller, lang }
      const work = (tx: Tx) => begin(tx, of, wanted)
      const row =
        caller.kind === 'session'
          ? await accounts.withProof(caller, PROOF_PURPOSE, code ?? '', work)
          : await db.work(work)
      return await view(row)
    },

    /** The same for an operator of the installation, who is told nothing of the content by it. */
    async createFor(tenantId: string, input: Pick<ExportInput, 'since'>, lang: Lang): Promise<ExportView> {
      if ((await accounts.subject(tenantId)) === null) throw refuse('import_corp_unknown', { corp: tenantId })
      const of = { tenantId, by: { kind: 'system', duty: 'operator' } as const, lang }
      return await view(await db.work((tx) => begin(tx, of, input)))
    },

    async get(caller: Pick<Caller, 'subjectId'>, exportId: string): Promise<ExportView> {
      return await view(await owned(caller, exportId))
    },

    async list(caller: Caller, page: { beforeId?: string; limit: number }): Promise<ExportView[]> {
      const found = await db.ask((tx) => listExports(tx, caller.subjectId, page))
      return await Promise.all(found.map(view))
    },

    async cancel(caller: Caller, exportId: string): Promise<ExportView> {
      await rights.require(caller)
      await owned(caller, exportId)
      await end(exportId, 'canceled', null, caller)
      return await view(await owned(caller, exportId))
    },

    async parts(
      caller: Pick<Caller, 'subjectId'>,
      exportId: string,
      page: { after: number; limit: number },
    ): Promise<PartView[]> {
      await readable(caller, exportId)
      const found = await db.ask((tx) => listParts(tx, exportId, page))
      return found.map(({ number, size_bytes: sizeBytes, sha256 }) => ({ number, sizeBytes, sha256 }))
    },

    /** A finished archive for reading, any range of it. Who may order it may fetch it. */
    async archive(caller: Caller, exportId: string) {
      await rights.require(caller)
      const job = await readable(caller, exportId)
      return {
        fileName: `yinxin-export-${exportId}.tar`,
        sizeBytes: job.size_bytes,
        manifestSha256: job.manifest_sha256 ?? '',
        read: (range: { start: number; end: number } | undefined) =>
          archive.read(job, range?.start ?? 0, range === undefined ? job.size_bytes : range.end + 1),
      }
    },

    /** For operators: the archive of a finished export, without a caller. */
    async archiveFor(exportId: string) {
      const job = await db.ask((tx) => findExport(tx, exportId))
      if (job?.status !== 'ready') throw refuse('export_not_ready', { status: job?.status ?? 'unknown' })
      return { sizeBytes: job.size_bytes, read: (from: number, to: number) => archive.read(job, from, to) }
    },

    /** For operators. */
    async cancelFor(exportId: string): Promise<ExportView> {
      const job = await db.ask((tx) => findExport(tx, exportId))
      if (job === undefined) throw refuse('export_not_found')
      await end(exportId, 'canceled', null, { kind: 'system', duty: 'operator' })
      const row = await db.ask((tx) => findExport(tx, exportId))
      return await view(row ?? job)
    },

    async statusOf(exportId: string): Promise<ExportView> {
      const job = await db.ask((tx) => findExport(tx, exportId))
      if (job === undefined) throw refuse('export_not_found')
      return await view(job)
    },

    /**
     * What destruction asks of this room: archives that hold a contract are ended with all that was made for them.
     * The same of archives that hold one of its uploaded files alone, and of uploads that may bring it once more.
     * Returns how many. Opens its own transactions.
     */
    async forget(taskId: string, fileIds: readonly string[] = []): Promise<number> {
      const { ids, tenantIds } = await db.work(async (tx) => ({
        ids: await exportsHolding(tx, [taskId, ...fileIds]),
        tenantIds: await holdersOf(tx, taskId),
      }))
      for (const id of ids) await end(id, 'voided')
      return ids.length + (await imports.voidFor(tenantIds))
    },

    close(): void {
      isClosing = true
      imports.close()
    },
  }
}
