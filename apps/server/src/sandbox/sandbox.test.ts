import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createIdentitySimulator } from '#src/identity/identity.ts'
import { startTestApp, type TestApp } from '../../../../testing/app.ts'
import { checkCreditCode } from '#src/identity/identity.ts'
import { type Demo, seedDemo } from './sandbox.ts'

let server: TestApp
beforeAll(async () => {
  server = await startTestApp()
})
afterAll(() => server.stop())

async function seeded(): Promise<Demo> {
  const demo = await seedDemo(server.app)
  if (demo === null) throw new Error('nothing was made')
  return demo
}

describe('the demo company', () => {
  it('is made once: a company with a valid number, its seal, a scene, a program and two proven people', async () => {
    const demo = await seeded()
    expect(checkCreditCode(demo.corp.creditCode).ok).toBe(true)
    const { accounts, seals } = server.app
    for (const { login, password, name } of [demo.admin, demo.person]) {
      const { caller } = await accounts.logInWithPassword({ login, password })
      expect(await accounts.person(caller.personId)).toMatchObject({
        name,
        identity: { verified: true, simulated: true },
      })
    }
    expect(await accounts.membership(demo.corp.id, demo.admin.personId)).toMatchObject({ role: 'admin' })
    expect(await seals.freeSignScene(demo.corp.id, demo.businessId)).toMatchObject({ sealId: demo.seal.id })
    expect(await accounts.apps.byAppId(demo.app.appId)).toMatchObject({
      subjectId: demo.corp.id,
      secret: demo.app.appSecret,
      environment: 'sandbox',
    })
    expect(await seeded()).toEqual(demo)
  })

  it('completes what a start that was cut short has left unfinished', async () => {
    const before = await seeded()
    const { accounts, seals } = server.app
    const { caller } = await accounts.logInWithPassword(before.admin)
    const manager = await accounts.actAs(caller, before.corp.id)
    await seals.endFreeSignScene(manager, before.seal.id, before.businessId)
    await accounts.apps.change(manager, before.app.appId, { active: false })
    const after = await seeded()
    expect(after).toMatchObject({ corp: before.corp, seal: before.seal, admin: before.admin })
    expect(after.businessId).not.toBe(before.businessId)
    expect(after.app.appId).not.toBe(before.app.appId)
    expect(await seals.freeSignScene(after.corp.id, after.businessId)).not.toBeNull()
  })

  it('is not made where real people or a real bureau would be bothered', async () => {
    const { app } = server
    const bureau = { ...createIdentitySimulator(), simulated: false }
    expect(await seedDemo({ ...app, identity: { ...app.identity, provider: bureau } })).toBeNull()
    const notifications = { ...app.notifications, simulators: () => ['mail'] }
    expect(await seedDemo({ ...app, notifications })).toBeNull()
  })
})
