import { execFile, execFileSync, spawnSync } from 'node:child_process'
import { generateKeyPairSync, sign } from 'node:crypto'
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { encodeVkey } from '@yinxin/evidence'
import { attachedFiles } from '@yinxin/pades'
import type { CustodyOverview } from '@yinxin/server'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { startTestApp, type TestApp } from '../../../testing/app.ts'
import { manualClock } from '../../server/src/clock.ts'
import { recordDrill } from '../../server/src/drill.ts'
import { createTestDatabase, type TestDatabase } from '../../../testing/database.ts'
import { twoOperators } from '../../../testing/operators.ts'

let database: TestDatabase
let folder: string
let app: TestApp
const clock = manualClock(new Date())

beforeAll(async () => {
  database = await createTestDatabase()
  folder = await mkdtemp(join(tmpdir(), 'yinxin-custody-cli-'))
  app = await startTestApp({ clock, database, folder, roles: ['api'] })
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
  const overview = JSON.parse(stdout) as CustodyOverview
  expect(overview.domains.map(({ name }) => name)).toContain('recovery-3')
  expect(overview).toMatchObject({ concerns: [], findings: [], media: [], drills: [], backups: null })
  const { stdout: en } = await yinxin('custody')
  expect(en).toMatch(/All is well.*Retired media.*None registered/s)
  const { stdout: zh } = await yinxin('custody', '--lang', 'zh')
  expect(zh).toMatch(/primary-1 +正常 /)
  expect(zh).toMatch(/恢复演练.*销毁队列.*退役介质/s)
  // Names, commands and units are all that may be English in it.
  const words = (zh.match(/[A-Za-z]{3,}/g) ?? []).filter(
    (word) => !['GiB', 'primary', 'recovery', 'main', 'keys', 'yinxin', 'drill', 'check'].includes(word),
  )
  expect(words).toEqual([])
})

it('what people have to look at ends it with 1 and is said first; retired disks and drills are shown', async () => {
  const [by, witness] = await twoOperators(app.app)
  const disk = {
    device: 'Seagate ST4000NM <rack 3>',
    serial: 'ZC10A1B2',
    domain: 'primary-2',
    method: 'purge-cryptographic-erase',
    proofName: 'erase.log',
    proofSha256: 'ab'.repeat(32),
    retiredAt: clock.now(),
    by,
    witness,
  } as const
  await app.app.db.work((tx) => app.app.destruction.media.retire(tx, disk))
  const id = '019ac000-0000-7000-8000-000000000001'
  await recordDrill(app.app.db, {
    id,
    outcome: 'failed',
    ok: false,
    begunAt: clock.now().toISOString(),
    endedAt: clock.now().toISOString(),
    rpoMs: 1500,
    rtoMs: 61_000,
    restores: [],
    migrations: [],
    objects: { asked: 20, read: 19 },
    packages: { asked: 5, verified: 5 },
    logSize: 12,
    problems: ['an object could not be opened'],
  })
  const { code, stdout } = await yinxin('custody', '--lang', 'zh')
  expect(code).toBe(1)
  expect(stdout).toMatch(/需要处理.*最近一次恢复演练失败.*失败 +RPO 1\.5 秒 +RTO 61\.0 秒 +19\/20/s)
  expect(stdout).toContain('ZC10A1B2 (primary-2)  purge-cryptographic-erase  甲 / 乙')
  const { drills, media } = JSON.parse((await yinxin('custody', '--json')).stdout) as CustodyOverview
  expect(drills[0]).toMatchObject({ id, outcome: 'failed', rpoMs: 1500, objects: { asked: 20, read: 19 } })
  expect(media[0]).toMatchObject({ serial: 'ZC10A1B2', doneBy: '甲', witnessedBy: '乙' })
})

it('the page is served to whoever has its address, or written to a file for its owner alone', async () => {
  const { code, stdout } = await yinxin('custody', 'page', '--lang', 'zh')
  expect(code).toBe(0)
  const html = await (await fetch(stdout.trim())).text()
  for (const text of ['recovery-3', '退役介质', 'Seagate ST4000NM &lt;rack 3&gt;', '最近一次恢复演练失败'])
    expect(html).toContain(text)
  expect(html).not.toContain('<script')
  const file = join(folder, 'custody.html')
  expect((await yinxin('custody', 'page', '--to', file)).code).toBe(0)
  expect((await stat(file)).mode & 0o777).toBe(0o600)
  const saved = await readFile(file, 'utf8')
  expect(saved).toContain('The last restore drill failed')
  expect(saved).not.toContain('http-equiv')
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
  const bad = await yinxin('custody', 'report', '--month', 'bad', '--lang', 'zh')
  expect(bad).toMatchObject({ code: 64, stderr: expect.stringContaining('--month 应为 YYYY-MM') })
})

it('the report of a month is checked offline from its PDF: seal, log and figures; nothing bent passes', async (ctx) => {
  await app.app.custody.look()
  const month = new Date(clock.now().getTime() + 8 * 3_600_000).toISOString().slice(0, 7)
  clock.advance(40 * 24 * 3_600_000)
  const made = await yinxin('custody', 'report', '--month', month, '--lang', 'zh')
  expect(made).toMatchObject({ code: 1, stdout: expect.stringContaining('此处不满足承诺') })
  const report = await app.app.custody.reports.find(month)
  const pdf = await app.app.custody.reports.pdf(report)
  const [file, key, root] = ['report.pdf', 'log.vkey', 'root.der'].map((name) => join(folder, name))
  if (file === undefined || key === undefined || root === undefined) throw new Error('no names')
  await writeFile(file, pdf)
  await writeFile(key, app.app.evidence.log.vkey)
  await writeFile(root, app.app.ca.anchors().rootDer)

  const good = await yinxin('custody', 'verify', file, '--log-key', key, '--trust', root, '--lang', 'zh')
  expect(good.code, good.stdout).toBe(0)
  expect(good.stdout).toMatch(/✓ 报告完整.*此处不满足承诺.*通向给定的根证书/s)

  // Bent anywhere in the attached report, the seal breaks.
  const [json] = attachedFiles(pdf)
  expect(json?.content && Buffer.from(json.content)).toEqual(report.entry)
  const bent = Buffer.from(pdf)
  bent[bent.indexOf('stream') + 40]! ^= 1
  await writeFile(file, bent)
  const broken = await yinxin('custody', 'verify', file, '--log-key', key, '--json')
  expect(broken.code).toBe(1)
  expect((JSON.parse(broken.stdout) as { problems: unknown[] }).problems.length).toBeGreaterThan(0)
  // With the key of another log under the same name, and something else than a report.
  await writeFile(file, pdf)
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  const other = {
    algorithm: 'ed25519' as const,
    spki: publicKey.export({ format: 'der', type: 'spki' }),
    sign: (data: Uint8Array) => sign(null, data, privateKey),
  }
  await writeFile(key, encodeVkey({ name: app.app.evidence.log.origin, signer: other }))
  const foreign = await yinxin('custody', 'verify', file, '--log-key', key)
  expect(foreign).toMatchObject({ code: 1, stdout: expect.stringContaining('[log_proof]') })
  await writeFile(key, app.app.evidence.log.vkey)
  await writeFile(file, 'no pdf at all')
  expect((await yinxin('custody', 'verify', file, '--log-key', key)).code).toBe(1)
  expect((await yinxin('custody', 'verify', file)).code).toBe(64)

  if (spawnSync('pdfsig', ['-v']).error !== undefined) {
    if (process.env.CI === 'true') throw new Error('pdfsig (poppler-utils) is missing')
    console.warn('pdfsig is not installed: the seal of the report was judged by our own verifier alone')
    return ctx.skip()
  }
  await writeFile(file, pdf)
  const said = execFileSync('pdfsig', ['-nocert', file]).toString()
  expect(said).toContain('Signature is Valid')
  expect(said).toContain('Total document signed')
}, 60_000)
