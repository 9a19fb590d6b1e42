import { execFileSync } from 'node:child_process'
import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openStage, type Stage } from '../../../../testing/stage.ts'
import { startFakeDingtalk, type FakeDingtalk } from '../../../../testing/fakes/dingtalk.ts'
import type { Diagnosis, PublicIncident } from '../../../../packages/sdk/src/wire.ts'

const token = 'a-token-of-the-scraper'
let stage: Stage
let dingtalk: FakeDingtalk

beforeAll(async () => {
  dingtalk = await startFakeDingtalk({ robots: { one: { secret: 'SECone' } } })
  stage = await openStage({
    environment: {
      YINXIN_METRICS_TOKEN: token,
      YINXIN_ALERT_DINGTALK_URLS: dingtalk.robotUrl('one'),
      YINXIN_ALERT_DINGTALK_SECRETS: 'SECone',
    },
  })
})
afterAll(async () => {
  await stage.close()
  await dingtalk.close()
})

const metrics = async () => await stage.ok<string>('GET', '/metrics', { token })

describe('/metrics', () => {
  it('is for the bearer of its token alone', async () => {
    expect((await stage.call('GET', '/metrics')).status).toBe(401)
    expect((await stage.call('GET', '/metrics', { token: `${token}x` })).status).toBe(401)
  })

  it('counts requests, measures every room, names no tenant, and promtool reads it', async (ctx) => {
    const corp = await stage.company('指标科技有限公司')
    const before = /yinxin_requests_total\{service="backend",outcome="ok"\} (\d+)/.exec(await metrics())?.[1]
    await stage.ok('GET', '/api/v1/seals', { token: corp.token })
    await expect
      .poll(async () =>
        Number(/yinxin_requests_total\{service="backend",outcome="ok"\} (\d+)/.exec(await metrics())?.[1]),
      )
      .toBe(Number(before) + 1)
    const text = await metrics()
    for (const name of [
      'yinxin_request_duration_seconds_bucket{service="backend",le="+Inf"}',
      'yinxin_key_store_up 1',
      'yinxin_storage_domain_ready{',
      'yinxin_storage_writable{class="signed"} 1',
      'yinxin_certificate_expires_seconds{name="tsa"}',
      'yinxin_pool_connections{database="main",role="yinxin_app",state="busy"}',
      'yinxin_queue_oldest_seconds',
      'yinxin_messages{state="queued"}',
      'yinxin_alerts_firing{severity="P1",acknowledged="false"} 0',
      'yinxin_sla_bad_run_length{service="signing"}',
    ]) {
      expect(text).toContain(name)
    }
    expect(text).not.toMatch(/yinxin_measure_failed\{[^}]*\} 1/)
    expect(text).not.toContain(corp.corpId)
    expect(text).not.toContain('指标')
    try {
      execFileSync('promtool', ['check', 'metrics'], { input: text, stdio: ['pipe', 'pipe', 'pipe'] })
    } catch (error) {
      const { code, stderr } = error as { code?: string; stderr?: Buffer }
      if (code !== 'ENOENT') throw new Error(String(stderr), { cause: error })
      if (process.env.CI === 'true') throw error
      console.warn('skipped: promtool is not installed')
      ctx.skip()
    }
  })
})

describe('an alert', () => {
  it('reaches the group through the queue of the running platform, is looked at without effect, and acknowledged by its link', async () => {
    const { app } = stage.server()
    await app.monitoring.onCall.add({
      person: '张一',
      role: 'primary',
      mobile: '13900000001',
      mail: null,
      lang: 'zh',
      from: new Date(Date.now() - 1000),
      to: new Date(Date.now() + 1000_000),
      by: 'test',
    })
    await app.monitoring.evaluate()
    const post = await expect
      .poll(() => dingtalk.received.find(({ text }) => text.includes('值班表有空档')), { timeout: 20_000 })
      .toBeDefined()
      .then(() => dingtalk.received.find(({ text }) => text.includes('值班表有空档')))
    expect(post?.atMobiles).toEqual(['13900000001'])
    const path = /\((?:https?:\/\/[^/]+)(\/api\/v1\/alert-acks\/[\w-]+)\)/.exec(post?.text ?? '')?.[1] ?? ''
    const page = await stage.ok<string>('GET', path)
    expect(page).toContain('无人认领')
    expect(page).toContain('<form>')
    expect((await stage.call('POST', `${path}/acknowledgement`, { body: { by: '' } })).status).toBe(400)
    expect((await stage.call('GET', `${path.slice(0, -2)}zz`)).status).toBe(404)
    expect(await stage.ok('POST', `${path}/acknowledgement`, { body: { by: '张一<b>' } })).toEqual({
      acknowledgedBy: '张一<b>',
      state: 'firing',
    })
    const after = await stage.ok<string>('GET', path)
    expect(after).not.toContain('<form>')
    expect(after).not.toContain('<b>')
    expect(await stage.ok<string>('GET', '/api/v1/runbooks/roster-gap')).toContain('yinxin oncall add')
    expect((await stage.call('GET', '/api/v1/runbooks/..%2Fglossary')).status).toBe(404)
  })
})

describe('incidents', () => {
  it('are public as far as they are published', async () => {
    const { incidents } = stage.server().app
    const given = { services: ['backend' as const], integrity: false, beganAt: new Date(), by: 'test' }
    await incidents.open({ ...given, titleZh: '变慢', titleEn: 'slow', published: true })
    await incidents.open({ ...given, titleZh: '内部', titleEn: 'inner', published: false })
    await incidents.write('1', 'update', { zh: '在查', en: 'looking', by: '张一', public: false })
    await incidents.write('1', 'update', { zh: '已定位', en: 'found', by: '张一', public: true })
    const { incidents: told } = await stage.ok<{ incidents: PublicIncident[] }>('GET', '/api/v1/incidents')
    expect(told).toMatchObject([
      { number: 1, titleEn: 'slow', updates: [{ textEn: 'slow' }, { textEn: 'found' }] },
    ])
    expect(JSON.stringify(told)).not.toContain('张一')
    expect((await stage.call('GET', '/api/v1/incidents/2')).status).toBe(404)
    expect((await stage.call('GET', '/api/v1/incidents/mine')).status).toBe(401)
    const person = await stage.person('李四')
    expect(await stage.ok('GET', '/api/v1/incidents/mine', { token: person.token })).toEqual({
      incidents: [],
    })
    await incidents.resolve('1', 'test')
    expect(await stage.ok('GET', '/api/v1/incidents?open=true')).toEqual({ incidents: [] })
  })
})

describe('self-help', () => {
  const ask = async (body: object, headers: Record<string, string> = {}) =>
    (await stage.ok<Diagnosis>('POST', '/api/v1/help/diagnoses', { body, headers })).findings

  it('explains a refused request by its number, an error code and a link', async () => {
    const refused = await stage.call('GET', '/api/v1/ceremonies/no-such-link-at-all-0000')
    const requestId = String(refused.body.requestId)
    expect((await ask({ requestId })).find(({ about }) => about === 'request')).toMatchObject({
      verdict: 'yours',
      code: refused.body.code,
    })
    expect((await ask({ code: 'storage_unavailable' })).find(({ about }) => about === 'code')?.verdict).toBe(
      'ours',
    )
    const [platform, link] = await ask({ link: `${stage.url}/s/no-such-link-at-all-0000` })
    expect(platform?.verdict).toBe('ok')
    expect(link).toMatchObject({ about: 'link', verdict: 'yours', code: refused.body.code })
    expect((await ask({ requestId: 'nobody' })).find(({ about }) => about === 'request')?.code).toBeNull()
    const old = await ask({ code: 'internal' }, { 'user-agent': 'Mozilla/4.0 (compatible; MSIE 8.0)' })
    expect(old.find(({ about }) => about === 'browser')?.verdict).toBe('yours')
    expect((await stage.call('POST', '/api/v1/help/diagnoses', { body: {} })).body.code).toBe(
      'diagnosis_empty',
    )
  })

  it('says that it is us while an incident is open, in the language asked for', async () => {
    const { incidents } = stage.server().app
    await incidents.open({
      titleZh: '签署变慢',
      titleEn: 'signing is slow',
      services: ['signing'],
      integrity: false,
      published: true,
      beganAt: new Date(),
      by: 'test',
    })
    const [platform] = await ask({ code: 'internal' }, { 'accept-language': 'en' })
    expect(platform).toMatchObject({
      about: 'platform',
      verdict: 'ours',
      problem: 'An incident is open and touches: signing.',
    })
  })
})

it('tells operators through their own door, and forgets nothing that was told', async () => {
  const { db } = stage.server().app
  await expect(db.work((tx) => sql`delete from incident_note`.execute(tx))).rejects.toThrow(
    /append-only|denied/,
  )
  await expect(db.work((tx) => sql`delete from monitoring_message`.execute(tx))).rejects.toThrow(/denied/)
  const { rows } = await db.work((tx) =>
    sql<{
      count: number
    }>`with gone as (delete from monitoring_alert where state <> 'pending' returning 1) select count(*)::int as count from gone`.execute(
      tx,
    ),
  )
  expect(rows[0]?.count).toBe(0)
})
