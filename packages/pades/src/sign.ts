import { type SigningDigest, startDigest } from '@yinxin/pki'
import type { Appearance } from './appearance.ts'
import { catalogOf, fetchObject, type PdfView, resolve, resolveDict, withRepair, withSparse } from './file.ts'
import { type EmptyField, type FormState, readForm, writeForm } from './form.ts'
import { digestAfter, type HashState } from './hash-state.ts'
import { type FieldLock, locksIn, mdpReferences, refuseBrokenSeed, seedLockOf } from './locks.ts'
import { isDict, nameOf, type PdfDict, type PdfRef, type PdfValue } from './objects.ts'
import { pageAt } from './pages.ts'
import { type Placement, placeOnPage } from './placement.ts'
import { PdfRefusal } from './refusal.ts'
import { dateToken, textToken } from './serialise.ts'
import { hashSource, openSparse, type PdfSource } from './source.ts'
import { beginUpdate, type Update } from './update.ts'
import { attachToPages, fillField, writeAppearances, writeFields } from './widgets.ts'

export interface PrepareOptions {
  /** A new name, or the full name of an empty signature field that is to be signed; chosen when left out. */
  readonly fieldName?: string
  /** What is drawn in the field's own places when an existing field is signed: in all, or in each its own. */
  readonly fieldAppearance?: Appearance | readonly Appearance[]
  /** Locks form fields from this signature on (FieldMDP); a lock the field itself asks for is honoured anyway. */
  readonly lock?: FieldLock
  /** Every place where this one act is shown; empty for an invisible signature. */
  readonly placements: readonly Placement[]
  readonly reason?: string
  readonly location?: string
  readonly contactInfo?: string
  readonly name?: string
  /** Written as /M; the CMS carries no signing time (EN 319 142-1 §6.3). */
  readonly signingTime: Date
  /** DocMDP level of a certification: 1 nothing, 2 forms and signatures, 3 also annotations. */
  readonly certify?: 1 | 2 | 3
  /** The digest that goes with the signer's algorithm; SHA-256 by default. */
  readonly digestAlgorithm?: SigningDigest
  /** Bytes kept for the CMS. */
  readonly reserveBytes?: number
  /** The open hash of exactly these bytes, to save hashing them again. */
  readonly hashState?: HashState
}

/** Everything between the two phases; plain data that survives a structured clone or a database. */
export interface PreparedSignature {
  /** What will be appended to the file, with zeros where the CMS goes. */
  readonly delta: Uint8Array
  readonly byteRange: readonly [number, number, number, number]
  /** Digest over the two covered ranges. */
  readonly digest: Uint8Array
  readonly digestAlgorithm: SigningDigest
  /** Where the hexadecimal digits of /Contents stand in `delta`, and how many there are. */
  readonly contentsOffset: number
  readonly contentsLength: number
  readonly fieldName: string
}

const DEFAULT_RESERVE = 16_384

/** First phase: builds the incremental update with room for the CMS and the digest it has to sign. */
export function prepareSignature(pdf: Uint8Array, options: PrepareOptions): PreparedSignature {
  return withRepair(pdf, (view) => prepare(view, options, 'signature'))
}

/**
 * As `prepareSignature`, for a file that is read by ranges: only its structure is looked at, and its bytes pass
 * through the hash in pieces. The file is not mended; one with a broken cross-reference is refused.
 */
export function prepareSignatureOf(source: PdfSource, options: PrepareOptions): PreparedSignature {
  return withSparse(openSparse(source), (view) => prepare(view, options, 'signature', source))
}

/** First phase of a document timestamp (ISO 32000-2 §12.8.5): `digest` goes to the authority, its token is the CMS. */
export function prepareDocumentTimestamp(
  pdf: Uint8Array | PdfSource,
  options: Pick<PrepareOptions, 'fieldName' | 'digestAlgorithm' | 'reserveBytes' | 'hashState'> = {},
): PreparedSignature {
  // The token carries the time; /M is not written (EN 319 142-1 §5.4.3).
  const silent = { ...options, placements: [], signingTime: new Date(0) }
  return pdf instanceof Uint8Array
    ? withRepair(pdf, (view) => prepare(view, silent, 'timestamp'))
    : withSparse(openSparse(pdf), (view) => prepare(view, silent, 'timestamp', pdf))
}

type Kind = 'signature' | 'timestamp'

function prepare(view: PdfView, options: PrepareOptions, kind: Kind, source?: PdfSource): PreparedSignature {
  // 1. Look at what is there, refuse before writing anything.
  const catalog = catalogOf(view)
  const form = readForm(view, catalog.dict)
  const empty = options.fieldName === undefined ? undefined : form.emptyField(options.fieldName)
  if (kind === 'signature') refuseForbidden(view, catalog.dict, form, options, empty)
  const places = options.placements.map((placement) => {
    const page = pageAt(view, placement.page)
    return { placement, page, placed: placeOnPage(page, placement.rect) }
  })
  const anchorPage = places[0]?.page ?? (empty ? undefined : pageAt(view, 0))
  const lock = options.lock ?? seedLockOf(view, empty?.dict)

  // 2. The signature dictionary, its appearances, its field.
  const update = beginUpdate(view, expectedBytes(options))
  const signature = writeSignature(update, options, kind, lock, catalog.ref)
  const drawn = writeAppearances(update, places)
  const fieldName = empty?.name ?? form.claimName(options.fieldName, signature.num, places.length)
  if (empty) fillField(view, update, empty, signature.num, options.fieldAppearance)
  const widgets = anchorPage
    ? writeFields(update, fieldName, signature.num, anchorPage, drawn, empty ? 1 : 0, options.lock)
    : []

  // 3. What has to point to them: page annotations, form, catalogue.
  attachToPages(view, update, widgets)
  writeForm(view, update, form, catalog, widgets, options.certify ? signature.num : undefined)
  update.finish()
  return close(view, update, signature, fieldName, options, source)
}

/** Close enough to spare the buffer from growing: what is reserved, what is drawn, and some structure. */
function expectedBytes(options: PrepareOptions): number {
  let bytes = (options.reserveBytes ?? DEFAULT_RESERVE) * 2 + 6144
  for (const appearance of new Set(options.placements.map((placement) => placement.appearance))) {
    for (const object of appearance.objects) {
      for (const part of object) bytes += typeof part === 'number' ? 16 : part.length
      bytes += 32
    }
  }
  return bytes + options.placements.length * 600
}

function refuseForbidden(
  view: PdfView,
  catalog: PdfDict,
  form: FormState,
  options: PrepareOptions,
  empty: EmptyField | undefined,
): void {
  const perms = resolveDict(view, catalog.get('Perms'))
  const certification = resolveDict(view, perms?.get('DocMDP'))
  const forbids = (signature: PdfDict) => docMdpLevel(view, signature) === 1
  if ((certification && forbids(certification)) || latestSignatures(view, form).some(forbids))
    throw new PdfRefusal('certified_no_changes')
  if (options.certify && (certification || form.signatures().length > 0))
    throw new PdfRefusal('certify_not_first')
  if (!empty) return
  refuseBrokenSeed(view, empty.dict, options)
  for (const lock of locksIn(view, form.signatures())) {
    if (lock.covers(empty.name)) throw new PdfRefusal('field_locked', empty.name)
  }
}

/** Updates larger than this are not a signature's; the form is looked through instead. */
const SMALL_UPDATE = 64

/**
 * The signatures of the newest update that has any. A lock that permits nothing more can only stand there, and with
 * many signers on one file it matters not to read all that came before.
 */
function latestSignatures(view: PdfView, form: FormState): PdfDict[] {
  if (form.fields.length === 0) return []
  for (const section of view.sections) {
    const numbers: number[] = []
    for (const num of section.numbers()) if (numbers.push(num) > SMALL_UPDATE) return form.signatures()
    const found = numbers
      .map((num) => (section.lookup(num)?.type === 'offset' ? fetchObject(view, num) : null))
      .filter(isDict)
      .filter((dict) => dict.has('ByteRange') && nameOf(dict.get('Type')) !== 'DocTimeStamp')
    if (found.length > 0) return found
  }
  return []
}

/** The DocMDP level a signature dictionary sets (ISO 32000-2 §12.8.2.2), if it does. */
export function docMdpLevel(view: PdfView, signature: PdfDict): 1 | 2 | 3 | undefined {
  const references = resolve(view, signature.get('Reference'))
  if (!Array.isArray(references)) return undefined
  for (const item of references) {
    const reference = resolveDict(view, item)
    const method = resolve(view, reference?.get('TransformMethod'))
    if (!isName(method, 'DocMDP')) continue
    const level = resolve(view, resolveDict(view, reference?.get('TransformParams'))?.get('P'))
    return level === 1 || level === 3 ? level : 2
  }
  return undefined
}

function isName(value: PdfValue, name: string): boolean {
  return (
    typeof value === 'object' &&
    value !== null &&
    'kind' in value &&
    value.kind === 'name' &&
    value.name === name
  )
}

interface OpenSignature {
  readonly num: number
  readonly rangeAt: number
  readonly contentsAt: number
  readonly contentsLength: number
}

function writeSignature(
  update: Update,
  options: PrepareOptions,
  kind: Kind,
  lock: FieldLock | undefined,
  root: PdfRef,
): OpenSignature {
  const num = update.allocate()
  const sink = update.begin(num)
  sink.ascii(
    kind === 'timestamp'
      ? '<</Type/DocTimeStamp/Filter/Adobe.PPKLite/SubFilter/ETSI.RFC3161/ByteRange'
      : '<</Type/Sig/Filter/Adobe.PPKLite/SubFilter/ETSI.CAdES.detached/ByteRange',
  )
  const rangeAt = sink.length
  const contentsLength = (options.reserveBytes ?? DEFAULT_RESERVE) * 2
  sink.ascii(BLANK_RANGE).ascii('/Contents<')
  const contentsAt = sink.length
  sink.fill(0x30, contentsLength).ascii('>')
  if (kind === 'signature') {
    sink.ascii('/M').ascii(dateToken(options.signingTime))
    if (options.name !== undefined) sink.ascii('/Name').ascii(textToken(options.name))
    if (options.reason !== undefined) sink.ascii('/Reason').ascii(textToken(options.reason))
    if (options.location !== undefined) sink.ascii('/Location').ascii(textToken(options.location))
    if (options.contactInfo !== undefined) sink.ascii('/ContactInfo').ascii(textToken(options.contactInfo))
    sink.ascii(mdpReferences(options.certify, lock, root))
  }
  sink.ascii('>>')
  update.end()
  return { num, rangeAt, contentsAt, contentsLength }
}

const RANGE_WIDTH = 60
const BLANK_RANGE = ' '.repeat(RANGE_WIDTH)

function close(
  view: PdfView,
  update: Update,
  signature: OpenSignature,
  fieldName: string,
  options: PrepareOptions,
  source: PdfSource | undefined,
): PreparedSignature {
  const prefix = view.file.bytes
  const { sink } = update
  const total = prefix.length + sink.length
  const gapFrom = prefix.length + signature.contentsAt - 1
  const gapTo = gapFrom + signature.contentsLength + 2
  const byteRange = [0, gapFrom, gapTo, total - gapTo] as const
  sink.patch(signature.rangeAt, `[${byteRange.join(' ')}]`.padEnd(RANGE_WIDTH))
  const delta = sink.take()
  const head = delta.subarray(0, signature.contentsAt - 1)
  const tail = delta.subarray(signature.contentsAt + signature.contentsLength + 1)
  const digestAlgorithm = options.digestAlgorithm ?? 'sha256'
  const { hashState } = options
  if (hashState && (hashState.length !== prefix.length || digestAlgorithm !== 'sha256')) {
    throw new RangeError(
      `hash state: SHA-256 of ${hashState.length} bytes, needed ${digestAlgorithm} of ${prefix.length}`,
    )
  }
  const digest = hashState
    ? digestAfter(hashState, [head, tail])
    : (source ? hashSource(source, digestAlgorithm) : startDigest(digestAlgorithm).update(prefix))
        .update(head)
        .update(tail)
        .digest()
  return {
    delta,
    byteRange,
    digest,
    digestAlgorithm,
    contentsOffset: signature.contentsAt,
    contentsLength: signature.contentsLength,
    fieldName,
  }
}

/** Both digits of every byte, so that one look-up each is enough. */
const HEX = new TextEncoder().encode(
  Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0')).join(''),
)

/**
 * Second phase: writes the CMS into its place in `prepared.delta` and returns that array; nothing is copied.
 * The signed file is the original followed by it.
 */
export function finishSignature(prepared: PreparedSignature, cms: Uint8Array): Uint8Array {
  if (cms.length * 2 > prepared.contentsLength) {
    throw new PdfRefusal('contents_too_small', `${cms.length} > ${prepared.contentsLength / 2}`)
  }
  const { delta } = prepared
  let at = prepared.contentsOffset
  for (let i = 0; i < cms.length; i++) {
    const digits = (cms[i] as number) << 1
    delta[at++] = HEX[digits] as number
    delta[at++] = HEX[digits + 1] as number
  }
  // A second attempt may bring a shorter CMS than the first.
  delta.fill(0x30, at, prepared.contentsOffset + prepared.contentsLength)
  return delta
}
