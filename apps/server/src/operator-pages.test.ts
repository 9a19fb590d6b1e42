import { mkdtemp, rm } from 'node:fs/promises'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { manualClock } from './clock.ts'
import { askOperator, type OperatorDoor, openOperatorDoor } from './operator-door.ts'
import { createOperatorPages } from './operator-pages.ts'

const minute = 60_000
let folder: string
let door: OperatorDoor
let clock: ReturnType<typeof manualClock>

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'yinxin-pages-'))
  clock = manualClock(new Date('2026-11-24T10:00:00Z'))
  const pages = createOperatorPages(
    {
      weather: async (lang) => `<p>${lang === 'zh' ? '晴' : 'fine'}</p>`,
      other: async () => {
        throw new Error('the barometer is broken')
      },
    },
    clock,
  )
  door = await openOperatorDoor(folder, { count: async () => 1 }, pages)
})
afterEach(async () => {
  await door.close()
  await rm(folder, { recursive: true, force: true })
})

async function link(name = 'weather'): Promise<string> {
  return ((await askOperator(folder, 'page', { name }, () => undefined)) as { url: string }).url
}

test('a command makes the address of one page, in the language of the browser or the one asked for', async () => {
  const url = await link()
  const page = async (address: string, headers = {}) => await (await fetch(address, { headers })).text()
  expect(await page(url)).toBe('<p>晴</p>')
  expect(await page(url, { 'accept-language': 'en-GB,en' })).toBe('<p>fine</p>')
  expect(await page(`${url}?lang=zh`, { 'accept-language': 'en' })).toBe('<p>晴</p>')
  const { headers } = await fetch(url)
  expect(headers.get('content-security-policy')).toContain("default-src 'none'")
  expect(headers.get('cache-control')).toBe('no-store')
  expect(headers.get('referrer-policy')).toBe('no-referrer')
})

test('its key opens nothing else: no other page, no command, nothing for another site', async () => {
  const url = await link()
  expect((await fetch(url.replace('weather', 'other'))).status).toBe(403)
  expect((await fetch(`${url.slice(0, -1)}~`)).status).toBe(403)
  const { origin, pathname } = new URL(url)
  const key = pathname.split('/').at(-1) ?? ''
  const call = await fetch(`${origin}/count`, { method: 'POST', headers: { 'x-operator-token': key } })
  expect(call.status).toBe(403)
  expect((await fetch(url, { method: 'POST' })).status).toBe(403)
  // A name of somebody else's that was pointed at this machine.
  const status = await new Promise<number | undefined>((resolve, reject) => {
    request(url, { headers: { host: 'evil.example' } }, (answer) => {
      answer.resume()
      resolve(answer.statusCode)
    })
      .on('error', reject)
      .end()
  })
  expect(status).toBe(403)
  await expect(askOperator(folder, 'page', { name: 'constructor' }, () => undefined)).rejects.toMatchObject({
    code: 'no_page',
  })
})

test('a page that is looked at stays open for half a day at most, one that is not for half an hour', async () => {
  const url = await link()
  const status = async (address: string) => (await fetch(address)).status
  for (let passed = 0; passed < 12 * 60; passed += 20) {
    expect(await status(url)).toBe(200)
    clock.advance(20 * minute)
  }
  clock.advance(minute)
  expect(await status(url)).toBe(403)
  const left = await link()
  clock.advance(31 * minute)
  expect(await status(left)).toBe(403)
})

test('a page that cannot be made says why', async () => {
  const answer = await fetch(await link('other'))
  expect(answer.status).toBe(500)
  expect(await answer.text()).toBe('the barometer is broken')
})
