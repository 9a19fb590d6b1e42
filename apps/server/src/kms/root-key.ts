import { hkdfSync, randomBytes } from 'node:crypto'
import { refuse } from './errors.ts'
import type { KeyFolder } from './key-folder.ts'
import { openBytes, sealBytes } from './wrap.ts'

/**
 * The one key that everything else hangs on, seen from outside: it wraps and unwraps, and its bytes
 * never come out. The driver `file` keeps it in the key folder; drivers for hardware and for remote
 * key services implement the same two functions, hence the promises.
 */
export interface RootKey {
  wrap(label: string, key: Uint8Array): Promise<Buffer>
  unwrap(label: string, wrapped: Uint8Array): Promise<Buffer>
  destroy(): void
}

const fileName = 'root.key'
const sizeBytes = 32

/**
 * Opens the root key of the driver `file`: 32 random bytes in a 0600 file.
 * `mayCreate` is false once a key store exists: a fresh key could open nothing in it.
 */
export async function openFileRootKey(folder: KeyFolder, mayCreate: boolean): Promise<RootKey> {
  let bytes = await folder.read(fileName)
  if (bytes === undefined) {
    if (!mayCreate) throw refuse('root_key_missing', { path: folder.path })
    const fresh = randomBytes(sizeBytes)
    bytes = await folder.create(fileName, fresh)
    fresh.fill(0)
  }
  if (bytes.length !== sizeBytes) throw refuse('root_key_damaged', { path: `${folder.path}/${fileName}` })
  const wrappingKey = Buffer.from(hkdfSync('sha256', bytes, '', 'yinxin kms root wrap v1', 32))
  bytes.fill(0)
  return {
    wrap: async (label, key) => sealBytes(wrappingKey, label, key),
    unwrap: async (label, wrapped) => openBytes(wrappingKey, label, wrapped),
    destroy: () => wrappingKey.fill(0),
  }
}
