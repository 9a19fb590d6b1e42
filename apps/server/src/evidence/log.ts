/**
 * The platform's one append-only Merkle log. Leaves wait in a queue committed with their events; a single
 * integrator (an advisory lock) gives them their places in batches, one checkpoint for many leaves.
 */
import { createHash } from 'node:crypto'
import {
  appendLeaves,
  consistencyNodes,
  consistencyProof,
  encodeVkey,
  frontierNodes,
  inclusionNodes,
  inclusionProof,
  leafHash,
  signCheckpoint,
  treeRoot,
  verifyConsistency,
} from '@yinxin/evidence'
import type { Signer } from '@yinxin/pki'
import type { Clock } from '#src/clock.ts'
import type { Db, Tx } from '#src/db/db.ts'
import {
  BATCH_MAX,
  insertCheckpoint,
  insertLeaves,
  insertNodes,
  insertTimestamp,
  isTimestamped,
  type LogCheckpoint,
  latestCheckpoint,
  lockLog,
  readNodes,
  takeQueue,
} from './log-store.ts'

export interface LogDeps {
  db: Db
  clock: Clock
  signer: Signer
  stamp(digest: Uint8Array): Promise<{ token: Uint8Array; genTime: Date; authority: string }>
}

export type TransparencyLog = ReturnType<typeof createLog>

interface Round {
  checkpoint: LogCheckpoint | null
  /** The queue may hold more than one round takes. */
  more: boolean
  stamped: boolean
}

/** The log never signs what does not continue its last checkpoint: this ends the round instead. */
export class LogInconsistent extends Error {
  override readonly name = 'LogInconsistent'
}

export function createLog(deps: LogDeps) {
  // The name follows from the key, so that it stays the same wherever the platform is reached.
  const keyHash = createHash('sha256').update(deps.signer.spki).digest('hex').slice(0, 8)
  const origin = `yinxin.log/${keyHash}`
  const noteSigner = { name: origin, signer: deps.signer }
  const rounds = oneAtATime(integrateAll)

  /** Brings the queue into the log and stamps the newest checkpoint. */
  async function integrateAll(): Promise<LogCheckpoint | null> {
    let round = await deps.db.work(extend)
    while (round.more) round = await deps.db.work(extend)
    if (round.checkpoint !== null && !round.stamped) await stampCheckpoint(round.checkpoint)
    return round.checkpoint
  }

  async function extend(tx: Tx): Promise<Round> {
    await lockLog(tx)
    const last = await latestCheckpoint(tx)
    const queued = await takeQueue(tx)
    if (queued.length === 0) {
      // An earlier round may have died, or the authority failed, before its checkpoint got a time.
      const stamped = last === null || (await isTimestamped(tx, last.size))
      return { checkpoint: last, more: false, stamped }
    }
    const oldSize = last?.size ?? 0
    const frontier = await readNodes(tx, frontierNodes(oldSize))
    const grown = appendLeaves(
      oldSize,
      queued.map((leaf) => leafHash(leaf.entry)),
      frontier,
    )
    await insertLeaves(tx, oldSize, queued)
    await insertNodes(tx, grown.nodes)
    // What gets signed is read back from the table, so that a damaged node is found before and not after.
    const stored = await readNodes(tx, [
      ...frontierNodes(grown.size),
      ...consistencyNodes(oldSize, grown.size),
    ])
    const root = treeRoot(grown.size, stored)
    const proof = consistencyProof(oldSize, grown.size, stored)
    if (last !== null && !verifyConsistency(oldSize, grown.size, last.root, root, proof)) {
      throw new LogInconsistent(`log of ${grown.size} leaves does not continue its checkpoint of ${oldSize}`)
    }
    const note = signCheckpoint({ origin, size: grown.size, root }, noteSigner)
    const checkpoint = { size: grown.size, root, note }
    await insertCheckpoint(tx, checkpoint, deps.clock.now())
    return { checkpoint, more: queued.length === BATCH_MAX, stamped: false }
  }

  /** One RFC 3161 token dates every leaf below the checkpoint. */
  async function stampCheckpoint(checkpoint: LogCheckpoint): Promise<void> {
    const stamp = await deps.stamp(createHash('sha256').update(checkpoint.note, 'utf8').digest())
    await deps.db.work((tx) => insertTimestamp(tx, checkpoint.size, stamp))
  }

  return {
    origin,
    vkey: encodeVkey(noteSigner),
    /** Integrates everything that was committed before the call; callers in the same moment share a round. */
    integrate: rounds,
    /** Audit path of a leaf in the tree of a size. */
    async proof(tx: Tx, index: number, size: number): Promise<Uint8Array[]> {
      return inclusionProof(index, size, await readNodes(tx, inclusionNodes(index, size)))
    },
  }
}

/**
 * Runs `work` once at a time. A call during a run waits for the run after it, which begins later and therefore
 * sees everything the caller committed.
 */
function oneAtATime<T>(work: () => Promise<T>): () => Promise<T> {
  let running: Promise<unknown> | null = null
  let next: Promise<T> | null = null
  return () => {
    if (next !== null) return next
    const begin = async () => {
      next = null
      const run = work()
      running = run
      try {
        return await run
      } finally {
        if (running === run) running = null
      }
    }
    const before = running
    next = before === null ? Promise.resolve().then(begin) : before.then(begin, begin)
    return next
  }
}
