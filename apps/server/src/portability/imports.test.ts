/** Imports over HTTP: in parts, resumed, judged as a whole; and what a hostile bundle comes to. */
import { createHash } from 'node:crypto'
import {
  canonicalBytes,
  type ExportManifest,
  type ExportRole,
  exportEntryLine,
  exportLeafBytes,
  readTar,
  readZip,
  type TarDamage,
  tarHead,
  tarPadding,
  verifyBundle,
} from '@yinxin/evidence'
import { buildTimestampResponse } from '@yinxin/pki'
import { sql } from 'kysely'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openStage, type Stage, type StageCompany } from '../../../../testing/stage.ts'
import { newId } from '../ids.ts'
import { drawSampleContract } from '../sandbox/sample-contract.ts'
import { IMPORT_LIMITS, limited } from './import-limits.ts'

interface ImportAnswer {
  id: string
  status: string
  partBytes: number
  parts: number
  received: number
  report: {
    trusted: boolean | null
    logVerified: boolean | null
    contracts: { imported: number; unchanged: number }
    files: { imported: number; unchanged: number }
    members: { invited: number; present: number; unusable: number } | null
    history: { imported: number; unchanged: number }
    notImported: string[]
  } | null
  problem: { code: string; message: string } | null
}

let origin: Stage
let target: Stage
let corp: StageCompany
let taker: StageCompany
let colleague: { login: string }
let taskId: string
let archive: Uint8Array
let rootPem: string
let logKey: string

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

/** Codes come once a minute. */
let offsetMs = 0

async function exported(stage: Stage, company: StageCompany): Promise<Uint8Array> {
  offsetMs += 61_000
  const code = await stage.codeBy(company.admin.login, () =>
    stage.ok('POST', '/api/v1/export-codes', { token: company.token }),
  )
  const { id } = await stage.ok<{ id: string }>('POST', '/api/v1/exports', {
    token: company.token,
    body: { code },
  })
  for (let tries = 0; tries < 400; tries++) {
    const { status } = await stage.ok<{ status: string }>('GET', `/api/v1/exports/${id}`, {
      token: company.token,
    })
    if (status === 'ready') return await stage.download(`/api/v1/exports/${id}/archive`, company.token)
    expect(['queued', 'collecting']).toContain(status)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  throw new Error('the export did not come to an end')
}

/** A contract that the company signs alone, from a file that it uploads now or before. */
async function contract(stage: Stage, company: StageCompany, title: string, given?: string): Promise<string> {
  const fileId = given ?? (await upload(stage, company, title))
  const task = await stage.createTask(company.token, {
    title,
    documents: [{ ref: 'contract', fileId }],
    actors: [
      {
        ref: 'corp',
        kind: 'corp',
        role: 'sign',
        name: company.name,
        subjectId: company.corpId,
        order: 1,
        freeSignBusinessId: company.businessId,
      },
    ],
    fields: [
      { documentRef: 'contract', actorRef: 'corp', kind: 'seal', position: { page: 1, x: 100, y: 600 } },
    ],
    autoStart: true,
  })
  await stage.until(company.token, task.id, (one) => one.status === 'finished')
  return task.id
}

async function upload(stage: Stage, company: StageCompany, title: string): Promise<string> {
  const facts = { corpName: company.name, personName: '张三', number: title, date: '2026年1月1日' }
  return await stage.upload(company.token, await drawSampleContract(facts), `${title}.pdf`)
}

beforeAll(async () => {
  origin = await openStage()
  target = await openStage({
    clock: { now: () => new Date(Date.now() + offsetMs) },
    environment: { YINXIN_EXPORT_PART_BYTES: '65536', YINXIN_DESTRUCTION_COOLING_DAYS: '0' },
  })
  corp = await origin.company('示例科技有限公司')
  taker = await target.company('示例科技有限公司')
  taskId = await contract(origin, corp, '技术服务合同')
  colleague = await origin.person('李四')
  await origin.ok('POST', `/api/v1/corps/${corp.corpId}/members`, {
    token: corp.token,
    body: { login: colleague.login, role: 'admin' },
  })
  archive = await exported(origin, corp)
  rootPem = Buffer.from(await origin.download('/ca/root.pem')).toString()
  logKey = Buffer.from(await origin.download('/log/vkey'))
    .toString()
    .trim()
}, 120_000)
afterAll(async () => {
  await Promise.all([origin?.close(), target?.close()])
})

const announce = (company: StageCompany, sizeBytes: number, more: Record<string, unknown> = {}) =>
  target.call<ImportAnswer & { code?: string }>('POST', '/api/v1/imports', {
    token: company.token,
    body: { fileName: 'export.tar', sizeBytes, intoOther: true, ...more },
  })

async function putPart(
  company: StageCompany,
  id: string,
  number: number,
  bytes: Uint8Array,
  hash = sha256(bytes),
) {
  const response = await fetch(`${target.url}/api/v1/imports/${id}/parts/${number}`, {
    method: 'PUT',
    headers: {
      authorization: `Bearer ${company.token}`,
      'content-type': 'application/octet-stream',
      'content-sha256': hash,
    },
    body: Buffer.from(bytes),
  })
  return { status: response.status, body: (await response.json()) as { code?: string; sha256?: string } }
}

async function ended(company: StageCompany, id: string): Promise<ImportAnswer> {
  for (let tries = 0; tries < 600; tries++) {
    const now = await target.ok<ImportAnswer>('GET', `/api/v1/imports/${id}`, { token: company.token })
    if (!['receiving', 'queued', 'working'].includes(now.status)) return now
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  throw new Error('the import did not come to an end')
}

async function send(
  company: StageCompany,
  bytes: Uint8Array,
  more: Record<string, unknown> = {},
): Promise<ImportAnswer> {
  const { status, body } = await announce(company, bytes.length, more)
  expect({ status, body }).toMatchObject({ status: 201 })
  for (let number = 1; number <= body.parts; number++) {
    const from = (number - 1) * body.partBytes
    expect(
      (await putPart(company, body.id, number, bytes.subarray(from, from + body.partBytes))).status,
    ).toBe(200)
  }
  await target.ok('POST', `/api/v1/imports/${body.id}/start`, { token: company.token })
  return await ended(company, body.id)
}

const rowsOf = async (company: StageCompany) => {
  const { rows } = await target.server().app.db.work((tx) =>
    sql<{ files: number; tasks: number; members: number; histories: number; parts: number }>`select
      (select count(*)::int from file where tenant_id = ${company.corpId}) as files,
      (select count(*)::int from sign_task where tenant_id = ${company.corpId}) as tasks,
      (select count(*)::int from member where tenant_id = ${company.corpId}) as members,
      (select count(*)::int from imported_history where tenant_id = ${company.corpId}) as histories,
      (select count(*)::int from import_part where tenant_id = ${company.corpId}) as parts`.execute(tx),
  )
  return rows[0]
}

test('only an administrator imports, and never more than the limit', async () => {
  const stranger = await target.person('王五')
  const asked = await target.call('POST', '/api/v1/imports', {
    token: stranger.token,
    body: { fileName: 'x.tar', sizeBytes: 1000 },
  })
  expect(asked.status).toBe(403)
  expect((await announce(taker, 107_374_182_401)).body).toMatchObject({ code: 'import_too_large' })
  expect((await announce(taker, 1000, { trustPem: ['nothing'] })).body).toMatchObject({
    code: 'import_anchor_bad',
  })
  expect((await announce(taker, 1000, { logKeys: ['nothing'] })).body).toMatchObject({
    code: 'import_anchor_bad',
  })
})

test('a bundle arrives in parts in any order, is resumed, and is taken whole; members are invited, the history kept apart', async () => {
  const begun = await announce(taker, archive.length, {
    members: true,
    trustPem: [rootPem],
    logKeys: [logKey],
  })
  expect(begun.status).toBe(201)
  const { id, parts, partBytes } = begun.body
  expect(parts).toBeGreaterThan(2)
  expect((await announce(taker, 1000)).body).toMatchObject({ code: 'import_running' })
  const cut = (number: number) => archive.subarray((number - 1) * partBytes, number * partBytes)

  // What a line can do to a part: too short, too long, damaged, beyond the end, unasked for.
  expect((await putPart(taker, id, 1, cut(1).subarray(1))).body).toMatchObject({ code: 'import_part_size' })
  expect((await putPart(taker, id, 1, archive.subarray(0, partBytes + 1))).body).toMatchObject({
    code: 'upload_too_large',
  })
  expect((await putPart(taker, id, 1, cut(1), 'a'.repeat(64))).body).toMatchObject({
    code: 'upload_hash_mismatch',
  })
  expect((await putPart(taker, id, parts + 1, cut(1))).body).toMatchObject({ code: 'import_part_unknown' })
  const other = await target.company('另一家公司')
  expect((await putPart(other, id, 1, cut(1))).status).toBe(404)

  // Backwards, one of them wrong at first; then the rest.
  for (let number = parts; number > 2; number--)
    expect((await putPart(taker, id, number, cut(number))).status).toBe(200)
  expect((await putPart(taker, id, 1, cut(2))).status).toBe(200)
  const early = await target.call('POST', `/api/v1/imports/${id}/start`, { token: taker.token })
  expect(early.body).toMatchObject({ code: 'import_incomplete' })
  const there = await target.ok<{ items: { number: number; sha256: string }[] }>(
    'GET',
    `/api/v1/imports/${id}/parts`,
    {
      token: taker.token,
    },
  )
  expect(there.items.map((one) => one.number)).toEqual([
    1,
    ...Array.from({ length: parts - 2 }, (_, i) => i + 3),
  ])
  for (let number = 1; number <= parts; number++)
    if (there.items.find((one) => one.number === number)?.sha256 !== sha256(cut(number)))
      expect((await putPart(taker, id, number, cut(number))).body.sha256).toBe(sha256(cut(number)))
  await target.ok('POST', `/api/v1/imports/${id}/start`, { token: taker.token })
  const done = await ended(taker, id)
  expect(done).toMatchObject({ status: 'done', problem: null })
  expect(done.report).toMatchObject({
    trusted: true,
    logVerified: true,
    contracts: { imported: 1, unchanged: 0 },
    files: { imported: 1, unchanged: 0 },
    members: { invited: 2, present: 0, unusable: 0 },
    history: { imported: 1, unchanged: 0 },
  })
  expect(done.report?.notImported).toContain('seals')

  // The contract is here, with the evidence of its origin.
  const zip = await target.download(`/api/v1/sign-tasks/${taskId}/evidence`, taker.token)
  expect(verifyBundle(zip, { logKeys: [logKey] })).toMatchObject({ ok: true, logVerified: true })
  // What was uploaded is gone with its key.
  expect((await rowsOf(taker))?.parts).toBe(0)
  expect((await target.server().app.kms.scopeKeyState([id])).get(id)?.state).toBe('destroyed')
}, 60_000)

test('an invited member, an administrator before, is a plain one and nameless until it comes by itself', async () => {
  const { items } = await target.ok<{
    items: { login: string; role: string; name: string | null; active: boolean }[]
  }>('GET', `/api/v1/corps/${taker.corpId}/members`, { token: taker.token })
  expect(items.find((one) => one.login === colleague.login)).toMatchObject({ role: 'member', name: null })
  // The administrator here was one before and stays one.
  expect(items.find((one) => one.login === taker.admin.login)).toMatchObject({ role: 'admin' })
})

test('the record of actions of the origin can be read apart from the own one, and checked', async () => {
  const { items } = await target.ok<{
    items: { id: string; origin: string; records: number; sha256: string; manifestSha256: string }[]
  }>('GET', '/api/v1/imported-histories', { token: taker.token })
  expect(items).toHaveLength(1)
  const [history] = items
  const record = await target.download(`/api/v1/imported-histories/${history?.id}/audit.jsonl`, taker.token)
  expect(sha256(record)).toBe(history?.sha256)
  const lines = Buffer.from(record).toString().trim().split('\n')
  expect(lines).toHaveLength(history?.records ?? 0)
  expect(lines.map((line) => (JSON.parse(line) as { action: string }).action)).toContain('export.requested')
  const proof = readZip(
    await target.download(`/api/v1/imported-histories/${history?.id}/proof.zip`, taker.token),
  )
  const entries = new Map(proof.entries.map(({ name, content }) => [name, content]))
  expect(sha256(entries.get('manifest.json') ?? new Uint8Array())).toBe(history?.manifestSha256)
  expect(Buffer.from(entries.get('entries.jsonl') ?? []).toString()).toContain(history?.sha256 ?? '?')
  // The own record does not hold it, and nobody else sees it.
  const { rows } = await target.server().app.db.work((tx) =>
    sql<{ n: number }>`select count(*)::int as n from audit_record
      where tenant_id = ${taker.corpId} and action = 'export.requested'`.execute(tx),
  )
  expect(rows[0]?.n).toBe(0)
  const stranger = await target.person('赵六')
  const asked = await target.call('GET', `/api/v1/imported-histories/${history?.id}/audit.jsonl`, {
    token: stranger.token,
  })
  expect(asked.status).toBe(404)
})

test('this platform does not vouch for what came with an import', async () => {
  const [document] = (await target.task(taker.token, taskId)).documents
  const pdf = await target.download(
    `/api/v1/sign-tasks/${taskId}/documents/${document?.documentId}/content`,
    taker.token,
  )
  expect(await origin.server().app.signTasks.knows(sha256(pdf))).toBe(true)
  expect(await target.server().app.signTasks.knows(sha256(pdf))).toBe(false)
})

test('imported again it changes nothing', async () => {
  const again = await send(taker, archive, { members: true })
  expect(again.report).toMatchObject({
    trusted: null,
    contracts: { imported: 0, unchanged: 1 },
    files: { imported: 0, unchanged: 1 },
    members: { invited: 0, present: 2 },
    history: { imported: 0, unchanged: 1 },
  })
}, 60_000)

test('anchors that do not fit refuse the whole', async () => {
  const foreign = Buffer.from(await target.download('/log/vkey'))
    .toString()
    .trim()
  const refused = await send(taker, archive, { logKeys: [foreign] })
  expect(refused).toMatchObject({ status: 'failed', problem: { code: 'import_bundle_bad' } })
}, 60_000)

test('another company cannot take what is here under the same ids', async () => {
  const thief = await target.company('第三家公司')
  const before = await rowsOf(thief)
  const refused = await send(thief, archive)
  expect(refused).toMatchObject({ status: 'failed', report: null, problem: { code: 'import_conflict' } })
  expect(await rowsOf(thief)).toEqual(before)
}, 60_000)

test('canceled while it arrives, nothing of it is left; started or sent again it is refused', async () => {
  // Two at the very same moment: one lives.
  const both = await Promise.all([announce(taker, archive.length), announce(taker, archive.length)])
  const body = (both.find((one) => one.status === 201) ?? both[0]).body
  expect(both.find((one) => one.status !== 201)?.body).toMatchObject({ code: 'import_running' })
  await putPart(taker, body.id, 1, archive.subarray(0, body.partBytes))
  const { rows } = await target
    .server()
    .app.db.work((tx) =>
      sql<{ id: string }>`select object_id as id from import_part where import_id = ${body.id}`.execute(tx),
    )
  await target.ok('POST', `/api/v1/imports/${body.id}/cancel`, { token: taker.token })
  await expect(target.server().app.storage.read(rows[0]?.id ?? '')).rejects.toMatchObject({
    code: 'object_destroyed',
  })
  for (const answer of [
    await putPart(taker, body.id, 2, archive.subarray(body.partBytes, 2 * body.partBytes)),
    await target.call('POST', `/api/v1/imports/${body.id}/start`, { token: taker.token }),
  ])
    expect(answer.body).toMatchObject({ code: 'import_not_receiving' })
})

/** The archive with some of its entries changed, headers and padding in the one form. */
async function rewritten(
  change: (path: string, bytes: Buffer) => [string, Buffer][] | Promise<[string, Buffer][]>,
): Promise<Uint8Array> {
  const damage: TarDamage[] = []
  async function* once() {
    yield archive
  }
  const out: Uint8Array[] = []
  for await (const entry of readTar(once(), (one) => void damage.push(one))) {
    const parts: Uint8Array[] = []
    for await (const chunk of entry.content) parts.push(new Uint8Array(chunk))
    for (const [path, bytes] of await change(entry.path, Buffer.concat(parts))) {
      out.push(tarHead({ path, sizeBytes: bytes.length, mtimeS: entry.mtimeS }), bytes)
      out.push(new Uint8Array(tarPadding(bytes.length)))
    }
  }
  out.push(new Uint8Array(1024))
  return Buffer.concat(out)
}

/** The head of an entry whose path leaves the folder, as the writer here would never make it. */
function escaping(): Buffer {
  const head = Buffer.alloc(512)
  head.write('../../evil.sh', 0)
  head.write('0000644\0', 100)
  head.write('0000000\0', 108)
  head.write('0000000\0', 116)
  head.write('00000000001\0', 124)
  head.write('00000000000\0', 136)
  head.write('        ', 148)
  head.write('0', 156)
  head.write('ustar\x0000', 257)
  const sum = head.reduce((all, byte) => all + byte, 0)
  head.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
  return Buffer.concat([head, Buffer.alloc(512, 0x78)])
}

test('hostile bundles are refused by name, and nothing half done stays', async () => {
  const victim = await target.company('受害公司')
  const before = await rowsOf(victim)
  const zip = await rewritten((path, bytes) => {
    if (!path.endsWith('/evidence-rest.zip')) return [[path, bytes]]
    const bent = Buffer.from(bytes)
    const at = bent.indexOf('{"actor')
    bent[(at < 0 ? bent.length >> 1 : at) + 30] = (bent[(at < 0 ? bent.length >> 1 : at) + 30] ?? 0) ^ 1
    return [[path, bent]]
  })
  const cases: Record<string, Uint8Array> = {
    'a path that leaves the folder': Buffer.concat([escaping(), archive]),
    'evidence that was tampered with': zip,
    'an entry more': await rewritten((path, bytes) =>
      path === 'README.txt'
        ? [
            [path, bytes],
            ['contracts/evil.txt', Buffer.from('x')],
          ]
        : [[path, bytes]],
    ),
    'an entry twice': await rewritten((path, bytes) =>
      path === 'README.txt'
        ? [
            [path, bytes],
            [path, bytes],
          ]
        : [[path, bytes]],
    ),
    'another hash in the list': await rewritten((path, bytes) =>
      path === 'entries.jsonl'
        ? [[path, Buffer.from(bytes.toString().replace(/"sha256":"[0-9a-f]{4}/, '"sha256":"dead'))]]
        : [[path, bytes]],
    ),
    'the same contract twice in a table': await rewritten((path, bytes) =>
      path === 'tables/contracts.jsonl' ? [[path, Buffer.concat([bytes, bytes])]] : [[path, bytes]],
    ),
    'no archive at all': Buffer.alloc(100_000, 0x5a),
    'the end is missing': archive.subarray(0, archive.length - 5000),
  }
  for (const [name, bytes] of Object.entries(cases)) {
    const refused = await send(victim, bytes)
    expect({ name, ...refused }).toMatchObject({
      name,
      status: 'failed',
      problem: { code: 'import_bundle_bad' },
    })
    expect({ name, rows: await rowsOf(victim) }).toEqual({ name, rows: before })
  }
}, 120_000)

/** What an installation can make that signs for anything: the tables changed, list and manifest made anew over them. */
async function forged(change: (path: string, text: string) => string): Promise<Uint8Array> {
  const { app } = origin.server()
  const lines: Uint8Array[] = []
  let sums = { count: 0, sizeBytes: 0 }
  const tail = new Map<string, Buffer>()
  return await rewritten(async (path, bytes) => {
    if (tail.has(path)) return [[path, tail.get(path) ?? bytes]]
    if (path === 'entries.jsonl') {
      const list = Buffer.concat(lines)
      tail.set('entries.jsonl', list)
      return [[path, list]]
    }
    if (path === 'manifest.json') {
      const list = tail.get('entries.jsonl') ?? Buffer.alloc(0)
      const manifest = JSON.parse(bytes.toString()) as ExportManifest
      manifest.entries = { ...sums, sha256: sha256(list), sm3: hash('sm3', list) }
      const made = Buffer.from(canonicalBytes(manifest))
      const { token } = await app.timestamps.stamp(Buffer.from(sha256(made), 'hex'))
      const stamp = buildTimestampResponse({ token })
      const leaf = exportLeafBytes(manifest, sha256(made), sha256(stamp))
      const subjectId = newId()
      await app.db.work((tx) => app.evidence.enter(tx, subjectId, leaf))
      const proof = await app.evidence.proveEntry(subjectId, leaf, { carried: true })
      tail.set('manifest.tlog-proof', Buffer.from(proof, 'utf8'))
      tail.set('manifest.tsr', Buffer.from(stamp))
      return [[path, made]]
    }
    const text = path.endsWith('.jsonl') ? Buffer.from(change(path, bytes.toString())) : bytes
    const role = (JSON.parse(listed.get(path) ?? '{}') as { role: ExportRole }).role
    lines.push(
      exportEntryLine({ path, role, sizeBytes: text.length, sha256: sha256(text), sm3: hash('sm3', text) }),
    )
    sums = { count: sums.count + 1, sizeBytes: sums.sizeBytes + text.length }
    return [[path, text]]
  })
}
const hash = (name: string, bytes: Uint8Array) => createHash(name).update(bytes).digest('hex')
const listed = new Map<string, string>()

test('a bundle whose own installation vouches for lies is refused too, and nothing half done stays', async () => {
  await rewritten((path, bytes) => {
    if (path === 'entries.jsonl')
      for (const line of bytes.toString().trim().split('\n'))
        listed.set((JSON.parse(line) as { path: string }).path, line)
    return [[path, bytes]]
  })
  const honest = await target.company('诚实公司')
  const { rows: mine } = await target
    .server()
    .app.db.work((tx) =>
      sql<{ id: string }>`select id from task_document where task_id = ${taskId}`.execute(tx),
    )
  const foreign = newId()
  const table =
    (name: string, change: (row: Record<string, unknown>) => unknown[]) => (path: string, text: string) =>
      path !== `tables/${name}.jsonl`
        ? text
        : text
            .split('\n')
            .filter((line) => line !== '')
            .flatMap((line) => change(JSON.parse(line) as Record<string, unknown>))
            .map((row) => `${typeof row === 'string' ? row : JSON.stringify(row)}\n`)
            .join('')
  const renamed = (row: Record<string, unknown>, more: Record<string, unknown>) => ({ ...row, ...more })
  const documentsOf = (row: Record<string, unknown>) => row.documents as Record<string, unknown>[]
  const cases: Record<string, [code: string, change: (path: string, text: string) => string]> = {
    'the same contract twice': ['import_bundle_bad', table('contracts', (row) => [row, row])],
    'a contract under the id of a file': [
      'import_bundle_bad',
      table('files', (row) => [row, renamed(row, { id: taskId })]),
    ],
    'a file that is a path': [
      'import_bundle_bad',
      table('files', (row) => [renamed(row, { name: '../../etc/passwd' })]),
    ],
    'a title with a control character': [
      'import_bundle_bad',
      table('contracts', (row) => [renamed(row, { title: 'a\u0000b' })]),
    ],
    'another title than the evidence has': [
      'import_bundle_bad',
      table('contracts', (row) => [renamed(row, { title: '另一份合同' })]),
    ],
    'a line that is no JSON': ['import_bundle_bad', table('contracts', () => ['{"id":'])],
    'a field of a document elsewhere': [
      'import_bundle_bad',
      table('contracts', (row) => [
        renamed(row, {
          fields: (row.fields as object[]).map((field) => ({ ...field, documentId: foreign })),
        }),
      ]),
    ],
    'a contract of another tenant here': ['import_conflict', (_, text) => text],
    'a document of another tenant here': [
      'import_conflict',
      table('contracts', (row) => [
        renamed(row, {
          id: foreign,
          documents: documentsOf(row).map((one) => ({ ...one, id: mine[0]?.id })),
          fields: [],
        }),
      ]),
    ],
  }
  const before = await rowsOf(honest)
  for (const [name, [code, change]] of Object.entries(cases)) {
    const refused = await send(honest, await forged(change))
    expect({ name, ...refused }).toMatchObject({ name, status: 'failed', problem: { code } })
    expect({ name, rows: await rowsOf(honest) }).toEqual({ name, rows: before })
  }
}, 120_000)

test('an imported contract can be destroyed; archives and uploads that may hold it end, and it does not come back', async () => {
  const { app } = target.server()
  // An archive that holds the contract, one that holds only the file of a later one, and an upload under way.
  const fileId = await upload(target, taker, '后来的合同')
  await exported(target, taker)
  const later = await contract(target, taker, '后来的合同', fileId)
  const destroy = async (id: string) => {
    offsetMs += 61_000
    const path = `/api/v1/sign-tasks/${id}/destruction`
    const code = await target.codeBy(taker.admin.login, () =>
      target.ok('POST', `${path}/code`, { token: taker.token }),
    )
    const asked = await target.call('POST', path, { token: taker.token, body: { basis: 'own', code } })
    expect(asked.status).toBe(201)
    for (let tries = 0; tries < 200; tries++) {
      await app.destruction.advanceAll()
      const { requests } = await target.ok<{ requests: { state: string }[] }>('GET', path, {
        token: taker.token,
      })
      if (requests[0]?.state === 'DESTROYED_PROVISIONAL') return
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    throw new Error('it was not destroyed')
  }
  const states = async () =>
    (
      await target.ok<{ items: { status: string }[] }>('GET', '/api/v1/exports', { token: taker.token })
    ).items.map((one) => one.status)
  expect(await states()).toEqual(['ready'])
  await destroy(later)
  expect(await states()).toEqual(['voided'])

  await exported(target, taker)
  const { body } = await announce(taker, archive.length)
  await putPart(taker, body.id, 1, archive.subarray(0, body.partBytes))
  const held = await app.db.work((tx) =>
    sql<{ id: string }>`select evidence_object_id as id from imported_contract where task_id = ${taskId}
      union all select object_id from task_document_segment where task_id = ${taskId}
      union all select object_id from import_part where import_id = ${body.id}`.execute(tx),
  )
  expect(held.rows.length).toBeGreaterThanOrEqual(4)
  await destroy(taskId)
  expect(await states()).toEqual(['voided', 'voided'])
  expect((await ended(taker, body.id)).status).toBe('voided')
  for (const { id } of held.rows)
    await expect(app.storage.read(id, { partyId: 'any' })).rejects.toMatchObject({ code: 'object_destroyed' })
  expect((await app.kms.scopeKeyState([taskId])).get(taskId)?.state).toBe('destroyed')

  const again = await send(taker, archive)
  expect(again).toMatchObject({ status: 'done', report: { contracts: { imported: 0 } } })
  expect((again.report as unknown as { skipped: unknown[] }).skipped).toContainEqual({
    id: taskId,
    title: '技术服务合同',
    reason: 'destroyed_here',
  })
}, 120_000)

test('an entry that grows without end is refused before memory does', async () => {
  let read = 0
  async function* endless() {
    for (;;) {
      read += 1 << 20
      yield new Uint8Array(1 << 20)
    }
  }
  for (const path of [
    `contracts/${taskId}/evidence-rest.zip`,
    'files/x.pdf',
    'entries.jsonl',
    'seals/x.svg',
  ]) {
    read = 0
    async function* items() {
      yield { path, content: endless() }
    }
    const source = limited(
      { ordered: true, items },
      {
        ...IMPORT_LIMITS,
        contractBytes: 8 << 20,
        fileBytes: 8 << 20,
        tableBytes: 8 << 20,
        otherBytes: 8 << 20,
      },
    )
    const drain = async () => {
      for await (const item of source.items([]))
        for await (const _ of item.content) expect(read).toBeLessThan(10 << 20)
    }
    await expect(drain()).rejects.toMatchObject({ code: 'import_entry_large' })
  }
})
