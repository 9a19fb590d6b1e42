/** The server as a whole: database, migrations, rooms, listening, and the way back. */
import { readFile, rm } from 'node:fs/promises'
import { setTimeout as wait } from 'node:timers/promises'
import { sm2Status } from '@yinxin/pki'
import { z } from 'zod'
import { type App, type AppDeps, createApp } from './app.ts'
import { type Clock, systemClock } from './clock.ts'
import { type Config, ConfigError, localUrl, readConfig } from './config.ts'
import { backupStates, databaseCommands, drillNow } from './database-commands.ts'
import { backupsUntil, newestBackups } from './db/backups.ts'
import { planClusters } from './db/copies.ts'
import { type Databases, type FollowingUrls, startDatabases } from './db/databases.ts'
import { currentUrl } from './db/db.ts'
import { outsideCopies } from './db/outside-copies.ts'
import { type ManagedPostgres, startPostgres } from './db/postgres.ts'
import { removeCluster } from './db/postgres-place.ts'
import { followPrimaries } from './db/primary-finder.ts'
import { promoteStopped as promoteStoppedCluster } from './db/promote-stopped.ts'
import { migrateAll } from './db/prepare.ts'
import { type DatabaseUrls, provision } from './db/provision.ts'
import { vacuumKeys } from './db/vacuum-keys.ts'
import { freePort } from './free-port.ts'
import { askOperator, NoServer, openOperatorDoor } from './operator-door.ts'
import { createOperatorPages } from './operator-pages.ts'
import { operatorCommands } from './operator.ts'
import { createLog, type Log } from './log.ts'
import { createLogCommands } from './evidence/evidence.ts'
import { repeatDestructions, settleLog } from './restored-log.ts'
import { addWeb } from './web/web.ts'

export type { App } from './app.ts'
export { Refusal } from './errors.ts'
export { OperatorRefusal } from './operator-door.ts'
export type { BackupStatus, DatabaseStatus } from './database-commands.ts'
export type { DrillReport } from './drill.ts'
export { type BundleSource, openBundle } from './portability/bundle-source.ts'
export type { ImportReport } from './portability/import.ts'
export {
  type CustodyOverview,
  type DurabilityAnswer,
  findingDetail,
  type OperatorWord,
  operatorWord,
} from './custody/custody.ts'
export { restoreInstallation } from './restore-installation.ts'
export { checkOutside, type OutsideCheck } from './db/outside-check.ts'
export type { AdvanceReport, Attestation, KeyStatus } from './kms/kms.ts'
export type { FsckReport, RepairReport, ScrubReport } from './storage/storage.ts'
export type { LogStatus } from './evidence/evidence.ts'
export { toOpenId } from './fasc/fasc.ts'
export { buildWeb } from './web/web.ts'
export { type ComparedPage, comparePages } from './verification/verification.ts'
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
  /** False for short-lived platforms of demos and tests: one cluster, no copies, nothing synced to disk by PostgreSQL. */
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
  /** The embedded main database, its primary of now; undefined with an outside one. */
  readonly postgres: ManagedPostgres | undefined
  /** Both embedded databases with their copies; undefined with outside ones and short-lived platforms. */
  databases: Databases | undefined
  /** True when a PostgreSQL that a killed server left behind was taken over. */
  recovered: boolean
  /** Answers on while balancers take notice: for `drainMs` of the settings. */
  drain(): Promise<void>
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
    // 1. The databases: outside ones, or our own as children.
    const clock = options.clock ?? systemClock
    const {
      urls,
      following,
      postgres,
      databases,
      stop: stopDatabase,
    } = await databaseOf(config, log, clock, options)
    steps.push(stopDatabase)

    // 2. Their shape; then their copies, which are made while the rooms are built.
    const applied = await migrateAll(urls)
    if (applied.length > 0) log.info({ migrations: applied }, 'database brought up to date')
    databases?.main.beginCopies()
    databases?.keys.beginCopies()

    // 3. The rooms.
    const app = await createApp({
      config,
      urls: following,
      dbCopies: databases?.copies ?? (() => outsideCopies(following)),
      ...(databases
        ? {
            keyBackupsUntil: (since: Date) => backupsUntil(databases.keys.plan.archives, since),
            newestBackups: () =>
              newestBackups([databases.main, databases.keys], config.databaseCopies.backups.everyMs),
          }
        : {}),
      clock,
      log,
      ...(options.faults ? { faults: options.faults } : {}),
    })
    steps.push(() => app.close())
    if (options.webDir !== undefined) await addWeb({ app: app.http.app, directory: options.webDir })

    // 4. From here on a commit is one in both sites.
    if (databases) await untilCopied(databases, log)
    if (config.roles.length > 0) await settleLog(app, config.dataDir, log)

    // 5. What this process is for.
    const { roles } = config
    const { commands, pages } = operatorCommands(app, clock, databases && (() => backupStates(databases)))
    const evenWithoutDatabase = new Set<string>()
    app.jobs.define('database.vacuum-keys', z.looseObject({}), async () => {
      log.info({ tables: await vacuumKeys(currentUrl(following.keysOwnerUrl)) }, 'tables of keys rewritten')
    })
    app.jobs.schedule('database.vacuum-keys', '41 3 1 * *')
    if (databases) {
      const deps = { app, config, clock, log, databases }
      const mending = databaseCommands(deps)
      Object.assign(commands, mending)
      for (const name of Object.keys(mending)) evenWithoutDatabase.add(name)
      app.jobs.define('database.drill', z.looseObject({}), async () => void (await drillNow(deps)))
      app.jobs.schedule('database.drill', '23 2 * * 0')
      if (roles.includes('worker')) databases.beginBackups(config.databaseCopies.backups)
    }
    // A process of one command is gone before anybody could look.
    const looked = roles.length > 0 ? createOperatorPages(pages, clock) : undefined
    const transparency = createLogCommands(app.evidence)
    Object.assign(commands, {
      'log-status': transparency.status,
      async 'log-continue'(options: Record<string, unknown>) {
        const declared = await transparency.declare(options)
        await repeatDestructions(app, log)
        return declared
      },
    })
    const door = await openOperatorDoor(
      config.dataDir,
      app.operators.guard(commands, evenWithoutDatabase),
      looked,
    )
    steps.push(() => door.close())
    if (roles.includes('worker')) await app.jobs.start({ scheduled: roles.includes('scheduler') })
    if (roles.length > 0) await app.sla.start()
    if (roles.length > 0) app.monitoring.start()
    if (roles.includes('api')) await app.http.listen({ host: config.host, port: config.port })
    // Asking runs the self-test: a native route that fails it is replaced by our own before anybody signs.
    log.info({ url: config.baseUrl, mode: config.mode, roles, sm2: sm2Status() }, 'started')

    let stopped: Promise<void> | undefined
    const stop = () => (stopped ??= unwind())
    return {
      url: config.baseUrl,
      config,
      app,
      get postgres() {
        return postgres()
      },
      databases,
      recovered: databases?.recovered ?? postgres()?.recovered ?? false,
      async drain() {
        log.info({ drainMs: config.drainMs }, 'draining')
        app.drain()
        await wait(config.drainMs)
      },
      stop,
    }
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
 * starting: a database is never left behind. SIGTERM drains first. Asking again after a moment ends the process at once.
 */
export async function serveUntilSignal(
  config: Config,
  options: StartOptions,
  onStarted: (server: Server) => void | Promise<void> = () => undefined,
  ended?: Promise<unknown>,
): Promise<void> {
  const signal = new Promise<NodeJS.Signals>((resolve) => {
    let askedAtMs: number | undefined
    const onSignal = (name: NodeJS.Signals) => {
      askedAtMs ??= performance.now()
      if (performance.now() - askedAtMs > SAME_SIGNAL_MS) process.exit(130)
      resolve(name)
    }
    process.on('SIGINT', onSignal)
    process.on('SIGTERM', onSignal)
  })
  const server = await startServer(config, options)
  try {
    await onStarted(server)
    const end = await (ended === undefined ? signal : Promise.race([signal, ended]))
    // Supervisors and balancers end a server so; a person at a terminal does not want to wait.
    if (end === 'SIGTERM' && config.drainMs > 0) await server.drain()
  } finally {
    await server.stop()
  }
}

/**
 * Runs a command on an installation. With no server running its rooms are opened for this one command, and nothing
 * listens; a second server of the same data folder is refused.
 * @throws OperatorRefusal, ConfigError, and whatever keeps the databases from starting
 */
export async function commandInstallation(
  config: Config,
  name: string,
  options: Record<string, unknown>,
  onProgress: (progress: unknown) => void,
  signal: AbortSignal,
): Promise<unknown> {
  const key = await operatorKey(config)
  try {
    return await askOperator(config.dataDir, name, options, onProgress, signal, key)
  } catch (error) {
    if (!(error instanceof NoServer)) throw error
  }
  const server = await startServer({ ...config, roles: [] }, {})
  try {
    return await askOperator(config.dataDir, name, options, onProgress, signal, key)
  } finally {
    await server.stop()
  }
}

async function operatorKey({ operatorKeyFile }: Config): Promise<string | undefined> {
  if (operatorKeyFile === undefined) return undefined
  try {
    return (await readFile(operatorKeyFile, 'utf8')).trim()
  } catch (error) {
    throw new ConfigError([`YINXIN_OPERATOR_KEY_FILE cannot be read: ${(error as Error).message}`])
  }
}

/** Where the embedded databases of an installation stand. */
export function planDatabases(config: Config) {
  return planClusters(config.databaseCopies.folders, config.databaseCopies.counts)
}

/** A promotion while no server runs. */
export const promoteStopped = (
  plan: Parameters<typeof promoteStoppedCluster>[0],
  how: Omit<Parameters<typeof promoteStoppedCluster>[1], 'clock'>,
) => promoteStoppedCluster(plan, { ...how, clock: systemClock })

/** Removes the data, the keys and the embedded databases of a stopped throw-away server. */
export async function removeInstallation(
  config: Pick<Config, 'dataDir' | 'keyDir'> & Partial<Pick<Config, 'databaseCopies'>>,
): Promise<void> {
  const folders =
    config.databaseCopies?.folders ?? readConfig({ YINXIN_DATA_DIR: config.dataDir }).databaseCopies.folders
  const plans = planClusters(folders, { primary: 2, recovery: 2 })
  for (const { copies } of [plans.main, plans.keys]) for (const { home } of copies) await removeCluster(home)
  for (const folder of [config.keyDir, ...Object.values(folders)])
    await rm(folder, { recursive: true, force: true })
}

/** How long a start waits for the copies before it goes on and says so. */
const COPIES_START_MS = 20_000

async function untilCopied(databases: Databases, log: Log): Promise<void> {
  const both = [databases.main, databases.keys]
  const ready = await Promise.all(both.map((cluster) => cluster.copiesReady(COPIES_START_MS)))
  for (const [index, cluster] of both.entries()) {
    if (!ready[index]) log.error({ cluster: cluster.cluster }, 'a copy of the database does not follow yet')
  }
}

/** Links carry the port, so a free one must be known before the rooms are built. */
async function withPort(config: Config): Promise<Config> {
  if (config.port !== 0) return config
  const port = await freePort(config.host)
  return { ...config, port, baseUrl: config.baseUrlDerived ? localUrl(config.host, port) : config.baseUrl }
}

interface StartedDatabase {
  urls: DatabaseUrls
  following: FollowingUrls
  postgres: () => ManagedPostgres | undefined
  databases: Databases | undefined
  stop: () => Promise<void>
}

async function databaseOf(
  config: Config,
  log: Log,
  clock: Clock,
  options: StartOptions,
): Promise<StartedDatabase> {
  if (config.databases) {
    const finder = await followPrimaries(config.databases, {
      onEvent: (event, detail) => log.warn(detail, event),
    })
    return {
      urls: finder.urls(),
      following: finder.following,
      postgres: () => undefined,
      databases: undefined,
      stop: async () => finder.stop(),
    }
  }
  const onEvent = (event: string, detail: Record<string, unknown>) => log.warn(detail, event)
  const restartDelayMs = options.restartDelayMs ?? 0
  const leftOver = 'a database left over by a killed server was taken over'
  if (options.durableDatabase === false) {
    const postgres = await startPostgres({
      dataDir: config.dataDir,
      binDir: config.databaseCopies.binDir,
      durable: false,
      restartDelayMs,
      onEvent,
    })
    if (postgres.recovered) log.warn(leftOver)
    try {
      const urls = await provision(postgres)
      return { urls, following: urls, postgres: () => postgres, databases: undefined, stop: postgres.stop }
    } catch (error) {
      await postgres.stop()
      throw error
    }
  }
  const { counts, folders, sync, binDir } = config.databaseCopies
  const databases = await startDatabases({ folders, counts, sync, binDir, clock, restartDelayMs, onEvent })
  if (databases.recovered) log.warn(leftOver)
  if (databases.moved) log.warn(databases.moved, 'the keys database was moved into its own cluster')
  return {
    urls: databases.urls(),
    following: databases.following,
    postgres: () => databases.main.primary(),
    databases,
    stop: databases.stop,
  }
}
