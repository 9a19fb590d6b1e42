/** Small files that must be whole and on disk once written: leases, manifests, lists. */
import { mkdir, open, rename } from 'node:fs/promises'
import { dirname } from 'node:path'
import { newToken } from '#src/ids.ts'

/** Makes the entries of a folder durable. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** Replaces a file in one step; after a crash it is the old one or the new one. */
export async function writeDurably(path: string, content: string | Uint8Array, mode = 0o600): Promise<void> {
  await mkdir(dirname(path), { recursive: true })
  const partial = `${path}.partial-${newToken(6)}`
  const handle = await open(partial, 'wx', mode)
  try {
    await handle.writeFile(content)
    await handle.sync()
  } finally {
    await handle.close()
  }
  await rename(partial, path)
  await syncFolder(dirname(path))
}
