import { createTransport } from 'nodemailer'
import { z } from 'zod'
import type { Breaker } from '#src/breakers/breakers.ts'
import type { Clock } from '#src/clock.ts'
import { callGateway, type GatewayAccess, GatewayFailure } from './signed-call.ts'
import type { Lang, Message, TemplateName } from './templates.ts'

export interface Letter extends Message {
  /** Stable over retries, so that a carrier can tell a repetition. */
  id: string
  to: string
  lang: Lang
  template: TemplateName
}

/** Brings a message out of the house. */
export interface Carrier {
  name: string
  /** True where nothing leaves: the message only waits in the local outbox. */
  simulated: boolean
  /** Resolves when the carrier took over; throws {@link GatewayFailure}. */
  deliver(letter: Letter): Promise<{ reference: string | null }>
  close?(): void
}

/** Keeps messages in the database only, readable at GET /sandbox/outbox outside production. */
export function createOutboxCarrier(): Carrier {
  return { name: 'local-outbox', simulated: true, deliver: async () => ({ reference: null }) }
}

/** Mail by SMTP, `smtp://user:password@host:port` or `smtps://`. */
export function createMailCarrier({ smtpUrl, from }: { smtpUrl: string; from: string }): Carrier {
  const transport = createTransport({
    url: smtpUrl,
    connectionTimeout: 10_000,
    greetingTimeout: 10_000,
    socketTimeout: 20_000,
    disableFileAccess: true,
    disableUrlAccess: true,
  })
  return {
    name: 'smtp',
    simulated: false,
    async deliver(letter) {
      try {
        const info = await transport.sendMail({
          from,
          to: { name: '', address: letter.to },
          subject: letter.subject,
          text: `${letter.body}\n`,
          messageId: `<${letter.id}@yinxin>`,
          headers: { 'Content-Language': letter.lang, 'Auto-Submitted': 'auto-generated' },
        })
        return { reference: info.messageId }
      } catch (cause) {
        const code = responseCode(cause)
        // RFC 5321 §4.2.1: 5yz is a permanent answer; no answer at all may become one later.
        throw new GatewayFailure(
          code === null ? 'the mail server did not take the message' : `the mail server answered ${code}`,
          code === null || code < 500,
          cause,
        )
      }
    },
    close: () => transport.close(),
  }
}

/** Behind a circuit breaker; see {@link isCarrierDown} for what counts. */
export function guardCarrier(carrier: Carrier, breaker: Breaker): Carrier {
  return { ...carrier, deliver: (letter) => breaker.run(() => carrier.deliver(letter)) }
}

/** A carrier that refuses one message is not away. */
export function isCarrierDown(error: unknown): boolean {
  return !(error instanceof GatewayFailure) || error.transient
}

const smsAnswer = z.discriminatedUnion('status', [
  z.object({ status: z.literal('accepted'), reference: z.string().max(200) }),
  z.object({ status: z.literal('refused'), code: z.string().max(100) }),
])

/** Text messages by the HTTP protocol of docs/reference/sms-gateway.md. */
export function createSmsCarrier(access: GatewayAccess, clock: Clock): Carrier {
  return {
    name: 'sms-gateway',
    simulated: false,
    async deliver(letter) {
      const answer = smsAnswer.safeParse(
        await callGateway(access, clock.now(), {
          messageId: letter.id,
          to: letter.to,
          template: letter.template,
          lang: letter.lang,
          text: letter.body,
        }),
      )
      if (!answer.success)
        throw new GatewayFailure('the answer of the text message gateway has an unknown shape', false)
      if (answer.data.status === 'refused')
        throw new GatewayFailure(`the text message gateway refused: ${answer.data.code}`, false)
      return { reference: answer.data.reference }
    },
  }
}

function responseCode(cause: unknown): number | null {
  if (typeof cause !== 'object' || cause === null || !('responseCode' in cause)) return null
  return typeof cause.responseCode === 'number' ? cause.responseCode : null
}
