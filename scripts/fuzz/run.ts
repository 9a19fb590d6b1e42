/** Fuzzes in a thread of its own, watches its time and memory, and keeps every input that goes wrong. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { caseOf } from './cases.ts'
import { makeSamples, type Samples, type Target } from './samples.ts'
import type { WorkerFinding, WorkerOrder } from './worker.ts'

export interface FuzzOptions {
  readonly seed: number
  readonly forMs: number
  readonly folder: string
  /** A case that takes longer hangs, whatever else the machine does. */
  readonly deadlineMs?: number
  /** The thread that runs the cases; another one in tests of this watch itself. */
  readonly worker?: URL
}

export interface FuzzFinding {
  readonly seed: number
  readonly index: number
  readonly target: Target
  readonly sample: string
  /** `hang`, `slow`, `memory`, `FalseAccept`, `FalseAlarm`, or the name of the error. */
  readonly kind: string
  readonly message: string
  /** The input, saved. */
  readonly file: string
}

export interface FuzzResult {
  readonly cases: number
  readonly findings: readonly FuzzFinding[]
}

const ENOUGH = 20
/** Of computing in one case: more is as good as a hang for whoever waits. */
const COMPUTING_MS = 2000
const DEADLINE_MS = 20_000
const MEMORY_MB = 1024

export async function fuzzPades(options: FuzzOptions): Promise<FuzzResult> {
  const now = new Date()
  const samples = await makeSamples(new Date(now.getTime() - 3_600_000))
  const findings: FuzzFinding[] = []
  const note = (found: WorkerFinding) => {
    if (findings.length < ENOUGH) findings.push(save(samples, options, found))
  }
  const until = performance.now() + options.forMs
  let from = 0
  while (performance.now() < until && findings.length < ENOUGH) {
    from = await oneWorker(samples, options, { from, atMs: now.getTime(), until }, note)
  }
  return { cases: from, findings }
}

/** Runs until the time is up or the thread is lost; answers with the case to go on with. */
function oneWorker(
  samples: Samples,
  options: FuzzOptions,
  part: { from: number; atMs: number; until: number },
  note: (found: WorkerFinding) => void,
): Promise<number> {
  const deadlineMs = options.deadlineMs ?? DEADLINE_MS
  const progress = new SharedArrayBuffer(8)
  const current = new Int32Array(progress)
  Atomics.store(current, 0, -1)
  const { seed } = options
  const order: WorkerOrder = {
    samples,
    seed,
    from: part.from,
    atMs: part.atMs,
    limitMs: COMPUTING_MS,
    progress,
  }
  return new Promise((resolve, reject) => {
    const worker = new Worker(options.worker ?? new URL('./worker.ts', import.meta.url), {
      workerData: order,
      resourceLimits: { maxOldGenerationSizeMb: MEMORY_MB },
    })
    let seen = -1
    let since = performance.now()
    let lost = false
    const watch = setInterval(() => {
      const index = Atomics.load(current, 0)
      const time = performance.now()
      if (index !== seen) {
        seen = index
        since = time
      }
      // Asked to stop rather than ended: a thread ended inside a native call may take the process with it.
      if (time > part.until) Atomics.store(current, 1, 1)
      if (index < 0 || time - since <= deadlineMs || lost) return
      lost = true
      note({ index, kind: 'hang', message: `no answer within ${deadlineMs} ms` })
      worker.terminate().catch(reject)
    }, 100)
    worker.on('exit', () => {
      clearInterval(watch)
      resolve(Math.max(part.from, Atomics.load(current, 0) + 1))
    })
    worker.on('message', note)
    worker.on('error', (fault: Error & { code?: string }) => {
      if (fault.code !== 'ERR_WORKER_OUT_OF_MEMORY') reject(fault)
      else note({ index: Atomics.load(current, 0), kind: 'memory', message: `more than ${MEMORY_MB} MB` })
    })
  })
}

function save(samples: Samples, { seed, folder }: FuzzOptions, found: WorkerFinding): FuzzFinding {
  const { sample, bytes, revised } = caseOf(samples, seed, found.index)
  mkdirSync(folder, { recursive: true })
  const file = join(folder, `${seed}-${found.index}.${sample.target}`)
  writeFileSync(file, bytes)
  writeFileSync(`${file}.original`, sample.bytes)
  const finding = { seed, index: found.index, target: sample.target, sample: sample.name, kind: found.kind }
  writeFileSync(
    `${file}.json`,
    `${JSON.stringify({ ...finding, message: found.message, revised }, undefined, 2)}\n`,
  )
  return { ...finding, message: found.message, file }
}
