import { randomBytes } from 'node:crypto'
import { refuse } from './errors.ts'
import type { KeyFolder } from './key-folder.ts'
import type { RootKey } from './root-key.ts'

/**
 * Epoch keys live as files beside the root key and nowhere else, least of all in the keys database:
 * deleting an epoch's file is what kills the older backups of that database for good.
 */
export interface Epochs {
  /** The epoch that new keys are wrapped under. */
  current(): number
  key(epoch: number): Buffer
  destroy(): void
}

const fileNames = /^epoch-(\d{6})\.key$/

/** `mayCreate` is false once a key store exists: then a missing file is a loss, not a beginning. */
export async function openEpochs(folder: KeyFolder, root: RootKey, mayCreate: boolean): Promise<Epochs> {
  const keys = new Map<number, Buffer>()
  for (const name of await folder.list()) {
    const epoch = Number(fileNames.exec(name)?.[1] ?? 0)
    if (epoch > 0) keys.set(epoch, await unwrap(epoch, await folder.read(name)))
  }
  if (keys.size === 0) {
    if (!mayCreate) throw refuse('epoch_key_missing', { epoch: 1 })
    const fresh = randomBytes(32)
    const stored = await folder.create('epoch-000001.key', await root.wrap(label(1), fresh))
    fresh.fill(0)
    keys.set(1, await unwrap(1, stored))
  }
  const newest = Math.max(...keys.keys())

  async function unwrap(epoch: number, wrapped: Buffer | undefined): Promise<Buffer> {
    if (wrapped === undefined) throw refuse('epoch_key_missing', { epoch })
    return root.unwrap(label(epoch), wrapped)
  }

  return {
    current: () => newest,
    key(epoch) {
      const key = keys.get(epoch)
      if (key === undefined) throw refuse('epoch_key_missing', { epoch })
      return key
    },
    destroy() {
      for (const key of keys.values()) key.fill(0)
      keys.clear()
    },
  }
}

const label = (epoch: number) => `epoch|${epoch}`
