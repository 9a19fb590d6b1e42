/** What runs on both sides, in Node and in a page: the packages, and their reports as text that can be compared. */
import type { webcrypto } from 'node:crypto'
import { verifyBundle } from '@yinxin/evidence'
import { inspectPdf, PdfRefusal, signPdf, validatePdf, verifyPdf } from '@yinxin/pades'
import {
  digest,
  generateSigner,
  type SignatureAlgorithm,
  signerFromCryptoKey,
  signerFromPem,
  sm2Status,
  toHex,
} from '@yinxin/pki'

export interface Question {
  readonly kind: 'pdf' | 'evidence'
  readonly bytes: Uint8Array
  readonly trust: readonly Uint8Array[]
  readonly logKeys: readonly string[]
  readonly atMs: number
}

/** Every report there is about a file, as JSON. */
export function reportsOn({ kind, bytes, trust, logKeys, atMs }: Question): string {
  if (kind === 'evidence')
    return plainJson([
      verifyBundle(bytes),
      verifyBundle(bytes, { trust, logKeys }),
      verifyBundle(bytes, { trust }),
    ])
  try {
    const validated = validatePdf(bytes, { at: new Date(atMs), trust })
    return plainJson([inspectPdf(bytes), verifyPdf(bytes), verifyPdf(bytes, { trust }), validated])
  } catch (fault) {
    if (fault instanceof PdfRefusal) return plainJson({ refusal: fault.code, detail: fault.detail })
    throw fault
  }
}

/** JSON in which bytes are bytes, whichever class holds them. */
function plainJson(value: unknown): string {
  return JSON.stringify(value, function (this: Record<string, unknown>, key: string, shown: unknown) {
    const held = this[key]
    if (held instanceof Uint8Array) return `${held.length} bytes ${toHex(digest('sha256', held))}`
    if (held instanceof Map || held instanceof Set) return [...held]
    return typeof held === 'bigint' ? held.toString() : shown
  })
}

interface Signing {
  readonly pdf: Uint8Array
  readonly atMs: number
}

/** Signs with a private key in PEM. */
export function signWithPem(
  pem: string,
  certificates: readonly Uint8Array[],
  { pdf, atMs }: Signing,
): Promise<Uint8Array> {
  const signer = signerFromPem(pem)
  return signPdf(pdf, { signer, certificates, placements: [], signingTime: new Date(atMs) })
}

/** Signs with a key that WebCrypto holds; the certificate is made for its public half by `certify`. */
export async function signWithWebCrypto(
  parameters: object,
  certify: (algorithm: SignatureAlgorithm, spki: Uint8Array) => Promise<readonly Uint8Array[]>,
  { pdf, atMs }: Signing,
): Promise<Uint8Array> {
  const { subtle } = globalThis.crypto
  const keys = (await subtle.generateKey(parameters as webcrypto.EcKeyGenParams, false, [
    'sign',
    'verify',
  ])) as webcrypto.CryptoKeyPair
  const signer = await signerFromCryptoKey(subtle, keys)
  const certificates = await certify(signer.algorithm, signer.spki)
  return signPdf(pdf, { signer, certificates, placements: [], signingTime: new Date(atMs) })
}

/** Whether keys made on this side sign what this side verifies, and by which implementation of SM2. */
export const facts = () => ({
  sm2: sm2Status().sm2,
  spki: generateSigner('ecdsa-p256-sha256').signer.spki.length,
})
