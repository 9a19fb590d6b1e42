/** Signing: who may sign proves the will to, and {@link createAct} does it once. */
import { createHash } from 'node:crypto'
import type { Appearance, Font } from '@yinxin/pades'
import type { SignInput, SignResult } from '@yinxin/sdk/wire'
import { z } from 'zod'
import type { Accounts, SessionCaller } from '#src/accounts/accounts.ts'
import type { Ca } from '#src/ca/ca.ts'
import type { Clock } from '#src/clock.ts'
import type { Db, Tx } from '#src/db/db.ts'
import { Refusal } from '#src/errors.ts'
import type { Evidence } from '#src/evidence/evidence.ts'
import type { Identity } from '#src/identity/identity.ts'
import type { Jobs } from '#src/jobs/jobs.ts'
import type { EventKeyAlgorithm, Kms } from '#src/kms/kms.ts'
import type { Log } from '#src/log.ts'
import type { Lang } from '#src/notifications/notifications.ts'
import type { Outbox } from '#src/outbox/outbox.ts'
import type { Drawn, Seals } from '#src/seals/seals.ts'
import {
  type ActorRow,
  type Admitted,
  type Author,
  actorAuthor,
  actorOf,
  authorActor,
  consentText,
  type FieldRow,
  findRevision,
  isAwaited,
  isOver,
  lockTask,
  readFields,
  readTask,
  readTaskAndFields,
  readTaskOnce,
  refuseTask,
  type SignTasks,
  signCodeKey,
  type Task,
} from '#src/sign-tasks/sign-tasks.ts'
import type { Storage } from '#src/storage/storage.ts'
import type { Timestamps } from '#src/timestamps/timestamps.ts'
import { createAct } from './act.ts'
import { type CrashHook, noCrash } from './crash-points.ts'
import { refuse } from './errors.ts'
import { createMarks, developmentNotice, type Marks } from './marks.ts'
import { createPreparer } from './prepare.ts'

export { CRASH_POINTS, type CrashHook, type CrashPoint } from './crash-points.ts'

export interface SigningDeps {
  db: Db
  clock: Clock
  log: Log
  jobs: Jobs
  outbox: Outbox
  kms: Kms
  storage: Storage
  ca: Ca
  timestamps: Timestamps
  evidence: Evidence
  accounts: Accounts
  identity: Identity
  seals: Seals
  signTasks: SignTasks
  /** For dates and notices on the page. */
  font: () => Promise<Font>
  /** Of the key and certificate made for each act. */
  eventKeyAlgorithm: EventKeyAlgorithm
  /** Sees every signature that is made without a request. */
  watch?: <T>(tenantId: string, work: () => Promise<T>) => Promise<T>
  crash?: CrashHook
  leaseMs?: number
}

export type Signing = ReturnType<typeof createSigning>

/** What a request tells beside its content. */
export interface Visit {
  lang: Lang
  /** Network address as the server sees it, proxies that are trusted resolved. */
  address: string
  userAgent: string
}

interface ChosenMark {
  appearance: Appearance | null
  /** A stored seal or signature, whose use is recorded. */
  sealId: string | null
  /** New handwriting to keep for the next time. */
  drawn: Drawn | null
}

const FREE_SIGN_TRIES = 12

export function createSigning(deps: SigningDeps) {
  const { db, clock, signTasks, seals } = deps
  const act = createAct({ ...deps, prepare: createPreparer() })
  const crash = deps.crash ?? noCrash
  const watch = deps.watch ?? ((_tenantId, work) => work())
  let notice: Appearance | null = null

  deps.outbox.subscribe(
    ['sign-task.actor-ready', 'sign-task.urged'],
    'signing.free-sign',
    async ({ payload, subjectKey }, tx) => {
      const task = await readTaskOnce(tx, subjectKey)
      const wanted = 'actorIds' in payload ? (payload.actorIds as string[]) : [String(payload.actorId)]
      for (const actor of task.actors) {
        if (!wanted.includes(actor.id) || actor.free_sign_business_id === null) continue
        await deps.jobs.enqueue(
          tx,
          'signing.free-sign',
          { taskId: task.row.id, actorId: actor.id },
          { key: `free-sign:${actor.id}`, maxAttempts: FREE_SIGN_TRIES },
        )
      }
    },
  )
  deps.jobs.define(
    'signing.free-sign',
    z.object({ taskId: z.uuid(), actorId: z.uuid() }),
    async ({ taskId, actorId }, { attempt, maxAttempts }) => {
      try {
        await freeSign(taskId, actorId)
      } catch (error) {
        // Another attempt lives or something is down: the queue tries again. All else a person must mend.
        const isPassing =
          !(error instanceof Refusal) || error.kind === 'unavailable' || error.code === 'signing_in_progress'
        if (isPassing && attempt < maxAttempts) throw error
        await tellFailure(taskId, actorId, error)
      }
    },
  )

  /** Actors that are signing through this process at this moment, from before their code is used up. */
  const underway = new Set<string>()

  /** A person signs in the ceremony, for itself or for its company. */
  async function sign(
    caller: SessionCaller,
    token: string,
    input: SignInput,
    visit: Visit,
    complete?: (tx: Tx, answer: SignResult) => Promise<void>,
  ): Promise<SignResult> {
    // 1. Who is it, and may it sign now? Nothing is locked yet; transaction A decides.
    const admitted = await signTasks.ceremonies.admit(caller, token)
    const actorId = admitted.actor.id
    // A second tab must not use up the code of the first, nor be told that the code is wrong.
    if (underway.has(actorId)) throw refuseTask('signing_in_progress')
    underway.add(actorId)
    try {
      return await signAdmitted(caller, admitted, input, visit, complete)
    } finally {
      underway.delete(actorId)
    }
  }

  async function signAdmitted(
    caller: SessionCaller,
    admitted: Admitted,
    input: SignInput,
    visit: Visit,
    complete?: (tx: Tx, answer: SignResult) => Promise<void>,
  ): Promise<SignResult> {
    const task = await signTasks.ceremonies.bind(admitted)
    const actor = actorOf(task, admitted.actor.id)
    requireOpen(task, actor, clock.now())
    if (actor.status === 'signing' && (await act.isUnderway(task.row.id, actor.id))) {
      throw refuseTask('signing_in_progress')
    }
    const fields = await ownFields(task, actor)
    const documents = await confirmedDocuments(task, fields, input.documents)
    const chosen = await chooseMark(admitted, actor, fields, input)
    const marks = await marksOf(task, fields, chosen.appearance)
    // 2. The code is used up here, whatever comes after.
    const { codeId } = await useCode(admitted, actor, input.code)
    await crash('signing.after-code')
    // 3. The act.
    const { person } = admitted.visitor
    const isCorp = actor.kind === 'corp'
    const consent = consentText(
      { title: task.row.title, documentCount: task.documents.length, actor, signerName: person.name },
      visit.lang,
    )
    return await act.perform({
      taskId: task.row.id,
      tenantId: task.row.tenant_id,
      actorId: actor.id,
      author: actorAuthor({ ...actor, subject_id: admitted.subjectId }, admitted.visitor),
      personId: person.id,
      certified: {
        kind: actor.kind,
        name: actor.name,
        ...(isCorp && person.name !== null ? { memberName: person.name } : {}),
        ...(await identifierOf(admitted)),
      },
      will: {
        kind: 'code',
        codeId,
        consentSha256: createHash('sha256').update(consent, 'utf8').digest('hex'),
      },
      proof: {
        identity: {
          method: person.identity.method ?? '',
          provider: person.identity.provider ?? '',
          simulated: person.identity.simulated,
          verifiedAt: person.identity.verifiedAt?.toISOString() ?? '',
        },
        address: visit.address,
        userAgent: visit.userAgent,
      },
      documents,
      marks,
      ...(complete === undefined ? {} : { complete }),
      record: async (tx) => {
        if (chosen.drawn !== null) await seals.keepSignature(tx, person.id, chosen.drawn)
        if (chosen.sealId === null) return
        await seals.recordUse(tx, {
          sealId: chosen.sealId,
          subjectId: admitted.subjectId,
          caller,
          taskId: task.row.id,
          actorId: actor.id,
        })
      },
    })
  }

  /** The company's granted seal signs at once, in a task that the company itself initiated. */
  async function freeSign(taskId: string, actorId: string): Promise<void> {
    const { task, fields: all } = await db.ask((tx) => readTaskAndFields(tx, taskId))
    const actor = actorOf(task, actorId)
    // Signed by an earlier run, or the task has ended: nothing is left to do.
    if (task.row.status !== 'signing' || !isAwaited(actor.status)) return
    const businessId = actor.free_sign_business_id
    if (businessId === null || actor.subject_id === null) return
    const scene = await seals.freeSignScene(actor.subject_id, businessId)
    if (scene === null) throw refuseTask('free_sign_not_granted', { businessId })
    const sealId = actor.seal_id ?? scene.sealId
    if (sealId !== scene.sealId) throw refuseTask('free_sign_not_granted', { businessId })
    const fields = all.filter((field) => field.actor_id === actorId)
    const subjectId = actor.subject_id
    const author: Author = { kind: 'actor', actorId, subjectId, name: actor.name }
    await watch(task.row.tenant_id, async () =>
      act.perform({
        taskId,
        tenantId: task.row.tenant_id,
        actorId,
        author,
        personId: null,
        certified: { kind: 'corp', name: actor.name, ...(await corpIdentifier(subjectId)) },
        will: { kind: 'free-sign', businessId },
        documents: coveredDocuments(task, fields).map(({ id, sha256 }) => ({ documentId: id, sha256 })),
        marks: await marksOf(task, fields, await seals.appearance(subjectId, sealId)),
        record: (tx) =>
          seals.recordUse(tx, {
            sealId,
            subjectId,
            caller: { kind: 'system', duty: 'free-sign' },
            taskId,
            actorId,
            businessId,
          }),
      }),
    )
  }

  async function marksOf(
    task: Task,
    fields: readonly FieldRow[],
    appearance: Appearance | null,
  ): Promise<Marks> {
    const font = await deps.font()
    notice ??= deps.ca.isDevelopment ? developmentNotice(font) : null
    return createMarks({
      fields,
      documents: task.documents,
      mark: appearance,
      font,
      signedAt: clock.now(),
      notice,
    })
  }

  /** An automatic signature that cannot be made is never silent: it is an event, a fact and a message. */
  async function tellFailure(taskId: string, actorId: string, error: unknown): Promise<void> {
    const reason = error instanceof Refusal ? error.zh : '系统内部错误'
    const code = error instanceof Refusal ? error.code : 'internal'
    deps.log.error({ taskId, actorId, code, err: error }, 'a free signature could not be made')
    await db.work(async (tx) => {
      const task = await lockTask(tx, taskId)
      const actor = actorOf(task, actorId)
      await deps.evidence.append(tx, taskId, task.row.tenant_id, [
        {
          type: 'signature.given-up',
          ...authorActor({ kind: 'system', duty: 'free-sign' }),
          data: { actorId, failure: code },
        },
      ])
      await deps.outbox.append(tx, {
        type: 'sign-task.sign-failed',
        tenantId: task.row.tenant_id,
        subjectKey: taskId,
        payload: {
          taskId,
          reference: task.row.reference,
          actorId,
          actorRef: actor.ref,
          actorName: actor.name,
          reason,
          code,
        },
      })
    })
  }

  async function ownFields(task: Task, actor: ActorRow): Promise<FieldRow[]> {
    const fields = await db.work((tx) => readFields(tx, task.row.id))
    return fields.filter((field) => field.actor_id === actor.id)
  }

  /** The signer names every document it signs by a hash it has read; another party's later signature is no change. */
  async function confirmedDocuments(
    task: Task,
    fields: readonly FieldRow[],
    given: SignInput['documents'],
  ): Promise<{ documentId: string; sha256: string }[]> {
    return await db.work(async (tx) => {
      const confirmed: { documentId: string; sha256: string }[] = []
      for (const { documentId, sha256 } of given) {
        if (!task.documents.some((one) => one.id === documentId)) throw refuseTask('task_document_not_found')
        if ((await findRevision(tx, documentId, sha256)) === null) throw refuseTask('document_changed')
      }
      for (const document of coveredDocuments(task, fields)) {
        const read = given.find((one) => one.documentId === document.id)
        if (read === undefined) throw refuse('documents_not_confirmed', { documentId: document.id })
        confirmed.push({ documentId: document.id, sha256: read.sha256 })
      }
      return confirmed
    })
  }

  /** The drawing that fills the actor's fields, and the stored seal or signature it comes from. */
  async function chooseMark(
    { subjectId, visitor }: Admitted,
    actor: ActorRow,
    fields: readonly FieldRow[],
    input: SignInput,
  ): Promise<ChosenMark> {
    if (actor.kind === 'corp') {
      const sealId = input.sealId ?? actor.seal_id
      if (sealId === null) {
        if (fields.some((field) => field.kind !== 'date')) throw refuse('seal_not_chosen')
        return { appearance: null, sealId: null, drawn: null }
      }
      await seals.requireUsable(subjectId, visitor.person.id, sealId)
      return { appearance: await seals.appearance(subjectId, sealId), sealId, drawn: null }
    }
    if (input.handwriting !== undefined) {
      const drawn = seals.drawSignature(input.handwriting)
      return { appearance: drawn.appearance, sealId: null, drawn: input.keepSignature ? drawn : null }
    }
    const signatureId = input.signatureId ?? input.sealId
    if (signatureId === undefined) return { appearance: null, sealId: null, drawn: null }
    return { appearance: await seals.appearance(subjectId, signatureId), sealId: signatureId, drawn: null }
  }

  async function useCode(admitted: Admitted, actor: ActorRow, code: string): Promise<{ codeId: string }> {
    try {
      const actorKey = signCodeKey(actor.id, admitted.visitor.person.id)
      return await deps.identity.verifyCode({ purpose: 'sign', actorKey, code })
    } catch (error) {
      // The same code from a second tab: what it must be told is that the first is at it, not that the code is wrong.
      const task = await db.work((tx) => readTask(tx, admitted.task.row.id))
      requireOpen(task, actorOf(task, actor.id), clock.now())
      throw error
    }
  }

  async function identifierOf({ actor, subjectId, visitor }: Admitted): Promise<{ identifier?: string }> {
    if (actor.kind === 'corp') return await corpIdentifier(subjectId)
    const idNumber = await deps.accounts.idNumber(visitor.person.id)
    return idNumber === null ? {} : { identifier: maskedIdNumber(idNumber) }
  }

  async function corpIdentifier(corpId: string): Promise<{ identifier?: string }> {
    const corp = await deps.accounts.corp(corpId)
    return corp === null ? {} : { identifier: corp.creditCode }
  }

  return { sign, freeSign }
}

/** The documents with fields of this actor, or every document when it has none: an invisible signature covers all. */
function coveredDocuments(task: Task, fields: readonly FieldRow[]) {
  if (fields.length === 0) return task.documents
  return task.documents.filter((document) => fields.some((field) => field.document_id === document.id))
}

function requireOpen(task: Task, actor: ActorRow, now: Date): void {
  if (actor.status === 'signed') throw refuseTask('already_signed')
  if (task.row.status !== 'signing') throw refuseTask('task_not_signing')
  if (actor.role !== 'sign') throw refuseTask('actor_does_not_sign')
  if (!isAwaited(actor.status)) throw refuseTask('not_your_turn')
  if (isOver(task.row, now)) throw refuseTask('deadline_passed')
}

/** `110***********002X`: enough to tell namesakes apart, too little to be of use to anybody else. */
function maskedIdNumber(idNumber: string): string {
  return `${idNumber.slice(0, 3)}${'*'.repeat(Math.max(0, idNumber.length - 7))}${idNumber.slice(-4)}`
}
