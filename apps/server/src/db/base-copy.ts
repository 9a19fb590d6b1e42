/**
 * A copy of a running cluster, file by file, in PostgreSQL's own backup mode: the embedded PostgreSQL brings
 * neither pg_basebackup nor pg_rewind. The log replayed from the start of the copy makes it whole.
 */
import { createHash } from 'node:crypto'
import { chownSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { chown, mkdir, open, readdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type pg from 'pg'

/** Left out as pg_basebackup leaves them out: made anew, or meaningful to the running process alone. */
const EMPTIED_FOLDERS = new Set([
  'pg_wal',
  'pg_replslot',
  'pg_dynshmem',
  'pg_notify',
  'pg_serial',
  'pg_snapshots',
  'pg_stat_tmp',
  'pg_subtrans',
])
const LEFT_OUT =
  /^(postmaster\.(pid|opts)|backup_label(\.old)?|tablespace_map(\.old)?|backup_manifest|(standby|recovery)\.signal|pg_internal\.init.*|pgsql_tmp.*|postgresql\.auto\.conf\.tmp|current_logfiles)$/

export interface ClusterFile {
  path: string
  isFolder: boolean
}

/** Everything of a cluster that belongs into a copy, folders before what is in them. */
export async function* clusterFiles(data: string, below = ''): AsyncGenerator<ClusterFile> {
  const entries = await readdir(join(data, below), { withFileTypes: true }).catch(unlessGone)
  for (const entry of entries ?? []) {
    const path = below === '' ? entry.name : `${below}/${entry.name}`
    if (LEFT_OUT.test(entry.name)) continue
    if (entry.isSymbolicLink()) {
      throw new Error(
        `${path} is a link: tablespaces outside the cluster are not copied; set up copies by hand`,
      )
    }
    yield { path, isFolder: entry.isDirectory() }
    if (entry.isDirectory() && !(below === '' && EMPTIED_FOLDERS.has(entry.name)))
      yield* clusterFiles(data, path)
    if (path === 'pg_wal') {
      for (const inner of ['archive_status', 'summaries']) yield { path: `pg_wal/${inner}`, isFolder: true }
    }
  }
}

/** What is gone in the middle of a copy was dropped by a transaction that the log replays. */
function unlessGone(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error
}

export interface BackupSpan {
  startLsn: string
  stopLsn: string
  /** The first segment of log that the copy needs. */
  startWal: string
  timeline: number
  /** Goes into the copy as `backup_label`; without it the copy would be taken for a crashed cluster. */
  label: string
}

/** Runs `copy` while the cluster is in backup mode, which ends with the connection if this process dies. */
export async function inBackupMode(
  client: pg.Client,
  name: string,
  copy: () => Promise<void>,
): Promise<BackupSpan> {
  const started = await client.query<{ lsn: string }>('select pg_backup_start($1, true)::text as lsn', [name])
  const startLsn = started.rows[0]?.lsn ?? ''
  await copy()
  const stopped = await client.query<{ lsn: string; labelfile: string; spcmapfile: string }>(
    'select lsn::text, labelfile, spcmapfile from pg_backup_stop(false)',
  )
  const row = stopped.rows[0]
  const label = row?.labelfile ?? ''
  const startWal = /START WAL LOCATION: \S+ \(file ([0-9A-F]{24})\)/.exec(label)?.[1]
  const timeline = /START TIMELINE: (\d+)/.exec(label)?.[1]
  if (row === undefined || startWal === undefined || timeline === undefined) {
    throw new Error('PostgreSQL ended the backup without a label')
  }
  if (row.spcmapfile.trim() !== '') throw new Error('tablespaces outside the cluster are not copied')
  return { startLsn, stopLsn: row.lsn, startWal, timeline: Number(timeline), label }
}

const CHUNK_BYTES = 1 << 20
const AT_A_TIME = 8

/**
 * Copies a cluster in backup mode into an empty folder and reads every written file back: what the copy holds is
 * what was read. PostgreSQL itself syncs all files before it begins to recover from a label.
 */
export async function copyFiles(
  from: string,
  to: string,
  owner: { uid: number; gid: number } | undefined,
): Promise<{ files: number; bytes: number }> {
  await mkdir(to, { recursive: true, mode: 0o700 })
  if (owner) await chown(to, owner.uid, owner.gid)
  const files: string[] = []
  for await (const { path, isFolder } of clusterFiles(from)) {
    if (!isFolder) files.push(path)
    else {
      await mkdir(join(to, path), { recursive: true, mode: 0o700 })
      if (owner) await chown(join(to, path), owner.uid, owner.gid)
    }
  }
  // pg_control last, as PostgreSQL's own tools do.
  files.sort((a, b) => Number(a === 'global/pg_control') - Number(b === 'global/pg_control'))
  const control = files.at(-1) === 'global/pg_control' ? files.pop() : undefined
  let bytes = 0
  let copied = 0
  const one = async (path: string) => {
    const size = await copyFile(join(from, path), join(to, path), owner)
    if (size === undefined) return
    bytes += size
    copied += 1
  }
  const lanes = Array.from({ length: AT_A_TIME }, async () => {
    for (let path = files.pop(); path !== undefined; path = files.pop()) await one(path)
  })
  await Promise.all(lanes)
  if (control !== undefined) await one(control)
  return { files: copied, bytes }
}

/** Most files of a cluster are small, and a thread hop per call would cost more than the call. */
const SMALL_BYTES = 256 * 1024

async function copyFile(
  from: string,
  to: string,
  owner: { uid: number; gid: number } | undefined,
): Promise<number | undefined> {
  let content: Buffer | undefined
  try {
    if (statSync(from).size <= SMALL_BYTES) content = readFileSync(from)
  } catch (error) {
    return unlessGone(error as NodeJS.ErrnoException)
  }
  if (content === undefined) return await copyLargeFile(from, to, owner)
  writeFileSync(to, content, { mode: 0o600 })
  if (owner) chownSync(to, owner.uid, owner.gid)
  if (!readFileSync(to).equals(content)) throw new Error(`${to} does not hold what was written to it`)
  await breath()
  return content.length
}

/** Lets the other work of this process go on between two files. */
const breath = () => new Promise<void>((resolve) => setImmediate(resolve))

async function copyLargeFile(
  from: string,
  to: string,
  owner: { uid: number; gid: number } | undefined,
): Promise<number | undefined> {
  const source = await open(from, 'r').catch(unlessGone)
  if (source === undefined) return undefined
  const hash = createHash('sha256')
  const target = await open(to, 'w+', 0o600)
  let size = 0
  try {
    const chunk = Buffer.allocUnsafe(CHUNK_BYTES)
    for (;;) {
      const { bytesRead } = await source.read(chunk, 0, chunk.length, size)
      if (bytesRead === 0) break
      hash.update(chunk.subarray(0, bytesRead))
      await target.write(chunk, 0, bytesRead, size)
      size += bytesRead
    }
    const again = createHash('sha256')
    for (let at = 0; at < size; ) {
      const { bytesRead } = await target.read(chunk, 0, Math.min(chunk.length, size - at), at)
      if (bytesRead === 0) break
      again.update(chunk.subarray(0, bytesRead))
      at += bytesRead
    }
    if (!again.digest().equals(hash.digest())) throw new Error(`${to} does not hold what was written to it`)
    if (owner) await target.chown(owner.uid, owner.gid)
  } finally {
    await Promise.all([source.close(), target.close()])
  }
  return size
}

/** Writes a file that belongs to PostgreSQL's user. */
export async function writeOwned(
  path: string,
  content: string,
  owner: { uid: number; gid: number } | undefined,
): Promise<void> {
  await mkdir(dirname(path), { recursive: true })
  await writeFile(path, content, { mode: 0o600 })
  if (owner) await chown(path, owner.uid, owner.gid)
}

export async function isPromotable(data: string): Promise<boolean> {
  return (await readFile(join(data, 'standby.signal')).catch(() => undefined)) !== undefined
}
