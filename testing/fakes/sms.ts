import { type FakeGateway, type GatewayAnswer, startFakeGateway } from './gateway.ts'

export interface FakeSmsGateway extends FakeGateway {
  /** Gives this answer to the next message instead of taking it. */
  answerNext(answer: GatewayAnswer): void
}

/** A text message gateway speaking docs/reference/sms-gateway.md; the same messageId is taken once. */
export async function startFakeSmsGateway(access: {
  keyId: string
  secret: string
}): Promise<FakeSmsGateway> {
  const answers: GatewayAnswer[] = []
  const references = new Map<string, string>()
  const gateway = await startFakeGateway(access, (payload) => {
    const next = answers.shift()
    if (next !== undefined) return next
    const id = String(payload.messageId)
    if (!references.has(id)) references.set(id, `sms-${references.size + 1}`)
    return { status: 200, body: { status: 'accepted', reference: references.get(id) } }
  })
  return Object.assign(gateway, { answerNext: (answer: GatewayAnswer) => void answers.push(answer) })
}
