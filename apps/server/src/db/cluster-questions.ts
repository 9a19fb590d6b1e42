/** What is asked of the instances of a cluster. */
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import type pg from 'pg'
import type { CopyPlan } from './copies.ts'
import type { ManagedPostgres } from './postgres.ts'
import { findPlace } from './postgres-place.ts'
import { asking, slotOf } from './standby.ts'

/** How a copy follows, as the primary sees it. */
export interface Follower {
  state: string | undefined
  /** Bytes of log not yet applied, and not yet on disk, over there. */
  replayLag: number | undefined
  flushLag: number | undefined
  /** Everything up to this moment is applied over there. */
  replayedAt: Date | undefined
  /** `wal_status` of its slot; `lost` means that the log it needs is gone. */
  slot: string | undefined
}

/** By the copy's name. */
export type Followers = Map<string, Follower>

export async function followersOf(client: pg.Client): Promise<Followers> {
  const { rows: streams } = await client.query<{
    name: string
    state: string
    replay: string | null
    flush: string | null
    replayed_at: Date | null
  }>(`select application_name as name, state,
        pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn)::text as replay,
        pg_wal_lsn_diff(pg_current_wal_lsn(), flush_lsn)::text as flush,
        case when replay_lsn >= pg_current_wal_lsn() then clock_timestamp() else reply_time - replay_lag end as replayed_at
      from pg_stat_replication`)
  const { rows: slots } = await client.query<{ slot: string; status: string | null }>(
    'select slot_name::text as slot, wal_status as status from pg_replication_slots where slot_type = $1',
    ['physical'],
  )
  const number = (text: string | null) => (text === null ? undefined : Math.max(0, Number(text)))
  const found: Followers = new Map()
  for (const { name, state, replay, flush, replayed_at } of streams) {
    const slot = slots.find((one) => one.slot === slotOf(name))?.status ?? undefined
    found.set(name, {
      state,
      replayLag: number(replay),
      flushLag: number(flush),
      replayedAt: replayed_at ?? undefined,
      slot,
    })
  }
  for (const { slot, status } of slots) {
    const name = slot.replace(/^copy_/, '').replaceAll('_', '-')
    if (!found.has(name)) {
      found.set(name, {
        state: undefined,
        replayLag: undefined,
        flushLag: undefined,
        replayedAt: undefined,
        slot: status ?? undefined,
      })
    }
  }
  return found
}

export async function identityOf(client: pg.Client): Promise<{ systemIdentifier: string; timeline: number }> {
  const { rows } = await client.query<{ id: string; wal: string }>(
    `select system_identifier::text as id, pg_walfile_name(pg_current_wal_lsn()) as wal from pg_control_system()`,
  )
  const row = rows[0]
  if (row === undefined) throw new Error('PostgreSQL does not say who it is')
  return { systemIdentifier: row.id, timeline: Number.parseInt(row.wal.slice(0, 8), 16) }
}

/** The end of the log that a standby has, received or already applied. */
export async function positionOf(client: pg.Client): Promise<{ lsn: string; bytes: bigint }> {
  const { rows } = await client.query<{ lsn: string; bytes: string }>(
    `select lsn::text, (lsn - '0/0'::pg_lsn)::text as bytes
     from (select greatest(coalesce(pg_last_wal_receive_lsn(), '0/0'), coalesce(pg_last_wal_replay_lsn(), '0/0')) as lsn) p`,
  )
  const row = rows[0]
  if (row === undefined) throw new Error('the standby does not say how far it is')
  return { lsn: row.lsn, bytes: BigInt(row.bytes) }
}

const PROMOTE_TIMEOUT_S = 60

/** Ends the recovery of a standby; resolves when it takes writes. */
export async function promoteInstance(postgres: ManagedPostgres): Promise<void> {
  const deadline = performance.now() + PROMOTE_TIMEOUT_S * 1000
  for (;;) {
    try {
      return await asking(postgres, async (client) => {
        const { rows } = await client.query<{ done: boolean }>(
          'select not pg_is_in_recovery() or pg_promote(true, $1) as done',
          [PROMOTE_TIMEOUT_S],
        )
        if (!rows[0]?.done) throw new Error('the standby was not promoted in time')
      })
    } catch (error) {
      // Right after its start it may still be replaying what it has.
      const isStarting = (error as { code?: string }).code === '57P03'
      if (!isStarting || performance.now() > deadline) throw error
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }
}

/** True when a cluster lies in the copy's folder, whatever its role. */
export async function holdsCluster(copy: CopyPlan): Promise<boolean> {
  const { folder } = await findPlace(copy.home)
  return await stat(join(folder, 'data', 'PG_VERSION')).then(
    () => true,
    () => false,
  )
}
