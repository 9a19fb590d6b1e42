/** Verifies off the main thread: a large file must not freeze the page, and one that never ends can be stopped. */
import { type HereAnswer, type HereQuestion, verifyHere } from './here.ts'

export type WorkerAnswer = HereAnswer | { kind: 'failed'; message: string }

addEventListener('message', (event: MessageEvent<HereQuestion>) => {
  let answer: WorkerAnswer
  try {
    answer = verifyHere(event.data)
  } catch (error) {
    answer = { kind: 'failed', message: error instanceof Error ? error.message : String(error) }
  }
  postMessage(answer)
})
