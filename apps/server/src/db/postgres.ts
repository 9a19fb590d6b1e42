/**
 * The embedded PostgreSQL as a managed child: created on first use, restarted when it dies, stopped with the
 * server, and taken over cleanly after the server itself was killed.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  chown,
  mkdir,
  open,
  readdir,
  readFile,
  readlink,
  realpath,
  rename,
  rm,
  stat,
  writeFile,
} from 'node:fs/promises'
import { isAbsolute, join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { promisify } from 'node:util'
import pg from 'pg'
import { freePort } from '#src/free-port.ts'
import { newToken } from '#src/ids.ts'
import { findBinaries, findPlace, type PostgresPlace } from './postgres-place.ts'

const run = promisify(execFile)

/** The oldest that is tested. */
const MAJOR_MIN = 15

/** Held by the one server that owns the cluster; PostgreSQL frees it by itself when that server dies. */
const OWNER_LOCK = 8_420_001

const START_TIMEOUT_MS = 60_000
const STOP_TIMEOUT_MS = 30_000
const LOG_SIZE_BYTES_MAX = 10_000_000

export interface PostgresOptions {
  dataDir: string
  /** The folder of `initdb` and `postgres`; the embedded ones unless given. */
  binDir?: string | undefined
  /** Told about unexpected ends and restarts; nothing is printed. */
  onEvent?: (event: string, detail: Record<string, unknown>) => void
  /** False only for throw-away clusters of tests: nothing is synced to disk. */
  durable?: boolean
  /** Pause before a PostgreSQL that died is started again. */
  restartDelayMs?: number
  /** The superuser's password of an existing cluster, for one of its copies. */
  secret?: string
  /** A copy that follows another instance: never initialised here, and begun also while it does not answer yet. */
  standby?: () => boolean
  /** Refuses to make a new, empty cluster where one must be. */
  existing?: boolean
  /** Settings beside the usual ones; asked for at every start of the process. */
  settings?: () => Record<string, string>
}

export interface ManagedPostgres {
  readonly host: string
  readonly port: number
  /** Folder of its socket, which is quicker than TCP; undefined where sockets have no or no fitting names. */
  readonly socketFolder: string | undefined
  /** The superuser's password, kept in the data folder with mode 0600. */
  readonly password: string
  /** Process id of the postmaster now; undefined between an end and the restart. */
  pid(): number | undefined
  /** True when a PostgreSQL left over by a killed server had to be stopped first. */
  readonly recovered: boolean
  /** The cluster's own folder, where its files lie. */
  readonly dataFolder: string
  readonly place: PostgresPlace
  /** Ends the process now and for good, as a crash would; resolves when it is gone. */
  fence(): Promise<void>
  /** Ends it cleanly and starts it again with the settings of now. */
  restart(): Promise<void>
  /** Fast shutdown: open transactions are rolled back, everything committed is on disk. */
  stop(): Promise<void>
}

/** Starts the cluster of `dataDir`; refuses when another live server owns it. */
export async function startPostgres(options: PostgresOptions): Promise<ManagedPostgres> {
  const found = await findPlace(options.dataDir)
  const place = { ...found, binDir: await findBinaries(found.user, options.binDir) }
  const data = join(place.folder, 'data')
  const exists = await hasCluster(data)
  if (!exists && (options.existing || options.standby?.())) {
    throw new Error(`the database that belongs to ${options.dataDir} is not there: ${data} holds no cluster`)
  }
  const password = await secretOf(options.dataDir, options.secret)
  if (!exists) await initialise(place, data, password)
  const first = await startFirst(place, data, password, options)
  const { port, recovered } = first
  let { child, lock }: { child: ChildProcess; lock: pg.Client | undefined } = first

  let stopping = false
  let restart: Promise<void> = Promise.resolve()
  let isRestarting = false
  const ending = new AbortController()
  const watch = (watched: ChildProcess) => {
    watched.once('exit', (code, signal) => {
      if (stopping || isRestarting || watched !== child) return
      options.onEvent?.('postgres.ended', { code, signal })
      restart = revive()
    })
  }
  const revive = async () => {
    for (let attempt = 0; !stopping; attempt++) {
      const delayMs = Math.max(options.restartDelayMs ?? 0, Math.min(200 * 2 ** attempt, 5000))
      await wait(delayMs, undefined, { signal: ending.signal }).catch(() => undefined)
      if (stopping) return
      try {
        const next = await startChild(place, data, port, password, options)
        child = next
        if (!stopping) lock = await takeLock(port, password).catch(whenStandby(options))
        watch(child)
        options.onEvent?.('postgres.restarted', { attempt })
        return
      } catch (error) {
        options.onEvent?.('postgres.restart-failed', { attempt, error: String(error) })
      }
    }
  }
  watch(child)

  return {
    host: '127.0.0.1',
    port,
    socketFolder: socketFolderOf(place),
    password,
    recovered,
    dataFolder: data,
    place,
    async fence() {
      stopping = true
      ending.abort()
      if (child.exitCode === null && child.signalCode === null) {
        const ended = once(child, 'exit')
        child.kill('SIGKILL')
        await ended
      }
      await restart
      await lock?.end().catch(() => undefined)
      // A restart that was under way may have begun another process meanwhile.
      await stopChild(child)
      await untilBackendsEnded(data)
    },
    async restart() {
      if (stopping) throw new Error('this PostgreSQL was stopped')
      isRestarting = true
      try {
        await restart
        await lock?.end().catch(() => undefined)
        await stopChild(child)
        child = await startChild(place, data, port, password, options)
        lock = await takeLock(port, password).catch(whenStandby(options))
        watch(child)
      } finally {
        isRestarting = false
      }
    },
    pid: () => (child.exitCode === null && child.signalCode === null ? child.pid : undefined),
    async stop() {
      stopping = true
      ending.abort()
      await restart
      await lock?.end().catch(() => undefined)
      await stopChild(child)
    },
  }
}

/** The socket itself lets in the cluster's own user and root alone. Its name has 107 bytes at most. */
function socketFolderOf({ folder }: PostgresPlace): string | undefined {
  const isFit =
    process.platform !== 'win32' &&
    isAbsolute(folder) &&
    !/[",]/.test(folder) &&
    Buffer.byteLength(join(folder, '.s.PGSQL.65535')) <= 107
  return isFit ? folder : undefined
}

/** A few attempts: two starters race for the cluster, backends of a killed postmaster take a moment to end. */
async function startFirst(place: PostgresPlace, data: string, password: string, options: PostgresOptions) {
  let recovered = false
  for (let attempt = 1; ; attempt++) {
    if (await stopOrphan(data, password, options)) recovered = true
    const port = await freePort()
    try {
      const child = await startChild(place, data, port, password, options)
      const lock = await takeLock(port, password).catch(whenStandby(options))
      if (lock || options.standby?.()) return { child, lock, port, recovered }
      await stopChild(child)
      throw inUse(options.dataDir)
    } catch (error) {
      if (attempt === 4) throw error
      await wait(250 * attempt)
    }
  }
}

function inUse(dataDir: string): Error {
  return new Error(
    `the data folder ${dataDir} is in use by another running server; stop it first, or set YINXIN_DATA_DIR`,
  )
}

async function secretOf(dataDir: string, given: string | undefined): Promise<string> {
  const path = join(dataDir, 'postgres-secret')
  const existing = await readFile(path, 'utf8').catch(() => undefined)
  if (existing !== undefined && (given === undefined || existing.trim() === given)) return existing.trim()
  if (existing !== undefined) await rm(path)
  try {
    const secret = given ?? newToken()
    await writeFile(path, `${secret}\n`, { mode: 0o600, flag: 'wx' })
    return secret
  } catch {
    // A second starter was faster; its secret is the one.
    return (await readFile(path, 'utf8')).trim()
  }
}

/** A standby that still recovers takes no lock; whoever holds its primary owns it. */
function whenStandby(options: PostgresOptions): (error: unknown) => undefined {
  return (error) => {
    if (!options.standby?.()) throw error
  }
}

async function hasCluster(data: string): Promise<boolean> {
  return (await stat(join(data, 'PG_VERSION')).catch(() => undefined)) !== undefined
}

/** Backends of a postmaster that was killed end by themselves a moment later; until then they may still write. */
async function untilBackendsEnded(data: string): Promise<void> {
  if (process.platform !== 'linux') return await wait(1000)
  const deadline = performance.now() + STOP_TIMEOUT_MS
  const real = await realpath(data)
  const isHeld = async () => {
    for (const pid of await readdir('/proc')) {
      if (!/^\d+$/.test(pid)) continue
      const folder = await readlink(`/proc/${pid}/cwd`).catch(() => '')
      if (folder === real) return true
    }
    return false
  }
  while (await isHeld()) {
    if (performance.now() > deadline) throw new Error(`processes of the killed PostgreSQL still hold ${data}`)
    await wait(20)
  }
}

/** Builds the cluster beside its place and renames it in, so that a crash never leaves half a cluster. */
async function initialise(place: PostgresPlace, data: string, password: string): Promise<void> {
  const partial = join(place.folder, `data.partial-${newToken(6)}`)
  const passwordFile = `${partial}.secret`
  await writeFile(passwordFile, `${password}\n`, { mode: 0o600 })
  if (place.user) await chown(passwordFile, place.user.uid, place.user.gid)
  try {
    const child = spawn(
      join(place.binDir, 'initdb'),
      [
        `--pgdata=${partial}`,
        '--username=postgres',
        `--pwfile=${passwordFile}`,
        '--auth=scram-sha-256',
        '--encoding=UTF8',
        ...(await localeArguments(place)),
      ],
      { ...place.user, cwd: place.folder, env: childEnvironment(), stdio: ['ignore', 'ignore', 'pipe'] },
    )
    let complaint = ''
    child.stderr.on('data', (chunk: Buffer) => {
      complaint = (complaint + chunk.toString()).slice(-2000)
    })
    const [code] = (await once(child, 'close')) as [number | null]
    if (code !== 0) throw new Error(`initdb failed (${code}): ${complaint}`)
    await rename(partial, data).catch(async (error: unknown) => {
      // Another starter finished first; its cluster is as good as ours.
      if (!(await hasCluster(data))) throw error
    })
  } finally {
    await rm(passwordFile, { force: true })
    await rm(partial, { recursive: true, force: true })
  }
}

/** Order by code point and letters by Unicode: built in since 17, from the C library before. */
async function localeArguments(place: PostgresPlace): Promise<string[]> {
  const { stdout } = await run(join(place.binDir, 'postgres'), ['--version'], {
    ...place.user,
    cwd: place.folder,
    env: childEnvironment(),
  })
  const major = Number(/\(PostgreSQL\) (\d+)/.exec(stdout)?.[1])
  if (!(major >= MAJOR_MIN))
    throw new Error(`PostgreSQL ${MAJOR_MIN} or newer is needed, not: ${stdout.trim()}`)
  return major >= 17
    ? ['--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8']
    : ['--locale=C.UTF-8']
}

/** The environment of PostgreSQL is empty but for what it needs: PG* variables of the shell must not reach it. */
function childEnvironment(): NodeJS.ProcessEnv {
  return { LC_MESSAGES: 'C', TZ: 'UTC', PATH: '/usr/bin:/bin' } as NodeJS.ProcessEnv
}

/**
 * A kill -9 of the server leaves PostgreSQL running. It is stopped (fast, so that the transactions of the dead
 * server let go of their locks) and started anew as our own child. A postmaster with a living owner is left alone.
 */
async function stopOrphan(data: string, password: string, options: PostgresOptions): Promise<boolean> {
  const pidFile = join(data, 'postmaster.pid')
  const lines = (await readFile(pidFile, 'utf8').catch(() => '')).split('\n')
  const pid = Number(lines[0])
  if (!(pid > 0)) return false
  if (!(await isPostmaster(pid, data))) {
    // The id was given to another program since; PostgreSQL itself would refuse to start over it.
    await rm(pidFile, { force: true })
    return false
  }
  const port = Number(lines[3])
  const deadline = performance.now() + START_TIMEOUT_MS
  while (await isPostmaster(pid, data)) {
    if (performance.now() > deadline) throw new Error(`PostgreSQL ${pid} of ${data} neither answers nor ends`)
    const lock = await takeLock(port, password).catch(() => null)
    if (lock === undefined) throw inUse(options.dataDir)
    // Its primary is ours already, so a standby that still recovers is nobody else's.
    if (lock !== null || options.standby?.()) {
      process.kill(pid, 'SIGINT')
      await lock?.end().catch(() => undefined)
      while (await isPostmaster(pid, data)) {
        if (performance.now() > deadline) throw new Error(`PostgreSQL ${pid} of ${data} does not stop`)
        await wait(50)
      }
      return true
    }
    // It may still be starting, recovering, or on its way down.
    await wait(100)
  }
  return true
}

/** Ends a process that a killed server left on the folder of a copy; the primary must be ours already. */
export async function stopLeftover(dataDir: string, password: string): Promise<boolean> {
  const place = await findPlace(dataDir)
  return await stopOrphan(join(place.folder, 'data'), password, { dataDir, standby: () => true })
}

async function isPostmaster(pid: number, data: string): Promise<boolean> {
  try {
    process.kill(pid, 0)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false
  }
  if (process.platform !== 'linux') return true
  const commandLine = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')
  // The arguments are ours; a zombie has none and is as good as gone.
  return commandLine.split('\0').includes(data)
}

async function startChild(
  place: PostgresPlace,
  data: string,
  port: number,
  password: string,
  options: PostgresOptions,
): Promise<ChildProcess> {
  const settings: Record<string, string> = {
    listen_addresses: '127.0.0.1',
    port: String(port),
    unix_socket_directories: socketFolderOf(place) ?? '',
    unix_socket_permissions: '0700',
    shared_buffers: '128MB',
    max_connections: '100',
    max_wal_size: '1GB',
    wal_compression: 'on',
    timezone: 'UTC',
    log_timezone: 'UTC',
    log_min_messages: 'warning',
    // Statements and their parameters may carry what people wrote; the log stays free of it.
    log_min_error_statement: 'panic',
    log_parameter_max_length_on_error: '0',
    ...(options.durable === false
      ? { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off', shared_buffers: '64MB' }
      : { fsync: 'on', synchronous_commit: 'on' }),
    ...options.settings?.(),
  }
  await mkdir(options.dataDir, { recursive: true })
  const logPath = join(options.dataDir, 'postgres.log')
  const size = (await stat(logPath).catch(() => undefined))?.size ?? 0
  if (size > LOG_SIZE_BYTES_MAX) await rename(logPath, `${logPath}.1`)
  const log = await open(logPath, 'a', 0o600)
  try {
    const child = spawn(
      join(place.binDir, 'postgres'),
      ['-D', data, ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])],
      {
        ...place.user,
        cwd: place.folder,
        env: childEnvironment(),
        stdio: ['ignore', log.fd, log.fd],
        // Its own process group: Ctrl-C reaches the server alone, which drains before it stops the database.
        detached: true,
      },
    )
    let failed: string | undefined
    child.once('error', (error) => {
      failed = String(error)
    })
    const deadline = performance.now() + START_TIMEOUT_MS
    for (;;) {
      if (failed !== undefined || child.exitCode !== null || child.signalCode !== null) {
        throw new Error(
          `PostgreSQL did not start (${failed ?? child.exitCode ?? child.signalCode}); see ${logPath}`,
        )
      }
      const client = await connect(port, password).catch((error: { code?: string }) => error.code)
      if (typeof client === 'object') {
        await client.end()
        return child
      }
      // 57P03: it recovers, and a standby does so until its primary has sent what it needs.
      if (options.standby?.() && client === '57P03') return child
      if (performance.now() > deadline) {
        await stopChild(child)
        throw new Error(`PostgreSQL did not answer within ${START_TIMEOUT_MS / 1000} s; see ${logPath}`)
      }
      await wait(30)
    }
  } finally {
    await log.close()
  }
}

async function stopChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  child.kill('SIGINT')
  const timer = setTimeout(() => child.kill('SIGQUIT'), STOP_TIMEOUT_MS)
  await ended
  clearTimeout(timer)
}

async function connect(port: number, password: string): Promise<pg.Client> {
  const client = new pg.Client({ host: '127.0.0.1', port, user: 'postgres', password, database: 'postgres' })
  client.on('error', () => undefined)
  await client.connect()
  return client
}

/** Resolves to the connection that holds the lock, or to undefined when another server holds it. */
async function takeLock(port: number, password: string): Promise<pg.Client | undefined> {
  const client = await connect(port, password)
  const answer = await client.query<{ taken: boolean }>('select pg_try_advisory_lock($1) as taken', [
    OWNER_LOCK,
  ])
  if (answer.rows[0]?.taken) return client
  await client.end()
  return undefined
}
