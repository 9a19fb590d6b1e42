import { utf8 } from './bytes.ts'
import { EvidenceError } from './evidence-error.ts'

/** The JSON this package writes: numbers are safe integers only. */
export type Json = null | boolean | number | string | Json[] | JsonObject
export type JsonObject = { [key: string]: Json }

const DEPTH_MAX = 32

/**
 * Canonical JSON text (RFC 8785) of a value made of plain objects, arrays, strings, booleans, null and safe
 * integers. Anything JSON would drop or bend silently (undefined, NaN, -0, dates, lone surrogates) is refused,
 * because a hash over it would not be reproducible by another implementation.
 */
export function canonicalJson(value: unknown): string {
  return write(value, '$', 0)
}

/** UTF-8 bytes of {@link canonicalJson}; these are the bytes that get hashed. */
export function canonicalBytes(value: unknown): Uint8Array {
  return utf8(canonicalJson(value))
}

/** Parses a text that must already be in canonical form; duplicate keys and other spellings are refused. */
export function parseCanonicalJson(text: string): Json {
  let value: Json
  try {
    value = JSON.parse(text) as Json
  } catch {
    throw new EvidenceError('not_canonical', 'not JSON')
  }
  if (canonicalJson(value) !== text) throw new EvidenceError('not_canonical', 'JSON is not in canonical form')
  return value
}

function write(value: unknown, path: string, depth: number): string {
  if (depth > DEPTH_MAX) throw refuse(path, 'nested too deeply')
  if (value === null || typeof value === 'boolean') return String(value)
  if (typeof value === 'number') {
    if (!Number.isSafeInteger(value) || Object.is(value, -0)) throw refuse(path, 'is not a safe integer')
    return String(value)
  }
  if (typeof value === 'string') return writeString(value, path)
  if (Array.isArray(value)) {
    const items: string[] = []
    for (let i = 0; i < value.length; i++) items.push(write(value[i], `${path}[${i}]`, depth + 1))
    return `[${items.join(',')}]`
  }
  if (typeof value !== 'object') throw refuse(path, `is a ${typeof value}`)
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== null) throw refuse(path, 'is not a plain object')
  // RFC 8785 §3.2.3: keys in the order of their UTF-16 code units, which is what sort() does by default.
  const keys = Object.keys(value).sort()
  const members = keys.map((key) => {
    const member = (value as Record<string, unknown>)[key]
    return `${writeString(key, path)}:${write(member, `${path}.${key}`, depth + 1)}`
  })
  return `{${members.join(',')}}`
}

function writeString(text: string, path: string): string {
  // RFC 8785 §3.2.2.2: lone surrogates are an error; JSON.stringify would write them as escapes.
  if (!isWellFormed(text)) throw refuse(path, 'holds a lone surrogate')
  return JSON.stringify(text)
}

function isWellFormed(text: string): boolean {
  return !/[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/.test(text)
}

function refuse(path: string, why: string): EvidenceError {
  return new EvidenceError('not_canonical', `${path} ${why}`)
}
