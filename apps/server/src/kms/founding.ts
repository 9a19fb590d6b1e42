import type { Clock } from '#src/clock.ts'
import type { KeyDriver, KeyFamily } from './driver.ts'
import { adoptedWorkingKey, newWorkingKey } from './epochs.ts'
import { refuse } from './errors.ts'
import { isKept } from './moving-driver.ts'
import { createSecretsKey, openSecretsKey } from './secrets.ts'
import type { KeyStore } from './store.ts'
import type { KeyVersionRow, VersionStore } from './version-store.ts'

interface FoundingDeps {
  keyStore: KeyStore
  versions: VersionStore
  driver: KeyDriver
  clock: Clock
}

/**
 * Makes the first root and the first epoch of a new key store, or checks that the driver has every key that a store
 * in use hangs on: such a store never gets a fresh one. Resolves to the key of small secrets.
 */
export async function found(deps: FoundingDeps): Promise<Buffer> {
  const { keyStore, versions, driver, clock } = deps
  const known = await versions.versions()
  if ((await keyStore.secretsKey()) === undefined) {
    await keyStore.exclusively(async (tx) => {
      const there = await versions.versionsIn(tx)
      const has = (family: KeyFamily) => there.some((row) => row.family === family)
      const head = { version: 1, driver: driver.kind, at: clock.now() }
      if (!has('root')) {
        await driver.rotate('root', 1)
        await versions.insert(tx, { ...head, family: 'root', wrapped: null })
      }
      if (!has('epoch')) {
        await driver.rotate('epoch', 1)
        await versions.insert(tx, { ...head, family: 'epoch', wrapped: await newWorkingKey(driver, 1) })
      }
    })
    await requireAll(await versions.versions(), driver)
    // Last, so that a store in use always has its keys with the driver.
    return await createSecretsKey(keyStore, driver, 1, clock)
  }
  await requireAll(known, driver)
  const secretsKey = await openSecretsKey(keyStore, driver)
  if (secretsKey === undefined) throw new Error('the key store lost the row it was given')
  for (const row of known) {
    if (row.family === 'epoch' && row.wrapped === null && row.destroyed_at === null)
      await versions.adoptWorkingKey(row.version, await adoptedWorkingKey(driver, row.version))
  }
  return secretsKey
}

async function requireAll(known: readonly KeyVersionRow[], driver: KeyDriver): Promise<void> {
  const other = known.find((row) => row.destroyed_at === null && !isKept(driver, row.driver))
  if (other !== undefined) throw refuse('key_driver_changed', { used: other.driver, wanted: driver.kind })
  for (const family of ['root', 'epoch'] as const) {
    const there = new Set(await driver.versions(family))
    for (const row of known) {
      // A closed version may be gone already: a crash can come between its destruction and the record of it.
      if (row.family !== family || row.closed_at !== null || there.has(row.version)) continue
      throw family === 'root'
        ? refuse('root_key_missing', { path: driver.place })
        : refuse('epoch_key_missing', { epoch: row.version })
    }
  }
}
