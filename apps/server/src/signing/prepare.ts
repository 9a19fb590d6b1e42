/**
 * First phase of a signature. Small files are parsed where they are; large ones in a worker thread, so that no
 * other request waits for them. No key ever crosses: the second phase only needs the digest.
 */
import { Worker } from 'node:worker_threads'
import {
  PdfRefusal,
  type PdfRefusalCode,
  type PreparedSignature,
  type PrepareOptions,
  prepareSignature,
} from '@yinxin/pades'
import type { Revision } from '#src/sign-tasks/sign-tasks.ts'

export type PdfPreparer = (base: Revision, options: PrepareOptions) => Promise<PreparedSignature>

/** What the worker answers. */
export type PrepareAnswer = { prepared: PreparedSignature } | { refusal: string; detail: string }

const INLINE_BYTES_MAX = 2 * 1024 * 1024
/** A file that takes longer to read than this is not signed. */
const DEADLINE_MS = 60_000

export function createPreparer(limits: { inlineBytesMax?: number; deadlineMs?: number } = {}): PdfPreparer {
  const inlineBytesMax = limits.inlineBytesMax ?? INLINE_BYTES_MAX
  return async (base, options) =>
    base.bytes.length <= inlineBytesMax
      ? prepareSignature(base.bytes, { ...options, hashState: base.hashState })
      : await prepareInWorker(base.bytes, options, limits.deadlineMs ?? DEADLINE_MS)
}

function prepareInWorker(
  pdf: Uint8Array,
  options: PrepareOptions,
  deadlineMs: number,
): Promise<PreparedSignature> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL('./prepare-worker.ts', import.meta.url), {
      workerData: { pdf, options },
      env: {},
    })
    const timer = setTimeout(() => {
      void worker.terminate()
      reject(new PdfRefusal('too_complex', `no result within ${deadlineMs} ms`))
    }, deadlineMs)
    worker.once('message', (answer: PrepareAnswer) => {
      clearTimeout(timer)
      if ('prepared' in answer) resolve(answer.prepared)
      else reject(new PdfRefusal(answer.refusal as PdfRefusalCode, answer.detail))
    })
    worker.once('error', (error) => {
      clearTimeout(timer)
      reject(error)
    })
    worker.once('exit', (code) => {
      clearTimeout(timer)
      if (code !== 0) reject(new Error(`the PDF worker ended with ${code}`))
    })
  })
}
