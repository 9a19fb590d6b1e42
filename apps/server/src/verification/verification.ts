/** Reports on any PDF that somebody brings: a worker thread reads it, with a deadline, and nothing is kept. */
import { createHash } from 'node:crypto'
import { Worker } from 'node:worker_threads'
import type { PageChange, PdfVerification, SignatureReport } from '@yinxin/pades'
import type { VerificationReport } from '@yinxin/sdk/wire'
import type { Ca } from '#src/ca/ca.ts'
import type { SignTasks } from '#src/sign-tasks/sign-tasks.ts'
import { refuse } from './errors.ts'
import { createIntake } from './intake.ts'

export interface VerificationDeps {
  ca: Pick<Ca, 'anchors'>
  signTasks: Pick<SignTasks, 'knows'>
  /** A file that takes longer is refused. */
  deadlineMs?: number
  /** Files read at the same time; more wait. */
  concurrency?: number
  /** Of each reading thread, in megabytes. */
  heapMb?: number
  /** Another reading script; for tests of threads that burst. */
  script?: URL
  /** The same for pictures. */
  pictureScript?: URL
}

export interface VerifyOrder {
  pdf: Uint8Array
  trust: Uint8Array[]
}
export type VerifyAnswer =
  | (Pick<PdfVerification, 'ok' | 'signatures' | 'documentTimestamps'> & { pageChanges: PageChange[] })
  | { refusal: string; zh: string; en: string }

export { type ComparedPage, comparePages } from './page-pictures.ts'

/** Which picture of a changed page. */
export type PageView = 'before' | 'after' | 'difference'
export interface PictureOrder {
  pdf: Uint8Array
  /** Position in the report's list of changed pages. */
  change: number
  view: PageView
}
export type PictureAnswer = { png: Uint8Array | null } | { refusal: string; zh: string; en: string }

export type Verification = ReturnType<typeof createVerification>

const DEADLINE_MS = 20_000
const HEAP_MB = 768
/** A report lists no more changed pages than people look through. */
const LISTED_CHANGES = 200

function changeView(change: PageChange): VerificationReport['pageChanges'][number] {
  const { level, before, after, areas, beforeBytes, afterBytes } = change
  return {
    level,
    pageBefore: before === null ? null : before + 1,
    pageAfter: after === null ? null : after + 1,
    areas: areas.map(({ x, y, width, height }) => ({ x, y, width, height })),
    beforeBytes,
    afterBytes,
  }
}

export function createVerification({
  ca,
  signTasks,
  deadlineMs = DEADLINE_MS,
  concurrency = 2,
  heapMb = HEAP_MB,
  script = new URL('./verify-worker.ts', import.meta.url),
  pictureScript = new URL('./picture-worker.ts', import.meta.url),
}: VerificationDeps) {
  const place = createPlaces(concurrency)

  return {
    /** Where files of strangers come in. */
    admit: createIntake().admit,

    /** @throws `verification_unreadable`, `verification_too_long`, `verification_too_complex` */
    async verify(
      pdf: Uint8Array,
      options: { fileName: string | null; lang: 'zh' | 'en' },
    ): Promise<VerificationReport> {
      const sha256 = createHash('sha256').update(pdf).digest('hex')
      const knownHere = await signTasks.knows(sha256)
      const answer = await place(() =>
        runInWorker<VerifyOrder, VerifyAnswer>(
          { pdf, trust: [ca.anchors().rootDer] },
          { deadlineMs, heapMb, script },
        ),
      )
      if ('refusal' in answer) throw refuse('verification_unreadable', { reason: answer[options.lang] })
      return {
        ok: answer.ok,
        fileName: options.fileName,
        sha256,
        knownHere,
        signatures: [...answer.signatures, ...answer.documentTimestamps].map((one) =>
          signatureView(one, options.lang),
        ),
        pageChanges: answer.pageChanges.slice(0, LISTED_CHANGES).map(changeView),
      }
    },

    /**
     * A page that a later revision changed, drawn as it was before, after, or with the differences marked.
     * @throws `verification_unreadable`, `verification_no_picture`, and as `verify`
     */
    async picture(
      pdf: Uint8Array,
      options: { change: number; view: PageView; lang: 'zh' | 'en' },
    ): Promise<Uint8Array> {
      const { change, view } = options
      const answer = await place(() =>
        runInWorker<PictureOrder, PictureAnswer>(
          { pdf, change, view },
          { deadlineMs, heapMb, script: pictureScript },
        ),
      )
      if ('refusal' in answer) throw refuse('verification_unreadable', { reason: answer[options.lang] })
      if (answer.png === null) throw refuse('verification_no_picture')
      return answer.png
    },
  }
}

function signatureView(report: SignatureReport, lang: 'zh' | 'en'): VerificationReport['signatures'][number] {
  return {
    status: report.status,
    signer: report.signer,
    signedAt: report.signedAt,
    timestamp: report.timestamp,
    level: report.level ?? '',
    coversWholeDocument: report.coversWholeDocument,
    changesAfter: report.changesAfter,
    trusted: report.trusted,
    problems: report.problems.map(({ code, message, zh }) => ({
      code,
      message: lang === 'zh' ? zh : message,
    })),
  }
}

function runInWorker<Order, Answer>(
  order: Order,
  { deadlineMs, heapMb, script }: { deadlineMs: number; heapMb: number; script: URL },
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(script, {
      workerData: order,
      env: {},
      resourceLimits: { maxOldGenerationSizeMb: heapMb },
    })
    const timer = setTimeout(() => {
      void worker.terminate()
      reject(refuse('verification_too_long', { seconds: Math.round(deadlineMs / 1000) }))
    }, deadlineMs)
    const settle = () => clearTimeout(timer)
    worker.once('message', (answer: Answer) => {
      settle()
      resolve(answer)
    })
    worker.once('error', (error) => {
      settle()
      const isMemory = 'code' in error && error.code === 'ERR_WORKER_OUT_OF_MEMORY'
      reject(isMemory ? refuse('verification_too_complex') : error)
    })
    worker.once('exit', (code) => {
      settle()
      // After an answer this rejection finds the promise settled and does nothing.
      reject(new Error(`the verification worker ended with ${code}`))
    })
  })
}

/** At most so many at a time; the others wait for their place. */
function createPlaces(count: number): <T>(work: () => Promise<T>) => Promise<T> {
  let free = count
  const waiting: (() => void)[] = []
  return async (work) => {
    if (free > 0) free -= 1
    else await new Promise<void>((resolve) => waiting.push(resolve))
    try {
      return await work()
    } finally {
      const next = waiting.shift()
      if (next === undefined) free += 1
      else next()
    }
  }
}
