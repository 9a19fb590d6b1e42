import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { link, lstat, mkdir, open, readdir, rename, unlink } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { refuse } from './errors.ts'

/**
 * The folder that holds keys as files. Everything in it is private to the user that runs the
 * service: the folder 0700, the files 0600, and looser ones are refused rather than mended, because
 * somebody may already have read them.
 */
export interface KeyFolder {
  path: string
  /** The bytes of a key file, or undefined when there is none. */
  read(name: string): Promise<Buffer | undefined>
  /** Stores a new file durably; when another process was first, its bytes win and are returned. */
  create(name: string, content: Uint8Array): Promise<Buffer>
  /** Puts new bytes in the place of a file, all or nothing, and overwrites the old ones. */
  replace(name: string, content: Uint8Array): Promise<void>
  /** Overwrites and removes a file durably; false when there was none. */
  destroy(name: string): Promise<boolean>
  list(): Promise<string[]>
}

export async function openKeyFolder(folder: string): Promise<KeyFolder> {
  const path = resolve(folder)
  const created = await mkdir(path, { recursive: true, mode: 0o700 })
  await requirePrivate(path, 0o077)
  // A key is durable only if the way to it is: the new folders' entries are in their parents.
  if (created !== undefined) await syncFolder(join(created, '..'))

  async function read(name: string): Promise<Buffer | undefined> {
    const file = join(path, name)
    const found = await lstat(file).catch(ignoreMissing)
    if (found === undefined) return undefined
    await requirePrivate(file, 0o077)
    const handle = await open(file, constants.O_RDONLY | constants.O_NOFOLLOW)
    try {
      return await handle.readFile()
    } finally {
      await handle.close()
    }
  }

  async function writeTemporary(name: string, content: Uint8Array): Promise<string> {
    const temporary = join(path, `.${name}.${randomBytes(8).toString('hex')}`)
    const handle = await open(temporary, 'wx', 0o600)
    try {
      await handle.writeFile(content)
      await handle.sync()
    } finally {
      await handle.close()
    }
    return temporary
  }

  async function create(name: string, content: Uint8Array): Promise<Buffer> {
    const temporary = await writeTemporary(name, content)
    try {
      // link, not rename: it never replaces a key that somebody else stored in the meantime.
      await link(temporary, join(path, name))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    } finally {
      await unlink(temporary)
    }
    await syncFolder(path)
    const stored = await read(name)
    if (stored === undefined) throw new Error(`the key file ${name} vanished while it was created`)
    return stored
  }

  async function replace(name: string, content: Uint8Array): Promise<void> {
    const temporary = await writeTemporary(name, content)
    // Held open over the rename, so that the old bytes can still be overwritten once the new ones have the name.
    const old = await open(join(path, name), constants.O_RDWR | constants.O_NOFOLLOW)
    try {
      await rename(temporary, join(path, name))
      await syncFolder(path)
      await overwrite(old)
    } finally {
      await old.close()
    }
  }

  async function destroy(name: string): Promise<boolean> {
    // Under another name first: a crash must leave a whole key, or one that the next call ends, never one that
    // looks damaged.
    const dying = join(path, `.${name}.dying`)
    await rename(join(path, name), dying).catch(ignoreMissing)
    await syncFolder(path)
    const handle = await open(dying, constants.O_RDWR | constants.O_NOFOLLOW).catch(ignoreMissing)
    if (handle === undefined) return false
    try {
      await overwrite(handle)
    } finally {
      await handle.close()
    }
    await unlink(dying)
    await syncFolder(path)
    return true
  }

  return { path, read, create, replace, destroy, list: () => readdir(path) }
}

function ignoreMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error
}

/** As far as this reaches: a copy-on-write file system or a flash disk may keep the old blocks. */
async function overwrite(handle: FileHandle): Promise<void> {
  const { size } = await handle.stat()
  await handle.write(randomBytes(size), 0, size, 0)
  await handle.sync()
}

/** Refuses a link, another owner, and the forbidden permissions. */
export async function requirePrivate(
  path: string,
  forbidden: number,
  owner: 'own' | 'any-owner' = 'own',
): Promise<void> {
  const found = await lstat(path)
  const mode = `0${(found.mode & 0o777).toString(8)}`
  if (found.isSymbolicLink()) throw refuse('key_folder_too_open', { path, mode: 'symbolic link' })
  if ((found.mode & forbidden) !== 0) throw refuse('key_folder_too_open', { path, mode })
  const ownUid = process.getuid?.()
  if (owner === 'own' && ownUid !== undefined && found.uid !== ownUid) {
    throw refuse('key_folder_too_open', { path, mode: `${mode}, uid ${found.uid}` })
  }
}

async function syncFolder(path: string): Promise<void> {
  const handle = await open(path, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
