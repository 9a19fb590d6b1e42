import { execFile } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { largePdf } from '../../../testing/fakes/pdfs.ts'
import { openStage, type Stage, type StageCompany } from '../../../testing/stage.ts'

const main = new URL('./main.ts', import.meta.url).pathname
const folder = mkdtempSync(join(tmpdir(), 'yinxin-bundle-'))
let stage: Stage
let corp: StageCompany
let environment: Record<string, string>

function yinxin(...args: string[]) {
  return promisify(execFile)(process.execPath, [main, ...args], {
    env: { ...process.env, LANG: 'en_US.UTF-8', ...environment },
  }).then(
    ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
    (error: { code: number; stdout: string; stderr: string }) => error,
  )
}

beforeAll(async () => {
  stage = await openStage({ environment: { YINXIN_EXPORT_PART_BYTES: '65536' } })
  corp = await stage.company('示例科技有限公司')
  await stage.upload(corp.token, largePdf(400_000), '大文件.pdf')
  const { config } = stage.server()
  environment = { YINXIN_DATA_DIR: config.dataDir, YINXIN_KEY_DIR: config.keyDir }
}, 120_000)
afterAll(async () => {
  await stage?.close()
  rmSync(folder, { recursive: true, force: true })
})

test('an operator exports into a folder, which verifies; a changed, missing or added file is named', async () => {
  const to = join(folder, 'plain')
  const made = await yinxin('export', '--corp', corp.corpId, '--to', to, '--json')
  expect(made).toMatchObject({ code: 0 })
  const verify = () => yinxin('bundle', 'verify', to, '--json')
  const log = join(folder, 'log.vkey')
  writeFileSync(log, await stage.download('/log/vkey'))
  const root = join(folder, 'root.pem')
  writeFileSync(root, await stage.download('/ca/root.pem'))
  const good = await yinxin('bundle', 'verify', to, '--trust', root, '--log-key', log, '--json')
  expect(good.code).toBe(0)
  expect(JSON.parse(good.stdout)).toMatchObject({ ok: true, trusted: true, logVerified: true, problems: [] })
  const [name] = readdirSync(join(to, 'files'))
  const file = join(to, 'files', String(name))
  const bytes = readFileSync(file)
  const changed = Buffer.from(bytes)
  changed[1000] = (changed[1000] ?? 0) ^ 1
  const named = (answer: { stdout: string }) =>
    (JSON.parse(answer.stdout) as { problems: { entry: string; code: string }[] }).problems
  for (const [content, code] of [
    [changed, 'entry_changed'],
    [null, 'entry_missing'],
  ] as const) {
    if (content === null) rmSync(file)
    else writeFileSync(file, content)
    const bad = await verify()
    expect(bad.code).toBe(1)
    expect(named(bad)).toEqual([expect.objectContaining({ entry: `files/${name}`, code })])
  }
  writeFileSync(file, bytes)
  writeFileSync(join(to, 'more.txt'), 'x')
  const added = await verify()
  expect(added.code).toBe(1)
  expect(named(added)).toEqual([expect.objectContaining({ entry: 'more.txt', code: 'entry_added' })])
}, 120_000)

test('what is not there is unreadable, and a wrong call is told so', async () => {
  expect(await yinxin('bundle', 'verify', join(folder, 'nothing'))).toMatchObject({ code: 2, stdout: '' })
  for (const args of [
    ['bundle'],
    ['bundle', 'verify'],
    ['export', '--corp', corp.corpId],
    ['export', '--server', stage.url],
    ['import', folder],
  ])
    expect(await yinxin(...args)).toMatchObject({ code: 64, stdout: '' })
  expect(await yinxin('import', join(folder, 'nothing'), '--corp', corp.corpId)).toMatchObject({ code: 2 })
}, 120_000)

test('a company or an export that is not there is named in words', async () => {
  const unknown = '00000000-0000-7000-8000-000000000000'
  for (const name of ['nobody', unknown]) {
    const answer = await yinxin('export', '--corp', name, '--archive', join(folder, 'nothing.tar'))
    expect(answer).toMatchObject({ code: 2, stdout: '' })
    expect(answer.stderr).toContain(`There is no company ${name}`)
  }
  for (const id of ['nothing', unknown]) {
    const answer = await yinxin('export', '--resume', id, '--archive', join(folder, 'nothing.tar'))
    expect(answer).toMatchObject({ code: 2, stdout: '' })
    expect(answer.stderr).toContain('There is no such export')
  }
}, 60_000)

test('a program with the right fetches an archive from afar, and goes on where it broke off', async () => {
  const app = await stage.ok<{ appId: string; appSecret: string }>('POST', '/api/v1/apps', {
    token: corp.token,
    body: { name: '导出', environment: 'sandbox' },
  })
  const code = await stage.codeBy(corp.admin.login, () =>
    stage.ok('POST', '/api/v1/export-codes', { token: corp.token }),
  )
  await stage.ok('PUT', `/api/v1/apps/${app.appId}/export-right`, {
    token: corp.token,
    body: { allowed: true, code },
  })
  const secret = join(folder, 'secret')
  writeFileSync(secret, app.appSecret)
  const file = join(folder, 'far.tar')
  const remote = [
    'export',
    '--server',
    stage.url,
    '--app-id',
    app.appId,
    '--app-secret-file',
    secret,
    '--archive',
    file,
  ]
  const made = await yinxin(...remote, '--json')
  expect(made).toMatchObject({ code: 0 })
  const { exportId } = JSON.parse(made.stdout) as { exportId: string }
  const whole = readFileSync(file)
  // As a break in the middle leaves it, with a damaged part besides.
  const broken = Buffer.from(whole.subarray(0, 200_001))
  broken[70_000] = (broken[70_000] ?? 0) ^ 1
  writeFileSync(`${file}.part`, broken)
  rmSync(file)
  // Its id is told at the start already.
  expect(JSON.parse(made.stderr.trim())).toEqual({ exportId })
  const [, ...connection] = remote
  expect(await yinxin('export', 'resume', exportId, ...connection, '--json')).toMatchObject({ code: 0 })
  expect(readFileSync(file).equals(whole)).toBe(true)
  expect(await yinxin('bundle', 'verify', file)).toMatchObject({ code: 0 })
  const status = await yinxin('export', 'status', exportId, ...connection.slice(0, 6), '--json')
  expect(JSON.parse(status.stdout)).toMatchObject({ id: exportId, status: 'ready', outcome: 'complete' })
  const canceled = await yinxin('export', 'cancel', exportId, ...connection.slice(0, 6))
  expect(canceled).toMatchObject({ code: 0 })
  expect(canceled.stdout).toContain('canceled')
}, 120_000)

test('an operator asks for an export by its id, goes on with it and cancels it', async () => {
  const to = join(folder, 'again')
  const made = await yinxin('export', '--corp', corp.corpId, '--archive', `${to}.tar`, '--json')
  expect(made).toMatchObject({ code: 0 })
  const { exportId } = JSON.parse(made.stderr.trim()) as { exportId: string }
  expect(JSON.parse(made.stdout)).toMatchObject({ exportId, lossCount: 0, outcome: 'complete' })
  const status = await yinxin('export', 'status', exportId)
  expect(status).toMatchObject({ code: 0 })
  expect(status.stdout).toContain(exportId)
  expect(status.stdout).toContain('ready')
  // The same archive once more, in another form.
  expect(await yinxin('export', 'resume', exportId, '--to', to, '--json')).toMatchObject({ code: 0 })
  expect(await yinxin('bundle', 'verify', to)).toMatchObject({ code: 0 })
  const canceled = await yinxin('export', 'cancel', exportId, '--json')
  expect(JSON.parse(canceled.stdout)).toMatchObject({ id: exportId, status: 'canceled' })
  const over = await yinxin('export', 'resume', exportId, '--archive', `${to}.tar`)
  expect(over).toMatchObject({ code: 2 })
  for (const verb of ['status', 'cancel', 'resume'])
    expect((await yinxin('export', verb, 'nothing', '--archive', `${to}.tar`)).stderr).toContain(
      'There is no such export',
    )
  expect(await yinxin('export', 'status')).toMatchObject({ code: 64 })
}, 120_000)
