import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { startTestApp, type TestApp } from '../../../testing/app.ts'
import { createTestDatabase, type TestDatabase } from '../../../testing/database.ts'

let database: TestDatabase
let folder: string
let app: TestApp

beforeAll(async () => {
  database = await createTestDatabase()
  folder = await mkdtemp(join(tmpdir(), 'yinxin-custody-cli-'))
  app = await startTestApp({ database, folder, roles: ['api'] })
})
afterAll(async () => {
  await app.stop()
  await database.drop()
  await rm(folder, { recursive: true, force: true })
})

const main = new URL('./main.ts', import.meta.url).pathname

function yinxin(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const env = {
    PATH: process.env.PATH,
    LANG: 'en_US.UTF-8',
    YINXIN_MODE: 'sandbox',
    YINXIN_PORT: '0',
    YINXIN_DATA_DIR: join(folder, 'data'),
    YINXIN_KEY_DIR: join(folder, 'keys'),
    YINXIN_DATABASE_URL: database.url,
    YINXIN_DATABASE_OWNER_URL: database.ownerUrl,
    YINXIN_KEYS_DATABASE_URL: database.keysUrl,
    YINXIN_KEYS_DATABASE_OWNER_URL: database.keysOwnerUrl,
  }
  return new Promise((resolve) => {
    execFile(process.execPath, [main, ...args], { env }, (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr }),
    )
  })
}

it('the operator sees the failure domains of the running server', async () => {
  const { code, stdout } = await yinxin('custody', '--json')
  expect(code).toBe(0)
  const overview = JSON.parse(stdout) as { domains: { name: string }[]; findings: unknown[] }
  expect(overview.domains.map(({ name }) => name)).toContain('recovery-3')
  expect(overview.findings).toEqual([])
  expect((await yinxin('custody')).stdout).toContain('primary-1')
  const zh = (await yinxin('custody', '--lang', 'zh')).stdout
  expect(zh).toMatch(/primary-1 +正常 /)
  expect(zh).not.toMatch(/\b(ready|bad)\b/)
})

it('the report of now ends with 1 where the promise is not met, and says why in the language asked for', async () => {
  const { code, stdout } = await yinxin('custody', 'report')
  expect(code).toBe(1)
  expect(stdout).toContain('The promise is not met here')
  expect(stdout).toContain('YINXIN_ROOT_KEY_COPIES')
  const zh = await yinxin('custody', 'report', '--lang', 'zh')
  expect(zh.stdout).toContain('此处不满足承诺')
})

it('months that are not over and words that are none are refused', async () => {
  const { code, stderr } = await yinxin('custody', 'report', '--month', '2099-01')
  expect(code).toBe(2)
  expect(stderr).toContain('not over')
  expect((await yinxin('custody', 'weather')).code).toBe(64)
})
