import { type BucketAbilities, checkOf, digestBody } from './bucket-abilities.ts'
import type { BucketClient } from './bucket-client.ts'
import { BucketError, hasReason } from './bucket-errors.ts'
import { confirmBody } from './bucket-journal.ts'
import { entriesOfPack, keepInPack, type PackEntry } from './bucket-pack.ts'
import type { Removal } from './domain.ts'

export interface BucketRemovalOptions {
  client: BucketClient
  abilities: () => Promise<BucketAbilities>
  newName: () => string
  onMismatch: (error: unknown) => void
}

export interface BucketRemoval {
  /** The key with all its versions and delete markers; resolves when the server says it is gone. */
  purge(key: string): Promise<void>
  /** One record of a pack. Whoever asks while the pack is being rewritten shares the next rewriting. */
  removeRecord(packKey: string, objectId: string, position: number): Promise<Removal>
  /** Makes one of the rewritings of a pack that processes left side by side. */
  settle(packKey: string): Promise<void>
  /** The keys under which a pack lies now: its first, or those of its rewritings. */
  generations(packKey: string): Promise<string[]>
}

interface Wanted {
  objectId: string
  position: number
  resolve: (removal: Removal) => void
  reject: (error: unknown) => void
}

const rounds = 6

/**
 * Destruction in a bucket. A pack cannot be changed in place: it is written anew without the record, under a name of its
 * own (`….seg.<name>`), in which every other record keeps its position; then all older ones are purged. Processes that do so at
 * the same time may leave two rewritings behind; a record lives only while all of them hold it, and the next round
 * makes one of them. So a destroyed record can be brought back by nobody.
 */
export function createBucketRemoval(options: BucketRemovalOptions): BucketRemoval {
  const { client } = options
  const queues = new Map<string, { waiting: Wanted[] }>()

  async function purge(key: string): Promise<void> {
    await client.remove(key)
    if (await client.keepsVersions())
      for await (const version of client.versions(key)) await client.remove(key, version)
    if ((await client.head(key)) !== undefined)
      throw new BucketError('other', `${key} is still there after it was removed`)
  }

  async function generations(packKey: string): Promise<string[]> {
    const keys = new Set<string>()
    for await (const { key } of client.list(packKey))
      if (key === packKey || key.startsWith(`${packKey}.`)) keys.add(key)
    // A listing may lag behind; the first name of a pack is known without one.
    if (!keys.has(packKey) && (await client.head(packKey)) !== undefined) keys.add(packKey)
    return [...keys].sort()
  }

  function removeRecord(packKey: string, objectId: string, position: number): Promise<Removal> {
    return new Promise((resolve, reject) => {
      const one = { objectId, position, resolve, reject }
      const queue = queues.get(packKey)
      if (queue !== undefined) queue.waiting.push(one)
      else {
        const fresh = { waiting: [one] }
        queues.set(packKey, fresh)
        void drain(packKey, fresh)
      }
    })
  }

  async function drain(packKey: string, queue: { waiting: Wanted[] }) {
    while (queue.waiting.length > 0) {
      const batch = queue.waiting.splice(0)
      try {
        const removed = await rewrite(packKey, batch)
        for (const one of batch) one.resolve(removed.has(one.position) ? 'deleted' : 'absent')
      } catch (error) {
        for (const one of batch) one.reject(error)
      }
    }
    queues.delete(packKey)
  }

  /** Resolves with the positions that were found and are gone. */
  async function rewrite(packKey: string, unwanted: readonly Wanted[]): Promise<Set<number>> {
    const removed = new Set<number>()
    for (let round = 0; round < rounds; round += 1) {
      // 1. What lies there now?
      const found = await readAll(await generations(packKey))
      if (found === undefined) continue
      const first = found[0]
      if (first === undefined) return removed
      const live = first.entries.filter((entry) =>
        found.every((one) => one.entries.some((other) => other.position === entry.position)),
      )
      const isUnwanted = (entry: PackEntry) =>
        unwanted.some((one) => one.position === entry.position && one.objectId === entry.objectId)
      const kept = live.filter((entry) => !isUnwanted(entry))
      // 2. One that has just this already is left, the latest, so that processes agree; otherwise a new one is
      //    stored, and was seen to be, before anything is purged.
      const fitting = found.filter((one) => kept.length > 0 && one.entries.length === kept.length).at(-1)
      if (fitting !== undefined && found.length === 1) return removed
      if (fitting === undefined && kept.length > 0) await store(packKey, first.bytes, kept)
      // 3. Everything else.
      for (const { key, entries } of found) {
        if (key === fitting?.key) continue
        await purge(key)
        for (const entry of entries) if (isUnwanted(entry)) removed.add(entry.position)
      }
    }
    throw new BucketError('other', `${packKey} was changed by others again and again`)
  }

  async function store(packKey: string, from: Buffer, kept: PackEntry[]) {
    const abilities = await options.abilities()
    const bytes = keepInPack(from, kept)
    const key = `${packKey}.${options.newName()}`
    const digests = digestBody(abilities, bytes)
    await client.put(key, bytes, checkOf(abilities, digests), abilities.conditionalPut)
    await confirmBody(client, abilities, key, bytes.length, digests, options.onMismatch)
  }

  /** Undefined when one of them went away in between. */
  async function readAll(keys: readonly string[]) {
    const found: { key: string; bytes: Buffer; entries: PackEntry[] }[] = []
    for (const key of keys) {
      try {
        const bytes = await client.get(key)
        found.push({ key, bytes, entries: entriesOfPack(bytes) })
      } catch (error) {
        if (hasReason(error, 'missing')) return undefined
        throw error
      }
    }
    return found
  }

  async function settle(packKey: string): Promise<void> {
    await rewrite(packKey, [])
  }

  return { purge, removeRecord, generations, settle }
}
