import type { Clock } from '../../apps/server/src/clock.ts'
import type { Timers } from '../../apps/server/src/storage/timers.ts'
import { type Chance, createChance } from './chance.ts'

/** One life of the process: whatever it still waits for when it ends never comes. */
export interface Life {
  isOver: boolean
}

/**
 * Virtual time. Everything that waits in the real code waits here, for an event of this queue; one event happens at a
 * time, and between two of them every promise that can go on has gone on. So a seed decides every interleaving.
 */
export interface World {
  readonly chance: Chance
  readonly clock: Clock
  nowMs(): number
  timers(life: Life): Timers
  /** Runs `effect` after a while and gives its outcome back, at once or after another while: a crash can fall between. */
  happen<T>(life: Life, delayMs: number, effect: () => T): Promise<T>
  /** Runs the next event; false when there is none, or none before `untilMs`. */
  step(untilMs?: number): Promise<boolean>
  /** Runs events until `done` holds; fails when nothing can make it hold. */
  until(done: () => boolean, what: string): Promise<void>
  /** Lets time pass with whatever happens in it. */
  pass(ms: number): Promise<void>
  settle(): Promise<void>
}

interface Event {
  atMs: number
  order: number
  life: Life
  run: () => void
  isCancelled?: boolean
}

const startMs = Date.UTC(2026, 0, 1)
/** Nothing that is awaited takes so many events: who waits longer waits for ever. */
const eventsAtMost = 2_000_000

export function createWorld(seed: number): World {
  const chance = createChance(seed)
  const queue = createQueue()
  let nowMs = startMs
  let order = 0

  function enqueue(life: Life, delayMs: number, run: () => void): Event {
    order += 1
    const event = { atMs: nowMs + Math.max(0, delayMs), order, life, run }
    queue.push(event)
    return event
  }

  /** Every continuation that is ready runs before the next turn of the real event loop. */
  const settle = () => new Promise<void>((resolve) => setImmediate(resolve))

  async function step(untilMs = Number.POSITIVE_INFINITY): Promise<boolean> {
    for (let event = queue.peek(); event !== undefined; event = queue.peek()) {
      if (event.atMs > untilMs) return false
      queue.pop()
      if (event.isCancelled || event.life.isOver) continue
      nowMs = event.atMs
      event.run()
      await settle()
      return true
    }
    return false
  }

  return {
    chance,
    clock: { now: () => new Date(nowMs) },
    nowMs: () => nowMs,
    timers: (life) => ({
      after(ms, action) {
        const event = enqueue(life, ms, action)
        return () => {
          event.isCancelled = true
        }
      },
    }),
    happen: (life, delayMs, effect) =>
      new Promise((resolve, reject) => {
        enqueue(life, delayMs, () => {
          let answer: () => void
          try {
            const outcome = effect()
            answer = () => resolve(outcome)
          } catch (error) {
            answer = () => reject(error)
          }
          if (chance.hits(0.25)) enqueue(life, chance.next() * 5, answer)
          else answer()
        })
      }),
    step,
    async until(done, what) {
      for (let count = 0; !done(); count += 1) {
        if (count > eventsAtMost) throw new Error(`${what} does not end`)
        if (!(await step())) throw new Error(`${what} waits for something that never happens`)
      }
    },
    async pass(ms) {
      const untilMs = nowMs + ms
      while (await step(untilMs));
      nowMs = Math.max(nowMs, untilMs)
    },
    settle,
  }
}

/** A binary heap by time, and by order of arrival within one time. */
function createQueue() {
  const heap: Event[] = []
  const isBefore = (a: Event, b: Event) => a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order)

  return {
    peek: () => heap[0],
    push(event: Event): void {
      let at = heap.length
      heap.push(event)
      while (at > 0) {
        const parent = (at - 1) >> 1
        if (!isBefore(event, heap[parent]!)) break
        heap[at] = heap[parent]!
        at = parent
      }
      heap[at] = event
    },
    pop(): void {
      const last = heap.pop()
      if (last === undefined || heap.length === 0) return
      let at = 0
      for (;;) {
        let child = 2 * at + 1
        if (child >= heap.length) break
        if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child += 1
        if (!isBefore(heap[child]!, last)) break
        heap[at] = heap[child]!
        at = child
      }
      heap[at] = last
    },
  }
}
