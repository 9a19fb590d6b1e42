/**
 * Cryptography through node:crypto: what `#crypto` means everywhere but in a browser. `crypto.browser.ts` answers the
 * same questions there, and a test holds both to the same answers.
 */
import {
  constants,
  createHash,
  createPrivateKey,
  createPublicKey,
  createVerify,
  generateKeyPairSync,
  hash,
  type JsonWebKey,
  type KeyObject,
  type KeyPairKeyObjectResult,
  publicDecrypt,
  sign,
  verify,
} from 'node:crypto'
import {
  type DigestAlgorithm,
  digestIdentifier,
  type SignatureAlgorithm,
  type SignatureScheme,
} from './algorithms.ts'
import { concatBytes, equalBytes } from './bytes.ts'
import { bitString, element, encode, nullValue, octetString, oid, sequence } from './der-write.ts'
import type { Content, RunningHash, SignatureCheck, Signer, Sm2Options } from './crypto.ts'
import { PkiError } from './errors.ts'
import {
  generateSm2Key,
  sm2Check,
  sm2SecretOf,
  sm2SignerFromPkcs8,
  sm2Status,
  sm3Digest,
  startSm3Digest,
} from './crypto-sm2.ts'
import { OID } from './oids.ts'
import { parsePem } from './pem.ts'
import { keyFacts } from './public-key.ts'

const chunksOf = (content: Content): readonly Uint8Array[] =>
  content instanceof Uint8Array ? [content] : content

/** Digest of the content. */
export function digest(algorithm: DigestAlgorithm, content: Content): Uint8Array {
  if (algorithm === 'sm3') return sm3Digest(chunksOf(content))
  // The one-shot form costs half of the streaming one, which shows on certificates and attributes.
  if (content instanceof Uint8Array) return plain(hash(algorithm, content, 'buffer'))
  const state = createHash(algorithm)
  for (const chunk of content) state.update(chunk)
  return plain(state.digest())
}

/** The same bytes without the Buffer around them, whose methods (slice) mean other things. */
const plain = (bytes: Buffer): Uint8Array => new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length)

/** A digest that is still open: bytes may follow. */
export function startDigest(algorithm: DigestAlgorithm): RunningHash {
  return algorithm === 'sm3' ? startSm3Digest() : createHash(algorithm)
}

const curveAlgorithms: Record<string, SignatureAlgorithm> = {
  prime256v1: 'ecdsa-p256-sha256',
  secp384r1: 'ecdsa-p384-sha384',
  SM2: 'sm2-sm3',
}

function inferAlgorithm(key: KeyObject): SignatureAlgorithm {
  const type = key.asymmetricKeyType
  // Node has no name for the type of an imported SM2 key.
  if (type === undefined && sm2SecretOf(pkcs8Of(key)) !== undefined) return 'sm2-sm3'
  const inferred =
    type === 'ec'
      ? curveAlgorithms[key.asymmetricKeyDetails?.namedCurve ?? '']
      : ({ rsa: 'rsa-pkcs1-sha256', 'rsa-pss': 'rsa-pss-sha256', ed25519: 'ed25519' } as const)[type as 'rsa']
  if (inferred === undefined)
    throw new PkiError('unsupported', `no signature algorithm for a key of type ${type}`)
  return inferred
}

const pkcs8Of = (key: KeyObject): Uint8Array => plain(key.export({ format: 'der', type: 'pkcs8' }))

/**
 * A signer over a private key held in memory.
 * @param algorithm inferred from the key; given only to ask for PSS with a plain RSA key.
 * @throws PkiError `unsupported` or `key-mismatch`
 */
export function signerFromKey(
  privateKey: KeyObject,
  algorithm?: SignatureAlgorithm,
  options: Sm2Options = {},
): Signer {
  if (privateKey.type !== 'private') throw new PkiError('argument', 'a signer needs a private key')
  const inferred = inferAlgorithm(privateKey)
  const chosen = algorithm ?? inferred
  const pssWithPlainKey = chosen === 'rsa-pss-sha256' && inferred === 'rsa-pkcs1-sha256'
  if (chosen !== inferred && !pssWithPlainKey)
    throw new PkiError('key-mismatch', `a key for ${inferred} cannot sign with ${chosen}`)
  if (chosen === 'sm2-sm3') return sm2SignerFromPkcs8(pkcs8Of(privateKey), options.sm2Identity)
  return signerOver(privateKey, exportSpki(createPublicKey(privateKey)), chosen)
}

function signerOver(privateKey: KeyObject, spki: Uint8Array, algorithm: SignatureAlgorithm): Signer {
  const digestName = algorithm === 'ed25519' ? null : algorithm === 'ecdsa-p384-sha384' ? 'sha384' : 'sha256'
  const pss = { key: privateKey, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 }
  const key = algorithm === 'rsa-pss-sha256' ? pss : privateKey
  return { algorithm, spki, sign: (data) => plain(sign(digestName, data, key)) }
}

/** What stands before the coordinates in a SubjectPublicKeyInfo, the octet for "uncompressed" included. */
const pointHeader = (curve: string, coordinateOctets: number): Uint8Array => {
  const point = new Uint8Array(1 + 2 * coordinateOctets)
  point[0] = 4
  const spki = encode(sequence(sequence(oid(OID.ecPublicKey), oid(curve)), bitString(point)))
  return spki.slice(0, spki.length - 2 * coordinateOctets)
}
const pointForms: Record<string, { readonly header: Uint8Array; readonly octets: number }> = {
  'P-256': { header: pointHeader(OID.p256, 32), octets: 32 },
  'P-384': { header: pointHeader(OID.p384, 48), octets: 48 },
}

/** SubjectPublicKeyInfo from the coordinates of a JWK; undefined for other curves. */
function spkiOfJwk({ crv = '', x, y }: JsonWebKey): Uint8Array | undefined {
  const form = pointForms[crv]
  if (form === undefined || x === undefined || y === undefined) return undefined
  const { header, octets } = form
  const spki = Buffer.alloc(header.length + 2 * octets)
  spki.set(header)
  // RFC 7518 §6.2.1.2: the coordinates have the full length of the field, leading zeros included.
  const written =
    spki.write(x, header.length, 'base64url') + spki.write(y, header.length + octets, 'base64url')
  return written === 2 * octets ? plain(spki) : undefined
}

/**
 * SubjectPublicKeyInfo of a key. OpenSSL's DER encoder costs twice a P-256 key generation; the coordinates from its
 * JWK behind the constant header are the same bytes for half of that.
 */
function exportSpki(publicKey: KeyObject): Uint8Array {
  const quick =
    publicKey.asymmetricKeyType === 'ec' ? spkiOfJwk(publicKey.export({ format: 'jwk' })) : undefined
  return quick ?? plain(publicKey.export({ format: 'der', type: 'spki' }))
}

/**
 * A new key pair of the algorithm. RSA keys have 2048 bits unless told otherwise.
 * @throws PkiError `unsupported` for SM2 on a platform without it: `generateSm2Key` works there too
 */
export function generateSigner(
  algorithm: SignatureAlgorithm,
  options: { rsaBits?: number } & Sm2Options = {},
): { signer: Signer; privateKey: KeyObject } {
  if (algorithm === 'sm2-sm3') {
    if (sm2Status().sm2 !== 'native') throw new PkiError('unsupported', 'this platform has no SM2 keys')
    const { signer, pkcs8 } = generateSm2Key(options.sm2Identity)
    return { signer, privateKey: createPrivateKey({ key: pkcs8 as Buffer, format: 'der', type: 'pkcs8' }) }
  }
  const { privateKey, spki } = generateKeyPair(algorithm, options.rsaBits ?? 2048)
  return { signer: signerOver(privateKey, spki, algorithm), privateKey }
}

function generateKeyPair(
  algorithm: SignatureAlgorithm,
  modulusLength: number,
): { privateKey: KeyObject; spki: Uint8Array } {
  switch (algorithm) {
    case 'ecdsa-p256-sha256':
      return generateOnCurve('P-256')
    case 'ecdsa-p384-sha384':
      return generateOnCurve('P-384')
    case 'ed25519':
      return exported(generateKeyPairSync('ed25519'))
    case 'rsa-pkcs1-sha256':
    case 'rsa-pss-sha256':
      return exported(generateKeyPairSync('rsa', { modulusLength }))
    default:
      throw new PkiError('unsupported', `unknown signature algorithm "${algorithm as string}"`)
  }
}

const exported = ({ privateKey, publicKey }: KeyPairKeyObjectResult) => ({
  privateKey,
  spki: exportSpki(publicKey),
})

/** The public half comes as JWK right away: no key object is made that nobody needs. */
function generateOnCurve(namedCurve: 'P-256' | 'P-384'): { privateKey: KeyObject; spki: Uint8Array } {
  const made = generateKeyPairSync('ec', {
    namedCurve,
    publicKeyEncoding: { format: 'jwk' },
  } as unknown as { namedCurve: string }) as unknown as { privateKey: KeyObject; publicKey: JsonWebKey }
  const spki = spkiOfJwk(made.publicKey)
  return { privateKey: made.privateKey, spki: spki ?? exportSpki(createPublicKey(made.privateKey)) }
}

/** A signer from a PKCS#8 private key in PEM. */
export function signerFromPem(pem: string, algorithm?: SignatureAlgorithm, options: Sm2Options = {}): Signer {
  const [pkcs8] = pem.includes('-----BEGIN PRIVATE KEY-----') ? parsePem(pem, 'PRIVATE KEY') : []
  if (pkcs8 !== undefined && sm2SecretOf(pkcs8) !== undefined) {
    if (algorithm !== undefined && algorithm !== 'sm2-sm3')
      throw new PkiError('key-mismatch', `a key for sm2-sm3 cannot sign with ${algorithm}`)
    return sm2SignerFromPkcs8(pkcs8, options.sm2Identity)
  }
  return signerFromKey(createPrivateKey(pem), algorithm, options)
}

const keyTypes: Record<SignatureScheme['kind'], readonly string[]> = {
  'rsa-pkcs1': ['rsa'],
  'rsa-pss': ['rsa', 'rsa-pss'],
  ecdsa: ['ec'],
  ed25519: ['ed25519'],
  sm2: [],
  unsupported: [],
}

/**
 * Imported keys by their SPKI, the least recently used first. An import costs as much as a signature, and chains,
 * timestamps and signers of one file name the same keys again and again, each time in other bytes of memory.
 */
const imported = new Map<string, KeyObject>()
const importedLimit = 512

function importKey(spki: Uint8Array): KeyObject | undefined {
  const name = Buffer.from(spki.buffer, spki.byteOffset, spki.length).toString('latin1')
  const known = imported.get(name)
  if (known !== undefined) {
    imported.delete(name)
    imported.set(name, known)
    return known
  }
  try {
    const key = createPublicKey({ key: spki as Buffer, format: 'der', type: 'spki' })
    // Explicit curve parameters (RFC 5480 §2.1.1 forbids them) let the key's maker choose the group.
    if (key.asymmetricKeyType === 'ec' && keyFacts(spki)?.curve === undefined) return undefined
    // A key of a megabyte would make the bound on the count meaningless.
    if (spki.length <= 4096) imported.set(name, key)
    for (const oldest of imported.keys()) {
      if (imported.size <= importedLimit) break
      imported.delete(oldest)
    }
    return key
  } catch {
    // OpenSSL refuses the key: its curve is unknown, or its numbers are no key.
    return undefined
  }
}

/** Checks a signature. Never throws on bad input. `scheme.digest` must be known. */
export function checkSignature(
  scheme: SignatureScheme,
  spki: Uint8Array,
  content: Content,
  signature: Uint8Array,
  options: Sm2Options = {},
): SignatureCheck {
  if (scheme.kind === 'sm2') {
    if (scheme.digest !== 'sm3') return 'unsupported'
    return sm2Check(spki, chunksOf(content), signature, options.sm2Identity) ? 'good' : 'bad'
  }
  const key = importKey(spki)
  if (key === undefined || scheme.kind === 'unsupported') return 'unsupported'
  if (!keyTypes[scheme.kind].includes(key.asymmetricKeyType ?? '')) return 'bad'
  try {
    if (scheme.kind === 'ed25519') {
      return verify(null, concatBytes(chunksOf(content)), key, signature) ? 'good' : 'bad'
    }
    if (scheme.digest === undefined) return 'unsupported'
    const verifier = createVerify(scheme.digest)
    for (const chunk of chunksOf(content)) verifier.update(chunk)
    const pss = { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: scheme.saltLength ?? 20 }
    return verifier.verify(scheme.kind === 'rsa-pss' ? pss : key, signature) ? 'good' : 'bad'
  } catch {
    // OpenSSL reports some malformed signatures as errors instead of as false.
    return 'bad'
  }
}

/** Checks a signature of which only the digest of the content is known: possible for RSA PKCS#1 v1.5 alone. */
export function checkSignatureOfDigest(
  scheme: SignatureScheme,
  spki: Uint8Array,
  contentDigest: Uint8Array,
  signature: Uint8Array,
): SignatureCheck {
  if (scheme.kind !== 'rsa-pkcs1' || scheme.digest === undefined) return 'content-required'
  const key = importKey(spki)
  if (key?.asymmetricKeyType !== 'rsa') return 'unsupported'
  try {
    const found = publicDecrypt({ key, padding: constants.RSA_PKCS1_PADDING }, signature)
    const bare = digestIdentifier(scheme.digest)
    const withNull = element(0x30, bare.subarray(2), nullValue)
    // RFC 8017 §9.2 note 1: both forms of the identifier are met in the wild.
    const accepted = [withNull, bare].map((identifier) =>
      encode(sequence(identifier, octetString(contentDigest))),
    )
    return accepted.some((info) => equalBytes(info, found)) ? 'good' : 'bad'
  } catch {
    return 'bad'
  }
}
