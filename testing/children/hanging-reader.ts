/** Stands in for a reader thread that a file has caught in a loop: it takes orders and never answers. */
import { parentPort } from 'node:worker_threads'

parentPort?.on('message', () => {
  for (;;);
})
