/** The custom robot of a DingTalk group: signed, one Markdown message a call, twenty messages a minute and robot. */
import { createHmac } from 'node:crypto'
import { z } from 'zod'
import { ChannelFailure } from './channel-failure.ts'

export interface Robot {
  /** With its access token. */
  url: string
  /** `SEC…`; undefined where the robot is bound to a keyword or an address instead. */
  secret: string | undefined
}

/** Of a robot; beyond it rests for about ten minutes. */
export const messagesPerMinute = 20
export const restMs = 10 * 60_000
const timeoutMs = 10_000

/** The signature of a call: HMAC-SHA256 of `timestamp\nsecret` under the secret, Base64, for a query. */
export function dingtalkSignature(secret: string, timestampMs: string): string {
  return encodeURIComponent(createHmac('sha256', secret).update(`${timestampMs}\n${secret}`).digest('base64'))
}

const answerSchema = z.looseObject({ errcode: z.number(), errmsg: z.string().optional() })

/** "Too many": for this robot, this group, this address. */
const tooMany = new Set([130101, 410100, 90030])
/** Signature, keyword or address are refused: only the operator can mend it. */
const misconfigured = 310000

export interface DingtalkMessage {
  title: string
  text: string
  mentions: readonly string[]
}

/** @throws ChannelFailure */
export async function sendDingtalk(robot: Robot, message: DingtalkMessage, now: Date): Promise<string> {
  const url = new URL(robot.url)
  const timestamp = String(now.getTime())
  const signature =
    robot.secret === undefined
      ? ''
      : `&timestamp=${timestamp}&sign=${dingtalkSignature(robot.secret, timestamp)}`
  // A number that does not stand in the text is not called.
  const called = message.mentions.map((mobile) => `@${mobile}`).join(' ')
  const body = JSON.stringify({
    msgtype: 'markdown',
    markdown: { title: message.title, text: called === '' ? message.text : `${message.text}\n\n${called}` },
    at: { atMobiles: message.mentions, isAtAll: false },
  })
  let response: Response
  try {
    response = await fetch(`${url.href}${signature}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json; charset=utf-8' },
      body,
      redirect: 'error',
      signal: AbortSignal.timeout(timeoutMs),
    })
  } catch (cause) {
    const code = (cause as { cause?: { code?: string } }).cause?.code ?? ''
    // Whether a call that was sent and not answered arrived, nobody knows: it is not sent again.
    const isUnsent = ['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH'].includes(code)
    throw new ChannelFailure('DingTalk did not answer', isUnsent ? 'again' : 'uncertain')
  }
  const text = await response.text().catch(() => '')
  if (response.status !== 200) throw new ChannelFailure(`DingTalk answered ${response.status}`, 'again')
  const answer = answerSchema.safeParse(parse(text))
  if (!answer.success) throw new ChannelFailure('the answer of DingTalk has an unknown shape', 'never')
  const { errcode, errmsg } = answer.data
  if (errcode === 0) return 'errcode 0'
  const problem = `DingTalk refused: ${errcode} ${(errmsg ?? '').slice(0, 120)}`
  if (tooMany.has(errcode)) throw new ChannelFailure(problem, 'rest')
  throw new ChannelFailure(problem, errcode === misconfigured ? 'never' : 'again')
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}
