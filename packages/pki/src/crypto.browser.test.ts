import {
  createSign,
  generateKeyPairSync,
  type KeyObject,
  sign as nodeSign,
  type RSAKeyPairKeyObjectOptions,
} from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { DigestAlgorithm, SignatureScheme } from './algorithms.ts'
import * as browser from './crypto.browser.ts'
import * as node from './crypto.node.ts'
import type { Signer } from './crypto.ts'
import { bitString, encode, integer, nullValue, oid, sequence } from './der-write.ts'
import { OID } from './oids.ts'

const digests = ['sha1', 'sha224', 'sha256', 'sha384', 'sha512', 'sha3-256', 'sha3-512', 'sm3'] as const
const message = new TextEncoder().encode('一份合同')
const scheme = (
  kind: SignatureScheme['kind'],
  digest?: DigestAlgorithm,
  saltLength?: number,
): SignatureScheme => ({
  kind,
  oid: '1.2.3',
  name: kind,
  ...(digest ? { digest } : {}),
  ...(saltLength === undefined ? {} : { saltLength }),
})
const spkiOf = (key: KeyObject) => new Uint8Array(key.export({ format: 'der', type: 'spki' }))

interface Vector {
  readonly name: string
  readonly scheme: SignatureScheme
  readonly spki: Uint8Array
  readonly signature: Uint8Array
}

function vectors(): Vector[] {
  const list: Vector[] = []
  for (const modulusLength of [1024, 1027, 2048, 3072]) {
    const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength })
    const spki = spkiOf(publicKey)
    for (const digest of ['sha1', 'sha256', 'sha384', 'sha3-256'] as const) {
      const signature = nodeSign(digest, message, privateKey)
      list.push({
        name: `pkcs1 ${modulusLength} ${digest}`,
        scheme: scheme('rsa-pkcs1', digest),
        spki,
        signature,
      })
      for (const saltLength of [0, 20, 32]) {
        const signature = nodeSign(digest, message, { key: privateKey, padding: 6, saltLength })
        const name = `pss ${modulusLength} ${digest} ${saltLength}`
        list.push({ name, scheme: scheme('rsa-pss', digest, saltLength), spki, signature })
      }
    }
  }
  const bound = generateKeyPairSync(
    'rsa-pss' as 'rsa',
    {
      modulusLength: 2048,
      hashAlgorithm: 'sha256',
      mgf1HashAlgorithm: 'sha256',
      saltLength: 32,
    } as RSAKeyPairKeyObjectOptions,
  )
  const signature = nodeSign('sha256', message, { key: bound.privateKey, padding: 6, saltLength: 32 })
  for (const one of [
    scheme('rsa-pss', 'sha256', 32),
    scheme('rsa-pss', 'sha256', 20),
    scheme('rsa-pss', 'sha384', 32),
  ])
    list.push({
      name: `key for pss ${one.digest} ${one.saltLength}`,
      scheme: one,
      spki: spkiOf(bound.publicKey),
      signature,
    })
  for (const namedCurve of [
    'P-256',
    'P-384',
    'P-521',
    'secp256k1',
    'brainpoolP256r1',
    'brainpoolP384r1',
    'brainpoolP512r1',
  ]) {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve })
    for (const digest of ['sha1', 'sha256', 'sha512', 'sha3-512'] as const) {
      const signature = createSign(digest).update(message).sign(privateKey)
      list.push({
        name: `${namedCurve} ${digest}`,
        scheme: scheme('ecdsa', digest),
        spki: spkiOf(publicKey),
        signature,
      })
    }
  }
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  list.push({
    name: 'ed25519',
    scheme: scheme('ed25519'),
    spki: spkiOf(publicKey),
    signature: nodeSign(null, message, privateKey),
  })
  const { signer } = node.generateSigner('sm2-sm3')
  list.push({ name: 'sm2', scheme: scheme('sm2', 'sm3'), spki: signer.spki, signature: signer.sign(message) })
  return list.map((one) => ({ ...one, signature: new Uint8Array(one.signature) }))
}

const all = vectors()
const both = ({ scheme, spki, signature }: Vector, content: Uint8Array = message) => [
  node.checkSignature(scheme, spki, content, signature),
  browser.checkSignature(scheme, spki, content, signature),
]

describe('cryptography in a browser answers as node:crypto does', () => {
  it('to digests of any bytes, in one piece and in several, and after a copy', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...digests),
        fc.array(fc.uint8Array({ maxLength: 300 })),
        (name, chunks) => {
          const expected = new Uint8Array(node.digest(name, chunks))
          expect(new Uint8Array(browser.digest(name, chunks))).toEqual(expected)
          const state = browser.startDigest(name)
          for (const chunk of chunks) state.update(chunk)
          state.copy().update(message)
          expect(new Uint8Array(state.digest())).toEqual(expected)
        },
      ),
    )
  })

  it.each(all)('to a signature by $name', (vector) => {
    const [expected, found] = both(vector)
    expect(found).toBe(expected)
    if (!vector.name.startsWith('key for pss')) expect(found).toBe('good')
    expect(both(vector, new Uint8Array(3))).toEqual(['bad', 'bad'])
  })

  it('holds a key for PSS to its own digest and salt', () => {
    const found = all.filter(({ name }) => name.startsWith('key for pss')).map((one) => both(one)[1])
    expect(found).toEqual(['good', 'bad', 'bad'])
  })

  it('to altered signatures and keys, whatever was altered', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...all),
        fc.nat(),
        fc.integer({ min: 1, max: 255 }),
        fc.constantFrom('signature', 'spki') as fc.Arbitrary<'signature' | 'spki'>,
        fc.constantFrom(0, 0, 1, -1),
        (vector, place, by, part, longer) => {
          const bytes = vector[part].slice()
          bytes[place % bytes.length]! ^= by
          const sized = new Uint8Array(bytes.length + longer)
          sized.set(bytes.subarray(0, sized.length))
          const altered = { ...vector, [part]: sized }
          const [expected, found] = both(altered)
          // OpenSSL also reads keys that are encoded in other ways than the one they have.
          if (part === 'spki') expect(found === 'good' && expected !== 'good').toBe(false)
          else expect(found).toBe(expected)
        },
      ),
      { numRuns: 1500 },
    )
  }, 120_000)

  it('never trusts a key for PSS of which any octet of the head was altered and node:crypto does not', () => {
    const [bound] = all.filter(({ name }) => name.startsWith('key for pss'))
    const wrong: string[] = []
    for (let place = 0; place < 78; place += 1)
      for (let by = 1; by < 256; by += 1) {
        const spki = bound!.spki.slice()
        spki[place]! ^= by
        const [expected, found] = both({ ...bound!, spki })
        if (found === 'good' && expected !== 'good') wrong.push(`${place} ^ ${by}`)
      }
    expect(wrong).toEqual([])
  }, 120_000)

  it('to every scheme with every kind of key', () => {
    const schemes = [
      scheme('rsa-pkcs1', 'sha256'),
      scheme('rsa-pss', 'sha256', 32),
      scheme('ecdsa', 'sha256'),
      scheme('ecdsa'),
      scheme('ed25519'),
      scheme('sm2', 'sm3'),
      scheme('unsupported'),
    ]
    const x25519 = spkiOf(generateKeyPairSync('x25519').publicKey)
    for (const { spki, signature } of [...all, { spki: x25519, signature: new Uint8Array(64) }])
      for (const one of schemes)
        expect(browser.checkSignature(one, spki, message, signature)).toBe(
          node.checkSignature(one, spki, message, signature),
        )
  })

  it('to signatures of digests', () => {
    const value = node.digest('sha256', message)
    for (const { spki, signature } of all) {
      const one = scheme('rsa-pkcs1', 'sha256')
      expect(browser.checkSignatureOfDigest(one, spki, value, signature)).toBe(
        node.checkSignatureOfDigest(one, spki, value, signature),
      )
    }
  })

  it('to RSA keys with other exponents, and refuses those that would take for ever', () => {
    for (const publicExponent of [3, 17, 0xfffffffb]) {
      const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 1024, publicExponent })
      const signature = new Uint8Array(nodeSign('sha256', message, privateKey))
      const one = { name: '', scheme: scheme('rsa-pkcs1', 'sha256'), spki: spkiOf(publicKey), signature }
      expect(both(one)).toEqual(['good', 'good'])
    }
    const rsaKey = (bits: number, exponent: bigint) =>
      encode(
        sequence(
          sequence(oid(OID.rsaEncryption), nullValue),
          bitString(encode(sequence(integer((1n << BigInt(bits)) - 1n), integer(exponent)))),
        ),
      )
    for (const [bits, exponent] of [
      [4096, (1n << 4000n) + 1n],
      [16_392, 65_537n],
      [2048, 1n << 2048n],
      [2047, 0n],
    ] as const) {
      const signature = new Uint8Array(Math.ceil(bits / 8)).fill(0x55)
      const one = { name: '', scheme: scheme('rsa-pkcs1', 'sha256'), spki: rsaKey(bits, exponent), signature }
      expect(both(one)[1]).not.toBe('good')
      expect(both(one)[0]).not.toBe('good')
    }
  })
})

describe('private keys in a browser', () => {
  const pemOf = (key: KeyObject) => String(key.export({ format: 'pem', type: 'pkcs8' }))
  it.each(['ecdsa-p256-sha256', 'ecdsa-p384-sha384', 'ed25519', 'sm2-sm3'] as const)(
    'of %s sign',
    (algorithm) => {
      const made = node.generateSigner(algorithm)
      const read = browser.signerFromPem(pemOf(made.privateKey))
      expect(read.spki).toEqual(new Uint8Array(made.signer.spki))
      const kinds = {
        'ecdsa-p256-sha256': scheme('ecdsa', 'sha256'),
        'ecdsa-p384-sha384': scheme('ecdsa', 'sha384'),
        ed25519: scheme('ed25519'),
        'sm2-sm3': scheme('sm2', 'sm3'),
      }
      const fresh: Signer = browser.generateSigner(algorithm).signer
      for (const signer of [read, fresh])
        expect(node.checkSignature(kinds[algorithm], signer.spki, message, signer.sign(message))).toBe('good')
    },
  )

  it('of RSA are referred to WebCrypto', () => {
    const pem = pemOf(node.generateSigner('rsa-pkcs1-sha256').privateKey)
    expect(() => browser.signerFromPem(pem)).toThrow('WebCrypto')
    expect(() => browser.generateSigner('rsa-pss-sha256')).toThrow('WebCrypto')
  })
})
