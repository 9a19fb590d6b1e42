/** What a start does when the transparency log here does not lead to what was published: goes on declared, or waits. */
import { readFile, rename } from 'node:fs/promises'
import { join } from 'node:path'
import type { App } from './app.ts'
import { writeDurably } from './db/durable-file.ts'
import type { Log } from './log.ts'

const MARK = 'restored.json'

/** Left in a restored data folder, so that its first start knows that the loss was meant. */
export async function markRestored(dataDir: string, reachedAt: string): Promise<void> {
  await writeDurably(join(dataDir, MARK), `${JSON.stringify({ v: 1, reachedAt })}\n`)
}

/**
 * After `yinxin restore` the operator has decided already: the log goes on under a new name whose first leaf declares
 * what was lost. A database that fell back by any other way is told of, and no checkpoint is signed until somebody
 * declares it.
 */
export async function settleLog(
  app: Pick<App, 'evidence' | 'destruction'>,
  dataDir: string,
  log: Log,
): Promise<void> {
  const path = join(dataDir, MARK)
  const mark = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
  const fork = await app.evidence.log.fork()
  if (fork !== undefined && mark === undefined) {
    log.error(
      { here: fork.here?.size ?? 0, published: fork.published.size },
      'the transparency log does not lead to what was published: nothing is certified until `yinxin log continue`',
    )
    return
  }
  if (fork !== undefined) {
    const { reachedAt } = JSON.parse(mark ?? '') as { reachedAt: string }
    const { generation, first_size: from } = await app.evidence.log.declare(`restored to ${reachedAt}`)
    log.warn(
      { generation, from, published: fork.published.size },
      'the transparency log goes on as a new generation after a restore',
    )
  }
  if (mark !== undefined) await repeatDestructions(app, log)
  // Once: a later loss is not the one that was meant.
  if (mark !== undefined) await rename(path, join(dataDir, 'restored.settled.json'))
}

/** What was destroyed since must not come back; a failure here keeps nobody from starting, and is made up for daily. */
export async function repeatDestructions(app: Pick<App, 'destruction'>, log: Log): Promise<void> {
  await app.destruction.repeatLost().catch((error: unknown) => {
    log.error({ err: error }, 'what was destroyed before the restore could not be compared with the keys')
  })
}
