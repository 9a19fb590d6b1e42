/**
 * The way of operators into a running server: commands over HTTP on the loopback address, for whoever can read the
 * token in the data folder, which only the server's own user can. So `yinxin fsck` works on the very objects, keys and
 * connections that the server uses, and follows them wherever they move.
 */
import { randomBytes, timingSafeEqual } from 'node:crypto'
import { once } from 'node:events'
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { z } from 'zod'
import type { OperatorPageServer } from './operator-pages.ts'

/** Who gives a command, known by a key of its own; see the room `operators`. */
export interface Operator {
  id: string
  name: string
  /** From when on its word counts as that of a second person. */
  countsFrom: Date
}

export interface OperatorCall {
  /** Reports progress; each is one line of JSON to the caller. */
  report(progress: unknown): void
  /** Aborted when the caller goes away. */
  signal: AbortSignal
  /** The key that came with the call. */
  key?: string
  /** Whose key that is; null with the token of the data folder alone. The room `operators` sets it. */
  operator?: Operator | null
}

/** Commands by name: options in, one JSON value out. */
export type OperatorCommands = Record<
  string,
  (options: Record<string, unknown>, call: OperatorCall) => Promise<unknown>
>

export interface OperatorDoor {
  close(): Promise<void>
}

const fileName = 'operator-door.json'
const bodyBytesMax = 64 * 1024

/**
 * Opens the door and leaves its address and token in the data folder, mode 0600. With pages, the command `page` answers
 * with the address of one.
 */
export async function openOperatorDoor(
  dataDir: string,
  given: OperatorCommands,
  pages?: OperatorPageServer,
): Promise<OperatorDoor> {
  const token = randomBytes(32).toString('base64url')
  const calls = new Set<AbortController>()
  const commands: OperatorCommands = {
    ...given,
    page: async ({ name }) => {
      const path = pages?.open(String(name))
      if (path === undefined) throw Object.assign(new Error(noPage.en), noPage)
      return { url: `http://127.0.0.1:${portOf(server)}${path}` }
    },
  }
  const server = createServer((incoming, outgoing) => {
    const ending = new AbortController()
    calls.add(ending)
    outgoing.on('close', () => {
      ending.abort()
      calls.delete(ending)
    })
    void (async () => {
      if (await pages?.answer(incoming, outgoing)) return
      await answer(incoming, outgoing, commands, token, ending.signal)
    })()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const port = portOf(server)
  await mkdir(dataDir, { recursive: true })
  const path = join(dataDir, fileName)
  const written = `${path}.${token.slice(0, 8)}`
  await writeFile(written, `${JSON.stringify({ port, token })}\n`, { mode: 0o600, flag: 'wx' })
  await rename(written, path)
  return {
    async close() {
      const mine = await readDoor(dataDir)
      if (mine?.token === token) await rm(path, { force: true })
      for (const call of calls) call.abort()
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    },
  }
}

const noPage = {
  code: 'no_page',
  zh: '没有可打开的页面：页面由运行中的服务提供；服务未运行时可用 --to 存为文件。',
  en: 'There is no page to open: pages are served by a running server; without one, --to writes a file.',
}

function portOf(server: Server): number {
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the operator door has no port')
  return address.port
}

async function answer(
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  commands: OperatorCommands,
  token: string,
  signal: AbortSignal,
): Promise<void> {
  const line = (value: unknown) => outgoing.write(`${JSON.stringify(value)}\n`)
  try {
    // A page in a browser of this machine can neither know the token nor send this header.
    const given = Buffer.from(incoming.headers['x-operator-token']?.toString() ?? '')
    const isKnown = given.length === token.length && timingSafeEqual(given, Buffer.from(token))
    const command = commands[(incoming.url ?? '').slice(1)]
    if (!isKnown || incoming.method !== 'POST' || command === undefined) {
      outgoing.writeHead(isKnown ? 404 : 403).end()
      return
    }
    const options = await readBody(incoming)
    outgoing.writeHead(200, { 'content-type': 'application/x-ndjson' })
    const key = incoming.headers['x-operator-key']?.toString()
    line({
      result: await command(options, {
        report: (progress) => line({ progress }),
        signal,
        ...(key === undefined ? {} : { key }),
      }),
    })
  } catch (error) {
    if (!outgoing.headersSent) outgoing.writeHead(200, { 'content-type': 'application/x-ndjson' })
    line({ error: told(error) })
  }
  outgoing.end()
}

/** Both texts of whatever went wrong; what does not fit the shape of a command is told by its names. */
function told(error: unknown): { code: string | undefined; zh: string; en: string } {
  if (error instanceof z.ZodError) {
    const unfit = error.issues.map(({ path, message }) => `${path.join('.')} (${message})`).join(', ')
    return { code: 'input_invalid', zh: `参数不符合要求：${unfit}`, en: `Options that do not fit: ${unfit}` }
  }
  const { code, zh, en, message } = error as { code?: string; zh?: string; en?: string; message?: string }
  const text = message ?? String(error)
  return { code, zh: zh ?? text, en: en ?? text }
}

async function readBody(incoming: IncomingMessage): Promise<Record<string, unknown>> {
  const parts: Buffer[] = []
  let sizeBytes = 0
  for await (const part of incoming as AsyncIterable<Buffer>) {
    sizeBytes += part.length
    if (sizeBytes > bodyBytesMax) throw new Error('the options are too long')
    parts.push(part)
  }
  return sizeBytes === 0 ? {} : (JSON.parse(Buffer.concat(parts).toString('utf8')) as Record<string, unknown>)
}

/** What a command was refused for, or failed of, on the other side of the door. */
export class OperatorRefusal extends Error {
  override readonly name = 'OperatorRefusal'
  readonly code: string | undefined
  readonly zh: string

  constructor({ code, zh, en }: { code?: string; zh: string; en: string }) {
    super(en)
    this.code = code
    this.zh = zh
  }
}

/** Nobody answers behind the door: no server of this data folder is running. */
export class NoServer extends Error {
  override readonly name = 'NoServer'
}

/** Asks the running server of a data folder. @throws NoServer, OperatorRefusal */
export async function askOperator(
  dataDir: string,
  name: string,
  options: Record<string, unknown>,
  onProgress: (progress: unknown) => void,
  signal?: AbortSignal,
  /** Of the operator who asks; without it the command is nobody's in particular. */
  key?: string,
): Promise<unknown> {
  const door = await readDoor(dataDir)
  if (door === undefined) throw new NoServer('there is no running server')
  const call = request({
    host: '127.0.0.1',
    port: door.port,
    path: `/${name}`,
    method: 'POST',
    headers: {
      'x-operator-token': door.token,
      'content-type': 'application/json',
      ...(key === undefined ? {} : { 'x-operator-key': key }),
    },
    ...(signal === undefined ? {} : { signal }),
  })
  call.end(JSON.stringify(options))
  let response: IncomingMessage
  try {
    ;[response] = (await once(call, 'response')) as [IncomingMessage]
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ECONNREFUSED')
      throw new NoServer('the server that left its door here does not run any more')
    throw error
  }
  // The port may belong to somebody else by now.
  if (response.statusCode !== 200) throw new NoServer(`nobody answers as expected (${response.statusCode})`)
  for await (const text of createInterface({ input: response })) {
    const message = JSON.parse(text) as {
      progress?: unknown
      result?: unknown
      error?: { code?: string; zh: string; en: string }
    }
    if (message.error !== undefined) throw new OperatorRefusal(message.error)
    if ('result' in message) return message.result
    onProgress(message.progress)
  }
  throw new Error('the server went away before it had answered')
}

async function readDoor(dataDir: string): Promise<{ port: number; token: string } | undefined> {
  const text = await readFile(join(dataDir, fileName), 'utf8').catch(() => undefined)
  return text === undefined ? undefined : (JSON.parse(text) as { port: number; token: string })
}
