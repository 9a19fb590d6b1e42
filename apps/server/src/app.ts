/**
 * THE MAP. Every room is built here by hand, in the order in which rooms may know each other; then their routes
 * are mounted. Read from top to bottom, this file is the architecture.
 */
import { z } from 'zod'
import { createAccounts } from './accounts/accounts.ts'
import { addAccountRoutes } from './accounts/routes.ts'
import { createAudit } from './audit/audit.ts'
import type { Clock } from './clock.ts'
import type { Config } from './config.ts'
import { openDb } from './db/db.ts'
import type { DatabaseUrls } from './db/provision.ts'
import { addHealthRoutes } from './http/health.ts'
import { createHttp } from './http/http.ts'
import { createIdentityBureau } from './identity/bureau.ts'
import { createIdentity } from './identity/identity.ts'
import { addIdentityRoutes } from './identity/routes.ts'
import { createIdentitySimulator } from './identity/simulator.ts'
import { createJobs } from './jobs/jobs.ts'
import { createKms } from './kms/kms.ts'
import type { Log } from './log.ts'
import {
  createMailCarrier,
  createNotifications,
  createOutboxCarrier,
  createSmsCarrier,
} from './notifications/notifications.ts'
import { addOutboxRoute } from './notifications/routes.ts'
import { createOutbox } from './outbox/outbox.ts'
import { createStorage, defaultSites } from './storage/storage.ts'

export interface AppDeps {
  config: Config
  urls: DatabaseUrls
  clock: Clock
  log: Log
}

/** Builds the platform over migrated databases. Nothing runs and nothing listens yet. */
export async function createApp({ config, urls, clock, log }: AppDeps) {
  // Ground: the two databases, work that outlives a request, facts that flow upward.
  const onConnectionLost = (error: Error) => log.warn({ err: error }, 'database connection lost')
  const db = openDb({ url: urls.url, onConnectionLost })
  const keysDb = openDb({ url: urls.keysUrl, poolSize: 4, onConnectionLost })
  const jobs = createJobs({ url: urls.url, log, concurrency: config.workerConcurrency })
  const outbox = createOutbox({ db, clock, jobs })

  // The inner court: keys, encrypted objects.
  const kms = await createKms({ keysDb, clock, keyDir: config.keyDir })
  const sites = config.sites ?? defaultSites(config.dataDir)
  const storage = createStorage({ db, clock, log, kms, sites, jobs })
  const audit = createAudit({ clock })

  // People: what reaches them, who they are.
  const carriers = {
    mail: config.mail ? createMailCarrier(config.mail) : createOutboxCarrier(),
    sms: config.sms ? createSmsCarrier(config.sms, clock) : createOutboxCarrier(),
  }
  const notifications = createNotifications({ db, clock, log, jobs, kms, carriers })
  const accounts = createAccounts({ db, clock, kms, audit, notifications })
  const provider = config.identityBureau
    ? createIdentityBureau(config.identityBureau, clock)
    : createIdentitySimulator()
  const identity = createIdentity({ db, clock, log, audit, accounts, notifications, provider })

  /** What this installation must say about itself wherever a person looks. */
  const environment = () => ({
    mode: config.mode,
    developmentCa: config.caOrganization === undefined,
    simulators: [...notifications.simulators(), ...(provider.simulated ? [provider.name] : [])],
  })

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
  addHealthRoutes(http, {
    database: () => db.work(async () => true),
    keys: () => keysDb.work(async () => true),
    storage: async () => Object.values(storage.status().writable).every(Boolean),
  })
  addAccountRoutes({ http, accounts, environment })
  addIdentityRoutes({ http, identity })
  addOutboxRoute({ http, notifications, mode: config.mode })
  jobs.define('http.prune', z.looseObject({}), () => http.prune())
  jobs.schedule('http.prune', '*/10 * * * *')

  return {
    db,
    jobs,
    outbox,
    kms,
    storage,
    audit,
    notifications,
    accounts,
    identity,
    environment,
    http,
    /** In reverse: requests end first, then jobs, then what both stand on. */
    async close() {
      await http.close()
      await jobs.stop()
      notifications.close()
      await storage.close()
      kms.close()
      await jobs.close()
      await Promise.all([db.close(), keysDb.close()])
    },
  }
}

export type App = Awaited<ReturnType<typeof createApp>>
