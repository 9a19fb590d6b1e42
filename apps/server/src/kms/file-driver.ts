import { hkdfSync, randomBytes } from 'node:crypto'
import { type Attestation, type DriverReceipt, type KeyDriver, type KeyFamily, keyName } from './driver.ts'
import { refuse } from './errors.ts'
import type { KeyFolder } from './key-folder.ts'
import { openBytes, sealBytes } from './wrap.ts'

const sizeBytes = 32
const firstRootFile = 'root.key'
const magic = Buffer.from('YXE2', 'ascii')

/**
 * The driver `file`: each root is 32 random bytes in a 0600 file of the key folder, each epoch key a file beside it,
 * wrapped by a root and in no database. Nothing is kept in memory between two calls.
 */
export function createFileDriver(folder: KeyFolder): KeyDriver {
  const fileName = (family: KeyFamily, version: number) =>
    family === 'root' && version === 1 ? firstRootFile : `${keyName(family, version)}.key`

  async function rootKey(version: number): Promise<Buffer> {
    const name = fileName('root', version)
    const bytes = await folder.read(name)
    if (bytes === undefined) throw refuse('root_key_missing', { path: folder.path })
    if (bytes.length !== sizeBytes) throw refuse('root_key_damaged', { path: `${folder.path}/${name}` })
    const key = Buffer.from(hkdfSync('sha256', bytes, '', 'yinxin kms root wrap v1', 32))
    bytes.fill(0)
    return key
  }

  /** `'YXE2' ‖ root version u32 ‖ wrapped key`, or the wrapped key alone under the first root. */
  async function epochKey(version: number): Promise<{ bytes: Buffer; rootVersion: number }> {
    const stored = await folder.read(fileName('epoch', version))
    if (stored === undefined) throw refuse('epoch_key_missing', { epoch: version })
    const isMarked = stored.subarray(0, 4).equals(magic)
    const rootVersion = isMarked ? stored.readUInt32BE(4) : 1
    const root = await rootKey(rootVersion)
    try {
      return {
        bytes: openBytes(root, epochLabel(version), isMarked ? stored.subarray(8) : stored),
        rootVersion,
      }
    } finally {
      root.fill(0)
    }
  }

  async function wrappedEpochKey(version: number, rootVersion: number, bytes: Uint8Array): Promise<Buffer> {
    const root = await rootKey(rootVersion)
    try {
      const head = Buffer.alloc(8)
      magic.copy(head)
      head.writeUInt32BE(rootVersion, 4)
      return Buffer.concat([head, sealBytes(root, epochLabel(version), bytes)])
    } finally {
      root.fill(0)
    }
  }

  async function withKey<T>(family: KeyFamily, version: number, work: (key: Buffer) => T): Promise<T> {
    let key: Buffer
    if (family === 'root') key = await rootKey(version)
    else {
      const { bytes } = await epochKey(version)
      key = Buffer.from(hkdfSync('sha256', bytes, '', 'yinxin kms epoch wrap v1', 32))
      bytes.fill(0)
    }
    try {
      return work(key)
    } finally {
      key.fill(0)
    }
  }

  async function versions(family: KeyFamily): Promise<number[]> {
    const found: number[] = []
    for (const name of await folder.list()) {
      if (family === 'root' && name === firstRootFile) found.push(1)
      const matched = new RegExp(`^${family}-(\\d{6})\\.key$`).exec(name)
      if (matched !== null) found.push(Number(matched[1]))
    }
    return found.sort((a, b) => a - b)
  }

  return {
    kind: 'file',
    place: folder.path,
    versions,
    async rotate(family, version) {
      if ((await versions(family)).includes(version)) return
      const fresh = randomBytes(sizeBytes)
      try {
        if (family === 'root') await folder.create(fileName(family, version), fresh)
        else {
          const newest = (await versions('root')).at(-1)
          if (newest === undefined) throw refuse('root_key_missing', { path: folder.path })
          await folder.create(fileName(family, version), await wrappedEpochKey(version, newest, fresh))
        }
      } finally {
        fresh.fill(0)
      }
    },
    wrap: (family, version, context, bytes) =>
      withKey(family, version, (key) => sealBytes(key, context, bytes)),
    unwrap: (family, version, context, wrapped) =>
      withKey(family, version, (key) => openBytes(key, context, wrapped)),
    async destroyNow(family, version): Promise<DriverReceipt> {
      const name = fileName(family, version)
      const wasPresent = await folder.destroy(name)
      return {
        driver: 'file',
        place: folder.path,
        key: name,
        method: 'file-overwritten-and-unlinked',
        wasPresent,
      }
    },
    async attest(family, version): Promise<Attestation> {
      await withKey(family, version, () => undefined)
      return {
        driver: 'file',
        place: folder.path,
        key: fileName(family, version),
        algorithm: 'AES-256-GCM',
        extractable: true,
        residual:
          'A file system or a flash disk may keep old blocks of an overwritten file, and copies of the key folder are outside the driver; destroy those with their medium.',
      }
    },
    async rewrapOwn(newRoot) {
      for (const version of await versions('epoch')) {
        const { bytes, rootVersion } = await epochKey(version)
        try {
          if (rootVersion === newRoot) continue
          await folder.replace(fileName('epoch', version), await wrappedEpochKey(version, newRoot, bytes))
        } finally {
          bytes.fill(0)
        }
      }
    },
    adoptEpochKey: async (version) => (await epochKey(version)).bytes,
    close: async () => undefined,
  }
}

const epochLabel = (version: number) => `epoch|${version}`
