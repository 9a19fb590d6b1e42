/**
 * Whether the log here continues the one that was published. A database that was restored to an earlier moment holds
 * fewer leaves than checkpoints outside vouch for; going on under the same name would make two logs of one.
 */
import { frontierNodes, openCheckpoint, treeRoot } from '@yinxin/evidence'
import type { Tx } from '#src/db/db.ts'
import { refuse } from './errors.ts'
import { type LogCheckpoint, readNodes } from './log-store.ts'

/** Keeps the newest checkpoint outside of the database; sites of storage as a rule. */
export interface PublishedHeads {
  read(): Promise<readonly string[]>
  /** @throws when no place took it */
  write(note: string): Promise<void>
}

export interface Head {
  generation: number
  size: number
  root: Uint8Array
  note: string
}

/** The name of a generation: the first has the log's own. */
export const originOf = (base: string, generation: number) =>
  generation === 1 ? base : `${base}/${generation}`

/** The generation that a name stands for; undefined for the name of another log. */
export function generationOf(base: string, origin: string): number | undefined {
  if (origin === base) return 1
  const digits = origin.startsWith(`${base}/`) ? origin.slice(base.length + 1) : ''
  return /^[1-9]\d{0,5}$/.test(digits) && digits !== '1' ? Number(digits) : undefined
}

/**
 * The most advanced head among those found outside. What this log did not sign says nothing of it: such texts are
 * counted only.
 */
export function newestHead(
  base: string,
  vkeyOf: (generation: number) => string,
  notes: readonly string[],
): { head: Head | undefined; foreign: number } {
  let head: Head | undefined
  let foreign = 0
  for (const note of notes) {
    const generation = generationOf(base, note.split('\n', 1)[0] ?? '')
    if (generation === undefined) {
      foreign += 1
      continue
    }
    try {
      const { size, root } = openCheckpoint(note, [vkeyOf(generation)]).checkpoint
      const isNewer =
        head === undefined ||
        generation > head.generation ||
        (generation === head.generation && size > head.size)
      if (isNewer) head = { generation, size, root, note }
    } catch {
      foreign += 1
    }
  }
  return { head, foreign }
}

/**
 * Passes when the log here holds everything that the head vouches for, or when a later generation declared that it
 * does not. @throws Refusal `log_fork`
 */
export async function requireContinuation(
  tx: Tx,
  here: { generation: number; last: LogCheckpoint | null },
  head: Head,
): Promise<void> {
  if (head.generation < here.generation) return
  const size = here.last?.size ?? 0
  const isWhole = head.generation === here.generation && head.size <= size
  if (isWhole && (await rootAt(tx, head.size)).equals(head.root)) return
  throw refuse('log_fork', { here: size, published: head.size })
}

/** The root that the tree here had at an earlier size. */
async function rootAt(tx: Tx, size: number): Promise<Buffer> {
  return Buffer.from(treeRoot(size, await readNodes(tx, frontierNodes(size))))
}
