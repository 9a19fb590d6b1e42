// One file at a time, so that the parent can hold each to its time limit.
import { readFileSync } from 'node:fs'
import { parentPort } from 'node:worker_threads'
import { PdfRefusal, prepareAppearance, signPdf, verifyPdf } from './src/pades.ts'
import { createTestPki, type TestPki } from './test-pki.ts'

export interface CorpusAnswer {
  readonly outcome: string
  /** Of computing by this thread: what else the machine does is not the file's fault. */
  readonly ms: number
  readonly detail: string
  readonly output?: Uint8Array
}

const box = prepareAppearance({
  widthPt: 40,
  heightPt: 40,
  operators: '0.76 0.15 0.17 RG 2 w 1 1 38 38 re S',
  resources: [],
  objects: [],
})
const at = new Date('2026-11-24T10:00:00Z')
let pki: TestPki | undefined

async function signTwice(original: Uint8Array): Promise<Uint8Array> {
  pki ??= createTestPki(at)
  let pdf = original
  for (const [i, who] of [pki.rsa, pki.p256].entries()) {
    const placements = [{ page: 0, rect: { x: 0.5 + i * 4.5, y: 1, width: 4, height: 4 }, appearance: box }]
    pdf = await signPdf(pdf, { ...who, placements, signingTime: at })
  }
  for (let i = 0; i < original.length; i++) {
    if (pdf[i] !== original[i]) throw new Error('the original bytes are not the prefix')
  }
  return pdf
}

async function answer(question: { task: string; file: string }): Promise<CorpusAnswer> {
  if (question.task === 'warm') {
    pki ??= createTestPki(at)
    return { outcome: 'warm', ms: 0, detail: '' }
  }
  const bytes = new Uint8Array(readFileSync(question.file))
  const from = process.threadCpuUsage()
  const usedMs = () => {
    const { user, system } = process.threadCpuUsage(from)
    return (user + system) / 1000
  }
  try {
    if (question.task === 'sign') {
      const output = await signTwice(bytes)
      return { outcome: 'signed', ms: usedMs(), detail: '', output }
    }
    const report = verifyPdf(bytes)
    const words = report.signatures.map(({ status, changesAfter }) => `${status}/${changesAfter}`)
    const codes = report.signatures.flatMap(({ problems }) => problems.map(({ code }) => code))
    const detail = [report.ok, ...words, ...new Set(codes)].join(' ')
    return { outcome: 'verified', ms: usedMs(), detail }
  } catch (fault) {
    const ms = usedMs()
    if (fault instanceof PdfRefusal) return { outcome: fault.code, ms, detail: fault.detail }
    return {
      outcome: `failed: ${String(fault)}`,
      ms,
      detail: fault instanceof Error ? (fault.stack ?? '') : '',
    }
  }
}

const port = parentPort
if (!port) throw new Error('this file is a worker')
port.on('message', (question: { task: string; file: string }) => {
  void answer(question).then((result) => port.postMessage(result))
})
