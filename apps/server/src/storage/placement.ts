import type { SiteName } from './domain.ts'

/** Replicas of one object in one site. */
export const replicasPerSite = 3

interface Place {
  name: string
  site: SiteName
}

/**
 * Fixed copysets: the domains of a site in groups of three, in the order of the settings. Every object lies in
 * exactly one group, so that a domain shares objects with two others of its site and no more (Cidon, ATC'13); a
 * domain that is added at the end changes no full group. What is left over is completed from the beginning.
 */
export function copysetsOf<D>(domains: readonly D[]): D[][] {
  const sets: D[][] = []
  for (let at = 0; at < domains.length; at += replicasPerSite) {
    const set = domains.slice(at, at + replicasPerSite)
    const lacking = replicasPerSite - set.length
    sets.push([...set, ...domains.slice(0, Math.min(lacking, at))])
  }
  return sets
}

/**
 * The domains that hold an object: one copyset per site, by the random end of its id; a group in which more domains
 * take writes goes before the one that the id names.
 */
export function placeObject<D extends Place>(
  objectId: string,
  copysets: Readonly<Record<SiteName, readonly D[][]>>,
  isWritable: (domain: D) => boolean,
): D[] {
  const start = Number.parseInt(objectId.slice(-8), 16)
  return (['primary', 'recovery'] as const).flatMap((site) => {
    const sets = copysets[site]
    if (sets.length <= 1) return sets[0] ?? []
    const turned = sets.map((_, n) => sets[(start + n) % sets.length]!)
    const writable = (set: readonly D[]) => set.filter(isWritable).length
    return turned.reduce((best, set) => (writable(set) > writable(best) ? set : best))
  })
}

/** How many others each domain shares objects with (scatter width), from the sets of domains that really occur. */
export function scatterWidths(occurring: readonly { domains: readonly string[] }[]): Map<string, number> {
  const peers = new Map<string, Set<string>>()
  for (const { domains } of occurring) {
    for (const one of domains) {
      const known = peers.get(one) ?? new Set<string>()
      for (const other of domains) if (other !== one) known.add(other)
      peers.set(one, known)
    }
  }
  return new Map(Array.from(peers, ([domain, known]) => [domain, known.size]))
}
