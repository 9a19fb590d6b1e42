import {
  buildSignedAttributes,
  buildSignedData,
  digest,
  digestForSigning,
  type Signer,
  type SigningDigest,
} from '@yinxin/pki'
import { finishSignature, type PreparedSignature, type PrepareOptions, prepareSignature } from './sign.ts'

/** What turns a digest into a CMS signature. */
export interface CmsOptions {
  readonly signer: Signer
  /** DER, the signer's own certificate first, then its chain. */
  readonly certificates: readonly Uint8Array[]
  /** Gets the digest of the signature value, returns an RFC 3161 token over it: level B-T instead of B-B. */
  readonly timestamp?: (
    signatureDigest: Uint8Array,
    algorithm: SigningDigest,
  ) => Uint8Array | Promise<Uint8Array>
}

export interface SignOptions extends Omit<PrepareOptions, 'digestAlgorithm'>, CmsOptions {}

/** The CMS for a prepared signature: CAdES-B-B, or B-T with a timestamp. */
export async function signPrepared(
  prepared: Pick<PreparedSignature, 'digest' | 'digestAlgorithm'>,
  options: CmsOptions,
): Promise<Uint8Array> {
  const { signer, certificates } = options
  const signingCertificate = certificates[0]
  if (!signingCertificate) throw new RangeError('certificates must start with the signer’s own')
  const { digestAlgorithm } = prepared
  const signedAttributes = buildSignedAttributes({
    digest: prepared.digest,
    digestAlgorithm,
    signingCertificate,
  })
  const signature = signer.sign(signedAttributes)
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

/** Signs in one call and returns only what has to be appended to the file. */
export async function signDelta(pdf: Uint8Array, options: SignOptions): Promise<Uint8Array> {
  const prepared = prepareSignature(pdf, {
    ...options,
    digestAlgorithm: digestForSigning(options.signer.algorithm),
    reserveBytes: options.reserveBytes ?? reserveFor(options),
  })
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

/** Room for the CMS: its certificates, the largest usual signature and attributes, a timestamp with its own chain. */
export function reserveFor(options: Pick<CmsOptions, 'certificates' | 'timestamp'>): number {
  const certificates = options.certificates.reduce((sum, certificate) => sum + certificate.length, 0)
  return certificates + 2048 + (options.timestamp ? 10_240 : 0)
}
