import { parentPort, workerData } from 'node:worker_threads'
import { PdfRefusal, type PrepareOptions, prepareSignature } from '@yinxin/pades'
import type { PrepareAnswer } from './prepare.ts'

const { pdf, options } = workerData as { pdf: Uint8Array; options: PrepareOptions }

function answer(): PrepareAnswer {
  try {
    return { prepared: prepareSignature(pdf, options) }
  } catch (error) {
    if (error instanceof PdfRefusal) return { refusal: error.code, detail: error.message }
    throw error
  }
}

parentPort?.postMessage(answer())
