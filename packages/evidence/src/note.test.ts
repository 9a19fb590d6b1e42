import { createPrivateKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { sha256, utf8 } from './bytes.ts'
import { leafHash } from './merkle.ts'
import {
  cosignCheckpoint,
  encodeVkey,
  type NoteSigner,
  openCheckpoint,
  openNote,
  parseVkey,
  parseVkeys,
  signCheckpoint,
} from './note.ts'
import { encodeTlogProof, parseTlogProof, verifyTlogProof } from './tlog-proof.ts'

function signerOf(
  name: string,
  privateKey: KeyObject = generateKeyPairSync('ed25519').privateKey,
): NoteSigner {
  const spki = new Uint8Array(createPrivateKeyPublicDer(privateKey))
  return {
    name,
    signer: {
      algorithm: 'ed25519',
      spki,
      sign: (data: Uint8Array) => new Uint8Array(sign(null, data, privateKey)),
    },
  }
}
function createPrivateKeyPublicDer(privateKey: KeyObject): Buffer {
  const jwk = privateKey.export({ format: 'jwk' })
  return Buffer.concat([
    Buffer.from('302a300506032b6570032100', 'hex'),
    Buffer.from(jwk.x as string, 'base64url'),
  ])
}

const log = signerOf('log.example/yinxin')
const witness = signerOf('witness.example')
const root = sha256(utf8('root'))
const text = signCheckpoint({ origin: log.name, size: 42, root }, log)

describe('signed notes', () => {
  it('reads a note and a key made by the Go implementation', () => {
    const vkey = 'PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW'
    const note =
      'If you think cryptography is the answer to your problem,\n' +
      "then you don't know what your problem is.\n\n" +
      '— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n'
    expect(openNote(note, [vkey]).signatures).toHaveLength(1)
    expect(() => openNote(note.replace('cryptography', 'cryptographY'), [vkey])).toThrow(/wrong/)
    expect(parseVkey('sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8').name).toBe(
      'sum.golang.org',
    )
  })

  it('is Ed25519 over the body with the key id before it', () => {
    const key = createPrivateKey({
      key: Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), Buffer.alloc(32, 1)]),
      format: 'der',
      type: 'pkcs8',
    })
    const signer = signerOf('example.com/log', key)
    expect(encodeVkey(signer)).toMatch(/^example\.com\/log\+[0-9a-f]{8}\+AYqI49/)
    expect(
      openCheckpoint(signCheckpoint({ origin: signer.name, size: 0, root }, signer), [encodeVkey(signer)])
        .checkpoint.size,
    ).toBe(0)
  })

  it('opens for known keys, lists unknown ones and refuses bad ones', () => {
    const cosigned = cosignCheckpoint(text, witness, new Date('2025-01-31T08:00:00.900Z'))
    const opened = openCheckpoint(cosigned, [encodeVkey(log), encodeVkey(witness, 'witness')])
    expect(opened.checkpoint).toEqual({ origin: log.name, size: 42, root, extensions: [] })
    expect(opened.signatures.map(({ key, at }) => [key.name, at?.toISOString() ?? null])).toEqual([
      [log.name, null],
      [witness.name, '2025-01-31T08:00:00.000Z'],
    ])
    expect(openCheckpoint(cosigned, [encodeVkey(log)]).unknown).toHaveLength(1)
    // A witness's key used as a log key is another key; a witness alone is not the log.
    expect(() => openCheckpoint(cosigned, [encodeVkey(witness, 'witness')])).toThrow(
      expect.objectContaining({ code: 'bad_note' }),
    )
    expect(() => openCheckpoint(cosigned, [encodeVkey(signerOf(log.name))])).toThrow(
      expect.objectContaining({ code: 'bad_note' }),
    )
    expect(() =>
      openCheckpoint(signCheckpoint({ origin: 'other', size: 1, root }, log), [encodeVkey(log)]),
    ).toThrow(/of its log/)
  })

  it('does not survive the change of any character', () => {
    const cosigned = cosignCheckpoint(text, witness, new Date(0))
    const keys = [encodeVkey(log), encodeVkey(witness, 'witness')]
    const bytes = utf8(cosigned)
    fc.assert(
      fc.property(fc.nat({ max: bytes.length - 1 }), fc.integer({ min: 1, max: 255 }), (at, bits) => {
        const bent = bytes.slice()
        bent[at] = (bent[at] as number) ^ bits
        const changed = new TextDecoder().decode(bent)
        try {
          // A changed name or key id makes a key unknown, which a caller that expects it sees.
          expect(openCheckpoint(changed, keys).unknown).toHaveLength(1)
        } catch (error) {
          expect(error).toMatchObject({ code: 'bad_note' })
        }
      }),
      { numRuns: 1000 },
    )
  })

  it('reads key files and refuses broken vkeys', () => {
    expect(
      parseVkeys(`# anchors\n\n${encodeVkey(log)}\r\n${encodeVkey(witness, 'witness')}\n`).map(
        (key) => key.role,
      ),
    ).toEqual(['log', 'witness'])
    const vkey = encodeVkey(log)
    const [name, id, key] = vkey.split(/\+/, 3) as [string, string, string]
    for (const bad of [
      '',
      'x',
      vkey.slice(0, -4),
      `${name}+00000000+${vkey.slice(name.length + id.length + 2)}`,
      `o ther+${id}+${key}`,
    ]) {
      expect(() => parseVkey(bad)).toThrow(expect.objectContaining({ code: 'bad_note' }))
    }
    for (const bad of [
      { origin: '' },
      { origin: 'a\nb' },
      { size: -1 },
      { root: new Uint8Array(31) },
      { extensions: [''] },
    ]) {
      expect(() => signCheckpoint({ origin: log.name, size: 1, root, ...bad }, log)).toThrow(
        expect.objectContaining({ code: 'bad_note' }),
      )
    }
  })
})

describe('tlog proof', () => {
  const entry = utf8('the only entry')
  const single = signCheckpoint({ origin: log.name, size: 1, root: leafHash(entry) }, log)

  it('round-trips and verifies with the public key alone', () => {
    const proof = { index: 0, hashes: [], checkpoint: single, extra: utf8('more') }
    const written = encodeTlogProof(proof)
    expect(
      written.startsWith('c2sp.org/tlog-proof@v1\nextra bW9yZQ==\nindex 0\n\nlog.example/yinxin\n1\n'),
    ).toBe(true)
    expect(parseTlogProof(written)).toEqual(proof)
    expect(verifyTlogProof(parseTlogProof(written), entry, [encodeVkey(log)]).checkpoint.size).toBe(1)
    expect(() => verifyTlogProof(proof, utf8('another'), [encodeVkey(log)])).toThrow(
      expect.objectContaining({ code: 'bad_proof' }),
    )
  })

  it('has one spelling only', () => {
    fc.assert(
      fc.property(
        fc.maxSafeInteger().filter((n) => n >= 0),
        fc.array(fc.uint8Array({ minLength: 32, maxLength: 32 }), { maxLength: 5 }),
        (index, hashes) => {
          const written = encodeTlogProof({ index, hashes, checkpoint: text })
          expect(parseTlogProof(written)).toEqual({ index, hashes, checkpoint: text })
        },
      ),
    )
    const written = encodeTlogProof({ index: 0, hashes: [root], checkpoint: text })
    for (const bad of [
      '',
      written.replace('@v1', '@v2'),
      written.replace('index 0', 'index 00'),
      written.replace('index 0\n', ''),
      written.replace('index 0', 'extra !\nindex 0'),
      written.replace('index 0\n', 'index 0\nAAAA\n'),
      written.replace('\n\n', '\n \n'),
    ]) {
      let again = ''
      try {
        again = encodeTlogProof(parseTlogProof(bad))
      } catch (error) {
        expect(error).toMatchObject({ code: 'bad_proof' })
      }
      expect(again).toBe('')
    }
  })
})
