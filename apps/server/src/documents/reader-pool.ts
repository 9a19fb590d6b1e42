import { Worker } from 'node:worker_threads'
import type { ReaderAnswer, ReaderOrder } from './reader-worker.ts'

/** Threads that read PDFs of strangers: with a deadline and bounded memory, away from everything else. */
export interface ReaderPool {
  /**
   * Waits for a free thread, then has `prepare` make the order and runs it. `deadline` when the thread did not
   * answer in time (it is ended), `exhausted` when it ran out of memory.
   */
  run(prepare: () => Promise<ReaderOrder>): Promise<ReaderAnswer | 'deadline' | 'exhausted'>
  close(): Promise<void>
}

export interface ReaderPoolOptions {
  size: number
  deadlineMs: number
  heapMb?: number
  /** Another script than our own reader; for tests of threads that hang or burst. */
  script?: URL
}

export function createReaderPool(options: ReaderPoolOptions): ReaderPool {
  const script = options.script ?? new URL('./reader-worker.ts', import.meta.url)
  const idle: Worker[] = []
  const waiting: (() => void)[] = []
  let free = options.size
  let isClosed = false

  async function takePlace(): Promise<void> {
    if (free > 0) free -= 1
    else await new Promise<void>((resolve) => waiting.push(resolve))
  }

  function leavePlace(): void {
    const next = waiting.shift()
    if (next === undefined) free += 1
    else next()
  }

  /** A thread that ended while it waited has the id -1; it would take the order and never answer. */
  function takeIdle(): Worker | undefined {
    for (let worker = idle.pop(); worker !== undefined; worker = idle.pop())
      if (worker.threadId !== -1) return worker
    return undefined
  }

  function openWorker(): Worker {
    // No environment: a reader has no business with settings and secrets.
    const worker = new Worker(script, {
      env: {},
      resourceLimits: { maxOldGenerationSizeMb: options.heapMb ?? 768 },
    })
    worker.unref()
    return worker
  }

  function ask(worker: Worker, order: ReaderOrder): Promise<ReaderAnswer | 'deadline' | 'exhausted'> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => settle('deadline'), options.deadlineMs)
      const settle = (outcome: ReaderAnswer | 'deadline' | 'exhausted' | Error) => {
        clearTimeout(timer)
        // By name: without names it would also take away the thread's own listeners, and with them its messages.
        for (const event of ['message', 'error', 'exit']) worker.removeAllListeners(event)
        // Whoever is ended from outside may still report an error; nobody waits for it.
        worker.on('error', () => undefined)
        if (outcome instanceof Error) reject(outcome)
        else resolve(outcome)
      }
      worker.once('message', (answer: ReaderAnswer) => settle(answer))
      worker.once('error', (error) => {
        const isMemory = 'code' in error && error.code === 'ERR_WORKER_OUT_OF_MEMORY'
        settle(isMemory ? 'exhausted' : error)
      })
      worker.once('exit', (code) => settle(new Error(`a reader thread ended with ${code}`)))
      // Moved, not copied: from here on only the thread holds the file.
      worker.postMessage(order, [order.pdf])
    })
  }

  return {
    async run(prepare) {
      await takePlace()
      let worker: Worker | undefined
      try {
        const order = await prepare()
        worker = takeIdle() ?? openWorker()
        const answer = await ask(worker, order)
        // Not waited for: a thread stuck in native code must not keep its place.
        if (answer === 'deadline' || answer === 'exhausted' || isClosed) void worker.terminate()
        else idle.push(worker)
        return answer
      } catch (error) {
        void worker?.terminate()
        throw error
      } finally {
        leavePlace()
      }
    },

    async close() {
      isClosed = true
      await Promise.all(idle.splice(0).map((worker) => worker.terminate()))
    },
  }
}
