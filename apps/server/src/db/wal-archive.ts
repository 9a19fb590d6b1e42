/**
 * The archive of a cluster's log, in both sites. A slot keeps each segment in the primary until it is here; the
 * segment that is still being written is copied as it grows, so that a restore loses seconds and not a segment.
 */
import { createHash } from 'node:crypto'
import { mkdir, readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { promisify } from 'node:util'
import { zstdCompress, zstdDecompress } from 'node:zlib'
import type { Clock } from '#src/clock.ts'
import type { DbSite } from './copies.ts'
import { writeDurably } from './durable-file.ts'
import type { ManagedPostgres } from './postgres.ts'
import { asking } from './standby.ts'

const compress = promisify(zstdCompress)
const decompress = promisify(zstdDecompress)

const SLOT = 'archive'
const SEGMENT = /^[0-9A-F]{24}$/
const HISTORY = /^[0-9A-F]{8}\.history$/
const SEGMENTS_PER_FILE = 0x100

export interface ArchiveFolder {
  site: DbSite
  folder: string
}

/** How far the archive reaches. Written after the segments that it speaks of. */
export interface ArchiveMark {
  /** Everything committed before this moment is in the archive. */
  archivedAt: string
  lsn: string
  /** The segment that holds `lsn`, complete or partial. */
  segment: string
}

export interface WalArchive {
  /** Archives what is there now. */
  tick(): Promise<ArchiveMark>
  /** Goes on by itself. */
  begin(everyMs: number): void
  stop(): Promise<void>
}

export const walFolder = (folder: string) => join(folder, 'wal')

/** A stored segment carries its own hash in front, so that a damaged one is known before PostgreSQL reads it. */
async function pack(content: Buffer): Promise<Buffer> {
  return Buffer.concat([createHash('sha256').update(content).digest(), await compress(content)])
}

/** @throws when the stored bytes are not those that were written */
export async function readSegment(path: string): Promise<Buffer> {
  const stored = await readFile(path)
  const content = await decompress(stored.subarray(32)).catch(() => undefined)
  if (
    content === undefined ||
    !createHash('sha256').update(content).digest().equals(stored.subarray(0, 32))
  ) {
    throw new Error(`${path} is damaged`)
  }
  return content
}

export async function readMark(folder: string): Promise<ArchiveMark | undefined> {
  const text = await readFile(join(folder, 'archived.json'), 'utf8').catch(() => undefined)
  return text === undefined ? undefined : (JSON.parse(text) as ArchiveMark)
}

/** Names of all stored segments and histories, without the ending. */
export async function storedWal(folder: string): Promise<Set<string>> {
  const names = await readdir(walFolder(folder)).catch(() => [])
  return new Set(names.filter((name) => name.endsWith('.zst')).map((name) => name.slice(0, -4)))
}

export function createWalArchive({
  primary,
  folders,
  clock,
  onEvent,
}: {
  primary: () => ManagedPostgres
  folders: readonly ArchiveFolder[]
  clock: Clock
  onEvent: (event: string, detail: Record<string, unknown>) => void
}): WalArchive {
  let partial: { segment: string; lsn: string } | undefined
  let running: Promise<ArchiveMark> | undefined
  let loop: Promise<void> | undefined
  const ending = new AbortController()

  async function storeIn(folder: string, name: string, packed: Buffer, isFinal: boolean): Promise<void> {
    const path = join(walFolder(folder), `${name}.zst`)
    if (isFinal) {
      const existing = await readFile(path).catch(() => undefined)
      if (existing?.subarray(0, 32).equals(packed.subarray(0, 32))) return
      // Twice the same name with other bytes: two primaries wrote one timeline. Neither may replace the other.
      if (existing !== undefined) throw new Error(`${path} holds another log under the same name`)
    }
    await writeDurably(path, packed)
  }

  async function work(): Promise<ArchiveMark> {
    const from = primary()
    const wal = join(from.dataFolder, 'pg_wal')
    /** A site that fails is left out until the next look; the other one goes on. */
    const failed = new Map<string, unknown>()
    const everywhere = async (write: (folder: string) => Promise<unknown>) => {
      for (const { folder } of folders) {
        if (failed.has(folder)) continue
        await write(folder).catch((error: unknown) => failed.set(folder, error))
      }
    }
    const store = async (name: string, content: Buffer, isFinal: boolean) => {
      const packed = await pack(content)
      await everywhere((folder) => storeIn(folder, name, packed, isFinal))
    }
    await everywhere((folder) => mkdir(walFolder(folder), { recursive: true, mode: 0o700 }))
    const at = clock.now().toISOString()
    const { lsn, segment } = await asking(from, async (client) => {
      const { rowCount } = await client.query('select 1 from pg_replication_slots where slot_name = $1', [
        SLOT,
      ])
      if (rowCount === 0) await client.query('select pg_create_physical_replication_slot($1, true)', [SLOT])
      const { rows } = await client.query<{ lsn: string; segment: string }>(
        `select lsn::text, pg_walfile_name(lsn - 1) as segment from (select pg_current_wal_flush_lsn() as lsn) f`,
      )
      if (rows[0] === undefined) throw new Error('PostgreSQL does not say how far its log is')
      return rows[0]
    })
    const stored = await Promise.all(folders.map(({ folder }) => storedWal(folder)))
    const isEverywhere = (name: string) => stored.every((names) => names.has(name))
    const names = (await readdir(wal)).toSorted()
    // 1. Histories first: without them no restore finds its way to a later timeline.
    const switches = new Map<number, bigint>()
    for (const name of names.filter((one) => HISTORY.test(one))) {
      const content = await readFile(join(wal, name))
      for (const [, timeline, high, low] of content
        .toString()
        .matchAll(/^(\d+)\s+([0-9A-F]+)\/([0-9A-F]+)/gm)) {
        switches.set(Number(timeline), ((BigInt(`0x${high}`) << 32n) | BigInt(`0x${low}`)) >> 24n)
      }
      if (!isEverywhere(name)) await store(name, content, true)
    }
    // 2. Every whole segment, oldest first; of an older timeline only those before the promotion cut it off.
    const timeline = Number.parseInt(segment.slice(0, 8), 16)
    // At a boundary the last byte lies in a segment that is whole.
    const position = segmentOf(lsn)
    for (const name of names) {
      if (!SEGMENT.test(name) || isEverywhere(name)) continue
      const of = Number.parseInt(name.slice(0, 8), 16)
      const end = of === timeline ? position : (switches.get(of) ?? 0n)
      if (of > timeline || segmentNumber(name) >= end) continue
      await store(name, await readFile(join(wal, name)), true)
      await everywhere((folder) => rm(join(walFolder(folder), `${name}.partial.zst`), { force: true }))
    }
    // 3. The segment in work, when it has grown.
    const isGrowing = segmentNumber(segment) === position
    if (isGrowing && (partial?.segment !== segment || partial.lsn !== lsn)) {
      await store(`${segment}.partial`, await readFile(join(wal, segment)), false)
    }
    // 4. How far that reaches; the primary lets go of what lies in every site.
    const mark: ArchiveMark = { archivedAt: at, lsn, segment }
    await everywhere((folder) => writeDurably(join(folder, 'archived.json'), `${JSON.stringify(mark)}\n`))
    if (failed.size > 0) {
      partial = undefined
      throw new AggregateError(
        failed.values(),
        `the log could not be archived in ${[...failed].map(([folder, error]) => `${folder}: ${error}`).join('; ')}`,
      )
    }
    partial = { segment, lsn }
    await asking(from, (client) =>
      client.query('select pg_replication_slot_advance($1, $2::pg_lsn)', [SLOT, segmentStart(segment)]),
    ).catch((error: { code?: string; message: string }) => {
      // Standing at the position already is no failure.
      if (!/cannot advance|minimum is/.test(error.message)) throw error
    })
    return mark
  }

  /** One after the other, whoever asks. */
  function tick(): Promise<ArchiveMark> {
    const next = (running ?? Promise.resolve()).then(work, work)
    running = next.catch(() => undefined) as Promise<ArchiveMark>
    return next
  }

  return {
    tick,
    begin(everyMs) {
      loop ??= (async () => {
        while (!ending.signal.aborted) {
          await tick().catch((error: unknown) => {
            if (!ending.signal.aborted) onEvent('database.archive-failed', { error: String(error) })
          })
          await wait(everyMs, undefined, { signal: ending.signal }).catch(() => undefined)
        }
      })()
    },
    async stop() {
      const wasRunning = loop !== undefined
      ending.abort()
      await loop
      // What was committed since the last look, so that a clean stop leaves nothing behind.
      if (wasRunning)
        await tick().catch((error: unknown) => onEvent('database.archive-failed', { error: String(error) }))
    },
  }
}

/** Position of a segment in its timeline; segments have 16 MB. */
export function segmentNumber(name: string): bigint {
  return BigInt(`0x${name.slice(8, 16)}`) * BigInt(SEGMENTS_PER_FILE) + BigInt(`0x${name.slice(16, 24)}`)
}

function segmentOf(lsn: string): bigint {
  const [high, low] = lsn.split('/')
  return ((BigInt(`0x${high}`) << 32n) | BigInt(`0x${low}`)) >> 24n
}

function segmentStart(name: string): string {
  const start = segmentNumber(name) << 24n
  return `${(start >> 32n).toString(16)}/${(start & 0xffffffffn).toString(16)}`
}

/**
 * Segments that a restore from `startWal` would miss: holes between the first and the last stored one, along the
 * timelines that the histories tell of.
 */
export function missingSegments(stored: ReadonlySet<string>, startWal: string, last: string): string[] {
  const missing: string[] = []
  const whole = [...stored].filter((name) => SEGMENT.test(name))
  const has = (number: bigint) => whole.some((name) => segmentNumber(name) === number)
  for (let number = segmentNumber(startWal); number < segmentNumber(last); number++) {
    if (!has(number)) missing.push(number.toString(16).toUpperCase().padStart(16, '0'))
  }
  if (!stored.has(last) && !stored.has(`${last}.partial`)) missing.push(last)
  return missing
}
