import { execFileSync } from 'node:child_process'
import { createHash, randomUUID } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { readTar, type TarDamage, tarHead, verifyBundle, verifyExport } from '@yinxin/evidence'
import { parsePem } from '@yinxin/pki'
import { signRequest } from '@yinxin/sdk'
import { sql } from 'kysely'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { logInFasc } from '../../../../testing/fasc-client.ts'
import { largePdf } from '../../../../testing/fakes/pdfs.ts'
import { startFakeS3 } from '../../../../testing/fakes/s3.ts'
import { openStage, type Stage, type StageCompany } from '../../../../testing/stage.ts'
import { drawSampleContract } from '../sandbox/sample-contract.ts'
import { openBundle } from './bundle-source.ts'

const folder = mkdtempSync(join(tmpdir(), 'yinxin-portability-'))
let origin: Stage
let target: Stage
let corp: StageCompany
let newCorp: StageCompany
let program: { appId: string; appSecret: string }
let taskId: string
let archive: Uint8Array
let exportId: string

interface ExportAnswer {
  id: string
  status: string
  snapshotAt: string
  sizeBytes: number
  partBytes: number
  manifestSha256: string
  counts: { files: number; contracts: number; documents: number; events: number } | null
  progress: { items: number; settled: number }
}

async function contract(title: string): Promise<string> {
  const pdf = await drawSampleContract({
    corpName: corp.name,
    personName: '张三',
    number: title,
    date: '2026年1月1日',
  })
  const fileId = await origin.upload(corp.token, pdf, `${title}.pdf`)
  const mobile = `1370000${String(1000 + Math.floor(Math.random() * 9000))}`
  const task = await origin.createTask(corp.token, {
    title,
    documents: [{ ref: 'contract', fileId }],
    actors: [
      {
        ref: 'corp',
        kind: 'corp',
        role: 'sign',
        name: corp.name,
        subjectId: corp.corpId,
        order: 1,
        freeSignBusinessId: corp.businessId,
      },
      { ref: 'person', kind: 'person', role: 'sign', name: '张三', mobile, order: 2 },
    ],
    fields: [
      { documentRef: 'contract', actorRef: 'corp', kind: 'seal', position: { page: 1, x: 100, y: 600 } },
      {
        documentRef: 'contract',
        actorRef: 'person',
        kind: 'signature',
        position: { page: 1, x: 320, y: 600 },
      },
    ],
    autoStart: true,
  })
  await origin.until(corp.token, task.id, (one) => one.actorDetails[1]?.status === 'ready')
  const visit = await origin.visit(await origin.link(corp.token, task, 'person'), mobile, '张三')
  const signed = await origin.sign(visit, mobile)
  expect(signed.status).toBe(200)
  await origin.until(corp.token, task.id, (one) => one.status === 'finished')
  return task.id
}

async function ended(stage: Stage, token: string, id: string): Promise<ExportAnswer> {
  for (let tries = 0; tries < 400; tries++) {
    const now = await stage.ok<ExportAnswer>('GET', `/api/v1/exports/${id}`, { token })
    if (now.status !== 'queued' && now.status !== 'collecting') return now
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  throw new Error('the export did not come to an end')
}

const codeOf = (stage: Stage, company: StageCompany) =>
  stage.codeBy(company.admin.login, () => stage.ok('POST', '/api/v1/export-codes', { token: company.token }))

/** As an administrator. Codes come once a minute. */
async function orderAsAdmin(stage: Stage, company: StageCompany): Promise<ExportAnswer> {
  const begun = await stage.ok<ExportAnswer>('POST', '/api/v1/exports', {
    token: company.token,
    body: { code: await codeOf(stage, company) },
  })
  return await ended(stage, company.token, begun.id)
}

/** As the program that was given the right. */
async function askAsApp(body: Record<string, unknown>) {
  const text = JSON.stringify(body)
  const facts = { method: 'POST', path: '/api/v1/exports', timestampMs: Date.now(), nonce: randomUUID() }
  const signature = await signRequest(program.appSecret, {
    ...facts,
    bodySha256Hex: sha256(Buffer.from(text)),
  })
  return await origin.call<ExportAnswer>('POST', facts.path, {
    body,
    headers: {
      'x-yinxin-app': program.appId,
      'x-yinxin-timestamp': String(facts.timestampMs),
      'x-yinxin-nonce': facts.nonce,
      'x-yinxin-signature': signature,
    },
  })
}

async function order(body: Record<string, unknown> = {}): Promise<ExportAnswer> {
  const begun = await askAsApp(body)
  expect(begun.status).toBe(202)
  return await ended(origin, corp.token, begun.body.id)
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

beforeAll(async () => {
  origin = await openStage({ environment: { YINXIN_EXPORT_PART_BYTES: '65536' } })
  target = await openStage()
  corp = await origin.company('示例科技有限公司')
  newCorp = await target.company('示例科技有限公司')
  taskId = await contract('技术服务合同')
  await contract('采购合同')
  program = await origin.ok('POST', '/api/v1/apps', {
    token: corp.token,
    body: { name: '导出', environment: 'sandbox' },
  })
  expect((await askAsApp({})).body).toMatchObject({ code: 'export_not_allowed' })
  await origin.ok('PUT', `/api/v1/apps/${program.appId}/export-right`, {
    token: corp.token,
    body: { allowed: true, code: await codeOf(origin, corp) },
  })
  const done = await order()
  expect(done).toMatchObject({ status: 'ready', counts: { files: 2, contracts: 2, documents: 2 } })
  exportId = done.id
  archive = await origin.download(`/api/v1/exports/${exportId}/archive`, corp.token)
}, 180_000)

afterAll(async () => {
  await Promise.all([origin?.close(), target?.close()])
  rmSync(folder, { recursive: true, force: true })
})

test('an export verifies by itself, and against root and log key from outside', async () => {
  const path = join(folder, 'whole.tar')
  writeFileSync(path, archive)
  const source = await openBundle(path)
  const damage: never[] = []
  const trust = [...parsePem(Buffer.from(await origin.download('/ca/root.pem')).toString(), 'CERTIFICATE')]
  const logKeys = [
    Buffer.from(await origin.download('/log/vkey'))
      .toString()
      .trim(),
  ]
  const report = await verifyExport(source.items(damage), { trust, logKeys, ordered: true }, damage)
  expect(report.problems).toEqual([])
  expect(report).toMatchObject({ ok: true, contracts: 2, trusted: true, logVerified: true })
})

test('parts have the hashes that are told, and any range gives the same bytes', async () => {
  const { items } = await origin.ok<{ items: { number: number; sizeBytes: number; sha256: string }[] }>(
    'GET',
    `/api/v1/exports/${exportId}/parts`,
    { token: corp.token },
  )
  expect(items.length).toBeGreaterThan(3)
  let at = 0
  for (const part of items) {
    expect(sha256(archive.subarray(at, at + part.sizeBytes))).toBe(part.sha256)
    at += part.sizeBytes
  }
  expect(at).toBe(archive.length)
  for (const [from, to] of [
    [0, 1],
    [511, 513],
    [1000, 200_000],
    [archive.length - 1500, archive.length],
    [archive.length - 1, archive.length],
  ] as const) {
    const answer = await fetch(`${origin.url}/api/v1/exports/${exportId}/archive`, {
      headers: { authorization: `Bearer ${corp.token}`, range: `bytes=${from}-${to - 1}` },
    })
    expect(answer.status).toBe(206)
    expect(Buffer.from(await answer.arrayBuffer()).equals(archive.subarray(from, to))).toBe(true)
  }
})

test('other tar programs read it, and the files are plain', () => {
  const path = join(folder, 'plain.tar')
  writeFileSync(path, archive)
  execFileSync('tar', ['-xf', path, '-C', folder])
  const pdf = readFileSync(join(folder, `contracts/${taskId}/documents/1-技术服务合同.pdf`))
  expect(pdf.subarray(0, 5).toString()).toBe('%PDF-')
  const lines = readFileSync(join(folder, 'tables/contracts.jsonl'), 'utf8').trim().split('\n')
  expect(lines.map((line) => (JSON.parse(line) as { title: string }).title).sort()).toEqual([
    '技术服务合同',
    '采购合同',
  ])
  expect(readFileSync(join(folder, 'index.zh.csv'), 'utf8')).toContain('技术服务合同')
})

test('an import makes the same contracts, byte for byte, proven by the log of the origin; a second one nothing', async () => {
  const path = join(folder, 'import.tar')
  writeFileSync(path, archive)
  const { importer } = target.server().app.portability
  const call = { report: () => undefined, signal: new AbortController().signal }
  await expect(importer({ path, corp: newCorp.corpId }, call)).rejects.toMatchObject({
    code: 'import_other_company',
  })
  const report = await importer({ path, corp: newCorp.corpId, intoOther: true }, call)
  expect(report).toMatchObject({ files: { imported: 2 }, contracts: { imported: 2 }, skipped: [] })

  const before = await origin.task(corp.token, taskId)
  const after = await target.task(newCorp.token, taskId)
  expect(after).toMatchObject({ title: before.title, status: 'finished' })
  for (const document of before.documents) {
    const url = `/api/v1/sign-tasks/${taskId}/documents/${document.documentId}/content`
    const [old, copy] = [await origin.download(url, corp.token), await target.download(url, newCorp.token)]
    expect(Buffer.from(copy).equals(old)).toBe(true)
    writeFileSync(join(folder, 'signed.pdf'), copy)
    const judged = execFileSync('pdfsig', ['-nocert', join(folder, 'signed.pdf')]).toString()
    expect(judged.match(/Signature is Valid/g)).toHaveLength(2)
  }
  const zip = await target.download(`/api/v1/sign-tasks/${taskId}/evidence`, newCorp.token)
  const trust = [...parsePem(Buffer.from(await origin.download('/ca/root.pem')).toString(), 'CERTIFICATE')]
  const oldKey = Buffer.from(await origin.download('/log/vkey'))
    .toString()
    .trim()
  const newKey = Buffer.from(await target.download('/log/vkey'))
    .toString()
    .trim()
  expect(verifyBundle(zip, { trust, logKeys: [oldKey] })).toMatchObject({
    ok: true,
    trusted: true,
    logVerified: true,
  })
  expect(verifyBundle(zip, { logKeys: [newKey] }).logVerified).toBe(false)
  const events = await target.ok<{ items: { type: string }[] }>(
    'GET',
    `/api/v1/sign-tasks/${taskId}/events`,
    {
      token: newCorp.token,
    },
  )
  expect(events.items.map((one) => one.type)).toContain('document.signed')

  const again = await importer({ path, corp: newCorp.corpId, intoOther: true }, call)
  expect(again).toMatchObject({
    files: { imported: 0, unchanged: 2 },
    contracts: { imported: 0, unchanged: 2 },
  })
}, 60_000)

test('the compatible API reads an imported contract as one of its own: detail, list, file and evidence', async () => {
  const app = await target.ok<{ appId: string; appSecret: string }>('POST', '/api/v1/apps', {
    token: newCorp.token,
    body: { name: '业务系统', environment: 'sandbox' },
  })
  const fasc = await logInFasc({ serverUrl: `${target.url}/api/v5`, ...app })
  const ask = async (method: string, request: unknown) => {
    const { body } = await fasc('signTaskClient', method, request)
    expect({ method, ...body }).toMatchObject({ code: '100000' })
    return body.data
  }
  // As the company knows it from before: without hyphens.
  const signTaskId = taskId.replaceAll('-', '')
  const ownerId = { idType: 'corp', openId: newCorp.corpId.replaceAll('-', '') }
  expect(await ask('getDetail', { signTaskId })).toMatchObject({
    signTaskSubject: '技术服务合同',
    signTaskStatus: 'task_finished',
  })
  const listed = await ask('getOwnerList', { ownerId, ownerRole: 'initiator' })
  expect(listed.signTasks.map((one: { signTaskSubject: string }) => one.signTaskSubject).sort()).toEqual([
    '技术服务合同',
    '采购合同',
  ])
  const fetched = async ({ downloadUrl }: { downloadUrl: string }) =>
    Buffer.from(await (await fetch(downloadUrl)).arrayBuffer())
  const pdf = await fetched(
    await ask('getOwnerDownLoadUrl', { ownerId, signTaskId, fileType: 'doc', compression: false }),
  )
  const [document] = (await origin.task(corp.token, taskId)).documents
  const old = await origin.download(
    `/api/v1/sign-tasks/${taskId}/documents/${document?.documentId}/content`,
    corp.token,
  )
  expect(pdf.equals(old)).toBe(true)
  const evidence = await fetched(await ask('getEvidenceReportDownloadUrl', { signTaskId }))
  const logKey = Buffer.from(await origin.download('/log/vkey')).toString()
  expect(verifyBundle(new Uint8Array(evidence), { logKeys: [logKey.trim()] })).toMatchObject({
    ok: true,
    logVerified: true,
  })
  // What is over stays over.
  const { body } = await fasc('signTaskClient', 'cancel', { signTaskId })
  expect(body.code).toBe('211126')
}, 60_000)

test('what was imported can leave again, and is still proven by the log of the origin', async () => {
  const done = await orderAsAdmin(target, newCorp)
  expect(done.status).toBe('ready')
  const tar = await target.download(`/api/v1/exports/${done.id}/archive`, newCorp.token)
  const oldKey = Buffer.from(await origin.download('/log/vkey'))
    .toString()
    .trim()
  const seen: (boolean | null)[] = []
  await verifyExport(
    readTar(once(tar), () => undefined),
    { logKeys: [oldKey], onContract: ({ report }) => void seen.push(report.logVerified) },
  )
  expect(seen).toEqual([true, true])
}, 60_000)

test('one flipped byte anywhere is found, and its entry is named', async () => {
  const spots: { path: string; at: number; part: string }[] = []
  for await (const entry of readTar(once(archive), () => undefined)) {
    let headBytes = 0
    let sizeBytes = 0
    for await (const chunk of entry.content) sizeBytes += chunk.length
    headBytes = tarHead(entry).length
    const contentAt = entry.offset + headBytes
    spots.push({ path: entry.path, at: entry.offset + Math.floor(Math.random() * headBytes), part: 'head' })
    if (sizeBytes > 0)
      for (const at of [0, sizeBytes - 1, Math.floor(Math.random() * sizeBytes)])
        spots.push({ path: entry.path, at: contentAt + at, part: 'content' })
    if (sizeBytes % 512 !== 0) spots.push({ path: entry.path, at: contentAt + sizeBytes, part: 'padding' })
  }
  spots.push({ path: '(archive)', at: archive.length - 700, part: 'end' })
  expect(spots.length).toBeGreaterThan(60)
  for (const { path, at, part } of spots) {
    const changed = Buffer.from(archive)
    changed[at] = (changed[at] ?? 0) ^ (1 << Math.floor(Math.random() * 8))
    const damage: TarDamage[] = []
    const report = await verifyExport(
      readTar(once(changed), (one) => void damage.push(one)),
      { ordered: true },
      damage,
    )
    const named = report.problems.map((one) => one.entry.split('!')[0])
    expect({ path, at, part, ok: report.ok, named }).toMatchObject({ ok: false })
    expect({ path, at, part, named }).toMatchObject({ named: expect.arrayContaining([path]) as unknown })
  }
}, 120_000)

test('an entry that is missing or added is named', async () => {
  type Item = { path: string; bytes: Buffer }
  const items: Item[] = []
  for await (const { path, content } of readTar(once(archive), () => undefined)) {
    const parts: Uint8Array[] = []
    for await (const chunk of content) parts.push(new Uint8Array(chunk))
    items.push({ path, bytes: Buffer.concat(parts) })
  }
  async function* given(list: readonly Item[]) {
    for (const { path, bytes } of list) yield { path, content: once(bytes) }
  }
  expect((await verifyExport(given(items))).ok).toBe(true)
  for (const left of items) {
    const report = await verifyExport(given(items.filter((one) => one !== left)))
    expect(report.problems.map((one) => one.entry)).toContain(left.path)
  }
  const added = { path: `contracts/${taskId}/documents/9-added.pdf`, bytes: Buffer.from('%PDF-') }
  for (const more of [added, { path: 'notes.txt', bytes: Buffer.from('x') }]) {
    const report = await verifyExport(given([...items, more]))
    expect(report.problems.map((one) => one.entry)).toContain(more.path)
  }
}, 60_000)

test('nobody but an administrator with a fresh code, or a program with the right, exports', async () => {
  expect((await origin.call('POST', '/api/v1/exports', { token: corp.token, body: {} })).body).toMatchObject({
    code: 'export_needs_code',
  })
  const wrong = await origin.call('POST', '/api/v1/exports', { token: corp.token, body: { code: '000000' } })
  expect(wrong.status).toBeGreaterThanOrEqual(400)
  const stranger = await origin.person('李四')
  for (const path of ['', '/parts', '/archive'])
    expect(
      (await origin.call('GET', `/api/v1/exports/${exportId}${path}`, { token: stranger.token })).status,
    ).toBe(404)
  // A member who is no administrator.
  await origin.ok('POST', `/api/v1/corps/${corp.corpId}/members`, {
    token: corp.token,
    body: { login: stranger.login, role: 'member' },
  })
  await origin.ok('PUT', '/api/v1/me/acting', { token: stranger.token, body: { subjectId: corp.corpId } })
  const member = stranger.token
  for (const [method, path] of [
    ['POST', '/api/v1/export-codes'],
    ['POST', '/api/v1/exports'],
    ['GET', `/api/v1/exports/${exportId}/archive`],
  ] as const) {
    const answer = await origin.call(method, path, {
      token: member,
      ...(method === 'POST' ? { body: {} } : {}),
    })
    expect(answer.body).toMatchObject({ code: 'export_not_allowed' })
  }
})

test('the next export holds only what changed since', async () => {
  const later = await contract('后来的合同')
  const first = await origin.ok<ExportAnswer>('GET', `/api/v1/exports/${exportId}`, { token: corp.token })
  // Ten minutes of overlap are part of the format; the clock of this test is the real one, so everything is in.
  const near = await order({ since: first.snapshotAt })
  expect(near.counts?.contracts).toBe(3)
  const far = await order({ since: new Date(Date.now() + 3_600_000).toISOString() })
  expect(far.counts).toMatchObject({ contracts: 0, files: 0 })
  expect(later).not.toBe('')
}, 60_000)

test('an export goes to the bucket of the customer, part by part, and forgets how it came in', async () => {
  await origin.upload(corp.token, largePdf(12 << 20), '大文件.pdf')
  const s3 = await startFakeS3()
  try {
    let uploads = 0
    s3.before = ({ name }) => (name === 'uploadPart' && ++uploads === 2 ? 'lose-answer' : undefined)
    const bucket = {
      endpoint: s3.endpoint,
      region: 'r',
      bucket: s3.bucket,
      pathStyle: true,
      keyId: 'key',
      secret: 'secret-of-the-bucket',
    }
    const done = await order({ bucket: { ...bucket, key: 'exports/all.tar' } })
    for (let tries = 0; tries < 200 && s3.bytes('exports/all.tar') === undefined; tries++)
      await new Promise((resolve) => setTimeout(resolve, 50))
    const there = await origin.download(`/api/v1/exports/${done.id}/archive`, corp.token)
    expect(s3.bytes('exports/all.tar')?.equals(there)).toBe(true)
    expect(s3.openUploads()).toBe(0)
    expect(uploads).toBeGreaterThan(3)
    const { app } = origin.server()
    const { rows } = await app.db.work((tx) =>
      sql`select * from export_job where id = ${done.id}`.execute(tx),
    )
    expect(JSON.stringify(rows)).not.toContain('secret-of-the-bucket')
    expect(rows[0]).toMatchObject({ bucket_secret_sealed: null, delivered_at: expect.any(Date) as unknown })
    s3.before = () => 'denied'
    const refused = await askAsApp({ bucket })
    expect(refused.body).toMatchObject({ code: 'export_bucket_failed' })
  } finally {
    await s3.close()
  }
}, 60_000)

test('a contract that is destroyed ends the archives that hold it, and what was made for them', async () => {
  const { app } = origin.server()
  const held = await order()
  const objects = await app.db.work((tx) =>
    sql<{
      id: string
    }>`select piece ->> 'objectId' as id from export_entry, jsonb_array_elements(pieces) piece
      where export_id = ${held.id} and piece ? 'generated'`.execute(tx),
  )
  expect(await app.portability.forget(taskId)).toBeGreaterThanOrEqual(1)
  const ended = await origin.call('GET', `/api/v1/exports/${held.id}/archive`, { token: corp.token })
  expect(ended).toMatchObject({ status: 410, body: { code: 'export_over' } })
  await expect(app.storage.read(objects.rows[0]?.id ?? '')).rejects.toMatchObject({
    code: 'object_destroyed',
  })
  expect((await app.kms.scopeKeyState([held.id])).get(held.id)?.state).toBe('destroyed')
}, 60_000)

test('conflicting content is refused by its id, and nothing is imported', async () => {
  const path = join(folder, 'conflict.tar')
  writeFileSync(path, archive)
  const other = await target.company('另一家公司')
  const { importer } = target.server().app.portability
  const call = { report: () => undefined, signal: new AbortController().signal }
  await expect(importer({ path, corp: other.corpId, intoOther: true }, call)).rejects.toMatchObject({
    code: 'import_conflict',
    message: expect.stringContaining(taskId) as unknown,
  })
})

test('a bundle with one changed byte imports nothing', async () => {
  const path = join(folder, 'changed.tar')
  const changed = Buffer.from(archive)
  const at = changed.indexOf('%PDF-') + 2000
  changed[at] = (changed[at] ?? 0) ^ 1
  writeFileSync(path, changed)
  const call = { report: () => undefined, signal: new AbortController().signal }
  await expect(
    target.server().app.portability.importer({ path, corp: newCorp.corpId, intoOther: true }, call),
  ).rejects.toMatchObject({ code: 'import_bundle_bad' })
})
