/**
 * Moves requests on: what is due begins, what failed is tried again, what is verified is certified. Every step may be
 * repeated after a crash.
 */
import type { Clock } from '#src/clock.ts'
import type { Db, Tx } from '#src/db/db.ts'
import { Refusal } from '#src/errors.ts'
import { newChance } from '#src/ids.ts'
import type { Kms } from '#src/kms/kms.ts'
import type { Log } from '#src/log.ts'
import { lockTask, readTask } from '#src/sign-tasks/sign-tasks.ts'
import { type Certificates, epochsOf, type Stage } from './certificate.ts'
import type { Consent } from './consent.ts'
import { refuse } from './errors.ts'
import { recordOf, type ShredRecord } from './record.ts'
import { failureOf } from './retry.ts'
import type { Shredding } from './shredding.ts'
import type { StepHook } from './steps.ts'
import {
  activeRequests,
  type DestructionRow,
  findRequest,
  isHeld,
  lockContract,
  lockRequest,
  provisionalRequests,
  uncertifiedRequests,
  updateRequest,
} from './store.ts'
import type { Apply } from './transitions.ts'
import type { Verifying } from './verifying.ts'

export interface AdvancingDeps {
  db: Db
  clock: Clock
  log: Log
  kms: Pick<Kms, 'epochState'>
  apply: Apply
  consent: Pick<Consent, 'seek'>
  shred: Shredding['shred']
  verifying: Verifying
  step: StepHook
  certificates: Pick<Certificates, 'compose' | 'enter' | 'complete'>
}

const AT_A_TIME = 100
/** Before every id. */
const NO_ID = '00000000-0000-0000-0000-000000000000'

export function createAdvancing(deps: AdvancingDeps) {
  const { db, clock, log, kms, apply, shred, verifying, certificates } = deps

  let running: Promise<number> = Promise.resolve(0)
  /** Takes every request as far as it goes now, one after the other. Returns how many moved. */
  function advanceAll(): Promise<number> {
    running = running.then(advanceDue, advanceDue)
    return running
  }

  async function advanceDue(): Promise<number> {
    const ids = new Set([
      ...(await db.work((tx) => activeRequests(tx, clock.now()))),
      ...(await db.work((tx) => uncertifiedRequests(tx, clock.now()))),
      ...(await nextProvisional()),
    ])
    let moved = 0
    const walked: { findings?: Awaited<ReturnType<typeof verifying.walk>> } = {}
    for (const id of ids) {
      try {
        if (await advanceOne(id, async () => (walked.findings ??= await verifying.walk()))) moved += 1
      } catch (error) {
        await noteFailure(id, error)
      }
    }
    return moved
  }

  async function noteFailure(id: string, error: unknown): Promise<void> {
    log.error({ err: error, destructionId: id }, 'a destruction could not go on')
    const problem = error instanceof Refusal ? error.code : 'internal'
    await db.work(async (tx) => {
      const row = await lockRequest(tx, id)
      if (row === undefined) return
      // What cannot be asked of the others ends; whatever has begun to be shredded is never given up.
      if (row.state === 'REQUESTED' && error instanceof Refusal)
        await apply(tx, row, { kind: 'cancel' }, { problem })
      else await updateRequest(tx, id, failureOf(row, problem, clock.now(), newChance()), clock.now())
    })
  }

  let lookedUpTo = NO_ID
  /** Those that wait for weeks take turns, so that their number does not slow down the others. */
  async function nextProvisional(): Promise<string[]> {
    const ids = await db.work((tx) => provisionalRequests(tx, clock.now(), lookedUpTo, AT_A_TIME))
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
    if (row.state === 'REQUESTED' && row.basis === 'consent') {
      await deps.consent.seek(row)
      row = await requireRequest(id)
    }
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
    if (row.state === 'VERIFYING') {
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

  async function verifyAndCertify(
    row: DestructionRow,
    walk: () => ReturnType<typeof verifying.walk>,
  ): Promise<void> {
    const findings = row.extent === 'contract' ? await walk() : []
    const task = await db.work((tx) => readTask(tx, row.task_id))
    const { checks, keyCopies } = await verifying.verify({ ...row, owner_id: task.row.tenant_id }, findings)
    await deps.step('destruction:verified')
    const failed = checks.filter((one) => !one.ok)
    if (failed.length > 0) {
      log.warn({ destructionId: row.id, failed }, 'a destruction is not verified yet')
      const problem = `unverified: ${failed.map((one) => one.check).join(' ')}`
      const failure = failureOf(row, problem, clock.now(), newChance())
      await db.work((tx) => updateRequest(tx, row.id, failure, clock.now()))
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
    await deps.step('destruction:certificate-entered')
    await certificates.complete(done)
    await deps.step('destruction:certificate-sealed')
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

  return { advanceAll }
}
