/**
 * Starts the embedded databases of the folders given, as a first start over the layout of before does, and stands
 * still at one step of the move of the keys until it is killed.
 */
import { systemClock } from '../../apps/server/src/clock.ts'
import { startDatabases } from '../../apps/server/src/db/databases.ts'
import type { MoveStep } from '../../apps/server/src/db/keys-move.ts'
import type { DatabaseFolders } from '../../apps/server/src/db/copies.ts'

export interface MoveOrder {
  folders: DatabaseFolders
  haltAt: MoveStep
}

const order = JSON.parse(process.argv[2] ?? '') as MoveOrder
await startDatabases({
  folders: order.folders,
  counts: { primary: 1, recovery: 0 },
  sync: { onLoss: 'wait', waitMs: 1000 },
  clock: systemClock,
  onMoveStep(step) {
    if (step !== order.haltAt) return
    process.stdout.write(`${JSON.stringify({ reached: step })}\n`)
    setInterval(() => undefined, 60_000)
    return new Promise(() => undefined)
  },
})
process.stdout.write(`${JSON.stringify({ passed: true })}\n`)
