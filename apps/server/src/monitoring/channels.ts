/** The ways out of the house, each by its own protocol. They word nothing and remember nothing. */
import { createHmac } from 'node:crypto'
import type { Clock } from '#src/clock.ts'
import { type Carrier, GatewayFailure, wordMessage } from '#src/notifications/notifications.ts'
import { ChannelFailure } from './channel-failure.ts'
import { messagesPerMinute, type Robot, sendDingtalk } from './dingtalk.ts'
import type { ChannelName } from './tables.ts'
import type { Worded } from './wording.ts'

export interface AlertSettings {
  robots: Robot[]
  /** What every DingTalk message must contain, where a robot demands a keyword. */
  keyword: string | undefined
  mail: string[]
  sms: string[]
  webhook: { url: string; secret: string } | undefined
  heartbeatUrl: string | undefined
}

export interface Outgoing {
  /** Stable over retries: receivers tell a repetition by it. */
  id: string
  /** Number of a robot, an address, a number; empty for the webhook. */
  target: string
  worded: Worded
  mentions: readonly string[]
  lang: 'zh' | 'en'
}

export interface Channel {
  name: ChannelName
  /** Whether the same id may be sent twice and is shown once; otherwise a send that broke off is left alone. */
  repeatable: boolean
  /** Alternative targets with a pace of their own; empty where recipients are the targets. */
  robots: number
  perMinute: number | null
  /** Resolves to a receipt. @throws ChannelFailure */
  send(message: Outgoing): Promise<string>
}

export interface ChannelsDeps {
  settings: AlertSettings
  carriers: Record<'mail' | 'sms', Carrier>
  clock: Clock
}

/** Those that are set up. A carrier that only pretends is no channel. */
export function createChannels({ settings, carriers, clock }: ChannelsDeps): Map<ChannelName, Channel> {
  const channels = new Map<ChannelName, Channel>()
  const { robots, keyword, webhook } = settings
  if (robots.length > 0) {
    channels.set('dingtalk', {
      name: 'dingtalk',
      repeatable: false,
      robots: robots.length,
      perMinute: messagesPerMinute,
      async send({ target, worded, mentions }) {
        const robot = robots[Number(target)]
        if (robot === undefined) throw new ChannelFailure('this robot is not set up any more', 'never')
        const title = keyword === undefined ? worded.title : `${keyword} ${worded.title}`
        const text = keyword === undefined ? worded.markdown : `${keyword}\n\n${worded.markdown}`
        return await sendDingtalk(robot, { title, text, mentions }, clock.now())
      },
    })
  }
  for (const name of ['sms', 'mail'] as const) {
    const carrier = carriers[name]
    if (carrier.simulated) continue
    channels.set(name, {
      name,
      // The gateway and mail programs know a message by its id.
      repeatable: true,
      robots: 0,
      perMinute: null,
      async send({ id, target, worded, lang }) {
        const { title, short, plain, link } = worded
        const letter = wordMessage(name, lang, 'operator-alert', {
          title,
          detail: name === 'sms' ? short : plain,
          link,
        })
        try {
          const { reference } = await carrier.deliver({
            ...letter,
            id,
            to: target,
            lang,
            template: 'operator-alert',
          })
          return reference ?? 'accepted'
        } catch (error) {
          if (!(error instanceof GatewayFailure))
            throw new ChannelFailure('the message could not be handed over', 'again')
          throw new ChannelFailure(error.message, error.transient ? 'again' : 'never')
        }
      },
    })
  }
  if (webhook !== undefined) {
    channels.set('webhook', {
      name: 'webhook',
      repeatable: true,
      robots: 0,
      perMinute: null,
      send: ({ id, worded }) => sendWebhook(webhook, id, worded, clock.now()),
    })
  }
  return channels
}

/** Standard Webhooks, as callbacks to customers: HMAC-SHA256 over `id.timestamp.body`. */
async function sendWebhook(
  { url, secret }: { url: string; secret: string },
  id: string,
  worded: Worded,
  now: Date,
): Promise<string> {
  const timestamp = String(Math.floor(now.getTime() / 1000))
  const body = JSON.stringify({ type: 'yinxin.alerts', at: now.toISOString(), alerts: worded.facts })
  const signature = createHmac('sha256', secret).update(`${id}.${timestamp}.${body}`).digest('base64')
  let status: number
  try {
    const response = await fetch(url, {
      method: 'POST',
      headers: {
        'content-type': 'application/json; charset=utf-8',
        'webhook-id': id,
        'webhook-timestamp': timestamp,
        'webhook-signature': `v1,${signature}`,
      },
      body,
      redirect: 'error',
      signal: AbortSignal.timeout(10_000),
    })
    status = response.status
    await response.body?.cancel()
  } catch {
    throw new ChannelFailure('the webhook did not answer', 'again')
  }
  if (status >= 200 && status < 300) return `status ${status}`
  throw new ChannelFailure(`the webhook answered ${status}`, status === 410 ? 'never' : 'again')
}
