import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { startTestApp } from '../../../testing/app.ts'
import { type RunningCommand, runCommand } from '../../../testing/children/run-command.ts'
import { readConfig } from './config.ts'
import { createLog } from './log.ts'
import { removeInstallation, startServer } from './server.ts'

const cleanUps: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp()
})

async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'yinxin-up-'))
  cleanUps.push(async () => {
    await removeInstallation({ dataDir: join(folder, 'data'), keyDir: join(folder, 'data-keys') })
    await rm(folder, { recursive: true, force: true })
  })
  return folder
}

function up(folder: string): RunningCommand {
  const command = runCommand(['up'], {
    YINXIN_PORT: '0',
    YINXIN_DATA_DIR: join(folder, 'data'),
    YINXIN_LOG_LEVEL: 'error',
  })
  cleanUps.push(async () => {
    command.child.kill('SIGTERM')
    await command.ended
  })
  return command
}

/** Waits for a file of the cluster, wherever it stands. */
async function clusterFile(folder: string, name: string): Promise<string> {
  const marker = join(folder, 'data', 'postgres-location')
  for (let look = 0; look < 2000; look++) {
    const outside = await readFile(marker, 'utf8').catch(() => undefined)
    const path = join(outside?.trim() ?? join(folder, 'data', 'postgres'), 'data', name)
    if (existsSync(path)) return path
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  throw new Error(`the cluster never had ${name}`)
}

const URL_LINE = /印信 Yinxin\s+(http:\/\/\S+)/

async function codeFor(url: string, mobile: string): Promise<string> {
  const asked = await fetch(`${url}/api/v1/login-codes`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ login: mobile }),
  })
  expect(asked.status).toBe(202)
  // The message is delivered by a background job.
  for (let look = 0; look < 200; look++) {
    const outbox = await fetch(`${url}/sandbox/outbox?to=${mobile}`)
    const { messages } = (await outbox.json()) as { messages: { code: string }[] }
    if (messages[0]) return messages[0].code
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  throw new Error('the code never arrived')
}

async function createAccount(url: string, mobile: string): Promise<{ status: number; token: string }> {
  const code = await codeFor(url, mobile)
  const answer = await fetch(`${url}/api/v1/registrations`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ login: mobile, code, password: 'correct horse battery' }),
  })
  return { status: answer.status, token: ((await answer.json()) as { token: string }).token }
}

async function logIn(url: string, mobile: string): Promise<number> {
  const answer = await fetch(`${url}/api/v1/sessions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ login: mobile, password: 'correct horse battery' }),
  })
  return answer.status
}

describe('the server', () => {
  it('starts over a cloned database, is ready, and says what it simulates', async () => {
    const server = await startTestApp()
    cleanUps.push(server.stop)
    expect(await (await fetch(`${server.url}/readyz`)).json()).toEqual({
      ready: true,
      draining: false,
      checks: { database: true, keys: true, storage: true },
    })
    expect(await (await fetch(`${server.url}/api/v1/environment`)).json()).toMatchObject({ mode: 'sandbox' })
  })

  it('started by `yinxin up` stops on Ctrl-C with nothing left running, also when the database is its child', async () => {
    const command = up(await temporaryFolder())
    const [, url] = await command.saw(URL_LINE)
    expect((await fetch(`${url}/healthz`)).status).toBe(200)
    command.child.kill('SIGINT')
    expect(await command.ended).toBe(0)
    expect(command.stderr()).toBe('')
    await expect(fetch(`${url}/healthz`)).rejects.toThrow()
  })

  it('leaves no database behind when the signal comes while it is still starting', async () => {
    const folder = await temporaryFolder()
    const command = up(folder)
    const pidFile = await clusterFile(folder, 'postmaster.pid')
    command.child.kill('SIGINT')
    expect(await command.ended).toBe(0)
    await expect(readFile(pidFile)).rejects.toThrow(/ENOENT/)
  })

  it('killed with SIGKILL loses nothing that it acknowledged, and starts again on the same folder', async () => {
    const folder = await temporaryFolder()
    const first = up(folder)
    const [, url] = await first.saw(URL_LINE)
    expect(await createAccount(url as string, '13800000001')).toMatchObject({ status: 201 })
    first.child.kill('SIGKILL')
    expect(await first.ended).toBe('SIGKILL')

    const second = up(folder)
    const [, again] = await second.saw(URL_LINE)
    expect(second.stdout()).toContain('数据库已恢复')
    expect(await logIn(again as string, '13800000001')).toBe(201)
  })

  it('refuses a folder that another server uses, and wrong settings, in one readable piece', async () => {
    const folder = await temporaryFolder()
    const first = up(folder)
    await first.saw(URL_LINE)
    const second = up(folder)
    expect(await second.ended).toBe(1)
    expect(second.stderr()).toContain('in use by another running server')
    const wrong = runCommand(['up'], { YINXIN_PORT: 'eighty' })
    expect(await wrong.ended).toBe(1)
    expect(wrong.stderr()).toMatch(/YINXIN_PORT must be a whole number/)
    expect(wrong.stderr()).not.toMatch(/\.ts:\d/)
    expect(await runCommand(['nonsense'], {}).ended).toBe(64)
  })

  it('answers 503 while the database is away and serves again by itself afterwards', async () => {
    const folder = await temporaryFolder()
    const config = readConfig({
      YINXIN_PORT: '0',
      YINXIN_DATA_DIR: join(folder, 'data'),
    })
    const server = await startServer(config, { log: createLog('silent'), restartDelayMs: 800 })
    cleanUps.push(server.stop)
    const url = server.url
    const { token } = await createAccount(url, '13800000002')
    const me = async () => {
      const answer = await fetch(`${url}/api/v1/me`, { headers: { authorization: `Bearer ${token}` } })
      if (answer.status === 503) expect(await answer.json()).toMatchObject({ code: 'database_unavailable' })
      return answer.status
    }
    expect(await me()).toBe(200)

    process.kill(server.postgres?.pid() as number, 'SIGINT')
    const seen = new Set<number>()
    const deadline = performance.now() + 30_000
    let last = 0
    while (performance.now() < deadline && !(seen.has(503) && last === 200)) {
      last = await me()
      seen.add(last)
    }
    expect(last).toBe(200)
    expect([...seen].sort()).toEqual([200, 503])
    expect(await (await fetch(`${url}/readyz`)).json()).toMatchObject({ ready: true })
    // Background work came back too: a code is delivered by a job.
    expect(await createAccount(url, '13800000003')).toMatchObject({ status: 201 })
  })
})
