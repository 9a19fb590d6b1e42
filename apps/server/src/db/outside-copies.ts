/**
 * Copies of databases that somebody else runs, as far as their primaries let themselves be asked: who follows, and
 * how far. Where each copy stands only its keeper knows.
 */
import pg from 'pg'
import type { ClusterName, DbCopy } from './copies.ts'
import { currentUrl, type UrlSource } from './db.ts'

/** Asks with the logins of the server. */
export async function outsideCopies(urls: { url: UrlSource; keysUrl: UrlSource }): Promise<DbCopy[]> {
  const both = [
    ['main', urls.url],
    ['keys', urls.keysUrl],
  ] as const
  return (await Promise.all(both.map(([cluster, url]) => copiesOf(cluster, currentUrl(url))))).flat()
}

const CONNECT_TIMEOUT_MS = 5000

const NOTHING_KNOWN = { lagBytes: null, flushLagBytes: null, replayedAt: null, sync: false }

async function copiesOf(cluster: ClusterName, url: string): Promise<DbCopy[]> {
  const base = { cluster, site: 'unknown', deviceId: null } as const
  const primary = { ...base, name: `${cluster}-primary`, role: 'primary' } as const
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: CONNECT_TIMEOUT_MS })
  client.on('error', () => undefined)
  try {
    await client.connect()
    await client.query(MONITOR)
    const standbys = await standbysOf(client, base)
    return [
      {
        ...primary,
        state: 'running',
        lagBytes: 0,
        flushLagBytes: 0,
        replayedAt: await nowOf(client),
        sync: false,
      },
      ...standbys,
    ]
  } catch {
    return [{ ...primary, state: 'down', ...NOTHING_KNOWN }]
  } finally {
    await client.end().catch(() => undefined)
  }
}

/** The server's logins inherit nothing, so what was granted must be taken up; without the grant nothing changes. */
const MONITOR = `select set_config('role', 'pg_monitor', false) where pg_has_role(session_user, 'pg_monitor', 'member')`

async function nowOf(client: pg.Client): Promise<Date | null> {
  const { rows } = await client.query<{ now: Date }>('select clock_timestamp() as now')
  return rows[0]?.now ?? null
}

/**
 * Anybody sees that somebody follows; who, and how far, only with pg_monitor: then it is `unknown`. A standby that is
 * away is seen by its slot alone, and not at all without one.
 */
async function standbysOf(
  client: pg.Client,
  base: Pick<DbCopy, 'cluster' | 'site' | 'deviceId'>,
): Promise<DbCopy[]> {
  const { rows: streams } = await client.query<{
    name: string
    state: string | null
    sync: boolean | null
    replay: string | null
    flush: string | null
    replayed_at: Date | null
  }>(`select coalesce(nullif(application_name, ''), 'pid ' || pid) as name, state,
        sync_state in ('sync', 'quorum') as sync,
        pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn)::text as replay,
        pg_wal_lsn_diff(pg_current_wal_lsn(), flush_lsn)::text as flush,
        case when replay_lsn >= pg_current_wal_lsn() then clock_timestamp() else reply_time - replay_lag end as replayed_at
      from pg_stat_replication where state is distinct from 'backup' order by 1`)
  const { rows: slots } = await client.query<{ name: string }>(
    `select slot_name::text as name from pg_replication_slots where slot_type = 'physical' and not active order by 1`,
  )
  const bytes = (text: string | null) => (text === null ? null : Math.max(0, Number(text)))
  return [
    ...streams.map(
      (one): DbCopy => ({
        ...base,
        name: one.name,
        role: 'standby',
        state: one.state === null ? 'unknown' : one.state === 'streaming' ? 'streaming' : 'catching-up',
        lagBytes: bytes(one.replay),
        flushLagBytes: bytes(one.flush),
        replayedAt: one.replayed_at,
        sync: one.sync ?? false,
      }),
    ),
    ...slots.map(({ name }): DbCopy => ({ ...base, name, role: 'standby', state: 'down', ...NOTHING_KNOWN })),
  ]
}
