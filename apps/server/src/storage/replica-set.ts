import type { Domain, Placement, ReplicaWriter, SiteName } from './domain.ts'
import { refuse } from './errors.ts'
import { encodeRecordHeader } from './journal-record.ts'
import {
  type GatherOptions,
  gatherQuorum,
  isQuorum,
  quorums,
  type StorageClass,
  type WriteOutcome,
} from './quorum.ts'
import { copysetsOf, placeObject } from './placement.ts'
import { within } from './timers.ts'

/** The failure domains of both sites as one: writes go to three per site, count by quorum, and never wait for the slowest. */
export interface ReplicaSet {
  readonly domains: readonly Domain[]
  writeSmall(
    objectId: string,
    body: Uint8Array,
    bodySha256: string,
    storageClass: StorageClass,
  ): Promise<WriteOutcome>
  /** `batches` is read once, piece by piece; what it throws ends the write and leaves nothing behind. */
  writeLarge(
    objectId: string,
    batches: AsyncIterable<readonly Uint8Array[]>,
    storageClass: StorageClass,
  ): Promise<WriteOutcome>
  domain(name: string): Domain | undefined
  /** Where an object with this id is (to be) written: three domains per site. */
  targets(objectId: string): Domain[]
  close(): Promise<void>
}

export function createReplicaSet(domains: readonly Domain[], options: GatherOptions): ReplicaSet {
  const byName = new Map(domains.map((domain) => [domain.name, domain]))
  const inSite = (site: SiteName) => copysetsOf(domains.filter((domain) => domain.site === site))
  const copysets = { primary: inSite('primary'), recovery: inSite('recovery') }
  const targets = (objectId: string) =>
    placeObject(objectId, copysets, (domain) => domain.status().state === 'ready')

  function writeSmall(objectId: string, body: Uint8Array, bodySha256: string, storageClass: StorageClass) {
    const header = encodeRecordHeader(objectId, body, bodySha256)
    const writes = targets(objectId).map((domain) => ({
      domain: domain.name,
      site: domain.site,
      done: domain.append(objectId, body, bodySha256, header),
    }))
    return gatherQuorum(quorums[storageClass], writes, options)
  }

  async function writeLarge(
    objectId: string,
    batches: AsyncIterable<readonly Uint8Array[]>,
    storageClass: StorageClass,
  ): Promise<WriteOutcome> {
    const rule = quorums[storageClass]
    const lost: { domain: Domain; error: unknown }[] = []
    const open = new Map<Domain, ReplicaWriter>()

    /** Runs a step in every domain at once; a domain that fails or hangs is left out from then on. */
    async function everywhere(among: Iterable<Domain>, step: (domain: Domain) => Promise<void>) {
      await Promise.all(
        Array.from(among, async (domain) => {
          try {
            await within(options.timers, options.timeoutMs, step(domain))
          } catch (error) {
            lost.push({ domain, error })
            void open.get(domain)?.abort()
            open.delete(domain)
          }
        }),
      )
    }

    function requireHope() {
      if (
        isQuorum(
          rule,
          Array.from(open.keys(), (domain) => domain.site),
        )
      )
        return
      throw refuse('storage_unavailable', { reason: lost.map(({ domain }) => domain.name).join(', ') })
    }

    let underway = Promise.resolve()
    try {
      await everywhere(targets(objectId), async (domain) => {
        const writer = await domain.begin(objectId)
        if (lost.some((one) => one.domain === domain)) await writer.abort()
        else open.set(domain, writer)
      })
      requireHope()
      // While one batch is on its way to the disks, the next is read and encrypted; never more than two exist.
      for await (const parts of batches) {
        await underway
        requireHope()
        underway = everywhere([...open.keys()], (domain) => open.get(domain)!.write(parts))
      }
      await underway
      requireHope()
    } catch (error) {
      await underway
      await Promise.all(Array.from(open.values(), (writer) => writer.abort()))
      throw error
    }
    const finished = Array.from(open, ([domain, writer]) => ({
      domain: domain.name,
      site: domain.site,
      done: writer.finish(),
    }))
    const failedEarly = lost.map(({ domain, error }) => ({
      domain: domain.name,
      site: domain.site,
      done: Promise.reject<Placement>(error),
    }))
    return gatherQuorum(rule, [...finished, ...failedEarly], options)
  }

  return {
    domains,
    writeSmall,
    writeLarge,
    domain: (name) => byName.get(name),
    targets,
    async close() {
      await Promise.all(domains.map((domain) => domain.close()))
    },
  }
}
