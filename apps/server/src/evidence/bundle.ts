/**
 * Issues evidence packages: the whole chain of a task with its proofs, bound to the log by a leaf of its own.
 */
import {
  type BundleDocument,
  consistencyNodes,
  consistencyProof,
  type Disclosure,
  type EvidenceEvent,
  inclusionNodes,
  inclusionProof,
  type JsonObject,
  parseEvent,
  prepareBundle,
  writeBundle,
} from '@yinxin/evidence'
import type { Clock } from '#src/clock.ts'
import type { Db, Tx } from '#src/db/db.ts'
import { readDisclosures, readEvents } from './chain-store.ts'
import { refuse } from './errors.ts'
import type { TransparencyLog } from './log.ts'
import {
  enqueueEntry,
  entryIndex,
  latestCheckpoint,
  leafIndexes,
  readNodes,
  timestampedCheckpoint,
} from './log-store.ts'
import { type ContentKeys, openOpenings } from './openings.ts'

export interface BundleRequest {
  taskId: string
  title: string
  documents: readonly BundleDocument[]
  /** DER: event certificates, chains, the timestamp authority's. */
  certificates: readonly Uint8Array[]
  crls: readonly Uint8Array[]
  anchors: readonly Uint8Array[]
  environment: JsonObject
  /** Which openings of commitments the receiver may have. */
  mayOpen: (disclosure: Disclosure) => boolean
  /** Only this party's key opens the commitments; any key that lives when not said. */
  partyId?: string
  /** Only so many events: the task as it was at an earlier moment. */
  eventCount?: number
  /** An export keeps the documents beside the package. */
  parts?: 'all' | 'without-documents'
}

const EVENTS_MAX = 50_000

export interface BundleDeps {
  db: Db
  clock: Clock
  log: TransparencyLog
  keys: ContentKeys
}

export function createBundles({ db, clock, log, keys }: BundleDeps) {
  /** 1. integrate, 2. collect and prove, 3. bind the manifest to the log, 4. stream. */
  return async function bundle(request: BundleRequest): Promise<AsyncIterable<Uint8Array>> {
    await log.integrate()
    const collected = await db.work((tx) => collect(tx, request.taskId, request.eventCount ?? EVENTS_MAX))
    const disclosures = await openOpenings(keys, request.taskId, collected.openings, request.partyId)
    const prepared = prepareBundle({
      taskId: request.taskId,
      title: request.title,
      createdAt: clock.now(),
      documents: request.documents,
      events: collected.events,
      disclosures: disclosures.filter(request.mayOpen),
      log: {
        keys: [log.vkey],
        checkpoint: collected.checkpoint.note,
        timestampToken: collected.checkpoint.token,
        proofs: collected.proofs,
      },
      certificates: request.certificates,
      crls: request.crls,
      anchors: request.anchors,
      environment: request.environment,
    })
    await db.work((tx) => enqueueEntry(tx, request.taskId, prepared.issuedEntry))
    await log.integrate()
    const proof = await db.work((tx) =>
      proveIssue(tx, request.taskId, prepared.issuedEntry, collected.checkpoint.size),
    )
    return writeBundle(prepared, proof, request.parts)
  }

  async function collect(tx: Tx, taskId: string, eventCount: number) {
    const rows = await readEvents(tx, taskId, 0, Math.min(eventCount, EVENTS_MAX))
    const events = rows.map((row): EvidenceEvent => parseEvent(Buffer.from(row.entry, 'utf8')))
    const indexes = await leafIndexes(tx, taskId)
    const places = events.map((event) => indexes.get(event.seq))
    // Events committed after the integration have no place yet: the next request finds them.
    if (events.length === 0 || !places.every((index) => index !== undefined))
      throw refuse('evidence_not_ready')
    const checkpoint = await timestampedCheckpoint(tx, Math.max(...places) + 1)
    if (checkpoint === null) throw refuse('evidence_not_ready')
    const nodes = await readNodes(
      tx,
      places.flatMap((index) => inclusionNodes(index, checkpoint.size)),
    )
    return {
      events,
      openings: await readDisclosures(tx, taskId, 0, events.length - 1),
      checkpoint,
      proofs: places.map((index) => ({ index, hashes: inclusionProof(index, checkpoint.size, nodes) })),
    }
  }

  async function proveIssue(tx: Tx, taskId: string, entry: Uint8Array, beforeSize: number) {
    const index = await entryIndex(tx, taskId, entry)
    const after = await latestCheckpoint(tx)
    if (index === null || after === null || after.size <= index) throw refuse('evidence_not_ready')
    const nodes = await readNodes(tx, [
      ...inclusionNodes(index, after.size),
      ...consistencyNodes(beforeSize, after.size),
    ])
    return {
      index,
      hashes: inclusionProof(index, after.size, nodes),
      checkpoint: after.note,
      consistency: consistencyProof(beforeSize, after.size, nodes),
    }
  }
}
