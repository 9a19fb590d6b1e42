import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createClient, type OutboxMessage, type SignTask } from '@yinxin/sdk'
import { drawSampleContract, sampleKeywords } from '@yinxin/server'
import { afterAll, afterEach, describe, expect, it } from 'vitest'
import { type RunningCommand, runCommand, yinxin } from '../../../testing/children/run-command.ts'

const folder = mkdtempSync(join(tmpdir(), 'yinxin-sandbox-test-'))
const running: RunningCommand[] = []
afterEach(async () => {
  for (const command of running.splice(0)) {
    command.child.kill('SIGTERM')
    await command.ended
  }
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

interface Facts {
  baseUrl: string
  fascUrl: string
  appId: string
  appSecret: string
  openCorpId: string
  corpName: string
  sealId: number
  businessId: string
  openUserId: string
  userName: string
  outboxUrl: string
}

let places = 0

/** A running sandbox with a folder for temporary files of its own. */
async function start() {
  places += 1
  const place = join(folder, String(places))
  mkdirSync(place, { mode: 0o711 })
  const command = runCommand(['sandbox', '--json'], { TMPDIR: place }, { stdin: 'pipe' })
  running.push(command)
  const [line] = await command.saw(/^.*\n/)
  return { command, place, facts: JSON.parse(line) as Facts }
}

describe('yinxin sandbox', { timeout: 180_000 }, () => {
  it('says exactly one line of JSON with what a client needs', async () => {
    const { command, facts } = await start()
    expect(Object.keys(facts)).toEqual([
      'baseUrl',
      'fascUrl',
      'appId',
      'appSecret',
      'openCorpId',
      'corpName',
      'sealId',
      'businessId',
      'openUserId',
      'userName',
      'outboxUrl',
    ])
    expect(facts.fascUrl).toBe(`${facts.baseUrl}/api/v5`)
    expect(facts.openCorpId).toMatch(/^[0-9a-f]{32}$/)
    expect(facts.openUserId).toMatch(/^[0-9a-f]{32}$/)
    expect(facts.sealId).toBeGreaterThan(0)
    const environment = await createClient(facts).environment()
    expect(environment.mode).toBe('sandbox')
    const outbox = (await (await fetch(facts.outboxUrl)).json()) as { messages: OutboxMessage[] }
    expect(outbox.messages.every((message) => message.code !== null)).toBe(true)
    command.child.stdin?.end()
    expect(await command.ended).toBe(0)
    expect(command.stdout().split('\n')).toHaveLength(2)
    expect(command.stderr()).toBe('')
  })

  it('completes a company’s task without a browser, and leaves nothing behind when its input closes', async () => {
    const { command, place, facts } = await start()
    const client = createClient({ baseUrl: facts.baseUrl, credential: facts })
    const pdf = await drawSampleContract({
      corpName: facts.corpName,
      personName: facts.userName,
      number: 'YX-1',
      date: '2026年1月1日',
    })
    const file = await client.files.upload(pdf, '合同.pdf')
    let task: SignTask = await client.signTasks.create({
      title: '合同',
      documents: [{ ref: 'd', fileId: file.id }],
      actors: [
        { ref: 'c', kind: 'corp', role: 'sign', name: facts.corpName, freeSignBusinessId: facts.businessId },
      ],
      fields: [{ documentRef: 'd', actorRef: 'c', kind: 'seal', position: { keyword: sampleKeywords.corp } }],
      autoStart: true,
    })
    const deadlineMs = performance.now() + 30_000
    while (task.status !== 'finished' && performance.now() < deadlineMs)
      task = await client.signTasks.get(task.id)
    expect(task.status).toBe('finished')

    expect(readdirSync(place)).toHaveLength(1)
    command.child.stdin?.end()
    expect(await command.ended).toBe(0)
    expect(readdirSync(place)).toEqual([])
    await expect(fetch(facts.baseUrl)).rejects.toThrow()
  })

  it('ends on SIGTERM as well, with its input still open or closing at the same time', async () => {
    for (const closes of [false, true]) {
      const { command, place } = await start()
      command.child.kill('SIGTERM')
      if (closes) command.child.stdin?.end()
      expect(await command.ended).toBe(0)
      expect(readdirSync(place)).toEqual([])
    }
  })

  it('tells the same in readable form without --json, and wrong usage with exit code 64', async () => {
    const command = runCommand(['sandbox', '--lang', 'en'], {}, { stdin: 'pipe' })
    running.push(command)
    await command.saw(/Ctrl-C ends it/)
    expect(command.stdout()).toMatch(/FASC API\s+http:\S+\/api\/v5\n/)
    expect((await yinxin(['sandbox', '--port'])).code).toBe(64)
  })
})
