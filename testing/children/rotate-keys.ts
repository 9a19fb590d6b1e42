/**
 * Changes root or epoch keys as the platform does, and stands still at one step until it is killed. Ten days pass
 * between the re-wrap and the destruction of the old key.
 */
import { openDb } from '../../apps/server/src/db/db.ts'
import {
  createFileDriver,
  createKms,
  type KeyFamily,
  openKeyFolder,
  type RotationStep,
} from '../../apps/server/src/kms/kms.ts'

export interface RotationOrder {
  keysUrl: string
  keyDir: string
  family: KeyFamily
  haltAt: RotationStep
  /** The moment of its clock. */
  now: string
}

const order = JSON.parse(process.argv[2] ?? '') as RotationOrder
let nowMs = Date.parse(order.now)
const kms = await createKms({
  keysDb: openDb({ url: order.keysUrl }),
  clock: { now: () => new Date(nowMs) },
  driver: createFileDriver(await openKeyFolder(order.keyDir)),
  rules: {
    onStep(step) {
      if (step !== order.haltAt) return
      process.stdout.write(`${JSON.stringify({ reached: step })}\n`)
      setInterval(() => undefined, 60_000)
      return new Promise(() => undefined)
    },
  },
})
await kms.rotateKeys(order.family)
await kms.advanceKeys()
nowMs += 10 * 86_400_000
await kms.advanceKeys()
process.stdout.write(`${JSON.stringify({ passed: true })}\n`)
