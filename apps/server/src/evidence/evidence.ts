/**
 * What happened to a task, in a form that nobody can change unnoticed: one hash chain per task, each link a
 * leaf of the platform's Merkle log, and packages that a stranger can verify offline.
 */
import { randomBytes } from 'node:crypto'
import { appendEvent, type Disclosure, discloseEvent, encodeTlogProof, parseEvent } from '@yinxin/evidence'
import type { Signer } from '@yinxin/pki'
import { z } from 'zod'
import type { Clock } from '#src/clock.ts'
import type { Db, Tx } from '#src/db/db.ts'
import type { Jobs } from '#src/jobs/jobs.ts'
import { type AdoptedChain, adoptChain } from './adoption.ts'
import { createBundles } from './bundle.ts'
import {
  claimOpenOpenings,
  deleteDisclosures,
  insertEvents,
  keepHead,
  readDisclosures,
  readEvents,
  readHead,
  replaceOpening,
} from './chain-store.ts'
import { commitPersonal, type OpenEvent } from './commitments.ts'
import { createEntries } from './entries.ts'
import { refuse } from './errors.ts'
import type { PublishedHeads } from './continuity.ts'
import { createLog } from './log.ts'
import { type ContentKeys, openOpenings, sealOpenings } from './openings.ts'
import { createLogPages } from './log-pages.ts'
import { latestCheckpoint, leafIndexes } from './log-store.ts'

export { evidencePromises } from './promises.ts'
export type { BundleRequest } from './bundle.ts'
export { expectAppend } from './chain-store.ts'
export type { PublishedHeads } from './continuity.ts'
export { createLogCommands, type LogStatus } from './log-commands.ts'
export type { OpenEvent } from './commitments.ts'
export { refuse as refuseEvidence } from './errors.ts'

export interface EvidenceDeps {
  db: Db
  clock: Clock
  /** With it, waiting leaves enter the log every minute without being asked for. */
  jobs?: Jobs
  kms: { signingKey(name: 'log', algorithm: 'ed25519'): Promise<Signer> } & ContentKeys
  /** Keeps checkpoints outside of the database, so that a restored one is noticed. */
  heads?: PublishedHeads
  onForeignHeads?: (count: number) => void
  timestamps: {
    stamp(digest: Uint8Array): Promise<{ token: Uint8Array; genTime: Date; authority: string }>
  }
}

export interface NewEvent extends OpenEvent {
  /** `noun.verb`, e.g. `document.signed`. */
  type: string
}

/** An event as its parties may read it: commitments that they may open stand opened beside. */
export interface TaskEventView {
  seq: number
  type: string
  at: string
  actor: Record<string, unknown> & { kind: string }
  data: Record<string, unknown>
  hash: string
  logIndex: number | null
}

export type Evidence = Awaited<ReturnType<typeof createEvidence>>

export async function createEvidence(deps: EvidenceDeps) {
  const signer = await deps.kms.signingKey('log', 'ed25519')
  const log = createLog({
    db: deps.db,
    clock: deps.clock,
    signer,
    stamp: deps.timestamps.stamp,
    ...(deps.heads === undefined ? {} : { heads: deps.heads }),
    ...(deps.onForeignHeads === undefined ? {} : { onForeign: deps.onForeignHeads }),
  })

  await log.refresh()

  deps.jobs?.define('evidence.integrate', z.looseObject({}), async () => {
    await log.integrate()
  })
  deps.jobs?.schedule('evidence.integrate', '* * * * *')
  deps.jobs?.define('evidence.seal', z.looseObject({}), async () => {
    while ((await sealOlder()) > 0);
  })
  deps.jobs?.schedule('evidence.seal', '*/15 * * * *')

  /** Openings from before they were sealed, those of one task at a time. */
  async function sealOlder(): Promise<number> {
    return await deps.db.work(async (tx) => {
      const rows = await claimOpenOpenings(tx, 500)
      const first = rows[0]
      if (first === undefined) return 0
      const task = { taskId: first.task_id, tenantId: first.tenant_id }
      const open = await openOpenings(deps.kms, task.taskId, rows)
      const sealed = await sealOpenings(deps.kms, task, open)
      // Of a contract that was destroyed meanwhile nothing is kept.
      const gone =
        sealed.length === 0 ? open.map(({ seq, path }) => ({ seq, path, sealed: Buffer.alloc(0) })) : []
      for (const one of [...sealed, ...gone]) await replaceOpening(tx, task.taskId, one)
      return rows.length
    })
  }

  return {
    log,
    pages: createLogPages(deps.db),
    /** A package of everything about a task, as a stream. @throws `evidence_not_ready` */
    bundle: createBundles({ db: deps.db, clock: deps.clock, log, keys: deps.kms }),

    /** A task that this transaction makes: its chain has no events yet. */
    begin(tx: Tx, taskId: string): void {
      keepHead(tx, taskId, null)
    },

    /**
     * Continues a task's chain and queues the leaves, in the caller's transaction. The caller holds the row
     * lock of the task, which makes the sequence numbers gapless. Resolves to their numbers and hashes.
     */
    async append(
      tx: Tx,
      taskId: string,
      tenantId: string,
      events: readonly NewEvent[],
    ): Promise<{ seq: number; hash: string }[]> {
      if (events.length === 0) return []
      const at = deps.clock.now()
      let head = await readHead(tx, taskId)
      const made = events.map((fields) => {
        const { actor, data, openings } = commitPersonal(fields, () => randomBytes(16))
        const appended = appendEvent(head, { taskId, type: fields.type, at, actor, data })
        head = appended.head
        const disclosures: Disclosure[] = openings.map((one) => ({ seq: appended.event.seq, ...one }))
        return { appended, disclosures }
      })
      // Under the contract's key, which kms has at hand here as a rule.
      const openings = made.flatMap((one) => one.disclosures)
      const sealed = await sealOpenings(deps.kms, { taskId, tenantId }, openings)
      keepHead(tx, taskId, head)
      await insertEvents(
        tx,
        tenantId,
        made.map((one) => one.appended),
        sealed,
      )
      return made.map(({ appended }) => ({ seq: appended.event.seq, hash: appended.hash }))
    },

    /**
     * A page of a task's events. `tx` acts for the reader, so that row-level security decides what is seen; with
     * `partyId` only that party's key opens the commitments.
     */
    async events(
      tx: Tx,
      taskId: string,
      page: { fromSeq: number; limit: number; partyId?: string },
    ): Promise<TaskEventView[]> {
      const rows = await readEvents(tx, taskId, page.fromSeq, page.limit)
      const last = rows.at(-1)
      if (last === undefined) return []
      const stored = await readDisclosures(tx, taskId, page.fromSeq, last.seq)
      const disclosures = await openOpenings(deps.kms, taskId, stored, page.partyId)
      const indexes = await deps.db.work((worker) => leafIndexes(worker, taskId))
      return rows.map((row) => {
        const event = discloseEvent(parseEvent(Buffer.from(row.entry, 'utf8')), disclosures)
        const { seq, type, at, actor, data } = event
        return { seq, type, at, actor, data, hash: row.hash, logIndex: indexes.get(seq) ?? null }
      })
    },

    sealOlder,

    // What the platform itself says: entered with the change it tells of, proven afterwards.
    ...createEntries({ db: deps.db, log }),

    /** Deletes the openings of a destroyed contract (worker role); its chain stays, content-free. */
    forget: deleteDisclosures,

    /**
     * An event of a task's chain with the proof that it stands in the log, which is brought up to date before.
     * Opens its own transactions. @throws `evidence_not_ready`
     */
    async proveEvent(taskId: string, seq: number): Promise<{ entry: string; proof: string }> {
      const checkpoint = await log.integrate()
      return await deps.db.work(async (tx) => {
        const [row] = await readEvents(tx, taskId, seq, 1)
        const index = (await leafIndexes(tx, taskId)).get(seq)
        if (row === undefined || index === undefined || checkpoint === null || checkpoint.size <= index)
          throw refuse('evidence_not_ready')
        const hashes = await log.proof(tx, index, checkpoint.size)
        return { entry: row.entry, proof: encodeTlogProof({ index, hashes, checkpoint: checkpoint.note }) }
      })
    },

    /** Keeps the verified chain of a contract that was signed elsewhere; its log is another one (worker role). */
    adopt: (tx: Tx, chain: AdoptedChain): Promise<void> => adoptChain(deps.kms, tx, chain),

    /** The newest signed checkpoint of the log; null while it is empty. */
    async checkpoint(): Promise<string | null> {
      const latest = await deps.db.work(latestCheckpoint)
      return latest?.note ?? null
    },
  }
}
