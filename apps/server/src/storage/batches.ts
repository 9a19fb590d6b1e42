/** Gathers items so that one question serves many; ends early when `signal` is aborted. */
export async function* inBatches<T>(
  items: AsyncIterable<T>,
  signal?: AbortSignal,
  size = 500,
): AsyncGenerator<T[]> {
  let batch: T[] = []
  for await (const item of items) {
    if (signal?.aborted) return
    batch.push(item)
    if (batch.length < size) continue
    yield batch
    batch = []
  }
  if (batch.length > 0) yield batch
}
