/**
 * What packs were seen to hold, so that the hourly comparison of a bucket costs a list and not a GET for every pack. A
 * pack's name is never used again and its bytes never change; one whose ETag or size is another than before is read anew.
 * Damage below an unchanged ETag is for the scrub, which reads every replica fully.
 */
import type { PackEntry } from './bucket-pack.ts'
import { uuidBytes } from './journal-record.ts'

export interface PackVersion {
  key: string
  /** Empty where the server tells none; such a pack is never remembered. */
  etag: string
  sizeBytes: number
}

/** 60 bytes each: six megabytes for a domain, packs beyond that are read every time. */
const entriesMax = 100_000
const entryBytes = 60

export function createPackMemory() {
  const known = new Map<string, { version: string; entries: Buffer }>()
  let held = 0

  function forget(key: string): void {
    held -= (known.get(key)?.entries.length ?? 0) / entryBytes
    known.delete(key)
  }

  return {
    recall({ key, etag, sizeBytes }: PackVersion): PackEntry[] | undefined {
      const found = known.get(key)
      return found === undefined || found.version !== versionOf(etag, sizeBytes)
        ? undefined
        : decode(found.entries)
    },
    remember({ key, etag, sizeBytes }: PackVersion, entries: readonly PackEntry[]): void {
      forget(key)
      if (etag === '' || held + entries.length > entriesMax) return
      known.set(key, { version: versionOf(etag, sizeBytes), entries: encode(entries) })
      held += entries.length
    },
    /** After a whole listing: what was not in it is gone. */
    keepOnly(keys: ReadonlySet<string>): void {
      for (const key of [...known.keys()]) if (!keys.has(key)) forget(key)
    },
  }
}

const versionOf = (etag: string, sizeBytes: number) => `${etag} ${sizeBytes}`

function encode(entries: readonly PackEntry[]): Buffer {
  const bytes = Buffer.alloc(entries.length * entryBytes)
  for (const [index, { objectId, position, sizeBytes, bodySha256 }] of entries.entries()) {
    const at = index * entryBytes
    bytes.set(uuidBytes(objectId), at)
    bytes.writeUIntBE(position, at + 16, 6)
    bytes.writeUIntBE(sizeBytes, at + 22, 6)
    bytes.write(bodySha256, at + 28, 'hex')
  }
  return bytes
}

function decode(bytes: Buffer): PackEntry[] {
  return Array.from({ length: bytes.length / entryBytes }, (_, index) => {
    const at = index * entryBytes
    const id = bytes.toString('hex', at, at + 16)
    return {
      objectId: `${id.slice(0, 8)}-${id.slice(8, 12)}-${id.slice(12, 16)}-${id.slice(16, 20)}-${id.slice(20)}`,
      position: bytes.readUIntBE(at + 16, 6),
      sizeBytes: bytes.readUIntBE(at + 22, 6),
      bodySha256: bytes.toString('hex', at + 28, at + 60),
    }
  })
}
