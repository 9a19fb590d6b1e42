/** The issuing side of RFC 3161: requests, tokens, responses. */
import { type DigestAlgorithm, digestForSigning, digestIdentifier, digestLength } from './algorithms.ts'
import {
  assertKeyOf,
  buildSignedAttributes,
  buildSignedData,
  prepareSigningCertificate,
} from './cms-build.ts'
import { digest, type Signer } from './crypto.ts'
import {
  boolean,
  type Der,
  element,
  encode,
  generalizedTime,
  implicit,
  integer,
  namedBits,
  octetString,
  oid,
  sequence,
  unsignedInteger,
  utf8String,
} from './der-write.ts'
import { PkiError } from './errors.ts'
import { directoryName } from './name.ts'
import { OID } from './oids.ts'

export interface TimestampRequestFields {
  readonly digest: Uint8Array
  readonly digestAlgorithm: DigestAlgorithm
  /** Unsigned big-endian; ties the answer to this request. */
  readonly nonce?: Uint8Array
  /** Whether the token shall carry the authority's certificate; true unless told otherwise. */
  readonly certReq?: boolean
  readonly policyOid?: string
}

function messageImprint(algorithm: DigestAlgorithm, value: Uint8Array): Der {
  if (value.length !== digestLength(algorithm))
    throw new PkiError('argument', `a digest of ${value.length} octets is no ${algorithm}`)
  return sequence(digestIdentifier(algorithm), octetString(value))
}

/** A TimeStampReq in DER (RFC 3161 §2.4.1). */
export function buildTimestampRequest(fields: TimestampRequestFields): Uint8Array {
  const parts: Der[] = [integer(1), messageImprint(fields.digestAlgorithm, fields.digest)]
  if (fields.policyOid !== undefined) parts.push(oid(fields.policyOid))
  if (fields.nonce !== undefined) parts.push(unsignedInteger(fields.nonce))
  if (fields.certReq !== false) parts.push(boolean(true))
  return encode(sequence(...parts))
}

export interface TimestampTokenFields {
  readonly messageImprint: { readonly algorithm: DigestAlgorithm; readonly digest: Uint8Array }
  /** Unsigned big-endian, unique for the authority (RFC 3161 §2.4.2). */
  readonly serial: Uint8Array
  readonly genTime: Date
  readonly policyOid: string
  readonly nonce?: Uint8Array
  readonly accuracyMs?: number
  /** DER name of the authority, usually the subject of its certificate. */
  readonly tsaName?: Uint8Array
  /** Leaves the certificates out, for a request with `certReq` false. */
  readonly omitCertificates?: boolean
}

/** Accuracy in seconds and milliseconds; the microseconds are never needed (RFC 3161 §2.4.2). */
function accuracy(milliseconds: number): Der {
  if (!Number.isInteger(milliseconds) || milliseconds < 1)
    throw new PkiError('argument', 'an accuracy is 1 ms or more')
  const seconds = Math.floor(milliseconds / 1000)
  const rest = milliseconds % 1000
  const parts: Der[] = []
  if (seconds > 0) parts.push(integer(seconds))
  // [0] IMPLICIT INTEGER: the content octets of the integer under another tag.
  if (rest > 0) parts.push(implicit(0, integer(rest).subarray(2)))
  return sequence(...parts)
}

function tstInfo(fields: TimestampTokenFields): Uint8Array {
  const parts: Der[] = [
    integer(1),
    oid(fields.policyOid),
    messageImprint(fields.messageImprint.algorithm, fields.messageImprint.digest),
    unsignedInteger(fields.serial),
    generalizedTime(fields.genTime),
  ]
  if (fields.accuracyMs !== undefined) parts.push(accuracy(fields.accuracyMs))
  if (fields.nonce !== undefined) parts.push(unsignedInteger(fields.nonce))
  if (fields.tsaName !== undefined) parts.push(element(0xa0, directoryName(fields.tsaName)))
  return encode(sequence(...parts))
}

/** A timestamp authority whose unchanging encodings were made once. */
export interface PreparedTimestampAuthority {
  /** A token: a ContentInfo over TSTInfo (RFC 3161 §2.4.2), with an ESS certificate id v2 (RFC 5816). */
  issue(fields: TimestampTokenFields): Uint8Array
}

/**
 * Prepares an authority that issues often.
 * @param certificate DER of the authority's certificate
 * @param chain further certificates to carry along
 * @throws PkiError `key-mismatch` when the signer is not the certificate's key
 */
export function prepareTimestampAuthority(
  signer: Signer,
  certificate: Uint8Array,
  chain: readonly Uint8Array[] = [],
): PreparedTimestampAuthority {
  // Copies: the authority lives long, and what it was made from is the caller's.
  const signingCertificate = prepareSigningCertificate(new Uint8Array(certificate))
  assertKeyOf(signingCertificate, signer)
  const certificates = chain.map((der) => new Uint8Array(der))
  const digestAlgorithm = digestForSigning(signer.algorithm)
  return {
    issue(fields) {
      const content = tstInfo(fields)
      const signedAttributes = buildSignedAttributes({
        contentType: OID.tstInfo,
        digest: digest(digestAlgorithm, content),
        digestAlgorithm,
        signingCertificate,
      })
      return buildSignedData({
        digestAlgorithm,
        signedAttributes,
        signature: signer.sign(signedAttributes),
        signatureAlgorithm: signer.algorithm,
        signingCertificate,
        certificates,
        encapsulated: { contentType: OID.tstInfo, content },
        omitCertificates: fields.omitCertificates === true,
      })
    },
  }
}

/**
 * Issues one timestamp token.
 * @param certificate DER of the authority's certificate
 * @param chain further certificates to carry along
 * @throws PkiError `key-mismatch` when the signer is not the certificate's key
 */
export function issueTimestampToken(
  fields: TimestampTokenFields,
  signer: Signer,
  certificate: Uint8Array,
  chain: readonly Uint8Array[] = [],
): Uint8Array {
  return prepareTimestampAuthority(signer, certificate, chain).issue(fields)
}

/** Reasons for refusing a request, by their bit (RFC 3161 §2.4.2). */
export const timestampFailures = {
  badAlg: 0,
  badRequest: 2,
  badDataFormat: 5,
  timeNotAvailable: 14,
  unacceptedPolicy: 15,
  unacceptedExtension: 16,
  addInfoNotAvailable: 17,
  systemFailure: 25,
} as const
export type TimestampFailure = keyof typeof timestampFailures

export type TimestampResponseFields =
  | { readonly token: Uint8Array }
  | { readonly failure: TimestampFailure; readonly text?: string }

/** A TimeStampResp in DER: granted with its token, or rejected with a reason. */
export function buildTimestampResponse(fields: TimestampResponseFields): Uint8Array {
  if ('token' in fields) return encode(sequence(sequence(integer(0)), fields.token))
  const status: Der[] = [integer(2)]
  if (fields.text !== undefined) status.push(sequence(utf8String(fields.text)))
  status.push(namedBits([timestampFailures[fields.failure]]))
  return encode(sequence(sequence(...status)))
}
