import { createHash, createSecretKey, randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  CiphertextDamaged,
  chunkBytes,
  createSealer,
  headerBytes,
  newMessageKeys,
  openedSize,
  openMessage,
  openMessageKeys,
  sealedChunkBytes,
  sealedSize,
  sealMessage,
} from './cobblestone.ts'

const context = 'tenant|contract|object'

/** Ciphertexts made by the Cobblestone-256 of pyca/cryptography 50.0.2, under key 00…1f and the context above. */
const known = [
  [
    0,
    '0eb0f2c2615a9e41004215a1b9fc1a462260fc0c91de8887',
    'd893657b7a625ddc358d3226b3bcd9ab17ae2e85094cfb8c1fab9482170503f9',
  ],
  [
    1,
    'dab56ef0854b2ac60fb74ad7dadd4b0eac67e26745f63b4a',
    'b95520b24f411dd1420f62f4e2b664027b1561f848f64cb6ee7c8f2d97cee244',
  ],
  [
    1024,
    'b295c96a0ffac2c460cef33d5f1e5cbc9dd6bd792da5f073',
    'f8974a0a0368ab5b8582abd364b04b96ea99cb29d76b0cf9706c54a1eaf636d7',
  ],
  [
    16_383,
    '892a2df8e2fdc8feafecfe14b811621c5d460b3b23e43cb0',
    '5d94b8b06708f9fd3279d3e92a64f39f889d7d8cd183ff9a4439e6de63793a38',
  ],
  [
    16_384,
    '64d81f11131bcd56cc80e6dc853ddc6f5bd42f6b3dc95283',
    'd507b5d5de4cf58a0285a5064e8f07b4fc7d74542efada08cfce7c4ebf77c69c',
  ],
  [
    20_000,
    'c78200ce3f1c5a54e25f0237e90e1a50f16abc8a6e684c06',
    '444a5ba2b27015b7726e7089b154aaf6845c1f70c1e794855c1d6e741c1e1778',
  ],
  [
    49_152,
    'b39dc2ec85ed40d4c82d089af037b34f796264f9e87ce91b',
    '9287896e9462ff74d66d9f1b41e5d5560541bdb437d4c7160d8f714798742279',
  ],
  [
    100_000,
    '55687f83574405e337f0c03151a2baec2651a4be511d0079',
    '0fb1b9c4dff2f437c8888c37eefb14016260c56b748718eb8604509b1fcde888',
  ],
] as const

const smallOrAcrossChunks = fc.oneof(
  fc.integer({ min: 0, max: 200 }),
  fc.integer({ min: -3, max: 3 }).map((off) => chunkBytes + off),
  fc.integer({ min: 0, max: 5 * chunkBytes }),
)

const newKey = () => createSecretKey(randomBytes(32))

describe('Cobblestone-256', () => {
  test.each(known)(
    'a message of %i bytes seals to the bytes another implementation made',
    (size, salt, sha256) => {
      const plain = Uint8Array.from({ length: size }, (_, i) => (i * 31 + 7) % 251)
      const key = createSecretKey(Uint8Array.from({ length: 32 }, (_, i) => i))
      const sealed = sealMessage(newMessageKeys(key, context, Buffer.from(salt, 'hex')), plain)
      expect(createHash('sha256').update(sealed).digest('hex')).toBe(sha256)
      expect(openMessage(key, context, sealed).equals(plain)).toBe(true)
    },
  )

  test('piece by piece gives the same bytes as all at once, whatever the pieces', () => {
    fc.assert(
      fc.property(
        smallOrAcrossChunks,
        fc.array(fc.integer({ min: 1, max: 40_000 }), { maxLength: 8 }),
        (size, cuts) => {
          const plain = randomBytes(size)
          const key = newKey()
          const salt = randomBytes(24)
          const sealer = createSealer(newMessageKeys(key, context, salt))
          const parts: Uint8Array[] = [newMessageKeys(key, context, salt).header]
          let at = 0
          for (const cut of [...cuts, size]) {
            parts.push(sealer.update(plain.subarray(at, at + cut)))
            at = Math.min(size, at + cut)
          }
          parts.push(sealer.final())
          const sealed = Buffer.concat(parts)
          expect(sealed.length).toBe(sealedSize(size))
          expect(openedSize(sealed.length)).toBe(size)
          expect(sealed.equals(sealMessage(newMessageKeys(key, context, salt), plain))).toBe(true)
          expect(openMessage(key, context, sealed).equals(plain)).toBe(true)
        },
      ),
      { numRuns: 60 },
    )
  })

  test('any chunk opens alone, and only at its own number', () => {
    const plain = randomBytes(3 * chunkBytes + 5)
    const key = newKey()
    const sealed = sealMessage(newMessageKeys(key, context, randomBytes(24)), plain)
    const keys = openMessageKeys(key, context, sealed.subarray(0, headerBytes))
    for (const index of [2, 0, 3, 1]) {
      const at = headerBytes + index * sealedChunkBytes
      const chunk = sealed.subarray(at, at + sealedChunkBytes)
      expect(
        keys.openChunk(index, chunk).equals(plain.subarray(index * chunkBytes, (index + 1) * chunkBytes)),
      ).toBe(true)
      expect(() => keys.openChunk(index + 1, chunk)).toThrow(CiphertextDamaged)
    }
  })

  test('chunk numbers beyond 32 bits give their own nonces', () => {
    const keys = newMessageKeys(newKey(), context, randomBytes(24))
    const sealed = Buffer.alloc(17)
    keys.sealChunk(2 ** 32 + 5, Buffer.of(1), sealed, 0)
    expect(keys.openChunk(2 ** 32 + 5, sealed)).toEqual(Buffer.of(1))
    expect(() => keys.openChunk(5, sealed)).toThrow(CiphertextDamaged)
    expect(() => keys.openChunk(2 ** 38, sealed)).toThrow(/more chunks/)
  })

  test('every changed byte, every cut, another key and another context are found', () => {
    fc.assert(
      fc.property(smallOrAcrossChunks, fc.nat(), fc.integer({ min: 1, max: 255 }), (size, place, flip) => {
        const key = newKey()
        const sealed = sealMessage(newMessageKeys(key, context, randomBytes(24)), randomBytes(size))
        const at = place % sealed.length
        const changed = Buffer.from(sealed)
        changed[at] = changed[at]! ^ flip
        expect(() => openMessage(key, context, changed)).toThrow(CiphertextDamaged)
        expect(() => openMessage(key, context, sealed.subarray(0, at))).toThrow(CiphertextDamaged)
        expect(() => openMessage(key, `${context}2`, sealed)).toThrow(CiphertextDamaged)
        expect(() => openMessage(newKey(), context, sealed)).toThrow(CiphertextDamaged)
      }),
      { numRuns: 60 },
    )
  })

  test('a message cut at a chunk border is not taken for a shorter one', () => {
    const key = newKey()
    const sealed = sealMessage(newMessageKeys(key, context, randomBytes(24)), randomBytes(2 * chunkBytes + 9))
    const cut = sealed.subarray(0, headerBytes + sealedChunkBytes)
    expect(() => openedSize(cut.length)).toThrow(CiphertextDamaged)
    expect(() => openMessage(key, context, cut)).toThrow(CiphertextDamaged)
  })
})
