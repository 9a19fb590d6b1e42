/** What PostgreSQL was asked and what it answered, read from the calls of its backends (protocol 3.0). */
import { type Call, pieces, target } from './calls.ts'

export interface Statement {
  sql: string
  /** Texts of parameters; null for null and for what travels in binary. */
  parameters: (string | null)[]
  /** When its backend had it: whatever it says must be true before. */
  at: number
}

export interface Transaction {
  backend: number
  /** Port of the cluster. */
  port: number
  statements: Statement[]
  /** Rows were inserted, updated or deleted in tables that survive a crash. */
  writes: boolean
  /** It asked to be durable on this server only. */
  hereOnly: boolean
  /** When the backend was told to commit, and when it began to answer that it had. */
  told: number
  answered: number
}

export interface ConversationOptions {
  /** Where the clusters listen that are of interest. */
  ports: readonly number[]
  /** Tables that stand in no log, so that writing them makes nothing durable. */
  unlogged?: readonly string[]
}

/** Every transaction that was answered with success. */
export function readTransactions(calls: readonly Call[], options: ConversationOptions): Transaction[] {
  const backends = new Map<string, Backend>()
  const done: Transaction[] = []
  for (const call of calls) {
    if ((call.name !== 'recvfrom' && call.name !== 'sendto') || call.result <= 0) continue
    const where = target(call)
    const port = portOf(where)
    if (port === undefined || !options.ports.includes(port)) continue
    const key = `${call.pid} ${where}`
    const backend = backends.get(key) ?? newBackend(call.pid, port)
    backends.set(key, backend)
    if (call.name === 'recvfrom') hear(backend, call)
    else answer(backend, call, done, options)
  }
  return done
}

interface Backend {
  pid: number
  port: number
  heard: Stream
  said: Stream
  plans: Map<string, string>
  current: Omit<Transaction, 'backend' | 'port' | 'told' | 'answered'>
  told: number
  isLocalConnection: boolean
}

interface Stream {
  bytes: Buffer
  /** It carries the log to a copy, or strace came in the middle of a message: nothing in it can be read. */
  isLost: boolean
}

const fresh = (isLocal: boolean): Backend['current'] => ({ statements: [], writes: false, hereOnly: isLocal })

function newBackend(pid: number, port: number): Backend {
  return {
    pid,
    port,
    heard: { bytes: Buffer.alloc(0), isLost: false },
    said: { bytes: Buffer.alloc(0), isLost: false },
    plans: new Map(),
    current: fresh(false),
    told: 0,
    isLocalConnection: false,
  }
}

/** The listening side of a connection to PostgreSQL; its socket file names the port, too. */
function portOf(where: string): number | undefined {
  const found = /\.s\.PGSQL\.(\d+)/.exec(where) ?? /^TCP(?:v6)?:\[.*?:(\d+)->/.exec(where)
  return found === null ? undefined : Number(found[1])
}

function hear(backend: Backend, call: Call): void {
  for (const { type, body } of messages(backend.heard, call, backend)) {
    if (type === '') {
      // The first packet of a connection carries its settings.
      backend.isLocalConnection = body.includes('synchronous_commit=local')
      backend.current = fresh(backend.isLocalConnection)
    }
    if (type === 'P') {
      const [name = '', sql = ''] = strings(body, 2)
      backend.plans.set(name, sql)
    }
    if (type === 'B') {
      const { plan, parameters } = readBind(body)
      take(backend, backend.plans.get(plan) ?? '', parameters, call.end)
    }
    if (type === 'Q') {
      const sql = strings(body, 1)[0] ?? ''
      take(backend, sql, [], call.end)
      if (/^\s*start_replication\b/i.test(sql)) backend.said.isLost = true
    }
  }
}

function take(backend: Backend, sql: string, parameters: (string | null)[], at: number): void {
  backend.current.statements.push({ sql, parameters, at })
  if (/\bset local synchronous_commit = local\b/.test(sql)) backend.current.hereOnly = true
  // Also a statement by itself is a transaction, and then this is what tells it to commit.
  backend.told = at
}

function answer(backend: Backend, call: Call, done: Transaction[], options: ConversationOptions): void {
  let isCommitted = false
  for (const { type, body } of messages(backend.said, call, backend)) {
    if (type === 'C') {
      const tag = strings(body, 1)[0] ?? ''
      if (/^(INSERT 0|UPDATE|DELETE|MERGE) [1-9]/.test(tag)) backend.current.writes = true
      if (tag === 'COMMIT') isCommitted = true
      if (tag === 'ROLLBACK') backend.current = fresh(backend.isLocalConnection)
    }
    if (type === 'E') backend.current.writes = false
    if (type === 'Z' && body[0] === 0x49) {
      const { current } = backend
      const isUnlogged = current.statements.every(
        ({ sql }) => !writing.test(sql) || options.unlogged?.some((table) => sql.includes(table)),
      )
      if (isCommitted || current.writes) {
        done.push({
          ...current,
          writes: current.writes && !isUnlogged,
          backend: backend.pid,
          port: backend.port,
          told: backend.told,
          answered: call.begin,
        })
      }
      isCommitted = false
      backend.current = fresh(backend.isLocalConnection)
    }
  }
}

const writing = /\b(insert into|update|delete from|merge into)\b/i

interface Message {
  /** A letter; empty for the first packet of a connection. */
  type: string
  body: Buffer
}

/** The messages that are complete with this call. */
function* messages(stream: Stream, call: Call, { current }: Backend): Generator<Message> {
  const [piece] = pieces(call)
  if (piece === undefined || stream.isLost) return
  if (piece.bytes.length < piece.sizeBytes) {
    if (current.statements.length > 0)
      throw new Error(`strace cut off what process ${call.pid} said or heard; it needs a longer -s`)
    stream.isLost = true
    return
  }
  stream.bytes = Buffer.concat([stream.bytes, piece.bytes])
  for (;;) {
    const { bytes } = stream
    // No letter: the first packet of a connection, or its request for encryption.
    const head = bytes[0] === 0 ? 0 : 1
    if (bytes.length < head + 4) return
    const sizeBytes = head + bytes.readUInt32BE(head)
    if (sizeBytes > 1 << 28 || sizeBytes < head + 4) {
      stream.isLost = true
      return
    }
    if (bytes.length < sizeBytes) return
    stream.bytes = bytes.subarray(sizeBytes)
    yield { type: bytes.toString('latin1', 0, head), body: bytes.subarray(head + 4, sizeBytes) }
  }
}

/** The first texts of a message, each ended by a zero. */
function strings(body: Buffer, count: number): string[] {
  const found: string[] = []
  for (let at = 0; found.length < count && at < body.length; ) {
    const end = body.indexOf(0, at)
    if (end < 0) break
    found.push(body.toString('utf8', at, end))
    at = end + 1
  }
  return found
}

function readBind(body: Buffer): { plan: string; parameters: (string | null)[] } {
  const portalEnd = body.indexOf(0)
  const planEnd = body.indexOf(0, portalEnd + 1)
  const plan = body.toString('utf8', portalEnd + 1, planEnd)
  let at = planEnd + 1
  const formats = Array.from({ length: body.readUInt16BE(at) }, (_, n) => body.readUInt16BE(at + 2 + 2 * n))
  at += 2 + 2 * formats.length
  const count = body.readUInt16BE(at)
  at += 2
  const parameters: (string | null)[] = []
  for (let n = 0; n < count; n += 1) {
    const sizeBytes = body.readInt32BE(at)
    at += 4
    const isBinary = (formats.length === 1 ? formats[0] : formats[n]) === 1
    parameters.push(sizeBytes < 0 || isBinary ? null : body.toString('utf8', at, at + sizeBytes))
    at += Math.max(0, sizeBytes)
  }
  return { plan, parameters }
}

/** The rows that a statement inserts into a table, by column, where it names them one by one. */
export function insertedRows({ sql, parameters }: Statement, table: string): Record<string, string | null>[] {
  const found = new RegExp(`insert into "${table}" \\(([^)]*)\\) values ((?:\\([^)]*\\)(?:, )?)+)`).exec(sql)
  if (found === null) return []
  const columns = Array.from((found[1] ?? '').matchAll(/"(\w+)"/g), ([, name]) => name ?? '')
  return Array.from((found[2] ?? '').matchAll(/\(([^)]*)\)/g), ([, row]) => {
    const values = (row ?? '').split(', ').map((one) => parameters[Number(one.slice(1)) - 1] ?? null)
    return Object.fromEntries(columns.map((column, n) => [column, values[n] ?? null]))
  })
}
