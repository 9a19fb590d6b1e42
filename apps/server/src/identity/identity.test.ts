import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { SessionCaller } from '#src/accounts/accounts.ts'
import { GatewayFailure } from '#src/notifications/notifications.ts'
import { startFakeIdentityBureau } from '../../../../testing/fakes/identity-bureau.ts'
import { openPeople, type People } from '../../../../testing/people.ts'
import { createIdentityBureau } from './bureau.ts'
import { idCheckCharacter } from './id-number.ts'
import { createIdentity, type IdentityProvider } from './identity.ts'

let house: People
beforeAll(async () => {
  house = await openPeople()
})
afterAll(() => house.close())

let nextMobile = 13700000000
const freshMobile = () => String(nextMobile++)
const ID = '11010519491231002X'
/** Born on the 19th with the sequence 999: the 17 digits end in 9999, which the simulator denies. */
const DENIED = `11010519491219999${idCheckCharacter('11010519491219999')}`

describe('proving a person', () => {
  it('records name, number (sealed) and who confirmed it', async () => {
    const caller = await house.register(freshMobile(), '小张')
    const check = await house.identity.provePerson(caller, { name: ' 张三 ', idNumber: '11010519491231002x' })
    expect(check).toMatchObject({
      result: 'passed',
      simulated: true,
      person: {
        name: '张三',
        identity: { verified: true, method: 'person-2', provider: 'identity-simulator', simulated: true },
      },
    })
    expect(await house.accounts.idNumber(caller.personId)).toBe(ID)
    const { rows } = await house.db.work((tx) =>
      sql<{ text: string }>`select p::text || (select string_agg(c::text, '') from identity_check c) as text
        from person p where id = ${caller.personId}`.execute(tx),
    )
    expect(rows[0]?.text).toContain('张三')
    for (const form of [ID, Buffer.from(ID).toString('hex')]) expect(rows[0]?.text).not.toContain(form)
    expect(house.logged.join('\n')).not.toContain(ID)
  })

  it('leaves the person unproven when the provider says no', async () => {
    const caller = await house.register(freshMobile(), '张三')
    const denied = await house.identity.provePerson(caller, { name: '张三', idNumber: DENIED })
    expect(denied).toMatchObject({ result: 'failed', reason: 'id_number_mismatch' })
    const check = await house.identity.provePerson(caller, {
      name: '张三',
      idNumber: ID,
      mobile: '13800009999',
    })
    expect(check).toMatchObject({
      result: 'failed',
      reason: 'mobile_mismatch',
      person: { identity: { verified: false } },
    })
    expect(await house.accounts.idNumber(caller.personId)).toBeNull()
  })

  it.each([
    ['1101051949123100', 'id_number_shape'],
    ['10010519491231002X', 'id_number_region'],
    ['11010519491331002X', 'id_number_birth_date'],
    ['110105194912310021', 'id_number_checksum'],
  ])('refuses %s as %s without asking the provider', async (idNumber, code) => {
    const caller = await house.register(freshMobile(), '张三')
    await expect(house.identity.provePerson(caller, { name: '张三', idNumber })).rejects.toMatchObject({
      code,
    })
  })

  it('binds an account to one identity for good', async () => {
    const caller = await house.register(freshMobile(), '张三', ID)
    await expect(
      house.identity.provePerson(caller, { name: '李四', idNumber: '440524188001010014' }),
    ).rejects.toThrow('identity_in_use')
    const racing = await house.register(freshMobile(), '张三')
    const outcomes = await Promise.allSettled([
      house.identity.provePerson(racing, { name: '张三', idNumber: ID }),
      house.identity.provePerson(racing, { name: '李四', idNumber: '440524188001010014' }),
    ])
    expect(outcomes.map((outcome) => outcome.status).sort()).toEqual(['fulfilled', 'rejected'])
  })

  it('stops guessing after ten failures a day', async () => {
    const caller = await house.register(freshMobile(), '张三')
    const guess = () =>
      house.identity.provePerson(caller, { name: '张三', idNumber: ID, mobile: '13800009999' })
    for (let i = 0; i < 10; i++) await guess()
    await expect(guess()).rejects.toThrow('identity_attempts_exceeded')
    house.clock.advance(86_400_001)
    expect((await guess()).result).toBe('failed')
  })
})

describe('guesses sent at once', () => {
  it('are counted before the provider is asked; a provider that is away costs nobody a try', async () => {
    let asked = 0
    let isAway = true
    const provider: IdentityProvider = {
      name: 'counting',
      simulated: true,
      async check() {
        if (isAway) throw new GatewayFailure('away', true)
        asked += 1
        await new Promise((resolve) => setTimeout(resolve, 20))
        return { result: 'failed', reference: 'r', reason: 'id_number_mismatch' }
      },
    }
    const other = createIdentity({ ...house, provider })
    const caller = await house.register(freshMobile(), '张三')
    const guess = () => other.provePerson(caller, { name: '张三', idNumber: ID })
    for (let i = 0; i < 11; i++) await expect(guess()).rejects.toThrow('identity_provider_unavailable')
    isAway = false
    const outcomes = await Promise.allSettled(Array.from({ length: 30 }, guess))
    expect(asked).toBe(10)
    expect(outcomes.filter((outcome) => outcome.status === 'fulfilled')).toHaveLength(10)
  })
})

describe('registering a company', () => {
  const input = { name: '示例科技有限公司', creditCode: '91350100M000100Y43', legalRepresentative: '李四' }

  it('needs a proven person, a right code and a provider that agrees', async () => {
    const unproven = await house.register(freshMobile(), '张三')
    await expect(house.identity.registerCorp(unproven, input)).rejects.toThrow('identity_unproven')
    const caller = await house.register(freshMobile(), '张三', ID)
    const attempt = (change: Partial<typeof input>) =>
      house.identity.registerCorp(caller, { ...input, ...change })
    await expect(attempt({ creditCode: '91350100M000100Y44' })).rejects.toThrow('credit_code_checksum')
    await expect(attempt({ legalRepresentative: '李四不符' })).rejects.toThrow('corp_identity_failed')
    expect(await attempt({})).toMatchObject({
      name: input.name,
      identity: { verified: true, method: 'corp-3' },
    })
  })

  it('refuses the same company a second time and leaves no trace of it', async () => {
    const caller = await house.register(freshMobile(), '王五', ID)
    const count = () =>
      house.db.work(
        async (tx) => (await sql<{ n: number }>`select count(*) as n from subject`.execute(tx)).rows[0]?.n,
      )
    const before = await count()
    await expect(house.identity.registerCorp(caller, input)).rejects.toThrow('corp_exists')
    expect(await count()).toBe(before)
  })
})

describe('a real provider', () => {
  it('confirms, denies, and when it is away nothing is recorded or passed', async () => {
    const access = { keyId: 'yinxin-1', secret: 'a-shared-secret-of-32-characters' }
    const bureau = await startFakeIdentityBureau(access, {
      people: [{ name: '张三', idNumber: ID }],
      companies: [],
    })
    const clock = { now: () => new Date() }
    const provider = createIdentityBureau(
      { url: bureau.url, ...access, algorithm: 'HMAC-SHA256', timeoutMs: 1000 },
      clock,
    )
    const other = await openPeople({ provider })
    try {
      const caller = await other.register(freshMobile(), '张三')
      const prove = (name: string) => other.identity.provePerson(caller, { name, idNumber: ID })
      expect(await prove('李四')).toMatchObject({
        result: 'failed',
        reason: 'name_mismatch',
        simulated: false,
      })
      bureau.answerNext({ status: 500, body: {} })
      await expect(prove('张三')).rejects.toMatchObject({
        code: 'identity_provider_unavailable',
        kind: 'unavailable',
      })
      expect((await other.accounts.person(caller.personId))?.identity.verified).toBe(false)
      expect(await prove('张三')).toMatchObject({
        result: 'passed',
        person: { identity: { simulated: false } },
      })
      expect(bureau.received.map((payload) => payload.method)).toEqual(['person-2', 'person-2', 'person-2'])
    } finally {
      await other.close()
      await bureau.close()
    }
  })
})

describe('willingness codes', () => {
  let signer: SessionCaller
  let mobile: string
  beforeAll(async () => {
    mobile = freshMobile()
    signer = await house.register(mobile, '张三', ID)
  })
  const send = (actorKey: string) =>
    house.db.work((tx) =>
      house.identity.sendCode(tx, {
        tenantId: signer.personId,
        purpose: 'sign',
        actorKey,
        channel: 'sms',
        to: mobile,
        lang: 'zh',
        taskTitle: '租赁合同',
      }),
    )
  const verify = (actorKey: string, code: string) =>
    house.identity.verifyCode({ purpose: 'sign', actorKey, code })
  const newest = async () => {
    const code = await house.codeFor(mobile)
    house.clock.advance(1000)
    return code
  }

  it('prove the will once, for one actor, within five minutes', async () => {
    await send('task-1:actor-1')
    const code = await newest()
    await expect(verify('task-1:actor-2', code)).rejects.toThrow('sign_code_wrong')
    expect(await verify('task-1:actor-1', code)).toMatchObject({ codeId: expect.any(String) })
    await expect(verify('task-1:actor-1', code)).rejects.toThrow('sign_code_used')

    await send('task-1:actor-3')
    const late = await newest()
    house.clock.advance(5 * 60_000)
    await expect(verify('task-1:actor-3', late)).rejects.toThrow('sign_code_wrong')
  })

  it('are void when tried too often', async () => {
    await send('task-2:actor-1')
    const code = await newest()
    const wrong = code === '000000' ? '000001' : '000000'
    for (let i = 0; i < 4; i++)
      await expect(verify('task-2:actor-1', wrong)).rejects.toThrow('sign_code_wrong')
    await expect(verify('task-2:actor-1', wrong)).rejects.toThrow('sign_code_tried_too_often')
    await expect(verify('task-2:actor-1', code)).rejects.toThrow('sign_code_tried_too_often')
    // A new code is a new chance.
    house.clock.advance(60_000)
    await send('task-2:actor-1')
    await verify('task-2:actor-1', await newest())
  })

  it('replace each other: only the newest counts', async () => {
    await send('task-3:actor-1')
    const first = await newest()
    house.clock.advance(60_000)
    await send('task-3:actor-1')
    const second = await newest()
    if (first !== second) await expect(verify('task-3:actor-1', first)).rejects.toThrow('sign_code_wrong')
    await verify('task-3:actor-1', second)
  })

  it('are paced, except after a use', async () => {
    await send('task-4:actor-1')
    await expect(send('task-4:actor-1')).rejects.toThrow('sign_code_recently_sent')
    await verify('task-4:actor-1', await newest())
    await send('task-4:actor-1')
    for (let i = 0; i < 18; i++) {
      house.clock.advance(60_000)
      await send('task-4:actor-1')
    }
    house.clock.advance(60_000)
    await expect(send('task-4:actor-1')).rejects.toThrow('sign_code_too_many')
  })

  it('let one of two simultaneous right answers through', async () => {
    await send('task-5:actor-1')
    const code = await newest()
    const outcomes = await Promise.allSettled([
      verify('task-5:actor-1', code),
      verify('task-5:actor-1', code),
    ])
    expect(outcomes.map((outcome) => outcome.status).sort()).toEqual(['fulfilled', 'rejected'])
  })

  it('are forgotten when no pace counts them any more, and not before', async () => {
    await send('task-prune:actor-1')
    const code = await newest()
    const kept = () =>
      house.db.work(async (tx) => {
        const { rows } = await sql<{ n: number }>`
          select count(*) as n from willingness_code where actor_key = 'task-prune:actor-1'`.execute(tx)
        return rows[0]?.n
      })
    await house.identity.prune()
    expect(await verify('task-prune:actor-1', code)).toMatchObject({ codeId: expect.any(String) })
    house.clock.advance(23 * 3_600_000)
    await house.identity.prune()
    expect(await kept()).toBe(1)
    house.clock.advance(2 * 3_600_000)
    await house.identity.prune()
    expect(await kept()).toBe(0)
  })

  it('cannot be read by anyone who holds the database', async () => {
    await send('task-6:actor-1')
    const { rows } = await house.db.work((tx) =>
      sql<{
        code_hash: Buffer
      }>`select code_hash from willingness_code where actor_key = 'task-6:actor-1'`.execute(tx),
    )
    const { createHash } = await import('node:crypto')
    const code = await newest()
    for (const text of [code, `sign\0task-6:actor-1\0${code}`])
      expect(rows[0]?.code_hash.equals(createHash('sha256').update(text).digest())).toBe(false)
  })
})
