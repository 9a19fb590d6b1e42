import {
  type BodyDigests,
  type BucketAbilities,
  checkOf,
  digestBody,
  factsOf,
  requireStored,
} from './bucket-abilities.ts'
import type { BucketClient } from './bucket-client.ts'
import { encodePack, type PackRecord } from './bucket-pack.ts'

export interface BucketJournalOptions {
  client: BucketClient
  abilities: () => Promise<BucketAbilities>
  /** Holder of a new pack, below the domain's prefix. */
  newHolder: () => string
  keyOf: (holder: string) => string
  /** A pack takes no further record once it has this size. */
  packBytes: number
  onMismatch: (error: unknown) => void
}

export interface BucketJournal {
  /** Resolves once the pack that holds the record is stored and was seen to be. Concurrent callers share one PUT. */
  append(record: PackRecord): Promise<{ holder: string; position: number }>
  close(): Promise<void>
}

interface Waiting {
  record: PackRecord
  resolve: (place: { holder: string; position: number }) => void
  reject: (error: unknown) => void
}

/**
 * Group commit over HTTP: while one pack is on its way, everything that arrives gathers for the next. The look at
 * what the server stored does not hold up the next pack.
 */
export function createBucketJournal(options: BucketJournalOptions): BucketJournal {
  const { client } = options
  const waiting: Waiting[] = []
  const looking = new Set<Promise<void>>()
  let sending: Promise<void> | undefined

  async function drain() {
    while (waiting.length > 0) {
      const batch = takeBatch(waiting, options.packBytes)
      try {
        const { confirm, places } = await send(batch.map((one) => one.record))
        const look = confirm().then(
          () => {
            for (const [at, one] of batch.entries()) one.resolve(places[at] as (typeof places)[number])
          },
          (error: unknown) => fail(batch, error),
        )
        looking.add(look)
        void look.finally(() => looking.delete(look))
      } catch (error) {
        fail(batch, error)
      }
    }
    sending = undefined
  }

  function fail(batch: Waiting[], error: unknown) {
    for (const one of batch) one.reject(error)
  }

  async function send(records: PackRecord[]) {
    const abilities = await options.abilities()
    const holder = options.newHolder()
    const { bytes, positions } = encodePack(records)
    const key = options.keyOf(holder)
    const digests = digestBody(abilities, bytes)
    await client.put(key, bytes, checkOf(abilities, digests), abilities.conditionalPut)
    return {
      places: positions.map((position) => ({ holder, position })),
      confirm: () => confirmBody(client, abilities, key, bytes.length, digests, options.onMismatch),
    }
  }

  return {
    append: (record) =>
      new Promise((resolve, reject) => {
        waiting.push({ record, resolve, reject })
        sending ??= drain()
      }),
    async close() {
      await sending
      await Promise.all(looking)
    },
  }
}

/** Read after write: nothing is acknowledged on the word of a PUT alone. */
export async function confirmBody(
  client: BucketClient,
  abilities: BucketAbilities,
  key: string,
  sizeBytes: number,
  digests: BodyDigests,
  onMismatch: (error: unknown) => void,
): Promise<void> {
  try {
    const readBack = async function* () {
      yield await client.get(key)
    }
    const contentSha256 = digests.sha256.toString('hex')
    await requireStored(client, abilities, key, factsOf(sizeBytes, digests), readBack, contentSha256)
  } catch (error) {
    onMismatch(error)
    throw error
  }
}

function takeBatch(waiting: Waiting[], packBytes: number): Waiting[] {
  let sizeBytes = 0
  let count = 0
  for (const { record } of waiting) {
    sizeBytes += record.header.length + record.body.length
    if (count > 0 && sizeBytes > packBytes) break
    count += 1
  }
  return waiting.splice(0, count)
}
