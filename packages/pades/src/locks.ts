import type { SigningDigest } from '@yinxin/pki'
import { type PdfView, resolve, resolveDict } from './file.ts'
import { nameOf, type PdfDict, type PdfRef, textOf } from './objects.ts'
import { PdfRefusal } from './refusal.ts'
import { textToken } from './serialise.ts'

/** Which form fields a signature locks (ISO 32000-2 §12.8.2.4), by full name; a name covers what is below it. */
export interface FieldLock {
  readonly action: 'All' | 'Include' | 'Exclude'
  /** What is included or excluded; nothing for `All`. */
  readonly fields?: readonly string[]
  /** What may still happen to the document afterwards, as a certification says it (/P of the lock). */
  readonly permits?: 1 | 2 | 3
}

/** A lock in force. */
export interface ActiveLock {
  readonly lock: FieldLock
  covers(fieldName: string): boolean
}

/** The FieldMDP lock that one signature dictionary sets. */
export function fieldLockOf(view: PdfView, signature: PdfDict): ActiveLock | undefined {
  const references = resolve(view, signature.get('Reference'))
  if (!Array.isArray(references)) return undefined
  for (const item of references) {
    const reference = resolveDict(view, item)
    if (nameOf(resolve(view, reference?.get('TransformMethod'))) !== 'FieldMDP') continue
    const lock = readLock(view, resolveDict(view, reference?.get('TransformParams')))
    if (lock) return activate(lock)
  }
  return undefined
}

export function locksIn(view: PdfView, signatures: readonly PdfDict[]): ActiveLock[] {
  return signatures.map((one) => fieldLockOf(view, one)).filter((lock) => lock !== undefined)
}

function activate(lock: FieldLock): ActiveLock {
  const names = lock.fields ?? []
  const named = (name: string) => names.some((one) => name === one || name.startsWith(`${one}.`))
  return {
    lock,
    covers: (name) => lock.action === 'All' || named(name) === (lock.action === 'Include'),
  }
}

function readLock(view: PdfView, dict: PdfDict | undefined): FieldLock | undefined {
  const action = nameOf(resolve(view, dict?.get('Action')))
  const level = resolve(view, dict?.get('P'))
  const permits: Pick<FieldLock, 'permits'> =
    level === 1 || level === 2 || level === 3 ? { permits: level } : {}
  if (action === 'All') return { action, ...permits }
  if (action !== 'Include' && action !== 'Exclude') return undefined
  const value = resolve(view, dict?.get('Fields'))
  const fields = (Array.isArray(value) ? value : [])
    .map((item) => textOf(resolve(view, item)))
    .filter((name) => name !== undefined)
  return { action, fields, ...permits }
}

/** The lock that an empty field asks its signer for (/Lock, ISO 32000-2 §12.7.5.5). */
export function seedLockOf(view: PdfView, field: PdfDict | undefined): FieldLock | undefined {
  return field && readLock(view, resolveDict(view, field.get('Lock')))
}

function parameters(lock: FieldLock): string {
  const fields = lock.action === 'All' ? '' : `/Fields[${(lock.fields ?? []).map(textToken).join('')}]`
  return `/Action/${lock.action}${fields}`
}

/** The /Lock dictionary of a field. */
export function lockToken(lock: FieldLock): string {
  const permits = lock.permits === undefined ? '' : `/P ${lock.permits}`
  return `<</Type/SigFieldLock${parameters(lock)}${permits}>>`
}

/** The /Reference entry of a signature that certifies or locks; empty when it does neither. */
export function mdpReferences(
  certify: 1 | 2 | 3 | undefined,
  lock: FieldLock | undefined,
  root: PdfRef,
): string {
  const level = certify ?? lock?.permits
  if (level === undefined && !lock) return ''
  const reference = (method: string, params: string, more = '') =>
    `<</Type/SigRef/TransformMethod/${method}${more}/TransformParams<</Type/TransformParams${params}/V/1.2>>>>`
  const document = level === undefined ? '' : reference('DocMDP', `/P ${level}`)
  // A field lock names the object it is about, the catalogue (ISO 32000-2 Table 256, /Data).
  const data = `/Data ${root.num} ${root.gen} R`
  return `/Reference[${document}${lock ? reference('FieldMDP', parameters(lock), data) : ''}]`
}

/** What a seed value may make binding (ISO 32000-2 Table 237, /Ff), by bit. */
const BINDING = { filter: 1, subFilter: 2, version: 4, reasons: 8, legal: 16, revocation: 32, digest: 64 }

/** Refuses a signature that a binding seed value of the field excludes (ISO 32000-2 §12.7.5.5, /SV). */
export function refuseBrokenSeed(
  view: PdfView,
  field: PdfDict,
  options: { readonly reason?: string; readonly digestAlgorithm?: SigningDigest },
): void {
  const seed = resolveDict(view, field.get('SV'))
  const flags = resolve(view, seed?.get('Ff'))
  if (!seed || typeof flags !== 'number') return
  const listed = (key: string) => {
    const value = resolve(view, seed.get(key))
    return (Array.isArray(value) ? value : [value]).map((item) => {
      const one = resolve(view, item)
      return nameOf(one) ?? textOf(one) ?? ''
    })
  }
  const demand = (bit: number, key: string, met: (values: string[]) => boolean) => {
    if ((flags & bit) !== 0 && seed.has(key) && !met(listed(key))) {
      throw new PdfRefusal('seed_value_violated', key)
    }
  }
  const digest = (options.digestAlgorithm ?? 'sha256').toUpperCase()
  demand(BINDING.filter, 'Filter', (values) => values.includes('Adobe.PPKLite'))
  demand(BINDING.subFilter, 'SubFilter', (values) => values.includes('ETSI.CAdES.detached'))
  demand(BINDING.digest, 'DigestMethod', (values) => values.includes(digest))
  // A list with a single period means: no reason may be given.
  demand(BINDING.reasons, 'Reasons', (values) =>
    values.length === 1 && values[0] === '.'
      ? options.reason === undefined
      : values.includes(options.reason ?? ''),
  )
}
