/**
 * Base backups of a cluster into both sites: one tar.zst and a manifest with the hash of every file. With the
 * archived log each moment since the oldest of them can be restored.
 */
import { createHash } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import { mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { constants, createZstdCompress, createZstdDecompress } from 'node:zlib'
import { z } from 'zod'
import type { Clock } from '#src/clock.ts'
import { newToken } from '#src/ids.ts'
import { clusterFiles, inBackupMode } from './base-copy.ts'
import { identityOf } from './cluster-questions.ts'
import type { ClusterName, DbSite } from './copies.ts'
import { syncFolder, writeDurably } from './durable-file.ts'
import type { ManagedPostgres } from './postgres.ts'
import { asking } from './standby.ts'
import { readTar, tarEnd, tarHeader, tarPadding } from './tar.ts'
import {
  type ArchiveFolder,
  type ArchiveMark,
  missingSegments,
  readMark,
  storedWal,
  walFolder,
} from './wal-archive.ts'

const manifestSchema = z.object({
  id: z.string(),
  cluster: z.enum(['main', 'keys']),
  systemIdentifier: z.string(),
  postgresVersion: z.string(),
  beganAt: z.string(),
  /** From this moment on a restore is possible. */
  endedAt: z.string(),
  timeline: z.number(),
  startLsn: z.string(),
  stopLsn: z.string(),
  startWal: z.string(),
  archiveSha256: z.string(),
  archiveBytes: z.number(),
  files: z.array(z.object({ path: z.string(), size: z.number(), sha256: z.string() })),
})
export type BackupManifest = z.infer<typeof manifestSchema>

export interface StoredBackup {
  site: DbSite
  folder: string
  manifest: BackupManifest
}

const baseFolder = (folder: string) => join(folder, 'base')
export const archiveOf = (backup: Pick<StoredBackup, 'folder'>) => join(backup.folder, 'base.tar.zst')

export async function listBackups(folders: readonly ArchiveFolder[]): Promise<StoredBackup[]> {
  const found: StoredBackup[] = []
  for (const { site, folder } of folders) {
    const here: StoredBackup[] = []
    for (const name of await readdir(baseFolder(folder)).catch(() => [])) {
      const path = join(baseFolder(folder), name)
      const text = await readFile(join(path, 'manifest.json'), 'utf8').catch(() => undefined)
      if (text === undefined || name.startsWith('partial-')) continue
      here.push({ site, folder: path, manifest: manifestSchema.parse(JSON.parse(text)) })
    }
    // By their moments: names tell whole seconds, in which there may be two.
    found.push(...here.toSorted((a, b) => Date.parse(a.manifest.beganAt) - Date.parse(b.manifest.beganAt)))
  }
  return found
}

/** The newest base backup of each cluster, and how often one is planned. */
export async function newestBackups(
  clusters: readonly { cluster: ClusterName; plan: { archives: readonly ArchiveFolder[] } }[],
  everyMs: number,
): Promise<{ cluster: ClusterName; newestAt: Date | null; everyMs: number }[]> {
  return await Promise.all(
    clusters.map(async ({ cluster, plan }) => {
      const ends = (await listBackups(plan.archives)).map(({ manifest }) => Date.parse(manifest.endedAt))
      return { cluster, newestAt: ends.length === 0 ? null : new Date(Math.max(...ends)), everyMs }
    }),
  )
}

/** Takes a base backup of the running cluster and writes it durably into every folder. */
export async function takeBackup({
  cluster,
  postgres,
  folders,
  clock,
}: {
  cluster: ClusterName
  postgres: ManagedPostgres
  folders: readonly ArchiveFolder[]
  clock: Clock
}): Promise<BackupManifest> {
  const beganAt = clock.now().toISOString()
  const id = `${beganAt.replace(/[-:]|\.\d+/g, '')}-${newToken(4).replaceAll(/[_-]/g, '0')}`
  const partials = folders.map(({ folder }) => join(baseFolder(folder), `partial-${id}`))
  for (const partial of partials) await mkdir(partial, { recursive: true, mode: 0o700 })
  try {
    const files: BackupManifest['files'] = []
    const facts = await asking(postgres, async (client) => {
      const { systemIdentifier } = await identityOf(client)
      const { rows } = await client.query<{ version: string }>(
        `select current_setting('server_version') as version`,
      )
      let whole = { sha256: '', bytes: 0 }
      const compressed = createZstdCompress({ params: { [constants.ZSTD_c_compressionLevel]: 3 } })
      const writing = writeEverywhere(
        compressed,
        partials.map((partial) => join(partial, 'base.tar.zst')),
      )
      const span = await inBackupMode(client, id, async () => {
        await pipeline(Readable.from(tarOf(postgres.dataFolder, files)), compressed)
        whole = await writing
      })
      return { systemIdentifier, postgresVersion: rows[0]?.version ?? '', span, whole }
    })
    const { label, ...span } = facts.span
    const manifest: BackupManifest = {
      id,
      cluster,
      systemIdentifier: facts.systemIdentifier,
      postgresVersion: facts.postgresVersion,
      beganAt,
      endedAt: clock.now().toISOString(),
      ...span,
      archiveSha256: facts.whole.sha256,
      archiveBytes: facts.whole.bytes,
      files,
    }
    for (const [index, partial] of partials.entries()) {
      const folder = folders[index]?.folder ?? ''
      await writeDurably(join(partial, 'backup_label'), label)
      // Who holds the backup holds the database; the password lets a restored one be started.
      await writeDurably(join(partial, 'postgres-secret'), `${postgres.password}\n`)
      await writeDurably(join(partial, 'manifest.json'), `${JSON.stringify(manifest)}\n`)
      await rename(partial, join(baseFolder(folder), id))
      await syncFolder(baseFolder(folder))
    }
    return manifest
  } finally {
    for (const partial of partials) await rm(partial, { recursive: true, force: true })
  }
}

async function* tarOf(data: string, files: BackupManifest['files']): AsyncGenerator<Buffer> {
  for await (const { path, isFolder } of clusterFiles(data)) {
    if (isFolder) yield tarHeader({ path, isFolder, size: 0 })
    else if (path !== 'global/pg_control') yield* oneFile(data, path, files)
  }
  yield* oneFile(data, 'global/pg_control', files)
  yield tarEnd()
}

/** The length of a file is what it was when it was opened; what is cut off or grows meanwhile the log repairs. */
async function* oneFile(data: string, path: string, files: BackupManifest['files']): AsyncGenerator<Buffer> {
  const handle = await open(join(data, path)).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error
  })
  if (handle === undefined) return
  try {
    const { size } = await handle.stat()
    const hash = createHash('sha256')
    yield tarHeader({ path, isFolder: false, size })
    for (let at = 0; at < size; ) {
      const chunk = Buffer.alloc(Math.min(1 << 20, size - at))
      const { bytesRead } = await handle.read(chunk, 0, chunk.length, at)
      const part = bytesRead === 0 ? chunk : chunk.subarray(0, bytesRead)
      hash.update(part)
      yield part
      at += part.length
    }
    yield tarPadding(size)
    files.push({ path, size, sha256: hash.digest('hex') })
  } finally {
    await handle.close()
  }
}

async function writeEverywhere(
  source: AsyncIterable<Buffer>,
  paths: readonly string[],
): Promise<{ sha256: string; bytes: number }> {
  const handles = await Promise.all(paths.map((path) => open(path, 'wx', 0o600)))
  const hash = createHash('sha256')
  let bytes = 0
  try {
    for await (const chunk of source) {
      hash.update(chunk)
      bytes += chunk.length
      await Promise.all(handles.map((handle) => handle.write(chunk)))
    }
    await Promise.all(handles.map((handle) => handle.sync()))
  } finally {
    await Promise.all(handles.map((handle) => handle.close()))
  }
  return { sha256: hash.digest('hex'), bytes }
}

/** Reads a backup fully: the archive's hash, and each file's against the manifest. Returns what is wrong. */
export async function verifyBackup(backup: StoredBackup): Promise<string[]> {
  const problems: string[] = []
  const path = archiveOf(backup)
  const facts = await stat(path).catch(() => undefined)
  if (facts === undefined) return [`${path} is missing`]
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer)
  if (hash.digest('hex') !== backup.manifest.archiveSha256) return [`${path} is not what was written`]
  const expected = new Map(backup.manifest.files.map((file) => [file.path, file.sha256]))
  for await (const entry of readTar(createReadStream(path).pipe(createZstdDecompress()))) {
    const one = createHash('sha256')
    for await (const chunk of entry.content) one.update(chunk)
    if (entry.isFolder) continue
    if (expected.get(entry.path) !== one.digest('hex'))
      problems.push(`${entry.path} differs from the manifest`)
    expected.delete(entry.path)
  }
  for (const missing of expected.keys()) problems.push(`${missing} is missing from the archive`)
  return problems
}

/** Unpacks a backup into an empty folder, each file checked; the label lies beside the archive. */
export async function unpackBackup(backup: StoredBackup, to: string): Promise<void> {
  const expected = new Map(backup.manifest.files.map((file) => [file.path, file.sha256]))
  await mkdir(to, { recursive: true, mode: 0o700 })
  for await (const entry of readTar(createReadStream(archiveOf(backup)).pipe(createZstdDecompress()))) {
    if (entry.path.split('/').includes('..')) throw new Error(`${entry.path} leads out of the backup`)
    if (entry.isFolder) {
      await mkdir(join(to, entry.path), { recursive: true, mode: 0o700 })
      continue
    }
    const hash = createHash('sha256')
    async function* hashed() {
      for await (const chunk of entry.content) {
        hash.update(chunk)
        yield chunk
      }
    }
    await pipeline(Readable.from(hashed()), createWriteStream(join(to, entry.path), { mode: 0o600 }))
    if (expected.get(entry.path) !== hash.digest('hex'))
      throw new Error(`${entry.path} in the backup is damaged`)
  }
}

export interface ArchiveState {
  site: DbSite
  folder: string
  backups: BackupManifest[]
  mark: ArchiveMark | undefined
  /** Segments that a restore from the oldest backup on would miss. */
  missing: string[]
}

/** What each site holds, and the holes in it. */
export async function archiveStates(folders: readonly ArchiveFolder[]): Promise<ArchiveState[]> {
  const backups = await listBackups(folders)
  return await Promise.all(
    folders.map(async ({ site, folder }) => {
      const here = backups
        .filter((backup) => backup.folder.startsWith(`${folder}/`))
        .map(({ manifest }) => manifest)
      const mark = await readMark(folder)
      const [oldest] = here
      const missing =
        oldest === undefined || mark === undefined
          ? []
          : missingSegments(await storedWal(folder), oldest.startWal, mark.segment)
      return { site, folder, backups: here, mark, missing }
    }),
  )
}

/**
 * Backups begun until a moment, and sites without one from after it, by name: what would be lost if something that
 * only they need were destroyed now. A site that cannot be read may hold anything.
 */
export async function backupsUntil(folders: readonly ArchiveFolder[], since: Date): Promise<string[]> {
  const found: string[] = []
  for (const one of folders) {
    const names = await readdir(baseFolder(one.folder)).catch(() => undefined)
    if (names === undefined) {
      found.push(`${one.site} cannot be read`)
      continue
    }
    const here = await listBackups([one])
    const old = here.filter(({ manifest }) => Date.parse(manifest.beganAt) <= since.getTime())
    found.push(...old.map(({ manifest }) => `${one.site} ${manifest.id}`))
    if (here.length === old.length) found.push(`${one.site} has none from after it`)
  }
  return found
}

/**
 * Removes backups older than the limit, but never the newest, and the log that only they needed. What was
 * restorable within the limit stays so: the newest backup before the limit is kept too.
 */
export async function pruneBackups(
  folders: readonly ArchiveFolder[],
  keptDays: number,
  clock: Clock,
): Promise<string[]> {
  const limit = new Date(clock.now().getTime() - keptDays * 86_400_000).toISOString()
  const removed: string[] = []
  for (const one of folders) {
    const backups = await listBackups([one])
    const base = backups.findLastIndex(({ manifest }) => manifest.endedAt <= limit)
    const kept = backups.slice(Math.max(0, base))
    for (const { folder, manifest } of backups.slice(0, Math.max(0, base))) {
      await rm(folder, { recursive: true })
      removed.push(`${one.site} ${manifest.id}`)
    }
    const oldest = kept[0]?.manifest.startWal
    if (oldest === undefined) continue
    for (const name of await storedWal(one.folder)) {
      if (/^[0-9A-F]{24}/.test(name) && name.slice(8, 24) < oldest.slice(8)) {
        await rm(join(walFolder(one.folder), `${name}.zst`))
      }
    }
  }
  return removed
}
