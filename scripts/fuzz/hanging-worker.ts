/** Stands in for the fuzzing thread in a test: never comes back from its first case. */
import { workerData } from 'node:worker_threads'
import type { WorkerOrder } from './worker.ts'

const order: WorkerOrder = workerData
Atomics.store(new Int32Array(order.progress), 0, order.from)
for (;;);
