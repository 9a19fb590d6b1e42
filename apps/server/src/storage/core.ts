import type { KeyObject } from 'node:crypto'
import type { Clock } from '#src/clock.ts'
import type { Log } from '#src/log.ts'
import type {
  Catalogue,
  CataloguedObject,
  Destruction,
  RepairTime,
  ReplicaFacts,
  ScrubPass,
  StoredObject,
} from './catalogue.ts'
import { createCounters } from './counters.ts'
import { createQuarantines } from './quarantines.ts'
import type { KeyDestroyed, KeyPresent } from './reconcile.ts'
import { scatterWidths } from './placement.ts'
import { createUpkeep, type Upkeep } from './upkeep.ts'
import type { Domain, DomainStatus, Placement, SiteName } from './domain.ts'
import { refuse } from './errors.ts'
import { isQuorum, quorums, type StorageClass, type WriteOutcome } from './quorum.ts'
import { type ByteRange, readWhole, streamRange } from './reading.ts'
import { createRemoval, type RemovalSummary } from './removal.ts'
import { createRepair, type RepairSummary } from './repair.ts'
import { createReplicaSet } from './replica-set.ts'
import { type Random, type SealedFacts, sealSmall, sealStream } from './sealed-content.ts'
import { splitHead } from './split-head.ts'
import { pause, type Timers } from './timers.ts'

export interface PutRequest {
  /** Owner of the content; uuid. */
  tenantId: string
  /** Whose key encrypts it, created before by `kms.createScopeKey`; uuid. */
  scopeId: string
  class: StorageClass
  content: Uint8Array | AsyncIterable<Uint8Array>
  /** SHA-256 of the content, hex; when given and different from what arrives, nothing is kept. */
  expectedSha256?: string
}

export interface ReadOptions {
  /** Reads with the key that this party holds; refused once the party has destroyed its access. */
  partyId?: string
}

/** Where one replica is and when it was last seen to be good. */
export interface ReplicaReport extends ReplicaFacts {
  site?: SiteName
  deviceId?: string
}

export interface DestructionReport extends Destruction {
  /**
   * Every domain has removed what was on record, and this process has no copy on its way. That nothing else lies there
   * is what `verifiedAbsentAt` says of a domain, after a full walk: a copy of another process that arrives later is
   * removed by that one, which takes the word back until the next walk.
   */
  complete: boolean
}

/** Storage over any catalogue; `T` is a transaction of the caller. */
export interface StorageCore<T> extends Upkeep {
  /**
   * Encrypts and writes an object; durable on its quorum when it resolves. Nothing refers to it until
   * `record`. Memory stays flat whatever the length.
   * @throws Refusal `storage_unavailable`, `content_hash_mismatch`, `content_key_missing`
   */
  put(request: PutRequest): Promise<StoredObject>
  /** Records objects in the caller's transaction, together with the change that refers to them. */
  record(tx: T, stored: StoredObject | readonly StoredObject[]): Promise<void>
  /**
   * The whole content, verified. Authorisation is the caller's job: it took the id from a row that it
   * was allowed to see. Opens its own transaction when given an id.
   * @throws Refusal `object_not_found`, `object_destroyed`, `content_unreadable`, `content_key_missing`
   */
  read(object: string | StoredObject, options?: ReadOptions): Promise<Buffer>
  /** The content, or a part of it, chunk by chunk, each verified before it leaves. Errors as `read`. */
  stream(object: string | StoredObject, range?: ByteRange, options?: ReadOptions): AsyncIterable<Buffer>
  /** Size and hash of a recorded object without reading it. @throws Refusal `object_not_found`, `object_destroyed` */
  describe(objectId: string): Promise<StoredObject>
  /**
   * Destroys objects for ever: marked in the caller's transaction (or one of its own), then removed from every domain,
   * retried until done, also where a replica turns up late. Without a transaction the removal begins at once.
   * @throws Refusal `object_not_found`
   */
  destroy(tx: T | undefined, objectIds: readonly string[], reason: string): Promise<void>
  /** What became of a destroyed object in each domain; undefined while it lives. */
  destroyed(objectId: string): Promise<DestructionReport | undefined>
  /** Where the replicas of an object, or of all objects of a scope, lie. Verified times are those of the last scrub. */
  replicasOf(of: { objectId: string } | { scopeId: string }): Promise<ReplicaReport[]>
  /** The failure domains with the devices on which they lie, asked of the disks where not known yet. */
  places(): Promise<DomainStatus[]>
  /** Makes missing and bad replicas again; runs every minute by itself. `hasten` does not wait for another try. */
  repairDue(options?: { hasten?: boolean }): Promise<RepairSummary>
  /** Removes what was destroyed; runs every minute by itself. */
  removeDue(options?: { hasten?: boolean }): Promise<RemovalSummary>
  /** Per domain, how many others it shares objects with (w of the durability formula), from where replicas lie. */
  scatterWidths(): Promise<Map<string, number>>
  /** From being noticed to being durable again, since a time (for u′). */
  repairTimes(since: Date): Promise<RepairTime[]>
  /** The last pass of the scrub over each domain. */
  lastScrubs(): Promise<ScrubPass[]>
  /** Orders that wait: replicas to be made, replicas to be removed. */
  waiting(): Promise<{ repairs: number; removals: number }>
  freeBytes(): Promise<{ domain: string; bytes: number | undefined }[]>
  /** Ends scrubs and other long walks at their next step; for the way down. */
  endUpkeep(): void
  /** The failure domains, and whether each class can reach its quorum now. */
  status(): { domains: DomainStatus[]; writable: Record<StorageClass, boolean> }
  /** Counters since the start of this process, for metrics. */
  counters(): Readonly<Record<string, number>>
  /** Waits for replicas under way and closes the journals. */
  close(): Promise<void>
}

/** What storage needs of the key store. */
export interface ObjectKeys {
  newObjectKey(ref: {
    tenantId: string
    scopeId: string
    objectId: string
  }): Promise<{ key: KeyObject; wrapped: Buffer }>
  openObjectKey(
    ref: { tenantId: string; scopeId: string; objectId: string; partyId?: string },
    wrapped: Uint8Array,
  ): Promise<KeyObject>
}

export interface CoreDeps<T> {
  catalogue: Catalogue<T>
  domains: readonly Domain[]
  keys: ObjectKeys
  clock: Clock
  timers: Timers
  /** Uuids of version 7 for a time. */
  newId: (nowMs: number) => string
  random: Random
  log: Pick<Log, 'warn' | 'error'>
  /** A failure domain that takes longer than this for a write is left to repair. */
  writeTimeoutMs?: number
  /** How long a reached quorum waits for the other replicas, so that healthy writes need no second transaction. */
  lingerMs?: number
  keyPresent?: KeyPresent
  keyDestroyed?: KeyDestroyed
  /** Every replica is read within this time; a day by default. */
  scrubPeriodMs?: number
  /** How fast a scrub may read from one domain. */
  scrubBytesPerSecond?: number
}

/** When a replica that is still under way is given up and made again. */
const lateReplicaMs = 2 * 60_000

export function createStorageCore<T>(deps: CoreDeps<T>): StorageCore<T> {
  const { catalogue, domains, keys, clock, timers, log } = deps
  const counters = createCounters()
  const replicas = createReplicaSet(domains, {
    timers,
    timeoutMs: deps.writeTimeoutMs ?? 30_000,
    lingerMs: deps.lingerMs ?? 20,
  })
  const removal = createRemoval({
    catalogue,
    clock,
    log,
    replicas,
    onRemoved: (outcome) => counters.add(outcome === 'removed' ? 'replicasRemoved' : 'removalsFailed'),
  })
  const repair = createRepair({
    catalogue,
    clock,
    log,
    replicas,
    discard: removal.removeFound,
    withdraw: removal.withdraw,
    whileWriting,
    onRepaired: (outcome) => counters.add(outcome === 'repaired' ? 'replicasRepaired' : 'repairsFailed'),
  })
  // Kept apart from the objects that callers hold, which stay plain data.
  const outcomes = new WeakMap<StoredObject, WriteOutcome>()
  const background = new Set<Promise<void>>()
  /** How many late replicas and repairs of an object are under way in this process. */
  const writing = new Map<string, number>()
  const closing = new AbortController()
  const closed = new Promise<void>((resolve) => closing.signal.addEventListener('abort', () => resolve()))
  const ending = new AbortController()
  const quarantines = createQuarantines({ catalogue, clock, replicas, counters })
  const upkeep = createUpkeep({
    catalogue,
    clock,
    timers,
    log,
    replicas,
    counters,
    quarantines,
    removeFound: removal.removeFound,
    withdraw: removal.withdraw,
    repairDue: () => repair.repairDue(),
    ...(deps.keyPresent === undefined ? {} : { keyPresent: deps.keyPresent }),
    ...(deps.keyDestroyed === undefined ? {} : { keyDestroyed: deps.keyDestroyed }),
    destroy: (objectIds, reason) => destroy(undefined, objectIds, reason),
    scrubPeriodMs: deps.scrubPeriodMs ?? 24 * 60 * 60_000,
    scrubBytesPerSecond: deps.scrubBytesPerSecond ?? 32 << 20,
  })
  const ended = ({ signal }: { signal?: AbortSignal }) =>
    signal === undefined ? ending.signal : AbortSignal.any([signal, ending.signal])

  async function put(request: PutRequest): Promise<StoredObject> {
    await quarantines.open()
    // 1. A name and a key of its own.
    const { tenantId, scopeId } = request
    const objectId = deps.newId(clock.now().getTime())
    const { key, wrapped } = await keys.newObjectKey({ tenantId, scopeId, objectId })
    const id = { tenantId, scopeId, objectId, wrappedKey: wrapped }
    // 2. Small things as one record, large ones as a stream.
    const { head, rest } = await splitHead(request.content)
    let facts: SealedFacts
    let outcome: WriteOutcome
    try {
      if (rest === undefined) {
        const sealed = sealSmall(id, key, head, deps.random)
        requireHash(request, sealed)
        facts = sealed
        outcome = await replicas.writeSmall(objectId, sealed.stored, sealed.cipherSha256, request.class)
      } else {
        const sealed = sealStream(id, key, rest, deps.random)
        const checked = async function* () {
          yield* sealed.batches
          // Before the files get their names: a content that is not what was announced leaves nothing behind.
          facts = sealed.facts()
          requireHash(request, facts)
        }
        facts = { sizeBytes: 0, sha256: '', cipherSizeBytes: 0, cipherSha256: '' }
        outcome = await replicas.writeLarge(objectId, checked(), request.class)
      }
    } finally {
      if (quarantines.isNews()) inBackground(quarantines.agree())
    }
    // 3. Durable on its quorum.
    const stored: StoredObject = {
      id: objectId,
      tenantId,
      scopeId,
      class: request.class,
      sizeBytes: facts.sizeBytes,
      sha256: facts.sha256,
      cipherSizeBytes: facts.cipherSizeBytes,
      cipherSha256: facts.cipherSha256,
      wrappedKey: wrapped,
      createdAt: clock.now(),
      replicas: [...outcome.placed],
    }
    outcomes.set(stored, outcome)
    counters.add('objectsWritten')
    counters.add('bytesWritten', facts.cipherSizeBytes)
    for (const { domain, error } of outcome.failed) {
      counters.add('writesFailed')
      log.warn({ err: error, domain, objectId }, 'a replica could not be written')
    }
    return stored
  }

  async function record(tx: T, stored: StoredObject | readonly StoredObject[]): Promise<void> {
    const objects = Array.isArray(stored) ? (stored as readonly StoredObject[]) : [stored as StoredObject]
    if (objects.length === 0) return
    const nowMs = clock.now().getTime()
    const missing = objects.flatMap((object) => {
      const outcome = outcomes.get(object)
      if (outcome !== undefined) object.replicas = [...outcome.placed]
      const has = new Set(object.replicas.map((one) => one.domain))
      const failed = new Set(outcome?.failed.map((one) => one.domain))
      return (outcome?.targets ?? replicas.targets(object.id).map((domain) => domain.name))
        .filter((domain) => !has.has(domain))
        .map((domain) => ({
          objectId: object.id,
          domain,
          dueAt: new Date(nowMs + (failed.has(domain) ? 0 : lateReplicaMs)),
        }))
    })
    await catalogue.insertObjects(tx, objects, missing)
    for (const object of objects) {
      const outcome = outcomes.get(object)
      if (outcome === undefined || outcome.placed.length + outcome.failed.length === outcome.targets.length)
        continue
      inBackground(whileWriting(object.id, () => recordLate(object, outcome)))
    }
  }

  /** Adds the replicas that arrive after `record`, once the caller's transaction has committed. */
  async function recordLate(object: StoredObject, outcome: WriteOutcome): Promise<void> {
    const known = new Set(object.replicas.map((one) => one.domain))
    await Promise.race([outcome.settled, closed])
    let late = outcome.placed.filter((one) => !known.has(one.domain))
    for (const delayMs of [50, 500, 5_000]) {
      if (late.length === 0 || closing.signal.aborted) return
      await pause(timers, delayMs, closing.signal)
      const unknown: Placement[] = []
      for (const placement of late) {
        const answer = await catalogue.putReplica(object.id, placement, clock.now())
        if (answer === 'unknown') unknown.push(placement)
        if (answer === 'destroyed') await removal.removeFound(object.id, placement)
        if (answer === 'surplus') await removal.withdraw(object.id, placement)
      }
      late = unknown
    }
    // Not committed within this time: if it ever is, the repair that was ordered with it makes the replica again.
  }

  async function find(objectId: string): Promise<CataloguedObject> {
    const object = await catalogue.findObject(objectId)
    if (object === undefined) throw refuse('object_not_found')
    if (object.destroyedAt !== undefined) throw refuse('object_destroyed')
    return object
  }

  async function openContent(object: string | StoredObject, { partyId }: ReadOptions) {
    const found = typeof object === 'string' ? await find(object) : object
    const key = await keys.openObjectKey(
      {
        tenantId: found.tenantId,
        scopeId: found.scopeId,
        objectId: found.id,
        ...(partyId === undefined ? {} : { partyId }),
      },
      found.wrappedKey,
    )
    const bad = new Map<string, Placement>()
    const onBad = (placement: Placement, reason: unknown) => {
      bad.set(placement.domain, placement)
      counters.add('badReads')
      log.warn({ err: reason, domain: placement.domain, objectId: found.id }, 'a replica could not be read')
    }
    return { found, key, bad, onBad }
  }

  /** The object as it lies now: replicas may have been moved, or destroyed, since its description was read. */
  async function again(
    found: StoredObject,
    bad: ReadonlyMap<string, Placement>,
  ): Promise<StoredObject | undefined> {
    const now = await catalogue.findObject(found.id)
    if (now?.destroyedAt !== undefined) throw refuse('object_destroyed')
    const isMoved = now?.replicas.some((one) => {
      const tried = bad.get(one.domain)
      return tried !== undefined && (tried.holder !== one.holder || tried.position !== one.position)
    })
    return isMoved ? now : undefined
  }

  async function read(object: string | StoredObject, options: ReadOptions = {}): Promise<Buffer> {
    const { found, key, bad, onBad } = await openContent(object, options)
    let content = await readWhole(replicas, found, key, onBad)
    if (content === undefined) {
      const moved = await again(found, bad)
      if (moved !== undefined) content = await readWhole(replicas, moved, key, onBad)
    }
    healAfterwards(found.id, bad)
    counters.add('objectsRead')
    if (content === undefined) throw refuse('content_unreadable', { objectId: found.id })
    return content
  }

  async function* stream(
    object: string | StoredObject,
    range?: ByteRange,
    options: ReadOptions = {},
  ): AsyncGenerator<Buffer> {
    const { found, key, bad, onBad } = await openContent(object, options)
    if (
      range !== undefined &&
      !(range.start >= 0 && range.start <= range.end && range.end < found.sizeBytes)
    ) {
      throw refuse('stored_range_outside')
    }
    const wanted = {
      start: range?.start ?? 0,
      endBefore: range === undefined ? found.sizeBytes : range.end + 1,
    }
    try {
      const reached = yield* streamRange(replicas, found, key, wanted, onBad)
      if (reached === 'end') return
      const moved = await again(found, bad)
      const rest = { start: reached, endBefore: wanted.endBefore }
      if (moved === undefined || (yield* streamRange(replicas, moved, key, rest, onBad)) !== 'end')
        throw refuse('content_unreadable', { objectId: found.id })
    } finally {
      counters.add('objectsRead')
      healAfterwards(found.id, bad)
    }
  }

  function healAfterwards(objectId: string, bad: ReadonlyMap<string, Placement>): void {
    if (bad.size > 0) inBackground(heal(objectId, bad))
  }

  /** Marks what could not be read, unless it was moved meanwhile, and makes it again. */
  async function heal(objectId: string, bad: ReadonlyMap<string, Placement>): Promise<void> {
    const now = await catalogue.findObject(objectId)
    if (now === undefined || now.destroyedAt !== undefined) return
    const still = now.replicas.filter((one) => {
      const tried = bad.get(one.domain)
      return tried?.holder === one.holder && tried.position === one.position
    })
    if (still.length === 0) return
    await catalogue.markBad(
      objectId,
      still.map((one) => one.domain),
      clock.now(),
    )
    await repair.repairDue()
  }

  async function destroy(tx: T | undefined, objectIds: readonly string[], reason: string): Promise<void> {
    const names = domains.map((domain) => domain.name)
    const mark = (within: T) => catalogue.destroy(within, objectIds, reason, clock.now(), names)
    if (tx !== undefined) return await mark(tx)
    await catalogue.transact(mark)
    counters.add('objectsDestroyed', objectIds.length)
    inBackground(removal.removeDue().then(() => undefined))
  }

  async function destroyed(objectId: string): Promise<DestructionReport | undefined> {
    // A copy that is on its way to a disk may still arrive there, and is taken away only then.
    const isSettled = !writing.has(objectId)
    const found = await catalogue.destruction(objectId)
    if (found === undefined) return undefined
    return { ...found, complete: isSettled && found.domains.every((one) => one.state === 'removed') }
  }

  async function places(): Promise<DomainStatus[]> {
    const known: DomainStatus[] = []
    for (const domain of domains) {
      const status = domain.status()
      known.push(status.deviceId === undefined ? await domain.examine() : status)
    }
    return known
  }

  async function replicasOf(of: { objectId: string } | { scopeId: string }): Promise<ReplicaReport[]> {
    const known = await places()
    return (await catalogue.replicaFacts(of)).map((facts) => {
      const place = known.find(({ name }) => name === facts.domain)
      return {
        ...facts,
        ...(place === undefined ? {} : { site: place.site }),
        ...(place?.deviceId === undefined ? {} : { deviceId: place.deviceId }),
      }
    })
  }

  async function whileWriting<R>(objectId: string, work: () => Promise<R>): Promise<R> {
    writing.set(objectId, (writing.get(objectId) ?? 0) + 1)
    try {
      return await work()
    } finally {
      const others = (writing.get(objectId) ?? 1) - 1
      if (others === 0) writing.delete(objectId)
      else writing.set(objectId, others)
    }
  }

  function inBackground(work: Promise<void>): void {
    const guarded = work.catch((error: unknown) => {
      if (!closing.signal.aborted) log.error({ err: error }, 'storage work in the background failed')
    })
    background.add(guarded)
    void guarded.finally(() => background.delete(guarded))
  }

  return {
    put,
    record,
    read,
    stream,
    describe: find,
    destroy,
    destroyed,
    replicasOf,
    places,
    async repairDue({ hasten = false } = {}) {
      for (const domain of domains) await domain.examine()
      await quarantines.agree()
      if (hasten) await catalogue.hastenRepairs(clock.now())
      return await repair.repairDue()
    },
    async removeDue({ hasten = false } = {}) {
      if (hasten) await catalogue.hastenRemovals(clock.now())
      return await removal.removeDue()
    },
    scrub: (options = {}) => upkeep.scrub({ ...options, signal: ended(options) }),
    antiEntropy: (options = {}) => upkeep.antiEntropy({ signal: ended(options) }),
    reconcile: (options = {}) => upkeep.reconcile({ ...options, signal: ended(options) }),
    compact: (options = {}) => upkeep.compact({ signal: ended(options) }),
    readmit: (name, options = {}) => upkeep.readmit(name, { ...options, signal: ended(options) }),
    scatterWidths: async () => scatterWidths(await catalogue.occurringSets()),
    repairTimes: (since) => catalogue.repairTimes(since),
    lastScrubs: async () =>
      (await Promise.all(domains.map(({ name }) => catalogue.lastScrub(name)))).filter(
        (pass) => pass !== undefined,
      ),
    waiting: async () => ({
      repairs: await catalogue.repairsWaiting(),
      removals: await catalogue.removalsWaiting(),
    }),
    freeBytes: () =>
      Promise.all(
        domains.map(async (domain) => ({
          domain: domain.name,
          bytes: await domain.freeBytes().catch(() => undefined),
        })),
      ),
    endUpkeep: () => ending.abort(),
    status() {
      const ready = domains.filter((domain) => domain.status().state === 'ready').map((domain) => domain.site)
      return {
        domains: domains.map((domain) => domain.status()),
        writable: { draft: isQuorum(quorums.draft, ready), signed: isQuorum(quorums.signed, ready) },
      }
    },
    counters: counters.all,
    async close() {
      ending.abort()
      closing.abort()
      await Promise.all(background)
      await replicas.close()
    },
  }
}

function requireHash(request: PutRequest, facts: SealedFacts): void {
  if (request.expectedSha256 !== undefined && request.expectedSha256.toLowerCase() !== facts.sha256) {
    throw refuse('content_hash_mismatch')
  }
}
