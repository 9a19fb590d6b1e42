import { type BucketAbilities, probeBucket } from './bucket-abilities.ts'
import type { Clock } from '#src/clock.ts'
import type { BucketClient } from './bucket-client.ts'
import { BucketError, hasReason } from './bucket-errors.ts'
import { createBucketJournal } from './bucket-journal.ts'
import { createPackMemory, type PackVersion } from './bucket-memory.ts'
import {
  decodePackRecord,
  decodePackTail,
  entriesOfPack,
  type PackEntry,
  packTailBytes,
} from './bucket-pack.ts'
import { createBucketRemoval } from './bucket-removal.ts'
import { createBucketUpload, leastPartBytes } from './bucket-upload.ts'
import type {
  Domain,
  DomainStatus,
  ListedReplica,
  Packs,
  Placement,
  ReplicaReader,
  SiteName,
} from './domain.ts'
import { encodeRecordHeader, recordHeaderBytes } from './journal-record.ts'

export interface BucketDomainOptions {
  name: string
  site: SiteName
  client: BucketClient
  clock: Clock
  /** What two domains share when they fail together: the region of one provider. */
  deviceId: string
  /** Before every key; ends in `/` unless empty. */
  prefix: string
  /** Unique names in order of time (uuid version 7). */
  newName: () => string
  onQuarantine: (status: DomainStatus) => void
  /** A pack of small replicas takes no further one once it has this size. */
  packBytes?: number
  /** Parts of large objects. */
  partBytes?: number
}

/** What `sweep` clears away when a process died while asking what the bucket can do. */
const probeFolder = 'probes/'
/** Sequential readers get this much per request. */
const readAheadBytes = 4 << 20

/**
 * A failure domain in an S3-compatible bucket. Every object gets a name that was never used before, so nothing is ever
 * overwritten, whether or not the server can forbid it; which name counts stands in the catalogue.
 */
export function createBucketDomain(options: BucketDomainOptions): Domain {
  const { name, site, client, deviceId, prefix } = options
  const keyOf = (holder: string) => `${prefix}${holder}`
  let quarantine: string | undefined
  let known: Promise<BucketAbilities> | undefined
  let silentSince: Date | undefined
  const memory = createPackMemory()

  /** Asked once, at the first write; a bucket that cannot be reached is asked again at the next. */
  function abilities(): Promise<BucketAbilities> {
    known ??= probeBucket(client, keyOf(`${probeFolder}${options.newName()}`)).catch((error: unknown) => {
      known = undefined
      if (hasReason(error, 'unsafe')) isolate(error)
      throw error
    })
    return known
  }

  function status(): DomainStatus {
    const trouble = client.trouble()
    silentSince = trouble === undefined ? undefined : (silentSince ?? options.clock.now())
    return {
      name,
      site,
      deviceId,
      state: quarantine === undefined ? 'ready' : 'quarantined',
      ...(quarantine === undefined ? {} : { reason: quarantine }),
      ...(trouble === undefined || silentSince === undefined
        ? {}
        : { unanswered: { since: silentSince, reason: trouble } }),
    }
  }

  function isolate(error: unknown) {
    if (quarantine !== undefined) return
    quarantine = error instanceof Error ? error.message : String(error)
    options.onQuarantine(status())
  }

  /** A server that stores something else than it acknowledged is to a bucket what a failed fsync is to a disk. */
  function onMismatch(error: unknown) {
    if (hasReason(error, 'mismatch')) isolate(error)
  }

  function requireWritable() {
    if (quarantine !== undefined)
      throw new BucketError('unsafe', `the failure domain ${name} is quarantined: ${quarantine}`)
  }

  const journal = createBucketJournal({
    client,
    abilities,
    newHolder: () => `journal/${options.newName()}.seg`,
    keyOf,
    packBytes: options.packBytes ?? 8 << 20,
    onMismatch,
  })
  const removal = createBucketRemoval({ client, abilities, newName: options.newName, onMismatch })

  async function openRecord(placement: Placement, objectId: string): Promise<ReplicaReader> {
    const range = { from: placement.position, sizeBytes: recordHeaderBytes + placement.sizeBytes }
    const record = decodePackRecord(await getFromPack(keyOf(placement.holder), range))
    if (record?.objectId !== objectId)
      throw new BucketError('mismatch', `${name} does not hold ${objectId} where it should`)
    return {
      read: async (from, sizeBytes) => exactly(record.body.subarray(from, from + sizeBytes), sizeBytes),
      close: async () => undefined,
    }
  }

  /** A pack out of which something was destroyed lies under a later name, with the same positions. */
  async function getFromPack(packKey: string, range: { from: number; sizeBytes: number }): Promise<Buffer> {
    try {
      return await client.get(packKey, range)
    } catch (error) {
      if (!hasReason(error, 'missing')) throw error
      const latest = (await removal.generations(packKey)).at(-1)
      if (latest === undefined) throw error
      return await client.get(latest, range)
    }
  }

  function openObject(placement: Placement): ReplicaReader {
    const key = keyOf(placement.holder)
    let ahead: { from: number; bytes: Buffer } = { from: 0, bytes: Buffer.alloc(0) }
    return {
      async read(from, sizeBytes) {
        const end = ahead.from + ahead.bytes.length
        if (from < ahead.from || from + sizeBytes > end) {
          const isSequential = from > 0 && from >= ahead.from && from <= end
          const most = Math.max(sizeBytes, isSequential ? readAheadBytes : 0)
          const bytes = await client.get(key, {
            from,
            sizeBytes: Math.min(most, Math.max(sizeBytes, placement.sizeBytes - from)),
          })
          ahead = { from, bytes }
        }
        const at = from - ahead.from
        return exactly(ahead.bytes.subarray(at, at + sizeBytes), sizeBytes)
      },
      close: async () => {
        ahead = { from: 0, bytes: Buffer.alloc(0) }
      },
    }
  }

  async function entriesOf(pack: PackVersion): Promise<PackEntry[]> {
    const tail = decodePackTail(await client.get(pack.key, { lastBytes: packTailBytes }), pack.sizeBytes)
    const entries =
      tail !== undefined && 'entries' in tail ? tail.entries : entriesOfPack(await client.get(pack.key))
    memory.remember(pack, entries)
    return entries
  }

  /** The packs with the keys under which each lies now: usually one, another after something in it was destroyed. */
  async function* packKeys(): AsyncGenerator<{ holder: string; keys: PackVersion[] }> {
    let current: { holder: string; keys: PackVersion[] } | undefined
    for await (const { key, sizeBytes, etag } of client.list(keyOf('journal/'))) {
      const holder = key.slice(prefix.length).replace(/\.seg\..*$/, '.seg')
      if (current?.holder !== holder) {
        if (current !== undefined) yield current
        current = { holder, keys: [] }
      }
      current.keys.push({ key, sizeBytes, etag })
    }
    if (current !== undefined) yield current
  }

  /** A record counts as there while any rewriting of its pack has it, so that nothing destroyed is overlooked. */
  async function* recordsIn(
    holder: string,
    keys: readonly PackVersion[],
    isRecalled = false,
  ): AsyncGenerator<ListedReplica> {
    const seen = new Set<number>()
    for (const pack of keys) {
      const { key } = pack
      let entries: PackEntry[]
      try {
        entries = (isRecalled ? memory.recall(pack) : undefined) ?? (await entriesOf(pack))
      } catch (error) {
        // Rewritten between the listing and the look; what lived in it is under the new name.
        if (!hasReason(error, 'missing')) throw error
        const others = (await removal.generations(keyOf(holder))).filter((one) => one !== key)
        entries = (await Promise.all(others.map(async (one) => entriesOfPack(await client.get(one))))).flat()
      }
      for (const { objectId, position, sizeBytes: bodyBytes, bodySha256 } of entries) {
        if (seen.has(position)) continue
        seen.add(position)
        yield {
          objectId,
          placement: { domain: name, holder, position, sizeBytes: bodyBytes },
          sha256: bodySha256,
        }
      }
    }
  }

  const packs: Packs = {
    async *closed(before) {
      for await (const { holder, keys } of packKeys()) {
        const madeMs = Number.parseInt(holder.slice('journal/'.length).replaceAll('-', '').slice(0, 12), 16)
        if (!(madeMs < before.getTime())) continue
        yield { holder, sizeBytes: keys.reduce((sum, one) => sum + one.sizeBytes, 0) }
      }
    },
    async *records(holder) {
      const keys: PackVersion[] = []
      for (const key of await removal.generations(keyOf(holder))) {
        const facts = await client.head(key)
        if (facts !== undefined) keys.push({ key, sizeBytes: facts.sizeBytes, etag: facts.etag })
      }
      yield* recordsIn(holder, keys)
    },
    async drop(holder) {
      for (const key of await removal.generations(keyOf(holder))) await removal.purge(key)
    },
  }

  /** The other keys of an object, made before this one: bad replicas that it takes the place of. */
  async function removeOlder(objectId: string, holder: string): Promise<void> {
    for await (const { key } of client.list(
      keyOf(holder.slice(0, holder.indexOf(objectId) + objectId.length)),
    ))
      if (key < keyOf(holder)) await removal.purge(key)
  }

  return {
    name,
    site,
    status,
    async examine() {
      await client.probe(prefix)
      return status()
    },
    packs,
    async append(objectId, body, bodySha256, header = encodeRecordHeader(objectId, body, bodySha256)) {
      requireWritable()
      const place = await journal.append({ header, body })
      return { domain: name, ...place, sizeBytes: body.length }
    },
    async begin(objectId) {
      requireWritable()
      const holder = `objects/${objectId.slice(-2)}/${objectId}.${options.newName()}`
      const upload = createBucketUpload({
        client,
        abilities: await abilities(),
        key: keyOf(holder),
        partBytes: Math.max(leastPartBytes, options.partBytes ?? leastPartBytes),
        purge: removal.purge,
        onMismatch,
      })
      return {
        async write(parts) {
          requireWritable()
          await upload.write(parts)
        },
        async finish(replace = false) {
          try {
            requireWritable()
            const sizeBytes = await upload.finish()
            // Not worth failing a good replica for: what stays of the bad one is found by the inventory.
            if (replace) await removeOlder(objectId, holder).catch(() => undefined)
            return { domain: name, holder, position: 0, sizeBytes }
          } catch (error) {
            // What cannot be cleared away now is cleared away by `sweep`; the writer must hear of the failure itself.
            await upload.abort().catch(() => undefined)
            throw error
          }
        },
        abort: () => upload.abort().catch(() => undefined),
      }
    },
    open: async (placement, objectId) =>
      placement.holder.startsWith('journal/') ? openRecord(placement, objectId) : openObject(placement),
    async *list({ recalled = false } = {}) {
      const seen = new Set<string>()
      for await (const { holder, keys } of packKeys()) {
        for (const { key } of keys) seen.add(key)
        yield* recordsIn(holder, keys, recalled)
      }
      memory.keepOnly(seen)
      for await (const { key, sizeBytes } of client.list(keyOf('objects/'))) {
        const holder = key.slice(prefix.length)
        const objectId = holder.split('/').at(-1)?.split('.')[0] ?? ''
        yield { objectId, placement: { domain: name, holder, position: 0, sizeBytes } }
      }
    },
    async remove(objectId, placement) {
      const key = keyOf(placement.holder)
      if (placement.holder.startsWith('journal/'))
        return await removal.removeRecord(key, objectId, placement.position)
      if (!placement.holder.includes(`/${objectId}.`)) return 'absent'
      const wasThere = (await client.head(key)) !== undefined
      // Also when it is not: a versioned bucket may keep it behind a delete marker.
      await removal.purge(key)
      return wasThere ? 'deleted' : 'absent'
    },
    // A bucket has no end.
    freeBytes: async () => undefined,
    quarantine(reason) {
      quarantine ??= reason
    },
    async readmit() {
      quarantine = undefined
      // What it can do is asked again.
      known = undefined
    },
    async sweep(before) {
      let swept = 0
      for await (const { key, uploadId, begunAt } of client.uploads(prefix)) {
        if (begunAt >= before) continue
        await client.abortUpload(key, uploadId)
        swept += 1
      }
      for await (const { key, modifiedAt } of client.list(keyOf(probeFolder))) {
        if (modifiedAt >= before) continue
        await removal.purge(key)
        swept += 1
      }
      for await (const { holder, keys } of packKeys()) {
        if (keys.length < 2) continue
        await removal.settle(keyOf(holder))
        swept += keys.length - 1
      }
      return swept
    },
    async close() {
      await journal.close()
      client.close()
    },
  }
}

function exactly(bytes: Buffer, sizeBytes: number): Buffer {
  if (bytes.length !== sizeBytes)
    throw new BucketError('mismatch', `the replica has ${bytes.length} of ${sizeBytes} bytes`)
  return bytes
}
