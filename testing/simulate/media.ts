import type { Chance } from './chance.ts'
import type { Life } from './world.ts'

/** A write that no fsync has covered: the new bytes and what was there before. */
interface UnsyncedWrite {
  at: number
  bytes: Buffer
  before: Buffer
  sizeBefore: number
  /** A failed fsync called it clean: it is gone with the next loss of power, whatever is synced until then. */
  isLost: boolean
}

export interface MediumFile {
  kind: 'file'
  bytes: Buffer
  sizeBytes: number
  unsynced: UnsyncedWrite[]
  names: number
  /** Where bits have flipped. */
  flips: number[]
  /** Whose fsyncs of it have failed. */
  failures: Life[]
}

export interface MediumFolder {
  kind: 'folder'
  entries: Map<string, MediumNode>
  unsynced: { name: string; node: MediumNode | undefined; before: MediumNode | undefined }[]
}

export type MediumNode = MediumFile | MediumFolder

export function newFile(): MediumFile {
  return {
    kind: 'file',
    bytes: Buffer.alloc(0),
    sizeBytes: 0,
    unsynced: [],
    names: 0,
    flips: [],
    failures: [],
  }
}

export function newFolder(): MediumFolder {
  return { kind: 'folder', entries: new Map(), unsynced: [] }
}

export const contentOf = (file: MediumFile) => file.bytes.subarray(0, file.sizeBytes)

export function writeTo(file: MediumFile, parts: readonly Uint8Array[], position: number): void {
  const bytes = Buffer.concat(parts)
  file.unsynced.push({
    at: position,
    bytes,
    before: whatStoodAt(file, position, bytes.length),
    sizeBefore: file.sizeBytes,
    isLost: false,
  })
  place(file, bytes, position)
}

/** Beyond the end there is nothing, which reads as zeros. */
function whatStoodAt(file: MediumFile, position: number, sizeBytes: number): Buffer {
  const before = Buffer.alloc(sizeBytes)
  if (position < file.sizeBytes) contentOf(file).copy(before, 0, position)
  return before
}

function place(file: MediumFile, bytes: Uint8Array, position: number): void {
  const end = position + bytes.length
  if (end > file.bytes.length) {
    const larger = Buffer.alloc(Math.max(end, file.bytes.length * 2))
    contentOf(file).copy(larger)
    file.bytes = larger
  }
  // A hole reads as zeros, whatever an undone write left there.
  if (position > file.sizeBytes) file.bytes.fill(0, file.sizeBytes, position)
  file.bytes.set(bytes, position)
  file.sizeBytes = Math.max(file.sizeBytes, end)
}

export function syncFile(file: MediumFile): void {
  for (const [n, write] of file.unsynced.entries()) {
    if (write.isLost) continue
    for (const lost of file.unsynced.slice(0, n)) if (lost.isLost) overlay(lost, write)
  }
  file.unsynced = file.unsynced.filter((write) => write.isLost)
}

/** What was written and synced over a lost write stays when that one goes. */
function overlay(lost: UnsyncedWrite, write: UnsyncedWrite): void {
  const from = Math.max(lost.at, write.at)
  const end = Math.min(lost.at + lost.before.length, write.at + write.bytes.length)
  if (from < end) write.bytes.copy(lost.before, from - lost.at, from - write.at, end - write.at)
}

/** What a failed fsync leaves: the pages count as clean, and were written or not. */
export function failSync(file: MediumFile, chance: Chance): void {
  for (const write of file.unsynced) write.isLost ||= chance.hits(0.7)
  syncFile(file)
}

/** Gives a name in a folder another meaning, or none. */
export function setEntry(folder: MediumFolder, name: string, node: MediumNode | undefined): void {
  const before = folder.entries.get(name)
  folder.unsynced.push({ name, node, before })
  change(folder, name, node)
}

function change(folder: MediumFolder, name: string, node: MediumNode | undefined): void {
  const before = folder.entries.get(name)
  if (before?.kind === 'file') before.names -= 1
  if (node === undefined) folder.entries.delete(name)
  else folder.entries.set(name, node)
  if (node?.kind === 'file') node.names += 1
}

export function syncFolder(folder: MediumFolder): void {
  folder.unsynced = []
}

/** Power is lost: of what no fsync covered, chance decides what is there afterwards, in any order, torn or not at all. */
export function losePower(folder: MediumFolder, chance: Chance): void {
  const changes = folder.unsynced
  folder.unsynced = []
  for (const { name, before } of changes.toReversed()) change(folder, name, before)
  for (const { name, node } of survivors(changes, chance)) change(folder, name, node)
  for (const node of folder.entries.values()) {
    if (node.kind === 'folder') losePower(node, chance)
    else losePowerOfFile(node, chance)
  }
}

function losePowerOfFile(file: MediumFile, chance: Chance): void {
  const writes = file.unsynced
  if (writes.length === 0) return
  file.unsynced = []
  for (const { at, before, sizeBefore, isLost } of writes.toReversed()) {
    before.copy(file.bytes, at)
    if (!isLost) file.sizeBytes = sizeBefore
  }
  const kept = survivors(
    writes.filter((write) => !write.isLost),
    chance,
  )
  for (const [n, { at, bytes }] of kept.entries()) {
    const isTorn = n === kept.length - 1 && chance.hits(0.5)
    place(file, isTorn ? bytes.subarray(0, chance.below(bytes.length + 1)) : bytes, at)
  }
}

function survivors<T>(all: readonly T[], chance: Chance): T[] {
  const fate = chance.next()
  if (fate < 0.35) return []
  if (fate < 0.5) return [...all]
  if (fate < 0.75) return all.slice(0, chance.below(all.length + 1))
  return all.filter(() => chance.hits(0.5))
}

/** Every file below a folder, with its path in it. */
export function* filesBelow(folder: MediumFolder, path = ''): Generator<[string, MediumFile]> {
  for (const [name, node] of folder.entries) {
    if (node.kind === 'file') yield [path + name, node]
    else yield* filesBelow(node, `${path}${name}/`)
  }
}
