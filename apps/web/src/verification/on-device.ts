/** Verifies a file on this device: it is read here, and nothing of it is sent anywhere. */
import { parsePem } from '@yinxin/pki'
import { currentLanguage, translate } from '../words/words.tsx'
import type { HereAnswer, HereQuestion } from './here.ts'
import type { WorkerAnswer } from './here-worker.ts'

/** Larger files are left to the server: a phone's page may not have the memory. */
const LIMIT_BYTES = 200 * 1024 * 1024
const DEADLINE_MS = 60_000

/** @throws Error in words when this device cannot verify the file; it may still be uploaded */
export async function verifyOnDevice(file: File): Promise<HereAnswer> {
  const language = currentLanguage()
  if (file.size > LIMIT_BYTES) throw new Error(translate(language, 'verifyTooLarge'))
  const [bytes, anchors] = await Promise.all([file.arrayBuffer(), platformAnchors()])
  const question = { bytes: new Uint8Array(bytes), fileName: file.name, language, ...anchors }
  const answer = await ask(question)
  if (answer.kind === 'failed') throw new Error(translate(language, 'verifyDeviceFailed'))
  return answer
}

/** The platform's root and log key, public and the same for everybody; without a connection they stay open. */
async function platformAnchors(): Promise<Pick<HereQuestion, 'trust' | 'logKeys'>> {
  const [root, log] = await Promise.all([text('/ca/root.pem'), text('/log/generations')])
  // All of them: a package keeps the key of its day.
  const { generations } = JSON.parse(log ?? '{"generations":[]}') as { generations: { vkey: string }[] }
  return {
    trust: root ? parsePem(root, 'CERTIFICATE') : [],
    logKeys: generations.map(({ vkey }) => vkey),
  }
}

async function text(address: string): Promise<string | null> {
  try {
    const response = await fetch(address, { credentials: 'omit' })
    return response.ok ? await response.text() : null
  } catch {
    return null
  }
}

function ask(question: HereQuestion): Promise<WorkerAnswer> {
  const worker = new Worker(new URL('./here-worker.ts', import.meta.url), { type: 'module' })
  return new Promise<WorkerAnswer>((resolve, reject) => {
    const fail = () => reject(new Error(translate(question.language, 'verifyDeviceFailed')))
    const timer = setTimeout(fail, DEADLINE_MS)
    worker.onmessage = (event: MessageEvent<WorkerAnswer>) => {
      clearTimeout(timer)
      resolve(event.data)
    }
    worker.onerror = fail
    worker.postMessage(question, [question.bytes.buffer])
  }).finally(() => worker.terminate())
}
