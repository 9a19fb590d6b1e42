/** The thread that reads PDFs. It gets bytes and gives plain data; it holds no key and no connection. */
import { parentPort } from 'node:worker_threads'
import { inspectPdf, type PdfInfo, PdfRefusal, type PdfRefusalCode } from '@yinxin/pades'
import type { FoundKeyword } from './keyword-text.ts'

export type ReaderOrder =
  | { work: 'inspect'; pdf: ArrayBuffer }
  | {
      work: 'keyword'
      pdf: ArrayBuffer
      keyword: string
      pages: { widthPt: number; heightPt: number }[]
    }

export type ReaderAnswer =
  | { inspected: PdfInfo }
  | { positions: FoundKeyword[] }
  | { refusal: PdfRefusalCode }
  /** Neither a result nor a refusal: a bug of a reader, told without the content. */
  | { failure: string }

async function answer(order: ReaderOrder): Promise<ReaderAnswer> {
  try {
    const bytes = new Uint8Array(order.pdf)
    if (order.work === 'inspect') return { inspected: inspectPdf(bytes) }
    // pdf.js is large: only a thread that searches loads it.
    const { findKeyword } = await import('./keywords.ts')
    return { positions: await findKeyword(bytes, order.keyword, order.pages) }
  } catch (error) {
    if (error instanceof PdfRefusal) return { refusal: error.code }
    return { failure: error instanceof Error ? `${error.name}: ${error.message}`.slice(0, 300) : 'unknown' }
  }
}

parentPort?.on('message', async (order: ReaderOrder) => {
  const result = await answer(order)
  // Given back at once: an idle thread would hold the file until its collector runs, which may be never.
  order.pdf.transfer(0)
  parentPort?.postMessage(result)
})
