import type { Clock } from '#src/clock.ts'
import type { Attestation, KeyDriver, KeyFamily } from './driver.ts'
import { type Epochs, epochViewMs, newWorkingKey } from './epochs.ts'
import { refuse } from './errors.ts'
import { outerLabel } from './scope-keys.ts'
import type { ScopeStore } from './scope-store.ts'
import { signingLabel } from './signing-keys.ts'
import type { KeyStore } from './store.ts'
import { secretsLabel } from './secrets.ts'
import { tenantLabel } from './tenant-keys.ts'
import type { KeyVersionRow, VersionStore } from './version-store.ts'
import { openBytes, sealBytes } from './wrap.ts'

const batchRows = 500

export interface RotationRules {
  /** A new epoch begins when the current one is this old. */
  epochMs: number
  /** A new root likewise; undefined leaves it to the operator. */
  rootMs?: number | undefined
  /**
   * How long a closed version is kept: one full cycle of the key store's backups, so that a backup without it exists
   * before it is destroyed.
   */
  backupCycleMs: number
  /** Copies of the keys database that have not replayed everything committed until `since`, by name. */
  laggingCopies: (since: Date) => Promise<string[]>
  /**
   * Kept backups of the keys database that were begun until `since` and would be dead with the key, and places that
   * hold no backup from after it, by name. Not set where somebody else keeps the backups: then the cycle decides.
   */
  backupsUntil?: ((since: Date) => Promise<string[]>) | undefined
  /** For tests that end the process between two steps. */
  onStep?: (step: RotationStep) => void | Promise<void>
}

export type RotationStep =
  | 'driver-key-made'
  | 'version-recorded'
  | 'batch-rewrapped'
  | 'own-keys-rewrapped'
  | 'version-closed'
  | 'driver-key-destroyed'

export interface KeyVersionState {
  family: KeyFamily
  version: number
  state: 'current' | 'retired' | 'closed' | 'destroyed'
  driver: string
  createdAt: Date
  retiredAt: Date | null
  /** Since then no row is under it, on any copy, and none can come under it. */
  closedAt: Date | null
  destroyAfter: Date | null
  /** `t_final` of everything that was destroyed while this epoch, or an earlier one, held its wraps. */
  destroyedAt: Date | null
  receipt: string | null
  rowsUnder: number
}

export interface AdvanceReport {
  rewrapped: number
  closed: string[]
  destroyed: string[]
  /** Why something that is due has not happened. */
  waiting: string[]
}

/**
 * Rotation online. Each step can be repeated and each crash between two of them is mended by the next pass:
 * new version with the driver → recorded, older ones retire → live rows are sealed anew in batches, while everybody
 * works on → closed, which the foreign keys refuse while a row is left → one backup cycle → destroyed.
 */
export function createRotation(
  deps: {
    keyStore: KeyStore
    versions: VersionStore
    driver: KeyDriver
    epochs: Epochs
    scopeStore: Pick<ScopeStore, 'purgeDeadWraps'>
    clock: Clock
  },
  rules: RotationRules,
) {
  const { keyStore, versions, driver, epochs, clock } = deps
  const step = async (name: RotationStep) => rules.onStep?.(name)

  /** Begins a new version; resolves to it. Two processes at once make one. */
  async function rotate(family: KeyFamily, olderThanMs = 0): Promise<number | undefined> {
    // While keys move, the new driver may want a root of its own under its epochs.
    if (family === 'epoch' && (await isElsewhere('root'))) await rotate('root')
    const made = await keyStore.exclusively(async (tx) => {
      const known = (await versions.versionsIn(tx)).filter((row) => row.family === family)
      const current = known.at(-1)
      if (current === undefined) throw refuse(family === 'root' ? 'root_key_missing' : 'epoch_key_missing')
      if (clock.now().getTime() - current.created_at.getTime() < olderThanMs) return undefined
      const version = current.version + 1
      // A crash after this leaves a key that nothing uses yet; the next attempt finds and takes it.
      await driver.rotate(family, version)
      await step('driver-key-made')
      const wrapped = family === 'epoch' ? await newWorkingKey(driver, version) : null
      await versions.insert(tx, { family, version, driver: driver.kind, wrapped, at: clock.now() })
      return version
    })
    if (made !== undefined) {
      await step('version-recorded')
      await epochs.refresh()
    }
    return made
  }

  /** Whether the current version was made by the driver that the keys are moving away from. */
  async function isElsewhere(family: KeyFamily): Promise<boolean> {
    const current = (await versions.versions()).findLast((row) => row.family === family)
    return current !== undefined && current.driver !== driver.kind
  }

  /** Everything that is due: re-wraps, closes, destroys. Stops early at what must wait, and says why. */
  async function advance(): Promise<AdvanceReport> {
    const report: AdvanceReport = { rewrapped: 0, closed: [], destroyed: [], waiting: [] }
    await epochs.refresh()
    while ((await deps.scopeStore.purgeDeadWraps(batchRows, clock.now())) > 0);
    for (const family of ['epoch', 'root'] as const) {
      const rows = (await versions.versions()).filter((row) => row.family === family)
      const current = rows.at(-1)?.version ?? 0
      for (const row of rows.filter((one) => one.retired_at !== null && one.closed_at === null)) {
        report.rewrapped +=
          family === 'epoch'
            ? await rewrapEpoch(row.version, current)
            : await rewrapRoot(row.version, current)
        if (await close(row)) report.closed.push(`${family} ${row.version}`)
        else report.waiting.push(`${family} ${row.version}: ${await whyOpen(row)}`)
      }
      await destroyDue(family, report)
    }
    await epochs.refresh()
    return report
  }

  async function rewrapEpoch(from: number, to: number): Promise<number> {
    const oldKey = Buffer.from(await epochs.key(from))
    const newKey = Buffer.from(await epochs.key(to))
    const again =
      (oldLabel: (id: string) => string, newLabel: (id: string) => string) =>
      (row: { id: string; wrapped: Buffer }) => {
        const inner = openBytes(oldKey, oldLabel(row.id), row.wrapped)
        try {
          return { wrapped: sealBytes(newKey, newLabel(row.id), inner), epoch: to }
        } finally {
          inner.fill(0)
        }
      }
    const scope = again(
      (id) => outerLabel(id, from),
      (id) => outerLabel(id, to),
    )
    const tenant = again(tenantLabel, tenantLabel)
    let count = 0
    try {
      for (const batch of [
        () => versions.rewrapTenantBatch(from, batchRows, tenant),
        () => versions.rewrapScopeBatch(from, batchRows, scope),
      ]) {
        for (let done = await batch(); done > 0; done = await batch()) {
          count += done
          await step('batch-rewrapped')
        }
      }
    } finally {
      oldKey.fill(0)
      newKey.fill(0)
    }
    return count
  }

  async function rewrapRoot(from: number, to: number): Promise<number> {
    let count = 0
    const again = async (label: string, wrapped: Buffer): Promise<Buffer> => {
      const bytes = await driver.unwrap('root', from, label, wrapped)
      try {
        return await driver.wrap('root', to, label, bytes)
      } finally {
        bytes.fill(0)
      }
    }
    await driver.rewrapOwn?.(to)
    await step('own-keys-rewrapped')
    const secrets = await versions.secretsUnder(from)
    if (secrets !== undefined) {
      await versions.replaceSecretsKey(from, to, await again(secretsLabel, secrets.secrets_key))
      count += 1
      await step('batch-rewrapped')
    }
    for (const row of await versions.signingKeysUnder(from)) {
      await versions.replaceSigningKey(row.name, from, to, await again(signingLabel(row), row.wrapped))
      count += 1
      await step('batch-rewrapped')
    }
    return count
  }

  /** Only when every copy of the keys database has seen the re-wrap, and no row is left. */
  async function close(row: KeyVersionRow): Promise<boolean> {
    const at = clock.now()
    if ((await rules.laggingCopies(at)).length > 0) return false
    if ((await epochsBelow(row)).length > 0) return false
    // A process that has not looked again still holds the working key; by then none does.
    const keptMs = Math.max(rules.backupCycleMs, 2 * epochViewMs)
    try {
      await versions.close(row.family, row.version, at, new Date(at.getTime() + keptMs))
    } catch (error) {
      if ((error as { code?: string }).code !== '23503') throw error
      return false
    }
    await step('version-closed')
    return true
  }

  /** Open epochs that only the driver of a root that moves away can unwrap: it may keep them under that root. */
  async function epochsBelow(row: KeyVersionRow): Promise<number[]> {
    if (row.family !== 'root' || row.driver === driver.kind) return []
    return (await versions.versions()).flatMap((one) =>
      one.family === 'epoch' && one.driver === row.driver && one.closed_at === null ? [one.version] : [],
    )
  }

  async function whyOpen(row: KeyVersionRow): Promise<string> {
    const below = await epochsBelow(row)
    if (below.length > 0) return `epochs of the same driver are still open: ${below.join(', ')}`
    const lagging = await rules.laggingCopies(clock.now())
    if (lagging.length > 0) return `copies behind: ${lagging.join(', ')}`
    return `${await versions.countUnder(row.family, row.version)} rows are still under it`
  }

  async function destroyDue(family: KeyFamily, report: AdvanceReport): Promise<void> {
    for (const row of (await versions.versions()).filter((one) => one.family === family)) {
      if (row.destroyed_at !== null) continue
      // In order: some drivers can only cut off the oldest.
      if (row.closed_at === null || row.destroy_after === null) return
      if (row.destroy_after > clock.now()) {
        report.waiting.push(`${family} ${row.version}: kept until ${row.destroy_after.toISOString()}`)
        return
      }
      const lagging = await rules.laggingCopies(row.closed_at)
      if (lagging.length > 0) {
        report.waiting.push(`${family} ${row.version}: copies behind: ${lagging.join(', ')}`)
        return
      }
      const backups = (await rules.backupsUntil?.(row.closed_at)) ?? []
      if (backups.length > 0) {
        report.waiting.push(`${family} ${row.version}: backups from before: ${backups.join(', ')}`)
        return
      }
      await destroy(family, row.version)
      report.destroyed.push(`${family} ${row.version}`)
    }
  }

  async function destroy(family: KeyFamily, version: number): Promise<void> {
    await keyStore.exclusively(async (tx) => {
      const row = (await versions.versionsIn(tx)).find(
        (one) => one.family === family && one.version === version,
      )
      if (row?.destroyed_at != null) return
      if (row?.closed_at == null) throw refuse('key_version_in_use', { family, version })
      // Destroying again after a crash succeeds with `wasPresent: false`.
      const receipt = await driver.destroyNow(family, version)
      await step('driver-key-destroyed')
      const at = clock.now()
      await versions.markDestroyed(
        tx,
        family,
        version,
        at,
        JSON.stringify({ v: 1, family, version, at: at.toISOString(), ...receipt }),
      )
    })
  }

  async function states(): Promise<KeyVersionState[]> {
    const rows = await versions.versions()
    return await Promise.all(
      rows.map(async (row) => ({
        family: row.family,
        version: row.version,
        state:
          row.destroyed_at !== null
            ? ('destroyed' as const)
            : row.closed_at !== null
              ? ('closed' as const)
              : row.retired_at !== null
                ? ('retired' as const)
                : ('current' as const),
        driver: row.driver,
        createdAt: row.created_at,
        retiredAt: row.retired_at,
        closedAt: row.closed_at,
        destroyAfter: row.destroy_after,
        destroyedAt: row.destroyed_at,
        receipt: row.receipt,
        rowsUnder: row.closed_at === null ? await versions.countUnder(row.family, row.version) : 0,
      })),
    )
  }

  return {
    rotate: async (family: KeyFamily) => (await rotate(family)) ?? 0,

    /**
     * Has the driver of the settings take over from the one before it: new versions there, everything re-wrapped under
     * them now; the old ones are closed and, after the backup cycle, destroyed by the old driver, which gives a receipt.
     */
    async move(): Promise<{ begun: string[]; report: AdvanceReport }> {
      const begun: string[] = []
      for (const family of ['root', 'epoch'] as const)
        if (await isElsewhere(family)) begun.push(`${family} ${await rotate(family)}`)
      return { begun, report: await advance() }
    },
    advance,
    states,

    /** What the clock asks for: new versions when the current ones are old enough, then everything due. */
    async tend(): Promise<AdvanceReport> {
      await rotate('epoch', rules.epochMs)
      if (rules.rootMs !== undefined) await rotate('root', rules.rootMs)
      return await advance()
    },

    /** Moves the time of destruction of a closed version, never before its backup cycle has passed. */
    async scheduleDestroy(family: KeyFamily, version: number, at: Date): Promise<void> {
      const row = (await versions.versions()).find((one) => one.family === family && one.version === version)
      const earliest = (row?.closed_at?.getTime() ?? Number.POSITIVE_INFINITY) + rules.backupCycleMs
      if (row == null || row.destroyed_at !== null || at.getTime() < earliest)
        throw refuse('key_version_in_use', { family, version })
      await versions.setDestroyAfter(family, version, at)
    },

    /** A closed version at once, also before its backup cycle has passed: backups that hold only it are then dead. */
    destroyNow: destroy,

    attest: (family: KeyFamily, version: number): Promise<Attestation> => driver.attest(family, version),
  }
}

export type Rotation = ReturnType<typeof createRotation>
