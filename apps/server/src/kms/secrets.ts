import { randomBytes } from 'node:crypto'
import type { Clock } from '#src/clock.ts'
import type { KeyDriver } from './driver.ts'
import { refuse } from './errors.ts'
import type { KeyStore } from './store.ts'

export const secretsLabel = 'secrets'

/** The data key for small secrets; opening it is also the proof that this root belongs to this store. */
export async function openSecretsKey(store: KeyStore, driver: KeyDriver): Promise<Buffer | undefined> {
  const row = await store.secretsKey()
  if (row === undefined) return undefined
  try {
    return await driver.unwrap('root', row.root_version, secretsLabel, row.secrets_key)
  } catch (error) {
    if ((error as { code?: string }).code !== 'sealed_value_damaged') throw error
    throw refuse('root_key_mismatch', { path: driver.place }, error)
  }
}

/** In a new store. Another process may be first; what counts is what is read back. */
export async function createSecretsKey(
  store: KeyStore,
  driver: KeyDriver,
  rootVersion: number,
  clock: Clock,
): Promise<Buffer> {
  const fresh = randomBytes(32)
  try {
    await store.insertSecretsKey(
      await driver.wrap('root', rootVersion, secretsLabel, fresh),
      rootVersion,
      clock.now(),
    )
  } finally {
    fresh.fill(0)
  }
  const stored = await openSecretsKey(store, driver)
  if (stored === undefined) throw new Error('the key store lost the row it was given')
  return stored
}
