import { randomBytes } from 'node:crypto'
import type { Clock } from '#src/clock.ts'
import type { KeyDriver } from './driver.ts'
import { refuse } from './errors.ts'
import type { KeyVersionRow, VersionStore } from './version-store.ts'

/** How long a process may not know of a rotation. Destroying an epoch waits at least twice as long. */
export const epochViewMs = 60_000

/**
 * The working keys of the open epochs. Each epoch's own key stays with the driver and wraps the working key, which
 * does the bulk of the work here: a million rows are re-wrapped by local AES and not by a million calls.
 */
export interface Epochs {
  /** The epoch that new wraps use. */
  current(): Promise<number>
  /** The working key; do not keep it beyond the turn. @throws Refusal `epoch_key_missing` */
  key(epoch: number): Promise<Buffer>
  /** Looks again which epochs there are; working keys of closed ones are overwritten. */
  refresh(): Promise<void>
  clear(): void
}

export function createEpochs(store: VersionStore, driver: KeyDriver, clock: Clock): Epochs {
  const keys = new Map<number, Buffer>()
  let rows = new Map<number, KeyVersionRow>()
  let seenAtMs = Number.NEGATIVE_INFINITY
  let refreshing: Promise<void> | undefined

  const refresh = () => {
    refreshing ??= look().finally(() => {
      refreshing = undefined
    })
    return refreshing
  }

  async function look(): Promise<void> {
    const asked = clock.now().getTime()
    const found = await store.versions()
    rows = new Map(found.filter((row) => row.family === 'epoch').map((row) => [row.version, row]))
    seenAtMs = asked
    for (const epoch of keys.keys()) if (!isOpen(rows.get(epoch))) forget(epoch)
  }

  /** Who cannot look again works with nothing: the error passes on. */
  async function requireView(): Promise<void> {
    if (clock.now().getTime() - seenAtMs >= epochViewMs) await refresh()
  }

  function forget(epoch: number): void {
    keys.get(epoch)?.fill(0)
    keys.delete(epoch)
  }

  async function load(epoch: number): Promise<Buffer> {
    if (!isOpen(rows.get(epoch))) await refresh()
    const row = rows.get(epoch)
    if (row === undefined || !isOpen(row) || row.wrapped === null)
      throw refuse('epoch_key_missing', { epoch })
    return await driver.unwrap('epoch', epoch, workingLabel(epoch), row.wrapped)
  }

  return {
    async current() {
      await requireView()
      const newest = Math.max(0, ...rows.keys())
      if (newest === 0) throw refuse('epoch_key_missing', { epoch: 1 })
      return newest
    },
    async key(epoch) {
      await requireView()
      const known = keys.get(epoch)
      if (known !== undefined) return known
      const loaded = await load(epoch)
      // Somebody else may have loaded it, or the epoch may have closed, while this call waited.
      const other = keys.get(epoch)
      if (other !== undefined) {
        loaded.fill(0)
        return other
      }
      if (!isOpen(rows.get(epoch))) {
        loaded.fill(0)
        throw refuse('epoch_key_missing', { epoch })
      }
      keys.set(epoch, loaded)
      return loaded
    },
    refresh,
    clear() {
      for (const epoch of [...keys.keys()]) forget(epoch)
      seenAtMs = Number.NEGATIVE_INFINITY
    },
  }
}

/** A fresh working key, wrapped by the driver's key of that epoch. */
export async function newWorkingKey(driver: KeyDriver, epoch: number): Promise<Buffer> {
  const fresh = randomBytes(32)
  try {
    return await driver.wrap('epoch', epoch, workingLabel(epoch), fresh)
  } finally {
    fresh.fill(0)
  }
}

/** The working key of an epoch in which the driver's key did the work itself. */
export async function adoptedWorkingKey(driver: KeyDriver, epoch: number): Promise<Buffer> {
  if (driver.adoptEpochKey === undefined) throw refuse('epoch_key_missing', { epoch })
  const key = await driver.adoptEpochKey(epoch)
  try {
    return await driver.wrap('epoch', epoch, workingLabel(epoch), key)
  } finally {
    key.fill(0)
  }
}

const isOpen = (row: KeyVersionRow | undefined) => row !== undefined && row.closed_at === null
const workingLabel = (epoch: number) => `working key of epoch|${epoch}`
