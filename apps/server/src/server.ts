/** The server as a whole: database, migrations, rooms, listening, and the way back. */
import { rm } from 'node:fs/promises'
import { type App, type AppDeps, createApp } from './app.ts'
import { type Clock, systemClock } from './clock.ts'
import { type Config, localUrl } from './config.ts'
import { type ManagedPostgres, startPostgres } from './db/postgres.ts'
import { removeCluster } from './db/postgres-place.ts'
import { migrateAll } from './db/prepare.ts'
import { type DatabaseUrls, provision } from './db/provision.ts'
import { freePort } from './free-port.ts'
import { createLog, type Log } from './log.ts'
import { addWeb } from './web/web.ts'

export type { App } from './app.ts'
export { toOpenId } from './fasc/fasc.ts'
export { buildWeb } from './web/web.ts'
export {
  type Demo,
  type DemoPerson,
  drawSampleContract,
  sampleKeywords,
  seedDemo,
} from './sandbox/sandbox.ts'
export { type Config, ConfigError, type Environment, type Mode, type Role, readConfig } from './config.ts'

export interface StartOptions {
  faults?: AppDeps['faults']
  clock?: Clock
  log?: Log
  /** The built pages, from `buildWeb`; without them only the API is served. */
  webDir?: string
  /** For short-lived clusters of demos and tests: nothing is synced to disk by PostgreSQL. */
  durableDatabase?: boolean
  /** Pause before an embedded PostgreSQL that died is started again. */
  restartDelayMs?: number
}

export interface Server {
  /** Where it is reached. */
  url: string
  config: Config
  /** The doors of all rooms. */
  app: App
  /** The embedded database; undefined with an outside one. */
  postgres: ManagedPostgres | undefined
  /** True when a PostgreSQL that a killed server left behind was taken over. */
  recovered: boolean
  /** Lets requests and jobs in flight end, then stops everything. Calling it again waits for the same end. */
  stop(): Promise<void>
}

/** Starts everything that the roles ask for; resolves when requests are answered. */
export async function startServer(given: Config, options: StartOptions = {}): Promise<Server> {
  const config = await withPort(given)
  const log = options.log ?? createLog(config.logLevel)
  const steps: (() => Promise<void>)[] = []
  const unwind = async () => {
    const failures: unknown[] = []
    for (const step of steps.splice(0).reverse()) await step().catch((error: unknown) => failures.push(error))
    if (failures.length > 0) throw new AggregateError(failures, 'the server did not stop cleanly')
  }
  try {
    // 1. The database: an outside one, or our own as a child.
    const { urls, postgres } = await databaseOf(config, log, options)
    if (postgres) steps.push(() => postgres.stop())

    // 2. Its shape.
    const applied = await migrateAll(urls)
    if (applied.length > 0) log.info({ migrations: applied }, 'database brought up to date')

    // 3. The rooms.
    const app = await createApp({
      config,
      urls,
      clock: options.clock ?? systemClock,
      log,
      ...(options.faults ? { faults: options.faults } : {}),
    })
    steps.push(() => app.close())
    if (options.webDir !== undefined) await addWeb({ app: app.http.app, directory: options.webDir })

    // 4. What this process is for.
    const { roles } = config
    if (roles.includes('worker')) await app.jobs.start({ scheduled: roles.includes('scheduler') })
    if (roles.includes('api')) await app.http.listen({ host: config.host, port: config.port })
    log.info({ url: config.baseUrl, mode: config.mode, roles }, 'started')

    let stopped: Promise<void> | undefined
    const stop = () => (stopped ??= unwind())
    return { url: config.baseUrl, config, app, postgres, recovered: postgres?.recovered ?? false, stop }
  } catch (error) {
    await unwind().catch((cause: unknown) =>
      log.error({ err: cause }, 'clean-up after a failed start failed'),
    )
    throw error
  }
}

/** One Ctrl-C may arrive twice: from the terminal, and handed on by what started the server. */
const SAME_SIGNAL_MS = 1500

/**
 * Starts the server and ends it on Ctrl-C, on SIGTERM or with `ended`, also when that comes while it is still
 * starting: a database is never left behind. Asking again after a moment ends the process at once.
 */
export async function serveUntilSignal(
  config: Config,
  options: StartOptions,
  onStarted: (server: Server) => void | Promise<void> = () => undefined,
  ended?: Promise<unknown>,
): Promise<void> {
  const signal = new Promise<void>((resolve) => {
    let askedAtMs: number | undefined
    const onSignal = () => {
      askedAtMs ??= performance.now()
      if (performance.now() - askedAtMs > SAME_SIGNAL_MS) process.exit(130)
      resolve()
    }
    process.on('SIGINT', onSignal)
    process.on('SIGTERM', onSignal)
  })
  const server = await startServer(config, options)
  try {
    await onStarted(server)
    await (ended === undefined ? signal : Promise.race([signal, ended]))
  } finally {
    await server.stop()
  }
}

/** Removes the data, the keys and the embedded database of a stopped throw-away server. */
export async function removeInstallation(config: Pick<Config, 'dataDir' | 'keyDir'>): Promise<void> {
  await removeCluster(config.dataDir)
  for (const folder of [config.dataDir, config.keyDir]) await rm(folder, { recursive: true, force: true })
}

/** Links carry the port, so a free one must be known before the rooms are built. */
async function withPort(config: Config): Promise<Config> {
  if (config.port !== 0) return config
  const port = await freePort(config.host)
  return { ...config, port, baseUrl: config.baseUrlDerived ? localUrl(config.host, port) : config.baseUrl }
}

async function databaseOf(
  config: Config,
  log: Log,
  options: StartOptions,
): Promise<{ urls: DatabaseUrls; postgres: ManagedPostgres | undefined }> {
  if (config.databases) return { urls: config.databases, postgres: undefined }
  const postgres = await startPostgres({
    dataDir: config.dataDir,
    durable: options.durableDatabase ?? true,
    restartDelayMs: options.restartDelayMs ?? 0,
    onEvent: (event, detail) => log.warn(detail, event),
  })
  if (postgres.recovered) log.warn('a database left over by a killed server was taken over')
  try {
    return { urls: await provision(postgres), postgres }
  } catch (error) {
    await postgres.stop()
    throw error
  }
}
