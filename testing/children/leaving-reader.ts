/** Stands in for a reader thread that dies behind its back: it answers one order and ends. */
import { parentPort } from 'node:worker_threads'

parentPort?.on('message', () => {
  parentPort?.postMessage({ failure: 'answered' })
  setImmediate(() => process.exit(0))
})
