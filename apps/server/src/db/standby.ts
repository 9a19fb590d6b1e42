/** One standby of a cluster: made by a verified copy, started behind the primary, made anew when it fell out. */
import { createHmac } from 'node:crypto'
import { readdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import pg from 'pg'
import { newToken } from '#src/ids.ts'
import { copyFiles, inBackupMode, isPromotable, writeOwned } from './base-copy.ts'
import type { CopyPlan } from './copies.ts'
import { type ManagedPostgres, startPostgres } from './postgres.ts'
import { findPlace } from './postgres-place.ts'

const COPIES_LOGIN = 'yinxin_copies'

export const slotOf = (name: string) => `copy_${name.replaceAll('-', '_')}`

/** Settings of every instance of a cluster that has copies: any of them may become the primary. */
export function copySettings(name: string): Record<string, string> {
  return {
    cluster_name: name,
    hot_standby: 'on',
    // A standby that fell further behind is made anew rather than filling the primary's disk.
    max_slot_wal_keep_size: '1GB',
    wal_keep_size: '64MB',
    wal_sender_timeout: '10s',
    wal_receiver_timeout: '10s',
    wal_retrieve_retry_interval: '500ms',
    wal_receiver_status_interval: '1s',
  }
}

/** A connection of the superuser. */
export async function connectTo(
  postgres: Pick<ManagedPostgres, 'port' | 'password'>,
  database = 'postgres',
): Promise<pg.Client> {
  const { port, password } = postgres
  const client = new pg.Client({
    host: '127.0.0.1',
    port,
    user: 'postgres',
    password,
    database,
    connectionTimeoutMillis: 5000,
    // Statements about copies must not wait for copies.
    options: '-c synchronous_commit=local',
  })
  client.on('error', () => undefined)
  await client.connect()
  return client
}

/** Runs statements of the superuser over a connection of their own. */
export async function asking<T>(
  postgres: Pick<ManagedPostgres, 'port' | 'password'>,
  work: (client: pg.Client) => Promise<T>,
): Promise<T> {
  const client = await connectTo(postgres)
  try {
    return await work(client)
  } finally {
    await client.end().catch(() => undefined)
  }
}

const passwordOf = (secret: string) => createHmac('sha256', secret).update(COPIES_LOGIN).digest('base64url')

/** The login under which standbys fetch the log; it reads no table. */
export async function ensureCopiesLogin(client: pg.Client, secret: string): Promise<void> {
  const login = client.escapeIdentifier(COPIES_LOGIN)
  const { rowCount } = await client.query('select 1 from pg_roles where rolname = $1', [COPIES_LOGIN])
  if (rowCount === 0) {
    await client.query(
      `create role ${login} login replication nosuperuser noinherit password ${client.escapeLiteral(passwordOf(secret))}`,
    )
  }
}

/** Reserves log for the standby from now on; a slot that lost its log is made anew. */
export async function ensureSlot(client: pg.Client, name: string, isFresh: boolean): Promise<void> {
  const slot = slotOf(name)
  const { rows } = await client.query<{ lost: boolean; pid: number | null }>(
    `select wal_status is not distinct from 'lost' as lost, active_pid as pid from pg_replication_slots where slot_name = $1`,
    [slot],
  )
  const found = rows[0]
  if (found && (found.lost || isFresh)) {
    if (found.pid !== null) await client.query('select pg_terminate_backend($1, 5000)', [found.pid])
    await client.query('select pg_drop_replication_slot($1)', [slot])
  }
  if (!found || found.lost || isFresh) {
    await client.query('select pg_create_physical_replication_slot($1, true)', [slot])
  }
}

export interface StandbyDeps {
  copy: CopyPlan
  durable: boolean
  binDir: string | undefined
  /** Settings of the whole cluster. */
  settings: Record<string, string>
  /** The primary of now. */
  primary: () => ManagedPostgres
  onEvent: (event: string, detail: Record<string, unknown>) => void
}

/** True when the folder of a copy holds something that may follow a primary. */
export async function holdsStandby(copy: CopyPlan): Promise<boolean> {
  const place = await findPlace(copy.home)
  return await isPromotable(join(place.folder, 'data'))
}

export interface Standby {
  postgres: ManagedPostgres
  /** From now on it is started as what it has become. */
  becomesPrimary(): void
}

/** Starts what stands in the copy's folder behind the primary of now. */
export async function startStandby({
  copy,
  durable,
  binDir,
  settings,
  primary,
  onEvent,
}: StandbyDeps): Promise<Standby> {
  const place = await findPlace(copy.home)
  const { password } = primary()
  const passFile = join(place.folder, 'copies.pgpass')
  await writeOwned(passFile, `127.0.0.1:*:*:${COPIES_LOGIN}:${passwordOf(password)}\n`, place.user)
  let isStandby = true
  const quoted = (text: string) => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
  const postgres = await startPostgres({
    dataDir: copy.home,
    durable,
    binDir,
    secret: password,
    existing: true,
    standby: () => isStandby,
    settings: () => ({
      ...settings,
      ...copySettings(copy.name),
      primary_slot_name: slotOf(copy.name),
      primary_conninfo: [
        'host=127.0.0.1',
        `port=${primary().port}`,
        `user=${COPIES_LOGIN}`,
        `passfile=${quoted(passFile)}`,
        `application_name=${copy.name}`,
        'sslmode=disable',
        'connect_timeout=5',
      ].join(' '),
    }),
    onEvent: (event, detail) => onEvent(event, { copy: copy.name, ...detail }),
  })
  return {
    postgres,
    becomesPrimary() {
      isStandby = false
    },
  }
}

/** Copies the primary into the folder of the standby; whatever stood there before is gone. */
export async function makeStandby({ copy, primary, onEvent }: StandbyDeps): Promise<void> {
  const place = await findPlace(copy.home)
  const data = join(place.folder, 'data')
  for (const name of await readdir(place.folder)) {
    if (name === 'data' || name.startsWith('data.partial-')) {
      await rm(join(place.folder, name), { recursive: true, force: true })
    }
  }
  const partial = join(place.folder, `data.partial-${newToken(6)}`)
  const from = primary()
  const begunMs = performance.now()
  const facts = await asking(from, async (client) => {
    await ensureCopiesLogin(client, from.password)
    await ensureSlot(client, copy.name, true)
    let copied = { files: 0, bytes: 0 }
    const span = await inBackupMode(client, copy.name, async () => {
      copied = await copyFiles(from.dataFolder, partial, place.user)
    })
    await writeOwned(join(partial, 'backup_label'), span.label, place.user)
    await writeOwned(join(partial, 'standby.signal'), '', place.user)
    await rename(partial, data)
    return copied
  })
  onEvent('database.copy-made', {
    copy: copy.name,
    ...facts,
    durationMs: Math.round(performance.now() - begunMs),
  })
}
