import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { bearer, clock, type HttpStage, openHttpStage, other, person, seen } from './http-stage.ts'

let stage: HttpStage

beforeAll(async () => {
  stage = await openHttpStage()
})
afterAll(() => stage.close())

describe('idempotency keys', () => {
  const keyed = (key: string, headers = bearer) => ({ ...headers, 'idempotency-key': key })

  it('answer a repetition with the first answer', async () => {
    const first = await stage.post('/api/v1/things/abc', { n: 1 }, keyed('k1'))
    const before = seen.handled
    const second = await stage.post('/api/v1/things/abc', { n: 1 }, keyed('k1'))
    expect(seen.handled).toBe(before)
    expect(second.status).toBe(201)
    expect(second.headers.get('idempotency-replayed')).toBe('true')
    expect(await second.json()).toEqual(await first.json())
  })

  it('are refused for another body and are private to their owner', async () => {
    const answer = await stage.post('/api/v1/things/abc', { n: 2 }, keyed('k1'))
    expect([answer.status, await answer.json()]).toMatchObject([409, { code: 'idempotency_key_reused' }])
    const foreign = await stage.post(
      '/api/v1/things/abc',
      { n: 2 },
      keyed('k1', { authorization: `Bearer ${other.token}` }),
    )
    expect(foreign.status).toBe(201)
  })

  it('let one of two concurrent requests through', async () => {
    const slow = stage.post('/api/v1/things/abc', { n: 1, note: 'slow' }, keyed('k2'))
    const before = seen.handled
    while (seen.handled === before) await new Promise((resolve) => setTimeout(resolve, 5))
    const second = await stage.post('/api/v1/things/abc', { n: 1, note: 'slow' }, keyed('k2'))
    expect([second.status, await second.json()]).toMatchObject([409, { code: 'idempotency_in_progress' }])
    seen.release()
    expect((await slow).status).toBe(201)
    expect(seen.handled).toBe(before + 1)
  })

  it('are free again after a refusal', async () => {
    expect((await stage.post('/api/v1/things/abc', { n: 1, note: 'refuse' }, keyed('k3'))).status).toBe(410)
    expect((await stage.post('/api/v1/things/abc', { n: 1, note: 'refuse' }, keyed('k3'))).status).toBe(410)
    expect((await stage.post('/api/v1/things/abc', { n: 1 }, keyed('k3'))).status).toBe(201)
  })

  it('of work in steps survive a crash after the commit, and are free after a failure before it', async () => {
    expect((await stage.post('/api/v1/steps', { crash: true }, keyed('s1'))).status).toBe(500)
    const before = seen.handled
    const again = await stage.post('/api/v1/steps', { crash: true }, keyed('s1'))
    expect([again.status, await again.json(), seen.handled]).toEqual([200, { n: before }, before])
    expect((await stage.post('/api/v1/steps', { fail: true }, keyed('s2'))).status).toBe(503)
    expect((await stage.post('/api/v1/steps', { fail: true }, keyed('s2'))).status).toBe(503)
    expect(seen.handled).toBe(before + 2)
  })

  it('of work that outlasted its lease commit nothing once somebody else took over', async () => {
    const begin = async () => {
      const before = seen.handled
      const answer = stage.post('/api/v1/steps', { slow: true }, keyed('s3'))
      while (seen.handled === before) await new Promise((resolve) => setTimeout(resolve, 5))
      return { answer, release: seen.release }
    }
    const first = await begin()
    clock.advance(2 * 60_000 + 1)
    const second = await begin()
    first.release()
    const late = await first.answer
    expect([late.status, await late.json()]).toMatchObject([409, { code: 'idempotency_in_progress' }])
    second.release()
    const done = await second.answer
    expect(done.status).toBe(200)
    const again = await stage.post('/api/v1/steps', { slow: true }, keyed('s3'))
    expect(await again.json()).toEqual(await done.json())
  })

  it('must be visible ASCII, and keep their answers sealed in the database', async () => {
    expect((await stage.post('/api/v1/things/abc', { n: 1 }, keyed('k'.repeat(129)))).status).toBe(400)
    const { rows } = await stage.db.as(person.personId, async (tx) => {
      const t = tx.withTables<{ idempotency_keys: { key: string; answer: Buffer } }>()
      return { rows: await t.selectFrom('idempotency_keys').select(['key', 'answer']).execute() }
    })
    expect(rows.length).toBeGreaterThan(0)
    for (const row of rows) expect(row.answer?.toString('latin1') ?? '').not.toContain(person.personId)
  })
})
