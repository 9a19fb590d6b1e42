/**
 * The act of signing, once and only once. The steps are numbered; between any two of them the process may die
 * without leaving a lost, doubled or half-made signature:
 *
 * 1. The will is proven (a one-time code used up, or the company's own free-sign grant) before this begins.
 * 2. A key for this act alone, which dies in `finally`. Transaction A: the act and its certificate are intended,
 *    the consent becomes an event. A second act beside it is refused.
 * 3. The certificate.
 * 4. Each document: incremental update prepared, CMS signed, RFC 3161 token over the signature.
 * 5. Each delta stored, encrypted, with the quorum of both sites.
 * 6. Transaction B under the task's row lock: the deltas become revisions, the actor has signed, the certificate,
 *    events, facts and the act's end commit together. If another party's signature came first, back to 4 on top of it.
 *
 * What a death before 6 leaves is an intended act whose lease ends, and perhaps objects that nobody refers to.
 */
import { finishSignature, PdfRefusal, type PreparedSignature, reserveFor, signPrepared } from '@yinxin/pades'
import type { SignResult } from '@yinxin/sdk/wire'
import type { Ca, CertificateIntent, EventCertificate, EventIdentity } from '#src/ca/ca.ts'
import type { Clock } from '#src/clock.ts'
import type { Db, Tx } from '#src/db/db.ts'
import { Refusal } from '#src/errors.ts'
import type { Evidence, NewEvent } from '#src/evidence/evidence.ts'
import { newId } from '#src/ids.ts'
import type { EventKeyAlgorithm, EventSigner, Kms } from '#src/kms/kms.ts'
import type { Log } from '#src/log.ts'
import {
  type Author,
  actorOf,
  appendSegment,
  authorActor,
  type DocumentRow,
  lockTask,
  type Revision,
  readSegmentsOf,
  type SignTasks,
  type Task,
  updateActor,
} from '#src/sign-tasks/sign-tasks.ts'
import type { Storage, StoredObject } from '#src/storage/storage.ts'
import type { Timestamps } from '#src/timestamps/timestamps.ts'
import { failAct, finishAct, intendAct, readAct } from './act-store.ts'
import { type CrashHook, noCrash } from './crash-points.ts'
import { refuse } from './errors.ts'
import type { Marks } from './marks.ts'
import type { PdfPreparer } from './prepare.ts'
import { createTurns } from './turns.ts'

export interface ActDeps {
  db: Db
  clock: Clock
  log: Log
  kms: Pick<Kms, 'eventSigner'>
  eventKeyAlgorithm: EventKeyAlgorithm
  storage: Pick<Storage, 'put' | 'record'>
  ca: Pick<Ca, 'intend' | 'issue' | 'recordIssued'>
  timestamps: Pick<Timestamps, 'stamp'>
  evidence: Pick<Evidence, 'append'>
  signTasks: Pick<SignTasks, 'transition' | 'revisions'>
  prepare: PdfPreparer
  /** Awaited between the steps; tests end the process there. */
  crash?: CrashHook
  /** How long an intended act keeps others away after its process may have died. */
  leaseMs?: number
}

/** Everything about an act that was decided before it. */
export interface ActRequest {
  taskId: string
  tenantId: string
  actorId: string
  /** Who acts: for the record and for the certificate. */
  author: Author
  /** The natural person, for whom nothing is recorded when a company signs freely. */
  personId: string | null
  certified: EventIdentity
  will: { kind: 'code'; codeId: string; consentSha256: string } | { kind: 'free-sign'; businessId: string }
  /** How the acting person had been proven, and from where it signs. */
  proof?: {
    identity: { method: string; provider: string; simulated: boolean; verifiedAt: string }
    address: string
    userAgent: string
  }
  /** Documents to sign, each as read by the signer. */
  documents: { documentId: string; sha256: string }[]
  /** Draws what shows on the page. */
  marks: Marks
  /** Given the answer inside transaction B (idempotency). */
  complete?: (tx: Tx, answer: SignResult) => Promise<void>
  /** More to be written with the signature, e.g. the use of a seal. */
  record?: (tx: Tx) => Promise<void>
}

interface Attempt {
  taskId: string
  actorId: string
  attemptId: string
}

interface SignedDocument {
  documentId: string
  base: Revision
  baseNumber: number
  made: { sizeBytes: number; sha256: string }
  delta: Uint8Array
  stored: StoredObject
  timestamp: Date
}

interface Credentials {
  sign: (prepared: PreparedSignature, stamped: (at: Date) => void) => Promise<Uint8Array>
  issued: EventCertificate
  reserveBytes: number
}

const LEASE_MS = 120_000
/** Rounds of step 4 to 6 when another process signs the same task at the same time. */
const ROUNDS = 4

export type Act = ReturnType<typeof createAct>

export function createAct(deps: ActDeps) {
  const { db, clock } = deps
  const crash = deps.crash ?? noCrash
  const leaseMs = deps.leaseMs ?? LEASE_MS
  const inTurn = createTurns()
  /** This process, and its attempts under way: an intended act of ours that is not among them is dead. */
  const holder = newId()
  const living = new Set<string>()

  async function perform(request: ActRequest): Promise<SignResult> {
    const attempt = { taskId: request.taskId, actorId: request.actorId, attemptId: newId() }
    const key = await deps.kms.eventSigner(deps.eventKeyAlgorithm)
    living.add(attempt.attemptId)
    try {
      const intent = await intend(request, attempt, key.signer.spki)
      try {
        await crash('signing.after-intent')
        return await makeSignature(request, attempt, certify(intent, key.signer))
      } catch (error) {
        await abandon(request, attempt, error)
        throw error instanceof PdfRefusal
          ? refuse('document_cannot_be_signed', { reason: error.code }, error)
          : error
      }
    } finally {
      key.destroy()
      living.delete(attempt.attemptId)
    }
  }

  /** Step 2. */
  async function intend(request: ActRequest, attempt: Attempt, spki: Uint8Array): Promise<CertificateIntent> {
    const now = clock.now()
    return await db.work(async (tx) => {
      const task = await lockTask(tx, request.taskId)
      const actor = actorOf(task, request.actorId)
      if (actor.status === 'signing' && !isAlive(await readAct(tx, request.taskId, request.actorId), now)) {
        await deps.signTasks.transition(
          tx,
          task,
          { kind: 'abandon-signing', actorId: actor.id },
          request.author,
        )
      }
      const by = authorActor(request.author)
      const { will, proof } = request
      await deps.signTasks.transition(
        tx,
        task,
        { kind: 'begin-signing', actorId: actor.id },
        request.author,
        {
          events: [
            {
              type: 'consent.given',
              actor: by.actor,
              data: {
                actorId: actor.id,
                documents: request.documents.map(({ documentId, sha256 }) => ({ documentId, sha256 })),
                will: will.kind,
                ...(will.kind === 'code'
                  ? { codeId: will.codeId, consentSha256: will.consentSha256 }
                  : { businessId: will.businessId }),
                ...(proof === undefined ? {} : { identity: proof.identity }),
              },
              personal: {
                ...by.personal,
                ...(proof === undefined
                  ? {}
                  : { '/data/address': proof.address, '/data/userAgent': proof.userAgent }),
              },
            },
          ],
        },
      )
      if (request.personId !== null && actor.person_id === null) {
        await updateActor(tx, actor.id, { person_id: request.personId })
      }
      await intendAct(tx, {
        ...attempt,
        tenantId: request.tenantId,
        holder,
        freeSign: will.kind === 'free-sign',
        at: now,
        leaseUntil: new Date(now.getTime() + leaseMs),
        intent: { documents: request.documents, will: will.kind },
      })
      return await deps.ca.intend(tx, {
        actId: attempt.attemptId,
        taskId: request.taskId,
        tenantId: request.tenantId,
        identity: request.certified,
        spki,
        at: now,
      })
    }, request.tenantId)
  }

  /** Steps 4 to 6. */
  async function makeSignature(
    request: ActRequest,
    attempt: Attempt,
    credentials: Credentials,
  ): Promise<SignResult> {
    await crash('signing.after-certificate')
    // Parallel signers of one task queue here, so that nobody signs on top of a revision about to be outdated.
    return await inTurn(request.taskId, async () => {
      for (let round = 0; round < ROUNDS; round++) {
        const signed = await signDocuments(request, credentials)
        const result = await commit(request, attempt, credentials, signed)
        if (result !== null) {
          await crash('signing.after-commit')
          return result
        }
      }
      throw refuse('signing_contended')
    })
  }

  /** Step 3. */
  function certify(intent: CertificateIntent, signer: EventSigner['signer']): Credentials {
    const issued = deps.ca.issue(intent)
    const certificates = [issued.certificateDer, ...issued.chain]
    return {
      issued,
      reserveBytes: reserveFor({ certificates, timestamp: () => new Uint8Array() }),
      sign: (prepared, stamped) =>
        signPrepared(prepared, {
          signer,
          certificates,
          timestamp: async (digest) => {
            const { token, genTime } = await deps.timestamps.stamp(digest)
            stamped(genTime)
            return token
          },
        }),
    }
  }

  /** Steps 4 and 5, on the revisions of this moment. */
  async function signDocuments(request: ActRequest, credentials: Credentials): Promise<SignedDocument[]> {
    const all = await db.ask((tx) =>
      readSegmentsOf(
        tx,
        request.documents.map((one) => one.documentId),
      ),
    )
    const signed: SignedDocument[] = []
    for (const { documentId } of request.documents) {
      const segments = all.filter((one) => one.document_id === documentId)
      const base = await deps.signTasks.revisions.read(segments)
      const revision = segments.at(-1)?.revision ?? 0
      const prepared = await deps.prepare(base, {
        fieldName: `yinxin-${request.actorId}`,
        placements: request.marks.placements(documentId),
        name: request.certified.name,
        reason: '同意签署本文件',
        signingTime: clock.now(),
        reserveBytes: credentials.reserveBytes,
      })
      await crash('signing.after-prepare')
      let timestamp = clock.now()
      const cms = await credentials.sign(prepared, (at) => {
        timestamp = at
      })
      const delta = finishSignature(prepared, cms)
      await crash('signing.after-timestamp')
      const stored = await deps.storage.put({
        tenantId: request.tenantId,
        scopeId: request.taskId,
        class: 'signed',
        content: delta,
      })
      await crash('signing.after-store')
      signed.push({
        documentId,
        base,
        baseNumber: revision,
        made: deps.signTasks.revisions.extend(base, delta),
        delta,
        stored,
        timestamp,
      })
    }
    return signed
  }

  /** Step 6; null when another signature came first. */
  async function commit(
    request: ActRequest,
    attempt: Attempt,
    credentials: Credentials,
    signed: readonly SignedDocument[],
  ): Promise<SignResult | null> {
    const result = await db.work(async (tx) => {
      const task = await lockTask(tx, request.taskId)
      if (!signed.every((one) => documentOf(task, one.documentId).revision === one.baseNumber)) return null
      const now = clock.now()
      await deps.storage.record(
        tx,
        signed.map((one) => one.stored),
      )
      for (const one of signed) {
        await appendSegment(tx, {
          document_id: one.documentId,
          revision: one.baseNumber + 1,
          tenant_id: request.tenantId,
          task_id: request.taskId,
          object_id: one.stored.id,
          segment_bytes: one.delta.length,
          size_bytes: one.made.sizeBytes,
          sha256: one.made.sha256,
          created_at: now,
        })
        documentOf(task, one.documentId).sha256 = one.made.sha256
      }
      await deps.signTasks.transition(tx, task, { kind: 'sign', actorId: request.actorId }, request.author, {
        certificateSerial: credentials.issued.serialHex,
        events: signed.map((one) => signedEvent(request, credentials, one)),
      })
      await deps.ca.recordIssued(tx, credentials.issued)
      const answer: SignResult = {
        status: 'signed',
        taskStatus: task.row.status,
        signedAt: now.toISOString(),
        certificateSerial: credentials.issued.serialHex,
        documents: signed.map((one) => ({ documentId: one.documentId, sha256: one.made.sha256 })),
      }
      const isOwned = await finishAct(tx, attempt, {
        certificateSerial: credentials.issued.serialHex,
        certificateDer: credentials.issued.certificateDer,
        result: answer,
        at: now,
      })
      await request.record?.(tx)
      if (!(await isOwned())) throw refuse('signing_taken_over')
      await request.complete?.(tx, answer)
      await crash('signing.before-commit')
      return answer
    }, request.tenantId)
    if (result !== null) {
      for (const one of signed) {
        deps.signTasks.revisions.keepExtended(one.documentId, one.baseNumber + 1, one.base, one.delta)
      }
    }
    return result
  }

  /**
   * Gives the act back after a failure, so that the actor may try again at once. When even this fails (the
   * database is gone), the attempt is known to be dead in this process, and its lease ends for the others.
   */
  async function abandon(request: ActRequest, attempt: Attempt, cause: unknown): Promise<void> {
    const failure = cause instanceof Refusal || cause instanceof PdfRefusal ? cause.code : 'internal'
    deps.log.warn(
      {
        taskId: request.taskId,
        actorId: request.actorId,
        failure,
        ...(failure === 'internal' ? { err: cause } : {}),
      },
      'an act of signing failed',
    )
    try {
      await db.work(async (tx) => {
        const task = await lockTask(tx, request.taskId)
        if (!(await failAct(tx, attempt, failure))) return
        const by = authorActor(request.author)
        const event: NewEvent = {
          type: 'signature.failed',
          actor: by.actor,
          data: { actorId: request.actorId, failure },
          personal: by.personal,
        }
        if (task.row.status === 'signing') {
          await deps.signTasks.transition(
            tx,
            task,
            { kind: 'abandon-signing', actorId: request.actorId },
            request.author,
            { events: [event] },
          )
        } else {
          await deps.evidence.append(tx, request.taskId, request.tenantId, [event])
        }
      }, request.tenantId)
    } catch (error) {
      deps.log.warn({ taskId: request.taskId, err: error }, 'a failed act could not be given back')
    }
  }

  /** An intended act lives as long as its lease, or until this process knows better about its own. */
  function isAlive(act: Awaited<ReturnType<typeof readAct>>, now: Date): boolean {
    if (act === null || act.status !== 'intended' || act.lease_until <= now) return false
    return act.holder !== holder || living.has(act.attempt_id)
  }

  return {
    perform,
    /** Whether an attempt for this actor is being made somewhere. */
    isUnderway: async (taskId: string, actorId: string): Promise<boolean> =>
      isAlive(await db.work((tx) => readAct(tx, taskId, actorId)), clock.now()),
  }
}

function documentOf(task: Task, documentId: string): DocumentRow {
  const document = task.documents.find((one) => one.id === documentId)
  if (document === undefined) throw new Error(`task ${task.row.id} lost its document ${documentId}`)
  return document
}

/** What the evidence verifier compares with the signature in the file. */
function signedEvent(request: ActRequest, credentials: Credentials, one: SignedDocument): NewEvent {
  const by = authorActor(request.author)
  return {
    type: 'document.signed',
    actor: by.actor,
    data: {
      actorId: request.actorId,
      documentId: one.documentId,
      previousSha256: one.base.sha256,
      documentSha256: one.made.sha256,
      certificateSerial: credentials.issued.serialHex,
      certificateSha256: credentials.issued.fingerprintSha256,
      timestamp: one.timestamp.toISOString(),
    },
    personal: by.personal,
  }
}
