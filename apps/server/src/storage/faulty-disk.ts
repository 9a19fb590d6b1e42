import type { Disk, DiskFile } from './disk.ts'

export type DiskOperation =
  | 'create'
  | 'open'
  | 'modify'
  | 'write'
  | 'read'
  | 'sync'
  | 'link'
  | 'rename'
  | 'remove'
  | 'makeFolder'
  | 'syncFolder'

/** For tests and measurements: a disk that counts, and fails or hangs where it is told to. */
export interface FaultyDisk extends Disk {
  readonly counts: Record<DiskOperation, number>
  /** Called before each operation; what it throws is the operation's error, what it awaits delays it. */
  before: (operation: DiskOperation, path: string) => void | Promise<void>
}

export function faultyDisk(inner: Disk): FaultyDisk {
  const counts: Record<DiskOperation, number> = {
    create: 0,
    open: 0,
    modify: 0,
    write: 0,
    read: 0,
    sync: 0,
    link: 0,
    rename: 0,
    remove: 0,
    makeFolder: 0,
    syncFolder: 0,
  }

  async function run<T>(operation: DiskOperation, path: string, work: () => Promise<T>): Promise<T> {
    counts[operation] += 1
    await disk.before(operation, path)
    return work()
  }

  const wrap = (path: string, file: DiskFile): DiskFile => ({
    write: (parts, position) => run('write', path, () => file.write(parts, position)),
    read: (sizeBytes, position) => run('read', path, () => file.read(sizeBytes, position)),
    sync: () => run('sync', path, () => file.sync()),
    linked: () => file.linked(),
    close: () => file.close(),
  })

  const disk: FaultyDisk = {
    counts,
    before: () => undefined,
    create: (path) => run('create', path, async () => wrap(path, await inner.create(path))),
    open: (path) => run('open', path, async () => wrap(path, await inner.open(path))),
    modify: (path) => run('modify', path, async () => wrap(path, await inner.modify(path))),
    sizeOf: (path) => inner.sizeOf(path),
    link: (from, to) => run('link', to, () => inner.link(from, to)),
    rename: (from, to) => run('rename', to, () => inner.rename(from, to)),
    remove: (path) => run('remove', path, () => inner.remove(path)),
    makeFolder: (path) => run('makeFolder', path, () => inner.makeFolder(path)),
    syncFolder: (path) => run('syncFolder', path, () => inner.syncFolder(path)),
    identityOf: (path) => inner.identityOf(path),
    list: (path) => inner.list(path),
    deviceOf: (path) => inner.deviceOf(path),
    freeBytes: (path) => inner.freeBytes(path),
  }
  return disk
}

/** What a full disk says. */
export function diskFull(): Error {
  return Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' })
}

/** What a dying disk says. */
export function diskBroken(): Error {
  return Object.assign(new Error('EIO: i/o error'), { code: 'EIO' })
}
