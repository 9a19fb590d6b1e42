import { createHmac } from 'node:crypto'
import { createServer } from 'node:http'

export interface DingtalkPost {
  /** Access token of the robot. */
  robot: string
  title: string
  text: string
  atMobiles: string[]
}

export interface FakeDingtalk {
  /** Address of a robot by its access token. */
  robotUrl(accessToken: string): string
  /** Messages that the group saw. */
  received: DingtalkPost[]
  /** Calls turned away, by errcode. */
  turnedAway: number[]
  /** Called before each answer; returning a code turns the call away, `hang` never answers. */
  answer: (post: DingtalkPost) => number | 'hang'
  close(): Promise<void>
}

/**
 * The robot interface of DingTalk as its documentation describes it, by own reading: access token and signature in the
 * query, timestamp within an hour, a keyword where one is demanded, twenty messages a minute and robot.
 */
export async function startFakeDingtalk(options: {
  robots: Record<string, { secret?: string; keyword?: string }>
  now?: () => number
}): Promise<FakeDingtalk> {
  const now = options.now ?? Date.now
  const sentAt = new Map<string, number[]>()
  const fake: FakeDingtalk = {
    robotUrl: () => '',
    received: [],
    turnedAway: [],
    answer: () => 0,
    close: async () => undefined,
  }
  const server = createServer(async (request, response) => {
    const parts: Buffer[] = []
    for await (const part of request) parts.push(part as Buffer)
    const url = new URL(request.url ?? '/', 'http://dingtalk.test')
    const reply = (errcode: number, errmsg: string) => {
      if (errcode !== 0) fake.turnedAway.push(errcode)
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ errcode, errmsg }))
    }
    const token = url.searchParams.get('access_token') ?? ''
    const robot = options.robots[token]
    if (request.method !== 'POST' || url.pathname !== '/robot/send' || robot === undefined)
      return reply(300001, 'token is not exist')
    const timestamp = url.searchParams.get('timestamp') ?? ''
    if (robot.secret !== undefined) {
      const wanted = createHmac('sha256', robot.secret)
        .update(`${timestamp}\n${robot.secret}`)
        .digest('base64')
      const isFresh = /^\d{13}$/.test(timestamp) && Math.abs(now() - Number(timestamp)) <= 3_600_000
      if (!isFresh || url.searchParams.get('sign') !== wanted) return reply(310000, 'sign not match')
    }
    const body = JSON.parse(Buffer.concat(parts).toString('utf8'))
    const { title, text } = body.markdown ?? {}
    if (body.msgtype !== 'markdown' || typeof title !== 'string' || typeof text !== 'string')
      return reply(40035, 'invalid parameter')
    if (robot.keyword !== undefined && !text.includes(robot.keyword))
      return reply(310000, 'keywords not in content')
    const recent = (sentAt.get(token) ?? []).filter((at) => now() - at < 60_000)
    if (recent.length >= 20) return reply(130101, 'send too fast, exceed 20 times per minute')
    const post = { robot: token, title, text, atMobiles: body.at?.atMobiles ?? [] }
    const answer = fake.answer(post)
    if (answer === 'hang') {
      fake.received.push(post)
      return
    }
    if (answer !== 0) return reply(answer, 'as told')
    sentAt.set(token, [...recent, now()])
    fake.received.push(post)
    reply(0, 'ok')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the robots have no port')
  fake.robotUrl = (token) => `http://127.0.0.1:${address.port}/robot/send?access_token=${token}`
  fake.close = async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
  return fake
}
