/** Content that is gone from every disk does not keep the rest from leaving: it is named, and everything else is whole. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { readTar, type TarDamage, verifyExport } from '@yinxin/evidence'
import { parsePem } from '@yinxin/pki'
import { sql } from 'kysely'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { runCommand } from '../../../../testing/children/run-command.ts'
import { largePdf } from '../../../../testing/fakes/pdfs.ts'
import { openStage, type Stage, type StageCompany } from '../../../../testing/stage.ts'
import { drawSampleContract } from '../sandbox/sample-contract.ts'

interface ExportAnswer {
  id: string
  status: string
  outcome: string | null
  lossCount: number
  losses: { path: string; subjectId: string; reason: string; sizeBytes: number | null }[]
}

const folder = mkdtempSync(join(tmpdir(), 'yinxin-losses-'))
let stage: Stage
let target: Stage
let corp: StageCompany
let tasks: string[]
let whole: string
let ruined: string

async function contract(title: string): Promise<string> {
  const pdf = await drawSampleContract({
    corpName: corp.name,
    personName: '张三',
    number: title,
    date: '2026年1月1日',
  })
  const fileId = await stage.upload(corp.token, pdf, `${title}.pdf`)
  const task = await stage.createTask(corp.token, {
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
    ],
    fields: [
      { documentRef: 'contract', actorRef: 'corp', kind: 'seal', position: { page: 1, x: 100, y: 600 } },
    ],
    autoStart: true,
  })
  await stage.until(corp.token, task.id, (one) => one.status === 'finished')
  return task.id
}

/** Turns a byte of every replica of an object, on the disks themselves. */
async function ruin(objectId: string): Promise<void> {
  const { app } = stage.server()
  const { config } = stage.server()
  const { rows } = await app.db.work((tx) =>
    sql<{ domain: string; holder: string; position: number; size: number }>`
      select r.domain, r.holder, r.position, o.stored_size_bytes as size
      from storage_replicas r join storage_objects o on o.id = r.object_id where o.id = ${objectId}`.execute(
      tx,
    ),
  )
  expect(rows.length).toBeGreaterThanOrEqual(3)
  for (const { domain, holder, position, size } of rows) {
    const [site = '', number = ''] = domain.split('-')
    const path = join(config.dataDir, 'storage', site, 'abc'[Number(number) - 1] ?? '', holder)
    const file = await open(path, 'r+')
    const at = Number(position) + Math.floor(Number(size) / 2)
    const byte = Buffer.alloc(1)
    await file.read(byte, 0, 1, at)
    byte[0] = (byte[0] ?? 0) ^ 0xff
    await file.write(byte, 0, 1, at)
    await file.close()
  }
}

async function exported(token: string, code: string): Promise<ExportAnswer> {
  const begun = await stage.ok<ExportAnswer>('POST', '/api/v1/exports', { token, body: { code } })
  for (let tries = 0; tries < 600; tries++) {
    const now = await stage.ok<ExportAnswer>('GET', `/api/v1/exports/${begun.id}`, { token })
    if (now.status !== 'queued' && now.status !== 'collecting') return now
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  throw new Error('the export did not come to an end')
}

beforeAll(async () => {
  stage = await openStage({ environment: { YINXIN_EXPORT_RETRY_MS: '200' } })
  target = await openStage()
  corp = await stage.company('示例科技有限公司')
  tasks = [await contract('完好的合同'), await contract('文件损坏的合同')]
  whole = await stage.upload(corp.token, largePdf(300_000), '完好.pdf')
  ruined = await stage.upload(corp.token, largePdf(300_000), '损坏.pdf')
}, 120_000)
afterAll(async () => {
  await Promise.all([stage?.close(), target?.close()])
  rmSync(folder, { recursive: true, force: true })
})

test('the export ends, names what is lost, holds everything else, and verifies; its import leaves out the lost', async () => {
  const { app } = stage.server()
  const objects = await app.db.work(async (tx) => {
    const files = await sql<{ id: string }>`select object_id as id from file where id = ${ruined}`.execute(tx)
    const segments = await sql<{ id: string }>`
      select object_id as id from task_document_segment where task_id = ${tasks[1]} and revision > 0`.execute(
      tx,
    )
    return [...files.rows, ...segments.rows].map((row) => row.id)
  })
  expect(objects.length).toBe(2)
  for (const id of objects) await ruin(id)

  const code = await stage.codeBy(corp.admin.login, () =>
    stage.ok('POST', '/api/v1/export-codes', { token: corp.token }),
  )
  const done = await exported(corp.token, code)
  expect(done).toMatchObject({ status: 'ready', outcome: 'complete_with_losses', lossCount: 2 })
  const paths = done.losses.map((one) => one.path)
  expect(paths[0]).toMatch(new RegExp(`^contracts/${tasks[1]}/documents/1-`))
  expect(paths[1]).toBe(`files/${ruined}.pdf`)
  expect(done.losses.map((one) => one.reason)).toEqual(['unreadable', 'unreadable'])

  const bytes = await stage.download(`/api/v1/exports/${done.id}/archive`, corp.token)
  const trust = [...parsePem(Buffer.from(await stage.download('/ca/root.pem')).toString(), 'CERTIFICATE')]
  const logKeys = [
    Buffer.from(await stage.download('/log/vkey'))
      .toString()
      .trim(),
  ]
  const judge = async (given: Uint8Array) => {
    const damage: TarDamage[] = []
    async function* once() {
      yield given
    }
    const items = readTar(once(), (one) => void damage.push(one))
    return await verifyExport(items, { trust, logKeys, ordered: true }, damage)
  }
  const report = await judge(bytes)
  expect(report.problems).toEqual([])
  expect(report).toMatchObject({ ok: true, trusted: true, logVerified: true, contracts: 2 })
  expect(report.lost.map((one) => one.path)).toEqual(paths)
  // The declaration covers nothing else: what is there is still held to its hash.
  const changed = Buffer.from(bytes)
  const at = changed.indexOf(`files/${whole}.pdf`) + 2000
  changed[at] = (changed[at] ?? 0) ^ 1
  expect((await judge(changed)).problems.map((one) => one.entry)).toEqual([`files/${whole}.pdf`])

  const path = join(folder, 'losses.tar')
  writeFileSync(path, bytes)
  // The command tells losses from damage by its exit code.
  const judged = runCommand(['bundle', 'verify', path, '--json'], {})
  expect(await judged.ended).toBe(3)
  expect(JSON.parse(judged.stdout())).toMatchObject({
    ok: true,
    lost: [{ path: paths[0] }, { path: paths[1] }],
  })
  const taker = await target.company('示例科技有限公司')
  const call = { report: () => undefined, signal: new AbortController().signal }
  const { importer } = target.server().app.portability
  const imported = await importer({ path, corp: taker.corpId, intoOther: true }, call)
  expect(imported.contracts).toEqual({ imported: 1, unchanged: 0 })
  expect(imported.files.imported).toBe(3)
  expect(imported.skipped).toEqual([
    { id: tasks[1], title: '文件损坏的合同', reason: 'lost_at_origin' },
    { id: ruined, title: '损坏.pdf', reason: 'lost_at_origin' },
  ])
  expect((await target.task(taker.token, tasks[0] ?? '')).status).toBe('finished')
}, 120_000)
