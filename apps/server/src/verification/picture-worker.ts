import { parentPort, workerData } from 'node:worker_threads'
import { changedPages, PdfRefusal } from '@yinxin/pades'
import { comparePages } from './page-pictures.ts'
import type { PictureAnswer, PictureOrder } from './verification.ts'

const { pdf, change, view } = workerData as PictureOrder

async function answer(): Promise<PictureAnswer> {
  try {
    const wanted = changedPages(pdf)[change]
    if (wanted === undefined) return { png: null }
    for await (const compared of comparePages(pdf, [wanted])) return { png: compared[view] }
    return { png: null }
  } catch (error) {
    if (error instanceof PdfRefusal) return { refusal: error.code, zh: error.zh, en: error.en }
    throw error
  }
}

parentPort?.postMessage(await answer())
