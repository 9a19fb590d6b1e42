import { randomUUID } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type ClaimAction, claimActors, claimAfter, monthMinutes, type SlaService } from '@yinxin/sla'
import fc from 'fast-check'
import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { SessionCaller } from '#src/accounts/accounts.ts'
import type { Tx } from '#src/db/db.ts'
import { createIncidents } from '#src/incidents/incidents.ts'
import type { OperatorCommands } from '#src/operator-door.ts'
import { createOperators, type Operators } from '#src/operators/operators.ts'
import { createOutbox, type Fact } from '#src/outbox/outbox.ts'
import { createMeter, createSla, type Sla } from '#src/sla/sla.ts'
import { createStorage, defaultSites, type Storage } from '#src/storage/storage.ts'
import { type TestOperator, twoOperators } from '../../../../testing/operators.ts'
import { openPeople, type People } from '../../../../testing/people.ts'
import { createSteps } from './claims.ts'
import { type Compensation, createCompensation, createCompensationCommands } from './compensation.ts'
import { insertClaim, stepsOf } from './store.ts'
import type { ClaimRow } from './tables.ts'

const october = monthMinutes('2026-10', 'Asia/Shanghai')
const november = monthMinutes('2026-11', 'Asia/Shanghai')
const at = (minute: number) => new Date(minute * 60_000)
const iso = (minute: number) => at(minute).toISOString()
/** Ten minutes without signing for everybody. */
const outage = october.from + 10_000
/** Ten minutes of the next month. */
const second = november.from + 5_000
const needle = 'what-the-outage-cost-us-in-clear-words'
const png = Buffer.concat([Buffer.from('89504e470d0a1a0a', 'hex'), Buffer.from(needle)])

let house: People
let folder: string
let storage: Storage
let sla: Sla
let operators: Operators
let compensation: Compensation
let commands: OperatorCommands
let company: SessionCaller
let other: SessionCaller
let [li, wang, zhao]: TestOperator[] = []
const alone = randomUUID()
const unharmed = randomUUID()
const facts: Fact[] = []

/** What a process saw of a minute, told as soon as the last of them is over. */
async function lived(
  from: number,
  to: number,
  counts: { tenantId: string; service: SlaService; ok?: number; error?: number }[],
): Promise<void> {
  house.clock.advance(at(to).getTime() - house.clock.now().getTime())
  const minutes = Array.from({ length: to - from }, (_, i) => from + i)
  await sla.store.insertFlushes([
    {
      sourceId: randomUUID(),
      seq: 1,
      fromMinute: from,
      toMinute: to,
      counts: minutes.flatMap((minute) =>
        counts.map((one) => ({ minute, ok: 0, error: 0, slow: 0, broken: 0, excluded: 0, ...one })),
      ),
    },
  ])
}

beforeAll(async () => {
  house = await openPeople({ now: at(october.from) })
  folder = await mkdtemp(join(tmpdir(), 'yinxin-compensation-'))
  storage = createStorage({ ...house, sites: defaultSites(folder), jobs: house.jobs })
  const outbox = createOutbox(house)
  outbox.subscribe(['compensation.settled'], 'ledger', async (fact) => void facts.push(fact))
  sla = await createSla({
    ...house,
    meter: createMeter(house.clock),
    dataDir: folder,
    probeApps: [],
    clockOffsetMs: async () => 0,
  })
  operators = createOperators(house)
  const incidents = createIncidents({
    ...house,
    sla,
    monitoring: { listen: () => undefined, receipts: async () => [] },
    baseUrl: 'http://localhost',
  })
  compensation = createCompensation({ ...house, storage, outbox, sla, incidents })
  commands = createCompensationCommands({ compensation, operators, accounts: house.accounts })
  const zhang = await house.register('13800000001', '张三', '11010519491231002X')
  company = await house.found(zhang, '示例科技有限公司', '91350100M000100Y43')
  other = await house.register('13800000002', '李四', '440524188001010014')
  ;[li, wang] = await twoOperators({ operators }, ['李', '王'])
  const third = await operators.add('赵', null)
  zhao = { id: third.row.id, name: '赵', countsFrom: at(0), key: third.key }

  await house.db.work(quietTraffic)
  const all = { error: 20, service: 'signing' } as const
  await lived(outage, outage + 10, [
    { tenantId: company.subjectId, ...all },
    { tenantId: other.subjectId, ...all },
  ])
  await incidents.open({
    titleZh: '签署中断',
    titleEn: 'signing was down',
    services: ['signing'],
    integrity: false,
    published: true,
    beganAt: at(outage),
    by: '李',
  })
  await house.jobs.drain()
  // One company alone cannot upload, while the platform serves a thousand others.
  await lived(october.from + 20_000, october.from + 20_006, [
    { tenantId: alone, service: 'upload', error: 1 },
    { tenantId: unharmed, service: 'upload', ok: 1000 },
  ])
  await lived(second, second + 10, [{ tenantId: company.subjectId, service: 'backend', error: 20 }])
  // Until all of it is settled.
  house.clock.advance(30 * 60_000)
})
afterAll(async () => {
  await storage.close()
  await house.close()
  await rm(folder, { recursive: true, force: true })
})

/** One good request a minute of every service, told in time: what stands behind all the rest. */
async function quietTraffic(tx: Tx): Promise<void> {
  const source = randomUUID()
  const until = second + 60
  await sql`insert into sla_flush (source_id, seq, from_minute, to_minute, received_at, clock_offset_ms, rejected)
    values (${source}, 1, ${october.from}, ${until}, ${at(october.from)}, 0, false)`.execute(tx)
  await sql`
    insert into sla_count (source_id, seq, service, minute, tenant_id, ok, errors, slow, broken, excluded,
      received_at, late, rejected)
    select ${source}::uuid, 1, service, minute, ${unharmed}::uuid, 1, 0, 0, 0, 0, to_timestamp((minute + 1)::bigint * 60),
      false, false
    from generate_series(${october.from}::int, ${until - 1}::int) as minute,
      unnest(array['frontend', 'backend', 'upload', 'signing', 'certificate']) as service`.execute(tx)
}

const call = (operator: TestOperator | undefined) => ({
  operator: operator ?? null,
  report: () => undefined,
  signal: AbortSignal.timeout(60_000),
})
const run = async (name: string, options: object, operator?: TestOperator) => {
  const command = commands[`compensation-${name}`]
  if (command === undefined) throw new Error(`there is no command ${name}`)
  return (await command({ ...options }, call(operator))) as Record<string, unknown>
}
const confirm = (proposal: Record<string, unknown>, operator: TestOperator | undefined) =>
  operators.proposals.confirm(String(proposal.proposalId), call(operator))
/** Proposed by one and confirmed by another. */
const both = async (name: string, options: object, by = [li, wang]) =>
  await confirm(await run(name, options, by[0]), by[1])
const claimOf = async (caller: SessionCaller, month: string): Promise<string> => {
  const found = (await compensation.list(caller, { limit: 100 })).find(
    (one) => one.month === month && one.state !== 'withdrawn',
  )
  if (found === undefined) throw new Error(`no claim for ${month}`)
  return found.id
}
async function* bytes(content: Uint8Array) {
  yield content
}
async function lose(caller: SessionCaller, id: string, claimedFen: number, minute: number | null = null) {
  const itemId = await compensation.addLoss(caller, id, { description: '人工补签', claimedFen, minute })
  await compensation.addProof(caller, itemId, { name: '发票.png', content: bytes(png) })
  return itemId
}
async function verifyAll(id: string) {
  const { losses } = (await run('show', { id })) as { losses: { id: string; claimed_fen: number }[] }
  for (const loss of losses) await run('verify', { id: loss.id, fen: loss.claimed_fen }, li)
}
const actionsOf = async (id: string) =>
  (await house.db.work((tx) => house.audit.about(tx, 'compensation-claim', id)))
    .map(({ action }) => action)
    .reverse()

describe('a month that was closed', () => {
  it('drafts a claim for everybody whose operations failed in minutes that count, once', async () => {
    await compensation.draftDue()
    expect(await house.jobs.drain()).toEqual([])
    const tenants = async () =>
      ((await run('list', { all: true })).claims as { tenantId: string }[]).map(({ tenantId }) => tenantId)
    // Nothing before the month is closed.
    expect(await tenants()).toEqual([])
    await sla.revisions.closeDue()
    for (let i = 0; i < 2; i++) {
      await compensation.draftDue()
      expect(await house.jobs.drain()).toEqual([])
      await compensation.draft(alone, '2026-10')
    }
    expect((await tenants()).toSorted()).toEqual([company.subjectId, other.subjectId, alone].toSorted())

    const { claim, minutes, incidents, steps } = await compensation.get(
      company,
      await claimOf(company, '2026-10'),
    )
    expect(claim).toMatchObject({ state: 'drafted', origin: 'platform', agreement_id: null })
    expect(claim.down).toEqual([{ service: 'signing', from: outage, to: outage + 10 }])
    expect(claim.failures).toHaveLength(10)
    expect(claim.failures[0]).toEqual({ service: 'signing', minute: outage, valid: 20, failed: 20 })
    // Who does not know why he failed, owes.
    expect(minutes.every(({ cause, eligible }) => cause === 'unknown' && eligible)).toBe(true)
    expect(incidents).toEqual([{ number: 1 }])
    expect(steps.map(({ action }) => action)).toEqual(['draft'])
    expect(await actionsOf(claim.id)).toEqual(['compensation.drafted'])
  })

  it('counts minutes in which one company alone was without service', async () => {
    const { claims } = (await run('list', { all: true })) as { claims: { id: string; tenantId: string }[] }
    const id = claims.find(({ tenantId }) => tenantId === alone)?.id
    const { down } = (await run('show', { id })) as { down: { service: string }[] }
    expect(down.toSorted((a, b) => a.service.localeCompare(b.service))).toEqual([
      expect.objectContaining({ service: 'signing' }),
      {
        service: 'upload',
        from: iso(october.from + 20_000).replace(':00.000Z', 'Z'),
        to: iso(october.from + 20_006).replace(':00.000Z', 'Z'),
      },
    ])
  })
})

describe('a claim', () => {
  it('is the company’s alone, and only by a person who may speak for it', async () => {
    const id = await claimOf(company, '2026-10')
    await expect(compensation.get(other, id)).rejects.toMatchObject({ code: 'claim_not_found' })
    await expect(compensation.act(other, id, 'withdraw')).rejects.toMatchObject({ code: 'claim_not_found' })
    await expect(
      compensation.addLoss(other, id, { description: 'x', claimedFen: 1, minute: null }),
    ).rejects.toMatchObject({ code: 'claim_not_found' })
    const member = { ...company, role: 'member' } as const
    await expect(compensation.get(member, id)).rejects.toMatchObject({ code: 'claim_not_allowed' })
    const app = { kind: 'app', appId: 'a', subjectId: company.subjectId, environment: 'sandbox' } as const
    await expect(compensation.act(app, id, 'submit')).rejects.toMatchObject({ code: 'claim_not_allowed' })
    // Row-level security says the same where the code would not.
    for (const table of ['claim', 'item', 'proof', 'step', 'agreement', 'settlement'])
      expect(
        (
          await house.db.as(other.subjectId, (tx) =>
            sql`select tenant_id from ${sql.table(`compensation_${table}`)}
              where tenant_id <> ${other.subjectId}`.execute(tx),
          )
        ).rows,
      ).toEqual([])
  })

  it('needs a loss with proof, which lies encrypted and goes with the loss', async () => {
    const id = await claimOf(company, '2026-10')
    await expect(compensation.act(company, id, 'submit')).rejects.toMatchObject({
      code: 'claim_without_loss',
    })
    const bare = await compensation.addLoss(company, id, {
      description: '无证明',
      claimedFen: 5,
      minute: null,
    })
    await expect(compensation.act(company, id, 'submit')).rejects.toMatchObject({
      code: 'claim_without_loss',
    })
    await expect(
      compensation.addProof(company, bare, { name: 'a.exe', content: bytes(Buffer.from('MZ')) }),
    ).rejects.toMatchObject({ code: 'claim_proof_kind' })
    const proofId = await compensation.addProof(company, bare, { name: 'a.png', content: bytes(png) })
    expect(await compensation.addProof(company, bare, { name: 'b.png', content: bytes(png) })).toBe(proofId)
    expect((await compensation.proof(company, proofId)).content).toEqual(png)
    await expect(compensation.proof(other, proofId)).rejects.toMatchObject({ code: 'claim_proof_not_found' })
    await expect(run('proof', { id: proofId }, li)).rejects.toMatchObject({ code: 'claim_proof_not_found' })
    const files = await readdir(folder, { recursive: true, withFileTypes: true })
    const stored = await Promise.all(
      files.filter((one) => one.isFile()).map((one) => readFile(join(one.parentPath, one.name))),
    )
    expect(stored.length).toBeGreaterThan(0)
    expect(stored.some((content) => content.includes(needle))).toBe(false)
    await compensation.removeLoss(company, bare)
    await expect(compensation.proof(company, proofId)).rejects.toMatchObject({
      code: 'claim_proof_not_found',
    })
    expect((await house.kms.scopeKeyState([proofId])).get(proofId)?.state).toBe('destroyed')
  })

  it('goes from submission over mixed causes, offer, appeal and second offer to what is paid', async () => {
    const id = await claimOf(company, '2026-10')
    const whole = await lose(company, id, 1001)
    await lose(company, id, 500, outage + 6)
    await lose(company, id, 700, outage + 7)
    const profit = await lose(company, id, 90_000)
    await compensation.act(company, id, 'submit')
    await compensation.act(company, id, 'submit')
    await expect(compensation.removeLoss(company, whole)).rejects.toMatchObject({ code: 'claim_state' })

    // Nobody in particular decides nothing.
    await expect(run('review', { id })).rejects.toMatchObject({ code: 'operator_needed' })
    await run('review', { id }, li)
    const { losses } = (await run('show', { id })) as { losses: { proofs: { id: string }[] }[] }
    const shown = await run('proof', { id: losses[0]?.proofs[0]?.id }, li)
    expect(Buffer.from(String(shown.base64), 'base64')).toEqual(png)
    expect(await actionsOf(id)).toContain('compensation.proof-read')

    const offer = { id, fen: 2201, reason: '按分钟核定' }
    await expect(both('offer', offer)).rejects.toMatchObject({ code: 'claim_agreement_missing' })
    const agreement = {
      company: '91350100M000100Y43',
      number: 'HT-1',
      amountFen: 1000,
      from: iso(october.from),
    }
    await both('agreement', agreement)
    await expect(both('agreement', { ...agreement, number: 'HT-2' })).rejects.toMatchObject({
      code: 'agreement_overlaps',
    })
    await expect(both('offer', offer)).rejects.toMatchObject({ code: 'claim_not_verified' })
    await expect(run('verify', { id: whole, fen: 1002 }, li)).rejects.toMatchObject({
      code: 'claim_verified_amount',
    })
    await verifyAll(id)
    await run('verify', { id: profit, fen: 90_000, indirect: true }, li)

    // The first seven minutes were the carrier's: with evidence, and two people.
    const exclusion = {
      services: ['signing'],
      from: iso(outage),
      to: iso(outage + 7),
      cause: 'carrier',
      evidence: ['运营商故障通知 sha256:00'],
      incident: 1,
    }
    await expect(run('exclude', { ...exclusion, evidence: [] }, li)).rejects.toMatchObject({
      code: 'cause_incomplete',
    })
    await expect(run('exclude', { ...exclusion, cause: 'customer' }, li)).rejects.toMatchObject({
      code: 'cause_incomplete',
    })
    await expect(run('burden', exclusion, li)).rejects.toMatchObject({ code: 'cause_incomplete' })
    const proposal = await run('exclude', exclusion, li)
    await expect(confirm(proposal, li)).rejects.toMatchObject({ code: 'operator_second_person' })
    const award = async () => ((await run('show', { id })) as { award: { awardFen: number } }).award.awardFen
    // 1001 + 500 + 700 is more than twice 1000; the profit does not count.
    expect(await award()).toBe(2000)
    await confirm(proposal, wang)
    // 1001 × 3 / 10 = 300.3: the broken fen is the company's. Of single operations, the one in the eighth minute.
    expect(await award()).toBe(1001)

    await expect(both('offer', offer)).rejects.toMatchObject({ code: 'claim_award_changed' })
    await both('offer', { ...offer, fen: 1001 })
    const { claim, causes } = await compensation.get(company, id)
    expect(claim).toMatchObject({ state: 'offered', loss_fen: 1001, limit_fen: 2000, award_fen: 1001 })
    expect(causes).toMatchObject([{ cause: 'carrier', evidence: ['运营商故障通知 sha256:00'] }])

    await expect(compensation.act(company, id, 'appeal')).rejects.toMatchObject({
      code: 'claim_reason_missing',
    })
    await compensation.act(company, id, 'appeal', '第七分钟起已恢复的是别家线路')
    await run('review', { id }, zhao)
    // Two minutes go back to the platform, by one word; the later decision holds.
    house.clock.advance(1)
    await run('burden', { ...exclusion, from: iso(outage + 5), cause: 'platform', evidence: [] }, zhao)
    // 1001 × 5 / 10, rounded up, and both operations.
    expect(await award()).toBe(501 + 500 + 700)
    await expect(both('offer', { ...offer, fen: 1701 })).rejects.toMatchObject({ code: 'claim_same_decider' })
    await both('offer', { ...offer, fen: 1701 }, [zhao, li])
    await compensation.act(company, id, 'accept')
    await compensation.act(company, id, 'accept')
    await expect(compensation.act(company, id, 'withdraw')).rejects.toMatchObject({ code: 'claim_state' })

    const settle = await run('settle', { id, method: 'credit', reference: '转入预付余额' }, li)
    await expect(confirm(settle, li)).rejects.toMatchObject({ code: 'operator_second_person' })
    await confirm(settle, wang)
    await expect(confirm(settle, wang)).rejects.toMatchObject({ code: 'proposal_not_found' })
    await both('settle', { id, method: 'cash', reference: '再付一次' })
    expect(await house.jobs.drain()).toEqual([])
    expect(facts).toHaveLength(1)
    expect(facts[0]).toMatchObject({
      tenantId: company.subjectId,
      subjectKey: id,
      payload: { payableFen: 1701, method: 'credit', month: '2026-10' },
    })
    expect((await run('settlements', {})).settlements).toMatchObject([
      { claim_id: id, payable_fen: 1701, method: 'credit' },
    ])
    // Every step stands in the company's record, in its order.
    const told = (await actionsOf(id)).filter((action) => !/loss|proof/.test(action))
    expect(told).toEqual(
      [
        'drafted',
        'submitted',
        'review-begun',
        'offered',
        'appealed',
        'review-begun',
        'offered',
        'accepted',
        'settled',
      ].map((action) => `compensation.${action}`),
    )
  })

  it('shares the limit with others under the agreement, offers that stand included', async () => {
    const id = await compensation.begin(company, '2026-11')
    await expect(compensation.begin(company, '2026-11')).rejects.toMatchObject({ code: 'claim_exists' })
    await lose(company, id, 50_000)
    await compensation.act(company, id, 'submit')
    await expect(run('want-proof', { id, reason: '请补充' }, li)).rejects.toMatchObject({
      code: 'claim_state',
    })
    await run('review', { id }, li)
    await run('want-proof', { id, reason: '请补充付款凭证' }, li)
    await lose(company, id, 3)
    await compensation.act(company, id, 'submit')
    await run('review', { id }, li)
    await verifyAll(id)
    // 2 × 1000 less 1701.
    await expect(both('offer', { id, fen: 300, reason: '上限' })).rejects.toMatchObject({
      code: 'claim_award_changed',
    })
    await both('offer', { id, fen: 299, reason: '上限' })
    expect((await compensation.get(company, id)).claim).toMatchObject({ loss_fen: 50_003, award_fen: 299 })
    await compensation.act(company, id, 'appeal', '平台存在重大过失')
    await run('review', { id }, zhao)
    // Intent or gross negligence voids the limit (Civil Code, Art. 506).
    await both('offer', { id, fen: 50_003, unlimited: true, reason: '重大过失，上限无效' }, [zhao, wang])
    expect((await compensation.get(company, id)).claim).toMatchObject({ limit_fen: null, award_fen: 50_003 })
    await compensation.act(company, id, 'withdraw')
    expect((await compensation.get(company, id)).claim).toMatchObject({ state: 'withdrawn', award_fen: null })
    // Another may be begun after that.
    expect(await compensation.begin(company, '2026-11')).not.toBe(id)
  })

  it('whose minutes are all excluded is refused with the reason, and the refusal can be appealed', async () => {
    const id = await claimOf(other, '2026-10')
    await lose(other, id, 800)
    await compensation.act(other, id, 'submit')
    await both('agreement', {
      company: other.subjectId,
      number: 'HT-9',
      amountFen: 400,
      from: iso(october.from),
    })
    await run('review', { id }, li)
    await verifyAll(id)
    house.clock.advance(1)
    await both('exclude', {
      services: ['signing'],
      from: iso(outage),
      to: iso(outage + 10),
      cause: 'customer',
      company: other.subjectId,
      evidence: ['对方停用了自己的应用'],
    })
    await expect(both('offer', { id, fen: 0, reason: '无' })).rejects.toMatchObject({
      code: 'claim_award_zero',
    })
    await both('refuse', { id, reason: '停机由客户自身造成' })
    await expect(compensation.act(other, id, 'withdraw')).rejects.toMatchObject({ code: 'claim_state' })
    await compensation.act(other, id, 'appeal', '应用并未停用')
    await run('review', { id }, zhao)
    await expect(both('refuse', { id, reason: '维持' })).rejects.toMatchObject({ code: 'claim_same_decider' })
    await both('refuse', { id, reason: '维持' }, [zhao, wang])
    // What was the customer's own doing excludes nothing for anybody else.
    const { minutes } = await compensation.get(company, await claimOf(company, '2026-10'))
    expect(minutes.filter(({ cause }) => cause === 'customer')).toEqual([])
  })

  it('follows the state machine whatever is tried, with one step and one record each, and repeats nothing', async () => {
    const takeStep = createSteps(house)
    const { agreementId } = await house.db.work(async (tx) => ({
      agreementId: (
        await sql<{
          id: string
        }>`select id from compensation_agreement where tenant_id = ${company.subjectId}`.execute(tx)
      ).rows[0]?.id as string,
    }))
    const actions = Object.keys(claimActors) as ClaimAction[]
    await fc.assert(
      fc.asyncProperty(fc.array(fc.constantFrom(...actions), { maxLength: 12 }), async (tried) => {
        const tenantId = randomUUID()
        const now = house.clock.now()
        const row: ClaimRow = {
          id: randomUUID(),
          tenant_id: tenantId,
          month: '2026-10',
          origin: 'platform',
          state: 'drafted',
          agreement_id: null,
          down: [],
          failures: [],
          measured_at: now,
          loss_fen: null,
          limit_fen: null,
          award_fen: null,
          created_at: now,
          changed_at: now,
        }
        await house.db.work((tx) => insertClaim(tx, row))
        let state = row.state
        let done = 0
        let last: ClaimAction | undefined
        for (const action of tried) {
          const caller =
            claimActors[action] === 'company'
              ? ({ ...company, subjectId: tenantId } as const)
              : ({ kind: 'operator', operatorId: li?.id ?? '' } as const)
          const attempt = house.db.work((tx) =>
            takeStep(tx, {
              id: row.id,
              action,
              caller,
              ...(claimActors[action] === 'company' ? { tenantId } : {}),
              async change() {
                if (action === 'offer') return { set: { award_fen: 1, agreement_id: agreementId } }
                return action === 'refuse' || action === 'withdraw' ? { set: { award_fen: null } } : {}
              },
            }),
          )
          const next = claimAfter(state, action)
          if (next !== undefined) {
            expect(await attempt).toMatchObject({ isNew: true, claim: { state: next } })
            state = next
            last = action
            done += 1
          } else if (action === last) expect(await attempt).toMatchObject({ isNew: false, claim: { state } })
          else await expect(attempt).rejects.toMatchObject({ code: 'claim_state' })
        }
        const steps = await house.db.work((tx) => stepsOf(tx, row.id))
        expect(steps).toHaveLength(done)
        expect(steps.at(-1)?.state ?? 'drafted').toBe(state)
        expect(await actionsOf(row.id)).toHaveLength(done)
      }),
      { numRuns: 40 },
    )
  })

  it('keeps what was decided: decisions, steps, agreements and settlements cannot be changed', async () => {
    for (const change of [
      sql`update compensation_cause set cause = 'carrier'`,
      sql`delete from compensation_step`,
      sql`update compensation_agreement set amount_fen = 0`,
      sql`delete from compensation_settlement`,
    ])
      await expect(house.db.work((tx) => change.execute(tx))).rejects.toThrow(/append-only|permission denied/)
  })
})
