/** A cluster as it was at a moment, from a base backup and the archived log, in a folder of its own. */
import { execFile } from 'node:child_process'
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { promisify } from 'node:util'
import { listBackups, type StoredBackup, unpackBackup } from './backups.ts'
import type { ClusterName } from './copies.ts'
import { refuse } from './errors.ts'
import { type ManagedPostgres, startPostgres } from './postgres.ts'
import { findPlace } from './postgres-place.ts'
import { asking } from './standby.ts'
import {
  type ArchiveFolder,
  missingSegments,
  readMark,
  readSegment,
  segmentNumber,
  storedWal,
  walFolder,
} from './wal-archive.ts'

const run = promisify(execFile)

export interface RestoreOptions {
  cluster: ClusterName
  archives: readonly ArchiveFolder[]
  /** A new, empty folder for the instance. */
  home: string
  /** The moment; the end of the archive unless given. */
  at?: Date
  /** False only for restores that are thrown away. */
  durable?: boolean
  binDir?: string | undefined
}

export interface RestoreReport {
  cluster: ClusterName
  backup: string
  fromSite: string
  askedFor: string | null
  /** Everything committed before this moment is there. */
  reachedAt: string
  /** The last change that is there; null when none was replayed after the backup. */
  lastCommitAt: string | null
  segments: number
  timeline: number
  durationMs: number
}

/** Restores and stops; what then lies in `home` starts like any cluster. */
export async function restoreCluster(options: RestoreOptions): Promise<RestoreReport> {
  const begunMs = performance.now()
  const { cluster, archives, home, at } = options
  // 1. The moment must be one that the archive knows.
  const marks = (await Promise.all(archives.map(({ folder }) => readMark(folder)))).flatMap(
    (mark) => mark ?? [],
  )
  const mark = marks.toSorted((a, b) => b.archivedAt.localeCompare(a.archivedAt))[0]
  if (mark === undefined) throw refuse('restore_no_archive', { cluster })
  if (at !== undefined && at.toISOString() > mark.archivedAt) {
    throw refuse('restore_beyond_archive', { cluster, end: mark.archivedAt })
  }
  const moment = at?.toISOString() ?? mark.archivedAt
  const backups = (await listBackups(archives))
    .filter(({ manifest }) => manifest.endedAt <= moment)
    .toSorted((a, b) => b.manifest.endedAt.localeCompare(a.manifest.endedAt))
  const newest = backups[0]
  if (newest === undefined) throw refuse('restore_no_backup', { cluster, moment })

  // 2. The files, from the first site whose copy of that backup is whole.
  const place = await findPlace(home)
  const data = join(place.folder, 'data')
  if ((await readdir(data).catch(() => [])).length > 0) throw refuse('restore_target_taken', { folder: home })
  let used: StoredBackup | undefined
  const problems: unknown[] = []
  for (const backup of backups.filter(({ manifest }) => manifest.id === newest.manifest.id)) {
    try {
      await unpackBackup(backup, data)
      used = backup
      break
    } catch (error) {
      problems.push(error)
      await rm(data, { recursive: true, force: true })
    }
  }
  if (used === undefined)
    throw new AggregateError(problems, `no site holds the backup ${newest.manifest.id} whole`)

  // 3. The log since then, each segment from whichever site holds it whole.
  const { manifest } = used
  const walDir = join(place.folder, 'restore-wal')
  await mkdir(walDir, { recursive: true, mode: 0o700 })
  const segments = await gatherWal(archives, manifest.startWal, mark.segment, walDir)
  await writeFile(join(data, 'backup_label'), await readFile(join(used.folder, 'backup_label')))
  await writeFile(join(data, 'recovery.signal'), '')
  // Copies and archives of the old installation mean nothing to the new one.
  await writeFile(join(data, 'postgresql.auto.conf'), '')
  if (place.user) await run('chown', ['-R', `${place.user.uid}:${place.user.gid}`, data, walDir])
  await run('chmod', ['-R', 'go-rwx', data, walDir])

  // 4. Recovery to the moment. Where nothing was committed after it, the end of the archive is the same state.
  const secret = (await readFile(join(used.folder, 'postgres-secret'), 'utf8')).trim()
  const how = { ...options, secret, walDir }
  const first = at === undefined ? undefined : await recover(how, at)
  const postgres = first ?? (await recover(how, undefined))
  if (postgres === undefined)
    throw new Error(`the restored ${cluster} database did not come up; see ${home}/postgres.log`)
  try {
    const { rows } = await asking(postgres, (client) =>
      client.query<{ last: Date | null; wal: string }>(
        'select pg_last_xact_replay_timestamp() as last, pg_walfile_name(pg_current_wal_lsn()) as wal',
      ),
    )
    return {
      cluster,
      backup: manifest.id,
      fromSite: used.site,
      askedFor: at?.toISOString() ?? null,
      reachedAt: moment,
      lastCommitAt: rows[0]?.last?.toISOString() ?? null,
      segments,
      timeline: Number.parseInt(rows[0]?.wal.slice(0, 8) ?? '', 16),
      durationMs: Math.round(performance.now() - begunMs),
    }
  } finally {
    await postgres.stop()
    await rm(walDir, { recursive: true, force: true })
  }
}

async function gatherWal(
  archives: readonly ArchiveFolder[],
  startWal: string,
  last: string,
  to: string,
): Promise<number> {
  const sites = await Promise.all(
    archives.map(async ({ folder }) => ({ folder, names: await storedWal(folder) })),
  )
  const all = new Set(sites.flatMap(({ names }) => [...names]))
  const missing = missingSegments(all, startWal, last)
  if (missing.length > 0) throw refuse('restore_log_holes', { segments: missing.join(', ') })
  let segments = 0
  for (const name of [...all].toSorted()) {
    const isHistory = name.endsWith('.history')
    const target = name.replace(/\.partial$/, '')
    if (!isHistory && segmentNumber(name) < segmentNumber(startWal)) continue
    if (name.endsWith('.partial') && all.has(target)) continue
    // The same partial segment is fuller in the site that was written last.
    const contents: Buffer[] = []
    const problems: unknown[] = []
    for (const { folder, names } of sites) {
      if (!names.has(name)) continue
      await readSegment(join(walFolder(folder), `${name}.zst`)).then(
        (content) => contents.push(content),
        (error: unknown) => problems.push(error),
      )
    }
    const content = contents[0]
    if (content === undefined) throw new AggregateError(problems, `no site holds ${name} whole`)
    await writeFile(join(to, target), content, { mode: 0o600 })
    segments += 1
  }
  return segments
}

const RECOVERY_TIMEOUT_MS = 30 * 60_000

/** Resolves to the running cluster, or to undefined when the log ends before the moment. */
async function recover(
  { home, durable, binDir, secret, walDir }: RestoreOptions & { secret: string; walDir: string },
  at: Date | undefined,
): Promise<ManagedPostgres | undefined> {
  let ended = false
  const logPath = join(home, 'postgres.log')
  const before = (await readFile(logPath).catch(() => Buffer.alloc(0))).length
  /** Only the one known end of a log may be answered by taking all of it; everything else is a failure. */
  const unlessShort = async (): Promise<undefined> => {
    const said = (await readFile(logPath)).subarray(before).toString()
    if (at !== undefined && said.includes('recovery ended before configured recovery target was reached'))
      return
    const fatal = said.split('\n').findLast((line) => /FATAL:(?!.*starting up)/.test(line))
    throw new Error(`the recovery failed: ${fatal ?? 'no reason in the log'}; see ${logPath}`)
  }
  const postgres = await startPostgres({
    dataDir: home,
    existing: true,
    secret,
    standby: () => true,
    durable: durable ?? true,
    binDir,
    restartDelayMs: 3_600_000,
    onEvent: (event) => {
      if (event === 'postgres.ended') ended = true
    },
    settings: () => ({
      shared_buffers: '32MB',
      hot_standby: 'off',
      restore_command: `cp "${walDir}/%f" "%p"`,
      recovery_target_timeline: 'latest',
      recovery_target_action: 'promote',
      ...(at === undefined
        ? {}
        : { recovery_target_time: at.toISOString().replace('T', ' ').replace('Z', '+00') }),
    }),
  }).catch(async (error: unknown) => {
    // The log may end before the moment within the time that the start takes.
    if (!/did not start/.test(String(error))) throw error
    return await unlessShort()
  })
  if (postgres === undefined) return undefined
  const deadline = performance.now() + RECOVERY_TIMEOUT_MS
  for (;;) {
    const isUp = await asking(postgres, async (client) => {
      const { rows } = await client.query<{ up: boolean }>('select not pg_is_in_recovery() as up')
      return rows[0]?.up ?? false
    }).catch(() => false)
    if (isUp) return postgres
    if (ended || performance.now() > deadline) {
      await postgres.stop()
      return await unlessShort()
    }
    await wait(50)
  }
}
