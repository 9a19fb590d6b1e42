/**
 * Imports over HTTP: a bundle arrives in parts, each checked and stored under a key of the import; then a job takes it.
 * However it ends, what arrived is destroyed with that key: only the report stays.
 */
import { readTar } from '@yinxin/evidence'
import { parsePem } from '@yinxin/pki'
import { z } from 'zod'
import { type Caller, requireAdmin } from '#src/accounts/accounts.ts'
import type { Audit, AuditCaller } from '#src/audit/audit.ts'
import type { Clock } from '#src/clock.ts'
import type { Db, Tx } from '#src/db/db.ts'
import { Refusal } from '#src/errors.ts'
import { newId } from '#src/ids.ts'
import type { Jobs } from '#src/jobs/jobs.ts'
import type { Kms } from '#src/kms/kms.ts'
import type { Log } from '#src/log.ts'
import type { Storage } from '#src/storage/storage.ts'
import type { BundleSource } from './bundle-source.ts'
import { refuse } from './errors.ts'
import type { Importer, ImportReport } from './import.ts'
import { requireAnchors } from './import-anchors.ts'
import {
  deleteImportParts,
  findImport,
  findImportPart,
  type ImportPartRow,
  type ImportRow,
  insertImport,
  isLiving,
  listImports,
  livingImports,
  lockImport,
  overdueImports,
  partsOfImport,
  putImportPart,
  updateImport,
} from './import-store.ts'
import type { ImportStatus } from './tables.ts'

export interface ImportsDeps {
  db: Db
  clock: Clock
  log: Log
  jobs: Jobs
  kms: Pick<Kms, 'createScopeKey' | 'destroyScopeKey'>
  storage: Pick<Storage, 'put' | 'record' | 'destroy' | 'stream'>
  audit: Audit
  importer: Importer
  partBytes: number
  /** The largest bundle. */
  importLimitBytes: number
}

const optionsSchema = z.object({
  intoOther: z.boolean(),
  members: z.boolean(),
  trustPem: z.array(z.string()),
  logKeys: z.array(z.string()),
})
export type ImportOptions = z.output<typeof optionsSchema>

export interface ImportView {
  id: string
  status: ImportStatus
  fileName: string
  sizeBytes: number
  partBytes: number
  parts: number
  received: number
  createdAt: Date
  endedAt: Date | null
  expiresAt: Date
  progress: unknown
  report: ImportReport | null
  problem: { code: string; zh: string; en: string } | null
}

/** An upload that nobody starts is destroyed after this time. */
const KEPT_MS = 7 * 24 * 60 * 60_000
const PARTS_MAX = 10_000
const JOB_ATTEMPTS = 12
const TOLD_MS = 1000

export type Imports = ReturnType<typeof createImports>

export function createImports(deps: ImportsDeps) {
  const { db, clock, log, jobs, kms, storage, audit } = deps
  const running = new Map<string, AbortController>()
  let isClosing = false

  jobs.define(
    'portability.import',
    z.object({ importId: z.uuid() }),
    async ({ importId }, { attempt, maxAttempts }) => {
      try {
        await work(importId)
      } catch (error) {
        if (isClosing) return await db.work((tx) => enqueue(tx, importId))
        if (error instanceof Refusal && error.kind !== 'unavailable') return await fail(importId, error)
        if (attempt < maxAttempts) throw error
        log.error({ err: error, importId }, 'an import was given up')
        await fail(importId, refuse('import_failed', {}, error))
      }
    },
  )
  jobs.define('portability.import-expire', z.looseObject({}), async () => {
    const ids = await db.work((tx) => overdueImports(tx, clock.now()))
    for (const id of ids) await end(id, 'expired')
  })
  jobs.schedule('portability.import-expire', '*/10 * * * *')

  const enqueue = (tx: Tx, importId: string) =>
    jobs.enqueue(tx, 'portability.import', { importId }, { maxAttempts: JOB_ATTEMPTS })

  async function work(importId: string): Promise<void> {
    const row = await db.work(async (tx) => {
      const job = await lockImport(tx, importId)
      if (job?.status !== 'queued' && job?.status !== 'working') return undefined
      await updateImport(tx, importId, { status: 'working' })
      return job
    })
    if (row === undefined) return
    const ending = new AbortController()
    running.set(importId, ending)
    try {
      const { intoOther, members, trustPem, logKeys } = optionsSchema.parse(row.options)
      const trust = trustPem.flatMap((pem) => parsePem(pem, 'CERTIFICATE'))
      const report = await deps.importer(
        {
          path: uploaded(await db.ask((tx) => partsOfImport(tx, importId))),
          corp: row.tenant_id,
          intoOther,
          members,
          ...(trust.length === 0 ? {} : { trust }),
          ...(logKeys.length === 0 ? {} : { logKeys }),
        },
        { signal: ending.signal, report: telling(importId) },
      )
      await end(importId, 'done', { report })
    } catch (error) {
      // Canceled or voided under its hands: that is an end, not a failure.
      const now = await db.ask((tx) => findImport(tx, importId))
      if (now === undefined || !isLiving(now.status)) return
      throw error
    } finally {
      running.delete(importId)
    }
  }

  /** The parts as the one archive that they are. */
  function uploaded(parts: readonly ImportPartRow[]): BundleSource {
    async function* bytes(): AsyncGenerator<Uint8Array> {
      for (const part of parts) yield* storage.stream(part.object_id)
    }
    return { ordered: true, items: (damage) => readTar(bytes(), (one) => void damage.push(one)) }
  }

  /** Progress for whoever watches; not more often than people look. */
  function telling(importId: string): (progress: unknown) => void {
    let lastMs = Number.NEGATIVE_INFINITY
    return (progress) => {
      const nowMs = performance.now()
      if (nowMs - lastMs < TOLD_MS) return
      lastMs = nowMs
      db.work((tx) => updateImport(tx, importId, { progress })).catch((error: unknown) =>
        log.warn({ err: error, importId }, 'the progress of an import was not written down'),
      )
    }
  }

  const fail = (importId: string, { code, zh, en }: Refusal) =>
    end(importId, 'failed', { problem: { code, zh, en } })

  /** Ends an import for good; what arrived goes with its key. */
  async function end(
    importId: string,
    status: Exclude<ImportStatus, 'receiving' | 'queued' | 'working'>,
    outcome: { report?: ImportReport; problem?: { code: string; zh: string; en: string } } = {},
    by: AuditCaller = { kind: 'system', duty: 'import' },
  ): Promise<void> {
    const ended = await db.work(async (tx) => {
      const job = await lockImport(tx, importId)
      if (job === undefined || !isLiving(job.status)) return false
      const parts = await partsOfImport(tx, importId)
      if (parts.length > 0)
        await storage.destroy(
          tx,
          parts.map((one) => one.object_id),
          `import-${status}`,
        )
      await deleteImportParts(tx, importId)
      await updateImport(tx, importId, { status, ended_at: clock.now(), ...outcome })
      await audit.record(tx, {
        tenantId: job.tenant_id,
        caller: by,
        action: `import.${status}`,
        subjectKind: 'import',
        subjectId: importId,
        data: { problem: outcome.problem?.code ?? null, exportId: outcome.report?.exportId ?? null },
      })
      return true
    })
    if (!ended) return
    running.get(importId)?.abort()
    await kms.destroyScopeKey(importId)
  }

  async function owned(caller: Caller, importId: string): Promise<ImportRow> {
    const { corpId } = requireAdmin(caller)
    const row = await db.ask((tx) => findImport(tx, importId))
    if (row === undefined || row.tenant_id !== corpId) throw refuse('import_not_found')
    return row
  }

  async function view(row: ImportRow): Promise<ImportView> {
    const received = await db.ask((tx) => partsOfImport(tx, row.id))
    return {
      id: row.id,
      status: row.status,
      fileName: row.file_name,
      sizeBytes: row.size_bytes,
      partBytes: row.part_bytes,
      parts: partCount(row),
      received: received.length,
      createdAt: row.created_at,
      endedAt: row.ended_at,
      expiresAt: row.expires_at,
      progress: row.progress,
      report: row.report as ImportReport | null,
      problem: row.problem as ImportView['problem'],
    }
  }

  return {
    /** Announces a bundle. @throws `import_too_large`, `import_anchor_bad`, `import_running` */
    async create(
      caller: Caller,
      input: { fileName: string; sizeBytes: number } & ImportOptions,
    ): Promise<ImportView> {
      const { corpId } = requireAdmin(caller)
      const { fileName, sizeBytes, ...options } = input
      if (sizeBytes > deps.importLimitBytes)
        throw refuse('import_too_large', { limitBytes: deps.importLimitBytes })
      requireAnchors(options)
      const now = clock.now()
      const unit = deps.partBytes
      const row: ImportRow = {
        id: newId(now.getTime()),
        tenant_id: corpId,
        status: 'receiving',
        requested_by: caller,
        file_name: fileName,
        size_bytes: sizeBytes,
        part_bytes: Math.max(unit, Math.ceil(sizeBytes / PARTS_MAX / unit) * unit),
        options,
        progress: null,
        report: null,
        problem: null,
        created_at: now,
        ended_at: null,
        expires_at: new Date(now.getTime() + KEPT_MS),
      }
      if ((await db.ask((tx) => livingImports(tx, [corpId]))).length > 0) throw refuse('import_running')
      await kms.createScopeKey(corpId, row.id)
      await db.work(async (tx) => {
        await insertImport(tx, row).catch((error: unknown) => {
          // Somebody announced another one at this very moment: the index lets one of them live.
          if ((error as { code?: string }).code !== '23505') throw error
          throw refuse('import_running', {}, error)
        })
        await audit.record(tx, {
          tenantId: corpId,
          caller,
          action: 'import.announced',
          subjectKind: 'import',
          subjectId: row.id,
          data: { sizeBytes, intoOther: options.intoOther, members: options.members },
        })
      })
      return await view(row)
    },

    /** How large a part is; the last one takes what is left. @throws `import_part_unknown`, `import_not_receiving` */
    async partSize(caller: Caller, importId: string, number: number): Promise<number> {
      const row = await owned(caller, importId)
      if (row.status !== 'receiving') throw refuse('import_not_receiving', { status: row.status })
      if (number < 1 || number > partCount(row))
        throw refuse('import_part_unknown', { parts: partCount(row) })
      return Math.min(row.part_bytes, row.size_bytes - (number - 1) * row.part_bytes)
    },

    /** Takes a part; sent again, the same one changes nothing and another one takes its place. */
    async putPart(
      caller: Caller,
      importId: string,
      number: number,
      content: AsyncIterable<Uint8Array>,
    ): Promise<{ number: number; sizeBytes: number; sha256: string }> {
      const sizeBytes = await this.partSize(caller, importId, number)
      const chunks: Uint8Array[] = []
      for await (const chunk of content) chunks.push(chunk)
      const bytes = Buffer.concat(chunks)
      if (bytes.length !== sizeBytes) throw refuse('import_part_size', { number, sizeBytes })
      const { corpId } = requireAdmin(caller)
      const stored = await storage.put({
        tenantId: corpId,
        scopeId: importId,
        class: 'draft',
        content: bytes,
      })
      await db.work(async (tx) => {
        const job = await lockImport(tx, importId)
        if (job?.status !== 'receiving') throw refuse('import_not_receiving', { status: job?.status ?? '' })
        const before = await findImportPart(tx, importId, number)
        await storage.record(tx, stored)
        await putImportPart(tx, {
          import_id: importId,
          number,
          tenant_id: corpId,
          size_bytes: sizeBytes,
          sha256: stored.sha256,
          object_id: stored.id,
        })
        if (before !== undefined) await storage.destroy(tx, [before.object_id], 'import-part-replaced')
      })
      return { number, sizeBytes, sha256: stored.sha256 }
    },

    /** Which parts are here, so that an upload goes on where it broke off. */
    async parts(caller: Caller, importId: string) {
      await owned(caller, importId)
      const rows = await db.ask((tx) => partsOfImport(tx, importId))
      return rows.map(({ number, size_bytes: sizeBytes, sha256 }) => ({ number, sizeBytes, sha256 }))
    },

    /** Everything arrived: a job verifies and takes it. Started again, nothing changes. @throws `import_incomplete` */
    async start(caller: Caller, importId: string): Promise<ImportView> {
      await owned(caller, importId)
      const row = await db.work(async (tx) => {
        const job = await lockImport(tx, importId)
        if (job === undefined) throw refuse('import_not_found')
        if (job.status === 'queued' || job.status === 'working') return job
        if (job.status !== 'receiving') throw refuse('import_not_receiving', { status: job.status })
        const received = (await partsOfImport(tx, importId)).length
        if (received !== partCount(job))
          throw refuse('import_incomplete', { received, parts: partCount(job) })
        await updateImport(tx, importId, { status: 'queued' })
        await enqueue(tx, importId)
        return { ...job, status: 'queued' as const }
      })
      return await view(row)
    },

    async get(caller: Caller, importId: string): Promise<ImportView> {
      return await view(await owned(caller, importId))
    },

    async list(caller: Caller, page: { beforeId?: string; limit: number }): Promise<ImportView[]> {
      const { corpId } = requireAdmin(caller)
      const rows = await db.ask((tx) => listImports(tx, corpId, page))
      return await Promise.all(rows.map(view))
    },

    /** Ends it; what was taken already stays, each contract whole. */
    async cancel(caller: Caller, importId: string): Promise<ImportView> {
      await owned(caller, importId)
      await end(importId, 'canceled', {}, caller)
      return await view(await owned(caller, importId))
    },

    /** A contract of these tenants is destroyed: what is uploading may hold it once more, and goes too. */
    async voidFor(tenantIds: readonly string[]): Promise<number> {
      const ids = await db.work((tx) => livingImports(tx, tenantIds))
      for (const id of ids) await end(id, 'voided')
      return ids.length
    },

    close(): void {
      isClosing = true
      for (const one of running.values()) one.abort()
    },
  }
}

const partCount = (row: Pick<ImportRow, 'size_bytes' | 'part_bytes'>) =>
  Math.ceil(row.size_bytes / row.part_bytes)
