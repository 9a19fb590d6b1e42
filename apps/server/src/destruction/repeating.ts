/**
 * Destroys again what a database that was restored to an earlier moment believes alive. Keys are never restored to an
 * earlier moment, so their tombstones know better: of a contract whose key is gone, the rest of the shred list follows,
 * and a party whose wrap is gone loses its access here too. No new certificate is made: nobody asked anew, and what was
 * certified then lies with the parties.
 */
import type { JsonObject } from '@yinxin/evidence'
import type { Audit } from '#src/audit/audit.ts'
import type { Clock } from '#src/clock.ts'
import type { Db, Tx } from '#src/db/db.ts'
import type { Evidence } from '#src/evidence/evidence.ts'
import type { Kms, Receipt, ScopeKeyState } from '#src/kms/kms.ts'
import type { Log } from '#src/log.ts'
import { authorActor, lockTask, type SignTasks, type Task } from '#src/sign-tasks/sign-tasks.ts'
import type { Storage } from '#src/storage/storage.ts'
import type { Shredding } from './shredding.ts'
import { certificatesOf, isHeld, lockContract, requestsOf } from './store.ts'

export interface RepeatingDeps {
  db: Db
  clock: Clock
  log: Log
  kms: Pick<Kms, 'scopeKeyState' | 'destroyScopeKey' | 'destroyAccess'>
  storage: Pick<Storage, 'removeDue'>
  audit: Pick<Audit, 'record'>
  evidence: Pick<Evidence, 'append'>
  signTasks: Pick<SignTasks, 'destruction'>
  shredding: Pick<Shredding, 'objectsOf' | 'destroyOriginals' | 'erase' | 'endOthers'>
}

export interface RepeatReport {
  /** Contracts of which the rest was shredded now. */
  contracts: string[]
  /** Parties that lost their access here as well. */
  accesses: { taskId: string; subjectId: string }[]
  /** Under a legal hold that this database still believes in; the key is gone all the same. */
  held: string[]
  /** What could not be done now; tried again at the next comparison. */
  failed: string[]
}

const PAGE = 500
const NO_ID = '00000000-0000-0000-0000-000000000000'
const DUTY = { kind: 'system', duty: 'destruction' } as const

export function createRepeating(deps: RepeatingDeps) {
  const { db, clock, kms, signTasks, shredding } = deps

  let running: Promise<RepeatReport> | undefined
  /** Compares all living contracts with the register of keys; asking meanwhile waits for the same round. */
  function repeatLost(): Promise<RepeatReport> {
    running ??= compareAll().finally(() => {
      running = undefined
    })
    return running
  }

  async function compareAll(): Promise<RepeatReport> {
    const report: RepeatReport = { contracts: [], accesses: [], held: [], failed: [] }
    for (let after = NO_ID; ; ) {
      const page = await db.work((tx) => signTasks.destruction.livingTasks(tx, after, PAGE))
      const states = await kms.scopeKeyState(page)
      for (const taskId of page) {
        const state = states.get(taskId)
        if (state === undefined || state.destroyed.length === 0) continue
        try {
          if (state.state === 'destroyed') await repeatContract(taskId, report)
          else await repeatAccesses(taskId, state, report)
        } catch (error) {
          deps.log.error({ err: error, taskId }, 'a destruction could not be repeated')
          report.failed.push(taskId)
        }
      }
      if (page.length < PAGE) break
      after = page.at(-1) ?? after
    }
    const { contracts, accesses, held } = report
    if (contracts.length + accesses.length + held.length > 0)
      deps.log.warn({ contracts, accesses, held }, 'destroyed before the restore, and destroyed again')
    // What is left is retried by storage itself.
    if (contracts.length > 0) await deps.storage.removeDue({ hasten: true })
    return report
  }

  async function repeatContract(taskId: string, report: RepeatReport): Promise<void> {
    const verdict = await db.work((tx) => judge(tx, taskId))
    if (verdict === 'held') report.held.push(taskId)
    if (verdict !== 'repeat') return
    const objects = await shredding.objectsOf(taskId)
    const { receipts } = await kms.destroyScopeKey(taskId)
    const originals = await shredding.destroyOriginals(taskId)
    const isDone = await db.work(async (tx) => {
      await lockContract(tx, taskId)
      const task = await lockTask(tx, taskId)
      if (task.row.destroyed_at !== null || (await judge(tx, taskId)) !== 'repeat') return false
      const certificates = await certificatesKept(tx, taskId)
      const { items } = await shredding.erase(tx, task, objects, originals, 'destroyed before a restore')
      await shredding.endOthers(tx, taskId, null, clock.now())
      await note(tx, task, 'contract', receipts, certificates, items)
      return true
    })
    if (isDone) report.contracts.push(taskId)
  }

  async function repeatAccesses(taskId: string, state: ScopeKeyState, report: RepeatReport): Promise<void> {
    const parties = await db.work((tx) => signTasks.destruction.partiesOf(tx, taskId))
    for (const { subjectId, endedAt } of parties) {
      if (endedAt !== null || !state.destroyed.includes(subjectId)) continue
      // Gone already: this gives the receipt of then.
      const receipt = await kms.destroyAccess(taskId, subjectId)
      const verdict = await db.work(async (tx) => {
        await lockContract(tx, taskId)
        const task = await lockTask(tx, taskId)
        const verdict = await judge(tx, taskId)
        if (verdict !== 'repeat') return verdict
        await signTasks.destruction.endAccess(tx, taskId, subjectId, clock.now())
        const certificates = await certificatesKept(tx, taskId, subjectId)
        await note(tx, task, 'access', [receipt], certificates, [], subjectId)
        return verdict
      })
      if (verdict === 'held') report.held.push(taskId)
      if (verdict === 'repeat') report.accesses.push({ taskId, subjectId })
      if (verdict !== 'repeat') return
    }
  }

  /** A request that is at it, or about to be, comes to its end by itself, with a certificate of its own. */
  async function judge(tx: Tx, taskId: string): Promise<'repeat' | 'held' | 'under-way'> {
    const now = clock.now()
    const isUnderWay = (await requestsOf(tx, taskId)).some(
      ({ state, due_at }) =>
        ['HOLD_CHECK', 'SHREDDING', 'VERIFYING'].includes(state) ||
        (state === 'COOLING_OFF' && due_at !== null && due_at <= now),
    )
    if (isUnderWay) return 'under-way'
    return (await isHeld(tx, taskId)) ? 'held' : 'repeat'
  }

  /** Digests of the certificates that this database knows; as a rule it has forgotten them with the destruction. */
  async function certificatesKept(tx: Tx, taskId: string, subjectId?: string): Promise<string[]> {
    const kept: string[] = []
    for (const row of await requestsOf(tx, taskId))
      if (subjectId === undefined || row.tenant_id === subjectId)
        kept.push(...(await certificatesOf(tx, row.id)).map((one) => one.sha256))
    return kept
  }

  /** Into the chain of the contract and the log of actions: when it was destroyed first, and that it is done again. */
  async function note(
    tx: Tx,
    { row: { id: taskId, tenant_id: tenantId } }: Task,
    extent: 'contract' | 'access',
    receipts: readonly Receipt[],
    certificates: string[],
    items: readonly { item: string; rows: number }[],
    subjectId?: string,
  ): Promise<void> {
    const data: JsonObject = {
      repeated: 'after-restore',
      destroyedAt:
        receipts
          .map((one) => one.receipt.at)
          .sort()
          .at(-1) ?? null,
      receiptsSha256: receipts.map((one) => one.sha256),
      certificates: certificates.length > 0 ? certificates : 'not in the restored database',
    }
    await deps.evidence.append(tx, taskId, tenantId, [
      { type: `${extent}.destroyed`, ...authorActor(DUTY), data },
    ])
    await deps.audit.record(tx, {
      tenantId: subjectId ?? tenantId,
      caller: DUTY,
      action: 'destruction.repeated',
      subjectKind: 'sign-task',
      subjectId: taskId,
      data: { ...data, extent, items },
    })
  }

  return { repeatLost }
}
