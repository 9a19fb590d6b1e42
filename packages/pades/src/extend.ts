import { PkiError, parseCertificate, type SigningDigest } from '@yinxin/pki'
import { coverageOf } from './byte-range.ts'
import { readStore, type SignatureData, storeKeyOf, storeUpdate } from './dss.ts'
import { leniently, type PdfView, resolve, withInput } from './file.ts'
import {
  containersOf,
  gather,
  type RevocationAnswer,
  type RevocationSource,
  readable,
  type ValidationNeed,
} from './needs.ts'
import { nameOf, stringBytes } from './objects.ts'
import { PdfRefusal } from './refusal.ts'
import { revisionsOf } from './revisions.ts'
import { finishSignature, prepareDocumentTimestamp } from './sign.ts'
import { type FoundSignature, findSignatures } from './signature-fields.ts'
import { extendedSource, type PdfSource } from './source.ts'
import { inputOf } from './verify.ts'

/** Gets a digest, returns an RFC 3161 token over it. */
export type TimestampSource = (
  digest: Uint8Array,
  algorithm: SigningDigest,
) => Uint8Array | Promise<Uint8Array>

export interface TimestampOptions {
  readonly timestamp: TimestampSource
  /** What a token of this authority takes; 4 KB when left out. A longer one costs a second question. */
  readonly timestampBytes?: number
  /** Of the document timestamp; SHA-256 when left out. */
  readonly digestAlgorithm?: SigningDigest
}

export interface ExtendOptions extends Partial<TimestampOptions> {
  readonly level: 'B-T' | 'B-LT' | 'B-LTA'
  /** Asked once for each certificate of each chain; needed from B-LT on. */
  readonly validationData?: RevocationSource
  /** Further certificates for building chains, DER. */
  readonly certificates?: readonly Uint8Array[]
  /** Chains end here, DER; without, at the self-signed root. */
  readonly trust?: readonly Uint8Array[]
}

/**
 * Raises all signatures of a file to a level (ETSI EN 319 142-1 §6) and returns what has to be appended:
 * B-T a document timestamp where a signature has none, B-LT the validation data of all chains, B-LTA a
 * document timestamp over them. Nothing that is there is rewritten. A file read by ranges is never held in memory.
 * @throws PdfRefusal `nothing_to_extend`, `timestamp_needed`, `validation_data_missing`
 */
export async function extendDelta(pdf: Uint8Array | PdfSource, options: ExtendOptions): Promise<Uint8Array> {
  const file = growing(pdf)
  // 1. B-T: every signature needs a proof of when it existed.
  const signatures = read(pdf)
  if (signatures.length === 0) throw new PdfRefusal('nothing_to_extend')
  const timed = signatures.every((one, i) => hasTime(one) || signatures.slice(i + 1).some(isTimestamp))
  if (!timed) await addTimestamp(file, options)
  if (options.level === 'B-T') return file.delta()
  // 2. B-LT: everything needed to judge the chains without asking anybody.
  const { validationData } = options
  if (!validationData) throw new PdfRefusal('validation_data_missing', 'no source of revocation data')
  if (options.level === 'B-LTA' && !options.timestamp) throw new PdfRefusal('timestamp_needed')
  const ask = askOnce(validationData)
  await addValidationData(file, options, ask)
  if (options.level === 'B-LT') return file.delta()
  // 3. B-LTA: a timestamp over all that, and the data of its own authority where it is a new one.
  await addTimestamp(file, options)
  await addValidationData(file, options, ask, true)
  return file.delta()
}

/** As `extendDelta`, with the whole file as the result. */
export async function extendPdf(pdf: Uint8Array, options: ExtendOptions): Promise<Uint8Array> {
  return join(pdf, await extendDelta(pdf, options))
}

/**
 * Carries an archive on before its last timestamp weakens: the validation data of that timestamp, then a new
 * one over everything (EN 319 142-1 §5.5). Once every few years, for as long as the file has to count.
 * @throws PdfRefusal as `extendDelta`
 */
export async function renewPdf(
  pdf: Uint8Array,
  options: Omit<ExtendOptions, 'level'> & TimestampOptions & { readonly validationData: RevocationSource },
): Promise<Uint8Array> {
  return extendPdf(pdf, { ...options, level: 'B-LTA' })
}

/** Adds one document timestamp over the whole file, signed or not, and returns what has to be appended. */
export async function timestampDelta(
  pdf: Uint8Array | PdfSource,
  options: TimestampOptions,
): Promise<Uint8Array> {
  const file = growing(pdf)
  await addTimestamp(file, options)
  return file.delta()
}

/** As `timestampDelta`, with the whole file as the result. */
export async function timestampPdf(pdf: Uint8Array, options: TimestampOptions): Promise<Uint8Array> {
  return join(pdf, await timestampDelta(pdf, options))
}

/** A file that grows: its original, in memory or read by ranges, and what is appended to it. */
interface Growing {
  /** The whole as it is by now. */
  current(): Uint8Array | PdfSource
  append(delta: Uint8Array): void
  delta(): Uint8Array
}

function growing(pdf: Uint8Array | PdfSource): Growing {
  let appended = new Uint8Array(0)
  let whole = pdf
  return {
    current: () => whole,
    append(delta) {
      appended = join(appended, delta)
      whole = pdf instanceof Uint8Array ? join(pdf, appended) : extendedSource(pdf, appended)
    },
    delta: () => appended,
  }
}

function join(pdf: Uint8Array, delta: Uint8Array): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(pdf.length + delta.length)
  whole.set(pdf)
  whole.set(delta, pdf.length)
  return whole
}

/** Room for the token of most authorities; one that needs more is asked again with room for that. */
const USUAL_TOKEN_BYTES = 4096

async function addTimestamp(file: Growing, options: Partial<TimestampOptions>): Promise<void> {
  const { timestamp, digestAlgorithm = 'sha256' } = options
  if (!timestamp) throw new PdfRefusal('timestamp_needed')
  const stamp = async (reserveBytes: number) => {
    const prepared = prepareDocumentTimestamp(file.current(), { reserveBytes, digestAlgorithm })
    return { prepared, token: await timestamp(prepared.digest, digestAlgorithm) }
  }
  const reserveBytes = options.timestampBytes ?? USUAL_TOKEN_BYTES
  let { prepared, token } = await stamp(reserveBytes)
  // Tokens of one authority differ by a few bytes: serial numbers, signatures.
  if (token.length > reserveBytes) ({ prepared, token } = await stamp(token.length + 128))
  file.append(finishSignature(prepared, token))
}

function read(pdf: Uint8Array | PdfSource): FoundSignature[] {
  return withInput(inputOf(pdf), (view) => findSignatures(revisionsOf(leniently(view).file)))
}

function isTimestamp(found: FoundSignature): boolean {
  return nameOf(resolve(found.view, found.dict.get('SubFilter'))) === 'ETSI.RFC3161'
}

function contentsOf(found: FoundSignature): Uint8Array {
  return found.contents ? stringBytes(found.contents) : new Uint8Array(0)
}

function hasTime(found: FoundSignature): boolean {
  return isTimestamp(found) || containers(found).length > 1
}

function containers(found: FoundSignature) {
  try {
    return containersOf(contentsOf(found), isTimestamp(found))
  } catch (error) {
    if (error instanceof PkiError) throw new PdfRefusal('validation_data_missing', error.message)
    throw error
  }
}

async function addValidationData(
  file: Growing,
  options: ExtendOptions,
  ask: (need: ValidationNeed) => Promise<RevocationAnswer>,
  onlyNewData = false,
): Promise<void> {
  const pdf = inputOf(file.current())
  const { found, sealed, certificates } = withInput(pdf, (view) => survey(view, view.file.bytes.length))
  const anchors = (options.trust ?? []).map(parseCertificate)
  const pool = readable([...(options.certificates ?? []), ...certificates])
  const additions: SignatureData[] = []
  for (const one of found) {
    const key = storeKeyOf(contentsOf(one))
    // What a later timestamp seals together with its data is settled; asking again years later could only fail.
    if (sealed.has(key)) continue
    additions.push({ key, ...(await gather(containers(one), pool, anchors, ask)) })
  }
  const delta = withInput(pdf, (view) => storeUpdate(view, additions, onlyNewData))
  if (delta) file.append(delta)
}

/** The signatures of a file, and which of them have their data in the store that a later timestamp covers. */
function survey(view: PdfView, length: number) {
  const revisions = revisionsOf(leniently(view).file)
  const found = findSignatures(revisions)
  const sealed = new Set<string>()
  for (const stamp of found.filter(isTimestamp)) {
    const { end } = coverageOf(stamp, length)
    const inside = revisions.find(({ offset }) => offset < end)
    if (!inside) continue
    const stored = readStore(inside.view).signatures
    for (const key of stored) sealed.add(key)
  }
  return { found, sealed, certificates: readStore(view).certificates }
}

function askOnce(source: RevocationSource) {
  const answers = new Map<string, Promise<RevocationAnswer>>()
  return (need: ValidationNeed): Promise<RevocationAnswer> => {
    const key = need.certificate.fingerprintSha256
    const known = answers.get(key) ?? Promise.resolve(source(need))
    answers.set(key, known)
    return known
  }
}
