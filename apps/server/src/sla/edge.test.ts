import { once } from 'node:events'
import { connect } from 'node:net'
import { Readable } from 'node:stream'
import { minuteText } from '@yinxin/sla'
import { fastify } from 'fastify'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openStage, type Stage } from '../../../../testing/stage.ts'
import { manualClock } from '../clock.ts'
import type { Http } from '../http/http.ts'
import { measureEdge, serviceOf } from './edge-routes.ts'
import { createMeter, type CountDelta } from './meter.ts'

describe('a request at the edge', () => {
  const app = fastify({ forceCloseConnections: true })
  const meter = createMeter(manualClock(new Date('2026-11-24T08:00:30Z')))
  const hanging: (() => void)[] = []
  let edge: ReturnType<typeof measureEdge>
  let port = 0

  beforeAll(async () => {
    app.decorateRequest('caller', null)
    app.get('/api/v1/good', async () => 'good')
    app.get('/api/v1/refused', async (_request, reply) => reply.code(404).send('no'))
    app.get('/api/v1/failing', async () => Promise.reject(new Error('out of order')))
    app.get('/api/v1/hanging', () => new Promise<void>((resolve) => hanging.push(resolve)))
    app.get('/healthz', async () => 'ok')
    app.get('/api/v1/breaking', async (_request, reply) => {
      async function* pieces() {
        yield Buffer.from('half')
        await new Promise((resolve) => setImmediate(resolve))
        throw new Error('the other half is gone')
      }
      return reply.send(Readable.from(pieces()))
    })
    edge = measureEdge({ http: { app } as unknown as Http, meter, taggedApps: [] })
    await app.listen({ port: 0, host: '127.0.0.1' })
    const address = app.server.address()
    port = typeof address === 'object' && address !== null ? address.port : 0
  })
  afterAll(async () => {
    for (const resolve of hanging) resolve()
    await app.close()
  })

  const ask = async (path: string) => {
    const answer = await fetch(`http://127.0.0.1:${port}${path}`, { headers: { connection: 'close' } })
    await answer.text().catch(() => undefined)
  }
  /** What was counted, once the connections are done with it. */
  const counted = async () => {
    let total: Partial<CountDelta> = {}
    for (let tries = 0; tries < 100; tries += 1) {
      const [taken] = meter.take()
      if (taken !== undefined) total = taken
      if (taken !== undefined) break
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
    const { ok, error, slow, broken, excluded } = total
    return { ok, error, slow, broken, excluded }
  }
  const only = (outcome: string) => ({ ok: 0, error: 0, slow: 0, broken: 0, excluded: 0, [outcome]: 1 })

  it.each([
    ['good', 'ok'],
    ['refused', 'excluded'],
    ['failing', 'error'],
    ['breaking', 'broken'],
  ])('that is %s counts as %s', async (path, outcome) => {
    await ask(`/api/v1/${path}`)
    expect(await counted()).toEqual(only(outcome))
  })

  it('whose caller leaves in time does not count; one that hangs beyond its limit counts at once', async () => {
    const socket = connect(port, '127.0.0.1')
    socket.write('GET /api/v1/hanging HTTP/1.1\r\nhost: x\r\n\r\n')
    await expect.poll(() => hanging.length).toBe(1)
    edge.sweep()
    expect(meter.take()).toEqual([])
    socket.destroy()
    await once(socket, 'close')
    expect(await counted()).toEqual(only('excluded'))
  })

  it('of a monitor is none of the promise', async () => {
    await ask('/healthz')
    await ask('/nowhere')
    await ask('/api/v1/good')
    expect(await counted()).toEqual(only('ok'))
    expect(meter.take()).toEqual([])
  })

  it('belongs to one of the five services', () => {
    expect(serviceOf('GET', '/*')).toBe('frontend')
    expect(serviceOf('POST', '/api/v1/files')).toBe('upload')
    expect(serviceOf('PUT', '/api/v5/upload/:token')).toBe('upload')
    expect(serviceOf('POST', '/api/v1/ceremonies/:token/sign')).toBe('signing')
    expect(serviceOf('GET', '/api/v1/files/:id')).toBe('backend')
    expect(serviceOf('POST', '/api/v1/sla/probe-reports')).toBeNull()
  })
})

describe('a whole installation', () => {
  let stage: Stage
  beforeAll(async () => {
    stage = await openStage()
  })
  afterAll(() => stage.close())

  it('counts upload, signature and certificate of a contract for its tenant', async () => {
    const corp = await stage.company('示例科技有限公司')
    const { drawSampleContract } = await import('../sandbox/sandbox.ts')
    const pdf = await drawSampleContract({
      corpName: corp.name,
      personName: '张三',
      number: '1',
      date: '2026-11-24',
    })
    const fileId = await stage.upload(corp.token, pdf)
    const task = await stage.createTask(corp.token, {
      documents: [{ ref: 'contract', fileId }],
      actors: [
        {
          ref: 'company',
          kind: 'corp',
          role: 'sign',
          name: corp.name,
          subjectId: corp.corpId,
          freeSignBusinessId: corp.businessId,
        },
      ],
      autoStart: true,
    })
    await stage.until(corp.token, task.id, (now) => now.status === 'finished')
    const { sla } = stage.server().app
    await sla.flush.flush()
    const minute = sla.meter.minute()
    const basis = { late: true, until: new Date(Date.now() + 60_000) }
    const all = async (service: 'upload' | 'signing' | 'certificate' | 'backend', tenantId?: string) => {
      const found = await sla.store.traffic(
        service,
        { from: minute - 3, to: minute + 3 },
        { ...basis, ...(tenantId === undefined ? {} : { tenantId }) },
      )
      return [...found.values()].reduce(
        (sum, one) => ({ valid: sum.valid + one.valid, ok: sum.ok + one.ok }),
        {
          valid: 0,
          ok: 0,
        },
      )
    }
    expect(await all('upload', corp.corpId)).toEqual({ valid: 1, ok: 1 })
    expect(await all('signing', corp.corpId)).toEqual({ valid: 1, ok: 1 })
    expect(await all('certificate')).toEqual({ valid: 1, ok: 1 })
    expect((await all('backend')).valid).toBeGreaterThan(3)

    const { status, body } = await stage.call('GET', `/api/v1/sla/minutes/upload/${minuteText(minute)}`)
    expect(status).toBe(200)
    expect(body).toMatchObject({ service: 'upload', processes: 1 })
    expect((await stage.call('GET', '/api/v1/sla/months/2020-01')).body).toMatchObject({
      code: 'sla_month_not_measured',
    })
    expect((await stage.call('GET', '/api/v1/sla/months/2020-13')).body).toMatchObject({
      code: 'sla_month_unreadable',
    })
    const { body: months } = await stage.call<{ months: string[] }>('GET', '/api/v1/sla/months')
    // What is signed for the company of a probe is no traffic.
    sla.meter.tagTenant(corp.corpId)
    const again = await stage.createTask(corp.token, {
      documents: [{ ref: 'contract', fileId }],
      actors: [
        {
          ref: 'company',
          kind: 'corp',
          role: 'sign',
          name: corp.name,
          subjectId: corp.corpId,
          freeSignBusinessId: corp.businessId,
        },
      ],
      autoStart: true,
    })
    await stage.until(corp.token, again.id, (now) => now.status === 'finished')
    await sla.flush.flush()
    expect(await all('signing', corp.corpId)).toEqual({ valid: 1, ok: 1 })
    expect(await all('certificate', corp.corpId)).toEqual({ valid: 1, ok: 1 })

    const month = await stage.call('GET', `/api/v1/sla/months/${months.months[0]}`)
    expect(month.body).toMatchObject({ timeZone: 'Asia/Shanghai', closed: false, servicePeriod: false })
    const csv = await stage.call<string>('GET', `/api/v1/sla/months/${months.months[0]}/upload/minutes.csv`)
    expect(csv.body).toMatch(/^minute,valid,ok,maintenance\n/)
    const mine = await stage.call('GET', `/api/v1/sla/mine/${months.months[0]}`, { token: corp.token })
    expect(mine.status).toBe(200)
    expect((await stage.call('GET', `/api/v1/sla/mine/${months.months[0]}`)).status).toBe(401)
  })
})
