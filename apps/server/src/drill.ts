/**
 * The restore drill: both databases come back from backup and log into a folder that is thrown away, the platform
 * opens over them, and a sample of contracts is read, decrypted and judged like a stranger would. A backup that
 * was never restored is a hope.
 */
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { verifyBundle } from '@yinxin/evidence'
import { sql } from 'kysely'
import { createApp } from './app.ts'
import type { Clock } from './clock.ts'
import type { Config } from './config.ts'
import { type ClusterName, planClusters } from './db/copies.ts'
import type { Db } from './db/db.ts'
import { writeDurably } from './db/durable-file.ts'
import { type ManagedPostgres, startPostgres } from './db/postgres.ts'
import { removeCluster } from './db/postgres-place.ts'
import { migrateAll } from './db/prepare.ts'
import { DATABASE_NAMES, databaseUrls } from './db/provision.ts'
import { type RestoreReport, restoreCluster } from './db/restore.ts'
import { readMark } from './db/wal-archive.ts'
import { newId } from './ids.ts'
import { anyParty } from './kms/kms.ts'
import type { Log } from './log.ts'
import { defaultSites } from './storage/storage.ts'

export interface DrillReport {
  id: string
  /** `nothing_to_check`: both databases came back, and hold no object or no finished contract to judge. */
  outcome: 'ok' | 'failed' | 'nothing_to_check'
  /** Only with the outcome `ok`. */
  ok: boolean
  begunAt: string
  endedAt: string
  /** What a loss of every running copy would have cost when the drill began. */
  rpoMs: number | null
  /** From nothing but the archive to a platform whose sample was judged. */
  rtoMs: number
  restores: RestoreReport[]
  /** Migrations that the restored databases lacked. */
  migrations: string[]
  objects: { asked: number; read: number }
  packages: { asked: number; verified: number }
  /** Size of the log of the restored platform, proven by the packages' checkpoints. */
  logSize: number | null
  problems: string[]
}

export interface DrillOptions {
  config: Config
  clock: Clock
  log: Log
  /** How many objects are read; a quarter as many evidence packages are judged. */
  sample?: number
}

const SAMPLE = 20

/** Never throws for what it finds: that stands in the report. */
export async function runDrill({ config, clock, log, sample = SAMPLE }: DrillOptions): Promise<DrillReport> {
  const begunAt = clock.now()
  const begunMs = performance.now()
  const plans = planClusters(config.databaseCopies.folders, config.databaseCopies.counts)
  const scratch = await mkdtemp(join(tmpdir(), 'yinxin-drill-'))
  await chmod(scratch, 0o711)
  const homes = { main: join(scratch, 'main'), keys: join(scratch, 'keys') }
  const running: ManagedPostgres[] = []
  const report: DrillReport = {
    id: newId(begunAt.getTime()),
    outcome: 'failed',
    ok: false,
    begunAt: begunAt.toISOString(),
    endedAt: begunAt.toISOString(),
    rpoMs: null,
    rtoMs: 0,
    restores: [],
    migrations: [],
    objects: { asked: 0, read: 0 },
    packages: { asked: 0, verified: 0 },
    logSize: null,
    problems: [],
  }
  try {
    const marks = await Promise.all(
      [...plans.main.archives, ...plans.keys.archives].map(({ folder }) => readMark(folder)),
    )
    const oldest = marks
      .map((mark) => (mark === undefined ? 0 : Date.parse(mark.archivedAt)))
      .toSorted((a, b) => a - b)[0]
    report.rpoMs = oldest ? begunAt.getTime() - oldest : null

    // 1. Both databases, each from its own archive.
    const bring = async (cluster: ClusterName) => {
      const { archives } = plans[cluster]
      const how = { durable: false, binDir: config.databaseCopies.binDir }
      report.restores.push(await restoreCluster({ cluster, archives, home: homes[cluster], ...how }))
      const postgres = await startPostgres({ dataDir: homes[cluster], existing: true, ...how })
      running.push(postgres)
      return postgres
    }
    const main = await bring('main')
    const keys = await bring('keys')

    // 2. Today's release runs on them.
    const urls = databaseUrls(main, DATABASE_NAMES, keys)
    report.migrations = await migrateAll(urls)
    const app = await createApp({
      config: {
        ...config,
        databases: urls,
        roles: [],
        dataDir: scratch,
        sites:
          config.sites ??
          defaultSites(config.dataDir).map(({ site, folders }) => ({ site, folders: [...folders] })),
      },
      urls,
      clock,
      log,
      isRehearsal: true,
    })
    try {
      // 3. Objects are read back whole: found, decrypted and of the recorded hash.
      const objects = await sampleOf(
        app.db,
        'storage_objects',
        sql`not exists (select 1 from storage_destructions d where d.object_id = storage_objects.id)`,
        sample,
      )
      report.objects.asked = objects.length
      for (const { id } of objects) {
        await app.storage.read(id, { partyId: anyParty }).then(
          () => (report.objects.read += 1),
          (error: unknown) => report.problems.push(`object ${id}: ${String(error)}`),
        )
      }
      // 4. Contracts are judged from their evidence packages alone.
      const tasks = await sampleOf(
        app.db,
        'sign_task',
        sql`status = 'finished' and not exists (select 1 from task_party p
        where p.task_id = sign_task.id and p.subject_id = sign_task.tenant_id and p.access_destroyed_at is not null)`,
        Math.ceil(sample / 4),
      )
      report.packages.asked = tasks.length
      const { rootDer } = app.ca.anchors()
      for (const { id, tenant_id: subjectId } of tasks) {
        try {
          const parts: Uint8Array[] = []
          for await (const part of (await app.evidencePackage({ subjectId }, id)).content) parts.push(part)
          const verdict = verifyBundle(Buffer.concat(parts), {
            trust: [rootDer],
            logKeys: [app.evidence.log.vkey],
          })
          const size = verdict.checkpoint?.size ?? 0
          report.logSize = Math.max(report.logSize ?? 0, size)
          if (verdict.ok && verdict.trusted === true && verdict.logVerified === true)
            report.packages.verified += 1
          else report.problems.push(`contract ${id}: ${JSON.stringify(verdict.problems.slice(0, 3))}`)
        } catch (error) {
          report.problems.push(`contract ${id}: ${String(error)}`)
        }
      }
    } finally {
      await app.close()
    }
  } catch (error) {
    report.problems.push(error instanceof Error ? error.message : String(error))
  } finally {
    for (const postgres of running) await postgres.stop()
    for (const home of Object.values(homes)) await removeCluster(home)
    await rm(scratch, { recursive: true, force: true })
  }
  report.rtoMs = Math.round(performance.now() - begunMs)
  report.endedAt = clock.now().toISOString()
  report.outcome = outcomeOf(report)
  report.ok = report.outcome === 'ok'
  await writeDurably(
    join(config.dataDir, 'drills', `${report.begunAt.replaceAll(':', '-')}.json`),
    `${JSON.stringify(report, undefined, 2)}\n`,
  )
  return report
}

function outcomeOf({ problems, restores, objects, packages }: DrillReport): DrillReport['outcome'] {
  if (problems.length > 0 || restores.length !== 2) return 'failed'
  return objects.asked === 0 || packages.asked === 0 ? 'nothing_to_check' : 'ok'
}

/** Rows by chance, drawn by the database. */
async function sampleOf(db: Db, table: string, where: ReturnType<typeof sql>, count: number) {
  return await db.work(async (tx) => {
    const { rows } = await sql<{ id: string; tenant_id: string }>`
      select id, tenant_id from ${sql.table(table)} where ${where} order by random() limit ${count}`.execute(
      tx,
    )
    return rows
  })
}

/** Keeps the report where the durability report finds it. */
export async function recordDrill(db: Db, report: DrillReport): Promise<void> {
  await db.work(async (tx) => {
    await sql`insert into restore_drills (id, begun_at, ended_at, ok, rpo_ms, rto_ms, report)
      values (${report.id}, ${report.begunAt}, ${report.endedAt}, ${report.ok}, ${report.rpoMs}, ${report.rtoMs},
              ${JSON.stringify(report)}::jsonb)`.execute(tx)
  })
}
