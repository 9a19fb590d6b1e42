/** Signatures over a digest that was made elsewhere, which node:crypto offers for no kind of key. */
import { constants, createHash, type KeyObject, privateEncrypt, randomBytes } from 'node:crypto'
import { p256, p384 } from '@noble/curves/nist.js'

const digestInfos: Record<number, string> = {
  32: '3031300d060960864801650304020105000420',
  48: '3041300d060960864801650304020205000430',
}

/** RSASSA-PKCS1-v1_5 over a digest (RFC 8017 §8.2). */
export function signRsaPkcs1(key: KeyObject, digest: Buffer): Buffer {
  const info = Buffer.concat([Buffer.from(digestInfos[digest.length] ?? '', 'hex'), digest])
  return privateEncrypt({ key, padding: constants.RSA_PKCS1_PADDING }, info)
}

/** RSASSA-PSS with SHA-256, MGF1-SHA-256 and a salt of 32 octets over a digest (RFC 8017 §9.1.1). */
export function signRsaPss(key: KeyObject, digest: Buffer): Buffer {
  const bits = key.asymmetricKeyDetails?.modulusLength ?? 0
  const length = Math.ceil((bits - 1) / 8)
  const salt = randomBytes(32)
  const hash = sha256(Buffer.concat([Buffer.alloc(8), digest, salt]))
  const block = Buffer.concat([Buffer.alloc(length - 32 - 32 - 2), Buffer.of(1), salt])
  const mask = mgf1(hash, block.length)
  for (let at = 0; at < block.length; at += 1) block[at] = (block[at] as number) ^ (mask[at] as number)
  block[0] = (block[0] as number) & (0xff >> (8 * length - (bits - 1)))
  return privateEncrypt(
    { key, padding: constants.RSA_NO_PADDING },
    Buffer.concat([block, hash, Buffer.of(0xbc)]),
  )
}

/** ECDSA over a digest, as ECDSA-Sig-Value. */
export function signEcdsa(key: KeyObject, digest: Buffer): Buffer {
  const { d, crv } = key.export({ format: 'jwk' })
  const curve = crv === 'P-384' ? p384 : p256
  const secret = Buffer.from(d ?? '', 'base64url')
  return Buffer.from(curve.sign(digest, secret, { prehash: false, format: 'der' }))
}

const sha256 = (bytes: Buffer): Buffer => createHash('sha256').update(bytes).digest()

function mgf1(seed: Buffer, length: number): Buffer {
  const parts: Buffer[] = []
  for (let counter = 0; parts.length * 32 < length; counter += 1) {
    const suffix = Buffer.alloc(4)
    suffix.writeUInt32BE(counter)
    parts.push(sha256(Buffer.concat([seed, suffix])))
  }
  return Buffer.concat(parts).subarray(0, length)
}
