import { smallContentBytes } from './sealed-content.ts'

/** Reads until it is clear whether the content is small; `rest` is the whole content again when it is not. */
export async function splitHead(
  content: Uint8Array | AsyncIterable<Uint8Array>,
): Promise<{ head: Uint8Array; rest?: AsyncIterable<Uint8Array> }> {
  if (content instanceof Uint8Array) {
    if (content.length <= smallContentBytes) return { head: content }
    return { head: content, rest: once(content) }
  }
  const pieces = content[Symbol.asyncIterator]()
  const head: Uint8Array[] = []
  let headBytes = 0
  while (headBytes <= smallContentBytes) {
    const next = await pieces.next()
    if (next.done === true) return { head: Buffer.concat(head) }
    head.push(next.value)
    headBytes += next.value.length
  }
  return { head: new Uint8Array(), rest: joined(head, pieces) }
}

async function* once(content: Uint8Array) {
  yield content
}

async function* joined(head: Uint8Array[], pieces: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    yield* head
    for (let next = await pieces.next(); next.done !== true; next = await pieces.next()) yield next.value
  } finally {
    await pieces.return?.()
  }
}
