/**
 * Consent of all: the others are asked by an ordinary sign task. The agreement and its link to the request come to be
 * in one transaction, and whatever a crash leaves before or after it is taken up again.
 */
import type { SignTask } from '@yinxin/sdk/wire'
import type { Accounts, SessionCaller } from '#src/accounts/accounts.ts'
import type { Clock } from '#src/clock.ts'
import type { Db, Tx } from '#src/db/db.ts'
import type { Documents } from '#src/documents/documents.ts'
import { newId } from '#src/ids.ts'
import { readTask, type SignTasks, type Task } from '#src/sign-tasks/sign-tasks.ts'
import { sendAgreement, signatoriesOf } from './agreement.ts'
import { recordOf, type ShredRecord } from './record.ts'
import { type DestructionRow, findByAgreement, insertRequest, linkAgreement, lockRequest } from './store.ts'
import type { StepHook } from './steps.ts'
import type { Apply } from './transitions.ts'

export interface ConsentDeps {
  db: Db
  clock: Clock
  accounts: Pick<Accounts, 'subject'>
  documents: Pick<Documents, 'receive'>
  signTasks: Pick<SignTasks, 'create'>
  apply: Apply
  coolingMs: number
  step: StepHook
}

const AGREEMENT_MS = 30 * 86_400_000

/** Somebody else sent it meanwhile, or the request was called off: this one does not come to be. */
class NotWanted extends Error {}

export type Consent = ReturnType<typeof createConsent>

export function createConsent(deps: ConsentDeps) {
  const { db, clock, apply, coolingMs } = deps

  /** REQUESTED → CONSENT_PENDING; may be repeated, and at the same time by two. @throws Refusal of the agreement */
  async function seek(row: DestructionRow): Promise<void> {
    if (row.agreement_task_id === null) await send(row)
    await deps.step('destruction:agreement-sent')
    await db.work(async (tx) => {
      const current = await lockRequest(tx, row.id)
      if (current?.agreement_task_id == null) return
      await hear(tx, current)
    })
  }

  async function send(row: DestructionRow): Promise<void> {
    const task = await db.work((tx) => readTask(tx, row.task_id))
    const initiatorKind = (await deps.accounts.subject(task.row.tenant_id))?.kind ?? 'corp'
    const deadline = new Date(clock.now().getTime() + AGREEMENT_MS)
    const link = async (tx: Tx, agreement: SignTask) => {
      if (!(await linkAgreement(tx, row.id, agreement.id))) throw new NotWanted()
    }
    try {
      await sendAgreement(
        deps,
        askerOf(row),
        { id: row.id, promisedAt: row.promised_at, deadline },
        task,
        signatoriesOf(task, initiatorKind),
        { stored: () => deps.step('destruction:agreement-stored'), link },
      )
    } catch (error) {
      if (!(error instanceof NotWanted)) throw error
    }
  }

  /** Looks what became of an agreement; twice the same changes nothing. */
  async function hear(tx: Tx, given: DestructionRow): Promise<void> {
    const row = given.state === 'REQUESTED' ? await apply(tx, given, { kind: 'seek-consent' }) : given
    if (row.state !== 'CONSENT_PENDING' || row.agreement_task_id === null) return
    const agreement = await readTask(tx, row.agreement_task_id)
    const { status } = agreement.row
    if (status === 'finished') await agree(tx, row, agreement)
    else if (status === 'rejected' || status === 'canceled' || status === 'expired') await disagree(tx, row)
  }

  async function agree(tx: Tx, row: DestructionRow, agreement: Task): Promise<void> {
    const approvers = agreement.actors.flatMap((actor) => actor.subject_id ?? [])
    const approved = await apply(
      tx,
      row,
      { kind: 'approve' },
      {
        agreement_sha256: agreement.documents[0]?.sha256 ?? null,
        record: { ...recordOf(row), approvers },
      },
    )
    const earliest = new Date(clock.now().getTime() + coolingMs)
    const until = row.promised_at !== null && row.promised_at > earliest ? row.promised_at : earliest
    await apply(tx, approved, { kind: 'cool-off', until })
  }

  async function disagree(tx: Tx, row: DestructionRow): Promise<void> {
    const now = clock.now()
    await apply(tx, row, { kind: 'refuse' })
    if (recordOf(row).otherwise !== 'own-access') return
    // One refusal: only the requester's own access goes, after a cooling-off in which it may think again.
    const own: DestructionRow = {
      ...row,
      id: newId(now.getTime()),
      basis: 'own',
      extent: 'access',
      state: 'REQUESTED',
      requested_at: now,
      agreement_task_id: null,
      promised_at: null,
      due_at: null,
      next_try_at: null,
      record: { history: [{ state: 'REQUESTED', at: now.toISOString() }] } satisfies ShredRecord,
      updated_at: now,
    }
    await insertRequest(tx, own)
    const approved = await apply(tx, own, { kind: 'approve' })
    await apply(tx, approved, { kind: 'cool-off', until: new Date(now.getTime() + coolingMs) })
  }

  return {
    seek,
    /** A sign task ended; most are no agreement. */
    async hearOf(tx: Tx, taskId: string): Promise<void> {
      const row = await findByAgreement(tx, taskId)
      if (row !== undefined) await hear(tx, row)
    },
  }
}

/** Who asked, proven by a code then: so the agreement is sent in that name, also when a crash delayed it. */
function askerOf(row: DestructionRow): SessionCaller {
  const { asker } = recordOf(row)
  if (asker === undefined || row.person_id === null) throw new Error('nobody asked for this destruction')
  return { kind: 'session', ...asker, personId: row.person_id, subjectId: row.tenant_id }
}
