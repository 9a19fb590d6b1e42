import { createHmac } from 'node:crypto'
import { sql } from 'kysely'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { readMail } from '../../../../testing/fakes/mail.ts'
import { dingtalkSignature } from './dingtalk.ts'
import { createMonitoringCommands, nextDigest } from './monitoring.ts'
import {
  type MonitoringStage,
  openMonitoringStage,
  webhookSecret,
} from '../../../../testing/monitoring-stage.ts'

let stage: MonitoringStage

beforeEach(async () => {
  stage = await openMonitoringStage()
})
afterEach(async () => stage.close())

const hour = 3_600_000

/** Somebody of each role, around the clock. */
async function fillRoster(): Promise<void> {
  const now = stage.house.clock.now()
  for (const [person, role, mobile] of [
    ['张一', 'primary', '13900000001'],
    ['李二', 'secondary', '13900000002'],
    ['王三', 'manager', '13900000003'],
  ] as const) {
    await stage.monitoring.onCall.add({
      person,
      role,
      mobile,
      mail: `${role}@example.test`,
      lang: role === 'secondary' ? 'en' : 'zh',
      from: new Date(now.getTime() - hour),
      to: new Date(now.getTime() + 30 * 24 * hour),
      by: 'test',
    })
  }
}

const texted = () => stage.sms.received.map(({ to }) => to)
const mailed = () => stage.mail.received.flatMap(({ to }) => to)

it('signs for DingTalk as its published vector says', () => {
  expect(dingtalkSignature('SECtest', '1700000000000')).toBe('aZLLrriXgn05YbwaGR7knYsLeJADjr9NwLaNNKpxh4g%3D')
})

it('sends digests at nine in the morning in China', () => {
  expect(nextDigest(new Date('2026-11-24T00:59:00Z'))).toEqual(new Date('2026-11-24T01:00:00Z'))
  expect(nextDigest(new Date('2026-11-24T01:00:00Z'))).toEqual(new Date('2026-11-25T01:00:00Z'))
})

describe('two bad minutes of a service', () => {
  it('are told once over every channel, after one minute was not', async () => {
    await fillRoster()
    await stage.minute()
    await stage.minute(['backend'])
    expect(stage.dingtalk.received).toEqual([])
    await stage.minute(['backend'])
    expect(stage.dingtalk.received).toHaveLength(1)
    const [post] = stage.dingtalk.received
    expect(post?.text).toContain('P1 告警 服务不可用 backend')
    expect(post?.text).toContain('/api/v1/runbooks/service-bad')
    expect(post?.text).toContain('@13900000001')
    expect(post?.atMobiles).toEqual(['13900000001'])
    expect(texted()).toEqual(['13900000001'])
    expect(mailed().toSorted()).toEqual(['ops@example.test', 'primary@example.test'])
    expect(readMail(stage.mail.received[0]?.raw ?? '').subject).toContain('服务不可用')

    const [hook] = stage.webhook.received
    const headers = hook?.headers ?? {}
    const wanted = createHmac('sha256', webhookSecret)
      .update(`${headers['webhook-id']}.${headers['webhook-timestamp']}.${hook?.body}`)
      .digest('base64')
    expect(headers['webhook-signature']).toBe(`v1,${wanted}`)
    expect(JSON.parse(hook?.body ?? '').alerts).toMatchObject([
      { rule: 'service-bad', service: 'backend', severity: 'P1', event: 'firing' },
    ])

    // The third bad minute and a second process add nothing.
    await stage.minute(['backend'])
    await stage.again().look()
    expect(stage.dingtalk.received).toHaveLength(1)
    expect(stage.sms.received).toHaveLength(1)
    expect(stage.webhook.received).toHaveLength(1)
    expect((await stage.messages()).every(({ state }) => state === 'sent')).toBe(true)
  })

  it('wake the secondary after five minutes and the manager after ten more, unless somebody answers', async () => {
    await fillRoster()
    for (let i = 0; i < 6; i++) await stage.minute(['backend'])
    expect(texted()).toEqual(['13900000001'])
    await stage.minute(['backend'])
    expect(new Set(texted())).toEqual(new Set(['13900000001', '13900000002']))
    expect(stage.sms.received.find(({ to }) => to === '13900000002')?.text).toContain('Service unavailable')
    for (let i = 0; i < 10; i++) await stage.minute(['backend'])
    expect(new Set(texted())).toEqual(new Set(['13900000001', '13900000002', '13900000003']))
  })

  it('wake nobody else once acknowledged by the link, which looking alone does not do', async () => {
    await fillRoster()
    await stage.minute(['backend'])
    await stage.minute(['backend'])
    const token = /alert-acks\/([\w-]+)/.exec(stage.dingtalk.received[0]?.text ?? '')?.[1] ?? ''
    expect((await stage.monitoring.byToken(token))?.acknowledged_at).toBeNull()
    const known = await stage.monitoring.acknowledge({ token }, '张一')
    expect(known?.acknowledged_by).toBe('张一')
    // Whoever comes second changes nothing.
    expect((await stage.monitoring.acknowledge({ token }, '李二'))?.acknowledged_by).toBe('张一')
    expect(await stage.monitoring.acknowledge({ token: `${token}x` }, '李二')).toBeUndefined()
    for (let i = 0; i < 16; i++) await stage.minute(['backend'])
    expect(texted()).toEqual(['13900000001'])
  })

  it('are over after five good minutes; coming back before that is the same alert', async () => {
    await stage.minute(['backend'])
    await stage.minute(['backend'])
    for (let i = 0; i < 4; i++) await stage.minute()
    await stage.minute(['backend'])
    await stage.minute(['backend'])
    const open = await stage.monitoring.open()
    expect(open.map(({ key, flaps }) => [key, flaps])).toEqual([['service-bad:backend', 1]])
    for (let i = 0; i < 7; i++) await stage.minute()
    expect(await stage.monitoring.open()).toEqual([])
    const events = stage.webhook.received.map(({ body }) => JSON.parse(body).alerts[0].event)
    // Nobody answered within five minutes.
    expect(events).toEqual(['firing', 'escalated', 'resolved'])
  })
})

describe('a message', () => {
  it('that a killed sender was sending goes again only where the receiver knows it by its id', async () => {
    await fillRoster()
    await stage.minute(['backend'])
    await stage.minute(['backend'], { look: false })
    // Both are claimed, and the process dies before it hears an answer: DingTalk got the message, the webhook too.
    await stage.monitoring.evaluate()
    stage.dingtalk.answer = () => 'hang'
    stage.webhook.answer = () => 'hang'
    const dying = stage.again()
    const dead = dying.deliver().catch(() => 0)
    await stage.webhook.until((all) => all.length === 1)
    await expect.poll(() => stage.dingtalk.received.length).toBe(1)
    const firstId = stage.webhook.received[0]?.headers['webhook-id']
    stage.dingtalk.answer = () => 0
    stage.webhook.answer = () => ({ status: 200, body: '' })
    await expect
      .poll(async () => (await stage.messages()).filter(({ state }) => state === 'sent').length)
      .toBe(3)
    // A minute later another process takes over.
    stage.house.clock.advance(61_000)
    await stage.monitoring.deliver()
    expect(stage.dingtalk.received).toHaveLength(1)
    expect(stage.webhook.received.map(({ headers }) => headers['webhook-id'])).toEqual([firstId, firstId])
    const states = Object.fromEntries((await stage.messages()).map(({ channel, state }) => [channel, state]))
    expect(states).toEqual({ dingtalk: 'uncertain', sms: 'sent', mail: 'sent', webhook: 'sent' })
    await dead
  }, 30_000)

  it('that one robot refuses for its pace is taken by the next', async () => {
    stage.dingtalk.answer = ({ robot }) => (robot === 'first' ? 130101 : 0)
    await stage.minute(['backend'])
    await stage.minute(['backend'])
    expect(stage.dingtalk.received.map(({ robot }) => robot)).toEqual(['second'])
    expect(stage.dingtalk.turnedAway).toEqual([130101])
    // The first one rests, without an alarm about the channel.
    await stage.minute(['backend', 'upload'])
    await stage.minute(['backend', 'upload'])
    expect(stage.dingtalk.turnedAway).toEqual([130101])
    expect(
      (await stage.monitoring.channels()).find(({ name }) => name === 'dingtalk')?.failingSince,
    ).toBeNull()
  })

  it('never exceeds twenty a minute and robot, and groups what belongs together', async () => {
    // Sixty disks of one rule: one message; five services: one each.
    stage.sources.storage = () => ({
      domains: Array.from({ length: 60 }, (_, i) => ({
        name: `d${i}`,
        site: 'primary' as const,
        state: 'quarantined' as const,
        reason: 'bad',
      })),
      writable: {},
      repairs: 0,
      removals: 0,
      freeBytes: [],
    })
    await stage.minute()
    expect(stage.dingtalk.received).toHaveLength(1)
    expect(stage.dingtalk.received[0]?.title).toContain('等 60 条')
    // Within thirty seconds nothing more of the same group goes.
    const before = stage.dingtalk.received.length
    await stage.monitoring.deliver()
    expect(stage.dingtalk.received).toHaveLength(before)
    expect(stage.dingtalk.turnedAway).toEqual([])
  })
})

describe('a channel that fails', () => {
  it('is told of over all the others, and is well again when a message goes through', async () => {
    await fillRoster()
    stage.dingtalk.answer = () => 310000
    await stage.minute(['backend'])
    await stage.minute(['backend'])
    // Refused by both robots: that is final. The alert of the channel goes out with the next delivery.
    await stage.monitoring.deliver()
    const failing = stage.webhook.received.flatMap(({ body }) => JSON.parse(body).alerts)
    expect(failing).toContainEqual(expect.objectContaining({ rule: 'channel-failing', subject: 'dingtalk' }))
    expect(stage.sms.received.map(({ text }) => text)).toContainEqual(
      expect.stringContaining('告警通道故障 dingtalk'),
    )
    expect(stage.dingtalk.received).toEqual([])
    stage.dingtalk.answer = () => 0
    stage.house.clock.advance(10 * 60_000)
    await stage.minute(['backend', 'upload'])
    await stage.minute(['backend', 'upload'])
    expect(stage.dingtalk.received.length).toBeGreaterThan(0)
    for (let i = 0; i < 7; i++) await stage.minute(['backend', 'upload'])
    expect((await stage.monitoring.open()).map(({ rule }) => rule)).not.toContain('channel-failing')
  })

  it('is tried again, each time later, and one message arrives once', async () => {
    let refusals = 2
    stage.webhook.answer = () => (refusals-- > 0 ? { status: 503, body: '' } : { status: 200, body: '' })
    await stage.minute(['backend'])
    await stage.minute(['backend'])
    expect(stage.webhook.received).toHaveLength(1)
    await stage.monitoring.deliver()
    expect(stage.webhook.received).toHaveLength(1)
    stage.house.clock.advance(5_000)
    await stage.monitoring.deliver()
    stage.house.clock.advance(15_000)
    await stage.monitoring.deliver()
    stage.house.clock.advance(hour)
    await stage.monitoring.deliver()
    expect(stage.webhook.received).toHaveLength(3)
    expect(new Set(stage.webhook.received.map(({ headers }) => headers['webhook-id'])).size).toBe(1)
  })
})

describe('a silence', () => {
  it('stands only inside announced maintenance, and holds back only what is not about data', async () => {
    const { clock } = stage.house
    const now = Math.floor(clock.now().getTime() / 60_000)
    const { id } = await stage.sla.maintenance.announce({
      services: ['backend'],
      from: now + 1441,
      to: now + 1500,
      textZh: '升级',
      textEn: 'upgrade',
      by: 'test',
    })
    const silence = (from: number, to: number) =>
      stage.monitoring.silences.add({
        maintenanceId: id,
        rule: null,
        from: new Date(from * 60_000),
        to: new Date(to * 60_000),
        reason: '升级',
        by: 'test',
      })
    await expect(silence(now + 1440, now + 1460)).rejects.toMatchObject({
      code: 'silence_outside_maintenance',
    })
    await expect(silence(now + 1441, now + 1501)).rejects.toMatchObject({
      code: 'silence_outside_maintenance',
    })
    await silence(now + 1441, now + 1460)
    clock.advance(1441 * 60_000)
    stage.sources.certificates = () => [
      { name: 'tsa', notAfter: new Date(clock.now().getTime() + 10 * 24 * hour) },
    ]
    stage.sources.storage = () => ({
      domains: [{ name: 'p1', site: 'primary', state: 'quarantined', reason: 'bad' }],
      writable: {},
      repairs: 0,
      removals: 0,
      freeBytes: [],
    })
    await stage.minute(['upload'])
    await stage.minute(['upload'])
    const told = () =>
      stage.webhook.received.flatMap(({ body }) =>
        JSON.parse(body).alerts.map(({ key }: { key: string }) => key),
      )
    // A service that is not under maintenance, and a disk; the certificate waits.
    expect(told()).toEqual(expect.arrayContaining(['service-bad:upload', 'storage-quarantine:p1']))
    expect(told()).not.toContain('certificate-expiring:tsa')
    for (let i = 0; i < 20; i++) await stage.minute()
    expect(told()).toContain('certificate-expiring:tsa')
  })
})

describe('the roster', () => {
  it('with a gap in the coming week is an alert, and a graver one while nobody is on call', async () => {
    const { clock } = stage.house
    await stage.minute()
    expect(await stage.monitoring.open()).toEqual([])
    await stage.monitoring.onCall.add({
      person: '张一',
      role: 'primary',
      mobile: '13900000001',
      mail: null,
      lang: 'zh',
      from: clock.now(),
      to: new Date(clock.now().getTime() + 2 * hour),
      by: 'test',
    })
    await stage.minute()
    expect(await stage.monitoring.open()).toMatchObject([{ rule: 'roster-gap', severity: 'P2' }])
    clock.advance(2 * hour)
    await stage.minute()
    expect((await stage.monitoring.open()).find(({ rule }) => rule === 'roster-gap')).toMatchObject({
      severity: 'P1',
    })
  })
})

describe('the heartbeat', () => {
  it('goes out every minute after a whole look, and its failure is an alert', async () => {
    await stage.minute()
    expect(stage.heartbeat.received).toHaveLength(1)
    stage.heartbeat.answer = () => ({ status: 500, body: '' })
    for (let i = 0; i < 4; i++) await stage.minute()
    expect((await stage.monitoring.open()).map(({ rule }) => rule)).toContain('heartbeat-failing')
  })
})

describe('the database', () => {
  it('that does not answer is told of from memory, once over all processes, and entered when it is back', async () => {
    await fillRoster()
    await stage.minute()
    const { db } = stage.house
    const { work, ask } = db
    const broken = async () => Promise.reject(new Error('connection refused'))
    Object.assign(db, { work: broken, ask: broken })
    stage.house.clock.advance(60_000)
    await stage.monitoring.look()
    expect(stage.dingtalk.received).toEqual([])
    expect(stage.heartbeat.received).toHaveLength(1)
    stage.house.clock.advance(60_000)
    await stage.monitoring.look()
    const other = stage.again()
    await other.look()
    await other.look()
    expect(stage.dingtalk.received.map(({ title }) => title)).toEqual(['印信 P1 数据库不可用'])
    expect(texted()).toEqual(['13900000001'])
    Object.assign(db, { work, ask })
    await stage.minute()
    expect((await stage.monitoring.open()).map(({ rule }) => rule)).toContain('database-unreachable')
    expect((await stage.incidents.list({ limit: 5 })).map(({ services }) => services.length)).toEqual([5])
    for (let i = 0; i < 7; i++) await stage.minute()
    expect((await stage.monitoring.open()).map(({ rule }) => rule)).not.toContain('database-unreachable')
  })
})

it('keeps open what it cannot judge', async () => {
  stage.sources.certificates = () => [
    { name: 'tsa', notAfter: new Date(stage.house.clock.now().getTime() + hour) },
  ]
  await stage.minute()
  stage.sources.certificates = () => Promise.reject(new Error('the register is locked'))
  for (let i = 0; i < 8; i++) await stage.minute()
  const open = (await stage.monitoring.open()).map(({ key }) => key)
  expect(open).toContain('certificate-expiring:tsa')
  expect(open).toContain('measure-failing:certificates')
})

it('gives what is small as one digest in the morning', async () => {
  const { clock } = stage.house
  await stage.house.db.work((tx) => sql`select 1`.execute(tx))
  stage.sources.queue = () => [{ kind: 'webhooks.deliver', waiting: 0, running: 0, givenUp: 3, oldestS: 0 }]
  await stage.minute()
  expect(stage.mail.received).toEqual([])
  clock.advance(nextDigest(clock.now()).getTime() - clock.now().getTime())
  await stage.monitoring.deliver()
  expect(stage.mail.received).toHaveLength(1)
  expect(readMail(stage.mail.received[0]?.raw ?? '').text).toContain('webhooks.deliver 3')
})

it('answers operators: channels, a test over each, receipts', async () => {
  await fillRoster()
  const commands = createMonitoringCommands(stage.monitoring)
  expect((await commands['alerts-channels']()).channels.map(({ configured }) => configured)).toEqual([
    true,
    true,
    true,
    true,
  ])
  const { answers } = await commands['alerts-test']()
  expect(answers.filter(({ ok }) => !ok)).toEqual([])
  expect(new Set(answers.map(({ channel }) => channel))).toEqual(
    new Set(['dingtalk', 'sms', 'mail', 'webhook']),
  )
  await stage.minute(['signing'])
  await stage.minute(['signing'])
  const { alerts } = await commands['alerts-list']({})
  const alert = alerts.find(({ rule }) => rule === 'service-bad')
  const { receipts } = await commands['alerts-receipts']({ id: alert?.id })
  expect(receipts.find(({ channel }) => channel === 'dingtalk')).toMatchObject({
    state: 'sent',
    receipt: 'errcode 0',
  })
  expect(await commands['alerts-ack']({ id: alert?.id, by: '张一' })).toMatchObject({
    acknowledgedBy: '张一',
  })
  await expect(commands['alerts-ack']({ id: 'x', by: '张一' })).rejects.toMatchObject({
    code: 'alert_not_found',
  })
})
