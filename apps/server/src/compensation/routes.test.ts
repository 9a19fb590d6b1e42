import { createHash, randomUUID } from 'node:crypto'
import { sql } from 'kysely'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { monthNameOf } from '#src/sla/sla.ts'
import { startTestApp, type TestApp } from '../../../../testing/app.ts'
import { openStage, type Stage, type StageCompany } from '../../../../testing/stage.ts'

interface Claim {
  id: string
  month: string
  state: string
  actions: string[]
  down: { service: string; minutes: number }[]
  minutes: { eligible: number; excluded: number }
  failures: { failed: number }[]
  losses: { id: string; claimedFen: number; proofs: { id: string; sha256: string; mediaType: string }[] }[]
  steps: { action: string; by: string }[]
}

const pdf = Buffer.from('%PDF-1.7\n% an invoice\n')
let server: TestApp
let stage: Stage
let company: StageCompany
let month: string

beforeAll(async () => {
  server = await startTestApp()
  stage = await openStage({ at: server.url })
  company = await stage.company('示例科技有限公司')
  // Half an hour ago ten bad minutes began, told in time.
  const from = Math.floor(Date.now() / 60_000) - 30
  month = monthNameOf(from)
  await server.app.db.work(async (tx) => {
    const source = randomUUID()
    await sql`insert into sla_flush (source_id, seq, from_minute, to_minute, received_at, clock_offset_ms, rejected)
      values (${source}, 1, ${from}, ${from + 10}, to_timestamp(${(from + 10) * 60}), 0, false)`.execute(tx)
    await sql`insert into sla_count (source_id, seq, service, minute, tenant_id, ok, errors, slow, broken, excluded,
        received_at, late, rejected)
      select ${source}::uuid, 1, 'signing', minute, ${company.corpId}::uuid, 0, 3, 0, 0, 0,
        to_timestamp((minute + 1)::bigint * 60), false, false
      from generate_series(${from}::int, ${from + 9}::int) as minute`.execute(tx)
  })
})
afterAll(async () => server.stop())

const call = (method: string, path: string, body?: unknown, token = company.token) =>
  stage.call<Claim>(method, `/api/v1/compensation${path}`, { token, ...(body === undefined ? {} : { body }) })

it('leads a company from its failed operations to a submitted claim, and shows it to nobody else', async () => {
  const begun = await call('POST', '/claims', { month })
  expect(begun).toMatchObject({ status: 201, body: { month, state: 'drafted', minutes: { excluded: 0 } } })
  const { id, failures, down } = begun.body
  expect(down.find(({ service }) => service === 'signing')?.minutes).toBeGreaterThanOrEqual(10)
  expect(failures).toHaveLength(10)
  expect((await call('POST', '/claims', { month })).status).toBe(409)

  for (const bad of [
    { claimedFen: 1.5 },
    { claimedFen: 0 },
    { claimedFen: 10, minute: '2026-11-01T00:00:30Z' },
  ])
    expect((await call('POST', `/claims/${id}/losses`, { description: '人工', ...bad })).status).toBe(400)
  const added = await call('POST', `/claims/${id}/losses`, { description: '人工补签', claimedFen: 12_345 })
  expect(added.status).toBe(201)
  const [loss] = added.body.losses
  const send = async (content: Buffer) =>
    await fetch(`${stage.url}/api/v1/compensation/losses/${loss?.id}/proofs`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${company.token}`,
        'content-type': 'application/octet-stream',
        'x-file-name': encodeURIComponent('发票.pdf'),
        'x-yinxin-request': '1',
      },
      body: new Uint8Array(content),
    })
  expect((await send(Buffer.from('MZ'))).status).toBe(400)
  expect((await send(pdf)).status).toBe(201)

  const submitted = await call('POST', `/claims/${id}/submit`, {})
  expect(submitted.body).toMatchObject({ state: 'submitted', actions: ['withdraw'] })
  const [proof] = submitted.body.losses[0]?.proofs ?? []
  expect(proof).toMatchObject({
    mediaType: 'application/pdf',
    sha256: createHash('sha256').update(pdf).digest('hex'),
  })
  const headers = { authorization: `Bearer ${company.token}` }
  const read = await fetch(`${stage.url}/api/v1/compensation/proofs/${proof?.id}`, { headers })
  expect(Buffer.from(await read.arrayBuffer())).toEqual(pdf)
  expect(read.headers.get('content-disposition')).toContain('attachment')
  const part = await fetch(`${stage.url}/api/v1/compensation/proofs/${proof?.id}`, {
    headers: { ...headers, range: 'bytes=1-3' },
  })
  expect(await part.text()).toBe('PDF')

  const stranger = await stage.person('李四')
  expect((await call('GET', `/claims/${id}`, undefined, stranger.token)).status).toBe(404)
  expect((await call('POST', `/claims/${id}/withdraw`, {}, stranger.token)).status).toBe(404)
  expect((await call('GET', `/proofs/${proof?.id}`, undefined, stranger.token)).status).toBe(404)
  expect((await stage.call('GET', `/api/v1/compensation/claims/${id}`)).status).toBe(401)
  const list = await stage.call<{ items: Claim[] }>('GET', '/api/v1/compensation/claims', {
    token: company.token,
  })
  expect(list.body.items).toMatchObject([{ id, state: 'submitted' }])
  expect((await call('GET', `/claims/${id}`)).body.steps.map(({ action, by }) => [action, by])).toEqual([
    ['draft', 'company'],
    ['submit', 'company'],
  ])
})
