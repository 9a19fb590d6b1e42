import { type FileHandle, link, mkdir, open, readdir, rename, stat, unlink } from 'node:fs/promises'

/** An open file. */
export interface DiskFile {
  /** Writes all parts one after the other from `position`; rejects unless every byte was taken. */
  write(parts: readonly Uint8Array[], position: number): Promise<void>
  /** Reads up to `sizeBytes`; fewer only at the end of the file. */
  read(sizeBytes: number, position: number): Promise<Buffer>
  /** fsync. After a failure the kernel may have dropped the data and called it clean: never try again. */
  sync(): Promise<void>
  /** Whether the file still has a name; one that was deleted takes writes that nobody will find. */
  linked(): Promise<boolean>
  close(): Promise<void>
}

/**
 * What storage needs of a file system, and no more, so that a simulator can stand in for it.
 * All paths are absolute.
 */
export interface Disk {
  /** Makes a new file; fails when the name is taken. */
  create(path: string): Promise<DiskFile>
  /** Opens an existing file for reading. */
  open(path: string): Promise<DiskFile>
  sizeOf(path: string): Promise<number>
  /** Gives a file a second name; fails when the name is taken. */
  link(from: string, to: string): Promise<void>
  /** Renames over what is there. */
  rename(from: string, to: string): Promise<void>
  remove(path: string): Promise<void>
  /** Makes one folder; true when it was not there before. Fails when its parent is missing. */
  makeFolder(path: string): Promise<boolean>
  /** fsync of a folder: makes new names in it durable. */
  syncFolder(path: string): Promise<void>
  list(path: string): Promise<string[]>
}

/** The file system of the machine. */
export const nodeDisk: Disk = {
  create: async (path) => diskFile(await open(path, 'wx+', 0o600)),
  open: async (path) => diskFile(await open(path, 'r')),
  sizeOf: async (path) => (await stat(path)).size,
  link,
  rename,
  remove: unlink,
  async makeFolder(path) {
    try {
      await mkdir(path, { mode: 0o700 })
      return true
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST' && (await stat(path)).isDirectory()) return false
      throw error
    }
  },
  async syncFolder(path) {
    const folder = await open(path, 'r')
    try {
      await folder.sync()
    } finally {
      await folder.close()
    }
  },
  list: (path) => readdir(path),
}

function diskFile(handle: FileHandle): DiskFile {
  return {
    async write(parts, position) {
      let pending = parts.filter((part) => part.length > 0)
      let at = position
      while (pending.length > 0) {
        const { bytesWritten } = await handle.writev(pending, at)
        if (bytesWritten === 0) throw new Error('the file takes no more bytes')
        at += bytesWritten
        pending = after(pending, bytesWritten)
      }
    },
    async read(sizeBytes, position) {
      const into = Buffer.allocUnsafeSlow(sizeBytes)
      let filled = 0
      while (filled < sizeBytes) {
        const { bytesRead } = await handle.read(into, filled, sizeBytes - filled, position + filled)
        if (bytesRead === 0) break
        filled += bytesRead
      }
      return into.subarray(0, filled)
    },
    sync: () => handle.sync(),
    linked: async () => (await handle.stat()).nlink > 0,
    close: () => handle.close(),
  }
}

/** What is left of `parts` once `written` bytes of them are gone. */
function after(parts: Uint8Array[], written: number): Uint8Array[] {
  let skip = written
  const rest: Uint8Array[] = []
  for (const part of parts) {
    if (skip >= part.length) skip -= part.length
    else {
      rest.push(part.subarray(skip))
      skip = 0
    }
  }
  return rest
}
