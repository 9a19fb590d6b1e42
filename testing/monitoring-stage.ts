/** Monitoring over a cloned database and fakes of every channel, with the time in the hands of the test. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type SlaService, slaServices } from '@yinxin/sla'
import { sql } from 'kysely'
import { type FakeDingtalk, startFakeDingtalk } from './fakes/dingtalk.ts'
import { type FakeMailServer, startFakeMailServer } from './fakes/mail.ts'
import { type FakeSmsGateway, startFakeSmsGateway } from './fakes/sms.ts'
import { startWebhookSink, type WebhookSink } from './fakes/webhook-sink.ts'
import { openPeople, type People } from './people.ts'
import { systemClock } from '../apps/server/src/clock.ts'
import { createIncidents, type Incidents } from '../apps/server/src/incidents/incidents.ts'
import { newId } from '../apps/server/src/ids.ts'
import { createMailCarrier, createSmsCarrier } from '../apps/server/src/notifications/notifications.ts'
import { createMeter, createSla, type Sla } from '../apps/server/src/sla/sla.ts'
import type { MeasureSources } from '../apps/server/src/monitoring/measures.ts'
import {
  createMonitoring,
  createRequestCounters,
  type Monitoring,
} from '../apps/server/src/monitoring/monitoring.ts'

export interface MonitoringStage {
  house: People
  sla: Sla
  monitoring: Monitoring
  incidents: Incidents
  /** The measures of the rooms; a test makes them say what it needs. */
  sources: MeasureSources
  dingtalk: FakeDingtalk
  mail: FakeMailServer
  sms: FakeSmsGateway
  webhook: WebhookSink
  heartbeat: WebhookSink
  /** Another process over the same database and folder. */
  again(): Monitoring
  /** Lets a minute pass in which every service but these was well, and looks. */
  minute(
    failing?: readonly SlaService[],
    options?: { tenants?: readonly string[]; look?: boolean },
  ): Promise<void>
  /** What was queued and sent, by state. */
  messages(): Promise<{ channel: string; state: string; target: string; problem: string | null }[]>
  close(): Promise<void>
}

export const smsAccess = { keyId: 'alerts', secret: 'sms-secret-of-the-test' }
export const webhookSecret = 'webhook-secret-of-the-test'
const tenant = newId()

export async function openMonitoringStage(): Promise<MonitoringStage> {
  // Whole minutes of a day with nothing else in it.
  const house = await openPeople({ now: new Date('2026-11-24T02:00:04Z') })
  const folder = await mkdtemp(join(tmpdir(), 'yinxin-monitoring-'))
  const clock = house.clock
  const [dingtalk, mail, sms, webhook, heartbeat] = await Promise.all([
    startFakeDingtalk({
      robots: {
        first: { secret: 'SECfirst', keyword: '印信' },
        second: { secret: 'SECsecond', keyword: '印信' },
      },
      now: () => clock.now().getTime(),
    }),
    startFakeMailServer(),
    startFakeSmsGateway(smsAccess),
    startWebhookSink(),
    startWebhookSink(),
  ])
  const sla = await createSla({
    ...house,
    meter: createMeter(clock),
    dataDir: folder,
    probeApps: ['ours'],
    clockOffsetMs: async () => 0,
  })
  const sources: MeasureSources = {
    storage: () => ({
      domains: [{ name: 'p1', site: 'primary', state: 'ready' }],
      writable: { draft: true, signed: true },
      repairs: 0,
      removals: 0,
      freeBytes: [{ domain: 'p1', bytes: 1e12 }],
    }),
    databaseCopies: () => [],
    keyStore: () => house.keysDb.work(async () => true as const),
    certificates: () => [{ name: 'tsa', notAfter: new Date('2036-01-01T00:00:00Z') }],
    backups: () => null,
    // Nobody runs the jobs here; a test that is about them says what waits.
    queue: () => [],
    pools: () => house.db.pools().map((pool) => ({ database: 'main' as const, ...pool })),
  }
  const smsGateway = { ...smsAccess, url: sms.url, algorithm: 'HMAC-SHA256' as const, timeoutMs: 2000 }
  const mailCarrier = createMailCarrier({ smtpUrl: mail.url, from: 'yinxin@example.test' })
  const deps = {
    ...house,
    sla,
    sources,
    requests: createRequestCounters(),
    carriers: { mail: mailCarrier, sms: createSmsCarrier(smsGateway, systemClock) },
    settings: {
      robots: [
        { url: dingtalk.robotUrl('first'), secret: 'SECfirst' },
        { url: dingtalk.robotUrl('second'), secret: 'SECsecond' },
      ],
      keyword: '印信',
      mail: ['ops@example.test'],
      sms: [],
      webhook: { url: webhook.url, secret: webhookSecret },
      heartbeatUrl: heartbeat.url,
    },
    probed: true,
    rosterDemanded: false,
    baseUrl: 'https://yinxin.test',
    dataDir: folder,
  }
  const monitoring = createMonitoring(deps)
  const incidents = createIncidents({ ...house, sla, monitoring, baseUrl: deps.baseUrl })

  return {
    house,
    sla,
    monitoring,
    incidents,
    sources,
    dingtalk,
    mail,
    sms,
    webhook,
    heartbeat,
    again: () => createMonitoring({ ...deps, jobs: { ...house.jobs, define: () => undefined } }),
    async minute(failing = [], { tenants = [tenant], look = true } = {}) {
      const minute = Math.floor(clock.now().getTime() / 60_000)
      clock.advance(60_000)
      await sla.store.insertFlushes([
        {
          sourceId: newId(),
          seq: 1,
          fromMinute: minute,
          toMinute: minute + 1,
          counts: slaServices.flatMap((service) =>
            tenants.map((tenantId) => {
              const isBad = failing.includes(service)
              return {
                minute,
                service,
                tenantId,
                ok: isBad ? 0 : 10,
                error: isBad ? 10 : 0,
                slow: 0,
                broken: 0,
                excluded: 0,
              }
            }),
          ),
        },
      ])
      if (look) await monitoring.look()
    },
    async messages() {
      const { rows } = await house.db.work((tx) =>
        sql<{ channel: string; state: string; target: string; problem: string | null }>`
          select channel, state, target, problem from monitoring_message order by claimed_at, id`.execute(tx),
      )
      return rows
    },
    async close() {
      await sla.stop()
      mailCarrier.close?.()
      await Promise.all([dingtalk, mail, sms, webhook, heartbeat].map((fake) => fake.close()))
      await house.close()
      await rm(folder, { recursive: true, force: true })
    },
  }
}
