import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type Server } from 'node:net'

/**
 * Below what operating systems hand out by themselves: there another program's next connection could take the port
 * between this look and its use.
 */
const lowest = 15_000
const beyond = 32_000
const tries = 50

/** A TCP port of this machine that nobody listens on at the moment. */
export async function freePort(host = '127.0.0.1'): Promise<number> {
  for (let attempt = 0; attempt < tries; attempt += 1) {
    const port = randomInt(lowest, beyond)
    if (await isFree(port, host)) return port
  }
  throw new Error('no free TCP port')
}

async function isFree(port: number, host: string): Promise<boolean> {
  const probe: Server = createServer()
  try {
    probe.listen(port, host)
    await once(probe, 'listening')
  } catch {
    return false
  }
  probe.close()
  await once(probe, 'close')
  return true
}
