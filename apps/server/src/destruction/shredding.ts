/**
 * Shredding: first the keys, so that nothing opens any more, then every copy and every word about it in one
 * transaction. Each step may be repeated after a crash; none can be taken back.
 */
import { randomBytes } from 'node:crypto'
import type { Clock } from '#src/clock.ts'
import type { Db, Tx } from '#src/db/db.ts'
import type { Documents } from '#src/documents/documents.ts'
import type { Evidence } from '#src/evidence/evidence.ts'
import { anyParty, type Kms, type Receipt } from '#src/kms/kms.ts'
import type { Notifications } from '#src/notifications/notifications.ts'
import type { Outbox } from '#src/outbox/outbox.ts'
import { lockTask, readTask, type SignTasks, type Task } from '#src/sign-tasks/sign-tasks.ts'
import type { Storage } from '#src/storage/storage.ts'
import type { Webhooks } from '#src/webhooks/webhooks.ts'
import { decide, isCancellable } from './lifecycle.ts'
import { recordOf, type ShreddedObject, type ShredRecord } from './record.ts'
import { NO_FAILURE } from './retry.ts'
import type { StepHook } from './steps.ts'
import { type DestructionRow, lockContract, lockRequest, requestsOf, updateRequest } from './store.ts'

/** What a room below this one keeps of a contract. */
export interface LaterRoom {
  name: string
  /** Objects that it keeps of a contract or of its uploaded files, under the contract's key or one of their own. */
  objects?(
    tx: Tx,
    taskId: string,
    fileIds: readonly string[],
  ): Promise<{ scopeId: string; objectId: string }[]>
  /** Empties its rows, in the transaction that shreds. */
  forget?(tx: Tx, taskId: string, fileIds: readonly string[]): Promise<number>
  /** Ends what was made of a contract and its own files, in transactions of its own before that one; may be repeated. */
  end?(taskId: string, fileIds: readonly string[]): Promise<number>
}

export interface ShreddingDeps {
  db: Db
  clock: Clock
  kms: Pick<Kms, 'scopeKeyState' | 'createScopeKey' | 'sealForScope' | 'destroyAccess' | 'destroyScopeKey'>
  storage: Pick<Storage, 'describe' | 'replicasOf' | 'destroy' | 'removeDue'>
  signTasks: Pick<SignTasks, 'destruction' | 'access'>
  documents: Pick<Documents, 'forget'>
  evidence: Pick<Evidence, 'forget'>
  notifications: Pick<Notifications, 'forget'>
  webhooks: Pick<Webhooks, 'forget'>
  outbox: Pick<Outbox, 'forget'>
  laterRooms: readonly LaterRoom[]
  step: StepHook
}

/** The uploads of a contract that no other one uses, and what was made of them. */
interface Originals {
  fileIds: string[]
  uploads: { scopeId: string; objectId: string }[]
  receipts: Receipt[]
}

export const probeLabel = 'destruction-probe'

export function createShredding(deps: ShreddingDeps) {
  const { db, clock, kms, storage, signTasks } = deps

  /** Everything that will be gone, noted while it is still there. */
  async function survey(row: DestructionRow): Promise<ShredRecord> {
    const record = recordOf(row)
    if (record.probe !== undefined) return record
    const task = await db.work((tx) => readTask(tx, row.task_id))
    const scope = { tenantId: task.row.tenant_id, scopeId: row.task_id }
    const state = (await kms.scopeKeyState([row.task_id])).get(row.task_id)?.state
    // Drafts from before they had keys: one is made, so that there is something to destroy and to prove.
    if (state === 'absent') await kms.createScopeKey(scope.tenantId, scope.scopeId)
    if (state !== 'destroyed') await admitLivingParties(task)
    const [sealed] =
      state === 'destroyed'
        ? [Buffer.alloc(0)]
        : await kms.sealForScope({ ...scope, partyId: anyParty }, [
            { label: probeLabel, content: randomBytes(32) },
          ])
    const surveyed: ShredRecord = {
      ...record,
      probe: (sealed ?? Buffer.alloc(0)).toString('base64'),
      objects: await objectsOf(row.task_id),
    }
    await db.work((tx) => updateRequest(tx, row.id, { record: surveyed }, clock.now()))
    return surveyed
  }

  /** Parties of older contracts may have no wrap yet; one party's request must not be the end for them. */
  async function admitLivingParties(task: Task): Promise<void> {
    const parties = await db.work((tx) => signTasks.destruction.partiesOf(tx, task.row.id))
    for (const { subjectId, endedAt } of parties)
      if (endedAt === null) await signTasks.access.admit(task.row, subjectId)
  }

  async function objectsOf(taskId: string): Promise<ShreddedObject[]> {
    const documents = await db.work((tx) => signTasks.destruction.objectsOf(tx, taskId))
    return await describe(documents.map(({ objectId }) => ({ objectId, scopeId: taskId, what: 'document' })))
  }

  /**
   * Leaves out what is destroyed already: by another request, whose certificate names it, or by the comparison with the
   * keys, when this request was interrupted or the database fell back.
   */
  async function describe(
    objects: readonly Pick<ShreddedObject, 'objectId' | 'scopeId' | 'what'>[],
  ): Promise<ShreddedObject[]> {
    const described = await Promise.all(
      objects.map((one) =>
        describeOne(one).catch((error: unknown) => {
          if ((error as { code?: string }).code === 'object_destroyed') return null
          throw error
        }),
      ),
    )
    return described.filter((one) => one !== null)
  }

  async function describeOne(
    one: Pick<ShreddedObject, 'objectId' | 'scopeId' | 'what'>,
  ): Promise<ShreddedObject> {
    const stored = await storage.describe(one.objectId)
    const replicas = await storage.replicasOf({ objectId: one.objectId })
    return {
      ...one,
      bytes: stored.cipherSizeBytes,
      ciphertextSha256: stored.cipherSha256,
      replicas: replicas.map(({ domain, site }) => ({ domain, site: site ?? null })),
    }
  }

  /** The keys go; afterwards the extent may have grown, when it was the last party that could read. */
  async function destroyKeys(
    row: DestructionRow,
  ): Promise<{ receipts: Receipt[]; extent: DestructionRow['extent'] }> {
    if (row.extent === 'access') {
      const own = await kms.destroyAccess(row.task_id, row.tenant_id)
      if ((own.receipt.remaining ?? []).length > 0) return { receipts: [own], extent: 'access' }
    }
    const { receipts } = await kms.destroyScopeKey(row.task_id)
    return { receipts, extent: 'contract' }
  }

  /** The uploaded originals that only this contract used, with their keys. */
  async function destroyOriginals(taskId: string): Promise<Originals> {
    const { fileIds, uploads } = await db.work(async (tx) => {
      const fileIds = await signTasks.destruction.filesOnlyOf(tx, taskId)
      const uploads = []
      for (const room of deps.laterRooms) uploads.push(...((await room.objects?.(tx, taskId, fileIds)) ?? []))
      return { fileIds, uploads }
    })
    for (const room of deps.laterRooms) await room.end?.(taskId, fileIds)
    const receipts: Receipt[] = []
    const scopes = new Set([...fileIds, ...uploads.map((one) => one.scopeId)])
    scopes.delete(taskId)
    for (const scopeId of scopes) {
      const state = (await kms.scopeKeyState([scopeId])).get(scopeId)?.state
      if (state !== 'absent') receipts.push(...(await kms.destroyScopeKey(scopeId)).receipts)
    }
    return { fileIds, uploads, receipts }
  }

  /** SHREDDING → VERIFYING. */
  async function shred(row: DestructionRow): Promise<void> {
    const surveyed = await survey(row)
    await deps.step('destruction:surveyed')
    const { receipts, extent } = await destroyKeys(row)
    await deps.step('destruction:keys-gone')
    if (extent === 'access') return await finishAccess(row, { ...surveyed, receipts })
    const originals = await destroyOriginals(row.task_id)
    await deps.step('destruction:originals-gone')
    const record = { ...surveyed, receipts: [...receipts, ...originals.receipts] }
    await finishContract(row, record, originals)
    await deps.step('destruction:content-gone')
    // The rest is retried by storage itself; verification waits for it.
    await storage.removeDue({ hasten: true })
    await deps.step('destruction:replicas-asked')
  }

  async function finishAccess(row: DestructionRow, record: ShredRecord): Promise<void> {
    await db.work(async (tx) => {
      const now = clock.now()
      await lockContract(tx, row.task_id)
      await signTasks.destruction.endAccess(tx, row.task_id, row.tenant_id, now)
      await advance(tx, row, { ...record, items: [{ item: 'task_party', rows: 1 }] }, 'access', now)
    })
  }

  async function finishContract(
    row: DestructionRow,
    record: ShredRecord,
    originals: Originals,
  ): Promise<void> {
    await db.work(async (tx) => {
      const now = clock.now()
      await lockContract(tx, row.task_id)
      const task = await lockTask(tx, row.task_id)
      const surveyed = record.objects ?? []
      const { objects, items } = await erase(tx, task, surveyed, originals, `destruction ${row.id}`)
      await endOthers(tx, row.task_id, row.id, now)
      await advance(tx, row, { ...record, objects, items }, 'contract', now)
    })
  }

  /** Every copy and every word of a contract whose key is gone, in the transaction of the caller, who locked it. */
  async function erase(
    tx: Tx,
    { row: { id: taskId, tenant_id: tenantId } }: Task,
    surveyed: readonly ShreddedObject[],
    originals: Originals,
    reason: string,
  ): Promise<{ objects: ShreddedObject[]; items: { item: string; rows: number }[] }> {
    const known = new Set(surveyed.map((one) => one.objectId))
    const extra: Pick<ShreddedObject, 'objectId' | 'scopeId' | 'what'>[] = originals.uploads
      .filter((one) => !known.has(one.objectId))
      .map((one) => ({ ...one, what: 'upload' }))
    const files = await deps.documents.forget(tx, tenantId, originals.fileIds)
    for (const { fileId, objectId } of files)
      if (!known.has(objectId)) extra.push({ objectId, scopeId: fileId, what: 'upload' })
    const objects = [...surveyed, ...(await describe(extra))]
    await storage.destroy(
      tx,
      objects.map((one) => one.objectId),
      reason,
    )
    const items: { item: string; rows: number }[] = [
      { item: 'storage', rows: objects.length },
      { item: 'documents', rows: files.length },
      { item: 'evidence', rows: await deps.evidence.forget(tx, taskId) },
      { item: 'notifications', rows: await deps.notifications.forget(tx, taskId) },
      { item: 'webhooks', rows: await deps.webhooks.forget(tx, tenantId, taskId) },
      { item: 'outbox', rows: await deps.outbox.forget(tx, taskId) },
    ]
    for (const room of deps.laterRooms)
      items.push({ item: room.name, rows: (await room.forget?.(tx, taskId, originals.fileIds)) ?? 0 })
    items.push({ item: 'sign-tasks', rows: await signTasks.destruction.forget(tx, taskId) })
    for (const { subjectId, endedAt } of await signTasks.destruction.partiesOf(tx, taskId))
      if (endedAt === null) await signTasks.destruction.endAccess(tx, taskId, subjectId, clock.now())
    return { objects, items }
  }

  /** Nothing is left for other requests about this contract. */
  async function endOthers(tx: Tx, taskId: string, exceptId: string | null, now: Date): Promise<void> {
    for (const other of await requestsOf(tx, taskId)) {
      if (other.id === exceptId || !isCancellable(other.state)) continue
      const record = recordOf(other)
      const history = [...record.history, { state: 'CANCELLED' as const, at: now.toISOString() }]
      await updateRequest(tx, other.id, { state: 'CANCELLED', record: { ...record, history } }, now)
    }
  }

  async function advance(
    tx: Tx,
    row: DestructionRow,
    record: ShredRecord,
    extent: DestructionRow['extent'],
    now: Date,
  ): Promise<void> {
    const current = await lockRequest(tx, row.id)
    if (current === undefined) throw new Error('a request for destruction vanished')
    const decision = decide(
      { state: current.state, basis: current.basis, dueAt: current.due_at },
      { kind: 'shredded' },
      now,
    )
    if ('refusal' in decision) return
    const history = [...record.history, { state: decision.state, at: now.toISOString() }]
    await updateRequest(
      tx,
      row.id,
      {
        state: decision.state,
        extent,
        shredded_at: now,
        ...NO_FAILURE,
        record: { ...record, history },
      },
      now,
    )
  }

  return { shred, objectsOf, destroyOriginals, erase, endOthers }
}

export type Shredding = ReturnType<typeof createShredding>
