import type { ListedReplica, Placement, Removal, SiteName } from './domain.ts'
import type { StorageClass } from './quorum.ts'

/** An object that is durable on its quorum; nothing refers to it before `record`. */
export interface StoredObject {
  id: string
  tenantId: string
  scopeId: string
  class: StorageClass
  sizeBytes: number
  /** SHA-256 of the content, hex. */
  sha256: string
  /** Size and SHA-256 of what lies on the disks: envelope and ciphertext. */
  cipherSizeBytes: number
  cipherSha256: string
  wrappedKey: Buffer
  createdAt: Date
  /** The replicas that were durable when it was returned. */
  replicas: Placement[]
}

/** An object as it stands in the catalogue, its good replicas first. */
export interface CataloguedObject extends StoredObject {
  destroyedAt?: Date
}

export type RepairReason = 'missing' | 'bad'

/**
 * What became of a replica that was to be recorded. Surplus: its domain has a good one on record elsewhere, which stays;
 * whoever wrote this one takes it away again, or it would outlive a destruction until the next inventory.
 */
export type PutAnswer = 'recorded' | 'unknown' | 'destroyed' | 'surplus'

export interface RepairItem {
  objectId: string
  domain: string
  attempts: number
}

/** How long a repair took from being noticed to being durable; the u′ of the durability formula. */
export interface RepairTime {
  domain: string
  reason: RepairReason
  detectedAt: Date
  repairedAt: Date
}

/** Site and physical device of each domain, by which repair weighs what is endangered. */
export type Places = Readonly<Record<string, { site: SiteName; deviceId?: string }>>

/** One replica that is to be destroyed; without a placement none was ever recorded there. */
export interface RemovalItem {
  objectId: string
  domain: string
  placement?: Placement
  attempts: number
}

export interface DomainDestruction {
  domain: string
  state: 'pending' | 'removed'
  removedAt?: Date
  method?: Removal
  /** When an inventory of the whole domain, begun after the removal, did not find it. */
  verifiedAbsentAt?: Date
}

export interface Destruction {
  objectId: string
  at: Date
  reason: string
  domains: DomainDestruction[]
}

/** What the last scrub found: the stored hash, other bytes, nothing, or no answer. */
export type Verdict = 'good' | 'damaged' | 'missing' | 'unreadable'

/** One replica as the right to know shows it; values of the last scrub, never of settings. */
export interface ReplicaFacts {
  objectId: string
  domain: string
  bytes: number
  state: 'good' | 'bad'
  writtenAt: Date
  lastVerifiedAt?: Date
  lastVerdict?: Verdict
}

/** A replica with what it must be. */
export interface CataloguedReplica {
  objectId: string
  placement: Placement
  cipherSha256: string
  state: 'good' | 'bad'
  writtenAt: Date
}

export interface ScrubResult {
  objectId: string
  verifiedAt: Date
  verdict: Verdict
}

/** One pass over a domain; resumable at `cursor`, the last object checked. */
export interface ScrubPass {
  domain: string
  startedAt: Date
  cursor?: string
  finishedAt?: Date
  checked: number
  bad: number
  bytes: number
  /** What the domain was when it was read, and within which time every replica of it was to be read. */
  seen?: ScrubbedPlace
}

export interface ScrubbedPlace {
  site: SiteName
  deviceId?: string
  periodMs: number
}

/** Objects whose id ends in one byte: how many, and the XOR of SHA-256(id ‖ SHA-256 of the replica), hex. */
export interface BucketDigest {
  count: number
  xor: string
}

/** What the catalogue says to a replica that was found in a domain. */
export interface Known {
  cipherSizeBytes: number
  cipherSha256: string
  createdAt: Date
  destroyedAt?: Date
  replica?: { holder: string; position: number; state: 'good' | 'bad'; writtenAt: Date }
}

/** The six classes of promises §3.5, by their letters. */
export type FindingClass =
  | 'a_object_lost'
  | 'b_without_row'
  | 'c_destroyed_but_there'
  | 'd_too_few_replicas'
  | 'e_key_missing'
  | 'f_destroyed_but_key'

export type Severity = 'critical' | 'failure' | 'warning'

export interface Finding {
  class: FindingClass
  severity: Severity
  /** An object, or a scope for the classes that speak of keys. */
  subjectId: string
  /** Empty where no single domain is meant. */
  domain: string
  detail: string
}

export interface OpenFinding extends Finding {
  firstSeenAt: Date
  lastSeenAt: Date
}

/** How many good replicas each site is to have, and in which domains: one too many there makes up for none here. */
export type Wanted = Readonly<Record<SiteName, { replicas: number; domains: readonly string[] }>>

export interface Endangered {
  objectId: string
  /** Domains with a good replica, in order of name. */
  good: string[]
  /** Domains with any. */
  domains: string[]
}

export interface Orphan extends ListedReplica {
  foundAt: Date
}

export interface Move {
  objectId: string
  from: Placement
  to: Placement
}

/**
 * What storage knows beside the bytes. One implementation is PostgreSQL, one is memory for simulations; one suite of
 * tests holds both to the same behaviour. `T` is a transaction of the caller.
 */
export interface Catalogue<T> {
  /** All or nothing. */
  transact<R>(work: (tx: T) => Promise<R>): Promise<R>

  /** Objects, their replicas and what is still missing, together with what the caller writes. */
  insertObjects(
    tx: T,
    objects: readonly StoredObject[],
    missing: readonly { objectId: string; domain: string; dueAt: Date }[],
  ): Promise<void>
  findObject(objectId: string): Promise<CataloguedObject | undefined>
  /** A replica that arrived late or was made again, `repaired` when by repair. */
  putReplica(objectId: string, placement: Placement, at: Date, how?: 'late' | 'repaired'): Promise<PutAnswer>
  /** Marks replicas as bad and orders their repair; nothing happens for objects without such replicas. */
  markBad(objectId: string, domains: readonly string[], at: Date): Promise<void>
  /** Orders replicas that an object lacks. */
  orderReplicas(
    missing: readonly { objectId: string; domain: string; dueAt: Date }[],
    at: Date,
  ): Promise<void>

  /**
   * Takes up repairs that are due, those of the most endangered objects first (fewest distinct devices, sites, good
   * replicas), and leases them: who dies over one leaves it to the next.
   */
  claimRepairs(now: Date, leaseUntil: Date, limit: number, places: Places): Promise<RepairItem[]>
  postponeRepair(item: RepairItem, dueAt: Date): Promise<void>
  /**
   * Records a replica that was made elsewhere than ordered, and with it gives up the bad one in the place of the order:
   * together or not at all, for the bad one may be the last that there is.
   */
  moveReplica(item: RepairItem, placement: Placement, at: Date): Promise<PutAnswer>
  /** Makes every repair due now, whatever was tried before. */
  hastenRepairs(now: Date): Promise<void>
  repairsWaiting(): Promise<number>
  repairTimes(since: Date): Promise<RepairTime[]>

  /** Marks objects as destroyed, for ever; repeating it is harmless. @throws Refusal `object_not_found` */
  destroy(
    tx: T,
    objectIds: readonly string[],
    reason: string,
    at: Date,
    domains: readonly string[],
  ): Promise<void>
  destruction(objectId: string): Promise<Destruction | undefined>
  claimRemovals(now: Date, leaseUntil: Date, limit: number): Promise<RemovalItem[]>
  /** False when the replica was moved meanwhile: it waits for the next claim. */
  finishRemoval(item: RemovalItem, method: Removal, at: Date): Promise<boolean>
  postponeRemoval(item: RemovalItem, dueAt: Date): Promise<void>
  hastenRemovals(now: Date): Promise<void>
  /** A replica of a destroyed object turned up again and was removed. */
  noteLateRemoval(objectId: string, domain: string, method: Removal, at: Date): Promise<void>
  removalsWaiting(): Promise<number>

  replicaFacts(of: { objectId: string } | { scopeId: string }): Promise<ReplicaFacts[]>
  /** Every set of domains that together hold objects, with how many. */
  occurringSets(): Promise<{ domains: string[]; objects: number }[]>

  /** Replicas of living objects in a domain by object id; `bucket` is the last byte of the id. */
  replicasIn(
    domain: string,
    page: { after?: string; bucket?: number; limit: number },
  ): Promise<CataloguedReplica[]>
  recordScrubs(domain: string, results: readonly ScrubResult[]): Promise<void>
  lastScrub(domain: string): Promise<ScrubPass | undefined>
  saveScrub(pass: ScrubPass): Promise<void>

  /** Good replicas of living objects in a domain, in 256 buckets. */
  digests(domain: string): Promise<Map<number, BucketDigest>>
  lookup(domain: string, objectIds: readonly string[]): Promise<Map<string, Known>>
  recordInventory(domain: string, startedAt: Date, finishedAt: Date, replicas: number): Promise<void>
  /** Moves good replicas to where they were copied; returns the objects that were still where they had been. */
  moveReplicas(moves: readonly Move[], at: Date): Promise<Set<string>>

  /**
   * Living objects created before a time with fewer good replicas in a site than that, fewest good ones first; those
   * that have none at all whenever they were created.
   */
  endangered(wanted: Wanted, createdBefore: Date, limit: number): Promise<Endangered[]>
  scopes(
    after: string | undefined,
    limit: number,
  ): Promise<{ scopeId: string; living: number; destroyed: number; lastDestroyedAt?: Date }[]>

  noteOrphans(orphans: readonly ListedReplica[], at: Date): Promise<void>
  orphansFoundBefore(domain: string, before: Date, limit: number): Promise<Orphan[]>
  forgetOrphans(domain: string, objectIds: readonly string[]): Promise<void>

  noteFindings(findings: readonly Finding[], at: Date): Promise<void>
  /** Closes findings of these classes that were not seen since. */
  resolveFindings(classes: readonly FindingClass[], notSeenSince: Date, at: Date): Promise<void>
  openFindings(): Promise<OpenFinding[]>

  quarantine(domain: string, reason: string, at: Date): Promise<void>
  readmit(domain: string, at: Date): Promise<void>
  quarantines(): Promise<{ domain: string; reason: string; since: Date }[]>
}
