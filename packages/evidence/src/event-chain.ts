import { fromHex, fromUtf8, sha256Hex, utf8 } from './bytes.ts'
import { canonicalBytes, type Json, type JsonObject, parseCanonicalJson } from './canonical-json.ts'
import { EvidenceError } from './evidence-error.ts'

/** Who did it. Names and numbers of persons appear only as commitments (see {@link commit}). */
export type EventActor = JsonObject & { kind: string }

/** One link of a task's chain; its canonical JSON is both what is hashed and the entry of the log. */
export interface EvidenceEvent {
  v: 1
  taskId: string
  /** Counts from 0 without gaps. */
  seq: number
  /** Hash of the event before, 64 zeros for the first. */
  prevHash: string
  /** `noun.verb` in lower case, such as `document.signed`. */
  type: string
  /** UTC with milliseconds, `2025-01-31T08:09:10.123Z`. */
  at: string
  actor: EventActor
  data: JsonObject
}

/** The end of a chain: all that is needed to append to it. */
export interface ChainHead {
  taskId: string
  seq: number
  hash: string
  at: string
}

export interface EventFields {
  taskId: string
  type: string
  at: Date
  actor: EventActor
  data: JsonObject
}

export interface AppendedEvent {
  event: EvidenceEvent
  /** Canonical JSON: the log entry. */
  bytes: Uint8Array
  /** SHA-256 of bytes, hexadecimal. */
  hash: string
  head: ChainHead
}

export const FIRST_PREV_HASH = '0'.repeat(64)
/** An entry bundle of the log carries lengths in 16 bits (C2SP tlog-tiles). */
export const EVENT_BYTES_MAX = 0xffff

/**
 * Makes the next event of a task's chain. `head` is null for the first.
 *
 * The chain's order is what counts. A clock that was set back must not stop a signing, so an event is dated
 * not before its predecessor: `at` is raised to it where needed.
 *
 * @throws EvidenceError `bad_event` for fields that do not fit, `not_canonical` for data JSON cannot carry
 */
export function appendEvent(head: ChainHead | null, fields: EventFields): AppendedEvent {
  if (head !== null && head.taskId !== fields.taskId) {
    throw new EvidenceError('bad_event', `event of task ${fields.taskId} appended to chain of ${head.taskId}`)
  }
  const now = fields.at.toISOString()
  const event: EvidenceEvent = {
    v: 1,
    taskId: fields.taskId,
    seq: head === null ? 0 : head.seq + 1,
    prevHash: head === null ? FIRST_PREV_HASH : head.hash,
    type: fields.type,
    at: head !== null && head.at > now ? head.at : now,
    actor: fields.actor,
    data: fields.data,
  }
  const problem = eventProblem(event)
  if (problem !== null) throw new EvidenceError('bad_event', problem)
  const bytes = canonicalBytes(event)
  if (bytes.length > EVENT_BYTES_MAX)
    throw new EvidenceError('bad_event', `event of ${bytes.length} bytes is too large`)
  const hash = sha256Hex(bytes)
  return { event, bytes, hash, head: { taskId: event.taskId, seq: event.seq, hash, at: event.at } }
}

/** SHA-256 of the canonical JSON, hexadecimal. */
export function eventHash(event: EvidenceEvent): string {
  return sha256Hex(canonicalBytes(event))
}

/** The entry of the log that stands for an event. */
export function eventBytes(event: EvidenceEvent): Uint8Array {
  return canonicalBytes(event)
}

/** Reads one event from canonical JSON, strictly. @throws EvidenceError */
export function parseEvent(bytes: Uint8Array): EvidenceEvent {
  const text = fromUtf8(bytes)
  if (text === null) throw new EvidenceError('bad_event', 'event is not UTF-8')
  const value = parseCanonicalJson(text)
  const problem = eventProblem(value)
  if (problem !== null) throw new EvidenceError('bad_event', problem)
  return value as unknown as EvidenceEvent
}

export interface ChainProblem {
  /** Position in the list that was judged. */
  index: number
  code: 'bad_event' | 'wrong_task' | 'wrong_seq' | 'broken_link' | 'time_reversed'
}

/** Judges a whole chain from its first event; an empty list of problems means it holds. */
export function verifyChain(events: readonly EvidenceEvent[]): ChainProblem[] {
  const problems: ChainProblem[] = []
  let prevHash = FIRST_PREV_HASH
  let prevAt = ''
  events.forEach((event, index) => {
    let hash: string
    try {
      if (eventProblem(event) !== null) throw new EvidenceError('bad_event', 'shape')
      hash = eventHash(event)
    } catch {
      problems.push({ index, code: 'bad_event' })
      prevHash = ''
      return
    }
    if (event.taskId !== events[0]?.taskId) problems.push({ index, code: 'wrong_task' })
    if (event.seq !== index) problems.push({ index, code: 'wrong_seq' })
    if (event.prevHash !== prevHash) problems.push({ index, code: 'broken_link' })
    if (event.at < prevAt) problems.push({ index, code: 'time_reversed' })
    prevHash = hash
    prevAt = event.at
  })
  return problems
}

/**
 * Commitment to a personal value: hexadecimal SHA-256(salt ‖ 0x00 ‖ UTF-8 value). Events carry it under a key
 * ending in `Commit`; whoever gets salt and value can check it, nobody else can guess it. The salt must be at
 * least 16 fresh random bytes for each value, and is destroyed together with the contract.
 */
export function commit(salt: Uint8Array, value: string): string {
  if (salt.length < 16) throw new EvidenceError('bad_event', 'a salt has at least 16 bytes')
  return sha256Hex(salt, Uint8Array.of(0), utf8(value))
}

/** The opening of one commitment: `path` is a JSON pointer (RFC 6901) into the event with number `seq`. */
export interface Disclosure {
  seq: number
  path: string
  /** Hexadecimal. */
  salt: string
  value: string
}

/** Whether a disclosure opens a commitment of its event. */
export function verifyDisclosure(event: EvidenceEvent, disclosure: Disclosure): boolean {
  const salt = fromHex(disclosure.salt)
  if (salt === null || salt.length < 16 || event.seq !== disclosure.seq) return false
  if (!disclosure.path.endsWith('Commit')) return false
  const committed = pointerValue(event as unknown as Json, disclosure.path)
  return committed === commit(salt, disclosure.value)
}

/**
 * The event with its opened commitments as plain values: `nameCommit` opened as 张三 adds `name: 张三` beside it.
 * A name that is already there is not replaced. Only for disclosures that passed {@link verifyDisclosure}.
 */
export function discloseEvent(event: EvidenceEvent, disclosures: readonly Disclosure[]): EvidenceEvent {
  const open = structuredClone(event)
  for (const disclosure of disclosures) {
    if (disclosure.seq !== event.seq) continue
    const cut = disclosure.path.lastIndexOf('/')
    const parent = pointerValue(open as unknown as Json, disclosure.path.slice(0, cut))
    const key = unescapePointer(disclosure.path.slice(cut + 1)).slice(0, -'Commit'.length)
    if (isObject(parent) && key !== '' && !Object.hasOwn(parent, key)) parent[key] = disclosure.value
  }
  return open
}

function pointerValue(root: Json, pointer: string): Json | undefined {
  if (pointer === '') return root
  if (!pointer.startsWith('/')) return undefined
  let value: Json | undefined = root
  for (const part of pointer.slice(1).split('/')) {
    const key = unescapePointer(part)
    if (Array.isArray(value)) value = /^(0|[1-9]\d*)$/.test(key) ? value[Number(key)] : undefined
    else if (isObject(value) && Object.hasOwn(value, key)) value = value[key]
    else return undefined
  }
  return value
}

function unescapePointer(part: string): string {
  return part.replaceAll('~1', '/').replaceAll('~0', '~')
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

const EVENT_KEYS = 'actor,at,data,prevHash,seq,taskId,type,v'

/** What is wrong with the shape of an event, or null. */
function eventProblem(value: unknown): string | null {
  if (!isObject(value)) return 'event is not an object'
  if (Object.keys(value).sort().join() !== EVENT_KEYS) return 'event has other members than the format'
  const { v, taskId, seq, prevHash, type, at, actor, data } = value
  if (v !== 1) return 'unknown version of the event format'
  if (typeof taskId !== 'string' || !/^[\x21-\x7e]{1,128}$/.test(taskId))
    return 'taskId is not a printable name'
  if (typeof seq !== 'number' || !Number.isSafeInteger(seq) || seq < 0) return 'seq is not a count'
  if (typeof prevHash !== 'string' || !/^[0-9a-f]{64}$/.test(prevHash)) return 'prevHash is not a hash'
  if (typeof type !== 'string' || !/^[a-z][a-z0-9_-]*(\.[a-z][a-z0-9_-]*)+$/.test(type)) {
    return 'type is not of the form noun.verb'
  }
  if (typeof at !== 'string' || !isInstant(at)) return 'at is not an instant in UTC with milliseconds'
  if (!isObject(actor) || typeof actor.kind !== 'string' || actor.kind === '') return 'actor has no kind'
  if (!isObject(data)) return 'data is not an object'
  return null
}

/** Whether a text is an instant as Date.toISOString writes it (years 0000–9999). */
export function isInstant(text: string): boolean {
  if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/.test(text)) return false
  const time = Date.parse(text)
  return !Number.isNaN(time) && new Date(time).toISOString() === text
}
