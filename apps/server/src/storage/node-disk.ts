import { type FileHandle, link, mkdir, open, readdir, rename, stat, statfs, unlink } from 'node:fs/promises'
import type { Disk, DiskFile } from './disk.ts'

/** The file system of the machine; the one file of this room that touches it. */
export const nodeDisk: Disk = {
  create: async (path) => diskFile(await open(path, 'wx+', 0o600)),
  open: async (path) => diskFile(await open(path, 'r')),
  modify: async (path) => diskFile(await open(path, 'r+')),
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
  async identityOf(path) {
    // The number of a deleted folder is given to the next one at once; its birth tells them apart.
    const { dev, ino, birthtimeNs } = await stat(path, { bigint: true })
    return `${dev} ${ino} ${birthtimeNs}`
  },
  list: (path) => readdir(path),
  deviceOf: async (path) => String((await stat(path)).dev),
  async freeBytes(path) {
    const { bavail, bsize } = await statfs(path)
    return bavail * bsize
  },
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
