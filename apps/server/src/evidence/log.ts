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
import { type Head, newestHead, originOf, type PublishedHeads, requireContinuation } from './continuity.ts'
import { refuse } from './errors.ts'
import {
  currentGeneration,
  declarationEntry,
  type Generation,
  insertGeneration,
  readGenerations,
} from './generations.ts'
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
  /** Where checkpoints are kept outside of the database; without, a fork of the log is not noticed. */
  heads?: PublishedHeads
  /** Texts outside that this log did not sign. */
  onForeign?: (count: number) => void
}

export type TransparencyLog = ReturnType<typeof createLog>

/** The declarations of the log belong to no task. */
const LOG_ITSELF = '00000000-0000-0000-0000-000000000000'

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
  const base = `yinxin.log/${keyHash}`
  const signerOf = (generation: number) => ({ name: originOf(base, generation), signer: deps.signer })
  const vkeyOf = (generation: number) => encodeVkey(signerOf(generation))
  const rounds = oneAtATime(integrateAll)
  /** The generation of the newest checkpoint that this process saw. */
  let generation = 1
  /** What is known to be published; read from outside once, followed from then on. */
  let head: Head | undefined
  let isHeadKnown = false

  async function readHead(): Promise<Head | undefined> {
    if (isHeadKnown || deps.heads === undefined) return head
    const found = newestHead(base, vkeyOf, await deps.heads.read())
    if (found.foreign > 0) deps.onForeign?.(found.foreign)
    head = found.head
    isHeadKnown = true
    return head
  }

  /** The newest checkpoint leaves the database before anybody is told of it. */
  async function publish(checkpoint: LogCheckpoint): Promise<void> {
    if (deps.heads === undefined) return
    const { size, root, note } = checkpoint
    if (head !== undefined && head.generation === generation && head.size >= size) return
    await deps.heads.write(note).catch((error: unknown) => {
      throw refuse('log_unpublished', {}, error)
    })
    head = { generation, size, root, note }
  }

  /** Brings the queue into the log and stamps the newest checkpoint. */
  async function integrateAll(): Promise<LogCheckpoint | null> {
    await readHead()
    let round = await deps.db.work(extend)
    while (round.more) round = await deps.db.work(extend)
    if (round.checkpoint !== null) await publish(round.checkpoint)
    if (round.checkpoint !== null && !round.stamped) await stampCheckpoint(round.checkpoint)
    return round.checkpoint
  }

  async function extend(tx: Tx): Promise<Round> {
    await lockLog(tx)
    const last = await latestCheckpoint(tx)
    const now = await currentGeneration(tx)
    generation = now.generation
    if (head !== undefined) await requireContinuation(tx, { generation, last }, head)
    const queued = await takeQueue(tx)
    if (queued.length === 0) {
      // An earlier round may have died, or the authority failed, before its checkpoint got a time.
      const stamped = last === null || (await isTimestamped(tx, last.size))
      return { checkpoint: last, more: false, stamped }
    }
    const checkpoint = await grow(tx, last, queued)
    return { checkpoint, more: queued.length === BATCH_MAX, stamped: false }
  }

  /** Adds leaves and signs the checkpoint over them, in the caller's transaction and under its lock. */
  async function grow(
    tx: Tx,
    last: LogCheckpoint | null,
    leaves: Parameters<typeof insertLeaves>[2],
  ): Promise<LogCheckpoint> {
    const oldSize = last?.size ?? 0
    const frontier = await readNodes(tx, frontierNodes(oldSize))
    const grown = appendLeaves(
      oldSize,
      leaves.map((leaf) => leafHash(leaf.entry)),
      frontier,
    )
    await insertLeaves(tx, oldSize, leaves)
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
    const signer = signerOf(generation)
    const note = signCheckpoint({ origin: signer.name, size: grown.size, root }, signer)
    const checkpoint = { size: grown.size, root, note }
    await insertCheckpoint(tx, checkpoint, deps.clock.now())
    return checkpoint
  }

  /** Whether this log leads to what was published; undefined when it does. */
  async function fork(): Promise<{ here: LogCheckpoint | null; published: Head } | undefined> {
    isHeadKnown = false
    const published = await readHead()
    return await deps.db.work(async (tx) => {
      const here = await latestCheckpoint(tx)
      generation = (await currentGeneration(tx)).generation
      if (published === undefined) return undefined
      try {
        await requireContinuation(tx, { generation, last: here }, published)
        return undefined
      } catch (error) {
        if ((error as { code?: string }).code !== 'log_fork') throw error
        return { here, published }
      }
    })
  }

  /**
   * Goes on under a new name after a fork was found: the next leaf says from where, what was published beyond it and
   * why, and everything that waits comes after it. @throws Refusal `log_whole` when there is none
   */
  async function declare(reason: string): Promise<Generation> {
    const found = await fork()
    if (found === undefined) throw refuse('log_whole')
    const { published } = found
    const made = await deps.db.work(async (tx) => {
      await lockLog(tx)
      const inherited = await latestCheckpoint(tx)
      const before = (await currentGeneration(tx)).generation
      // Another process was first.
      if (before > published.generation) throw refuse('log_whole')
      const next = Math.max(before, published.generation) + 1
      const at = deps.clock.now()
      const entry = declarationEntry({
        origin: originOf(base, next),
        inheritedOrigin: originOf(base, before),
        inherited,
        published,
        publishedOrigin: originOf(base, published.generation),
        reason,
        at,
      })
      const row: Generation = {
        generation: next,
        first_size: inherited?.size ?? 0,
        inherited: inherited?.note ?? null,
        published: published.note,
        reason,
        declared_at: at,
        entry,
      }
      await insertGeneration(tx, row)
      generation = next
      await grow(tx, inherited, [{ task_id: LOG_ITSELF, seq: null, entry }])
      return row
    })
    await rounds()
    return made
  }

  /** One RFC 3161 token dates every leaf below the checkpoint. */
  async function stampCheckpoint(checkpoint: LogCheckpoint): Promise<void> {
    const stamp = await deps.stamp(createHash('sha256').update(checkpoint.note, 'utf8').digest())
    await deps.db.work((tx) => insertTimestamp(tx, checkpoint.size, stamp))
  }

  return {
    /** Of the generation that signs now. */
    get origin() {
      return originOf(base, generation)
    },
    get vkey() {
      return vkeyOf(generation)
    },
    /** Looks which generation signs now. */
    async refresh(): Promise<void> {
      generation = (await deps.db.work(currentGeneration)).generation
    },
    fork,
    declare,
    size: async () => (await deps.db.work(latestCheckpoint))?.size ?? 0,
    /** All generations, oldest first, with the key of each. */
    async generations() {
      const declared = await deps.db.work(readGenerations)
      const of = (number: number) => ({
        generation: number,
        origin: originOf(base, number),
        vkey: vkeyOf(number),
      })
      return [
        { ...of(1), declared: undefined },
        ...declared.map((row) => ({ ...of(row.generation), declared: row })),
      ]
    },
    /** Integrates everything that was committed before the call; callers in the same moment share a round. */
    integrate: rounds,
    /** Proof that the tree of a size grew out of the one of an older size. */
    async consistency(tx: Tx, oldSize: number, size: number): Promise<Uint8Array[]> {
      return consistencyProof(oldSize, size, await readNodes(tx, consistencyNodes(oldSize, size)))
    },
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
