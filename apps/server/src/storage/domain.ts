import { dirname, join } from 'node:path'
import type { Disk, DiskFile } from './disk.ts'
import { createJournal, readRecord, scanSegment } from './journal.ts'

export type SiteName = 'primary' | 'recovery'

/** Where one replica is. `holder` is a path inside the domain: a segment, or the object's own file. */
export interface Placement {
  domain: string
  holder: string
  /** Offset of the record in its segment; 0 for a file. */
  position: number
  sizeBytes: number
}

/** A replica that is written piece by piece. */
export interface ReplicaWriter {
  write(parts: readonly Uint8Array[]): Promise<void>
  /** Durable on return. `replace` allows it to take the place of a bad replica of the same object. */
  finish(replace?: boolean): Promise<Placement>
  abort(): Promise<void>
}

export interface ReplicaReader {
  /** Exactly these bytes of the replica; rejects when it has fewer. */
  read(from: number, sizeBytes: number): Promise<Buffer>
  close(): Promise<void>
}

export interface DomainStatus {
  name: string
  site: SiteName
  state: 'ready' | 'quarantined'
  reason?: string
}

/** One failure domain: a disk, a host, a rack; by default a folder that stands for one. */
export interface Domain {
  readonly name: string
  readonly site: SiteName
  status(): DomainStatus
  /**
   * A small replica into the journal. Durable on return; concurrent writers share the fsync. The record's header is
   * the same in all domains and may be handed over ready made.
   */
  append(objectId: string, body: Uint8Array, bodySha256: string, header?: Buffer): Promise<Placement>
  /** A large replica into a file of its own. */
  begin(objectId: string): Promise<ReplicaWriter>
  open(placement: Placement, objectId: string): Promise<ReplicaReader>
  /** Removes what writers that died left under passing names before a point in time; returns how many. */
  sweep(before: Date): Promise<number>
  close(): Promise<void>
}

export interface DomainOptions {
  name: string
  site: SiteName
  folder: string
  disk: Disk
  newName: () => string
  segmentBytes: number
  onQuarantine: (status: DomainStatus) => void
}

const inJournal = (holder: string) => holder.startsWith('journal/')

export function createDomain(options: DomainOptions): Domain {
  const { name, site, disk, folder } = options
  const incoming = join(folder, 'incoming')
  // Folders whose name this process knows to be durable. Another process's mkdir is no proof of its fsync.
  const durable = new Set<string>()
  let quarantine: string | undefined

  const journal = createJournal({
    disk,
    folder: join(folder, 'journal'),
    newName: options.newName,
    segmentBytes: options.segmentBytes,
    ensureFolder: () => ensureFolder(join(folder, 'journal')),
    onSyncFailure: isolate,
  })

  function status(): DomainStatus {
    return {
      name,
      site,
      state: quarantine === undefined ? 'ready' : 'quarantined',
      ...(quarantine === undefined ? {} : { reason: quarantine }),
    }
  }

  /** After a failed fsync nothing here can be believed: no more writes, reads stay (each is verified). */
  function isolate(error: unknown) {
    if (quarantine !== undefined) return
    quarantine = error instanceof Error ? error.message : String(error)
    options.onQuarantine(status())
  }

  function requireWritable() {
    if (quarantine !== undefined) throw new Error(`the failure domain ${name} is quarantined: ${quarantine}`)
  }

  async function orQuarantine(sync: Promise<void>) {
    try {
      await sync
    } catch (error) {
      isolate(error)
      throw error
    }
  }

  async function ensureFolder(path: string): Promise<void> {
    try {
      await disk.makeFolder(path)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || dirname(path) === path) throw error
      // Somebody removed what was there: the whole way is made, and made durable, again.
      durable.clear()
      await ensureFolder(dirname(path))
      await disk.makeFolder(path)
    }
    if (durable.has(path)) return
    await orQuarantine(disk.syncFolder(dirname(path)))
    durable.add(path)
  }

  async function begin(objectId: string): Promise<ReplicaWriter> {
    requireWritable()
    // 1. A file under a passing name, on the same disk as its final place.
    await ensureFolder(incoming)
    const temporary = join(incoming, `${objectId}.${options.newName()}`)
    const file: DiskFile = await disk.create(temporary)
    let sizeBytes = 0

    async function abort() {
      await file.close().catch(() => undefined)
      await disk.remove(temporary).catch(() => undefined)
    }

    return {
      async write(parts) {
        requireWritable()
        await file.write(parts, sizeBytes)
        for (const part of parts) sizeBytes += part.length
      },
      async finish(replace = false) {
        try {
          requireWritable()
          // 2. The bytes, then the name, then the folder that holds the name.
          await orQuarantine(file.sync())
          await file.close()
          const holder = `objects/${objectId.slice(-2)}/${objectId}`
          const target = join(folder, holder)
          await ensureFolder(dirname(target))
          if (replace) await disk.rename(temporary, target)
          else {
            // link instead of rename: it never replaces what is there.
            await disk.link(temporary, target)
            await disk.remove(temporary)
          }
          await orQuarantine(disk.syncFolder(dirname(target)))
          return { domain: name, holder, position: 0, sizeBytes }
        } catch (error) {
          await abort()
          throw error
        }
      },
      abort,
    }
  }

  return {
    name,
    site,
    status,
    async append(objectId, body, bodySha256, header) {
      requireWritable()
      const place = await journal.append(objectId, body, bodySha256, header)
      return {
        domain: name,
        holder: `journal/${place.segment}`,
        position: place.position,
        sizeBytes: body.length,
      }
    },
    begin,
    async open(placement, objectId) {
      const path = join(folder, placement.holder)
      if (inJournal(placement.holder)) {
        const record = await readRecord(disk, path, placement.position, placement.sizeBytes)
        if (record?.objectId !== objectId)
          throw new Error(`${name} does not hold ${objectId} where it should`)
        return {
          read: async (from, sizeBytes) => exactly(record.body.subarray(from, from + sizeBytes), sizeBytes),
          close: async () => undefined,
        }
      }
      const file = await disk.open(path)
      return {
        read: async (from, sizeBytes) => exactly(await file.read(sizeBytes, from), sizeBytes),
        close: () => file.close(),
      }
    },
    async sweep(before) {
      let swept = 0
      for (const leftover of await listed(disk, incoming)) {
        // The passing name ends in a uuid of version 7, which begins with the time it was made.
        const madeMs = Number.parseInt((leftover.split('.')[1] ?? '').replaceAll('-', '').slice(0, 12), 16)
        if (!(madeMs < before.getTime())) continue
        await disk.remove(join(incoming, leftover))
        swept += 1
      }
      return swept
    },
    close: () => journal.close(),
  }
}

async function listed(disk: Disk, path: string): Promise<string[]> {
  try {
    return (await disk.list(path)).sort()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}

function exactly(bytes: Buffer, sizeBytes: number): Buffer {
  if (bytes.length !== sizeBytes) throw new Error(`the replica has ${bytes.length} of ${sizeBytes} bytes`)
  return bytes
}

/** Everything a domain's folder holds, without index and keys; for checks and for rebuilding the database. */
export async function* scanDomain(
  disk: Disk,
  folder: string,
): AsyncGenerator<{
  objectId: string
  holder: string
  position: number
  sizeBytes: number
  intact?: boolean
}> {
  for (const segment of await listed(disk, join(folder, 'journal'))) {
    const holder = `journal/${segment}`
    for await (const { objectId, position, bodyBytes, intact } of scanSegment(disk, join(folder, holder))) {
      yield { objectId, holder, position, sizeBytes: bodyBytes, intact }
    }
  }
  for (const shelf of await listed(disk, join(folder, 'objects'))) {
    for (const objectId of await listed(disk, join(folder, 'objects', shelf))) {
      const holder = `objects/${shelf}/${objectId}`
      yield { objectId, holder, position: 0, sizeBytes: await disk.sizeOf(join(folder, holder)) }
    }
  }
}
