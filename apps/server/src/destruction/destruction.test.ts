import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type DestructionProof, verifyDestructionProof } from '@yinxin/evidence'
import { verifyPdf } from '@yinxin/pades'
import { parsePem } from '@yinxin/pki'
import type { Destruction, DestructionOverview, Problem, SignTask } from '@yinxin/sdk/wire'
import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { newId } from '#src/ids.ts'
import { drawSampleContract } from '#src/sandbox/sample-contract.ts'
import { yinxin } from '../../../../testing/children/run-command.ts'
import { type TestOperator, twoOperators } from '../../../../testing/operators.ts'
import { openStage, type Stage, type StageCompany } from '../../../../testing/stage.ts'
import { createDestructionCommands } from './destruction.ts'
import { SHRED_LIST } from './shred-list.ts'

const DAY_MS = 86_400_000
let stage: Stage
let corp: StageCompany
let pdf: Uint8Array
let first: TestOperator
let second: TestOperator
let offsetMs = 0
const clock = { now: () => new Date(Date.now() + offsetMs) }
const folder = mkdtempSync(join(tmpdir(), 'yinxin-destruction-'))

beforeAll(async () => {
  stage = await openStage({ clock })
  ;[first, second] = await twoOperators(stage.server().app)
  corp = await stage.company('示例科技有限公司')
  pdf = await drawSampleContract({
    corpName: corp.name,
    personName: '张三',
    number: 'YX-2026-0001',
    date: '2026年1月1日',
  })
})
afterAll(async () => {
  await stage.close()
  rmSync(folder, { recursive: true, force: true })
})

let mobiles = 0
interface Signed {
  task: SignTask
  mobile: string
  /** The other party's session. */
  token: string
}

/** A finished contract between the company and a person. */
async function finished(): Promise<Signed> {
  mobiles += 1
  const mobile = `1360000${String(mobiles).padStart(4, '0')}`
  const fileId = await stage.upload(corp.token, pdf)
  const made = await stage.createTask(corp.token, {
    title: '保密协议',
    documents: [{ ref: 'contract', fileId }],
    actors: [
      {
        ref: 'corp',
        kind: 'corp',
        role: 'sign',
        name: corp.name,
        subjectId: corp.corpId,
        freeSignBusinessId: corp.businessId,
      },
      { ref: 'person', kind: 'person', role: 'sign', name: '张三', mobile, order: 2 },
    ],
    autoStart: true,
  })
  await stage.until(corp.token, made.id, (task) => task.actors[1]?.status === 'ready')
  const visit = await stage.visit(await stage.link(corp.token, made, 'person'), mobile, '张三')
  expect((await stage.sign(visit, mobile)).status).toBe(200)
  const task = await stage.until(corp.token, made.id, (one) => one.status === 'finished')
  return { task, mobile, token: visit.token }
}

const at = (task: { id: string }, rest = '') => `/api/v1/sign-tasks/${task.id}/destruction${rest}`

async function ask(
  task: { id: string },
  who: { token: string; login: string },
  body: Record<string, unknown>,
) {
  // Codes are paced: one a minute.
  offsetMs += 61_000
  const code = await stage.codeBy(who.login, () => stage.ok('POST', at(task, '/code'), { token: who.token }))
  return await stage.call<Destruction & Problem>('POST', at(task), {
    token: who.token,
    body: { ...body, code },
  })
}
const admin = () => ({ token: corp.token, login: corp.admin.login })

async function until(task: { id: string }, token: string, state: Destruction['state']): Promise<Destruction> {
  for (let i = 0; i < 100; i++) {
    await stage.server().app.destruction.advanceAll()
    const { requests } = await stage.ok<DestructionOverview>('GET', at(task), { token })
    const [newest] = requests
    if (newest?.state === state) return newest
    if (i === 99) throw new Error(`it did not come so far: ${JSON.stringify(requests)}`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  throw new Error('unreachable')
}

const documentPath = (task: SignTask) =>
  `/api/v1/sign-tasks/${task.id}/documents/${task.documents[0]?.documentId}/content`

/** Days go by; sessions are opened anew where they have ended. */
async function sleepDays(days: number): Promise<void> {
  offsetMs += days * DAY_MS
  corp.token = await stage.signIn(corp.admin.login, corp.corpId)
}

/** All epochs under which anything was deleted come to their end. */
async function endEpochs(): Promise<void> {
  const { kms } = stage.server().app
  await kms.rotateKeys('epoch')
  await kms.advanceKeys()
  await sleepDays(15)
  await kms.advanceKeys()
}

describe('a party destroys its own access', () => {
  it('at once and provably, while the other party still reads', async () => {
    const { task, mobile, token } = await finished()
    const before = await stage.download(documentPath(task), token)

    // A session alone does not suffice.
    const wrong = await stage.call<Problem>('POST', at(task), {
      token,
      body: { basis: 'own', code: '000000' },
    })
    expect(wrong.body.code).toBe('login_code_wrong')
    const asked = await ask(task, { token, login: mobile }, { basis: 'own' })
    expect(asked.status).toBe(201)
    const done = await until(task, token, 'DESTROYED_PROVISIONAL')
    expect(done).toMatchObject({ extent: 'access', basis: 'own', mine: true })
    expect(done.history.map((one) => one.state)).toEqual([
      'REQUESTED',
      'APPROVED',
      'COOLING_OFF',
      'HOLD_CHECK',
      'SHREDDING',
      'VERIFYING',
      'DESTROYED_PROVISIONAL',
    ])

    for (const path of [
      `/api/v1/sign-tasks/${task.id}`,
      documentPath(task),
      `/api/v1/sign-tasks/${task.id}/events`,
      `/api/v1/sign-tasks/${task.id}/evidence`,
    ]) {
      const refused = await stage.call<Problem>('GET', path, { token, headers: { 'accept-language': 'en' } })
      expect([path, refused.status, refused.body.code]).toEqual([path, 410, 'access_destroyed'])
      expect(refused.body.detail).toContain(`/sign-tasks/${task.id}/destruction`)
    }
    const listed = await stage.ok<{ items: SignTask[] }>('GET', '/api/v1/sign-tasks', { token })
    expect(listed.items.map((one) => one.id)).not.toContain(task.id)

    expect(await stage.download(documentPath(task), corp.token)).toEqual(before)
    expect((await stage.task(corp.token, task.id)).title).toBe('保密协议')
    // Who asked for what concerns its own access alone is nobody else's business.
    expect((await stage.ok<DestructionOverview>('GET', at(task), { token: corp.token })).requests).toEqual([])
  })

  it('and the last one to do so shreds the contract: nothing opens, nothing is left, a stranger can verify it', async () => {
    const { task, mobile, token } = await finished()
    expect((await ask(task, { token, login: mobile }, { basis: 'own' })).status).toBe(201)
    await until(task, token, 'DESTROYED_PROVISIONAL')
    const objects = await stage.server().app.db.work((tx) =>
      sql<{
        object_id: string
      }>`select object_id from task_document_segment where task_id = ${task.id}`.execute(tx),
    )
    expect((await ask(task, admin(), { basis: 'own' })).status).toBe(201)
    const done = await until(task, corp.token, 'DESTROYED_PROVISIONAL')
    expect(done.extent).toBe('contract')

    const { storage, kms, db, evidence } = stage.server().app
    for (const { object_id: id } of objects.rows) {
      const report = await storage.destroyed(id)
      expect(report?.complete).toBe(true)
      expect(report?.domains.every((one) => one.verifiedAbsentAt !== undefined)).toBe(true)
    }
    expect((await kms.scopeKeyState([task.id])).get(task.id)).toMatchObject({
      state: 'destroyed',
      parties: [],
    })
    const left = await db.work((tx) => remains(tx, task.id, ['保密协议', '张三', mobile]))
    expect(left).toEqual([])

    const path = at(task, `/${done.id}/certificate`)
    const proof = JSON.parse(
      Buffer.from(await stage.download(`${path}?form=json`, corp.token)).toString('utf8'),
    ) as DestructionProof
    const certificate = await stage.download(path, corp.token)
    const rootPem = Buffer.from(await stage.download('/ca/root.pem')).toString('utf8')
    const [root] = parsePem(rootPem, 'CERTIFICATE')
    const anchors = { logKeys: [evidence.log.vkey], trust: [root as Uint8Array] }
    const report = verifyDestructionProof(proof, { ...anchors, pdf: certificate })
    expect(report.problems).toEqual([])
    expect(report).toMatchObject({ ok: true, logVerified: true, trusted: true })
    expect(report.certificate).toMatchObject({
      contractId: task.id,
      extent: 'contract',
      stage: 'provisional',
    })
    const checks = (proof.certificate.verification as { check: string; ok: boolean }[]).map(
      (one) => one.check,
    )
    expect(checks).toEqual(['replicas-absent', 'key-absent', 'sample-unreadable', 'reconcile-clean'])

    // Any change is found.
    for (const change of [
      (one: DestructionProof) => (one.certificate.contractId = newId()),
      (one: DestructionProof) => (one.entry = one.entry.replace('provisional', 'final')),
      (one: DestructionProof) =>
        (one.timestamp = Buffer.from(one.timestamp, 'base64').fill(1, 90, 91).toString('base64')),
      (one: DestructionProof) => (one.proof = one.proof.replace(/index \d+/, 'index 0')),
      (one: DestructionProof) => {
        ;(one.certificate.times as Record<string, unknown>).shredded = '2020-01-01T00:00:00.000Z'
      },
    ]) {
      const copy = structuredClone(proof)
      change(copy)
      expect(verifyDestructionProof(copy, anchors).ok).toBe(false)
    }

    // The sealed PDF is a signed PDF like any other.
    const verdict = verifyPdf(certificate, { trust: [root as Uint8Array] })
    expect(verdict.signatures).toHaveLength(1)
    expect(verdict.signatures[0]).toMatchObject({ status: 'valid' })

    // And the command says the same, without a server.
    const files = {
      json: join(folder, 'proof.json'),
      key: join(folder, 'log.vkey'),
      root: join(folder, 'root.pem'),
    }
    writeFileSync(files.json, JSON.stringify(proof))
    writeFileSync(files.key, `${evidence.log.vkey}\n`)
    writeFileSync(files.root, rootPem)
    const ran = await yinxin([
      'destruction',
      'verify',
      files.json,
      '--log-key',
      files.key,
      '--trust',
      files.root,
      '--json',
    ])
    expect(ran.stderr).toBe('')
    expect(JSON.parse(ran.stdout)).toMatchObject({ ok: true, logVerified: true, trusted: true })
    expect(ran.code).toBe(0)
  })

  it('becomes final when the key of the epoch is destroyed, and the certificate says when', async () => {
    const { task, mobile, token } = await finished()
    await ask(task, { token, login: mobile }, { basis: 'own' })
    await until(task, token, 'DESTROYED_PROVISIONAL')
    await endEpochs()
    const again = await stage.signIn(mobile)
    const done = await until(task, again, 'DESTROYED_FINAL')
    expect(done.finalAt).not.toBeNull()
    expect(done.certificates.map((one) => [one.stage, one.ready])).toEqual([
      ['final', true],
      ['provisional', true],
    ])
    const json = await stage.download(at(task, `/${done.id}/certificate?form=json`), again)
    const proof = JSON.parse(Buffer.from(json).toString('utf8')) as DestructionProof
    expect(proof.certificate).toMatchObject({ stage: 'final', times: { final: done.finalAt } })
    expect(verifyDestructionProof(proof, { logKeys: [stage.server().app.evidence.log.vkey] }).ok).toBe(true)
  })

  it('on an agreed date, which the certificate puts beside the actual time; until then it can be called off', async () => {
    const { task } = await finished()
    const promised = new Date(clock.now().getTime() + 3 * DAY_MS)
    const asked = await ask(task, admin(), { basis: 'own', at: promised.toISOString() })
    expect(asked.body).toMatchObject({
      state: 'COOLING_OFF',
      dueAt: promised.toISOString(),
      cancellable: true,
    })
    await stage.server().app.destruction.advanceAll()
    const called = await stage.ok<Destruction>('POST', at(task, `/${asked.body.id}/cancel`), {
      token: corp.token,
    })
    expect(called.state).toBe('CANCELLED')
    expect((await ask(task, admin(), { basis: 'own', at: new Date(0).toISOString() })).body.code).toBe(
      'destruction_date_unfit',
    )
    const second = await ask(task, admin(), { basis: 'own', at: promised.toISOString() })
    expect(second.status).toBe(201)
    await sleepDays(3)
    const done = await until(task, corp.token, 'DESTROYED_PROVISIONAL')
    const json = await stage.download(at(task, `/${done.id}/certificate?form=json`), corp.token)
    const { times } = (JSON.parse(Buffer.from(json).toString('utf8')) as DestructionProof).certificate as {
      times: { promised: string; shredded: string }
    }
    expect(times.promised).toBe(promised.toISOString())
    expect(Date.parse(times.shredded)).toBeGreaterThanOrEqual(promised.getTime())
    const late = await stage.call<Problem>('POST', at(task, `/${done.id}/cancel`), { token: corp.token })
    expect(late.body.code).toBe('destruction_not_cancellable')
  })
})

describe('all parties together', () => {
  async function agreementOf(task: SignTask): Promise<SignTask> {
    const { requests } = await stage.ok<DestructionOverview>('GET', at(task), { token: corp.token })
    expect(requests[0]?.state).toBe('CONSENT_PENDING')
    return await stage.task(corp.token, requests[0]?.agreementTaskId ?? '')
  }

  /** The company's side of the agreement is signed by its administrator in the ceremony. */
  async function signForCorp(agreement: SignTask): Promise<void> {
    const token = await stage.link(corp.token, agreement, actorRef(agreement, corp.name))
    const signed = await stage.sign({ linkToken: token, token: corp.token }, corp.admin.login, {
      sealId: corp.sealId,
      handwriting: undefined,
    })
    expect(signed.body).not.toHaveProperty('code')
  }
  const actorRef = (task: SignTask, name: string) =>
    task.actorDetails.find((one) => one.name === name)?.ref ?? ''

  it('destroy the contract by an agreement that all sign, after the cooling-off', async () => {
    const { task, mobile } = await finished()
    expect((await ask(task, admin(), { basis: 'consent' })).status).toBe(201)
    const agreement = await agreementOf(task)
    const text = Buffer.from(await stage.download(documentPath(agreement), corp.token))
    expect(text.subarray(0, 5).toString()).toBe('%PDF-')
    await signForCorp(agreement)
    const visit = await stage.visit(
      await stage.link(corp.token, agreement, actorRef(agreement, '张三')),
      mobile,
      '张三',
    )
    expect((await stage.sign(visit, mobile)).status).toBe(200)
    const cooling = await until(task, corp.token, 'COOLING_OFF')
    expect(Date.parse(cooling.dueAt ?? '') - clock.now().getTime()).toBeGreaterThan(6.9 * DAY_MS)
    await sleepDays(7.1)
    const done = await until(task, corp.token, 'DESTROYED_PROVISIONAL')
    expect(done).toMatchObject({ basis: 'consent', extent: 'contract' })
    const json = await stage.download(at(task, `/${done.id}/certificate?form=json`), corp.token)
    const { certificate } = JSON.parse(Buffer.from(json).toString('utf8')) as DestructionProof
    expect(certificate).toMatchObject({ basis: { trigger: 'consent', agreementContractId: agreement.id } })
    expect(certificate.approvers).toHaveLength(2)
    // The other party may have the certificate too, and the agreement is still there.
    const theirs = await stage.signIn(mobile)
    expect((await stage.call('GET', at(task, `/${done.id}/certificate`), { token: theirs })).status).toBe(200)
    expect((await stage.download(documentPath(agreement), corp.token)).length).toBeGreaterThan(1000)
  })

  it('or, when one refuses, only the access of who asked', async () => {
    const { task, mobile } = await finished()
    expect((await ask(task, admin(), { basis: 'consent' })).status).toBe(201)
    const agreement = await agreementOf(task)
    const visit = await stage.visit(
      await stage.link(corp.token, agreement, actorRef(agreement, '张三')),
      mobile,
      '张三',
    )
    await stage.ok('POST', `/api/v1/ceremonies/${visit.linkToken}/reject`, {
      token: visit.token,
      body: { reason: '不同意' },
    })
    const own = await until(task, corp.token, 'COOLING_OFF')
    expect(own).toMatchObject({ basis: 'own', extent: 'access', cancellable: true })
    const { requests } = await stage.ok<DestructionOverview>('GET', at(task), { token: corp.token })
    expect(requests.map((one) => one.state)).toEqual(['COOLING_OFF', 'REJECTED'])
    await sleepDays(7.1)
    await until(task, corp.token, 'DESTROYED_PROVISIONAL')
    const theirs = await stage.signIn(mobile)
    expect((await stage.download(documentPath(task), theirs)).length).toBeGreaterThan(1000)
    expect((await stage.call('GET', documentPath(task), { token: corp.token })).status).toBe(410)
  })
})

describe('a request for consent', () => {
  it('can be called off, and takes its agreement back', async () => {
    const { task } = await finished()
    const asked = await ask(task, admin(), { basis: 'consent' })
    const { requests } = await stage.ok<DestructionOverview>('GET', at(task), { token: corp.token })
    await stage.ok('POST', at(task, `/${asked.body.id}/cancel`), { token: corp.token })
    const agreement = await stage.task(corp.token, requests[0]?.agreementTaskId ?? '')
    expect(agreement.status).toBe('canceled')
  })
})

describe('the end of the service', () => {
  it('lets an administrator destroy contracts after notice to the others', async () => {
    const { task, mobile } = await finished()
    expect((await ask(task, admin(), { basis: 'term-end' })).body.code).toBe('service_term_not_over')
    await stage
      .server()
      .app.destruction.endTerm(corp.corpId, new Date(clock.now().getTime() - DAY_MS), 'operator')
    const seen = await stage.messages(mobile)
    const asked = await ask(task, admin(), { basis: 'term-end' })
    expect(asked.status).toBe(201)
    expect(Date.parse(asked.body.dueAt ?? '') - clock.now().getTime()).toBeGreaterThan(29.9 * DAY_MS)
    const notice = await stage.nextMessage(mobile, seen, (message) => message.body.includes('销毁'))
    expect(notice.body).toContain('保密协议')
    await sleepDays(30.1)
    expect(await until(task, corp.token, 'DESTROYED_PROVISIONAL')).toMatchObject({ extent: 'contract' })
    const theirs = await stage.signIn(mobile)
    expect((await stage.call('GET', `/api/v1/sign-tasks/${task.id}`, { token: theirs })).status).toBe(410)
  })
})

describe('a legal hold', () => {
  it('stops destruction in code and in the database, and takes two people', async () => {
    const { task } = await finished()
    const { destruction, db, storage } = stage.server().app
    const promised = new Date(clock.now().getTime() + DAY_MS)
    const asked = await ask(task, admin(), { basis: 'own', at: promised.toISOString() })
    expect(asked.status).toBe(201)
    const hold = await destruction.holds.place({
      taskId: task.id,
      basis: 'court',
      reference: '(2026)沪01',
      by: first,
    })
    await expect(destruction.holds.confirm(hold.id, first)).rejects.toMatchObject({
      code: 'legal_hold_second_person',
    })
    await destruction.holds.confirm(hold.id, second)
    await sleepDays(1.1)
    const blocked = await until(task, corp.token, 'BLOCKED_BY_HOLD')
    expect(blocked.cancellable).toBe(false)
    expect((await ask(task, admin(), { basis: 'own' })).body.code).toBe('legal_hold_active')

    // Whatever the code believes, the database refuses.
    const { rows } = await db.work((tx) =>
      sql<{
        object_id: string
      }>`select object_id from task_document_segment where task_id = ${task.id}`.execute(tx),
    )
    await expect(storage.destroy(undefined, [rows[0]?.object_id ?? ''], 'a test')).rejects.toThrow(
      /legal hold/,
    )
    await expect(
      db.work((tx) => sql`update destruction set state = 'SHREDDING' where id = ${blocked.id}`.execute(tx)),
    ).rejects.toThrow(/legal hold/)
    await expect(
      db.work((tx) =>
        sql`update task_party set access_destroyed_at = now() where task_id = ${task.id}`.execute(tx),
      ),
    ).rejects.toThrow(/legal hold/)
    expect((await stage.download(documentPath(task), corp.token)).length).toBeGreaterThan(1000)

    expect((await destruction.holds.release(hold.id, second)).released_at).toBeNull()
    await expect(destruction.holds.release(hold.id, second)).rejects.toMatchObject({
      code: 'legal_hold_second_person',
    })
    // A week later the word of the first no longer waits for a second one: it has to be asked again.
    await sleepDays(7.1)
    expect((await destruction.holds.release(hold.id, first)).released_at).toBeNull()
    expect((await destruction.holds.release(hold.id, second)).released_at).not.toBeNull()
    // The company sees in its record what was done, and by which operator.
    const told = await db.as(corp.corpId, (tx) => stage.server().app.audit.about(tx, 'sign-task', task.id))
    expect(
      told.filter((one) => one.callerKind === 'operator').map((one) => [one.action, one.callerId]),
    ).toEqual([
      ['legal-hold.released', second.id],
      ['legal-hold.release-asked', first.id],
      ['legal-hold.release-asked', second.id],
      ['legal-hold.confirmed', second.id],
      ['legal-hold.placed', first.id],
    ])
    expect((await ask(task, admin(), { basis: 'own' })).status).toBe(201)
    await until(task, corp.token, 'DESTROYED_PROVISIONAL')
  })
})

describe('drafts and single parties', () => {
  it('a draft is shredded as a whole when its owner asks', async () => {
    const fileId = await stage.upload(corp.token, pdf)
    const draft = await stage.createTask(corp.token, {
      title: '未发出的草稿',
      documents: [{ ref: 'contract', fileId }],
      actors: [{ ref: 'a', kind: 'person', role: 'sign', name: '李四', mobile: '13611112222' }],
    })
    expect((await ask(draft, admin(), { basis: 'own' })).status).toBe(201)
    expect(await until(draft, corp.token, 'DESTROYED_PROVISIONAL')).toMatchObject({ extent: 'contract' })
    const file = await stage.call<Problem>('GET', `/api/v1/files/${fileId}/content`, { token: corp.token })
    expect(file.status).toBe(410)
    expect(
      await stage.server().app.db.work((tx) => remains(tx, draft.id, ['未发出的草稿', '13611112222'])),
    ).toEqual([])
  })
})

describe('retired media', () => {
  it('are recorded once, by two operators, for good', async () => {
    const { destruction, operators, db } = stage.server().app
    const commands = createDestructionCommands(destruction, operators)
    const give = async (name: string, options: Record<string, unknown>, operator: TestOperator | null) =>
      await commands[name]?.(options, {
        operator,
        report: () => undefined,
        signal: AbortSignal.timeout(60_000),
      })
    const medium = {
      device: 'ST4000NM',
      serial: 'ZC1A2B3C',
      method: 'purge-cryptographic-erase',
      proofName: 'wipe.pdf',
      proofSha256: 'a'.repeat(64),
      retiredAt: clock.now().toISOString(),
    }
    await expect(give('media-retire', medium, null)).rejects.toMatchObject({ code: 'operator_needed' })
    const { proposalId } = (await give('media-retire', medium, first)) as { proposalId: string }
    expect(await destruction.media.list()).toEqual([])
    await expect(operators.proposals.confirm(proposalId, { operator: first })).rejects.toMatchObject({
      code: 'operator_second_person',
    })
    expect(await operators.proposals.confirm(proposalId, { operator: second })).toMatchObject({
      done_by_id: first.id,
      witnessed_by_id: second.id,
    })
    const again = (await give('media-retire', medium, first)) as { proposalId: string }
    await expect(operators.proposals.confirm(again.proposalId, { operator: second })).rejects.toMatchObject({
      code: 'medium_registered',
    })
    const { items } = await stage.ok<{ items: { serial: string }[] }>('GET', '/api/v1/retired-media', {
      token: corp.token,
    })
    expect(items).toMatchObject([{ serial: 'ZC1A2B3C' }])
    await expect(db.work((tx) => sql`delete from retired_medium`.execute(tx))).rejects.toThrow()
  })
})

/** Rows of any table that still say something of what was destroyed. */
async function remains(
  tx: Parameters<Parameters<ReturnType<Stage['server']>['app']['db']['work']>[0]>[0],
  taskId: string,
  words: readonly string[],
): Promise<string[]> {
  const { rows: tables } = await sql<{ name: string }>`
    select c.relname as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = 'public' and c.relkind = 'r' and has_table_privilege(c.oid, 'select')`.execute(tx)
  const found: string[] = []
  // What law keeps for a while is named in the list, and in the certificate.
  const kept = new Set(SHRED_LIST.filter((one) => one.fate === 'floor').map((one) => one.table))
  for (const { name } of tables.filter((one) => !kept.has(one.name))) {
    for (const word of words) {
      const { rows } = await sql<{ n: number }>`select count(*)::int as n from ${sql.table(name)} t
        where position(${word} in t::text) > 0 and position(${taskId} in t::text) > 0`.execute(tx)
      if ((rows[0]?.n ?? 0) > 0) found.push(`${name}: ${word}`)
    }
  }
  return found
}
