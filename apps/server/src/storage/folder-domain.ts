import { dirname, join } from 'node:path'
import type { Clock } from '#src/clock.ts'
import type { Disk, DiskFile } from './disk.ts'
import type { Domain, DomainStatus, ListedReplica, Packs, ReplicaWriter, SiteName } from './domain.ts'
import { createJournal, eraseRecord, readRecord, scanSegment } from './journal.ts'

export interface DomainOptions {
  name: string
  site: SiteName
  folder: string
  disk: Disk
  clock: Clock
  /** Uuids of version 7: the time in them tells old from new. */
  newName: () => string
  segmentBytes: number
  segmentAgeMs?: number
  onQuarantine: (status: DomainStatus) => void
}

const inJournal = (holder: string) => holder.startsWith('journal/')
const quarantineMark = 'QUARANTINED'

/** A failure domain over a folder: journals for small replicas, a file for each large one. */
export function createFolderDomain(options: DomainOptions): Domain {
  const { name, site, disk, folder } = options
  const incoming = join(folder, 'incoming')
  // Folders whose name this process knows to be durable, by what they are: one that was deleted and made again by
  // another process has the same name, and that one's mkdir is no proof of its fsync.
  const durable = new Map<string, string>()
  let quarantined: string | undefined
  let failedSyncs = 0
  let readmissions = 0
  let marking: Promise<void> = Promise.resolve()
  let deviceId: string | undefined
  let journal = openJournal()
  let examined: Promise<DomainStatus> | undefined

  function openJournal() {
    return createJournal({
      disk,
      folder: join(folder, 'journal'),
      newName: options.newName,
      segmentBytes: options.segmentBytes,
      ...(options.segmentAgeMs === undefined ? {} : { segmentAgeMs: options.segmentAgeMs }),
      clock: options.clock,
      ensureFolder: () => ensureFolder(join(folder, 'journal')),
      onSyncFailure: isolate,
    })
  }

  function status(): DomainStatus {
    return {
      name,
      site,
      state: quarantined === undefined ? 'ready' : 'quarantined',
      ...(quarantined === undefined ? {} : { reason: quarantined }),
      ...(deviceId === undefined ? {} : { deviceId }),
    }
  }

  async function examine(): Promise<DomainStatus> {
    deviceId = await deviceBelow(disk, folder)
    const before = readmissions
    const mark = await readMark()
    // One that was read while a readmission took it away says nothing any more.
    if (mark !== undefined && quarantined === undefined && readmissions === before) {
      quarantined = mark
      options.onQuarantine(status())
    }
    return status()
  }

  async function readMark(): Promise<string | undefined> {
    const path = join(folder, quarantineMark)
    const sizeBytes = await disk.sizeOf(path).catch(() => undefined)
    if (sizeBytes === undefined) return undefined
    try {
      const file = await disk.open(path)
      const text = await file.read(Math.min(sizeBytes, 1000), 0).finally(() => file.close())
      return text.toString('utf8').trim() || 'marked by an earlier process'
    } catch (error) {
      return `its mark cannot be read: ${messageOf(error)}`
    }
  }

  /** After a failed fsync nothing here can be believed: no more writes, reads stay (each is verified). */
  function isolate(error: unknown) {
    failedSyncs += 1
    if (quarantined !== undefined) return
    quarantined = messageOf(error)
    options.onQuarantine(status())
    mark(quarantined)
  }

  /** As far as this disk still takes it; whoever listens keeps the mark elsewhere too. */
  function mark(reason: string) {
    marking = marking.then(() => writeMark(reason)).catch(() => undefined)
  }

  async function writeMark(reason: string): Promise<void> {
    const file = await disk.create(join(folder, quarantineMark))
    await file.write([Buffer.from(`${reason}\n`)], 0).finally(() => file.close())
  }

  function requireWritable() {
    if (quarantined !== undefined)
      throw new Error(`the failure domain ${name} is quarantined: ${quarantined}`)
  }

  /** Before the first write of this process: an earlier one may have left its mark here. */
  async function requireExamined() {
    examined ??= examine().catch((error: unknown) => {
      // A disk that did not answer this time is asked again the next.
      examined = undefined
      throw error
    })
    await examined
    requireWritable()
  }

  async function orQuarantine(sync: Promise<void>) {
    try {
      await sync
    } catch (error) {
      isolate(error)
      throw error
    }
  }

  /**
   * A failed fsync is told to one of those who wrote into a file, and the next fsync succeeds over what was lost: what
   * was under way while one failed is not durable, whatever its own said.
   */
  async function believable<R>(work: () => Promise<R>): Promise<R> {
    const before = failedSyncs
    const outcome = await work()
    if (failedSyncs !== before) throw new Error(`an fsync failed in the failure domain ${name} meanwhile`)
    return outcome
  }

  async function ensureFolder(path: string): Promise<void> {
    let isNew: boolean
    try {
      isNew = await disk.makeFolder(path)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || dirname(path) === path) throw error
      // Somebody removed what was there: the whole way is made, and made durable, again.
      durable.clear()
      await ensureFolder(dirname(path))
      isNew = await disk.makeFolder(path)
    }
    const identity = await disk.identityOf(path)
    if (!isNew && durable.get(path) === identity) return
    // Whoever made the way to it may have died, or failed, before the fsync of a name on it.
    if (path !== folder && path.startsWith(folder)) await ensureFolder(dirname(path))
    await orQuarantine(disk.syncFolder(dirname(path)))
    durable.set(path, identity)
  }

  async function begin(objectId: string): Promise<ReplicaWriter> {
    await requireExamined()
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

  const packs: Packs = {
    async *closed(before) {
      for (const segment of await listed(disk, join(folder, 'journal'))) {
        if (!(madeMs(segment) < before.getTime())) continue
        yield { holder: `journal/${segment}`, sizeBytes: await disk.sizeOf(join(folder, 'journal', segment)) }
      }
    },
    async *records(holder) {
      for await (const { objectId, position, bodyBytes, bodySha256, erased } of scanSegment(
        disk,
        join(folder, holder),
        false,
      )) {
        if (erased) continue
        const placement = { domain: name, holder, position, sizeBytes: bodyBytes }
        yield { objectId, placement, sha256: bodySha256 }
      }
    },
    async hasRemains(holder) {
      const walk = scanSegment(disk, join(folder, holder), false)
      for (;;) {
        const step = await walk.next()
        if (step.done) return step.value.tornBytes + step.value.damagedBytes > 0
      }
    },
    async drop(holder) {
      await removeIfThere(disk, join(folder, holder))
      await orQuarantine(disk.syncFolder(dirname(join(folder, holder))))
    },
  }

  return {
    name,
    site,
    status,
    examine,
    packs,
    async append(objectId, body, bodySha256, header) {
      await requireExamined()
      const place = await believable(() => journal.append(objectId, body, bodySha256, header))
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
    async *list(): AsyncGenerator<ListedReplica> {
      for (const segment of await listed(disk, join(folder, 'journal'))) {
        try {
          yield* packs.records(`journal/${segment}`)
        } catch (error) {
          // Compacted away between the listing and the walk; what lived in it is in a segment that others list.
          if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
        }
      }
      for (const shelf of await listed(disk, join(folder, 'objects'))) {
        for (const objectId of await listed(disk, join(folder, 'objects', shelf))) {
          const holder = `objects/${shelf}/${objectId}`
          const sizeBytes = await disk.sizeOf(join(folder, holder)).catch(() => undefined)
          if (sizeBytes !== undefined)
            yield { objectId, placement: { domain: name, holder, position: 0, sizeBytes } }
        }
      }
    },
    async remove(objectId, placement) {
      const path = join(folder, placement.holder)
      // A disk that is not there has not lost anything: that it holds nothing is for the disk to say.
      await disk.deviceOf(folder)
      if (!inJournal(placement.holder)) {
        if (!placement.holder.endsWith(`/${objectId}`)) return 'absent'
        const isRemoved = await removeIfThere(disk, path)
        if (!isRemoved && !(await isThere(disk, dirname(path)))) return 'absent'
        // Also for a file that is gone: who removed it may have died before the fsync.
        await orQuarantine(disk.syncFolder(dirname(path)))
        return isRemoved ? 'deleted' : 'absent'
      }
      try {
        const sync = (file: DiskFile) => orQuarantine(file.sync())
        const record = { objectId, position: placement.position, bodyBytes: placement.sizeBytes }
        const isErased = await believable(() => eraseRecord(disk, path, record, sync))
        return isErased ? 'overwritten' : 'absent'
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 'absent'
        throw error
      }
    },
    async freeBytes() {
      const there = await existingFolder(disk, folder)
      return there === undefined ? undefined : await disk.freeBytes(there)
    },
    async sweep(before) {
      let swept = 0
      for (const leftover of await listed(disk, incoming)) {
        if (!(madeMs(leftover.split('.')[1] ?? '') < before.getTime())) continue
        await disk.remove(join(incoming, leftover))
        swept += 1
      }
      // Names that were removed here, now or by a writer, come back with the next loss of power until this.
      if (await isThere(disk, incoming)) await orQuarantine(disk.syncFolder(incoming))
      return swept
    },
    quarantine(reason) {
      quarantined ??= reason
    },
    async readmit() {
      const failures = failedSyncs
      // A mark that is still on its way would arrive after its removal.
      await marking
      // The mark first: a crash in between leaves a disk that is refused, not one that is trusted.
      await removeIfThere(disk, join(folder, quarantineMark))
      // Also for a mark that is gone: whoever removed it may have died, or failed, before the fsync.
      if (await isThere(disk, folder)) await disk.syncFolder(folder)
      if (failedSyncs !== failures) {
        // Whoever failed found the quarantine standing and left it at that.
        mark(quarantined ?? 'an fsync failed during its readmission')
        throw new Error(`an fsync failed in the failure domain ${name} during its readmission`)
      }
      readmissions += 1
      const before = journal
      journal = openJournal()
      durable.clear()
      quarantined = undefined
      await before.close()
    },
    close: () => journal.close(),
  }
}

/** A name that is a uuid of version 7 begins with the time it was made. */
function madeMs(name: string): number {
  return Number.parseInt(name.replaceAll('-', '').slice(0, 12), 16)
}

async function removeIfThere(disk: Disk, path: string): Promise<boolean> {
  try {
    await disk.remove(path)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false
    throw error
  }
}

async function isThere(disk: Disk, path: string): Promise<boolean> {
  try {
    await disk.deviceOf(path)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false
    throw error
  }
}

/** The folder, or the nearest above it that exists: before the first write a domain has none. */
async function existingFolder(disk: Disk, folder: string): Promise<string | undefined> {
  for (let path = folder; ; path = dirname(path)) {
    const isThere = await disk.deviceOf(path).then(
      () => true,
      () => false,
    )
    if (isThere) return path
    if (dirname(path) === path) return undefined
  }
}

async function deviceBelow(disk: Disk, folder: string): Promise<string | undefined> {
  const there = await existingFolder(disk, folder)
  return there === undefined ? undefined : await disk.deviceOf(there)
}

async function listed(disk: Disk, path: string): Promise<string[]> {
  try {
    return (await disk.list(path)).sort()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}

const messageOf = (error: unknown) => (error instanceof Error ? error.message : String(error))

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
    for await (const record of scanSegment(disk, join(folder, holder))) {
      const { objectId, position, bodyBytes, intact, erased } = record
      if (!erased) yield { objectId, holder, position, sizeBytes: bodyBytes, intact }
    }
  }
  for (const shelf of await listed(disk, join(folder, 'objects'))) {
    for (const objectId of await listed(disk, join(folder, 'objects', shelf))) {
      const holder = `objects/${shelf}/${objectId}`
      yield { objectId, holder, position: 0, sizeBytes: await disk.sizeOf(join(folder, holder)) }
    }
  }
}
