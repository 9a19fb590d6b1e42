/**
 * Destruction that is proven (SLA 3.2): who may ask for what, the way of a request to its end, and the certificate.
 * A party's own request destroys that party's access; when the last party has done so, when all agree, or at the end
 * of the service, the contract itself is shredded.
 */
import { z } from 'zod'
import type { Accounts, Caller } from '#src/accounts/accounts.ts'
import type { Audit } from '#src/audit/audit.ts'
import type { Ca } from '#src/ca/ca.ts'
import type { Clock } from '#src/clock.ts'
import type { Db, DbCopy } from '#src/db/db.ts'
import type { Documents } from '#src/documents/documents.ts'
import type { Evidence } from '#src/evidence/evidence.ts'
import type { Jobs } from '#src/jobs/jobs.ts'
import type { Kms } from '#src/kms/kms.ts'
import type { Log } from '#src/log.ts'
import type { Lang, Notifications } from '#src/notifications/notifications.ts'
import type { Outbox } from '#src/outbox/outbox.ts'
import { readTask, type SignTasks } from '#src/sign-tasks/sign-tasks.ts'
import type { Storage } from '#src/storage/storage.ts'
import type { Timestamps } from '#src/timestamps/timestamps.ts'
import type { Webhooks } from '#src/webhooks/webhooks.ts'
import { createAdvancing } from './advancing.ts'
import { type Certificates, createCertificates, type Stage } from './certificate.ts'
import { createConsent } from './consent.ts'
import { refuse } from './errors.ts'
import { createHolds } from './holds.ts'
import { createMedia } from './media.ts'
import { createRepeating } from './repeating.ts'
import { createRequesting, PURPOSE, requireDisposer } from './requesting.ts'
import { createShredding, type LaterRoom } from './shredding.ts'
import { noStep, type StepHook } from './steps.ts'
import {
  certificatesOf,
  type CertificateRow,
  type DestructionRow,
  findRequest,
  type HoldRow,
  holdsOf,
  openRequestCounts,
  openRequests,
  recordTermEnd,
  requestsBy,
  requestsOf,
  termEndOf,
} from './store.ts'
import { createTransitions } from './transitions.ts'
import { createVerifying } from './verifying.ts'

export { destructionPromises } from './promises.ts'
export { createDestructionCommands } from './operator.ts'
export type { RepeatReport } from './repeating.ts'
export type { LaterRoom } from './shredding.ts'
export { DESTRUCTION_STEPS, type DestructionStep } from './steps.ts'

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
  /** For tests that end the process between two steps. */
  step?: StepHook
}

const DAY_MS = 86_400_000
/** Open requests that an operator sees at once; the counts are of all. */
const QUEUE_SHOWN = 50

export type Destruction = ReturnType<typeof createDestruction>

export function createDestruction(deps: DestructionDeps) {
  const { db, clock, accounts } = deps
  const laterRooms: LaterRoom[] = []
  const coolingMs = deps.coolingOffDays * DAY_MS
  const { step = noStep } = deps
  const { apply } = createTransitions(clock)
  const consent = createConsent({ ...deps, apply, coolingMs, step })
  const { request } = createRequesting({ ...deps, apply, consent, coolingMs, step })
  const certificates: Certificates = createCertificates(deps)
  const shredding = createShredding({ ...deps, laterRooms, step })
  const { repeatLost } = createRepeating({ ...deps, shredding })
  const { advanceAll } = createAdvancing({
    ...deps,
    apply,
    consent,
    certificates,
    step,
    shred: shredding.shred,
    verifying: createVerifying(deps),
  })

  deps.jobs.define('destruction.advance', z.looseObject({}), async () => {
    await advanceAll()
  })
  deps.jobs.schedule('destruction.advance', '* * * * *')
  deps.jobs.define('destruction.repeat', z.looseObject({}), async () => {
    await repeatLost()
  })
  deps.jobs.schedule('destruction.repeat', '37 4 * * *')

  deps.outbox.subscribe(
    ['sign-task.finished', 'sign-task.rejected', 'sign-task.canceled', 'sign-task.expired'],
    'destruction.agreements',
    ({ subjectKey }, tx) => consent.hearOf(tx, subjectKey),
  )

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
      await db.as(session.subjectId, (tx) => readTask(tx, taskId))
      return await accounts.sendProof(session, PURPOSE, lang)
    },
    request,
    advanceAll,
    /** After a restore: what the keys know as destroyed is destroyed here too. Daily by itself. */
    repeatLost,

    /** For operators: what is on its way to its end, how much of it in which state. */
    queue: async () =>
      await db.work(async (tx) => ({
        counts: await openRequestCounts(tx),
        first: await openRequests(tx, QUEUE_SHOWN),
      })),

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
      const cancelled = await db.work(async (tx) => {
        const done = await apply(tx, row, { kind: 'cancel' })
        await deps.audit.record(tx, {
          tenantId: caller.subjectId,
          caller: session,
          action: 'destruction.cancelled',
          subjectKind: 'sign-task',
          subjectId: taskId,
          data: { requestId: id },
        })
        return done
      })
      // Nobody is asked to sign for what will not happen.
      if (cancelled.approved_at === null && cancelled.agreement_task_id !== null)
        await deps.signTasks.cancel(caller, cancelled.agreement_task_id, '销毁申请已撤销')
      return cancelled
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
