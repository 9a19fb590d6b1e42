import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { PublicStatus } from '@yinxin/sdk/wire'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startTestApp, type TestApp } from '../../../../testing/app.ts'
import { writeStatus } from '../../../cli/src/status.ts'
import { newId } from '../ids.ts'
import { createIncidentCommands } from '../incidents/incidents.ts'
import { daysOf, shownDays } from './status.ts'

it('cuts a run where a day of China ends, and leaves days before measuring open', () => {
  const today = 20_000
  const midnight = today * 1440 - 480
  const days = daysOf([{ from: midnight - 3, to: midnight + 4 }], today, midnight - 1440)
  expect(days).toHaveLength(shownDays)
  expect(days.slice(-3).map(({ downMinutes }) => downMinutes)).toEqual([null, 3, 4])
  expect(days.at(-1)?.day).toBe(new Date(today * 86_400_000).toISOString().slice(0, 10))
})

describe('the status of a platform', () => {
  let server: TestApp
  let folder: string
  beforeAll(async () => {
    server = await startTestApp()
    folder = await mkdtemp(join(tmpdir(), 'yinxin-status-'))
    const minute = Math.floor(Date.now() / 60_000)
    await server.app.sla.store.insertFlushes([
      { sourceId: newId(), seq: 1, fromMinute: minute - 5, toMinute: minute, counts: [] },
    ])
    await createIncidentCommands(server.app.incidents)['incidents-open']?.({
      titleZh: '签署缓慢 <b>',
      titleEn: 'signing is slow <b>',
      services: ['signing'],
      began: new Date().toISOString(),
      by: '张一',
    })
  }, 60_000)
  afterAll(async () => {
    await server?.stop()
    await rm(folder, { recursive: true, force: true })
  })

  it('tells what works and what does not, as JSON and as a page in both languages that caches may keep', async () => {
    const status = (await (await fetch(`${server.url}/api/v1/status`)).json()) as PublicStatus
    expect(status.services.map(({ service, state }) => [service, state])).toEqual([
      ['frontend', 'up'],
      ['backend', 'up'],
      ['upload', 'up'],
      ['signing', 'down'],
      ['certificate', 'up'],
    ])
    expect(status.incidents).toMatchObject([{ number: 1, titleEn: 'signing is slow <b>', resolvedAt: null }])
    expect(status.incidents[0]?.updates.length).toBeGreaterThan(0)
    for (const [lang, words] of [
      ['zh', '部分服务故障'],
      ['en', 'Some services have an incident'],
    ]) {
      const response = await fetch(`${server.url}/status?lang=${lang}`)
      expect(response.headers.get('cache-control')).toContain('stale-if-error')
      const html = await response.text()
      expect(html).toContain(words)
      expect(html).not.toMatch(/<script|<b>/)
    }
  })

  it('is written to a folder whole, and leaves nothing but the page behind', async () => {
    await writeFile(join(folder, 'index.html'), 'old')
    await writeStatus(folder, await server.app.status.files())
    expect((await readdir(folder)).sort()).toEqual(['en.html', 'index.html', 'status.json'])
    expect(await readFile(join(folder, 'index.html'), 'utf8')).toContain('签署缓慢')
    expect(await readFile(join(folder, 'en.html'), 'utf8')).toContain('href="index.html"')
    await expect(writeStatus(folder, { '../out.html': 'x' })).rejects.toThrow()
  })
})
