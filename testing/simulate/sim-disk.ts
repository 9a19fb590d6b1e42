import type { Disk, DiskFile } from '../../apps/server/src/storage/disk.ts'
import {
  contentOf,
  failSync,
  type MediumFile,
  type MediumFolder,
  type MediumNode,
  newFile,
  newFolder,
  setEntry,
  syncFile,
  syncFolder,
  writeTo,
} from './media.ts'
import type { Life, World } from './world.ts'

/** One disk of the simulated world, and what is wrong with it. */
export interface Volume {
  readonly name: string
  /** Reached over the network: requests and answers are delayed, lost and sent twice. */
  readonly isRemote: boolean
  root: MediumFolder
  isFailed: boolean
  isFull: boolean
  isPartitioned: boolean
  /** Operations begin and do not end until this is lifted. */
  isHanging: boolean
  slowness: number
  readErrors: number
  /** How many requests arrive twice; the second answer is the one that counts. */
  resending: number
  /** The next so many fsyncs fail once, and lie afterwards. */
  failingSyncs: number
  /** Counts what takes away everything that was under way: a lost disk, a deleted folder. */
  generation: number
  /** The lives that were running when the power of this disk went: they cannot go on with it. */
  strandedLives: Set<Life>
}

export function newVolume(name: string, isRemote: boolean): Volume {
  return {
    name,
    isRemote,
    root: newFolder(),
    isFailed: false,
    isFull: false,
    isPartitioned: false,
    isHanging: false,
    slowness: 1,
    readErrors: 0,
    resending: 0,
    failingSyncs: 0,
    generation: 0,
    strandedLives: new Set(),
  }
}

/** Whether an answer of this disk may be late, missing or refused although nothing on it is damaged. */
export const isTroubled = (volume: Volume) =>
  volume.isPartitioned ||
  volume.isHanging ||
  volume.slowness > 1 ||
  volume.readErrors > 0 ||
  volume.resending > 0

const failure = (code: string, what: string) => Object.assign(new Error(`${code}: ${what}`), { code })
const whileHangingMs = 700
const networkTimeoutMs = 5_000

/** The file system of one life of the process over the volumes, each mounted at `/NAME`. */
export function createSimDisk(world: World, life: Life, volumes: ReadonlyMap<string, Volume>): Disk {
  const { chance } = world

  function volumeOf(path: string): Volume {
    const volume = volumes.get(path.split('/')[1] ?? '')
    if (volume === undefined) throw failure('ENOENT', path)
    return volume
  }

  /** One operation: under way for a while, then done; on a remote disk perhaps twice, or without an answer. */
  async function run<T>(
    path: string,
    kind: 'read' | 'write' | 'sync' | 'other',
    effect: (volume: Volume) => T,
  ) {
    const volume = volumeOf(path)
    const attempt = () => {
      if (volume.strandedLives.has(life)) throw failure('EIO', `${volume.name} was away`)
      if (volume.isFailed) throw failure('EIO', `${volume.name} has failed`)
      if (kind === 'read' && chance.hits(volume.readErrors)) throw failure('EIO', `reading ${path}`)
      return effect(volume)
    }
    const delayMs = () => chance.next() * (volume.isRemote ? 8 : 2) * volume.slowness
    while (volume.isHanging) await world.happen(life, whileHangingMs, () => undefined)
    if (volume.isPartitioned) {
      // The request or the answer was lost; the sender cannot know which.
      if (chance.hits(0.3)) await world.happen(life, delayMs(), attempt).catch(() => undefined)
      await world.happen(life, networkTimeoutMs, () => undefined)
      throw failure('ETIMEDOUT', `${volume.name} does not answer`)
    }
    if (chance.hits(volume.resending)) {
      // Sent again although the first request had arrived: its own outcome is what comes back.
      await world.happen(life, delayMs(), attempt).catch(() => undefined)
    }
    let { generation } = volume
    const outcome = await world.happen(life, delayMs(), () => {
      generation = volume.generation
      return attempt()
    })
    if (volume.generation !== generation) throw failure('EIO', `${volume.name} has changed`)
    return outcome
  }

  const ended = (text: string) => text.slice(text.lastIndexOf('/') + 1)

  function find(volume: Volume, path: string): MediumNode {
    let node: MediumNode = volume.root
    for (const part of path.split('/').slice(2)) {
      if (node.kind !== 'folder') throw failure('ENOTDIR', path)
      const next: MediumNode | undefined = node.entries.get(part)
      if (next === undefined) throw failure('ENOENT', path)
      node = next
    }
    return node
  }
  function folderAt(volume: Volume, path: string): MediumFolder {
    const node = find(volume, path)
    if (node.kind !== 'folder') throw failure('ENOTDIR', path)
    return node
  }
  function fileAt(volume: Volume, path: string): MediumFile {
    const node = find(volume, path)
    if (node.kind !== 'file') throw failure('EISDIR', path)
    return node
  }
  const parentOf = (volume: Volume, path: string) => folderAt(volume, path.slice(0, path.lastIndexOf('/')))
  const requireSpace = (volume: Volume) => {
    if (volume.isFull) throw failure('ENOSPC', `${volume.name} is full`)
  }

  const identities = new WeakMap<MediumNode, string>()
  let folders = 0
  function identityOf(folder: MediumFolder): string {
    const known = identities.get(folder)
    if (known !== undefined) return known
    folders += 1
    identities.set(folder, String(folders))
    return String(folders)
  }

  const handle = (path: string, file: MediumFile): DiskFile => {
    let failuresKnown = file.failures.length
    return {
      write: (parts, position) =>
        run(path, 'write', (volume) => {
          if (volume.isFull) {
            const all = Buffer.concat(parts)
            const fits = chance.below(all.length + 1)
            if (fits > 0) writeTo(file, [all.subarray(0, fits)], position)
          }
          requireSpace(volume)
          writeTo(file, parts, position)
        }),
      read: (sizeBytes, position) =>
        run(path, 'read', () => Buffer.from(contentOf(file).subarray(position, position + sizeBytes))),
      sync: () =>
        run(path, 'sync', (volume) => {
          if (volume.failingSyncs > 0) {
            volume.failingSyncs -= 1
            failSync(file, chance)
            file.failures.push(life)
            failuresKnown = file.failures.length
            throw failure('EIO', `fsync of ${path}`)
          }
          // The kernel tells each who had the file open, once; within one process nobody may rely on that.
          const isNews = file.failures.slice(failuresKnown).some((one) => one !== life)
          failuresKnown = file.failures.length
          if (isNews) throw failure('EIO', `fsync of ${path}, which failed for another process`)
          syncFile(file)
        }),
      linked: async () => file.names > 0,
      close: async () => undefined,
    }
  }

  return {
    create: (path) =>
      run(path, 'other', (volume) => {
        const parent = parentOf(volume, path)
        if (parent.entries.has(ended(path))) throw failure('EEXIST', path)
        requireSpace(volume)
        const file = newFile()
        setEntry(parent, ended(path), file)
        return handle(path, file)
      }),
    open: (path) => run(path, 'other', (volume) => handle(path, fileAt(volume, path))),
    modify: (path) => run(path, 'other', (volume) => handle(path, fileAt(volume, path))),
    sizeOf: (path) => run(path, 'other', (volume) => fileAt(volume, path).sizeBytes),
    link: (from, to) =>
      run(to, 'other', (volume) => {
        const file = fileAt(volume, from)
        const parent = parentOf(volume, to)
        if (parent.entries.has(ended(to))) throw failure('EEXIST', to)
        setEntry(parent, ended(to), file)
      }),
    rename: (from, to) =>
      run(to, 'other', (volume) => {
        const file = fileAt(volume, from)
        setEntry(parentOf(volume, to), ended(to), file)
        setEntry(parentOf(volume, from), ended(from), undefined)
      }),
    remove: (path) =>
      run(path, 'other', (volume) => {
        fileAt(volume, path)
        setEntry(parentOf(volume, path), ended(path), undefined)
      }),
    makeFolder: (path) =>
      run(path, 'other', (volume) => {
        if (path.split('/').length === 2) return false
        const parent = parentOf(volume, path)
        const there = parent.entries.get(ended(path))
        if (there?.kind === 'file') throw failure('EEXIST', path)
        if (there !== undefined) return false
        requireSpace(volume)
        setEntry(parent, ended(path), newFolder())
        return true
      }),
    syncFolder: (path) =>
      run(path, 'sync', (volume) => {
        const folder = folderAt(volume, path)
        if (volume.failingSyncs > 0) {
          volume.failingSyncs -= 1
          throw failure('EIO', `fsync of ${path}`)
        }
        syncFolder(folder)
      }),
    identityOf: (path) => run(path, 'other', (volume) => identityOf(folderAt(volume, path))),
    list: (path) => run(path, 'other', (volume) => Array.from(folderAt(volume, path).entries.keys())),
    deviceOf: (path) =>
      run(path, 'other', (volume) => {
        find(volume, path)
        return volume.name
      }),
    freeBytes: (path) =>
      run(path, 'other', (volume) => {
        find(volume, path)
        return volume.isFull ? 0 : 2 ** 40
      }),
  }
}
