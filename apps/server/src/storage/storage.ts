import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { z } from 'zod'
import type { Clock } from '#src/clock.ts'
import type { Db, Tx } from '#src/db/db.ts'
import { newId } from '#src/ids.ts'
import type { Jobs } from '#src/jobs/jobs.ts'
import type { Kms } from '#src/kms/kms.ts'
import type { Log } from '#src/log.ts'
import { type Disk, nodeDisk } from './disk.ts'
import { createDomain, type DomainStatus, type Placement, type SiteName } from './domain.ts'
import { refuse } from './errors.ts'
import { isQuorum, quorums, type StorageClass, type WriteOutcome } from './quorum.ts'
import { type ByteRange, readWhole, streamRange } from './reading.ts'
import { createRepair, type RepairSummary } from './repair.ts'
import { createReplicaSet } from './replica-set.ts'
import { sealSmall, sealStream, type SealedFacts, smallContentBytes } from './sealed-content.ts'
import { findObject, insertObjects, markBad, putReplica, type StoredObject } from './store.ts'

export type { ByteRange } from './reading.ts'
export type { DomainStatus } from './domain.ts'
export type { StorageClass } from './quorum.ts'
export type { StoredObject } from './store.ts'

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

export interface Storage {
  /**
   * Encrypts and writes an object; durable on its quorum when it resolves. Nothing refers to it until
   * `record`. Memory stays flat whatever the length.
   * @throws Refusal `storage_unavailable`, `content_hash_mismatch`, `content_key_missing`
   */
  put(request: PutRequest): Promise<StoredObject>
  /** Records objects in the caller's transaction, together with the change that refers to them. */
  record(tx: Tx, stored: StoredObject | readonly StoredObject[]): Promise<void>
  /**
   * The whole content, verified. Authorisation is the caller's job: it took the id from a row that it
   * was allowed to see. Opens its own transaction when given an id.
   * @throws Refusal `object_not_found`, `content_unreadable`, `content_key_missing`
   */
  read(object: string | StoredObject): Promise<Buffer>
  /** The content, or a part of it, chunk by chunk, each verified before it leaves. Errors as `read`. */
  stream(object: string | StoredObject, range?: ByteRange): AsyncIterable<Buffer>
  /** Size and hash of a recorded object without reading it. */
  describe(objectId: string): Promise<StoredObject>
  /** Makes missing and bad replicas again; runs every minute by itself. */
  repairDue(): Promise<RepairSummary>
  /** The failure domains, and whether each class can reach its quorum now. */
  status(): { domains: DomainStatus[]; writable: Record<StorageClass, boolean> }
  /** Waits for replicas under way and closes the journals. */
  close(): Promise<void>
}

export interface SiteFolders {
  site: SiteName
  /** One folder per failure domain; their order gives the domains' names: `primary-1`, `primary-2` … */
  folders: readonly string[]
}

export interface StorageDeps {
  db: Db
  clock: Clock
  log: Log
  kms: Kms
  sites: readonly SiteFolders[]
  /** With it, repair runs every minute. */
  jobs?: Jobs
  disk?: Disk
  /** A segment of a journal is left when it reaches this size. */
  segmentBytes?: number
  /** A failure domain that takes longer than this for a write is left to repair. */
  writeTimeoutMs?: number
  /** How long a reached quorum waits for the other replicas, so that healthy writes need no second transaction. */
  lingerMs?: number
}

/** The default layout: three folders per site below the data folder. */
export function defaultSites(dataDir: string): SiteFolders[] {
  const folders = (site: SiteName) => ['a', 'b', 'c'].map((name) => join(dataDir, 'storage', site, name))
  return [
    { site: 'primary', folders: folders('primary') },
    { site: 'recovery', folders: folders('recovery') },
  ]
}

/** When a replica that is still under way is given up and made again. */
const lateReplicaMs = 2 * 60_000
/** A file that is still under its passing name after this time belongs to a writer that died. */
const leftoverAgeMs = 24 * 60 * 60_000

export function createStorage(deps: StorageDeps): Storage {
  const {
    db,
    clock,
    log,
    kms,
    disk = nodeDisk,
    segmentBytes = 64 << 20,
    writeTimeoutMs = 30_000,
    lingerMs = 20,
  } = deps

  const domains = deps.sites.flatMap(({ site, folders }) =>
    folders.map((folder, index) =>
      createDomain({
        name: `${site}-${index + 1}`,
        site,
        folder,
        disk,
        newName: newId,
        segmentBytes,
        onQuarantine: (status) =>
          log.error({ domain: status.name, reason: status.reason }, 'failure domain quarantined'),
      }),
    ),
  )
  const replicas = createReplicaSet(domains, { timeoutMs: writeTimeoutMs, lingerMs })
  const repair = createRepair({ db, clock, log, replicas })
  // Kept apart from the objects that callers hold, which stay plain data.
  const outcomes = new WeakMap<StoredObject, WriteOutcome>()
  const background = new Set<Promise<void>>()
  const closing = new AbortController()
  const closed = new Promise<void>((resolve) => closing.signal.addEventListener('abort', () => resolve()))

  deps.jobs?.define('storage.repair', z.looseObject({}), async () => {
    await repair.repairDue()
  })
  deps.jobs?.schedule('storage.repair', '* * * * *')
  deps.jobs?.define('storage.sweep', z.looseObject({}), async () => {
    const before = new Date(clock.now().getTime() - leftoverAgeMs)
    for (const domain of domains) await domain.sweep(before)
  })
  deps.jobs?.schedule('storage.sweep', '17 3 * * *')

  async function put(request: PutRequest): Promise<StoredObject> {
    // 1. A name and a key of its own.
    const { tenantId, scopeId } = request
    const objectId = newId(clock.now().getTime())
    const { key, wrapped } = await kms.newObjectKey({ tenantId, scopeId, objectId })
    const id = { tenantId, scopeId, objectId, wrappedKey: wrapped }
    // 2. Small things as one record, large ones as a stream.
    const { head, rest } = await splitHead(request.content)
    let facts: SealedFacts
    let outcome: WriteOutcome
    if (rest === undefined) {
      const sealed = sealSmall(id, key, head)
      requireHash(request, sealed)
      facts = sealed
      outcome = await replicas.writeSmall(objectId, sealed.stored, sealed.cipherSha256, request.class)
    } else {
      const sealed = sealStream(id, key, rest)
      const checked = async function* () {
        yield* sealed.batches
        // Before the files get their names: a content that is not what was announced leaves nothing behind.
        facts = sealed.facts()
        requireHash(request, facts)
      }
      facts = { sizeBytes: 0, sha256: '', cipherSizeBytes: 0, cipherSha256: '' }
      outcome = await replicas.writeLarge(objectId, checked(), request.class)
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
    for (const { domain, error } of outcome.failed)
      log.warn({ err: error, domain, objectId }, 'a replica could not be written')
    return stored
  }

  async function record(tx: Tx, stored: StoredObject | readonly StoredObject[]): Promise<void> {
    const objects = Array.isArray(stored) ? (stored as readonly StoredObject[]) : [stored as StoredObject]
    if (objects.length === 0) return
    const nowMs = clock.now().getTime()
    const missing = objects.flatMap((object) => {
      const outcome = outcomes.get(object)
      if (outcome !== undefined) object.replicas = [...outcome.placed]
      const has = new Set(object.replicas.map((one) => one.domain))
      const failed = new Set(outcome?.failed.map((one) => one.domain))
      return domains
        .filter((domain) => !has.has(domain.name))
        .map((domain) => ({
          objectId: object.id,
          domain: domain.name,
          dueAt: new Date(nowMs + (failed.has(domain.name) ? 0 : lateReplicaMs)),
        }))
    })
    await insertObjects(tx, objects, missing)
    for (const object of objects) {
      const outcome = outcomes.get(object)
      if (outcome === undefined || outcome.placed.length + outcome.failed.length === domains.length) continue
      inBackground(recordLate(object, outcome))
    }
  }

  /** Adds the replicas that arrive after `record`, once the caller's transaction has committed. */
  async function recordLate(object: StoredObject, outcome: WriteOutcome): Promise<void> {
    const known = new Set(object.replicas.map((one) => one.domain))
    await Promise.race([outcome.settled, closed])
    const late = outcome.placed.filter((one) => !known.has(one.domain))
    for (const delayMs of [50, 500, 5_000]) {
      if (late.length === 0) return
      await wait(delayMs, undefined, { signal: closing.signal, ref: false })
      const recorded = await db.work(async (tx) => {
        for (const placement of late) {
          if (!(await putReplica(tx, object.id, placement, clock.now()))) return false
        }
        return true
      })
      if (recorded) return
    }
    // Not committed within this time: if it ever is, the repair that was ordered with it makes the replica again.
  }

  async function describe(objectId: string): Promise<StoredObject> {
    const object = await db.ask((tx) => findObject(tx, objectId))
    if (object === undefined) throw refuse('object_not_found')
    return object
  }

  async function open(object: string | StoredObject) {
    const found = typeof object === 'string' ? await describe(object) : object
    const key = await kms.openObjectKey(
      { tenantId: found.tenantId, scopeId: found.scopeId, objectId: found.id },
      found.wrappedKey,
    )
    const bad = new Map<string, unknown>()
    const onBad = (placement: Placement, reason: unknown) => {
      bad.set(placement.domain, reason)
      log.warn({ err: reason, domain: placement.domain, objectId: found.id }, 'a replica could not be read')
    }
    const healAfterwards = () => {
      if (bad.size > 0) inBackground(heal(found.id, [...bad.keys()]))
    }
    return { found, key, onBad, healAfterwards }
  }

  async function read(object: string | StoredObject): Promise<Buffer> {
    const { found, key, onBad, healAfterwards } = await open(object)
    const content = await readWhole(replicas, found, key, onBad)
    healAfterwards()
    if (content === undefined) throw refuse('content_unreadable', { objectId: found.id })
    return content
  }

  async function* stream(object: string | StoredObject, range?: ByteRange): AsyncGenerator<Buffer> {
    const { found, key, onBad, healAfterwards } = await open(object)
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
      const complete = yield* streamRange(replicas, found, key, wanted, onBad)
      if (!complete) throw refuse('content_unreadable', { objectId: found.id })
    } finally {
      healAfterwards()
    }
  }

  async function heal(objectId: string, domainNames: string[]): Promise<void> {
    await db.work((tx) => markBad(tx, objectId, domainNames, clock.now()))
    await repair.repairDue()
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
    describe,
    repairDue: repair.repairDue,
    status() {
      const ready = domains.filter((domain) => domain.status().state === 'ready').map((domain) => domain.site)
      return {
        domains: domains.map((domain) => domain.status()),
        writable: { draft: isQuorum(quorums.draft, ready), signed: isQuorum(quorums.signed, ready) },
      }
    },
    async close() {
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

/** Reads until it is clear whether the content is small; `rest` is the whole content again when it is not. */
async function splitHead(
  content: Uint8Array | AsyncIterable<Uint8Array>,
): Promise<{ head: Uint8Array; rest?: AsyncIterable<Uint8Array> }> {
  if (content instanceof Uint8Array) {
    if (content.length <= smallContentBytes) return { head: content }
    return { head: content, rest: once(content) }
  }
  const pieces = content[Symbol.asyncIterator]()
  const head: Uint8Array[] = []
  let headBytes = 0
  while (headBytes <= smallContentBytes) {
    const next = await pieces.next()
    if (next.done === true) return { head: Buffer.concat(head) }
    head.push(next.value)
    headBytes += next.value.length
  }
  return { head: new Uint8Array(), rest: joined(head, pieces) }
}

async function* once(content: Uint8Array) {
  yield content
}

async function* joined(head: Uint8Array[], pieces: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    yield* head
    for (let next = await pieces.next(); next.done !== true; next = await pieces.next()) yield next.value
  } finally {
    await pieces.return?.()
  }
}
