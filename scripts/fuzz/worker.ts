/** Runs case after case; the clock it writes lets the parent see one that hangs. */
import { parentPort, workerData } from 'node:worker_threads'
import { caseOf } from './cases.ts'
import type { Samples } from './samples.ts'
import { makeChecks } from './targets.ts'

export interface WorkerOrder {
  samples: Samples
  seed: number
  from: number
  atMs: number
  /** Two numbers: the case being run, and whether to stop before the next. */
  progress: SharedArrayBuffer
}

export interface WorkerFinding {
  index: number
  kind: string
  message: string
}

const order: WorkerOrder = workerData
const current = new Int32Array(order.progress)
const checks = makeChecks(order.samples, new Date(order.atMs))
for (let index = order.from; Atomics.load(current, 1) === 0; index++) {
  Atomics.store(current, 0, index)
  const { sample, bytes } = caseOf(order.samples, order.seed, index)
  try {
    checks[sample.target](bytes, sample)
  } catch (fault) {
    const finding: WorkerFinding = {
      index,
      kind: fault instanceof Error ? fault.name : 'unknown',
      message: fault instanceof Error ? (fault.stack ?? fault.message) : String(fault),
    }
    parentPort?.postMessage(finding)
  }
}
