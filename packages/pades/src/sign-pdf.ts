import {
  type AsyncSigner,
  buildSignedAttributes,
  buildSignedData,
  digest,
  digestForSigning,
  prepareSigningCertificate,
  type Signer,
  type SigningDigest,
} from '@yinxin/pki'
import {
  finishSignature,
  type PreparedSignature,
  type PrepareOptions,
  prepareSignature,
  prepareSignatureOf,
} from './sign.ts'
import type { PdfSource } from './source.ts'

/** What turns a digest into a CMS signature. */
export interface CmsOptions {
  /** In memory, on a token, or with a remote service. */
  readonly signer: Signer | AsyncSigner
  /** DER, the signer's own certificate first, then its chain. */
  readonly certificates: readonly Uint8Array[]
  /** Gets the digest of the signature value, returns an RFC 3161 token over it: level B-T instead of B-B. */
  readonly timestamp?: (
    signatureDigest: Uint8Array,
    algorithm: SigningDigest,
  ) => Uint8Array | Promise<Uint8Array>
  /** The most a token of this authority takes, so that no more room is kept for it; 8 KB when left out. */
  readonly timestampBytes?: number
}

export interface SignOptions extends Omit<PrepareOptions, 'digestAlgorithm'>, CmsOptions {}

/** The CMS for a prepared signature: CAdES-B-B, or B-T with a timestamp. */
export async function signPrepared(
  prepared: Pick<PreparedSignature, 'digest' | 'digestAlgorithm'>,
  options: CmsOptions,
): Promise<Uint8Array> {
  const { signer, certificates } = options
  const [own] = certificates
  if (!own) throw new RangeError('certificates must start with the signer’s own')
  const signingCertificate = prepareSigningCertificate(own)
  const { digestAlgorithm } = prepared
  const signedAttributes = buildSignedAttributes({
    digest: prepared.digest,
    digestAlgorithm,
    signingCertificate,
  })
  const made = signer.sign(signedAttributes)
  const signature = made instanceof Promise ? await made : made
  const asked = options.timestamp?.(digest(digestAlgorithm, signature), digestAlgorithm)
  const timestampToken = asked instanceof Promise ? await asked : asked
  return buildSignedData({
    digestAlgorithm,
    signedAttributes,
    signature,
    signatureAlgorithm: signer.algorithm,
    signingCertificate,
    certificates: certificates.slice(1),
    ...(timestampToken ? { timestampToken } : {}),
  })
}

/** Signs in one call and returns only what has to be appended to the file, which may be read by ranges. */
export async function signDelta(pdf: Uint8Array | PdfSource, options: SignOptions): Promise<Uint8Array> {
  const prepareOptions = {
    ...options,
    digestAlgorithm: digestForSigning(options.signer.algorithm),
    reserveBytes: options.reserveBytes ?? reserveFor(options),
  }
  const prepared =
    pdf instanceof Uint8Array
      ? prepareSignature(pdf, prepareOptions)
      : prepareSignatureOf(pdf, prepareOptions)
  return finishSignature(prepared, await signPrepared(prepared, options))
}

/** Signs in one call and returns the whole signed file; the original is its prefix, byte for byte. */
export async function signPdf(pdf: Uint8Array, options: SignOptions): Promise<Uint8Array> {
  const delta = await signDelta(pdf, options)
  const signed = new Uint8Array(pdf.length + delta.length)
  signed.set(pdf)
  signed.set(delta, pdf.length)
  return signed
}

/** What an authority's token takes at most when nobody knows better: its chain of RSA certificates included. */
const UNKNOWN_TOKEN_BYTES = 8192

/**
 * Room for the CMS, close to what it will take: the certificates, the frame, and the signature with its issuer and
 * serial number, which are never longer than the signer's certificate that holds a key of that size and both.
 */
export function reserveFor(
  options: Pick<CmsOptions, 'certificates' | 'timestamp' | 'timestampBytes'>,
): number {
  let bytes = (options.certificates[0]?.length ?? 0) + FRAME_BYTES
  for (const certificate of options.certificates) bytes += certificate.length
  if (options.timestamp) bytes += (options.timestampBytes ?? UNKNOWN_TOKEN_BYTES) + TOKEN_FRAME_BYTES
  return bytes
}

/** Headers, algorithm identifiers and signed attributes with a digest of up to 64 bytes. */
const FRAME_BYTES = 320
/** The unsigned attribute around a token. */
const TOKEN_FRAME_BYTES = 64
