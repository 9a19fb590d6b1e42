/** The only source of delays in storage, so that a simulation drives time. */
export interface Timers {
  /** Runs `action` once after `ms`; the returned function forgets it. */
  after(ms: number, action: () => void): () => void
}

export const systemTimers: Timers = {
  after(ms, action) {
    const timer = setTimeout(action, ms)
    return () => clearTimeout(timer)
  },
}

/** Waits; resolves early when `signal` is aborted. */
export function pause(timers: Timers, ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve()
    const end = () => {
      cancel()
      signal?.removeEventListener('abort', end)
      resolve()
    }
    const cancel = timers.after(ms, end)
    signal?.addEventListener('abort', end)
  })
}

/** The outcome of `work`, or an error when it takes longer; the work itself goes on. */
export function within<T>(timers: Timers, timeoutMs: number, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const cancel = timers.after(timeoutMs, () =>
      reject(new Error(`no answer from the disk within ${timeoutMs} ms`)),
    )
    work.then(resolve, reject).finally(cancel)
  })
}
