import { type DriverReceipt, type KeyDriver, type KeyFamily, keyName } from './driver.ts'
import { refuse } from './errors.ts'
import { createVaultClient, reasonOf, type VaultAnswer, type VaultClientOptions } from './vault-client.ts'

export interface VaultDriverOptions extends VaultClientOptions {
  /** Where the transit engine is mounted. */
  mount?: string
  /** Before the names of the two keys. */
  prefix?: string
}

interface TransitKey {
  latest: number
  oldest: number
  exportable: boolean
}

/**
 * The driver `vault`: two keys of a transit engine (aes256-gcm96, not exportable), `…-root` and `…-epoch`, whose
 * versions are ours. The context is the associated data. A version is destroyed by raising the minimum versions and
 * trimming, which cuts off every older one with it.
 */
export async function openVaultDriver(options: VaultDriverOptions): Promise<KeyDriver> {
  const { mount = 'transit', prefix = 'yinxin', url } = options
  const client = createVaultClient(options)
  const { simulated } = await client.health()
  const place = `${url} (${mount})`
  const keyOf = (family: KeyFamily) => `${prefix}-${family}`

  const failed = (answer: VaultAnswer) => refuse('key_driver_failed', { place, reason: reasonOf(answer) })

  async function read(family: KeyFamily): Promise<TransitKey | undefined> {
    const answer = await client.call('GET', `${mount}/keys/${keyOf(family)}`)
    if (answer.status === 404) return undefined
    const data = answer.body.data
    if (answer.status !== 200 || data === undefined) throw failed(answer)
    if (data.type !== 'aes256-gcm96' || data.derived === true) {
      const reason = `${keyOf(family)} is ${String(data.type)}, derived ${String(data.derived)}; a plain aes256-gcm96 key is needed`
      throw refuse('key_driver_failed', { place, reason })
    }
    return {
      latest: Number(data.latest_version),
      oldest: Math.max(1, Number(data.min_decryption_version), Number(data.min_available_version ?? 0)),
      exportable: data.exportable !== false || data.allow_plaintext_backup !== false,
    }
  }

  async function write(path: string, body: unknown): Promise<Record<string, unknown>> {
    const answer = await client.call('POST', `${mount}/${path}`, body)
    if (answer.status !== 200 && answer.status !== 204) throw failed(answer)
    return answer.body.data ?? {}
  }

  async function versions(family: KeyFamily): Promise<number[]> {
    const key = await read(family)
    if (key === undefined) return []
    return Array.from({ length: key.latest - key.oldest + 1 }, (_, at) => key.oldest + at)
  }

  async function requireVersion(family: KeyFamily, version: number): Promise<TransitKey> {
    const key = await read(family)
    if (key !== undefined && version >= key.oldest && version <= key.latest) return key
    throw family === 'root'
      ? refuse('root_key_missing', { path: place })
      : refuse('epoch_key_missing', { epoch: version })
  }

  return {
    kind: 'vault',
    place,
    simulated,
    versions,
    async rotate(family, version) {
      let key = await read(family)
      if (key === undefined) {
        await write(`keys/${keyOf(family)}`, {
          type: 'aes256-gcm96',
          exportable: false,
          allow_plaintext_backup: false,
        })
        key = await read(family)
      }
      // Read each time, not counted: a repeated call whose answer was lost has rotated already.
      for (; key !== undefined && key.latest < version; key = await read(family))
        await write(`keys/${keyOf(family)}/rotate`, {})
      if (key === undefined) throw refuse('key_driver_failed', { place, reason: `${keyOf(family)} vanished` })
      // Unless this is set, some versions of the engine wrap under the newest version only.
      await write(`keys/${keyOf(family)}/config`, { min_encryption_version: key.oldest })
    },
    async wrap(family, version, context, bytes) {
      const answer = await client.call('POST', `${mount}/encrypt/${keyOf(family)}`, {
        plaintext: Buffer.from(bytes).toString('base64'),
        associated_data: Buffer.from(context, 'utf8').toString('base64'),
        key_version: version,
      })
      const ciphertext = answer.body.data?.ciphertext
      if (answer.status !== 200 || typeof ciphertext !== 'string') {
        await requireVersion(family, version)
        throw failed(answer)
      }
      if (!ciphertext.startsWith(`vault:v${version}:`))
        throw refuse('key_driver_failed', { place, reason: 'it answered with another version of the key' })
      return Buffer.from(ciphertext, 'ascii')
    },
    async unwrap(family, version, context, wrapped) {
      const ciphertext = Buffer.from(wrapped).toString('ascii')
      if (!new RegExp(`^vault:v${version}:[A-Za-z0-9+/]+=*$`).test(ciphertext)) {
        await requireVersion(family, version)
        throw refuse('sealed_value_damaged')
      }
      const answer = await client.call('POST', `${mount}/decrypt/${keyOf(family)}`, {
        ciphertext,
        associated_data: Buffer.from(context, 'utf8').toString('base64'),
      })
      const plaintext = answer.body.data?.plaintext
      if (answer.status === 200 && typeof plaintext === 'string') return Buffer.from(plaintext, 'base64')
      await requireVersion(family, version)
      if (answer.status === 400) throw refuse('sealed_value_damaged', {}, new Error(reasonOf(answer)))
      throw failed(answer)
    },
    async destroyNow(family, version): Promise<DriverReceipt> {
      const receipt = {
        driver: 'vault',
        place,
        key: keyName(family, version),
        method: 'transit-trim',
      } as const
      const key = await read(family)
      const answer = await client.call('GET', `${mount}/keys/${keyOf(family)}`)
      const available = Number(answer.body.data?.min_available_version ?? 0)
      if (key === undefined || available > version) return { ...receipt, wasPresent: false }
      // The newest dies when its keys moved to another driver; the engine wants one above it that stays, unused.
      if (key.latest <= version) await write(`keys/${keyOf(family)}/rotate`, {})
      await write(`keys/${keyOf(family)}/config`, {
        min_decryption_version: version + 1,
        min_encryption_version: version + 1,
      })
      await write(`keys/${keyOf(family)}/trim`, { min_available_version: version + 1 })
      return { ...receipt, wasPresent: true }
    },
    async attest(family, version) {
      const { exportable } = await requireVersion(family, version)
      return {
        driver: 'vault',
        place,
        key: `${keyOf(family)} v${version}`,
        algorithm: 'AES-256-GCM',
        extractable: exportable,
        residual:
          'Snapshots of the key service and of its storage from before the trim still hold the version; destroy those with it.',
        ...(simulated ? { simulated } : {}),
      }
    },
    close: async () => undefined,
  }
}
