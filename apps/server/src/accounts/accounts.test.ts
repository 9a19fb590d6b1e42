import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { newId } from '#src/ids.ts'
import { openPeople, type People } from '../../../../testing/people.ts'
import type { SessionCaller } from './accounts.ts'

let house: People
beforeAll(async () => {
  house = await openPeople()
})
afterAll(() => house.close())

const PASSWORD = '印信 password 1'
const wrongCode = (code: string) => (code === '000000' ? '000001' : '000000')
let nextMobile = 13900000000
const freshMobile = () => String(nextMobile++)

async function registerWithPassword(login = freshMobile()) {
  await house.accounts.requestLoginCode({ login, lang: 'zh' })
  const code = await house.codeFor(login)
  return { login, ...(await house.accounts.register({ login, code, password: PASSWORD, name: '张三' })) }
}

describe('registration and log-in', () => {
  it('registers by code and logs in by password, whatever form the login is typed in', async () => {
    const { login, caller } = await registerWithPassword()
    const again = await house.accounts.logInWithPassword({ login: `+86 ${login}`, password: PASSWORD })
    expect(again.caller).toMatchObject({
      accountId: caller.accountId,
      personId: caller.personId,
      role: 'self',
    })
    expect(await house.accounts.session(again.token)).toEqual(again.caller)
    expect(await house.accounts.person(caller.personId)).toMatchObject({
      name: '张三',
      mobile: login,
      identity: { verified: false },
    })
  })

  it('a code log-in of an unknown login registers it, by mail as well', async () => {
    await house.accounts.requestLoginCode({ login: 'New@Example.com', lang: 'en' })
    const code = await house.codeFor('new@example.com')
    const opened = await house.accounts.logInWithCode({ login: 'new@example.com', code })
    expect(await house.accounts.personByLogin('NEW@example.com')).toMatchObject({
      id: opened.caller.personId,
      email: 'new@example.com',
    })
  })

  it('does not let a registered login be registered again', async () => {
    const { login } = await registerWithPassword()
    house.clock.advance(61_000)
    await house.accounts.requestLoginCode({ login, lang: 'zh' })
    const code = await house.codeFor(login)
    await expect(house.accounts.register({ login, code })).rejects.toThrow('login_taken')
  })

  it('makes one account when the same login comes in twice at once', async () => {
    const login = freshMobile()
    for (const scope of ['login', 'ceremony:1'])
      await house.accounts.requestLoginCode({ login, lang: 'zh', scope })
    await house.jobs.drain()
    const codes = (await house.notifications.outbox({ to: login })).map((message) => message.code ?? '')
    const attempts = await Promise.allSettled(
      ['login', 'ceremony:1'].flatMap((scope) =>
        codes.map((code) => house.accounts.logInWithCode({ login, code, scope })),
      ),
    )
    const people = attempts.flatMap((attempt) =>
      attempt.status === 'fulfilled' ? [attempt.value.caller.personId] : [],
    )
    expect(people).toHaveLength(2)
    expect(new Set(people).size).toBe(1)
  })

  it.each(['short1', '12345678901', 'aaaaaaaaaaaa', 'x13800000000'])(
    'refuses the weak password %s',
    async (password) => {
      await expect(
        house.accounts.register({ login: '13800000000', code: '123456', password }),
      ).rejects.toThrow('password_weak')
    },
  )
})

describe('one-time codes', () => {
  it('work once, for their own scope and time', async () => {
    const login = freshMobile()
    await house.accounts.requestLoginCode({ login, lang: 'zh', scope: 'ceremony:a' })
    const code = await house.codeFor(login)
    await expect(house.accounts.logInWithCode({ login, code })).rejects.toThrow('login_code_wrong')
    await house.accounts.logInWithCode({ login, code, scope: 'ceremony:a' })
    await expect(house.accounts.logInWithCode({ login, code, scope: 'ceremony:a' })).rejects.toThrow(
      'login_code_wrong',
    )

    house.clock.advance(61_000)
    await house.accounts.requestLoginCode({ login, lang: 'zh' })
    const late = await house.codeFor(login)
    house.clock.advance(5 * 60_000)
    await expect(house.accounts.logInWithCode({ login, code: late })).rejects.toThrow('login_code_wrong')
  })

  it('are void after five wrong tries, even when sent at once, and the right code comes too late', async () => {
    const login = freshMobile()
    await house.accounts.requestLoginCode({ login, lang: 'zh' })
    const code = await house.codeFor(login)
    const wrong = wrongCode(code)
    const tries = await Promise.allSettled(
      Array.from({ length: 8 }, () => house.accounts.logInWithCode({ login, code: wrong })),
    )
    const codes = tries.map((attempt) =>
      attempt.status === 'rejected' ? (attempt.reason as { code: string }).code : 'in',
    )
    expect(codes.sort()).toEqual([
      ...Array<string>(4).fill('login_code_tried_too_often'),
      ...Array<string>(4).fill('login_code_wrong'),
    ])
    await expect(house.accounts.logInWithCode({ login, code })).rejects.toThrow('login_code_tried_too_often')
  })

  it('are paced: one a minute, twenty a day', async () => {
    const login = freshMobile()
    await house.accounts.requestLoginCode({ login, lang: 'zh' })
    await expect(house.accounts.requestLoginCode({ login, lang: 'zh' })).rejects.toMatchObject({
      code: 'login_code_recently_sent',
      params: { seconds: 60 },
    })
    for (let i = 0; i < 19; i++) {
      house.clock.advance(60_000)
      await house.accounts.requestLoginCode({ login, lang: 'zh' })
    }
    house.clock.advance(60_000)
    await expect(house.accounts.requestLoginCode({ login, lang: 'zh' })).rejects.toThrow(
      'login_code_too_many',
    )
    house.clock.advance(24 * 3_600_000)
    await house.accounts.requestLoginCode({ login, lang: 'zh' })
  })

  it('of strangers do not use up those of the owner, who asks from a link or a session', async () => {
    const login = freshMobile()
    const ask = (over: { scope?: string; stranger?: { address: string } }) =>
      house.accounts.requestLoginCode({ login, lang: 'zh', ...over })
    const stranger = (i: number) => ({ stranger: { address: `192.0.2.${i}` } })
    for (let i = 0; i < 20; i++) {
      await ask(stranger(i))
      house.clock.advance(60_000)
    }
    await expect(ask(stranger(99))).rejects.toThrow('login_code_too_many')
    await expect(ask({ ...stranger(98), scope: 'other' })).rejects.toThrow('login_code_too_many')
    await ask({ scope: 'ceremony:mine' })
    await ask({})
  })

  it('have a budget per address and one for all addresses in an hour, which spares owners', async () => {
    const tight = await openPeople({ codeBudgets: { perAddress: 3, altogether: 5 } })
    const ask = (address?: string) =>
      tight.accounts.requestLoginCode({
        login: freshMobile(),
        lang: 'zh',
        ...(address === undefined ? {} : { stranger: { address } }),
      })
    // Sent at once they are counted all the same.
    const burst = await Promise.allSettled(Array.from({ length: 6 }, () => ask('a')))
    expect(burst.filter((one) => one.status === 'fulfilled')).toHaveLength(3)
    await expect(ask('a')).rejects.toThrow('login_code_address_budget')
    await ask('b')
    await ask('b')
    await expect(ask('c')).rejects.toThrow('login_code_budget')
    await ask()
    tight.clock.advance(3_600_001)
    await ask('a')
    await tight.close()
  })

  it('and ended sessions and old failures are forgotten in time, and nothing that still holds', async () => {
    const own = await openPeople()
    const login = freshMobile()
    const caller = await own.register(login, '张三')
    await expect(own.accounts.logInWithPassword({ login, password: 'wrong-password' })).rejects.toThrow(
      'login_failed',
    )
    const counts = async () =>
      (
        await own.db.work((tx) =>
          sql<{ sessions: number; codes: number; failures: number }>`select
            (select count(*) from session) as sessions, (select count(*) from login_code) as codes,
            (select count(*) from login_guard) as failures`.execute(tx),
        )
      ).rows[0]
    await own.accounts.prune()
    expect(await counts()).toEqual({ sessions: 1, codes: 1, failures: 1 })
    await own.accounts.signOut(caller)
    own.clock.advance(25 * 3_600_000)
    await own.accounts.prune()
    expect(await counts()).toEqual({ sessions: 1, codes: 0, failures: 0 })
    own.clock.advance(7 * 24 * 3_600_000)
    await own.accounts.prune()
    expect(await counts()).toEqual({ sessions: 0, codes: 0, failures: 0 })
    await own.close()
  })

  it('stand in no log line', async () => {
    const login = freshMobile()
    await house.accounts.requestLoginCode({ login, lang: 'zh' })
    const code = await house.codeFor(login)
    expect(house.logged.join('\n')).not.toContain(code)
  })
})

describe('passwords', () => {
  it('lock the login after repeated failures, longer each time, and a success forgives', async () => {
    const { login } = await registerWithPassword()
    const tryOnce = (password: string) =>
      house.accounts.logInWithPassword({ login, password }).then(
        () => 'in',
        (error: { code: string }) => error.code,
      )
    for (let i = 0; i < 5; i++) expect(await tryOnce('wrong password')).toBe('login_failed')
    expect(await tryOnce(PASSWORD)).toBe('login_locked')
    house.clock.advance(30_000)
    expect(await tryOnce('wrong password')).toBe('login_failed')
    house.clock.advance(30_000)
    expect(await tryOnce(PASSWORD)).toBe('login_locked')
    house.clock.advance(30_000)
    expect(await tryOnce(PASSWORD)).toBe('in')
    for (let i = 0; i < 4; i++) expect(await tryOnce('wrong password')).toBe('login_failed')
    expect(await tryOnce(PASSWORD)).toBe('in')
  })

  it('answer an unknown login exactly as a known one, the lock included', async () => {
    const login = freshMobile()
    const tryOnce = () =>
      house.accounts
        .logInWithPassword({ login, password: 'some password' })
        .catch((error: { code: string }) => error.code)
    const answers: unknown[] = []
    for (let i = 0; i < 6; i++) answers.push(await tryOnce())
    expect(answers).toEqual([...Array<string>(5).fill('login_failed'), 'login_locked'])
  })

  it('cannot be guessed around the lock by sending tries at once', async () => {
    const { login } = await registerWithPassword()
    const tries = await Promise.all(
      Array.from({ length: 12 }, () =>
        house.accounts
          .logInWithPassword({ login, password: 'wrong password' })
          .catch((error: { code: string }) => error.code),
      ),
    )
    expect(tries.filter((answer) => answer === 'login_failed')).toHaveLength(5)
  })

  it('may be as long as allowed in any script', async () => {
    const login = freshMobile()
    const password = '😀密'.repeat(64)
    await house.accounts.requestLoginCode({ login, lang: 'zh' })
    await house.accounts.register({ login, code: await house.codeFor(login), password })
    expect(await house.accounts.logInWithPassword({ login, password })).toBeDefined()
    const longer = `${password}x`
    await expect(house.accounts.logInWithPassword({ login, password: longer })).rejects.toThrow(
      'login_failed',
    )
  })

  it('rest as scrypt with their own salt', async () => {
    const { caller } = await registerWithPassword()
    const { rows } = await house.db.work((tx) =>
      sql<{
        password_hash: string
      }>`select password_hash from account where id = ${caller.accountId}`.execute(tx),
    )
    expect(rows[0]?.password_hash).toMatch(/^scrypt\$15\$8\$1\$[\w-]{22}\$[\w-]{43}$/)
  })
})

describe('sessions', () => {
  it('end by idleness, by age, and by signing out', async () => {
    const { token, caller } = await registerWithPassword()
    house.clock.advance(11 * 3_600_000)
    expect(await house.accounts.session(token)).toEqual(caller)
    house.clock.advance(11 * 3_600_000)
    expect(await house.accounts.session(token)).toEqual(caller)
    house.clock.advance(12 * 3_600_000)
    expect(await house.accounts.session(token)).toBeNull()

    const { login } = await registerWithPassword()
    const long = await house.accounts.logInWithPassword({ login, password: PASSWORD })
    for (let hours = 0; hours < 30 * 24 - 10; hours += 10) {
      expect(await house.accounts.session(long.token)).not.toBeNull()
      house.clock.advance(10 * 3_600_000)
    }
    house.clock.advance(10 * 3_600_000)
    expect(await house.accounts.session(long.token)).toBeNull()

    const short = await house.accounts.logInWithPassword({ login, password: PASSWORD })
    await house.accounts.signOut(short.caller)
    expect(await house.accounts.session(short.token)).toBeNull()
  })

  it('are not opened by anything that merely looks like a token', async () => {
    for (const token of ['', 'x', 'A'.repeat(43), `${'A'.repeat(42)}'`, 'A'.repeat(5000)])
      expect(await house.accounts.session(token)).toBeNull()
    expect(await house.accounts.authenticate({})).toBeNull()
  })

  it('keep no token in the database', async () => {
    const { token, caller } = await registerWithPassword()
    const { rows } = await house.db.work((tx) =>
      sql<{ text: string }>`select s::text as text from session s where id = ${caller.sessionId}`.execute(tx),
    )
    expect(rows[0]?.text).not.toContain(token)
    expect(rows[0]?.text).not.toContain(Buffer.from(token).toString('hex'))
  })
})

describe('companies', () => {
  let admin: SessionCaller
  let corpId: string
  const adminLogin = freshMobile()
  beforeAll(async () => {
    const person = await house.register(adminLogin, '张三', '11010519491231002X')
    admin = await house.found(person, '示例科技有限公司', '91350100M000100Y43')
    corpId = admin.subjectId
  })

  it('have their creator as administrator', async () => {
    expect(admin).toMatchObject({ role: 'admin' })
    expect(await house.accounts.corp(corpId)).toMatchObject({
      name: '示例科技有限公司',
      identity: { verified: true, simulated: true },
    })
    expect(await house.accounts.membership(corpId, admin.personId)).toMatchObject({ role: 'admin' })
    expect(await house.accounts.subject(corpId)).toEqual({
      id: corpId,
      kind: 'corp',
      name: '示例科技有限公司',
      verified: true,
    })
  })

  it('do not tell an administrator the name behind a number before its owner acts for the company', async () => {
    const login = freshMobile()
    const person = await house.register(login, '李四', '440524188001010014')
    const added = await house.accounts.members.add(admin, corpId, { login, role: 'member' })
    expect(added).toEqual({ personId: person.personId, name: null, login, role: 'member', active: true })
    const acting = await house.accounts.actAs(person, corpId)
    expect(acting).toMatchObject({ subjectId: corpId, role: 'member' })
    const { items } = await house.accounts.members.list(admin, corpId, { after: null, limit: 20 })
    expect(items.find((member) => member.personId === person.personId)?.name).toBe('李四')
    // A member is no administrator.
    await expect(
      house.accounts.members.add(acting, corpId, { login: freshMobile(), role: 'admin' }),
    ).rejects.toThrow('admin_required')
    await expect(house.accounts.apps.create(acting, { name: 'x', environment: 'sandbox' })).rejects.toThrow(
      'admin_required',
    )
  })

  it('show plain members their own login, and those of their colleagues masked', async () => {
    const [login, colleague] = [freshMobile(), freshMobile()]
    const person = await house.register(login, '李四')
    await house.accounts.members.add(admin, corpId, { login, role: 'member' })
    await house.accounts.members.add(admin, corpId, { login: colleague, role: 'member' })
    const logins = async (caller: SessionCaller) =>
      (await house.accounts.members.list(caller, corpId, { after: null, limit: 100 })).items.map(
        (one) => one.login,
      )
    expect(await logins(admin)).toEqual(expect.arrayContaining([login, colleague]))
    const seen = await logins(await house.accounts.actAs(person, corpId))
    expect(seen).toContain(login)
    expect(seen.filter((one) => !one.includes('*'))).toEqual([login])
  })

  it('let someone without an account be added, who then comes in by code', async () => {
    const login = freshMobile()
    await house.accounts.members.add(admin, corpId, { login, role: 'member' })
    await house.accounts.requestLoginCode({ login, lang: 'zh' })
    const opened = await house.accounts.register({
      login,
      code: await house.codeFor(login),
      password: PASSWORD,
      name: '王五',
    })
    expect(await house.accounts.memberships(opened.caller.personId)).toMatchObject([
      { corpId, role: 'member' },
    ])
  })

  it('end the right to act with the membership, in open sessions too', async () => {
    const { login, token, caller } = await registerWithPassword()
    await house.accounts.members.add(admin, corpId, { login, role: 'admin' })
    await house.accounts.actAs(caller, corpId)
    expect(await house.accounts.session(token)).toMatchObject({ subjectId: corpId, role: 'admin' })
    await house.accounts.members.remove(admin, corpId, caller.personId)
    expect(await house.accounts.session(token)).toMatchObject({ subjectId: caller.personId, role: 'self' })
    await expect(house.accounts.actAs(caller, corpId)).rejects.toThrow('acting_subject_not_found')
  })

  it('keep one administrator, also when two remove each other at once', async () => {
    await expect(house.accounts.members.remove(admin, corpId, admin.personId)).rejects.toThrow('last_admin')
    await expect(
      house.accounts.members.add(admin, corpId, { login: adminLogin, role: 'member' }),
    ).rejects.toThrow('last_admin')
    const { login, caller } = await registerWithPassword()
    await house.accounts.members.add(admin, corpId, { login, role: 'admin' })
    const other = await house.accounts.actAs(caller, corpId)
    const outcomes = await Promise.allSettled([
      house.accounts.members.remove(admin, corpId, other.personId),
      house.accounts.members.remove(other, corpId, admin.personId),
    ])
    expect(outcomes.map((outcome) => outcome.status).sort()).toEqual(['fulfilled', 'rejected'])
    // For the tests that follow.
    if (outcomes[1]?.status === 'fulfilled')
      await house.accounts.members.add(other, corpId, { login: adminLogin, role: 'admin' })
  })

  it('keep one administrator when one steps down while the other is removed', async () => {
    const { login, caller } = await registerWithPassword()
    await house.accounts.members.add(admin, corpId, { login, role: 'admin' })
    const isBlocked = async () => {
      const { rows } = await house.db.work((tx) => sql`select 1 from pg_locks where not granted`.execute(tx))
      return rows.length > 0
    }
    let steppingDown: Promise<unknown> = Promise.resolve()
    await house.db.as(corpId, async (tx) => {
      // What a removal does, held open before its commit.
      await sql`select 1 from member where tenant_id = ${corpId} and role = 'admin' and active for update`.execute(
        tx,
      )
      await sql`update member set active = false where person_id = ${caller.personId}`.execute(tx)
      steppingDown = house.accounts.members
        .add(admin, corpId, { login: adminLogin, role: 'member' })
        .catch((error: unknown) => error)
      while (!(await isBlocked())) await new Promise((resolve) => setTimeout(resolve, 10))
    })
    expect(await steppingDown).toMatchObject({ code: 'last_admin' })
    expect(await house.accounts.membership(corpId, admin.personId)).toMatchObject({ role: 'admin' })
  })

  it('page through their members without losing or repeating one', async () => {
    const seen: string[] = []
    let after: string | null = null
    do {
      const page: Awaited<ReturnType<typeof house.accounts.members.list>> = await house.accounts.members.list(
        admin,
        corpId,
        { after, limit: 2 },
      )
      expect(page.items.length).toBeLessThanOrEqual(2)
      seen.push(...page.items.map((member) => member.personId))
      after = page.next
    } while (after !== null)
    expect(new Set(seen).size).toBe(seen.length)
    expect(seen.length).toBeGreaterThanOrEqual(3)
  })

  it('do not exist for anybody else', async () => {
    const stranger = await house.register(freshMobile(), '外人')
    await expect(house.accounts.members.list(stranger, corpId, { after: null, limit: 20 })).rejects.toThrow(
      'corp_not_found',
    )
    await expect(
      house.accounts.members.add(stranger, corpId, { login: freshMobile(), role: 'admin' }),
    ).rejects.toThrow('corp_not_found')
    await expect(house.accounts.members.remove(stranger, corpId, admin.personId)).rejects.toThrow(
      'corp_not_found',
    )
    await expect(house.accounts.actAs(stranger, corpId)).rejects.toThrow('acting_subject_not_found')
    await expect(house.accounts.actAs(stranger, newId())).rejects.toThrow('acting_subject_not_found')
  })

  it('leave an audit trail of members and apps', async () => {
    const app = await house.accounts.apps.create(admin, { name: 'ERP', environment: 'sandbox' })
    await house.accounts.apps.rotateSecret(admin, app.appId)
    const records = await house.db.as(corpId, (tx) => house.audit.about(tx, 'app', app.appId))
    expect(records.map((record) => record.action).sort()).toEqual(['app.created', 'app.secret-rotated'])
    expect(JSON.stringify(records)).not.toContain(app.secret)
  })
})

describe('apps', () => {
  let admin: SessionCaller
  let rival: SessionCaller
  beforeAll(async () => {
    admin = await house.found(
      await house.register(freshMobile(), '赵六', '11010519491231002X'),
      '甲公司',
      '91110000802100433B',
    )
    rival = await house.found(
      await house.register(freshMobile(), '钱七', '440524188001010014'),
      '乙公司',
      '9144030071526726XG',
    )
  })

  it('are at most twenty to a company, also when asked for at once', async () => {
    const founder = await house.register(freshMobile(), '孙八', '110105196001080074')
    const company = await house.found(founder, '丙公司', '91110105000000078U')
    const made = await Promise.allSettled(
      Array.from({ length: 24 }, () =>
        house.accounts.apps.create(company, { name: 'x', environment: 'sandbox' }),
      ),
    )
    expect(made.filter((one) => one.status === 'fulfilled')).toHaveLength(20)
    expect(
      made.flatMap((one) => (one.status === 'rejected' ? [(one.reason as { code: string }).code] : [])),
    ).toEqual(Array(4).fill('app_limit'))
  })

  it('have an eight-digit id and a secret that is shown once and rests sealed', async () => {
    const app = await house.accounts.apps.create(admin, {
      name: 'ERP',
      environment: 'sandbox',
      callbackUrl: 'http://localhost:9000/x',
    })
    expect(app.appId).toMatch(/^[1-9]\d{7}$/)
    expect(app.secret.length).toBeGreaterThanOrEqual(32)
    expect(await house.accounts.appByAppId(app.appId)).toMatchObject({
      subjectId: admin.subjectId,
      secret: app.secret,
      active: true,
    })
    const { items } = await house.accounts.apps.list(admin, { after: null, limit: 20 })
    expect(JSON.stringify(items)).not.toContain(app.secret)
    const { rows } = await house.db.work((tx) =>
      sql<{ text: string }>`select s::text as text from app_secret s`.execute(tx),
    )
    expect(JSON.stringify(rows)).not.toContain(Buffer.from(app.secret).toString('hex'))
    await expect(
      house.db.as(admin.subjectId, (tx) => sql`select 1 from app_secret`.execute(tx)),
    ).rejects.toThrow('permission denied')
  })

  it('exist only with the answer that tells of them', async () => {
    const count = async () =>
      (await house.accounts.apps.list(admin, { after: null, limit: 100 })).items.length
    const before = await count()
    const create = house.accounts.apps.create(admin, { name: 'ERP', environment: 'sandbox' }, async () => {
      throw new Error('the answer could not be stored')
    })
    await expect(create).rejects.toThrow('could not be stored')
    expect(await count()).toBe(before)
    const app = await house.accounts.apps.create(admin, { name: 'ERP', environment: 'sandbox' })
    const rotate = house.accounts.apps.rotateSecret(admin, app.appId, async () => {
      throw new Error('the answer could not be stored')
    })
    await expect(rotate).rejects.toThrow('could not be stored')
    expect((await house.accounts.appByAppId(app.appId))?.secret).toBe(app.secret)
  })

  it('lose the former secret at once when it is replaced, and open nothing while switched off', async () => {
    const app = await house.accounts.apps.create(admin, { name: 'ERP', environment: 'sandbox' })
    const rotated = await house.accounts.apps.rotateSecret(admin, app.appId)
    expect(rotated.secret).not.toBe(app.secret)
    expect((await house.accounts.appByAppId(app.appId))?.secret).toBe(rotated.secret)
    expect(await house.accounts.apps.change(admin, app.appId, { active: false })).toMatchObject({
      active: false,
    })
    expect(await house.accounts.appByAppId(app.appId)).toBeNull()
    await house.accounts.apps.change(admin, app.appId, { active: true, callbackUrl: null })
    expect(await house.accounts.appByAppId(app.appId)).toMatchObject({ callbackUrl: null })
  })

  it('do not exist for another company', async () => {
    const app = await house.accounts.apps.create(admin, { name: 'ERP', environment: 'sandbox' })
    await expect(house.accounts.apps.change(rival, app.appId, { active: false })).rejects.toThrow(
      'app_not_found',
    )
    await expect(house.accounts.apps.rotateSecret(rival, app.appId)).rejects.toThrow('app_not_found')
    expect((await house.accounts.apps.list(rival, { after: null, limit: 100 })).items).toEqual([])
  })

  it.each([
    ['ftp://x.test/', 'sandbox'],
    ['http://x.test/', 'production'],
    ['https://user:word@x.test/', 'production'],
    ['nonsense', 'sandbox'],
  ] as const)('refuse the callback address %s in %s', async (callbackUrl, environment) => {
    await expect(house.accounts.apps.create(admin, { name: 'x', environment, callbackUrl })).rejects.toThrow(
      'callback_url_invalid',
    )
  })
})
