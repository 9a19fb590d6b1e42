/**
 * THE MAP. Every room is built here by hand, in the order in which rooms may know each other; then their routes
 * are mounted. Read from top to bottom, this file is the architecture.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { sql } from 'kysely'
import { z } from 'zod'
import { createAccounts } from './accounts/accounts.ts'
import { addAccountRoutes } from './accounts/routes.ts'
import { sessionRules } from './accounts/sessions.ts'
import { createAudit } from './audit/audit.ts'
import { createBreakers } from './breakers/breakers.ts'
import { createCa } from './ca/ca.ts'
import { addCaRoutes } from './ca/routes.ts'
import type { Clock } from './clock.ts'
import type { Config } from './config.ts'
import { type Db, type DbCopy, openDb } from './db/db.ts'
import type { FollowingUrls } from './db/databases.ts'
import { createCustody, custodyPromises } from './custody/custody.ts'
import { addCustodyRoutes } from './custody/routes.ts'
import { writeDurably } from './db/durable-file.ts'
import { createDestruction, destructionPromises, type DestructionStep } from './destruction/destruction.ts'
import { addDestructionRoutes } from './destruction/routes.ts'
import { createDocuments } from './documents/documents.ts'
import { addDocumentRoutes } from './documents/routes.ts'
import { createEvidence, evidencePromises, type PublishedHeads } from './evidence/evidence.ts'
import { addLogRoutes } from './evidence/routes.ts'
import { createFasc } from './fasc/fasc.ts'
import { addFascRoutes } from './fasc/routes.ts'
import { addDependencyRoute } from './http/dependencies.ts'
import { addHealthRoutes } from './http/health.ts'
import { createHttp, createPace } from './http/http.ts'
import { createIdentityBureau, guardProvider } from './identity/bureau.ts'
import { createIdentity } from './identity/identity.ts'
import { addIdentityRoutes } from './identity/routes.ts'
import { createIdentitySimulator } from './identity/simulator.ts'
import {
  createDiagnosis,
  createIncidents,
  createProblemMemory,
  incidentPromises,
} from './incidents/incidents.ts'
import { addIncidentRoutes } from './incidents/routes.ts'
import { createCompensation } from './compensation/compensation.ts'
import { addCompensationRoutes } from './compensation/routes.ts'
import { createJobs } from './jobs/jobs.ts'
import { createKms, openKeyDriver } from './kms/kms.ts'
import type { Log } from './log.ts'
import { createMonitoring, createRequestCounters, type MeasureSources } from './monitoring/monitoring.ts'
import { addMonitoringRoutes } from './monitoring/routes.ts'
import {
  createMailCarrier,
  createNotifications,
  createOutboxCarrier,
  createSmsCarrier,
  guardCarrier,
  isCarrierDown,
} from './notifications/notifications.ts'
import { addOutboxRoute } from './notifications/routes.ts'
import { createOperators } from './operators/operators.ts'
import { createOutbox } from './outbox/outbox.ts'
import {
  createImported,
  createPortability,
  importedObjects,
  portabilityPromises,
} from './portability/portability.ts'
import { addImportRoutes } from './portability/import-routes.ts'
import { addPortabilityRoutes } from './portability/routes.ts'
import { createPromises } from './promises/promises.ts'
import { addPromiseRoutes } from './promises/routes.ts'
import { addSealRoutes } from './seals/routes.ts'
import { createSealFont, createSeals } from './seals/seals.ts'
import { addCeremonyRoutes } from './sign-tasks/ceremony-routes.ts'
import { addSignTaskRoutes } from './sign-tasks/routes.ts'
import { createSignTasks } from './sign-tasks/sign-tasks.ts'
import { createPackages } from './signing/package.ts'
import { addSigningRoutes } from './signing/routes.ts'
import { type CrashPoint, createSigning } from './signing/signing.ts'
import { measureEdge } from './sla/edge-routes.ts'
import { addSlaReportRoutes } from './sla/report-routes.ts'
import { addSlaRoutes } from './sla/routes.ts'
import {
  createMeter,
  createSla,
  createSlaReports,
  slaPromises,
  watchCertificates,
  watchSigning,
} from './sla/sla.ts'
import { addStatusRoutes } from './status/routes.ts'
import { createStatus } from './status/status.ts'
import {
  createBucketNotes,
  createFolderNotes,
  createStorage,
  defaultSites,
  openBucketSites,
  type SiteNotes,
} from './storage/storage.ts'
import { addTimestampRoutes } from './timestamps/routes.ts'
import { createTimestamps, readAnchors } from './timestamps/timestamps.ts'
import { addVerificationRoutes } from './verification/routes.ts'
import { createVerification } from './verification/verification.ts'
import { addWebhookRoutes } from './webhooks/routes.ts'
import { createWebhooks, isUnreachable } from './webhooks/webhooks.ts'

const platformVersion = (
  JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string }
).version

export interface AppDeps {
  config: Config
  urls: FollowingUrls
  /** Where the databases' copies stand, measured when asked. */
  dbCopies?: () => Promise<DbCopy[]>
  /** Kept backups of the keys database from before a moment; not set where somebody else keeps them. */
  keyBackupsUntil?: (since: Date) => Promise<string[]>
  /** The newest backup of each cluster; null when somebody else keeps them. */
  newestBackups?: MeasureSources['backups']
  clock: Clock
  log: Log
  /** Opened over databases that are thrown away: nothing outside of them may hear of what it signs. */
  isRehearsal?: boolean
  /** For tests that end the process between two steps of a signing. */
  faults?: { crash?: (point: CrashPoint | DestructionStep) => Promise<void>; leaseMs?: number }
}

const headNote = 'log-checkpoint'

/** The newest checkpoint of the log, in both sites of storage. */
function publishedHeads(notes: SiteNotes, log: Log): PublishedHeads {
  const complain = (failed: readonly string[]) => {
    if (failed.length > 0) log.warn({ failed }, 'a place of checkpoints does not answer')
  }
  return {
    async read() {
      const { texts, failed } = await notes.read(headNote)
      complain(failed)
      return texts
    },
    async write(note) {
      complain((await notes.write(headNote, note)).failed)
    },
  }
}

/** A transaction without a statement never leaves the house, so one is asked. */
const answers = (db: Db) => db.ask(async (tx) => (await sql`select 1`.execute(tx)).rows.length === 1)

/** Connections: hundreds may wait for one; a database that comes back is noticed within half a second. */
const CONNECTIONS = { maxUnderWay: 500, minCalls: Number.POSITIVE_INFINITY, failedInRow: 10, openMs: 500 }
/** Each receiver has its own pauses between rounds; only one that is away for all of its callbacks is left alone. */
const RECEIVERS = { failedInRow: 20 }

/** Builds the platform over migrated databases. Nothing runs and nothing listens yet. */
export async function createApp({
  config,
  urls,
  dbCopies = async () => [],
  keyBackupsUntil,
  newestBackups = () => null,
  clock,
  log,
  isRehearsal = false,
  faults = {},
}: AppDeps) {
  // Ground: the two databases, work that outlives a request, facts that flow upward.
  const onConnectionLost = (error: Error) => log.warn({ err: error }, 'database connection lost')
  // What may be away has a circuit breaker, and so many calls at a time.
  const breakers = createBreakers({ clock, log })
  const breakerOf = (name: string) => (role: string) =>
    breakers.add({ kind: 'database', name: `${name} ${role}` }, CONNECTIONS)
  const db = openDb({ url: urls.url, onConnectionLost, breakerOf: breakerOf('main') })
  const keysDb = openDb({ url: urls.keysUrl, poolSize: 4, onConnectionLost, breakerOf: breakerOf('keys') })
  const jobs = createJobs({ url: urls.url, log, concurrency: config.workerConcurrency })
  const outbox = createOutbox({ db, clock, jobs })

  // The inner court: keys, encrypted objects, certificates and time, the record of everything.
  const { driver: keyDriver, from: keyDriverFrom, ...rules } = config.keys
  const mayBeSimulated = config.mode !== 'production' || config.allowSimulators
  const kms = await createKms({
    keysDb,
    clock,
    jobs,
    driver: await openKeyDriver(keyDriver, config.keyDir, mayBeSimulated),
    movingFrom: keyDriverFrom && (await openKeyDriver(keyDriverFrom, config.keyDir, mayBeSimulated)),
    rules: {
      ...rules,
      // A copy that is not there holds nothing; every other one must have seen what happened until then.
      laggingCopies: async (since) =>
        (await dbCopies())
          .filter((copy) => copy.cluster === 'keys' && copy.role === 'standby' && copy.state !== 'missing')
          .filter((copy) => copy.lagBytes !== 0 && (copy.replayedAt === null || copy.replayedAt < since))
          .map((copy) => copy.name),
      backupsUntil: keyBackupsUntil,
    },
  })
  const notes = config.buckets
    ? createBucketNotes(config.buckets)
    : createFolderNotes(config.sites ?? defaultSites(config.dataDir), writeDurably)
  const sites = config.buckets
    ? openBucketSites(config.buckets, { clock, log })
    : (config.sites ?? defaultSites(config.dataDir))
  const storage = createStorage({
    db,
    clock,
    log,
    kms,
    sites,
    // Over HTTP the other replicas come tens of milliseconds later, not two.
    ...(config.buckets === undefined ? {} : { lingerMs: 250 }),
    jobs,
    async keyPresent(scopeIds) {
      const states = await kms.scopeKeyState(scopeIds)
      return new Set(scopeIds.filter((id) => states.get(id)?.state === 'present'))
    },
    async keyDestroyed(scopeIds) {
      const states = await kms.scopeKeyState(scopeIds)
      return new Set(scopeIds.filter((id) => states.get(id)?.state === 'destroyed'))
    },
    scrubPeriodMs: config.scrub.periodMs,
    scrubBytesPerSecond: config.scrub.bytesPerSecond,
  })
  const ca = await createCa({
    db,
    clock,
    kms,
    baseUrl: config.baseUrl,
    ...(config.caOrganization === undefined ? {} : { organization: config.caOrganization }),
  })
  const timestamps = createTimestamps({
    ca,
    clock,
    log,
    urls: config.tsaUrls,
    breakerOf: (url) => breakers.among({ kind: 'tsa', name: new URL(url).host }),
    anchors: config.tsaAnchorsFile === undefined ? [] : readAnchors(config.tsaAnchorsFile),
  })
  const audit = createAudit({ clock })
  const operators = createOperators({ db, clock, log, audit })
  const evidence = await createEvidence({
    db,
    clock,
    kms,
    timestamps,
    jobs,
    ...(isRehearsal ? {} : { heads: publishedHeads(notes, log) }),
    onForeignHeads: (count) => log.warn({ count }, 'checkpoints that this log did not sign lie in the sites'),
  })

  // People: what reaches them, who they are.
  const carriers = {
    mail: config.mail
      ? guardCarrier(
          createMailCarrier(config.mail),
          breakers.add({ kind: 'mail', name: 'smtp' }, { maxUnderWay: 20 }, isCarrierDown),
        )
      : createOutboxCarrier(),
    sms: config.sms
      ? guardCarrier(
          createSmsCarrier(config.sms, clock),
          breakers.add({ kind: 'sms', name: 'gateway' }, { maxUnderWay: 20 }, isCarrierDown),
        )
      : createOutboxCarrier(),
  }
  const keptDays = config.messagesKeptDays
  const notifications = createNotifications({ db, clock, log, jobs, kms, carriers, keptDays })
  const { codeBudgets } = config
  const accounts = createAccounts({ db, clock, kms, audit, notifications, codeBudgets })
  // Loads its key now: inside a transaction it would need a second connection.
  await accounts.keyedHash('warm', '')
  const provider = config.identityBureau
    ? guardProvider(
        createIdentityBureau(config.identityBureau, clock),
        breakers.add({ kind: 'identity', name: 'bureau' }, { maxUnderWay: 20 }, isCarrierDown),
      )
    : createIdentitySimulator()
  const identity = createIdentity({ db, clock, log, audit, accounts, notifications, provider })

  const font = createSealFont()
  const seals = createSeals({ db, clock, kms, audit, accounts, font, mode: config.mode })

  /** What this installation must say about itself wherever a person looks. */
  const environment = () => ({
    mode: config.mode,
    developmentCa: ca.isDevelopment,
    simulators: [
      ...notifications.simulators(),
      ...(provider.simulated ? [provider.name] : []),
      ...(kms.driver.simulated ? ['key-service'] : []),
    ],
  })

  // What is done is counted where it is done, for the promise of availability.
  const meter = createMeter(clock)

  // The heart: files, tasks, the act of signing, and what strangers may check.
  const documents = createDocuments({
    db,
    clock,
    log,
    kms,
    storage,
    audit,
    limitBytes: config.uploadLimitBytes,
    spoolDir: join(config.dataDir, 'spool'),
  })
  const signTasks = createSignTasks({
    db,
    clock,
    log,
    outbox,
    jobs,
    kms,
    storage,
    evidence,
    notifications,
    accounts,
    identity,
    seals,
    documents,
    baseUrl: config.baseUrl,
    environment,
  })
  const signing = createSigning({
    db,
    clock,
    log,
    jobs,
    outbox,
    kms,
    storage,
    ca: watchCertificates(meter, ca),
    timestamps,
    evidence,
    accounts,
    identity,
    seals,
    signTasks,
    font,
    watch: (tenantId, work) => watchSigning(meter, tenantId, work),
    eventKeyAlgorithm: config.eventKeyAlgorithm,
    ...faults,
  })
  const imported = createImported({ db, storage })
  const evidencePackage = createPackages({
    db,
    evidence,
    ca,
    signTasks,
    environment,
    imported: imported.packageOf,
  })
  const verification = createVerification({ ca, signTasks })

  // Towards the programs of customers.
  const webhooks = createWebhooks({
    db,
    clock,
    log,
    jobs,
    outbox,
    accounts,
    mode: config.mode,
    retryMs: config.callbackRetryMs,
    receiverBreaker: (host) => breakers.among({ kind: 'receiver', name: host }, RECEIVERS, isUnreachable),
    concurrency: config.workerConcurrency,
  })
  // Data that can leave, and what came from elsewhere.
  const portability = createPortability({
    db,
    clock,
    log,
    jobs,
    kms,
    storage,
    ca,
    timestamps,
    audit,
    evidence,
    notifications,
    accounts,
    seals,
    documents,
    evidencePackage,
    environment,
    baseUrl: config.baseUrl,
    allowPrivate: config.mode === 'sandbox',
    ...config.exports,
  })
  // The end of a contract, proven; it knows every room that holds a part of one.
  const destruction = createDestruction({
    db,
    clock,
    log,
    jobs,
    outbox,
    kms,
    storage,
    ca,
    timestamps,
    audit,
    evidence,
    notifications,
    accounts,
    documents,
    signTasks,
    webhooks,
    dbCopies,
    environment,
    baseUrl: config.baseUrl,
    version: platformVersion,
    ...config.destruction,
    ...(faults.crash === undefined ? {} : { step: faults.crash }),
  })
  // What is promised of all that lies here, as figures.
  const custody = createCustody({
    db,
    clock,
    log,
    jobs,
    storage,
    evidence,
    ca,
    timestamps,
    signTasks,
    font,
    dbCopies,
    environment,
    scrubPeriodMs: config.scrub.periodMs,
    declared: config.declared,
    storageKind: config.buckets === undefined ? 'folders' : 'buckets',
  })
  const fasc = createFasc({
    db,
    clock,
    jobs,
    outbox,
    kms,
    storage,
    accounts,
    seals,
    documents,
    signTasks,
    verification,
    evidencePackage,
    webhooks,
    pace: createPace({ db, clock, log }),
    baseUrl: config.baseUrl,
    callsPerSecond: config.fascCallsPerSecond,
  })

  destruction.register({ name: 'fasc', ...fasc.destruction })
  destruction.register({ name: 'portability', end: portability.forget, objects: importedObjects })

  const sla = await createSla({
    db,
    clock,
    log,
    jobs,
    kms,
    meter,
    dataDir: config.dataDir,
    probeApps: config.sla.probeApps,
    taggedTenants: async () => {
      const apps = [...config.sla.probeApps, ...config.sla.loadTestApps]
      const found = await Promise.all(apps.map((appId) => accounts.appByAppId(appId)))
      return found.flatMap((app) => app?.subjectId ?? [])
    },
  })

  // The platform looks after itself, and what went wrong is told.
  const requests = createRequestCounters()
  const monitoring = createMonitoring({
    db,
    clock,
    log,
    jobs,
    kms,
    sla,
    carriers,
    settings: config.alerts,
    requests,
    probed: config.sla.probeApps.length > 0,
    rosterDemanded: config.mode === 'production',
    baseUrl: config.baseUrl,
    dataDir: config.dataDir,
    sources: {
      storage: async () => ({
        domains: await storage.places(),
        writable: storage.status().writable,
        ...(await storage.waiting()),
        freeBytes: await storage.freeBytes(),
      }),
      databaseCopies: dbCopies,
      keyStore: () => keysDb.work(async () => true as const),
      certificates: () => ca.expiries(),
      backups: newestBackups,
      queue: () => jobs.measure(),
      pools: () => [
        ...db.pools().map((pool) => ({ database: 'main' as const, ...pool })),
        ...keysDb.pools().map((pool) => ({ database: 'keys' as const, ...pool })),
      ],
    },
  })
  const incidents = createIncidents({ db, clock, jobs, sla, monitoring, baseUrl: config.baseUrl })
  const compensation = createCompensation({ db, clock, jobs, outbox, kms, storage, audit, sla, incidents })
  const problems = createProblemMemory()
  const diagnose = createDiagnosis({
    incidents,
    problems,
    openLink: (token) => signTasks.ceremonies.cover(token),
  })

  const slaReports = createSlaReports({
    db,
    clock,
    log,
    jobs,
    sla,
    evidence,
    ca,
    timestamps,
    font,
    environment,
    incidents: (range) => incidents.publishedIn(range),
  })
  const status = createStatus({ clock, sla, incidents })
  // Every clause of the agreement, and what each room measured of it.
  const promises = await createPromises({ clock, log, kms, environment })
  for (const report of [
    ...custodyPromises({ custody, dbCopies, clock }),
    ...destructionPromises({ db, clock }),
    ...portabilityPromises({ db, clock }),
    ...evidencePromises({ db, clock, evidence }),
    ...slaPromises({ sla, clock }),
    ...incidentPromises({ db, clock, monitoring, incidents }),
  ])
    promises.report(report)

  // The outside: HTTP, and each room's routes.
  const http = await createHttp({
    baseUrl: config.baseUrl,
    db,
    clock,
    log,
    trustProxy: config.trustProxy,
    authentication: accounts,
    sealer: {
      seal: async (label, bytes) => kms.sealSecret(label, bytes),
      open: async (label, sealed) => kms.openSecret(label, sealed),
    },
  })
  const edge = measureEdge({
    http,
    meter,
    taggedApps: [...config.sla.probeApps, ...config.sla.loadTestApps],
    seen: requests.seen,
  })
  sla.onSweep(edge.sweep)
  addHealthRoutes(http, {
    database: () => answers(db),
    keys: () => answers(keysDb),
    storage: async () => Object.values(storage.status().writable).every(Boolean),
  })
  addDependencyRoute(http, () => [
    // Which receivers a tenant has is nobody else's business.
    ...breakers.list().filter(({ kind }) => kind !== 'receiver'),
    ...storage.status().domains.map(({ site, state }) => ({
      kind: `storage-${site}`,
      state: state === 'ready' ? ('closed' as const) : ('open' as const),
      since: null,
    })),
  ])
  addCaRoutes({ http, ca })
  addTimestampRoutes({ http, timestamps })
  addLogRoutes({ http, evidence })
  addAccountRoutes({ http, accounts, environment })
  addIdentityRoutes({ http, identity })
  addSealRoutes({ http, seals })
  addDocumentRoutes({ http, documents })
  addSignTaskRoutes({ http, signTasks, documents })
  addCeremonyRoutes({ http, signTasks, sessionMaxAgeS: sessionRules.absoluteMs / 1000 })
  addSigningRoutes({ http, signing, evidencePackage })
  addVerificationRoutes({ http, verification, uploadLimitBytes: config.uploadLimitBytes })
  addWebhookRoutes({ http, webhooks })
  addPortabilityRoutes({ http, portability })
  addImportRoutes({ http, portability })
  addCustodyRoutes({ http, custody })
  addDestructionRoutes({ http, destruction })
  addFascRoutes({ http, fasc, log })
  addSlaRoutes({ http, sla })
  addMonitoringRoutes({ http, monitoring, metricsToken: config.metricsToken })
  addIncidentRoutes({ http, incidents, diagnose, problems })
  addCompensationRoutes({ http, compensation })
  addSlaReportRoutes({ http, reports: slaReports })
  addStatusRoutes({ http, status })
  addPromiseRoutes({ http, promises })
  addOutboxRoute({ http, notifications, mode: config.mode })
  // What is over is forgotten, so that nothing grows for ever but contracts and their record.
  for (const [name, room] of Object.entries({ http, accounts, identity, notifications })) {
    jobs.define(`${name}.prune`, z.looseObject({}), () => room.prune())
    jobs.schedule(`${name}.prune`, '*/10 * * * *')
  }

  return {
    db,
    dbCopies,
    jobs,
    outbox,
    kms,
    storage,
    audit,
    notifications,
    accounts,
    identity,
    ca,
    timestamps,
    evidence,
    seals,
    documents,
    signTasks,
    signing,
    evidencePackage,
    verification,
    webhooks,
    portability,
    destruction,
    custody,
    fasc,
    sla,
    monitoring,
    incidents,
    slaReports,
    status,
    promises,
    compensation,
    operators,
    environment,
    http,
    breakers,
    /** Asks for no more requests and takes no more jobs, while everything is still answered. */
    drain() {
      http.drain()
      storage.endUpkeep()
      void jobs.stop()
    },
    /** In reverse: requests end first, then jobs, then what both stand on. */
    async close() {
      await http.close()
      storage.endUpkeep()
      portability.close()
      await monitoring.stop()
      await jobs.stop()
      await sla.stop()
      notifications.close()
      await documents.close()
      await storage.close()
      kms.close()
      await jobs.close()
      await Promise.all([db.close(), keysDb.close()])
    },
  }
}

export type App = Awaited<ReturnType<typeof createApp>>
