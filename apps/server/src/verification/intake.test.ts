import { describe, expect, it } from 'vitest'
import { createIntake, intakeRules } from './intake.ts'

/** A body whose pieces come when they are sent. */
function line() {
  const pieces: (Uint8Array | null)[] = []
  let wake: () => void = () => undefined
  let taken = 0
  async function* bytes() {
    for (;;) {
      const piece = pieces.shift()
      if (piece === null) return
      if (piece === undefined) await new Promise<void>((resolve) => (wake = resolve))
      else {
        taken += 1
        yield piece
      }
    }
  }
  return {
    bytes: bytes(),
    /** Resolves when the receiver asks for the next piece. */
    async send(sizeBytes: number) {
      const before = taken
      pieces.push(new Uint8Array(sizeBytes))
      wake()
      while (taken === before) await new Promise((resolve) => setImmediate(resolve))
      await new Promise((resolve) => setImmediate(resolve))
    },
    end() {
      pieces.push(null)
      wake()
    },
  }
}

const size = async (file: Uint8Array) => file.length
const small = { ...intakeRules, heldBytesMax: 1000, perAddress: 2 }

describe('files of strangers', () => {
  it('hold what has arrived and not what was announced', async () => {
    const intake = createIntake(small)
    const idle = line()
    const waiting = intake.admit('a', idle.bytes, size)
    const other = line()
    const whole = intake.admit('b', other.bytes, size)
    await other.send(999)
    other.end()
    expect(await whole).toBe(999)
    await idle.send(10)
    idle.end()
    expect(await waiting).toBe(10)
  })

  it('of one address are few at a time, and others come in all the same', async () => {
    const intake = createIntake(small)
    const lines = [line(), line()]
    const running = lines.map((one) => intake.admit('a', one.bytes, size))
    await expect(intake.admit('a', line().bytes, size)).rejects.toMatchObject({
      code: 'verification_too_many',
    })
    const other = line()
    const theirs = intake.admit('b', other.bytes, size)
    other.end()
    expect(await theirs).toBe(0)
    for (const one of lines) one.end()
    await Promise.all(running)
    const again = line()
    again.end()
    expect(await intake.admit('a', again.bytes, size)).toBe(0)
  })

  it('give way, those of the address that holds most first, when memory is full', async () => {
    const intake = createIntake(small)
    const greedy = line()
    const held = intake.admit('greedy', greedy.bytes, size)
    held.catch(() => undefined)
    await greedy.send(900)
    const modest = line()
    const theirs = intake.admit('modest', modest.bytes, size)
    await modest.send(200)
    await expect(held).rejects.toMatchObject({ code: 'verification_busy' })
    modest.end()
    expect(await theirs).toBe(200)
  })

  it('are refused themselves when they are the greatest, or nobody can give way', async () => {
    const intake = createIntake(small)
    const first = line()
    let release: () => void = () => undefined
    const read = intake.admit('a', first.bytes, () => new Promise<void>((resolve) => (release = resolve)))
    await first.send(600)
    first.end()
    await new Promise((resolve) => setImmediate(resolve))
    const second = line()
    const refused = intake.admit('b', second.bytes, size)
    refused.catch(() => undefined)
    await second.send(500)
    await expect(refused).rejects.toMatchObject({ code: 'verification_busy' })
    release()
    await read
  })

  it('alone in the house always fit', async () => {
    const intake = createIntake(small)
    const large = line()
    const whole = intake.admit('a', large.bytes, size)
    await large.send(5000)
    large.end()
    expect(await whole).toBe(5000)
  })

  it('must keep a pace: silence and trickling end, what brings bytes has longer', async () => {
    const intake = createIntake({ ...small, graceMs: 60, bytesPerSecond: 1000 })
    await expect(intake.admit('a', line().bytes, size)).rejects.toMatchObject({
      code: 'verification_too_slow',
    })
    const steady = line()
    const startMs = performance.now()
    const received = intake.admit('a', steady.bytes, size)
    received.catch(() => undefined)
    await steady.send(200)
    await expect(received).rejects.toMatchObject({ code: 'verification_too_slow' })
    expect(performance.now() - startMs).toBeGreaterThanOrEqual(255)
  })
})
