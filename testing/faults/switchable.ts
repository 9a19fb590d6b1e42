/** A TCP line between the platform and something else that a test can cut and mend, as a cable can be pulled. */
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'

export interface Line {
  port: number
  /** `up` passes on; `refused` cuts what is open and refuses what comes; `silent` takes connections and says nothing. */
  state: 'up' | 'refused' | 'silent'
  /** Connections asked for. */
  asked: number
  set(state: Line['state']): void
  close(): Promise<void>
}

export async function startLine(to: { host: string; port: number }): Promise<Line> {
  const open = new Set<Socket>()
  const line: Line = {
    port: 0,
    state: 'up',
    asked: 0,
    set(state) {
      line.state = state
      if (state !== 'up') for (const socket of open) socket.destroy()
    },
    async close() {
      line.set('refused')
      const closed = once(server, 'close')
      server.close()
      await closed
    },
  }
  const keep = (socket: Socket) => {
    open.add(socket)
    socket.on('close', () => open.delete(socket))
    socket.on('error', () => socket.destroy())
  }
  const server = createServer((near) => {
    line.asked += 1
    keep(near)
    if (line.state === 'refused') return near.destroy()
    if (line.state === 'silent') return
    const far = connect(to.port, to.host)
    keep(far)
    near.pipe(far).pipe(near)
    near.on('close', () => far.destroy())
    far.on('close', () => near.destroy())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the line has no port')
  line.port = address.port
  return line
}

/** The same address through a line. */
export function through(url: string, line: Pick<Line, 'port'>): string {
  const changed = new URL(url)
  changed.hostname = '127.0.0.1'
  changed.port = String(line.port)
  return changed.toString()
}
