/**
 * Databases that somebody else runs in several places, such as Patroni: an address may name several hosts, and the
 * platform goes to the one that takes writes, wherever that is now. Who becomes the primary is decided there, by a lease
 * that this side never holds; here it is only asked who it is.
 */
import { setTimeout as wait } from 'node:timers/promises'
import pg from 'pg'
import type { FollowingUrls } from './databases.ts'
import type { DatabaseUrls } from './provision.ts'

/** `postgres://login:password@a:5432,b:5432/name` as one address per host; `target_session_attrs` is understood and left out. */
export function addressesOf(url: string): string[] {
  const parts = /^(postgres(?:ql)?:\/\/(?:[^@/]*@)?)([^/?]+)([^?]*)(?:\?(.*))?$/.exec(url)
  if (parts === null) return [url]
  const [, head = '', hosts = '', path = '', query = ''] = parts
  if (!hosts.includes(',')) return [url]
  const kept = query.split('&').filter((one) => one !== '' && !one.startsWith('target_session_attrs='))
  const tail = path + (kept.length === 0 ? '' : `?${kept.join('&')}`)
  return hosts.split(',').map((host) => `${head}${host.trim()}${tail}`)
}

export interface PrimaryFinder {
  /** The addresses of now, for what needs one text. */
  urls(): DatabaseUrls
  /** The same, asked anew at every connection. */
  following: FollowingUrls
  stop(): void
}

export interface FinderOptions {
  onEvent?: (event: string, detail: Record<string, unknown>) => void
  lookEveryMs?: number
  /** How long the first look may take. */
  startMs?: number
}

const ASK_MS = 2000

/** Resolves when every database has a primary. @throws when one has none within `startMs` */
export async function followPrimaries(
  urls: DatabaseUrls,
  { onEvent, lookEveryMs = 500, startMs = 60_000 }: FinderOptions = {},
): Promise<PrimaryFinder> {
  const ending = new AbortController()
  /** One watch per set of hosts and database, whoever logs in. */
  const watches = new Map<string, Promise<{ at(): number }>>()
  const follow = async (url: string): Promise<() => string> => {
    const all = addressesOf(url)
    if (all.length === 1) return () => url
    const key = all
      .map((one) => new URL(one))
      .map(({ host, pathname }) => host + pathname)
      .join()
    const watch =
      watches.get(key) ?? watchPrimary(all, { onEvent, lookEveryMs, startMs, signal: ending.signal })
    watches.set(key, watch)
    const { at } = await watch
    return () => all[at()] ?? url
  }
  try {
    const url = await follow(urls.url)
    const ownerUrl = await follow(urls.ownerUrl)
    const keysUrl = await follow(urls.keysUrl)
    const keysOwnerUrl = await follow(urls.keysOwnerUrl)
    return {
      urls: () => ({ url: url(), ownerUrl: ownerUrl(), keysUrl: keysUrl(), keysOwnerUrl: keysOwnerUrl() }),
      following: { url, ownerUrl, keysUrl, keysOwnerUrl },
      stop: () => ending.abort(),
    }
  } catch (error) {
    ending.abort()
    throw error
  }
}

/** Looks on all hosts now and again; the primary of the highest timeline counts. */
async function watchPrimary(
  addresses: readonly string[],
  options: Required<Pick<FinderOptions, 'lookEveryMs' | 'startMs'>> & {
    onEvent: FinderOptions['onEvent']
    signal: AbortSignal
  },
): Promise<{ at(): number }> {
  const { signal, lookEveryMs } = options
  const hosts = addresses.map((one) => new URL(one).host)
  const host = (at: number) => hosts[at] ?? '?'
  let current: { at: number; timeline: number } | undefined
  let client: pg.Client | undefined

  /** Quick while all is well: one question over a kept connection. */
  async function isStillPrimary(): Promise<boolean> {
    if (client === undefined || current === undefined) return false
    const answer = await timelineOf(client).catch(() => null)
    return answer === current.timeline
  }

  async function search(): Promise<void> {
    await client?.end().catch(() => undefined)
    client = undefined
    const found = await Promise.all(addresses.map((address) => openPrimary(address)))
    const best = found
      .map((one, at) => ({ at, one }))
      .sort((a, b) => (b.one?.timeline ?? -1) - (a.one?.timeline ?? -1))[0]
    for (const [at, one] of found.entries())
      if (at !== best?.at) await one?.client.end().catch(() => undefined)
    if (best?.one == null) return
    // An old primary that has not heard of its end yet must never win over its successor.
    if (current !== undefined && best.one.timeline < current.timeline) return await best.one.client.end()
    client = best.one.client
    if (current !== undefined && current.at !== best.at)
      options.onEvent?.('database.primary-moved', { from: host(current.at), to: host(best.at) })
    current = { at: best.at, timeline: best.one.timeline }
  }

  for (const endMs = performance.now() + options.startMs; current === undefined; ) {
    await search()
    if (current !== undefined || signal.aborted) break
    if (performance.now() > endMs) throw new Error(`none of ${hosts.join(', ')} takes writes`)
    await wait(lookEveryMs)
  }
  void (async () => {
    while (!signal.aborted) {
      await wait(lookEveryMs, undefined, { signal, ref: false }).catch(() => undefined)
      if (!signal.aborted && !(await isStillPrimary())) await search()
    }
    await client?.end().catch(() => undefined)
  })()
  return { at: () => current?.at ?? 0 }
}

async function openPrimary(url: string): Promise<{ client: pg.Client; timeline: number } | null> {
  const client = new pg.Client({
    connectionString: url,
    connectionTimeoutMillis: ASK_MS,
    query_timeout: ASK_MS,
    application_name: 'yinxin-finder',
  })
  client.on('error', () => undefined)
  try {
    await client.connect()
    const timeline = await timelineOf(client)
    if (timeline !== null) return { client, timeline }
  } catch {
    // Not there, or not yet: the next look asks again.
  }
  await client.end().catch(() => undefined)
  return null
}

/** The timeline that a primary writes; null of a copy. */
async function timelineOf(client: pg.Client): Promise<number | null> {
  const { rows } = await client.query<{ timeline: string | null }>(
    `select case when pg_is_in_recovery() then null else left(pg_walfile_name(pg_current_wal_lsn()), 8) end as timeline`,
  )
  const text = rows[0]?.timeline ?? null
  return text === null ? null : Number.parseInt(text, 16)
}
