/** The ways back, walked with the commands that an operator has: a moment restored, and a lost primary replaced. */
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { verifyBundle } from '@yinxin/evidence'
import { verifyPdf } from '@yinxin/pades'
import { parsePem } from '@yinxin/pki'
import { buildWeb, drawSampleContract, removeInstallation } from '@yinxin/server'
import { afterEach, beforeAll, describe, expect, it } from 'vitest'
import { readConfig } from '../../apps/server/src/config.ts'
import { planClusters } from '../../apps/server/src/db/copies.ts'
import { type RunningCommand, runCommand, yinxin } from '../children/run-command.ts'
import { clusterOf, killPostmasters } from '../postmasters.ts'
import { openStage, type Stage, type StageCompany } from '../stage.ts'

const cleanUps: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp()
})
beforeAll(() => buildWeb())

type Settings = Record<string, string>

function newInstallation(copies: string): Settings {
  const folder = mkdtempSync(join(tmpdir(), 'yinxin-way-back-'))
  chmodSync(folder, 0o711)
  const settings = {
    YINXIN_MODE: 'sandbox',
    YINXIN_PORT: '0',
    YINXIN_DATA_DIR: join(folder, 'data'),
    YINXIN_DB_COPIES: copies,
    YINXIN_LOG_LEVEL: 'error',
  }
  cleanUps.push(async () => {
    await removeInstallation(readConfig(settings))
    rmSync(folder, { recursive: true, force: true })
  })
  return settings
}

async function up(settings: Settings) {
  const command = runCommand(['up'], settings)
  cleanUps.push(() => end(command, 'SIGTERM'))
  await command.saw(/Ctrl-C stops it/)
  const url = /印信 Yinxin\s+(http:\/\/\S+)/.exec(command.stdout())?.[1] ?? expect.fail('no address')
  return { command, stage: await openStage({ at: url }) }
}

async function end({ child, ended }: RunningCommand, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) child.kill(signal)
  await ended
}

async function command<Answer>(settings: Settings, ...args: string[]): Promise<Answer> {
  const { code, stdout, stderr } = await yinxin([...args, '--json'], settings)
  expect(code, stderr || stdout).toBe(0)
  return JSON.parse(stdout) as Answer
}

async function signed(stage: Stage, corp: StageCompany, number: number): Promise<string> {
  const pdf = await drawSampleContract({
    corpName: corp.name,
    personName: '张三',
    number: `YX-2026-${number}`,
    date: '2026年1月1日',
  })
  const mobile = `1380000${number}`
  const task = await stage.createTask(corp.token, {
    documents: [{ ref: 'd', fileId: await stage.upload(corp.token, pdf) }],
    actors: [{ ref: 'person', kind: 'person', role: 'sign', name: '张三', mobile }],
    autoStart: true,
  })
  const visitor = await stage.visit(await stage.link(corp.token, task, 'person'), mobile, '张三')
  expect((await stage.sign(visitor, mobile)).status).toBe(200)
  await stage.until(corp.token, task.id, (one) => one.status === 'finished', 60_000)
  return task.id
}

/** Downloads the contract and its evidence, and judges both as a stranger would. */
async function judge(stage: Stage, token: string, taskId: string): Promise<void> {
  const task = await stage.task(token, taskId)
  const path = `/api/v1/sign-tasks/${taskId}`
  const file = await stage.download(`${path}/documents/${task.documents[0]?.documentId}/content`, token)
  const trust = parsePem(Buffer.from(await stage.download('/ca/root.pem')).toString('utf8'))
  expect(verifyPdf(file, { trust })).toMatchObject({ ok: true, signatures: [{ status: 'valid' }] })
  const vkey = Buffer.from(await stage.download('/log/vkey'))
    .toString('utf8')
    .trim()
  const bundle = await stage.download(`${path}/evidence`, token)
  expect(verifyBundle(bundle, { trust, logKeys: [vkey] })).toMatchObject({ ok: true, problems: [] })
}

describe('the ways back', { timeout: 240_000 }, () => {
  it('restores a moment into a folder from which `yinxin up` starts: what came before is there, what came after is not', async () => {
    const settings = newInstallation('1+0')
    const first = await up(settings)
    const corp = await first.stage.company('示例科技有限公司')
    const earlier = await signed(first.stage, corp, 1801)
    await command(settings, 'backup', 'now')
    const alsoEarlier = await signed(first.stage, corp, 1802)
    await wait(50)
    const moment = new Date()
    await wait(50)
    const later = await signed(first.stage, corp, 1803)
    // The archive must know a time after the moment.
    await command(settings, 'backup', 'now')
    await end(first.command, 'SIGTERM')

    const to = join(settings.YINXIN_DATA_DIR ?? '', '../restored')
    const { environment, restores } = await command<{
      environment: Settings
      restores: { cluster: string; askedFor: string | null }[]
    }>(settings, 'restore', '--at', moment.toISOString(), '--to', to)
    expect(restores.map(({ cluster, askedFor }) => [cluster, askedFor])).toEqual([
      ['main', moment.toISOString()],
      ['keys', null],
    ])
    // Exactly what is printed, beside what says how this test runs.
    const restored = { YINXIN_MODE: 'sandbox', YINXIN_PORT: '0', YINXIN_LOG_LEVEL: 'error', ...environment }
    cleanUps.push(() => removeInstallation(readConfig(restored)))
    const second = await up(restored)
    await judge(second.stage, corp.token, earlier)
    await judge(second.stage, corp.token, alsoEarlier)
    const missing = await second.stage.call('GET', `/api/v1/sign-tasks/${later}`, { token: corp.token })
    expect(missing.status).toBe(404)
    // It lives on: it signs, and what it signs verifies beside what was restored.
    await judge(second.stage, corp.token, await signed(second.stage, corp, 1804))
  })

  it('replaces both primaries, lost for good while the platform was down, by their copies', async () => {
    const settings = newInstallation('1+1')
    const { folders, counts } = readConfig(settings).databaseCopies
    const plans = planClusters(folders, counts)
    const clusters = ['main', 'keys'] as const
    const homes = clusters.flatMap((name) => plans[name].copies.map(({ home }) => home))
    const first = await up(settings)
    const corp = await first.stage.company('示例科技有限公司')
    const contract = await signed(first.stage, corp, 1901)
    // Power is gone in the primary site, and its disks with it.
    await end(first.command, 'SIGKILL')
    expect(await killPostmasters(homes)).toBe(4)
    for (const name of clusters) await rm(await clusterOf(plans[name].copies[0].home), { recursive: true })

    const refused = runCommand(['up'], settings)
    expect(await refused.ended).not.toBe(0)
    expect(refused.stderr()).toMatch(/yinxin db promote .*--stopped/)
    for (const name of clusters) {
      const done = await command<{ from: string; to: string; term: number }>(
        settings,
        'db',
        'promote',
        '--stopped',
        '--cluster',
        name,
      )
      expect(done).toMatchObject({ from: `${name}-p1`, to: `${name}-r1`, term: 2 })
    }
    const second = await up(settings)
    await judge(second.stage, corp.token, contract)
    await judge(second.stage, corp.token, await signed(second.stage, corp, 1902))
    // The lost ones were made anew, as copies.
    const { copies } = await command<{ copies: { name: string; role: string; state: string }[] }>(
      settings,
      'db',
      'status',
    )
    expect(copies.map(({ name, role, state }) => [name, role, state])).toEqual([
      ['main-p1', 'standby', 'streaming'],
      ['main-r1', 'primary', 'running'],
      ['keys-p1', 'standby', 'streaming'],
      ['keys-r1', 'primary', 'running'],
    ])
  })
})
