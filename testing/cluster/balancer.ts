/**
 * A round-robin balancer as plain as they come: it looks at `/readyz`, passes requests on over kept connections, and
 * repeats nothing. What fails behind it fails for the client.
 */
import { once } from 'node:events'
import { Agent, createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'

export interface Balancer {
  url: string
  /** Backends by address: how many requests each has answered. */
  answered: ReadonlyMap<string, number>
  add(backend: string): void
  /** Resolves when so many backends take requests. */
  ready(count: number): Promise<void>
  close(): Promise<void>
}

export interface BalancerOptions {
  port?: number
  lookEveryMs?: number
}

export async function startBalancer(options: BalancerOptions = {}): Promise<Balancer> {
  const { lookEveryMs = 100 } = options
  const agent = new Agent({ keepAlive: true })
  const ready = new Map<string, boolean>()
  const answered = new Map<string, number>()
  let turn = 0
  const closing = new AbortController()

  const server = createServer((incoming, outgoing) => {
    const open = [...ready].filter(([, isReady]) => isReady).map(([backend]) => backend)
    const backend = open[turn++ % Math.max(1, open.length)]
    if (backend === undefined) {
      incoming.resume()
      outgoing.writeHead(502, { 'x-balancer': 'no backend' }).end()
      return
    }
    pass(backend, incoming, outgoing)
  })

  function pass(backend: string, incoming: IncomingMessage, outgoing: ServerResponse): void {
    const { hostname, port } = new URL(backend)
    const { connection: _, ...headers } = incoming.headers
    const onward = request(
      { agent, hostname, port, method: incoming.method, path: incoming.url, headers },
      (answer) => {
        answered.set(backend, (answered.get(backend) ?? 0) + 1)
        const { connection: _hop, 'keep-alive': _alive, ...back } = answer.headers
        outgoing.writeHead(answer.statusCode ?? 502, { ...back, 'x-backend': backend })
        answer.pipe(outgoing)
        answer.on('error', () => outgoing.destroy())
      },
    )
    onward.on('error', (error) => {
      if (outgoing.headersSent) outgoing.destroy()
      else outgoing.writeHead(502, { 'x-balancer': error.message.slice(0, 80) }).end()
    })
    incoming.pipe(onward)
    outgoing.on('close', () => {
      if (!outgoing.writableFinished) onward.destroy()
    })
  }

  async function look(backend: string): Promise<void> {
    const answer = await fetch(`${backend}/readyz`, { signal: AbortSignal.timeout(2000) }).catch(() => null)
    await answer?.body?.cancel()
    ready.set(backend, answer?.ok ?? false)
  }
  const timer = setInterval(() => {
    for (const backend of ready.keys()) void look(backend)
  }, lookEveryMs)

  server.listen(options.port ?? 0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the balancer has no port')
  return {
    url: `http://127.0.0.1:${address.port}`,
    answered,
    add(backend) {
      ready.set(backend, false)
      void look(backend)
    },
    async ready(count) {
      for (const endMs = performance.now() + 60_000; performance.now() < endMs; ) {
        if ([...ready.values()].filter(Boolean).length === count) return
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
      throw new Error(`the balancer did not come to ${count} backends`)
    },
    async close() {
      closing.abort()
      clearInterval(timer)
      agent.destroy()
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    },
  }
}
