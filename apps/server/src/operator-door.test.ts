import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { z } from 'zod'
import { askOperator, NoServer, type OperatorDoor, openOperatorDoor } from './operator-door.ts'

let folder: string
let door: OperatorDoor
let isAborted = false

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'yinxin-door-'))
  isAborted = false
  door = await openOperatorDoor(folder, {
    async count(options, { report }) {
      for (let n = 1; n <= 3; n += 1) report({ n })
      return { given: options }
    },
    async refuse() {
      throw Object.assign(new Error('no'), { code: 'not_now', zh: '现在不行', en: 'not now' })
    },
    hold: async (options) => z.object({ taskId: z.uuid() }).parse(options),
    wait: (_options, { signal }) =>
      new Promise((resolve) => {
        signal.addEventListener('abort', () => {
          isAborted = true
          resolve('aborted')
        })
      }),
  })
})
afterEach(async () => {
  await door.close()
  await rm(folder, { recursive: true, force: true })
})

const ask = (name: string, options = {}, signal?: AbortSignal) => {
  const progress: unknown[] = []
  return { progress, answer: askOperator(folder, name, options, (one) => progress.push(one), signal) }
}

test('a command gets its options, reports progress and answers', async () => {
  const { progress, answer } = ask('count', { a: '甲' })
  expect(await answer).toEqual({ given: { a: '甲' } })
  expect(progress).toEqual([{ n: 1 }, { n: 2 }, { n: 3 }])
})

test('a refusal comes through with its code and both texts', async () => {
  await expect(ask('refuse').answer).rejects.toMatchObject({
    code: 'not_now',
    zh: '现在不行',
    message: 'not now',
  })
})

test('options that do not fit are named in one line of either language', async () => {
  const refused = await ask('hold', { taskId: 'x' }).answer.catch((error: unknown) => error)
  expect(refused).toMatchObject({ code: 'input_invalid' })
  const { zh, message } = refused as { zh: string; message: string }
  expect(zh).toMatch(/^参数不符合要求：taskId \([^\n]+\)$/)
  expect(message).toMatch(/^Options that do not fit: taskId \([^\n]+\)$/)
})

test('the token is only for the owner of the folder, and without it nothing is answered', async () => {
  const path = join(folder, 'operator-door.json')
  expect((await stat(path)).mode & 0o777).toBe(0o600)
  const { port, token } = JSON.parse(await readFile(path, 'utf8')) as { port: number; token: string }
  const post = (headers: Record<string, string>, name = 'count') =>
    fetch(`http://127.0.0.1:${port}/${name}`, { method: 'POST', headers })
  expect((await post({})).status).toBe(403)
  expect((await post({ 'x-operator-token': `${token.slice(0, -1)}~` })).status).toBe(403)
  expect((await post({ 'x-operator-token': token }, 'nothing')).status).toBe(404)
  expect((await post({ 'x-operator-token': token })).status).toBe(200)
  expect(
    (await fetch(`http://127.0.0.1:${port}/count`, { headers: { 'x-operator-token': token } })).status,
  ).toBe(404)
})

test('a caller that goes away ends its command', async () => {
  const ending = new AbortController()
  const { answer } = ask('wait', {}, ending.signal)
  setTimeout(() => ending.abort(), 50)
  await expect(answer).rejects.toThrow()
  await expect.poll(() => isAborted).toBe(true)
})

test('a closed door, and one that a killed server left, are told from a running server', async () => {
  const path = join(folder, 'operator-door.json')
  const left = await readFile(path)
  await door.close()
  await expect(ask('count').answer).rejects.toBeInstanceOf(NoServer)
  await writeFile(path, left)
  await expect(ask('count').answer).rejects.toBeInstanceOf(NoServer)
  door = await openOperatorDoor(folder, {})
  await expect(ask('count').answer).rejects.toBeInstanceOf(NoServer)
})
