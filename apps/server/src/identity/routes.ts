import { z } from 'zod'
import { accountWire, type CorpDetails, toWireIdentity } from '#src/accounts/accounts.ts'
import type { Http } from '#src/http/http.ts'
import type { Identity } from './identity.ts'

export const identityCheckInput = z.object({
  name: accountWire.nameInput,
  idType: z.literal('id_card'),
  idNumber: z.string().min(1).max(40),
  mobile: z.string().max(40).optional(),
})

export const identityCheckAnswer = z.object({
  identity: accountWire.identityState,
  result: z.enum(['passed', 'failed']),
  simulated: z.boolean(),
  message: z.string(),
})

export const corpInput = z.object({
  name: accountWire.nameInput.min(2),
  creditCode: z.string().min(1).max(40),
  legalRepresentative: accountWire.nameInput,
})

export function addIdentityRoutes({ http, identity }: { http: Http; identity: Identity }): void {
  http.route({
    method: 'POST',
    url: '/api/v1/me/identity-checks',
    summary: 'Proves who the person is by name and identity number (and mobile number).',
    access: 'session',
    body: identityCheckInput,
    answer: identityCheckAnswer,
    idempotency: 'steps',
    rateLimit: { max: 20, perMs: 60_000 },
    example: { body: { name: '张三', idType: 'id_card', idNumber: '11010519491231002X' } },
    handle: async ({ caller, body, lang }) => {
      const check = await identity.provePerson(caller, body)
      return {
        identity: toWireIdentity(check.person.identity),
        result: check.result,
        simulated: check.simulated,
        message: checkMessage(check.result, check.simulated, lang),
      }
    },
  })

  http.route({
    method: 'POST',
    url: '/api/v1/corps',
    summary:
      'Registers a company after its name, credit code and legal representative were confirmed; the caller becomes its administrator.',
    access: 'session',
    body: corpInput,
    answer: accountWire.corp,
    status: 201,
    idempotency: 'steps',
    example: {
      body: { name: '示例科技有限公司', creditCode: '91350100M000100Y43', legalRepresentative: '张三' },
    },
    rateLimit: { max: 20, perMs: 60_000 },
    handle: async ({ caller, body, complete }) =>
      toWireCorp(await identity.registerCorp(caller, body, (tx, made) => complete(tx, toWireCorp(made)))),
  })
}

function toWireCorp(corp: CorpDetails) {
  return { ...corp, identity: toWireIdentity(corp.identity) }
}

function checkMessage(result: 'passed' | 'failed', simulated: boolean, lang: 'zh' | 'en'): string {
  const words = {
    passed: { zh: '实名信息核验通过。', en: 'Your identity was confirmed.' },
    failed: {
      zh: '姓名与证件号码（或手机号）不一致，请核对后重试。',
      en: 'Name and identity number (or mobile number) do not belong together. Check them and try again.',
    },
  }[result][lang]
  const mark = { zh: '（模拟核验，不具法律效力）', en: ' (simulated check, without legal effect)' }[lang]
  return simulated ? words + mark : words
}
