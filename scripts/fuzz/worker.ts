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
  /** What a case may compute; unlike time that passes, it does not depend on what else the machine does. */
  limitMs: number
  /** Two numbers: the case being run, and whether to stop before the next. */
  progress: SharedArrayBuffer
}

export interface WorkerFinding {
  index: number
  kind: string
  message: string
}

class TooSlow extends Error {
  override name = 'slow'
}

const order: WorkerOrder = workerData
const current = new Int32Array(order.progress)
const checks = makeChecks(order.samples, new Date(order.atMs))
for (let index = order.from; Atomics.load(current, 1) === 0; index++) {
  Atomics.store(current, 0, index)
  const { sample, bytes, revised } = caseOf(order.samples, order.seed, index)
  const before = process.threadCpuUsage()
  try {
    checks[sample.target](bytes, sample, revised)
    const { user, system } = process.threadCpuUsage(before)
    const usedMs = (user + system) / 1000
    if (usedMs > order.limitMs) throw new TooSlow(`${usedMs.toFixed(0)} ms of computing`)
  } catch (fault) {
    const finding: WorkerFinding = {
      index,
      kind: fault instanceof Error ? fault.name : 'unknown',
      message: fault instanceof Error ? (fault.stack ?? fault.message) : String(fault),
    }
    parentPort?.postMessage(finding)
  }
}
