import type { DriverKind, KeyDriver, KeyFamily } from './driver.ts'

/**
 * Two drivers as one while the keys move from one to the other: each version is asked of the driver that made it, and
 * new versions are made by the new one. Rotation does the rest: it re-wraps what hangs on the old versions, closes
 * them and has the old driver destroy them.
 */
export function createMovingDriver(
  from: KeyDriver,
  to: KeyDriver,
  /** Which driver made a version; undefined for one that is not recorded yet. */
  madeBy: (family: KeyFamily, version: number) => Promise<string | undefined>,
): KeyDriver {
  if (from.kind === to.kind) throw new Error('keys move between drivers of different kinds')
  const of = async (family: KeyFamily, version: number) =>
    (await madeBy(family, version)) === from.kind ? from : to
  return {
    kind: to.kind,
    keeps: [from.kind, to.kind],
    place: to.place,
    simulated: (from.simulated ?? false) || (to.simulated ?? false),
    async versions(family) {
      const found = new Set<number>()
      for (const one of [from, to])
        for (const version of await one.versions(family))
          if ((await of(family, version)) === one) found.add(version)
      return [...found].sort((a, b) => a - b)
    },
    rotate: async (family, version) => (await of(family, version)).rotate(family, version),
    wrap: async (family, version, context, bytes) =>
      (await of(family, version)).wrap(family, version, context, bytes),
    unwrap: async (family, version, context, wrapped) =>
      (await of(family, version)).unwrap(family, version, context, wrapped),
    destroyNow: async (family, version) => (await of(family, version)).destroyNow(family, version),
    attest: async (family, version) => (await of(family, version)).attest(family, version),
    // What the old driver keeps under its own root stays there until its epochs are closed, and then its root is.
    async rewrapOwn(rootVersion) {
      await (await of('root', rootVersion)).rewrapOwn?.(rootVersion)
    },
    async adoptEpochKey(version) {
      const driver = await of('epoch', version)
      if (driver.adoptEpochKey === undefined)
        throw new Error(`${driver.kind} has no epoch from before working keys`)
      return await driver.adoptEpochKey(version)
    },
    async close() {
      await Promise.all([from.close(), to.close()])
    },
  }
}

/** Whether a version made by this driver can be used here. */
export const isKept = (driver: KeyDriver, kind: string) =>
  (driver.keeps ?? [driver.kind]).includes(kind as DriverKind)
