/** `npm start` as a newcomer meets it: log-in printed, Ctrl-C clean, kill -9 harmless, any user, any folder. */
import { chmodSync, chownSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { spawnSync } from 'node:child_process'
import { setTimeout as wait } from 'node:timers/promises'
import { verifyBundle } from '@yinxin/evidence'
import { verifyPdf } from '@yinxin/pades'
import { parsePem } from '@yinxin/pki'
import { type Client, createClient, type SignTask } from '@yinxin/sdk'
import { buildWeb, drawSampleContract, removeInstallation, sampleKeywords } from '@yinxin/server'
import { afterEach, beforeAll, describe, expect, it } from 'vitest'
import { readConfig } from '../../apps/server/src/config.ts'
import { planClusters } from '../../apps/server/src/db/copies.ts'
import { type RunningCommand, runCommand } from '../children/run-command.ts'
import { killPostmasters, postmastersOf } from '../postmasters.ts'

const REPOSITORY = join(import.meta.dirname, '../..')
const CORP = '印信演示（上海）科技有限公司'

const cleanUps: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp()
})

// Built by the first start otherwise, and by several at once.
beforeAll(() => buildWeb())

function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'yinxin-start-'))
  cleanUps.push(async () => {
    await removeInstallation({ dataDir: join(folder, 'data'), keyDir: join(folder, 'data-keys') })
    rmSync(folder, { recursive: true, force: true })
  })
  return folder
}

function settings(folder: string): Record<string, string> {
  return { YINXIN_PORT: '0', YINXIN_DATA_DIR: join(folder, 'data'), YINXIN_LOG_LEVEL: 'error' }
}

function kept(command: RunningCommand): RunningCommand {
  cleanUps.push(async () => {
    if (command.child.exitCode !== null || command.child.signalCode !== null) return
    command.child.kill('SIGTERM')
    await command.ended
  })
  return command
}

interface Started {
  url: string
  login: string
  password: string
  app: { appId: string; appSecret: string }
}

/** Reads the greeting like a person would. */
async function greeting(command: RunningCommand): Promise<Started> {
  await command.saw(/Ctrl-C stops it/)
  const said = command.stdout()
  const find = (pattern: RegExp) => {
    const found = pattern.exec(said)?.[1]
    if (found === undefined) throw new Error(`${pattern} is not in:\n${said}`)
    return found
  }
  return {
    url: find(/印信 Yinxin\s+(http:\/\/\S+)/),
    login: find(/log in\s+(\d{11})/),
    password: find(/password\s+(\S+)/),
    app: { appId: find(/appId (\d+)/), appSecret: find(/appSecret (\S+)/) },
  }
}

async function logIn({ url, login, password }: Started): Promise<string> {
  const { me } = await createClient({ baseUrl: url }).sessions.create({ login, password })
  return me.memberships[0]?.corpName ?? ''
}

/** A contract that the company's seal signs by itself. */
async function sealContract(client: Client): Promise<SignTask> {
  const pdf = await drawSampleContract({
    corpName: CORP,
    personName: '林晓',
    number: 'YX-1',
    date: '2026年1月1日',
  })
  const file = await client.files.upload(pdf, '合同.pdf')
  const { items } = await client.seals.list()
  const scene = items.flatMap((seal) => seal.freeSignScenes)[0]
  let task = await client.signTasks.create({
    title: '合同',
    documents: [{ ref: 'd', fileId: file.id }],
    actors: [
      { ref: 'c', kind: 'corp', role: 'sign', name: CORP, freeSignBusinessId: scene?.businessId ?? '' },
    ],
    fields: [{ documentRef: 'd', actorRef: 'c', kind: 'seal', position: { keyword: sampleKeywords.corp } }],
    autoStart: true,
  })
  const deadlineMs = performance.now() + 60_000
  while (task.status !== 'finished') {
    if (performance.now() > deadlineMs) throw new Error(`the task is ${task.status}`)
    task = await client.signTasks.get(task.id)
  }
  return task
}

/** Whether a PostgreSQL with this cluster still runs. */
function databaseRuns(folder: string): boolean {
  const marker = join(folder, 'data', 'postgres-location')
  const place = existsSync(marker) ? readFileSync(marker, 'utf8').trim() : join(folder, 'data', 'postgres')
  const pidFile = join(place, 'data', 'postmaster.pid')
  if (!existsSync(pidFile)) return false
  return existsSync(`/proc/${readFileSync(pidFile, 'utf8').split('\n')[0]}`)
}

describe('npm start', { timeout: 240_000 }, () => {
  it('prints address, log-in and next step, serves the pages, and one Ctrl-C in the terminal stops all of it', async () => {
    const folder = temporaryFolder()
    // A terminal sends Ctrl-C to the whole job: to npm, which hands it on, and to the server.
    const command = kept(
      runCommand(
        ['start'],
        { ...settings(folder), HOME: folder },
        { program: ['npm'], cwd: REPOSITORY, detached: true },
      ),
    )
    const started = await greeting(command)
    expect(command.stdout()).toContain('下一步 · next')
    expect(await logIn(started)).toBe(CORP)
    const page = await fetch(started.url)
    expect(page.headers.get('content-type')).toContain('text/html')
    expect(databaseRuns(folder)).toBe(true)

    process.kill(-(command.child.pid as number), 'SIGINT')
    await command.ended
    expect(command.stdout()).toContain('已停止 · stopped')
    expect(databaseRuns(folder)).toBe(false)
    await expect(fetch(started.url)).rejects.toThrow()
  })

  it('loses nothing to kill -9: the contract signed a moment before is there, whole and provable', async () => {
    const folder = temporaryFolder()
    const first = kept(runCommand(['up'], settings(folder)))
    const before = await greeting(first)
    const task = await sealContract(createClient({ baseUrl: before.url, credential: before.app }))
    first.child.kill('SIGKILL')
    expect(await first.ended).toBe('SIGKILL')

    const second = kept(runCommand(['up'], settings(folder)))
    const after = await greeting(second)
    expect(second.stdout()).toContain('数据库已恢复')
    expect(after.app).toEqual(before.app)
    expect(await logIn(after)).toBe(CORP)
    const client = createClient({ baseUrl: after.url, credential: after.app })
    const again = await client.signTasks.get(task.id)
    expect(again).toMatchObject({ status: 'finished', documents: task.documents })
    const root = parsePem(await (await fetch(`${after.url}/ca/root.pem`)).text())
    const file = await client.signTasks.document(task.id, task.documents[0]?.documentId ?? '')
    expect(verifyPdf(file, { trust: root }).ok).toBe(true)
    const vkey = (await (await fetch(`${after.url}/log/vkey`)).text()).trim()
    const report = verifyBundle(await client.signTasks.evidence(task.id), { trust: root, logKeys: [vkey] })
    expect(report.problems).toEqual([])
  })

  it('survives kill -9 of Node and of every PostgreSQL, together and one by one', {
    timeout: 480_000,
  }, async () => {
    const folder = temporaryFolder()
    const { folders, counts } = readConfig({ ...settings(folder) }).databaseCopies
    const plans = planClusters(folders, counts)
    const homes = [...plans.main.copies, ...plans.keys.copies].map(({ home }) => home)
    const npmStart = async () => {
      const command = kept(
        runCommand(
          ['start'],
          { ...settings(folder), HOME: folder },
          { program: ['npm'], cwd: REPOSITORY, detached: true },
        ),
      )
      let isEnded = false
      const end = async (signal: NodeJS.Signals) => {
        if (isEnded) return
        isEnded = true
        // The whole job, as a terminal would: npm alone would leave the server behind.
        process.kill(-(command.child.pid as number), signal)
        await command.ended
      }
      cleanUps.push(() => end('SIGINT'))
      const started = await greeting(command)
      const client = createClient({ baseUrl: started.url, credential: started.app })
      const kill = () => end('SIGKILL')
      return { client, kill, url: started.url }
    }
    const done: SignTask[] = []
    const proveAll = async (client: Client, url: string) => {
      const trust = parsePem(await (await fetch(`${url}/ca/root.pem`)).text())
      for (const { id, documents } of done) {
        expect(await client.signTasks.get(id)).toMatchObject({ status: 'finished', documents })
        const file = await client.signTasks.document(id, documents[0]?.documentId ?? '')
        expect(verifyPdf(file, { trust }).ok).toBe(true)
      }
    }

    const first = await npmStart()
    done.push(await sealContract(first.client))
    await first.kill()
    expect(await killPostmasters(homes)).toBe(homes.length)

    const second = await npmStart()
    await proveAll(second.client, second.url)
    for (const home of homes) {
      const [pid] = await postmastersOf([home])
      process.kill(pid ?? expect.fail(`no PostgreSQL in ${home}`), 'SIGKILL')
      const deadlineMs = performance.now() + 60_000
      for (let isBack = false; !isBack; ) {
        if (performance.now() > deadlineMs) throw new Error(`the PostgreSQL of ${home} did not come back`)
        await wait(100)
        const [now] = await postmastersOf([home])
        isBack = now !== undefined && now !== pid && (await fetch(`${second.url}/readyz`)).ok
      }
      done.push(await sealContract(second.client))
    }
    await second.kill()

    const third = await npmStart()
    await proveAll(third.client, third.url)
  })

  it('runs as a user who is not root', async (context) => {
    if (process.getuid?.() !== 0) {
      // Every other test of this file has then shown it.
      console.warn('SKIPPED: the tests do not run as root, so they run as such a user already')
      return context.skip()
    }
    const folder = temporaryFolder()
    const user = { uid: 65_534, gid: 65_534 }
    chownSync(folder, user.uid, user.gid)
    if (!entersRepository(user)) {
      console.warn('SKIPPED: the clone lies where only root can enter; another user cannot run it there')
      return context.skip()
    }
    const command = kept(runCommand(['up'], { ...settings(folder), HOME: folder }, { user }))
    expect(await logIn(await greeting(command))).toBe(CORP)
    command.child.kill('SIGINT')
    expect(await command.ended).toBe(0)
    expect(databaseRuns(folder)).toBe(false)
  })

  it('runs from a clone in a folder that others cannot enter', async () => {
    const folder = temporaryFolder()
    const clone = join(folder, 'home', 'yinxin')
    mkdirSync(clone, { recursive: true })
    chmodSync(join(folder, 'home'), 0o700)
    // Hard links make a clone with real paths of its own in a moment.
    const parts = [
      'apps',
      'packages',
      'testing',
      'node_modules',
      'package.json',
      'package-lock.json',
      '.cache',
    ]
    const copied = spawnSync('cp', ['-al', ...parts.map((part) => join(REPOSITORY, part)), clone])
    if (copied.status !== 0) {
      const whole = spawnSync('cp', ['-a', ...parts.map((part) => join(REPOSITORY, part)), clone])
      expect(whole.status, whole.stderr.toString()).toBe(0)
    }
    const command = kept(
      runCommand(['up'], settings(folder), {
        program: [join(clone, 'node_modules/.bin/node'), join(clone, 'apps/cli/src/main.ts')],
        cwd: clone,
      }),
    )
    expect(await logIn(await greeting(command))).toBe(CORP)
    command.child.kill('SIGINT')
    expect(await command.ended).toBe(0)
    expect(databaseRuns(folder)).toBe(false)
  })
})

function entersRepository(user: { uid: number; gid: number }): boolean {
  return spawnSync('test', ['-r', join(REPOSITORY, 'package.json')], { ...user, cwd: '/' }).status === 0
}
