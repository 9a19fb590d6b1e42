/**
 * Destruction that is proven (SLA 3.2): who may ask for what, the way of a request to its end, and the certificate.
 * A party's own request destroys that party's access; when the last party has done so, when all agree, or at the end
 * of the service, the contract itself is shredded.
 */
import { z } from 'zod'
import { type Accounts, type Caller, requireSession, type SessionCaller } from '#src/accounts/accounts.ts'
import type { Audit } from '#src/audit/audit.ts'
import type { Ca } from '#src/ca/ca.ts'
import type { Clock } from '#src/clock.ts'
import type { Db, DbCopy, Tx } from '#src/db/db.ts'
import type { Documents } from '#src/documents/documents.ts'
import { Refusal } from '#src/errors.ts'
import type { Evidence } from '#src/evidence/evidence.ts'
import { newId } from '#src/ids.ts'
import type { Jobs } from '#src/jobs/jobs.ts'
import type { Kms } from '#src/kms/kms.ts'
import type { Log } from '#src/log.ts'
import type { Lang, Notifications } from '#src/notifications/notifications.ts'
import type { Outbox } from '#src/outbox/outbox.ts'
import {
  contactOf,
  lockTask,
  readTask,
  refuseTask,
  type SignTasks,
  type Task,
} from '#src/sign-tasks/sign-tasks.ts'
import type { Storage } from '#src/storage/storage.ts'
import type { Timestamps } from '#src/timestamps/timestamps.ts'
import type { Webhooks } from '#src/webhooks/webhooks.ts'
import { sendAgreement, signatoriesOf } from './agreement.ts'
import { type Certificates, createCertificates, epochsOf, type Stage } from './certificate.ts'
import { refuse } from './errors.ts'
import { createHolds } from './holds.ts'
import { type Basis, type Command, decide } from './lifecycle.ts'
import { createMedia } from './media.ts'
import { recordOf, type ShredRecord } from './record.ts'
import { createShredding, type LaterRoom } from './shredding.ts'
import {
  activeRequests,
  certificatesOf,
  type CertificateRow,
  type DestructionRow,
  findByAgreement,
  findRequest,
  type HoldRow,
  holdsOf,
  insertRequest,
  isHeld,
  lockContract,
  lockRequest,
  provisionalRequests,
  recordTermEnd,
  requestsBy,
  requestsOf,
  termEndOf,
  uncertifiedRequests,
  updateRequest,
} from './store.ts'
import { createVerifying } from './verifying.ts'

export { createDestructionCommands } from './operator.ts'
export type { LaterRoom } from './shredding.ts'

export interface DestructionDeps {
  db: Db
  clock: Clock
  log: Log
  jobs: Jobs
  outbox: Outbox
  kms: Kms
  storage: Storage
  ca: Ca
  timestamps: Timestamps
  audit: Audit
  evidence: Evidence
  notifications: Notifications
  accounts: Accounts
  documents: Documents
  signTasks: SignTasks
  webhooks: Webhooks
  dbCopies: () => Promise<DbCopy[]>
  environment: () => { mode: string; developmentCa: boolean; simulators: readonly string[] }
  /** Where people look at a contract, without a slash at the end. */
  baseUrl: string
  version: string
  coolingOffDays: number
  /** Notice to the other parties before a contract is destroyed at the end of the service. */
  noticeDays: number
}

export interface NewRequest {
  /** `own`: my access. `term-end`, `consent`: the contract itself. */
  basis: Basis
  /** From {@link Destruction.sendCode}. */
  code: string
  /** The agreed date; without it at once (`own`), or when the cooling-off is over. */
  at?: Date
  /** With `consent`: what follows when somebody refuses. */
  otherwise?: 'own-access' | 'nothing'
}

const DAY_MS = 86_400_000
const PURPOSE = 'destruction'
const AT_A_TIME = 100
/** Before every id. */
const NO_ID = '00000000-0000-0000-0000-000000000000'

export type Destruction = ReturnType<typeof createDestruction>

export function createDestruction(deps: DestructionDeps) {
  const { db, clock, log, kms, accounts } = deps
  const laterRooms: LaterRoom[] = []
  const { shred } = createShredding({ ...deps, laterRooms })
  const verifying = createVerifying(deps)
  const certificates: Certificates = createCertificates(deps)
  const coolingMs = deps.coolingOffDays * DAY_MS

  deps.jobs.define('destruction.advance', z.looseObject({}), async () => {
    await advanceAll()
  })
  deps.jobs.schedule('destruction.advance', '* * * * *')

  deps.outbox.subscribe(
    ['sign-task.finished', 'sign-task.rejected', 'sign-task.canceled', 'sign-task.expired'],
    'destruction.agreements',
    async ({ type, subjectKey }, tx) => {
      const row = await findByAgreement(tx, subjectKey)
      if (row !== undefined) await hearAgreement(tx, row, type === 'sign-task.finished')
    },
  )

  // ——— asking ———

  /** A person who may dispose of what the acting subject holds: itself, or an administrator of the company. */
  function requireDisposer(caller: Caller): SessionCaller {
    const session = requireSession(caller)
    if (session.role === 'member') throw refuseTask('sign_task_not_found')
    return session
  }

  async function seenTask(subjectId: string, taskId: string): Promise<Task> {
    return await db.as(subjectId, (tx) => readTask(tx, taskId))
  }

  async function request(caller: Caller, taskId: string, input: NewRequest): Promise<DestructionRow> {
    const session = requireDisposer(caller)
    const { subjectId } = session
    const task = await seenTask(subjectId, taskId)
    await requirePossible(task, subjectId, input.basis)
    const now = clock.now()
    const dueAt = dueTime(task, input, now)
    const initiatorKind = (await accounts.subject(task.row.tenant_id))?.kind ?? 'corp'
    const signatories = signatoriesOf(task, initiatorKind)
    const row: DestructionRow = {
      id: newId(now.getTime()),
      task_id: taskId,
      tenant_id: subjectId,
      person_id: session.personId,
      basis: input.basis,
      extent: input.basis === 'own' ? 'access' : 'contract',
      state: 'REQUESTED',
      requested_at: now,
      approved_at: null,
      due_at: null,
      promised_at: input.at ?? null,
      agreement_task_id: null,
      agreement_sha256: null,
      shredded_at: null,
      provisional_at: null,
      final_at: null,
      ended_at: null,
      record: {
        history: [{ state: 'REQUESTED', at: now.toISOString() }],
        otherwise: input.otherwise ?? 'own-access',
      } satisfies ShredRecord,
      attempts: 0,
      problem: null,
      updated_at: now,
    }
    // 1. A session alone does not suffice: the code is used up with the request that it allows.
    await accounts.withProof(session, PURPOSE, input.code, async (tx) => {
      await insertOnce(tx, row)
      await deps.audit.record(tx, {
        tenantId: subjectId,
        caller: session,
        action: 'destruction.requested',
        subjectKind: 'sign-task',
        subjectId: taskId,
        data: { requestId: row.id, basis: row.basis },
      })
      if (input.basis === 'consent') return
      const approved = await apply(tx, row, { kind: 'approve' })
      await apply(tx, approved, { kind: 'cool-off', until: dueAt })
      if (input.basis === 'term-end') await giveNotice(tx, task, subjectId, dueAt)
    })
    // 2. The others are asked by an ordinary sign task.
    if (input.basis === 'consent') {
      const deadline = new Date(now.getTime() + 30 * DAY_MS)
      const agreement = await sendAgreement(
        deps,
        session,
        { id: row.id, promisedAt: row.promised_at, deadline },
        task,
        signatories,
      ).catch(async (error: unknown) => {
        await db.work(async (tx) => {
          await apply(tx, row, { kind: 'cancel' })
        })
        throw error
      })
      await db.work(async (tx) => {
        await apply(tx, row, { kind: 'seek-consent' }, { agreement_task_id: agreement.id })
      })
    }
    await db.work((tx) => deps.jobs.enqueue(tx, 'destruction.advance', {}))
    return await requireRequest(row.id)
  }

  async function requirePossible(task: Task, subjectId: string, basis: Basis): Promise<void> {
    const ended = task.endedAccess.find((one) => one.subjectId === subjectId)
    if (ended !== undefined) throw refuse('destruction_not_possible_now')
    if (task.row.status === 'signing') throw refuse('destruction_task_is_signed_now')
    if (basis === 'consent') {
      const others = task.actors.some((one) => one.role === 'sign' && one.subject_id !== subjectId)
      if (task.row.status === 'draft' || !others) throw refuse('destruction_needs_parties')
    }
    if (basis === 'term-end') {
      if (task.row.tenant_id !== subjectId) throw refuse('service_term_not_over')
      const endedAt = await db.as(subjectId, (tx) => termEndOf(tx, subjectId))
      if (endedAt === null || endedAt > clock.now()) throw refuse('service_term_not_over')
    }
    if (await db.work((tx) => isHeld(tx, task.row.id))) throw refuse('legal_hold_active')
  }

  /** When it may begin: at once for one's own access, else after cooling-off and notice; never before an agreed date. */
  function dueTime(task: Task, input: NewRequest, now: Date): Date {
    const hasOthers = task.actors.some((one) => one.subject_id !== task.row.tenant_id)
    const waitMs =
      input.basis === 'own'
        ? 0
        : input.basis === 'term-end' && hasOthers
          ? Math.max(coolingMs, deps.noticeDays * DAY_MS)
          : coolingMs
    const earliest = new Date(now.getTime() + waitMs)
    if (input.at !== undefined && (input.at <= now || input.at < earliest))
      throw refuse('destruction_date_unfit', { earliest: earliest.toISOString() })
    return input.at ?? earliest
  }

  async function insertOnce(tx: Tx, row: DestructionRow): Promise<void> {
    await lockContract(tx, row.task_id)
    const living = (await requestsOf(tx, row.task_id)).some(
      (one) =>
        one.tenant_id === row.tenant_id && !['REJECTED', 'CANCELLED', 'BLOCKED_BY_HOLD'].includes(one.state),
    )
    if (living) throw refuse('destruction_under_way')
    await insertRequest(tx, row)
  }

  /** The other parties hear of it in time to export what they need. */
  async function giveNotice(tx: Tx, task: Task, exceptId: string, dueAt: Date): Promise<void> {
    for (const actor of task.actors) {
      const contact = contactOf(actor)
      if (contact === null || actor.subject_id === exceptId) continue
      await deps.notifications.send(tx, {
        ...contact,
        template: 'destruction-notice',
        params: {
          taskTitle: task.row.title,
          initiatorName: task.row.initiator_name,
          date: dueAt.toISOString().slice(0, 10),
          link: `${deps.baseUrl}/console/tasks/${task.row.id}`,
        },
        lang: 'zh',
        tenantId: task.row.tenant_id,
        purpose: 'destruction-notice',
        about: task.row.id,
      })
    }
  }

  // ——— moving on ———

  /** Applies a command to a request in the open transaction. @throws the refusal of the life cycle */
  async function apply(
    tx: Tx,
    row: DestructionRow,
    command: Command,
    more: Partial<Omit<DestructionRow, 'record'>> & { record?: ShredRecord } = {},
  ): Promise<DestructionRow> {
    const now = clock.now()
    const current = (await lockRequest(tx, row.id)) ?? row
    const decision = decide(
      { state: current.state, basis: current.basis, dueAt: current.due_at },
      command,
      now,
    )
    if ('refusal' in decision) throw refuse(decision.refusal)
    const record = more.record ?? recordOf(current)
    const change = {
      ...more,
      state: decision.state,
      due_at: decision.dueAt,
      problem: null,
      attempts: 0,
      ...(command.kind === 'approve' ? { approved_at: now } : {}),
      record: { ...record, history: [...record.history, { state: decision.state, at: now.toISOString() }] },
    }
    await updateRequest(tx, row.id, change, now)
    return { ...current, ...change, updated_at: now }
  }

  /** All have signed, or one has not. */
  async function hearAgreement(tx: Tx, row: DestructionRow, isAgreed: boolean): Promise<void> {
    if (row.state !== 'CONSENT_PENDING' || row.agreement_task_id === null) return
    const now = clock.now()
    if (isAgreed) {
      const agreement = await readTask(tx, row.agreement_task_id)
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
      const earliest = new Date(now.getTime() + coolingMs)
      const until = row.promised_at !== null && row.promised_at > earliest ? row.promised_at : earliest
      await apply(tx, approved, { kind: 'cool-off', until })
      return
    }
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
      record: { history: [{ state: 'REQUESTED', at: now.toISOString() }] } satisfies ShredRecord,
      updated_at: now,
    }
    await insertRequest(tx, own)
    const approved = await apply(tx, own, { kind: 'approve' })
    await apply(tx, approved, { kind: 'cool-off', until: new Date(now.getTime() + coolingMs) })
  }

  let running: Promise<number> = Promise.resolve(0)
  /** Takes every request as far as it goes now, one after the other. Returns how many moved. */
  function advanceAll(): Promise<number> {
    running = running.then(advanceDue, advanceDue)
    return running
  }

  async function advanceDue(): Promise<number> {
    const ids = new Set([
      ...(await db.work((tx) => activeRequests(tx, clock.now()))),
      ...(await db.work((tx) => uncertifiedRequests(tx))),
      ...(await nextProvisional()),
    ])
    let moved = 0
    const walked: { findings?: Awaited<ReturnType<typeof verifying.walk>> } = {}
    for (const id of ids) {
      try {
        if (await advanceOne(id, async () => (walked.findings ??= await verifying.walk()))) moved += 1
      } catch (error) {
        log.error({ err: error, destructionId: id }, 'a destruction could not go on')
        const problem = error instanceof Refusal ? error.code : 'internal'
        await db.work(async (tx) => {
          const row = await lockRequest(tx, id)
          if (row === undefined) return
          await updateRequest(tx, id, { problem, attempts: row.attempts + 1 }, clock.now())
        })
      }
    }
    return moved
  }

  let lookedUpTo = NO_ID
  /** Those that wait for weeks take turns, so that their number does not slow down the others. */
  async function nextProvisional(): Promise<string[]> {
    const ids = await db.work((tx) => provisionalRequests(tx, lookedUpTo, AT_A_TIME))
    lookedUpTo = ids.length < AT_A_TIME ? NO_ID : (ids.at(-1) ?? NO_ID)
    return ids
  }

  /** A draft may have been sent out since it was asked for: what people sign is not pulled away. */
  async function waitsForSigning(tx: Tx, row: DestructionRow): Promise<boolean> {
    if ((await lockTask(tx, row.task_id)).row.status !== 'signing') return false
    if (row.problem !== 'destruction_task_is_signed_now')
      await updateRequest(tx, row.id, { problem: 'destruction_task_is_signed_now' }, clock.now())
    return true
  }

  async function advanceOne(id: string, walk: () => ReturnType<typeof verifying.walk>): Promise<boolean> {
    const before = await requireRequest(id)
    let row = before
    if (row.state === 'COOLING_OFF' && row.due_at !== null && row.due_at <= clock.now())
      row = await db.work(async (tx) =>
        (await waitsForSigning(tx, row)) ? row : await apply(tx, row, { kind: 'proceed' }),
      )
    if (row.state === 'HOLD_CHECK')
      row = await db.work(async (tx) => {
        await lockContract(tx, row.task_id)
        if (await waitsForSigning(tx, row)) return row
        return await apply(tx, row, { kind: 'judge-hold', held: await isHeld(tx, row.task_id) })
      })
    if (row.state === 'SHREDDING') {
      await shred(row)
      row = await requireRequest(id)
    }
    if (row.state === 'VERIFYING' && isTimeToTry(row)) {
      await verifyAndCertify(row, walk)
      row = await requireRequest(id)
    }
    if (row.state === 'DESTROYED_PROVISIONAL') {
      await certificates.complete(row)
      await finishWhenEpochsAreOver(row)
      row = await requireRequest(id)
    }
    if (row.state === 'DESTROYED_FINAL') await certificates.complete(row)
    return row.state !== before.state
  }

  /** Tries that failed are repeated ever later, up to an hour. */
  function isTimeToTry(row: DestructionRow): boolean {
    if (row.attempts === 0) return true
    const waitMs = Math.min(60, 2 ** (row.attempts - 1)) * 60_000
    return clock.now().getTime() - row.updated_at.getTime() >= waitMs
  }

  async function verifyAndCertify(
    row: DestructionRow,
    walk: () => ReturnType<typeof verifying.walk>,
  ): Promise<void> {
    const findings = row.extent === 'contract' ? await walk() : []
    const task = await db.work((tx) => readTask(tx, row.task_id))
    const { checks, keyCopies } = await verifying.verify({ ...row, owner_id: task.row.tenant_id }, findings)
    const failed = checks.filter((one) => !one.ok)
    if (failed.length > 0) {
      log.warn({ destructionId: row.id, failed }, 'a destruction is not verified yet')
      await db.work((tx) =>
        updateRequest(
          tx,
          row.id,
          { problem: `unverified: ${failed.map((one) => one.check).join(' ')}`, attempts: row.attempts + 1 },
          clock.now(),
        ),
      )
      return
    }
    await certify(row, { ...recordOf(row), checks, keyCopies }, 'provisional')
  }

  /** The state, the event and the certificate commit together. */
  async function certify(row: DestructionRow, record: ShredRecord, stage: Stage): Promise<void> {
    const epochs = await epochTimes(record)
    const done = await db.work(async (tx) => {
      const now = clock.now()
      const task = await lockTask(tx, row.task_id)
      const changed = {
        ...row,
        record,
        ...(stage === 'final' ? { final_at: epochs.final } : { provisional_at: now }),
      }
      const certificate = certificates.compose(changed, task, stage, now, epochs)
      const seq = await certificates.enter(tx, row, certificate, stage)
      return await apply(
        tx,
        row,
        { kind: stage === 'final' ? 'epoch-over' : 'verified' },
        {
          ...(stage === 'final' ? { final_at: epochs.final } : { provisional_at: now }),
          record: { ...record, events: { ...record.events, [stage]: seq } },
        },
      )
    })
    await certificates.complete(done)
  }

  async function epochTimes({
    receipts = [],
  }: ShredRecord): Promise<{ expected: Date | null; final: Date | null }> {
    const states = await Promise.all(epochsOf(receipts).map((epoch) => kms.epochState(epoch)))
    const latest = (dates: (Date | null | undefined)[]): Date | null =>
      dates.length > 0 && dates.every((one) => one instanceof Date)
        ? new Date(Math.max(...dates.map((one) => (one as Date).getTime())))
        : null
    return {
      expected: latest(states.map((one) => one?.destroyAfter)),
      final: latest(states.map((one) => one?.destroyedAt)),
    }
  }

  async function finishWhenEpochsAreOver(row: DestructionRow): Promise<void> {
    const { final } = await epochTimes(recordOf(row))
    if (final !== null) await certify(row, recordOf(row), 'final')
  }

  async function requireRequest(id: string): Promise<DestructionRow> {
    const row = await db.work((tx) => findRequest(tx, id))
    if (row === undefined) throw refuse('destruction_not_found')
    return row
  }

  async function ownRequest(caller: Caller, taskId: string, id: string): Promise<DestructionRow> {
    const row = await db.as(caller.subjectId, (tx) => findRequest(tx, id))
    if (row === undefined || row.task_id !== taskId) throw refuse('destruction_not_found')
    return row
  }

  return {
    /** Rooms below this one that keep something of contracts; registered in `app.ts`. */
    register: (room: LaterRoom) => void laterRooms.push(room),
    holds: createHolds(deps),
    media: createMedia(deps),
    coolingOffDays: deps.coolingOffDays,

    async sendCode(caller: Caller, taskId: string, lang: Lang) {
      const session = requireDisposer(caller)
      await seenTask(session.subjectId, taskId)
      return await accounts.sendProof(session, PURPOSE, lang)
    },
    request,
    advanceAll,

    /** What a party may see: its own requests, and those about the contract as a whole. */
    async overview(
      caller: Caller,
      taskId: string,
    ): Promise<{
      requests: { row: DestructionRow; certificates: CertificateRow[] }[]
      holds: HoldRow[]
      termEndedAt: Date | null
    }> {
      return await db.as(caller.subjectId, async (tx) => {
        await readTask(tx, taskId)
        const requests = []
        for (const row of await requestsOf(tx, taskId))
          requests.push({ row, certificates: await certificatesOf(tx, row.id) })
        return {
          requests,
          holds: (await holdsOf(tx, taskId)).filter((one) => one.released_at === null),
          termEndedAt: await termEndOf(tx, caller.subjectId),
        }
      })
    },

    /** Requests of the acting subject, newest first. */
    list: (caller: Caller): Promise<DestructionRow[]> =>
      db.as(caller.subjectId, (tx) => requestsBy(tx, caller.subjectId, 100)),

    async cancel(caller: Caller, taskId: string, id: string): Promise<DestructionRow> {
      const session = requireDisposer(caller)
      const row = await ownRequest(caller, taskId, id)
      if (row.tenant_id !== caller.subjectId) throw refuse('destruction_not_found')
      await db.work(async (tx) => {
        await apply(tx, row, { kind: 'cancel' })
        await deps.audit.record(tx, {
          tenantId: caller.subjectId,
          caller: session,
          action: 'destruction.cancelled',
          subjectKind: 'sign-task',
          subjectId: taskId,
          data: { requestId: id },
        })
      })
      // Nobody is asked to sign for what will not happen.
      if (row.state === 'CONSENT_PENDING' && row.agreement_task_id !== null)
        await deps.signTasks.cancel(caller, row.agreement_task_id, '销毁申请已撤销')
      return await requireRequest(id)
    },

    /** The newest certificate, or that of a stage. @throws Refusal `destruction_certificate_not_ready` */
    async certificate(
      caller: Caller,
      taskId: string,
      id: string,
      stage?: Stage,
    ): Promise<{
      made: CertificateRow
      proof: ReturnType<Certificates['proofOf']>
      zip: () => AsyncIterable<Uint8Array>
    }> {
      await ownRequest(caller, taskId, id)
      const all = await db.as(caller.subjectId, (tx) => certificatesOf(tx, id))
      const made = all.find((one) => stage === undefined || one.stage === stage)
      if (made === undefined) throw refuse('destruction_certificate_not_ready')
      return { made, proof: certificates.proofOf(made), zip: () => certificates.zip(made) }
    },

    /** Recorded by the operator, from the agreement with the customer. */
    endTerm: (tenantId: string, endedAt: Date, by: string): Promise<void> =>
      db.work((tx) =>
        recordTermEnd(tx, {
          tenant_id: tenantId,
          ended_at: endedAt,
          recorded_by: by,
          recorded_at: clock.now(),
        }),
      ),
  }
}
