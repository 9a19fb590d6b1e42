import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  type FakeIdentityBureau,
  startFakeIdentityBureau,
} from '../../../../testing/fakes/identity-bureau.ts'
import { createIdentityBureau } from './bureau.ts'
import type { IdentityClaims, IdentityProvider } from './provider.ts'
import { createIdentitySimulator } from './simulator.ts'

const access = { keyId: 'yinxin-1', secret: 'a-shared-secret-of-32-characters' }
const person = { name: '张三', idNumber: '11010519491231002X' }
const company = { name: '示例科技有限公司', creditCode: '91350100M000100Y43', legalRepresentative: '李四' }
const clock = { now: () => new Date() }

let bureau: FakeIdentityBureau
const connect = (changes: Partial<Parameters<typeof createIdentityBureau>[0]> = {}) =>
  createIdentityBureau(
    { url: bureau.url, ...access, algorithm: 'HMAC-SHA256', timeoutMs: 2000, ...changes },
    clock,
  )

beforeAll(async () => {
  bureau = await startFakeIdentityBureau(access, {
    people: [{ ...person, mobile: '13800000000' }],
    companies: [company],
  })
})
afterAll(() => bureau.close())

/** What every provider must do; `wrong` are claims that this provider takes for false. */
function conforms(name: string, provider: () => IdentityProvider, wrong: IdentityClaims[]) {
  describe(`the provider ${name}`, () => {
    it('passes right claims with a reference and no reason', async () => {
      const right: IdentityClaims[] = [
        { method: 'person-2', ...person },
        { method: 'person-3', ...person, mobile: '13800000000' },
        { method: 'corp-3', ...company },
      ]
      for (const [i, claims] of right.entries()) {
        const answer = await provider().check(`right-${i}`, claims)
        expect(answer).toMatchObject({ result: 'passed', reason: null })
        expect(answer.reference).not.toBe('')
      }
    })

    it('fails wrong claims with a machine word and without quoting them', async () => {
      for (const [i, claims] of wrong.entries()) {
        const answer = await provider().check(`wrong-${i}`, claims)
        expect(answer.result, JSON.stringify(claims)).toBe('failed')
        expect(answer.reason).toMatch(/^[a-z_]+$/)
        expect(JSON.stringify(answer)).not.toContain(claims.name)
      }
    })
  })
}

conforms('simulator', createIdentitySimulator, [
  { method: 'person-2', name: '张三', idNumber: '110105194912199990' },
  { method: 'person-3', ...person, mobile: '13800009999' },
  { method: 'corp-3', ...company, legalRepresentative: '李四不符' },
])
conforms('bureau over HTTP', connect, [
  { method: 'person-2', name: '李四', idNumber: person.idNumber },
  { method: 'person-2', name: '张三', idNumber: '440524188001010014' },
  { method: 'person-3', ...person, mobile: '13800000001' },
  { method: 'corp-3', ...company, name: '别的公司' },
  { method: 'corp-3', ...company, legalRepresentative: '王五' },
])
conforms('bureau over HTTP with HMAC-SM3', () => connect({ algorithm: 'HMAC-SM3' }), [
  { method: 'person-2', name: '李四', idNumber: person.idNumber },
])

describe('the simulator', () => {
  it('says that it is one', () => {
    expect(createIdentitySimulator().simulated).toBe(true)
    expect(connect().simulated).toBe(false)
  })
})

describe('the bureau connector', () => {
  const check = (provider: IdentityProvider, id = 'c1') =>
    provider.check(id, { method: 'person-2', ...person })

  it('is turned away with a wrong secret, as a lasting failure', async () => {
    const before = bureau.turnedAway
    await expect(check(connect({ secret: 'wrong' }))).rejects.toMatchObject({
      name: 'GatewayFailure',
      transient: false,
    })
    expect(bureau.turnedAway).toBe(before + 1)
  })

  it.each([
    ['another check', { status: 200, body: { checkId: 'other', result: 'match', reference: 'r' } }],
    ['no known result', { status: 200, body: { checkId: 'c1', result: 'maybe', reference: 'r' } }],
    ['no JSON', { status: 200, body: 'match' }],
    ['too much', { status: 200, body: 'x'.repeat(100_000) }],
  ])('never takes %s for a pass', async (_what, answer) => {
    bureau.answerNext(answer)
    await expect(check(connect())).rejects.toMatchObject({ name: 'GatewayFailure', transient: false })
  })

  it('tells failures that may pass from those that will not', async () => {
    bureau.answerNext({ status: 503, body: {} })
    await expect(check(connect())).rejects.toMatchObject({ transient: true })
    bureau.answerNext('hang')
    await expect(check(connect({ timeoutMs: 100 }))).rejects.toMatchObject({ transient: true })
    await expect(check(connect({ url: 'http://127.0.0.1:1/' }))).rejects.toMatchObject({ transient: true })
  })

  it('follows no redirect', async () => {
    const elsewhere = await startFakeIdentityBureau(access, { people: [person], companies: [] })
    const { createServer } = await import('node:http')
    const redirector = createServer((_request, response) =>
      response.writeHead(307, { location: elsewhere.url }).end(),
    )
    await new Promise<void>((resolve) => redirector.listen(0, '127.0.0.1', resolve))
    const { port } = redirector.address() as { port: number }
    await expect(check(connect({ url: `http://127.0.0.1:${port}/` }))).rejects.toMatchObject({
      name: 'GatewayFailure',
    })
    expect(elsewhere.received).toEqual([])
    redirector.close()
    await elsewhere.close()
  })
})
