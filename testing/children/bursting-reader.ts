/** Stands in for a reader thread that a file makes run out of memory. */
import { parentPort } from 'node:worker_threads'

parentPort?.on('message', () => {
  const kept: unknown[] = []
  for (;;) kept.push(Array.from({ length: 10_000 }, (_, i) => ({ i })))
})
