import { digest, toHex } from '@yinxin/pki'
import { catalogOf, type PdfView, resolve, resolveDict } from './file.ts'
import { decodeStream } from './filters.ts'
import { isRef, isStream, type PdfDict, type PdfRef, type PdfValue, pdfRef } from './objects.ts'
import { SyntaxFault } from './syntax.ts'
import { beginUpdate, type Update } from './update.ts'

/** Certificates and revocation data, DER each. */
export interface ValidationData {
  readonly certificates: readonly Uint8Array[]
  readonly crls: readonly Uint8Array[]
  /** OCSP responses (RFC 6960). */
  readonly ocsps: readonly Uint8Array[]
}

/** The document security store (ISO 32000-2 §12.8.4.3) as one revision has it. */
export interface SecurityStore extends ValidationData {
  /** Keys of /VRI: the SHA-1 of each signature's /Contents. */
  readonly signatures: ReadonlySet<string>
}

const EMPTY: SecurityStore = { certificates: [], crls: [], ocsps: [], signatures: new Set() }
/** Streams of one store; a hostile file must not make the reader decode without end. */
const MAX_ENTRIES = 20_000

const KINDS = [
  { kind: 'certificates', all: 'Certs', one: 'Cert' },
  { kind: 'crls', all: 'CRLs', one: 'CRL' },
  { kind: 'ocsps', all: 'OCSPs', one: 'OCSP' },
] as const

/** Reads the store; entries that cannot be read are left out. */
export function readStore(view: PdfView): SecurityStore {
  const dss = resolveDict(view, catalogOf(view).dict.get('DSS'))
  if (!dss) return EMPTY
  const read = (key: string) => streamsOf(view, dss.get(key)).map(({ data }) => data)
  return {
    certificates: read('Certs'),
    crls: read('CRLs'),
    ocsps: read('OCSPs'),
    signatures: new Set(resolveDict(view, dss.get('VRI'))?.keys() ?? []),
  }
}

interface Stored {
  readonly ref: PdfRef
  readonly data: Uint8Array
}

function streamsOf(view: PdfView, value: PdfValue | undefined): Stored[] {
  const list = resolve(view, value)
  const found: Stored[] = []
  if (!Array.isArray(list)) return found
  for (const item of list.slice(0, MAX_ENTRIES)) {
    const stream = resolve(view, item)
    if (!isRef(item) || !isStream(stream)) continue
    try {
      found.push({ ref: item, data: decodeStream(stream, (inner) => resolve(view, inner)) })
    } catch (fault) {
      if (!(fault instanceof SyntaxFault)) throw fault
    }
  }
  return found
}

/** The key of a signature in /VRI: SHA-1 of its /Contents as they stand, padding included. */
export function storeKeyOf(contents: Uint8Array): string {
  return toHex(digest('sha1', contents)).toUpperCase()
}

/** What belongs to one signature or timestamp. */
export interface SignatureData extends ValidationData {
  /** See `storeKeyOf`. */
  readonly key: string
}

/**
 * The update that adds validation data to the store. What is there stays: its streams are not written again, its
 * arrays only grow, and entries of /VRI gain what they lack. Undefined when nothing is new; with `onlyNewData` also
 * when the data is all there and merely not listed for the signature.
 */
export function storeUpdate(
  view: PdfView,
  additions: readonly SignatureData[],
  onlyNewData = false,
): Uint8Array | undefined {
  const catalog = catalogOf(view)
  const dssValue = catalog.dict.get('DSS')
  const dss = new Map(resolveDict(view, dssValue) ?? [])
  const update = beginUpdate(view)
  const pool = createPool(view, update, dss)
  const vriValue = dss.get('VRI')
  const vri = new Map(resolveDict(view, vriValue) ?? [])
  let vriChanged = false
  let entryChanged = false
  for (const addition of additions) {
    const oldValue = vri.get(addition.key)
    const old = resolveDict(view, oldValue)
    const entry = new Map(old ?? [])
    let changed = old === undefined
    for (const { kind, one } of KINDS) {
      const list = resolve(view, entry.get(one))
      const refs = Array.isArray(list) ? [...list] : []
      const known = new Set(refs.filter(isRef).map(({ num }) => num))
      for (const der of addition[kind]) {
        const ref = pool.add(kind, der)
        if (known.has(ref.num)) continue
        known.add(ref.num)
        refs.push(ref)
        changed = true
        entry.set(one, refs)
      }
    }
    if (!changed) continue
    if (isRef(oldValue) && old) {
      update.put(oldValue, entry)
      entryChanged = true
    } else {
      vri.set(addition.key, entry)
      vriChanged = true
    }
  }
  if (!pool.grown && (onlyNewData || !(vriChanged || entryChanged))) return undefined
  // The object nearest to the change is written, and what holds it only where it is no object of its own.
  let dssChanged = false
  if (vriChanged) {
    if (isRef(vriValue)) update.put(vriValue, vri)
    else {
      dss.set('VRI', vri)
      dssChanged = true
    }
  }
  if (pool.close()) dssChanged = true
  if (dssChanged || !isRef(dssValue)) {
    dss.set('Type', { kind: 'name', name: 'DSS' })
    if (isRef(dssValue)) update.put(dssValue, dss)
    else {
      const num = update.allocate()
      update.put(pdfRef(num), dss)
      const changed = new Map(catalog.dict)
      changed.set('DSS', pdfRef(num))
      update.put(catalog.ref, changed)
    }
  }
  update.finish()
  return update.sink.take()
}

/** The store's streams, each kept once whatever refers to it. */
function createPool(view: PdfView, update: Update, dss: PdfDict) {
  const lists = KINDS.map(({ kind, all }) => {
    const value = dss.get(all)
    const stored = streamsOf(view, value)
    const array = resolve(view, value)
    return {
      kind,
      all,
      value,
      refs: Array.isArray(array) ? [...array] : [],
      byDigest: new Map(stored.map(({ ref, data }) => [digestOf(data), ref])),
      grown: false,
    }
  })
  return {
    get grown() {
      return lists.some((list) => list.grown)
    },
    add(kind: (typeof KINDS)[number]['kind'], der: Uint8Array): PdfRef {
      const list = lists.find((one) => one.kind === kind)
      if (!list) throw new RangeError(kind)
      const digest = digestOf(der)
      const known = list.byDigest.get(digest)
      if (known) return known
      const ref = pdfRef(update.allocate())
      update.put(ref, { kind: 'stream', dict: new Map(), source: der, start: 0, end: der.length })
      list.byDigest.set(digest, ref)
      list.refs.push(ref)
      list.grown = true
      return ref
    },
    /** Writes the grown arrays; true when the store's own dictionary has to change for them. */
    close(): boolean {
      let changed = false
      for (const { all, value, refs, grown } of lists) {
        if (!grown) continue
        if (isRef(value)) update.put(value, refs)
        else {
          dss.set(all, refs)
          changed = true
        }
      }
      return changed
    },
  }
}

/** For telling entries apart. */
export function digestOf(data: Uint8Array): string {
  return toHex(digest('sha256', data))
}
