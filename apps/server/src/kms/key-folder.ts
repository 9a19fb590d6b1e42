import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { link, lstat, mkdir, open, readdir, unlink } from 'node:fs/promises'
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
    const found = await lstat(file).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined
      throw error
    })
    if (found === undefined) return undefined
    await requirePrivate(file, 0o077)
    const handle = await open(file, constants.O_RDONLY | constants.O_NOFOLLOW)
    try {
      return await handle.readFile()
    } finally {
      await handle.close()
    }
  }

  async function create(name: string, content: Uint8Array): Promise<Buffer> {
    const temporary = join(path, `.${name}.${randomBytes(8).toString('hex')}`)
    const handle = await open(temporary, 'wx', 0o600)
    try {
      await handle.writeFile(content)
      await handle.sync()
    } finally {
      await handle.close()
    }
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

  return { path, read, create, list: () => readdir(path) }
}

/** Refuses a link, another owner, and any permission for group or others. */
async function requirePrivate(path: string, forbidden: number): Promise<void> {
  const found = await lstat(path)
  const mode = `0${(found.mode & 0o777).toString(8)}`
  if (found.isSymbolicLink()) throw refuse('key_folder_too_open', { path, mode: 'symbolic link' })
  if ((found.mode & forbidden) !== 0) throw refuse('key_folder_too_open', { path, mode })
  const ownUid = process.getuid?.()
  if (ownUid !== undefined && found.uid !== ownUid) {
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
