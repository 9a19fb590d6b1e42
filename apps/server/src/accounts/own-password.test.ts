import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openPeople, type People } from '../../../../testing/people.ts'

let house: People
beforeAll(async () => {
  house = await openPeople()
})
afterAll(() => house.close())

let nextMobile = 13700000000
const [FIRST, SECOND] = ['first password 1', 'second password 2']

async function comeIn() {
  const login = String(nextMobile++)
  const caller = await house.register(login, '张三')
  return { login, caller, enter: (password: string) => house.accounts.logInWithPassword({ login, password }) }
}

describe('the own password', () => {
  it('is set with a code sent for it, after which every other session ends', async () => {
    const { login, caller, enter } = await comeIn()
    const sent = await house.accounts.sendPasswordCode(caller, 'zh')
    expect(sent.sentTo).toBe(`137****${login.slice(-4)}`)
    const code = await house.codeFor(login)
    // What was asked for here opens nothing else.
    await expect(house.accounts.logInWithCode({ login, code })).rejects.toThrow('login_code_wrong')
    await house.accounts.setPassword(caller, { password: FIRST, code })
    const other = await enter(FIRST)
    await house.accounts.setPassword(caller, { password: SECOND, oldPassword: FIRST })
    expect(await house.accounts.session(other.token)).toBeNull()
    await expect(enter(FIRST)).rejects.toThrow('login_failed')
    const own = await enter(SECOND)
    await house.accounts.setPassword(own.caller, { password: FIRST, oldPassword: SECOND })
    expect(await house.accounts.session(own.token)).toEqual(own.caller)
    const records = await house.db.as(caller.personId, (tx) =>
      house.audit.about(tx, 'account', caller.accountId),
    )
    expect(records.map((record) => record.action)).toEqual(Array(3).fill('account.password-set'))
  })

  it('is not changed by a session alone: wrong codes and old passwords are refused and counted', async () => {
    const { login, caller, enter } = await comeIn()
    await house.accounts.sendPasswordCode(caller, 'zh')
    const code = await house.codeFor(login)
    const wrong = code === '000000' ? '000001' : '000000'
    await expect(house.accounts.setPassword(caller, { password: FIRST, code: wrong })).rejects.toThrow(
      'login_code_wrong',
    )
    // Without a password there is no old one.
    await expect(
      house.accounts.setPassword(caller, { password: FIRST, oldPassword: 'none so far' }),
    ).rejects.toThrow('old_password_wrong')
    await house.accounts.setPassword(caller, { password: FIRST, code })
    await expect(house.accounts.setPassword(caller, { password: SECOND, code })).rejects.toThrow(
      'login_code_wrong',
    )
    for (let i = 0; i < 5; i++)
      await expect(
        house.accounts.setPassword(caller, { password: SECOND, oldPassword: 'guess number' }),
      ).rejects.toThrow(/old_password_wrong|login_locked/)
    await expect(
      house.accounts.setPassword(caller, { password: SECOND, oldPassword: FIRST }),
    ).rejects.toThrow('login_locked')
    house.clock.advance(3_600_000)
    await enter(FIRST)
  })

  it('is refused when it is weak', async () => {
    const { login, caller } = await comeIn()
    await house.accounts.sendPasswordCode(caller, 'zh')
    const code = await house.codeFor(login)
    await expect(house.accounts.setPassword(caller, { password: `x${login}`, code })).rejects.toThrow(
      'password_weak',
    )
    await house.accounts.setPassword(caller, { password: FIRST, code })
  })
})
