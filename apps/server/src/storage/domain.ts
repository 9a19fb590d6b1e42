export type SiteName = 'primary' | 'recovery'

/** Where one replica is. `holder` is a path inside the domain: a segment, or the object's own file. */
export interface Placement {
  domain: string
  holder: string
  /** Offset of the record in its segment; 0 for a file. */
  position: number
  sizeBytes: number
}

/** A replica that is written piece by piece. */
export interface ReplicaWriter {
  write(parts: readonly Uint8Array[]): Promise<void>
  /** Durable on return. `replace` allows it to take the place of a bad replica of the same object. */
  finish(replace?: boolean): Promise<Placement>
  abort(): Promise<void>
}

export interface ReplicaReader {
  /** Exactly these bytes of the replica; rejects when it has fewer. */
  read(from: number, sizeBytes: number): Promise<Buffer>
  close(): Promise<void>
}

export interface DomainStatus {
  name: string
  site: SiteName
  state: 'ready' | 'quarantined'
  reason?: string
  /** Physical device (`st_dev`) or bucket region; domains with the same one fail together. Unknown before `examine`. */
  deviceId?: string
  /** Set while nothing that is asked of it is answered: a region that is down. */
  unanswered?: { since: Date; reason: string }
}

/** A replica found by walking a domain, without index and keys. */
export interface ListedReplica {
  objectId: string
  placement: Placement
  /** SHA-256 of the replica as its writer noted it, hex; absent where the driver keeps none beside the bytes. */
  sha256?: string
}

/** What became of a replica: its bytes overwritten, its file or key deleted, or nothing was there. */
export type Removal = 'overwritten' | 'deleted' | 'absent'

/** Holders that carry many replicas (journal segments, packed objects), for compaction. */
export interface Packs {
  /** Those that nobody writes to any more: begun before a point in time. */
  closed(before: Date): AsyncIterable<{ holder: string; sizeBytes: number }>
  /** What is in one, also what no row refers to; nothing of what was removed. */
  records(holder: string): AsyncIterable<ListedReplica>
  /** Whether bytes lie in one that are no record any more: a torn tail, damage. Nobody could name them to remove them. */
  hasRemains?(holder: string): Promise<boolean>
  /** Removes a holder as a whole, durably. */
  drop(holder: string): Promise<void>
}

/** One failure domain: a disk, a host, a rack, a bucket; by default a folder that stands for one. */
export interface Domain {
  readonly name: string
  readonly site: SiteName
  /** What is known without asking the disk. */
  status(): DomainStatus
  /** Asks the disk for its device and for marks that an earlier process left. */
  examine(): Promise<DomainStatus>
  /**
   * A small replica into the journal. Durable on return; concurrent writers share the fsync. The record's header is
   * the same in all domains and may be handed over ready made.
   */
  append(objectId: string, body: Uint8Array, bodySha256: string, header?: Buffer): Promise<Placement>
  /** A large replica into a file of its own. */
  begin(objectId: string): Promise<ReplicaWriter>
  open(placement: Placement, objectId: string): Promise<ReplicaReader>
  /**
   * All replicas that lie here, in no order; nothing of what was removed. `recalled` allows a driver to repeat what it
   * read of a holder before, where the medium says by itself that it did not change since.
   */
  list(options?: { recalled?: boolean }): AsyncIterable<ListedReplica>
  /** Destroys one replica, durably; repeating it is harmless. Anything else at this place is left alone. */
  remove(objectId: string, placement: Placement): Promise<Removal>
  /** Undefined where the medium has no end that could be asked for. */
  freeBytes(): Promise<number | undefined>
  readonly packs?: Packs
  /** Removes what writers that died left under passing names before a point in time; returns how many. */
  sweep(before: Date): Promise<number>
  /** No more writes; reads stay, because each is verified. Told from outside after a restart. */
  quarantine(reason: string): void
  /** Takes writes again, after everything here was verified. */
  readmit(): Promise<void>
  close(): Promise<void>
}
