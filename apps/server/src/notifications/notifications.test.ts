import { sql } from 'kysely'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type FakeMailServer, readMail, startFakeMailServer } from '../../../../testing/fakes/mail.ts'
import { type FakeSmsGateway, startFakeSmsGateway } from '../../../../testing/fakes/sms.ts'
import { openPeople, type People } from '../../../../testing/people.ts'
import { createMailCarrier, createSmsCarrier, type SendRequest } from './notifications.ts'

const access = { keyId: 'yinxin-1', secret: 'a-shared-secret-of-32-characters' }
let house: People
let mail: FakeMailServer
let sms: FakeSmsGateway

beforeAll(async () => {
  mail = await startFakeMailServer()
  sms = await startFakeSmsGateway(access)
  house = await openPeople({
    carriers: {
      mail: createMailCarrier({ smtpUrl: mail.url, from: '印信 <noreply@yinxin.test>' }),
      sms: createSmsCarrier(
        { url: sms.url, ...access, algorithm: 'HMAC-SM3', timeoutMs: 5000 },
        { now: () => new Date() },
      ),
    },
  })
})
afterAll(async () => {
  await house.close()
  await mail.close()
  await sms.close()
})
beforeEach(() => {
  mail.received.length = 0
  sms.received.length = 0
})

const invitation = (to: string): SendRequest<'sign-invitation'> => ({
  channel: 'mail',
  to,
  template: 'sign-invitation',
  params: {
    taskTitle: '房屋租赁合同（2026）',
    initiatorName: '示例科技有限公司',
    link: 'https://sign.example.com/s/abcDEF-123_456',
    deadline: '2026-12-01 18:00 (UTC+8)',
  },
  lang: 'zh',
  purpose: 'invite',
})
const code = (to: string): SendRequest<'login-code'> => ({
  channel: 'sms',
  to,
  template: 'login-code',
  params: { code: '042137', minutes: 5 },
  lang: 'zh',
  purpose: 'login',
})
const rows = (address: string) =>
  house.db.work(async (tx) => {
    const result = await sql<{
      status: string
      attempts: number
      last_problem: string | null
      content_sealed: Buffer | null
      simulated: boolean
      carrier_reference: string | null
    }>`
      select status, attempts, last_problem, content_sealed, simulated, carrier_reference
      from notification where address = ${address} order by id`.execute(tx)
    return result.rows
  })
/** Makes waiting retries due now. */
const drainRetries = async () => {
  const { default: pg } = await import('pg')
  const owner = new pg.Client({ connectionString: house.database.ownerUrl })
  await owner.connect()
  await owner.query('update graphile_worker._private_jobs set run_at = now() where locked_at is null')
  await owner.end()
  return house.jobs.drain()
}

describe('mail over SMTP', () => {
  it('delivers Chinese subject, text and link unharmed', async () => {
    await house.db.work((tx) => house.notifications.send(tx, invitation('li@example.com')))
    expect(await house.jobs.drain()).toEqual([])
    expect(mail.received).toHaveLength(1)
    const [letter] = mail.received
    expect(letter).toMatchObject({ from: 'noreply@yinxin.test', to: ['li@example.com'] })
    const { subject, text } = readMail(letter?.raw ?? '')
    expect(subject).toBe('示例科技有限公司 请您签署《房屋租赁合同（2026）》')
    expect(text.trim()).toBe(
      '示例科技有限公司 请您签署《房屋租赁合同（2026）》，请在 2026-12-01 18:00 (UTC+8) 前完成。打开链接，核对身份后阅读并签署：https://sign.example.com/s/abcDEF-123_456',
    )
    expect(await rows('li@example.com')).toMatchObject([{ status: 'sent', attempts: 1, simulated: false }])
  })

  it('sends nothing when the change it belongs to does not commit', async () => {
    await expect(
      house.db.work(async (tx) => {
        await house.notifications.send(tx, invitation('never@example.com'))
        throw new Error('midway')
      }),
    ).rejects.toThrow('midway')
    await house.jobs.drain()
    expect(mail.received).toEqual([])
  })

  it('tries again after a temporary refusal, under the same Message-ID', async () => {
    mail.refuse('451 4.3.0 try later')
    await house.db.work((tx) => house.notifications.send(tx, invitation('retry@example.com')))
    expect(await house.jobs.drain()).toHaveLength(1)
    expect(await rows('retry@example.com')).toMatchObject([
      { status: 'queued', attempts: 1, last_problem: 'the mail server answered 451' },
    ])
    expect(await drainRetries()).toEqual([])
    expect(mail.received).toHaveLength(1)
    const [row] = await rows('retry@example.com')
    expect(row).toMatchObject({ status: 'sent', attempts: 2, last_problem: null })
    expect(mail.received[0]?.raw).toContain(`Message-ID: ${row?.carrier_reference}`)
  })

  it('gives up at once after a permanent refusal, visibly', async () => {
    mail.refuse('550 5.1.1 nobody here')
    await house.db.work((tx) => house.notifications.send(tx, invitation('gone@example.com')))
    expect(await house.jobs.drain()).toEqual([])
    expect(await rows('gone@example.com')).toMatchObject([
      { status: 'failed', last_problem: 'the mail server answered 550', content_sealed: null },
    ])
    expect(house.logged.some((line) => line.includes('a message could not be delivered'))).toBe(true)
  })
})

describe('text messages over the gateway', () => {
  it('are signed (HMAC-SM3) and carry the code, which is kept nowhere afterwards', async () => {
    await house.db.work((tx) => house.notifications.send(tx, code('13800000001')))
    expect(await house.jobs.drain()).toEqual([])
    expect(sms.turnedAway).toBe(0)
    expect(sms.received).toMatchObject([{ to: '13800000001', template: 'login-code', lang: 'zh' }])
    expect(sms.received[0]?.text).toBe(
      '【印信】您的登录验证码是 042137，5 分钟内有效。请勿告诉任何人；如非本人操作，请忽略。',
    )
    expect(await rows('13800000001')).toMatchObject([
      { status: 'sent', content_sealed: null, carrier_reference: 'sms-1' },
    ])
  })

  it('retry when the gateway fails and stop when it refuses', async () => {
    sms.answerNext({ status: 503, body: {} })
    sms.answerNext({ status: 200, body: { status: 'refused', code: 'number_blocked' } })
    await house.db.work((tx) => house.notifications.send(tx, code('13800000002')))
    expect(await house.jobs.drain()).toHaveLength(1)
    expect(await rows('13800000002')).toMatchObject([
      { status: 'queued', last_problem: 'the gateway answered 503' },
    ])
    expect(await drainRetries()).toEqual([])
    expect(await rows('13800000002')).toMatchObject([
      { status: 'failed', last_problem: 'the text message gateway refused: number_blocked' },
    ])
  })
})

describe('what is stored and logged', () => {
  it('holds no code and no link in clear, queue and log included', async () => {
    await house.db.work((tx) => house.notifications.send(tx, code('13800000003')))
    await house.db.work((tx) => house.notifications.send(tx, invitation('dump@example.com')))
    const { default: pg } = await import('pg')
    const owner = new pg.Client({ connectionString: house.database.ownerUrl })
    await owner.connect()
    const dump = await owner.query(`
      select (select string_agg(n::text, ' ') from notification n) ||
             (select string_agg(j::text, ' ') from graphile_worker._private_jobs j) as text`)
    await owner.end()
    const text = `${dump.rows[0].text} ${house.logged.join(' ')}`
    expect(text).toContain('13800000003')
    for (const secret of ['042137', 'abcDEF-123_456', '房屋租赁', Buffer.from('042137').toString('hex')])
      expect(text).not.toContain(secret)
    await house.jobs.drain()
    expect(house.logged.join(' ')).not.toContain('042137')
  })

  it('lets a request queue for its own subject and read nothing', async () => {
    const tenant = '01890000-0000-7000-8000-000000000001'
    await house.db.as(tenant, (tx) =>
      house.notifications.send(tx, { ...invitation('own@example.com'), tenantId: tenant }),
    )
    await expect(
      house.db.as(tenant, (tx) =>
        house.notifications.send(tx, {
          ...invitation('other@example.com'),
          tenantId: '01890000-0000-7000-8000-000000000002',
        }),
      ),
    ).rejects.toThrow('row-level security')
    await expect(house.db.as(tenant, (tx) => sql`select id from notification`.execute(tx))).rejects.toThrow(
      'permission denied',
    )
  })
})

describe('what was sent', () => {
  it('loses its content after the set time, and log-in messages go altogether; what still waits stays', async () => {
    const own = await openPeople()
    const tenantId = (await own.register('13800000077', '张三')).subjectId
    const send = (request: SendRequest<'sign-invitation'> | SendRequest<'login-code'>) =>
      own.db.work((tx) => own.notifications.send(tx, request))
    await send({ ...invitation('kept@example.com'), tenantId })
    await send(code('13800000078'))
    await own.jobs.drain()
    await send({ ...invitation('waiting@example.com'), tenantId })
    const left = () =>
      own.db.work(async (tx) => {
        const { rows } = await sql<{ address: string; has: boolean }>`
          select address, content_sealed is not null as has from notification
          where address <> '13800000077' order by id`.execute(tx)
        return rows.map((row) => `${row.address} ${row.has}`)
      })
    own.clock.advance(29 * 86_400_000)
    await own.notifications.prune()
    expect(await left()).toEqual(['kept@example.com true', '13800000078 true', 'waiting@example.com true'])
    own.clock.advance(2 * 86_400_000)
    await own.notifications.prune()
    expect(await left()).toEqual(['kept@example.com false', 'waiting@example.com true'])
    await own.close()
  })
})
