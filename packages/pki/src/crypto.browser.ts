/**
 * Cryptography without a platform's library: what `#crypto` means in a browser, where WebCrypto could answer only
 * later. Verification is complete; of private keys, those on curves can sign here, RSA keys sign through WebCrypto
 * between the two phases (`buildSignedAttributes`, `buildSignedData`).
 */
import { ed25519 } from '@noble/curves/ed25519.js'
import { p256, p384 } from '@noble/curves/nist.js'
import { sha1 } from '@noble/hashes/legacy.js'
import { sha224, sha256, sha384, sha512 } from '@noble/hashes/sha2.js'
import { sha3_224, sha3_256, sha3_384, sha3_512 } from '@noble/hashes/sha3.js'
import type { DigestAlgorithm, SignatureAlgorithm, SignatureScheme } from './algorithms.ts'
import { concatBytes, equalBytes } from './bytes.ts'
import type { Content, RunningHash, SignatureCheck, Signer, Sm2Options } from './crypto.ts'
import { generateSm2Key, sm2Check, sm2SecretOf, sm2SignerFromPkcs8, startSm3Digest } from './crypto-sm2.ts'
import { verifyEcdsa, verifyEd25519Point } from './curve-verify.ts'
import { contentOf, enter, next, readOid, readOnly, readSmallInteger, take } from './der-read.ts'
import { bitString, type Der, encode, integer, nullValue, oid, sequence } from './der-write.ts'
import { PkiError } from './errors.ts'
import { publicKeyBits } from './extensions.ts'
import { OID } from './oids.ts'
import { parsePem } from './pem.ts'
import { type KeyFacts, keyFacts } from './public-key.ts'
import { digestInfo, recoverDigestInfo, verifyPkcs1, verifyPss } from './rsa-verify.ts'

const hashes = {
  sha1,
  sha224,
  sha256,
  sha384,
  sha512,
  'sha3-224': sha3_224,
  'sha3-256': sha3_256,
  'sha3-384': sha3_384,
  'sha3-512': sha3_512,
} as const

const chunksOf = (content: Content): readonly Uint8Array[] =>
  content instanceof Uint8Array ? [content] : content

/** A digest that is still open: bytes may follow. */
export function startDigest(algorithm: DigestAlgorithm): RunningHash {
  return algorithm === 'sm3' ? startSm3Digest() : running(hashes[algorithm].create())
}

type NobleHash = ReturnType<(typeof hashes)[keyof typeof hashes]['create']>

function running(hash: NobleHash): RunningHash {
  const self: RunningHash = {
    update(chunk) {
      hash.update(chunk)
      return self
    },
    digest: () => hash.digest(),
    copy: () => running(hash.clone()),
  }
  return self
}

/** Digest of the content. */
export function digest(algorithm: DigestAlgorithm, content: Content): Uint8Array {
  const state = startDigest(algorithm)
  for (const chunk of chunksOf(content)) state.update(chunk)
  return state.digest()
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
  const facts = keyFacts(spki)
  if (facts === undefined || scheme.kind === 'unsupported') return 'unsupported'
  try {
    return check(scheme, facts, spki, content, signature)
  } catch (error) {
    // The key's numbers are no key.
    if (error instanceof PkiError) return 'unsupported'
    throw error
  }
}

function check(
  scheme: SignatureScheme,
  facts: KeyFacts,
  spki: Uint8Array,
  content: Content,
  signature: Uint8Array,
): SignatureCheck {
  const rsa = facts.type === 'rsa' || facts.type === 'rsa-pss'
  if (facts.type === 'other') return knownElsewhere(spki) ? 'bad' : 'unsupported'
  if (facts.type !== 'rsa-pss' && !isPlainly(facts, spki)) return 'unsupported'
  if (scheme.kind === 'ed25519') {
    if (facts.type !== 'ed25519') return 'bad'
    const message = concatBytes(chunksOf(content))
    return verifyEd25519Point(publicKeyBits(spki), message, signature) ? 'good' : 'bad'
  }
  if (scheme.kind === 'ecdsa' ? facts.type !== 'ec' || facts.curve === 'SM2' : !rsa) return 'bad'
  if (scheme.kind === 'rsa-pkcs1' && facts.type === 'rsa-pss') return 'bad'
  const algorithm = scheme.digest
  if (algorithm === undefined) return 'unsupported'
  const value = digest(algorithm, content)
  if (scheme.kind === 'ecdsa') {
    const good = verifyEcdsa(facts.curve ?? '', publicKeyBits(spki), value, signature)
    return good === undefined ? 'unsupported' : good ? 'good' : 'bad'
  }
  const good =
    scheme.kind === 'rsa-pkcs1'
      ? verifyPkcs1(spki, algorithm, value, signature)
      : verifyPss(spki, { algorithm, saltLength: scheme.saltLength ?? 20 }, value, signature, digest)
  return good ? 'good' : 'bad'
}

/** Whether the key stands in the one encoding that its kind has; another may mean something else to another reader. */
function isPlainly({ type }: KeyFacts, spki: Uint8Array): boolean {
  const identifiers: Der[] =
    type === 'rsa'
      ? [sequence(oid(OID.rsaEncryption), nullValue), sequence(oid(OID.rsaEncryption))]
      : type === 'ed25519'
        ? [sequence(oid(OID.ed25519))]
        : [sequence(oid(OID.ecPublicKey), oid(namedCurve(spki)))]
  const key = bitString(publicKeyBits(spki))
  return identifiers.some((identifier) => equalBytes(encode(sequence(identifier, key)), spki))
}

function namedCurve(spki: Uint8Array): string {
  const identifier = enter(take(enter(readOnly(spki, 0x30, 'public key')), 0x30, 'an algorithm'))
  take(identifier, 0x06, 'an algorithm')
  // Explicit curve parameters (RFC 5480 §2.1.1 forbids them) let the key's maker choose the group.
  return readOid(take(identifier, 0x06, 'a curve'))
}

/** Keys that OpenSSL knows and that fit no signature read here: DSA, X25519, X448, Ed448. */
const otherKeys = new Set(['1.2.840.10040.4.1', '1.3.101.110', '1.3.101.111', '1.3.101.113'])

function knownElsewhere(spki: Uint8Array): boolean {
  const algorithm = enter(take(enter(readOnly(spki, 0x30, 'public key')), 0x30, 'an algorithm'))
  return otherKeys.has(readOid(take(algorithm, 0x06, 'an algorithm')))
}

/** Checks a signature of which only the digest of the content is known: possible for RSA PKCS#1 v1.5 alone. */
export function checkSignatureOfDigest(
  scheme: SignatureScheme,
  spki: Uint8Array,
  contentDigest: Uint8Array,
  signature: Uint8Array,
): SignatureCheck {
  const algorithm = scheme.digest
  if (scheme.kind !== 'rsa-pkcs1' || algorithm === undefined) return 'content-required'
  if (keyFacts(spki)?.type !== 'rsa') return 'unsupported'
  const found = recoverDigestInfo(spki, signature)
  const accepted = [false, true].map((absent) => digestInfo(algorithm, contentDigest, absent))
  return found !== undefined && accepted.some((info) => equalBytes(info, found)) ? 'good' : 'bad'
}

/** @throws PkiError `unsupported`: a browser has no key objects */
export function signerFromKey(): Signer {
  throw new PkiError('unsupported', 'a browser has no key objects; use signerFromPem or WebCrypto')
}

const elliptic = {
  'ecdsa-p256-sha256': { curve: p256, named: OID.p256 },
  'ecdsa-p384-sha384': { curve: p384, named: OID.p384 },
} as const

function signerOver(algorithm: SignatureAlgorithm, secret: Uint8Array): Signer {
  if (algorithm === 'ed25519') {
    const spki = encode(sequence(sequence(oid(OID.ed25519)), bitString(ed25519.getPublicKey(secret))))
    return { algorithm, spki, sign: (data) => ed25519.sign(data, secret) }
  }
  if (algorithm !== 'ecdsa-p256-sha256' && algorithm !== 'ecdsa-p384-sha384') throw needsWebCrypto()
  const { curve, named } = elliptic[algorithm]
  const point = curve.getPublicKey(secret, false)
  const spki = encode(sequence(sequence(oid(OID.ecPublicKey), oid(named)), bitString(point)))
  return {
    algorithm,
    spki,
    sign(data) {
      const octets = secret.length
      const compact = curve.sign(data, secret, { lowS: false, format: 'compact' })
      const [r, s] = [compact.subarray(0, octets), compact.subarray(octets)].map(unsigned)
      return encode(sequence(integer(r ?? 0n), integer(s ?? 0n)))
    },
  }
}

const unsigned = (bytes: Uint8Array): bigint =>
  bytes.reduce((value, octet) => (value << 8n) | BigInt(octet), 0n)

const needsWebCrypto = (): PkiError =>
  new PkiError('unsupported', 'in a browser, RSA keys sign through WebCrypto')

/** A signer from a PKCS#8 private key in PEM. @throws PkiError `unsupported` for RSA, `key-mismatch` */
export function signerFromPem(pem: string, algorithm?: SignatureAlgorithm, options: Sm2Options = {}): Signer {
  const [pkcs8] = parsePem(pem, 'PRIVATE KEY')
  if (pkcs8 === undefined) throw new PkiError('argument', 'the text holds no PKCS#8 private key')
  if (sm2SecretOf(pkcs8) !== undefined) {
    refuseOther('sm2-sm3', algorithm)
    return sm2SignerFromPkcs8(pkcs8, options.sm2Identity)
  }
  const cursor = enter(readOnly(pkcs8, 0x30, 'private key'))
  readSmallInteger(take(cursor, 0x02, 'a version'), 'the version')
  const identifier = enter(take(cursor, 0x30, 'a key algorithm'))
  const kind = readOid(take(identifier, 0x06, 'a key algorithm'))
  const body = contentOf(take(cursor, 0x04, 'a key'))
  if (kind === OID.ed25519) {
    refuseOther('ed25519', algorithm)
    return signerOver('ed25519', contentOf(readOnly(body, 0x04, 'Ed25519 key')))
  }
  if (kind !== OID.ecPublicKey) throw needsWebCrypto()
  const named = readOid(take(identifier, 0x06, 'a curve'))
  const found = (['ecdsa-p256-sha256', 'ecdsa-p384-sha384'] as const).find(
    (one) => elliptic[one].named === named,
  )
  if (found === undefined) throw new PkiError('unsupported', `no signature algorithm for the curve ${named}`)
  refuseOther(found, algorithm)
  const key = enter(readOnly(body, 0x30, 'EC key'))
  next(key)
  return signerOver(found, contentOf(take(key, 0x04, 'a secret')))
}

function refuseOther(found: SignatureAlgorithm, asked: SignatureAlgorithm | undefined): void {
  if (asked !== undefined && asked !== found)
    throw new PkiError('key-mismatch', `a key for ${found} cannot sign with ${asked}`)
}

/** A new key pair in memory. Without a key object: what a browser keeps, it keeps through WebCrypto. */
export function generateSigner(
  algorithm: SignatureAlgorithm,
  options: Sm2Options = {},
): { signer: Signer; privateKey: undefined } {
  if (algorithm === 'sm2-sm3')
    return { signer: generateSm2Key(options.sm2Identity).signer, privateKey: undefined }
  const secret =
    algorithm === 'ed25519'
      ? ed25519.utils.randomSecretKey()
      : algorithm === 'ecdsa-p384-sha384'
        ? p384.utils.randomSecretKey()
        : p256.utils.randomSecretKey()
  return { signer: signerOver(algorithm, secret), privateKey: undefined }
}
