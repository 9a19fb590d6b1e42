/**
 * Joins concurrent calls into batches: the first call runs at once, the calls that arrive while it
 * runs go together in the next batch. A durable commit costs about the same for one row as for a
 * hundred, so many writers share one commit without waiting on a timer.
 *
 * `run` gets the items in order of arrival and answers in the same order. If it throws, every call
 * of that batch fails with its error, so `run` must not fail for the sake of a single item.
 */
export function coalesce<In, Out>(
  run: (items: In[]) => Promise<Out[]>,
  largestBatch = 256,
): (item: In) => Promise<Out> {
  type Waiting = { item: In; resolve: (out: Out) => void; reject: (error: unknown) => void }
  const waiting: Waiting[] = []
  let running = false

  async function drain() {
    running = true
    while (waiting.length > 0) {
      const batch = waiting.splice(0, largestBatch)
      try {
        const outs = await run(batch.map((one) => one.item))
        if (outs.length !== batch.length) throw new Error('a batch must answer every item')
        for (const [at, out] of outs.entries()) batch[at]!.resolve(out)
      } catch (error) {
        for (const one of batch) one.reject(error)
      }
    }
    running = false
  }

  return (item) =>
    new Promise<Out>((resolve, reject) => {
      waiting.push({ item, resolve, reject })
      if (!running) void drain()
    })
}
