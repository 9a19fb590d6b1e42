/**
 * SM3 (GB/T 32905-2016) in plain TypeScript: the fallback where the platform has none, and the second opinion by
 * which the platform's own is tested before it is used.
 */
import type { RunningHash } from './crypto.ts'

const initial = [
  0x7380166f, 0x4914b2b9, 0x172442d7, 0xda8a0600, 0xa96f30bc, 0x163138aa, 0xe38dee4d, 0xb0fb0e4e,
] as const

const rotate = (value: number, by: number): number => (value << (by & 31)) | (value >>> (32 - (by & 31)))

/** The round constants, turned by their round (§5.3.3). */
const constants = Int32Array.from({ length: 64 }, (_, round) => {
  const constant = round < 16 ? 0x79cc4519 : 0x7a879d8a
  return round % 32 === 0 ? constant : rotate(constant, round)
})

/** Compresses one block of 64 octets into the state (§5.3). */
function compress(state: Int32Array, block: DataView, offset: number, words: Int32Array): void {
  for (let index = 0; index < 16; index += 1) words[index] = block.getInt32(offset + index * 4)
  for (let index = 16; index < 68; index += 1) {
    const mixed = words[index - 16]! ^ words[index - 9]! ^ rotate(words[index - 3]!, 15)
    words[index] =
      mixed ^ rotate(mixed, 15) ^ rotate(mixed, 23) ^ rotate(words[index - 13]!, 7) ^ words[index - 6]!
  }
  let [a, b, c, d, e, f, g, h] = state as unknown as [
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
  ]
  for (let round = 0; round < 64; round += 1) {
    const turned = rotate(a, 12)
    const ss1 = rotate((turned + e + constants[round]!) | 0, 7)
    const early = round < 16
    const ff = early ? a ^ b ^ c : (a & b) | (a & c) | (b & c)
    const gg = early ? e ^ f ^ g : (e & f) | (~e & g)
    const tt1 = (ff + d + (ss1 ^ turned) + (words[round]! ^ words[round + 4]!)) | 0
    const tt2 = (gg + h + ss1 + words[round]!) | 0
    d = c
    c = rotate(b, 9)
    b = a
    a = tt1
    h = g
    g = rotate(f, 19)
    f = e
    e = tt2 ^ rotate(tt2, 9) ^ rotate(tt2, 17)
  }
  for (const [index, value] of [a, b, c, d, e, f, g, h].entries()) state[index]! ^= value
}

/** SM3 digest of chunks that follow each other. */
export function sm3(...chunks: readonly Uint8Array[]): Uint8Array {
  const state = startSm3()
  for (const chunk of chunks) state.update(chunk)
  return state.digest()
}

/** An SM3 digest that is still open. */
export const startSm3 = (): RunningHash => open(Int32Array.from(initial), new Uint8Array(64), 0, 0)

/** `filled` octets of the block wait for the rest of it; `length` octets came in all. */
function open(state: Int32Array, block: Uint8Array, filled: number, length: number): RunningHash {
  const words = new Int32Array(68)
  const view = new DataView(block.buffer)
  const running: RunningHash = {
    update(chunk) {
      length += chunk.length
      for (let offset = 0; offset < chunk.length; ) {
        const part = chunk.subarray(offset, offset + 64 - filled)
        block.set(part, filled)
        filled += part.length
        offset += part.length
        if (filled < 64) continue
        compress(state, view, 0, words)
        filled = 0
      }
      return running
    },
    copy: () => open(state.slice(), block.slice(), filled, length),
    digest() {
      // Padding: a one bit, zeros, and the length in bits (§5.2).
      block.fill(0, filled)
      block[filled] = 0x80
      if (filled >= 56) {
        compress(state, view, 0, words)
        block.fill(0)
      }
      view.setBigUint64(56, BigInt(length) * 8n)
      compress(state, view, 0, words)
      const digest = new Uint8Array(32)
      const out = new DataView(digest.buffer)
      for (const [index, value] of state.entries()) out.setInt32(index * 4, value)
      return digest
    },
  }
  return running
}

/** HMAC over SM3 (RFC 2104). Keys of up to 64 octets. */
export function hmacSm3(key: Uint8Array, ...chunks: readonly Uint8Array[]): Uint8Array {
  const padded = new Uint8Array(64)
  padded.set(key)
  const inner = sm3(
    padded.map((octet) => octet ^ 0x36),
    ...chunks,
  )
  return sm3(
    padded.map((octet) => octet ^ 0x5c),
    inner,
  )
}
