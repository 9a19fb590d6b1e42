/**
 * The rooms of people over a cloned database, without HTTP: for tests of those rooms and of the ones below.
 *
 *     const house = await openPeople()          // in beforeAll
 *     const alice = await house.register('13800000001', '张三')
 *     await house.close()                       // in afterAll
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Accounts, createAccounts, type SessionCaller } from '../apps/server/src/accounts/accounts.ts'
import { type Audit, createAudit } from '../apps/server/src/audit/audit.ts'
import { manualClock } from '../apps/server/src/clock.ts'
import { type Db, openDb } from '../apps/server/src/db/db.ts'
import {
  createIdentity,
  createIdentitySimulator,
  type Identity,
  type IdentityProvider,
} from '../apps/server/src/identity/identity.ts'
import { createJobs, type Jobs } from '../apps/server/src/jobs/jobs.ts'
import { createKms, type Kms } from '../apps/server/src/kms/kms.ts'
import { createLog, type Log } from '../apps/server/src/log.ts'
import {
  type Carrier,
  createNotifications,
  createOutboxCarrier,
  type Notifications,
} from '../apps/server/src/notifications/notifications.ts'
import { createTestDatabase, type TestDatabase } from './database.ts'

export interface People {
  database: TestDatabase
  db: Db
  keysDb: Db
  clock: ReturnType<typeof manualClock>
  log: Log
  /** Every line the rooms logged. */
  logged: string[]
  jobs: Jobs
  kms: Kms
  audit: Audit
  notifications: Notifications
  accounts: Accounts
  identity: Identity
  /** Delivers what is queued and gives back the newest code sent to a login. */
  codeFor(login: string): Promise<string>
  /** Registers by code; with an identity number the person is proven as well. */
  register(login: string, name: string, idNumber?: string): Promise<SessionCaller>
  /** A company with its administrator, the session acting for it. */
  found(admin: SessionCaller, name: string, creditCode: string): Promise<SessionCaller>
  close(): Promise<void>
}

export async function openPeople(
  options: {
    carriers?: Partial<Record<'mail' | 'sms', Carrier>>
    provider?: IdentityProvider
    codeBudgets?: { perAddress: number; altogether: number }
    now?: Date
  } = {},
): Promise<People> {
  const database = await createTestDatabase()
  const keyDir = await mkdtemp(join(tmpdir(), 'yinxin-keys-'))
  const logged: string[] = []
  const log = createLog('debug', { write: (line) => void logged.push(line) })
  const clock = manualClock(options.now ?? new Date())
  const db = openDb({ url: database.url })
  const keysDb = openDb({ url: database.keysUrl })
  const kms = await createKms({ keysDb, clock, keyDir })
  const jobs = createJobs({ url: database.url, log })
  const audit = createAudit({ clock })
  const notifications = createNotifications({
    db,
    clock,
    log,
    jobs,
    kms,
    carriers: { mail: createOutboxCarrier(), sms: createOutboxCarrier(), ...options.carriers },
    keptDays: 30,
  })
  const accounts = createAccounts({
    db,
    clock,
    kms,
    audit,
    notifications,
    codeBudgets: options.codeBudgets ?? { perAddress: 60, altogether: 2000 },
  })
  await accounts.keyedHash('warm', '')
  const identity = createIdentity({
    db,
    clock,
    log,
    audit,
    accounts,
    notifications,
    provider: options.provider ?? createIdentitySimulator(),
  })

  async function codeFor(login: string): Promise<string> {
    const problems = await jobs.drain()
    if (problems.length > 0) throw problems[0]
    const [newest] = await notifications.outbox({ to: login })
    if (newest?.code == null) throw new Error(`no code was sent to ${login}`)
    return newest.code
  }

  return {
    database,
    db,
    keysDb,
    clock,
    log,
    logged,
    jobs,
    kms,
    audit,
    notifications,
    accounts,
    identity,
    codeFor,
    async register(login, name, idNumber) {
      await accounts.requestLoginCode({ login, lang: 'zh' })
      const { caller } = await accounts.register({ login, code: await codeFor(login), name })
      if (idNumber !== undefined) {
        const check = await identity.provePerson(caller, { name, idNumber })
        if (check.result !== 'passed') throw new Error(`the identity of ${name} was not proven`)
      }
      return caller
    },
    async found(admin, name, creditCode) {
      const corp = await identity.registerCorp(admin, { name, creditCode, legalRepresentative: '法定人' })
      return accounts.actAs(admin, corp.id)
    },
    async close() {
      notifications.close()
      await jobs.close()
      kms.close()
      await db.close()
      await keysDb.close()
      await database.drop()
      await rm(keyDir, { recursive: true, force: true })
    },
  }
}
