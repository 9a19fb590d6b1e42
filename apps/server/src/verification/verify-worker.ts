import { parentPort, workerData } from 'node:worker_threads'
import { changedPages, PdfRefusal, verifyPdf } from '@yinxin/pades'
import type { VerifyAnswer, VerifyOrder } from './verification.ts'

const { pdf, trust } = workerData as VerifyOrder

function answer(): VerifyAnswer {
  try {
    const { ok, signatures, documentTimestamps } = verifyPdf(pdf, { trust })
    return { ok, signatures, documentTimestamps, pageChanges: changedPages(pdf) }
  } catch (error) {
    if (error instanceof PdfRefusal) return { refusal: error.code, zh: error.zh, en: error.en }
    throw error
  }
}

parentPort?.postMessage(answer())
