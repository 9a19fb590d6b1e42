/**
 * Storage behind HTTP in a process of its own, made to be killed and traced: the room as the server wires it, real
 * PostgreSQL, keys and folders. Prints one JSON line when it listens.
 * POST / takes an object, GET and DELETE /ID, POST /fsck, /repair and /scrub are the operator's commands.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { systemClock } from '../../apps/server/src/clock.ts'
import { openDb } from '../../apps/server/src/db/db.ts'
import { Refusal } from '../../apps/server/src/errors.ts'
import { createKms } from '../../apps/server/src/kms/kms.ts'
import { createLog } from '../../apps/server/src/log.ts'
import { createStorage, createStorageCommands, defaultSites } from '../../apps/server/src/storage/storage.ts'

export interface StorageServerOrder {
  root: string
  databaseUrl: string
  keysUrl: string
  tenantId: string
  scopeId: string
  /** The first to use this scope makes its key. */
  isFirst: boolean
}

const order = JSON.parse(process.argv[2] ?? '') as StorageServerOrder
const { tenantId, scopeId } = order
const clock = systemClock
const db = openDb({ url: order.databaseUrl })
const keysDb = openDb({ url: order.keysUrl })
const kms = await createKms({ keysDb, clock, keyDir: join(order.root, 'keys') })
if (order.isFirst) await kms.createScopeKey(tenantId, scopeId)
const storage = createStorage({
  db,
  clock,
  log: createLog('silent'),
  kms,
  sites: defaultSites(order.root),
  segmentBytes: 1 << 20,
})
const commands = createStorageCommands({ storage: storage as never, clock })
const call = { report: () => undefined, signal: new AbortController().signal }

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const what = (request.url ?? '/').slice(1)
  const json = (status: number, body: unknown) => {
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
  }
  if (request.method === 'POST' && what === '') {
    const stored = await storage.put({ tenantId, scopeId, class: 'signed', content: request })
    await db.work((tx) => storage.record(tx, stored))
    return json(201, { id: stored.id, sha256: stored.sha256 })
  }
  if (request.method === 'POST' && (what === 'fsck' || what === 'repair' || what === 'scrub'))
    return json(200, await commands[what]({}, call))
  if (request.method === 'DELETE') {
    await storage.destroy(undefined, [what], 'asked')
    return json(200, { destroyed: what })
  }
  const content = await storage.read(what)
  response.writeHead(200).end(content)
}

const server = createServer((request, response) => {
  answer(request, response).catch((error: unknown) => {
    const isRefusal = error instanceof Refusal
    const status = isRefusal && error.kind === 'gone' ? 410 : isRefusal ? 503 : 500
    response.writeHead(status).end(String((error as Error).stack))
  })
})
server.listen(0, '127.0.0.1', () => {
  const { port } = server.address() as AddressInfo
  process.stdout.write(`${JSON.stringify({ url: `http://127.0.0.1:${port}` })}\n`)
})
