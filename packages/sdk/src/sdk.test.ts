import { createServer } from 'node:http'
import { afterEach, expect, test } from 'vitest'
import { createClient, YinxinProblem } from './sdk.ts'

const closers: (() => void)[] = []
afterEach(() => {
  for (const close of closers.splice(0)) close()
})

async function serve(
  answer: (headers: Record<string, unknown>, body: Buffer, url: string) => [number, string],
) {
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const [status, text] = answer(request.headers, Buffer.concat(chunks), request.url ?? '')
    response.writeHead(status, { 'content-type': 'application/json' }).end(text)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  closers.push(() => server.close())
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return `http://127.0.0.1:${address.port}`
}

test('an upload carries its name, its hash and the app signature', async () => {
  let seen: Record<string, unknown> = {}
  const baseUrl = await serve((headers) => {
    seen = headers
    return [201, '{"id":"f"}']
  })
  const client = createClient({ baseUrl, credential: { appId: '1', appSecret: 's' } })
  expect(await client.files.upload(new TextEncoder().encode('%PDF'), '合同.pdf')).toEqual({ id: 'f' })
  expect(seen['x-file-name']).toBe(encodeURIComponent('合同.pdf'))
  expect(seen['content-sha256']).toMatch(/^[0-9a-f]{64}$/)
  expect(seen['x-yinxin-signature']).toMatch(/^[0-9a-f]{64}$/)
})

test('a refusal becomes a YinxinProblem with its stable code', async () => {
  const baseUrl = await serve(() => [
    404,
    '{"type":"about:blank","title":"Not Found","status":404,"code":"task_not_found","detail":"没有这个签署任务","requestId":"r"}',
  ])
  const refused = createClient({ baseUrl }).signTasks.get('x')
  await expect(refused).rejects.toBeInstanceOf(YinxinProblem)
  await expect(refused).rejects.toMatchObject({ code: 'task_not_found', status: 404 })
})

test('an answer that is not from the platform is named so', async () => {
  const baseUrl = await serve(() => [502, '<html>bad gateway</html>'])
  await expect(createClient({ baseUrl }).me.get()).rejects.toMatchObject({ code: 'not_a_yinxin_answer' })
})

test('an id stays one part of the path, whatever stands in it', async () => {
  let url = ''
  const baseUrl = await serve((_headers, _body, at) => {
    url = at
    return [200, '{}']
  })
  const client = createClient({ baseUrl, credential: { sessionToken: 't' } })
  await client.files.get('x/../../apps?limit=1#')
  expect(url).toBe('/api/v1/files/x%2F..%2F..%2Fapps%3Flimit%3D1%23')
  await client.signTasks.document('a/b', 'c?d')
  expect(url).toBe('/api/v1/sign-tasks/a%2Fb/documents/c%3Fd/content')
  await expect(client.files.get('..')).rejects.toThrow('not an id')
  await expect(client.ceremonies.cover('')).rejects.toThrow('not an id')
})

test('list filters travel in the query and absent ones do not', async () => {
  let url = ''
  const baseUrl = await serve((_headers, _body, at) => {
    url = at
    return [200, '{"items":[],"nextCursor":null}']
  })
  await createClient({ baseUrl }).signTasks.list({ status: 'signing', limit: 5 })
  expect(url).toBe('/api/v1/sign-tasks?status=signing&limit=5')
})
