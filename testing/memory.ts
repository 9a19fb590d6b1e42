/** Memory that is really held: garbage that nobody has swept yet would make a test depend on the machine's mood. */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

/** Bytes of buffers in use after a collection. */
export function heldBufferBytes(): number {
  collect()
  return process.memoryUsage().arrayBuffers
}

/** The same once it has stopped to fall: streams and sockets let go of their buffers a turn later. */
export async function settledBufferBytes(): Promise<number> {
  let held = heldBufferBytes()
  for (let turns = 0; turns < 20; turns++) {
    await new Promise((resolve) => setTimeout(resolve, 20))
    const now = heldBufferBytes()
    if (now >= held) return now
    held = now
  }
  return held
}
