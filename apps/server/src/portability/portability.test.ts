import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { readTar, verifyBundle, verifyExport } from '@yinxin/evidence'
import { parsePem } from '@yinxin/pki'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openStage, type Stage, type StageCompany } from '../../../../testing/stage.ts'
import { drawSampleContract } from '../sandbox/sample-contract.ts'
import { openBundle } from './bundle-source.ts'

const folder = mkdtempSync(join(tmpdir(), 'yinxin-portability-'))
let origin: Stage
let target: Stage
let corp: StageCompany
let newCorp: StageCompany
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

async function order(
  stage: Stage,
  company: StageCompany,
  more: Record<string, unknown> = {},
): Promise<ExportAnswer> {
  const code = await stage.codeBy(company.admin.login, () =>
    stage.ok('POST', '/api/v1/export-codes', { token: company.token }),
  )
  const begun = await stage.ok<ExportAnswer>('POST', '/api/v1/exports', {
    token: company.token,
    body: { code, ...more },
  })
  for (let tries = 0; tries < 400; tries++) {
    const now = await stage.ok<ExportAnswer>('GET', `/api/v1/exports/${begun.id}`, { token: company.token })
    if (now.status !== 'queued' && now.status !== 'collecting') return now
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  throw new Error('the export did not come to an end')
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
  const done = await order(origin, corp)
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

test('what was imported can leave again, and is still proven by the log of the origin', async () => {
  const done = await order(target, newCorp)
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
