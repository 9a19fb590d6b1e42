/**
 * Files of strangers on their way into memory. Only bytes that arrived count; a line must keep a pace; one
 * address brings few at a time, and when memory runs out the address that holds most gives way, so that nobody
 * can keep the others out.
 */
import { refuse } from './errors.ts'

export interface IntakeRules {
  /** Of files that are being received or read at the same time, by everybody. */
  heldBytesMax: number
  /** Files of one address at the same time. */
  perAddress: number
  /** A body may take this long, and longer by what it brought at {@link IntakeRules.bytesPerSecond}. */
  graceMs: number
  bytesPerSecond: number
}

export const intakeRules: IntakeRules = {
  heldBytesMax: 512 * 1024 * 1024,
  perAddress: 3,
  graceMs: 30_000,
  bytesPerSecond: 256 * 1024,
}

interface Guest {
  address: string
  heldBytes: number
  /** Ends the reception; null once the file is here and is being read. */
  giveWay: (() => void) | null
}

export type Intake = ReturnType<typeof createIntake>

export function createIntake(rules: IntakeRules = intakeRules) {
  const guests = new Set<Guest>()

  /** Makes room for so many more bytes, at the cost of whoever holds most. */
  function hold(guest: Guest, sizeBytes: number): void {
    while (total() + sizeBytes > rules.heldBytesMax) {
      const greatest = greatestHolder()
      // Alone in the house a file always fits, so that the limit on uploads alone decides on its size.
      if (guests.size === 1) break
      const victim = [...guests].find((one) => one.address === greatest && one.giveWay !== null)
      if (greatest === guest.address || victim === undefined) throw refuse('verification_busy')
      victim.giveWay?.()
      guests.delete(victim)
    }
    guest.heldBytes += sizeBytes
  }

  function total(): number {
    return [...guests].reduce((sum, guest) => sum + guest.heldBytes, 0)
  }

  function greatestHolder(): string | undefined {
    const held = new Map<string, number>()
    for (const { address, heldBytes } of guests) held.set(address, (held.get(address) ?? 0) + heldBytes)
    return [...held].sort((a, b) => b[1] - a[1])[0]?.[0]
  }

  return {
    /**
     * Receives a file and holds it while `work` reads it.
     * @throws `verification_too_many`, `verification_busy`, `verification_too_slow`
     */
    async admit<T>(
      address: string,
      content: AsyncIterable<Uint8Array>,
      work: (file: Uint8Array) => Promise<T>,
    ): Promise<T> {
      const own = [...guests].filter((guest) => guest.address === address).length
      if (own >= rules.perAddress) throw refuse('verification_too_many', { limit: rules.perAddress })
      const guest: Guest = { address, heldBytes: 0, giveWay: null }
      guests.add(guest)
      try {
        return await work(await receive(guest, content))
      } finally {
        guests.delete(guest)
      }
    },
  }

  async function receive(guest: Guest, content: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
    const evicted = new Promise<never>((_, reject) => {
      guest.giveWay = () => reject(refuse('verification_busy'))
    })
    // Nobody may be waiting at the moment it is told to give way.
    evicted.catch(() => undefined)
    const startMs = performance.now()
    const pieces = content[Symbol.asyncIterator]()
    const chunks: Uint8Array[] = []
    for (;;) {
      const endMs = startMs + rules.graceMs + (guest.heldBytes / rules.bytesPerSecond) * 1000
      const next = pieces.next()
      // When the race is lost, the piece that comes or fails later is nobody's any more.
      next.catch(() => undefined)
      const step = await within(Math.max(0, endMs - performance.now()), [next, evicted])
      if (step.done) break
      hold(guest, step.value.length)
      chunks.push(step.value)
    }
    guest.giveWay = null
    return Buffer.concat(chunks)
  }
}

async function within<T>(limitMs: number, contenders: Promise<T>[]): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(refuse('verification_too_slow')), limitMs)
  })
  try {
    return await Promise.race([...contenders, late])
  } finally {
    clearTimeout(timer)
  }
}
