import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { AdvanceReport, Attestation, KeyStatus } from '@yinxin/server'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { startTestApp, type TestApp } from '../../../testing/app.ts'
import { runCommand } from '../../../testing/children/run-command.ts'
import { createTestDatabase, type TestDatabase } from '../../../testing/database.ts'
import { startVaultSimulator, type VaultSimulator } from '../../../testing/fakes/vault/vault.ts'

let database: TestDatabase
let folder: string
let app: TestApp
let vault: VaultSimulator
let environment: Record<string, string>

beforeAll(async () => {
  database = await createTestDatabase()
  folder = await mkdtemp(join(tmpdir(), 'yinxin-keys-cli-'))
  vault = await startVaultSimulator()
  await writeFile(join(folder, 'token'), vault.token, { mode: 0o600 })
  environment = {
    YINXIN_KEY_DRIVER: 'vault',
    YINXIN_VAULT_URL: vault.url,
    YINXIN_VAULT_TOKEN_FILE: join(folder, 'token'),
    YINXIN_KEY_BACKUP_CYCLE_DAYS: '3',
  }
  app = await startTestApp({ database, folder, roles: ['api'], environment })
}, 120_000)
afterAll(async () => {
  await app.stop()
  await vault.close()
  await database.drop()
  await rm(folder, { recursive: true, force: true })
})

async function run<Answer>(...args: string[]) {
  const command = runCommand(['keys', ...args], {
    YINXIN_MODE: 'sandbox',
    YINXIN_DATA_DIR: join(folder, 'data'),
    YINXIN_KEY_DIR: join(folder, 'keys'),
    YINXIN_DATABASE_URL: database.url,
    YINXIN_DATABASE_OWNER_URL: database.ownerUrl,
    YINXIN_KEYS_DATABASE_URL: database.keysUrl,
    YINXIN_KEYS_DATABASE_OWNER_URL: database.keysOwnerUrl,
    YINXIN_PORT: '0',
    ...environment,
  })
  const code = await command.ended
  const out = command.stdout()
  return {
    code,
    out,
    err: command.stderr(),
    answer: args.includes('--json') ? (JSON.parse(out) as Answer) : undefined,
  }
}

it('shows, rotates, advances and attests the keys of a running platform, and says that the key service is a simulator', async () => {
  const before = await run<KeyStatus>('status', '--json')
  expect(before.err).toBe('')
  expect(before.answer?.driver).toMatchObject({ kind: 'vault', simulated: true })
  expect(before.answer?.versions.map((one) => `${one.family} ${one.version} ${one.state}`)).toEqual([
    'epoch 1 current',
    'root 1 current',
  ])
  expect((await run('rotate', 'epoch', '--json')).answer).toEqual({ family: 'epoch', version: 2 })
  const advanced = await run<AdvanceReport>('advance', '--json')
  expect(advanced.answer).toMatchObject({ closed: ['epoch 1'], destroyed: [] })
  expect(advanced.answer?.waiting[0]).toContain('kept until')
  const attested = await run<Attestation>('attest', 'epoch', '--json')
  expect(attested.answer).toMatchObject({ key: 'yinxin-epoch v2', extractable: false, simulated: true })
  expect(await run('attest', 'epoch', '9')).toMatchObject({ code: 2, err: expect.stringContaining('9') })
  const text = await run('status', '--lang', 'zh')
  expect(text.out).toContain('模拟服务')
  expect(text.out).toContain('待销毁')
  expect(await app.app.environment().simulators).toContain('key-service')
}, 120_000)

it('refuses wrong usage', async () => {
  expect((await run('rotate')).code).toBe(64)
  expect((await run('rotate', 'leaf')).code).toBe(64)
  expect((await run('melt')).code).toBe(64)
}, 60_000)
