/** The reading side of RFC 3161: requests, responses, tokens. */
import { type DigestAlgorithm, digestFromOid, digestLength, readAlgorithmOid } from './algorithms.ts'
import { serialToHex } from './certificate.ts'
import { parseSignedData, type SignedData } from './cms-parse.ts'
import {
  atEnd,
  contentOf,
  type DerElement,
  encodingOf,
  enter,
  finish,
  integerBytes,
  next,
  peek,
  readBoolean,
  readNamedBits,
  readOid,
  readOnly,
  readSmallInteger,
  readText,
  readTime,
  take,
  takeOptional,
} from './der-read.ts'
import { PkiError } from './errors.ts'
import { OID } from './oids.ts'
import { timestampFailures } from './timestamp-build.ts'

export interface MessageImprint {
  readonly algorithm: DigestAlgorithm
  readonly digest: Uint8Array
}

export interface TimestampRequest {
  readonly messageImprint: MessageImprint
  readonly policyOid?: string
  /** Content octets of the nonce, without sign octet. */
  readonly nonce?: Uint8Array
  readonly certReq: boolean
  /** Whether it asks for extensions; an authority that knows none answers `unacceptedExtension`. */
  readonly hasExtensions: boolean
}

/** A message imprint. @throws PkiError `unsupported` for an unknown digest, so that a server can answer `badAlg` */
function readMessageImprint(found: DerElement): MessageImprint {
  const cursor = enter(found)
  const dotted = readAlgorithmOid(take(cursor, 0x30, 'a digest algorithm'))
  const algorithm = digestFromOid(dotted)
  const digest = contentOf(take(cursor, 0x04, 'a digest'))
  finish(cursor, 'a message imprint')
  if (algorithm === undefined) throw new PkiError('unsupported', `the digest algorithm ${dotted}`)
  if (digest.length !== digestLength(algorithm))
    throw new PkiError('structure', `a digest of ${digest.length} octets is no ${algorithm}`)
  return { algorithm, digest }
}

function readNonce(found: DerElement): Uint8Array {
  const bytes = integerBytes(found)
  return bytes.length > 1 && bytes[0] === 0 ? bytes.subarray(1) : bytes
}

/** Parses a TimeStampReq. @throws PkiError `der`, `structure`, or `unsupported` for an unknown digest */
export function parseTimestampRequest(der: Uint8Array): TimestampRequest {
  const cursor = enter(readOnly(der, 0x30, 'timestamp request'))
  if (readSmallInteger(take(cursor, 0x02, 'a version'), 'the version') !== 1)
    throw new PkiError('structure', 'a timestamp request of an unknown version')
  const messageImprint = readMessageImprint(take(cursor, 0x30, 'a message imprint'))
  const policy = takeOptional(cursor, 0x06)
  const nonce = takeOptional(cursor, 0x02)
  const certReq = takeOptional(cursor, 0x01)
  const hasExtensions = takeOptional(cursor, 0xa0) !== undefined
  finish(cursor, 'the timestamp request')
  return {
    messageImprint,
    certReq: certReq !== undefined && readBoolean(certReq),
    hasExtensions,
    ...(policy === undefined ? {} : { policyOid: readOid(policy) }),
    ...(nonce === undefined ? {} : { nonce: readNonce(nonce) }),
  }
}

export interface TimestampResponse {
  /** Whether a token was granted (status 0, or 1 with modifications). */
  readonly granted: boolean
  readonly status: number
  readonly token?: Uint8Array
  /** Names of the failure bits, or `bit 7` for unnamed ones. */
  readonly failures: readonly string[]
  readonly texts: readonly string[]
}

const failureByBit = new Map<number, string>(
  Object.entries(timestampFailures).map(([name, bit]) => [bit, name]),
)

/** Parses a TimeStampResp. @throws PkiError `der` or `structure` */
export function parseTimestampResponse(der: Uint8Array): TimestampResponse {
  const cursor = enter(readOnly(der, 0x30, 'timestamp response'))
  const info = enter(take(cursor, 0x30, 'a status'))
  const status = readSmallInteger(take(info, 0x02, 'a status'), 'the status')
  const textList = takeOptional(info, 0x30)
  const bits = takeOptional(info, 0x03)
  finish(info, 'the status')
  const token = takeOptional(cursor, 0x30)
  finish(cursor, 'the timestamp response')
  const granted = status <= 1
  if (granted !== (token !== undefined))
    throw new PkiError('structure', 'the status and the token contradict each other')
  const texts: string[] = []
  if (textList !== undefined)
    for (const list = enter(textList); !atEnd(list); ) texts.push(readText(next(list)))
  return {
    granted,
    status,
    failures:
      bits === undefined ? [] : readNamedBits(bits).map((bit) => failureByBit.get(bit) ?? `bit ${bit}`),
    texts,
    ...(token === undefined ? {} : { token: encodingOf(token) }),
  }
}

export interface TimestampToken {
  readonly genTime: Date
  readonly serialHex: string
  readonly policyOid: string
  readonly messageImprint: MessageImprint
  readonly nonce?: Uint8Array
  readonly accuracyMs?: number
  readonly signedData: SignedData
}

/**
 * Parses a timestamp token (RFC 3161 §2.4.2).
 * @param options `allowZeroPadding` for a document timestamp in a PDF
 * @throws PkiError `der`, `structure` or `unsupported`
 */
export function parseTimestampToken(
  bytes: Uint8Array,
  options: { allowZeroPadding?: boolean } = {},
): TimestampToken {
  const signedData = parseSignedData(bytes, options)
  if (signedData.contentType !== OID.tstInfo || signedData.content === undefined)
    throw new PkiError('structure', 'the container holds no timestamp')
  const cursor = enter(readOnly(signedData.content, 0x30, 'timestamp'))
  if (readSmallInteger(take(cursor, 0x02, 'a version'), 'the version') !== 1)
    throw new PkiError('structure', 'a timestamp of an unknown version')
  const policyOid = readOid(take(cursor, 0x06, 'a policy'))
  const messageImprint = readMessageImprint(take(cursor, 0x30, 'a message imprint'))
  const serialHex = serialToHex(take(cursor, 0x02, 'a serial number'))
  const genTime = readTime(take(cursor, 0x18, 'a time'))
  const accuracy = takeOptional(cursor, 0x30)
  const ordering = takeOptional(cursor, 0x01)
  if (ordering !== undefined) readBoolean(ordering)
  const nonce = takeOptional(cursor, 0x02)
  takeOptional(cursor, 0xa0)
  takeOptional(cursor, 0xa1)
  finish(cursor, 'the timestamp')
  return {
    genTime,
    serialHex,
    policyOid,
    messageImprint,
    signedData,
    ...(nonce === undefined ? {} : { nonce: readNonce(nonce) }),
    ...(accuracy === undefined ? {} : { accuracyMs: readAccuracy(accuracy) }),
  }
}

function readAccuracy(found: DerElement): number {
  const cursor = enter(found)
  let milliseconds = 0
  if (peek(cursor) === 0x02) milliseconds += 1000 * readSmallInteger(next(cursor), 'the accuracy')
  if (peek(cursor) === 0x80) milliseconds += readSmallInteger(next(cursor), 'the accuracy')
  if (peek(cursor) === 0x81) milliseconds += readSmallInteger(next(cursor), 'the accuracy') / 1000
  finish(cursor, 'the accuracy')
  return milliseconds
}
