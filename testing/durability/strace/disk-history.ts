/** What the calls did to files and folders, and whether it was synced in time. */
import { dirname } from 'node:path'
import {
  decodeRecordHeader,
  erasedMark,
  erasedMarkOffset,
  recordHeaderBytes,
} from '../../../apps/server/src/storage/journal-record.ts'
import { type Call, offset, paths, pieces, target } from './calls.ts'

interface Write {
  from: number
  to: number
  /** As far as strace shows it. */
  bytes: Buffer
  begin: number
  end: number
}

interface Span {
  begin: number
  end: number
}

export interface Place {
  objectId: string
  holder: string
  position: number
  /** Of the replica; of a record, without its header. */
  sizeBytes: number
}

export type DiskHistory = ReturnType<typeof createDiskHistory>

export function createDiskHistory(calls: readonly Call[]) {
  const writes = new Map<string, Write[]>()
  const syncs = new Map<string, Span[]>()
  /** Names that came: of files made or linked, of folders. */
  const named = new Map<string, Span>()
  const folders = new Map<string, Span>()
  const gone = new Map<string, Span>()
  const logs = new Map<string, { writes: Span[]; syncs: Span[] }>()
  const linkedFrom = new Map<string, string>()

  const push = <V>(map: Map<string, V[]>, key: string, value: V) => {
    const known = map.get(key)
    if (known === undefined) map.set(key, [value])
    else known.push(value)
  }
  const log = (path: string) => {
    const known = logs.get(path) ?? { writes: [], syncs: [] }
    logs.set(path, known)
    return known
  }

  for (const call of calls) {
    if (call.result < 0) continue
    const span = { begin: call.begin, end: call.end }
    switch (call.name) {
      case 'fsync':
      case 'fdatasync': {
        const path = target(call)
        if (path.includes('/pg_wal/')) log(path).syncs.push(span)
        // fdatasync leaves the name alone, but syncs the bytes as well as fsync.
        push(syncs, path, span)
        break
      }
      case 'write':
      case 'writev':
      case 'pwrite64':
      case 'pwritev':
      case 'pwritev2': {
        const path = target(call)
        if (path.includes('/pg_wal/')) log(path).writes.push(span)
        else if (path.startsWith('/')) {
          const from = offset(call) ?? writes.get(path)?.at(-1)?.to ?? 0
          let at = from
          for (const { bytes, sizeBytes } of pieces(call)) {
            // What a call did not take is not written.
            const to = Math.min(at + sizeBytes, from + call.result)
            if (to > at) push(writes, path, { from: at, to, bytes: bytes.subarray(0, to - at), ...span })
            at = to
          }
        }
        break
      }
      case 'openat':
        if (/O_CREAT/.test(call.args)) named.set(last(paths(call)), span)
        break
      case 'mkdir':
      case 'mkdirat':
        folders.set(last(paths(call)), span)
        break
      case 'link':
      case 'linkat':
      case 'rename':
      case 'renameat':
      case 'renameat2': {
        const [from = '', to = ''] = paths(call)
        named.set(to, span)
        linkedFrom.set(to, from)
        break
      }
      case 'unlink':
      case 'unlinkat':
        gone.set(last(paths(call)), span)
        break
    }
  }

  const syncedAfter = (path: string, after: number, before: number) =>
    (syncs.get(path) ?? []).find(({ begin, end }) => begin > after && end < before)

  /** When the last of the writes ended that together cover a stretch of a file; undefined while a byte is missing. */
  function coveredAt(path: string, from: number, to: number, before: number): number | undefined {
    const within = (writes.get(path) ?? []).filter(
      (write) => write.end < before && write.to > from && write.from < to,
    )
    return covers(within, from, to) ? Math.max(...within.map(({ end }) => end)) : undefined
  }

  /** The names on the way to a file that came while strace looked: each is synced in the folder that holds it. */
  function missingOfNames(path: string, before: number): string | undefined {
    const made = named.get(path)
    if (made !== undefined && made.end < before && !syncedAfter(dirname(path), made.end, before))
      return `fsync of ${dirname(path)} after ${path} came`
    for (let folder = dirname(path); folder !== dirname(folder); folder = dirname(folder)) {
      const came = folders.get(folder)
      if (came !== undefined && !syncedAfter(dirname(folder), came.end, before))
        return `fsync of ${dirname(folder)} after ${folder} came`
    }
    return undefined
  }

  function missingOfRecord(path: string, place: Place, before: number): string | undefined {
    const header = headerOf(path, place, before)
    if (header === undefined || header.bodyBytes !== place.sizeBytes)
      return `a record with its id and length at ${place.position} of ${path}`
    const end = place.position + recordHeaderBytes + header.bodyBytes
    const written = coveredAt(path, place.position, end, before)
    if (written === undefined) return `some of its ${header.bodyBytes} bytes in ${path}`
    if (!syncedAfter(path, written, before)) return `fsync of ${path} after its record was written`
    return missingOfNames(path, before)
  }

  function headerOf(path: string, { objectId, position }: Place, before: number) {
    const write = (writes.get(path) ?? []).find((one) => one.from === position && one.end < before)
    const header = write === undefined ? undefined : decodeRecordHeader(write.bytes)
    return header?.objectId === objectId && !header.erased ? header : undefined
  }

  function missingOfFile(path: string, sizeBytes: number, before: number): string | undefined {
    const link = named.get(path)
    const source = linkedFrom.get(path)
    if (link === undefined || source === undefined || link.end >= before) return `link to ${path}`
    const written = sizeBytes > 0 ? coveredAt(source, 0, sizeBytes, before) : undefined
    if (written === undefined) return `some of its ${sizeBytes} bytes in ${source}`
    // A name must not come before the bytes that it stands for.
    if (!syncedAfter(source, written, link.begin)) return `fsync of ${source} before the link to ${path}`
    return missingOfNames(path, before)
  }

  return {
    /** What the durability of a replica lacks at a moment; undefined when nothing does. */
    missingOf(folder: string, place: Place, before: number): string | undefined {
      const path = `${folder}/${place.holder}`
      return place.holder.startsWith('journal/')
        ? missingOfRecord(path, place, before)
        : missingOfFile(path, place.sizeBytes, before)
    },

    missingOfRemoval(folder: string, place: Place, before: number): string | undefined {
      const path = `${folder}/${place.holder}`
      if (!place.holder.startsWith('journal/')) {
        const removed = gone.get(path)
        if (removed === undefined || removed.end >= before) return `unlink of ${path}`
        return syncedAfter(dirname(path), removed.end, before)
          ? undefined
          : `fsync of ${dirname(path)} after ${path} went`
      }
      const header = headerOf(path, place, before)
      if (header === undefined) return `the record that was erased in ${path}`
      const bodyAt = place.position + recordHeaderBytes
      const all = (writes.get(path) ?? []).filter(({ end }) => end < before)
      const zeros = all.filter((one) => isZero(one) && one.from >= bodyAt)
      const marks = all.filter(
        (one) => one.from === place.position + erasedMarkOffset && one.bytes.equals(erasedMark),
      )
      const isZeroed = (by: number) =>
        covers(
          zeros.filter(({ end }) => end < by),
          bodyAt,
          bodyAt + header.bodyBytes,
        )
      if (!isZeroed(before)) return `zeros over the record at ${place.position} of ${path}`
      if (marks.length === 0) return `the mark of erasure at ${place.position} of ${path}`
      // The mark says that the body is gone, so it comes after. Two may erase at once: one of them did it right.
      const after = marks.filter((mark) =>
        (syncs.get(path) ?? []).some((sync) => sync.end < mark.begin && isZeroed(sync.begin)),
      )
      if (after.length === 0) return `fsync of ${path} between the zeros and the mark`
      return after.some((mark) => syncedAfter(path, mark.end, before))
        ? undefined
        : `fsync of ${path} after the mark of erasure`
    },

    /** Whether a log of PostgreSQL was written and synced between two moments. */
    logIsSynced(folder: string, after: number, before: number): boolean {
      for (const [path, { writes: written, syncs: synced }] of logs) {
        if (!path.startsWith(folder)) continue
        const isSynced = written.some(
          (write) =>
            write.begin > after && synced.some((sync) => sync.begin > write.end && sync.end < before),
        )
        if (isSynced) return true
      }
      return false
    },
  }
}

function covers(parts: readonly Write[], from: number, to: number): boolean {
  let covered = from
  for (const part of parts.toSorted((a, b) => a.from - b.from)) {
    if (part.from > covered) return false
    covered = Math.max(covered, part.to)
  }
  return covered >= to
}

const isZero = ({ bytes }: Write) => bytes.length > 0 && bytes.every((byte) => byte === 0)
const last = (all: string[]) => all.at(-1) ?? ''
