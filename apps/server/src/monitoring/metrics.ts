/** Figures for Prometheus, in its text format (version 0.0.4). No figure carries anything of a tenant. */
import { badStretch, latencyLimitMs, type Outcome, type SlaService, slaServices } from '@yinxin/sla'
import { sql } from 'kysely'
import type { Clock } from '#src/clock.ts'
import type { Db } from '#src/db/db.ts'
import { monthNameOf, type Sla } from '#src/sla/sla.ts'
import { gather, type Measures, type MeasureSources } from './measures.ts'
import type { createWatchedMinutes } from './watched-minutes.ts'

/** Upper bounds in seconds; the limits of the promise are among them. */
const bounds = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 30]
const outcomes: readonly Outcome[] = ['ok', 'error', 'slow', 'broken', 'excluded']

export type RequestCounters = ReturnType<typeof createRequestCounters>

/** What the edge saw since this process started. */
export function createRequestCounters() {
  const counts = new Map<SlaService, Record<Outcome, number>>()
  const times = new Map<SlaService, { buckets: number[]; sumS: number; count: number }>()
  for (const service of slaServices) {
    counts.set(service, { ok: 0, error: 0, slow: 0, broken: 0, excluded: 0 })
    times.set(service, { buckets: bounds.map(() => 0), sumS: 0, count: 0 })
  }
  return {
    counts,
    times,
    seen(service: SlaService, outcome: Outcome, latencyMs: number | null): void {
      const count = counts.get(service)
      const time = times.get(service)
      if (count === undefined || time === undefined) return
      count[outcome] += 1
      if (outcome === 'excluded' || latencyMs === null) return
      time.count += 1
      time.sumS += latencyMs / 1000
      for (const [index, bound] of bounds.entries()) {
        if (latencyMs / 1000 <= bound) time.buckets[index] = (time.buckets[index] ?? 0) + 1
      }
    },
  }
}

type Labels = Record<string, string>
type Sample = [labels: Labels, value: number, suffix?: string]

/** One family in text format; nothing when it has no sample. */
export function family(
  name: string,
  type: 'counter' | 'gauge' | 'histogram',
  help: string,
  samples: readonly Sample[],
): string {
  if (samples.length === 0) return ''
  const lines = samples.map(([labels, value, suffix = '']) => {
    const text = Object.entries(labels)
      .map(([key, label]) => `${key}="${escapeLabel(label)}"`)
      .join(',')
    return `${name}${suffix}${text === '' ? '' : `{${text}}`} ${numberText(value)}`
  })
  return `# HELP ${name} ${help.replace(/\\/g, '\\\\').replace(/\n/g, '\\n')}\n# TYPE ${name} ${type}\n${lines.join('\n')}\n`
}

const escapeLabel = (text: string) => text.replace(/\\/g, '\\\\').replace(/"/g, '\\"').replace(/\n/g, '\\n')

function numberText(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return '+Inf'
  if (value === Number.NEGATIVE_INFINITY) return '-Inf'
  return Number.isNaN(value) ? 'NaN' : String(value)
}

export interface MetricsDeps {
  db: Db
  clock: Clock
  sla: Pick<Sla, 'month'>
  sources: MeasureSources
  requests: RequestCounters
  minutes: ReturnType<typeof createWatchedMinutes>
}

export function createMetrics({ db, clock, sla, sources, requests, minutes }: MetricsDeps) {
  const startedS = clock.now().getTime() / 1000

  async function alertSamples(): Promise<string> {
    const { rows } = await db.ask((tx) =>
      sql<{ severity: string; acknowledged: boolean; count: number }>`
        select severity, acknowledged_at is not null as acknowledged, count(*)::int as count
        from monitoring_alert where state = 'firing' group by 1, 2`.execute(tx),
    )
    const of = (severity: string, acknowledged: boolean) =>
      rows.find((row) => row.severity === severity && row.acknowledged === acknowledged)?.count ?? 0
    return family(
      'yinxin_alerts_firing',
      'gauge',
      'Open alerts of the platform itself.',
      ['P1', 'P2', 'P3'].flatMap((severity) =>
        [false, true].map(
          (acked): Sample => [{ severity, acknowledged: String(acked) }, of(severity, acked)],
        ),
      ),
    )
  }

  async function outboxSamples(): Promise<string> {
    const { rows } = await db.ask((tx) =>
      sql<{ status: string; count: number; oldest: number }>`
        select status, count(*)::int as count,
          extract(epoch from ${clock.now()}::timestamptz - min(created_at))::float8 as oldest
        from notification where status in ('queued', 'failed') group by 1`.execute(tx),
    )
    const of = (status: string) => rows.find((row) => row.status === status)
    return [
      family('yinxin_messages', 'gauge', 'Mails and text messages that wait or could not be delivered.', [
        [{ state: 'queued' }, of('queued')?.count ?? 0],
        [{ state: 'failed' }, of('failed')?.count ?? 0],
      ]),
      family('yinxin_messages_oldest_queued_seconds', 'gauge', 'Age of the oldest message that waits.', [
        [{}, of('queued')?.oldest ?? 0],
      ]),
    ].join('')
  }

  async function minuteSamples(): Promise<string> {
    const now = clock.now()
    const nowMinute = Math.floor(now.getTime() / 60_000)
    const seen = await minutes.until(nowMinute)
    const bad: Sample[] = []
    const valid: Sample[] = []
    const ok: Sample[] = []
    for (const service of slaServices) {
      const rows = seen.get(service) ?? []
      const last = rows.at(-1)
      bad.push([{ service }, badRun(rows)])
      if (last !== undefined) {
        valid.push([{ service }, last.valid])
        ok.push([{ service }, last.ok])
      }
    }
    const month = await sla.month(monthNameOf(nowMinute)).catch(() => null)
    return [
      family(
        'yinxin_sla_bad_run_length',
        'gauge',
        'Bad minutes in a row up to now, as the promise counts them.',
        bad,
      ),
      family(
        'yinxin_sla_minute_valid',
        'gauge',
        'Requests (or probes) that count, in the minute that ended last.',
        valid,
      ),
      family('yinxin_sla_minute_ok', 'gauge', 'Those of them that were answered well and in time.', ok),
      family(
        'yinxin_sla_month_down_seconds',
        'gauge',
        'Downtime in this month, as far as it is settled; whole minutes.',
        (month?.services ?? []).map(
          ({ service, verdict }): Sample => [{ service }, verdict.downMinutes * 60],
        ),
      ),
      family(
        'yinxin_sla_month_availability',
        'gauge',
        'Availability of this month, as far as it is settled.',
        (month?.services ?? []).flatMap(({ service, verdict }): Sample[] =>
          verdict.availability === null ? [] : [[{ service }, verdict.availability]],
        ),
      ),
    ].join('')
  }

  return {
    async text(): Promise<string> {
      const gathered = await gather(sources)
      const parts = await Promise.all(
        [alertSamples, outboxSamples, minuteSamples].map((part) =>
          part().then(
            (text) => ({ text, failed: false }),
            () => ({ text: '', failed: true }),
          ),
        ),
      )
      const unread = [
        ...gathered.failed.map(({ name }) => name as string),
        ...['alerts', 'messages', 'minutes'].filter((_name, index) => parts[index]?.failed === true),
      ]
      return [
        family('yinxin_start_time_seconds', 'gauge', 'When this process started.', [[{}, startedS]]),
        family(
          'yinxin_measure_failed',
          'gauge',
          '1 for every measure that could not be read at this scrape.',
          [
            ...Object.keys(sources).map((name): Sample => [{ measure: name }, unread.includes(name) ? 1 : 0]),
            ...['alerts', 'messages', 'minutes'].map(
              (name): Sample => [{ measure: name }, unread.includes(name) ? 1 : 0],
            ),
          ],
        ),
        requestFamilies(requests),
        measureFamilies(gathered.values, clock.now()),
        ...parts.map(({ text }) => text),
      ].join('')
    },
  }
}

/** Bad minutes up to the end, whether they are enough for an alarm or not. */
function badRun(rows: Parameters<typeof badStretch>[0]): number {
  const told = badStretch(rows)
  if (told !== null) return told.minutes
  const last = rows.findLast(({ maintenance, source }) => !maintenance && source !== 'nothing')
  return last !== undefined && (last.valid === 0 || last.ok * 10 < last.valid * 9) ? 1 : 0
}

function requestFamilies({ counts, times }: RequestCounters): string {
  return [
    family(
      'yinxin_requests_total',
      'counter',
      'Requests by service and outcome, as the promise counts them; excluded ones do not count.',
      [...counts].flatMap(([service, count]) =>
        outcomes.map((outcome): Sample => [{ service, outcome }, count[outcome]]),
      ),
    ),
    family(
      'yinxin_request_duration_seconds',
      'histogram',
      'From receiving a request that counts to the beginning of its answer.',
      [...times].flatMap(([service, { buckets, sumS, count }]): Sample[] => [
        ...bounds.map((le, index): Sample => [{ service, le: String(le) }, buckets[index] ?? 0, '_bucket']),
        [{ service, le: '+Inf' }, count, '_bucket'],
        [{ service }, sumS, '_sum'],
        [{ service }, count, '_count'],
      ]),
    ),
    family(
      'yinxin_request_limit_seconds',
      'gauge',
      'Within this an answer must begin.',
      [...counts.keys()].map((service): Sample => [{ service }, latencyLimitMs(service) / 1000]),
    ),
  ].join('')
}

function measureFamilies(values: Partial<Measures>, now: Date): string {
  const { storage, databaseCopies = [], certificates = [], backups, queue = [], pools = [] } = values
  const ageS = (at: Date) => (now.getTime() - at.getTime()) / 1000
  return [
    family('yinxin_key_store_up', 'gauge', '1 when the key store answers.', [
      [{}, values.keyStore === true ? 1 : 0],
    ]),
    family(
      'yinxin_storage_domain_ready',
      'gauge',
      '0 for a failure domain in quarantine.',
      (storage?.domains ?? []).map(
        ({ name, site, state }): Sample => [{ domain: name, site }, state === 'ready' ? 1 : 0],
      ),
    ),
    family(
      'yinxin_storage_free_bytes',
      'gauge',
      'Bytes left in a failure domain.',
      (storage?.freeBytes ?? []).flatMap(({ domain, bytes }): Sample[] =>
        bytes === undefined ? [] : [[{ domain }, bytes]],
      ),
    ),
    family(
      'yinxin_storage_writable',
      'gauge',
      '1 when objects of a class reach their quorum.',
      Object.entries(storage?.writable ?? {}).map(([name, can]): Sample => [{ class: name }, can ? 1 : 0]),
    ),
    family('yinxin_storage_waiting', 'gauge', 'Replicas to be made and to be removed.', [
      ...(storage === undefined
        ? []
        : ([
            [{ what: 'repairs' }, storage.repairs],
            [{ what: 'removals' }, storage.removals],
          ] satisfies Sample[])),
    ]),
    family(
      'yinxin_database_copy_up',
      'gauge',
      '1 for a copy of a database that runs or follows.',
      databaseCopies.map(
        ({ cluster, name, site, role, state }): Sample => [
          { cluster, copy: name, site, role },
          state === 'down' || state === 'missing' ? 0 : 1,
        ],
      ),
    ),
    family(
      'yinxin_database_copy_lag_bytes',
      'gauge',
      'Bytes of log that a copy has not applied yet.',
      databaseCopies.flatMap(({ cluster, name, lagBytes }): Sample[] =>
        lagBytes === null ? [] : [[{ cluster, copy: name }, lagBytes]],
      ),
    ),
    family(
      'yinxin_backup_age_seconds',
      'gauge',
      'Age of the newest base backup.',
      (backups ?? []).flatMap(({ cluster, newestAt }): Sample[] =>
        newestAt === null ? [] : [[{ cluster }, ageS(newestAt)]],
      ),
    ),
    family(
      'yinxin_backup_interval_seconds',
      'gauge',
      'Planned time between two base backups.',
      (backups ?? []).map(({ cluster, everyMs }): Sample => [{ cluster }, everyMs / 1000]),
    ),
    family(
      'yinxin_certificate_expires_seconds',
      'gauge',
      'When a certificate of the platform ends, in seconds since 1970.',
      certificates.map(({ name, notAfter }): Sample => [{ name }, notAfter.getTime() / 1000]),
    ),
    family(
      'yinxin_queue_jobs',
      'gauge',
      'Background jobs by kind and state.',
      queue.flatMap(({ kind, waiting, running, givenUp }): Sample[] => [
        [{ kind, state: 'waiting' }, waiting],
        [{ kind, state: 'running' }, running],
        [{ kind, state: 'given-up' }, givenUp],
      ]),
    ),
    family('yinxin_queue_oldest_seconds', 'gauge', 'For how long the oldest job is due.', [
      [{}, Math.max(0, ...queue.map(({ oldestS }) => oldestS))],
    ]),
    family(
      'yinxin_pool_connections',
      'gauge',
      'Connections to the databases by role.',
      pools.flatMap(({ database, role, max, total, idle }): Sample[] => [
        [{ database, role, state: 'busy' }, total - idle],
        [{ database, role, state: 'idle' }, idle],
        [{ database, role, state: 'max' }, max],
      ]),
    ),
    family(
      'yinxin_pool_waiting',
      'gauge',
      'Work that waits for a connection.',
      pools.map(({ database, role, waiting }): Sample => [{ database, role }, waiting]),
    ),
  ].join('')
}
