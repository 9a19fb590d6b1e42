import { once } from 'node:events'
import { createServer } from 'node:net'

/** A TCP port of this machine that nobody listens on at the moment. */
export async function freePort(host = '127.0.0.1'): Promise<number> {
  const probe = createServer()
  probe.listen(0, host)
  await once(probe, 'listening')
  const address = probe.address()
  probe.close()
  await once(probe, 'close')
  if (address === null || typeof address === 'string') throw new Error('no free TCP port')
  return address.port
}
