/**
 * A receiver of callbacks on a free port of this machine. It keeps what came and answers as it is told.
 *
 *     const sink = await startWebhookSink()
 *     sink.answer = () => ({ status: 500, body: 'busy' })
 *     const [first] = await sink.until((all) => all.length > 0)
 *     await sink.close()
 */
import { createServer, type IncomingHttpHeaders } from 'node:http'

export interface ReceivedCallback {
  method: string
  path: string
  headers: IncomingHttpHeaders
  /** Exactly as it came. */
  body: string
}

export interface SinkAnswer {
  status: number
  body: string
  headers?: Record<string, string>
}

export interface WebhookSink {
  url: string
  received: ReceivedCallback[]
  /** What the next callback is answered; `hang` never answers. */
  answer: (callback: ReceivedCallback) => SinkAnswer | 'hang'
  /** Waits until what was received satisfies a condition, and returns all of it. */
  until(
    fits: (received: readonly ReceivedCallback[]) => boolean,
    timeoutMs?: number,
  ): Promise<ReceivedCallback[]>
  close(): Promise<void>
}

export async function startWebhookSink(): Promise<WebhookSink> {
  const waiting = new Set<() => void>()
  const sink: WebhookSink = {
    url: '',
    received: [],
    answer: () => ({ status: 200, body: '{"msg":"success"}' }),
    until: (fits, timeoutMs = 20_000) =>
      new Promise((resolve, reject) => {
        const look = () => {
          if (!fits(sink.received)) return
          end()
          resolve([...sink.received])
        }
        const timer = setTimeout(() => {
          end()
          const seen = sink.received.map((one) => one.body).join('\n')
          reject(
            new Error(`the callbacks awaited did not come; there were ${sink.received.length}:\n${seen}`),
          )
        }, timeoutMs)
        const end = () => {
          waiting.delete(look)
          clearTimeout(timer)
        }
        waiting.add(look)
        look()
      }),
    close: async () => undefined,
  }
  const server = createServer(async (request, response) => {
    const parts: Buffer[] = []
    for await (const part of request) parts.push(part as Buffer)
    const callback: ReceivedCallback = {
      method: request.method ?? '',
      path: request.url ?? '',
      headers: request.headers,
      body: Buffer.concat(parts).toString('utf8'),
    }
    const answer = sink.answer(callback)
    sink.received.push(callback)
    if (answer !== 'hang') response.writeHead(answer.status, answer.headers).end(answer.body)
    for (const look of [...waiting]) look()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the sink has no port')
  sink.url = `http://127.0.0.1:${address.port}/callback`
  sink.close = async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
  return sink
}
