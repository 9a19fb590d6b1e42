/**
 * A whole server in a process of its own, made to be killed. Its settings come as one JSON argument; it prints
 * one JSON line when it listens, and one when it has reached the step at which it is to die, where it then waits.
 */

import { createLog } from '../../apps/server/src/log.ts'
import { type Environment, readConfig, startServer } from '../../apps/server/src/server.ts'
import type { DestructionStep } from '../../apps/server/src/destruction/destruction.ts'
import type { CrashPoint } from '../../apps/server/src/signing/signing.ts'

export interface ChildOrder {
  environment: Environment
  /** Where to wait for the end; null to live. */
  crashAt: CrashPoint | DestructionStep | null
  /** On which pass through that point, from 1. */
  pass: number
  leaseMs: number
}

const order = JSON.parse(process.argv[2] ?? '') as ChildOrder
let passes = 0

const server = await startServer(readConfig(order.environment), {
  log: createLog('error'),
  faults: {
    leaseMs: order.leaseMs,
    async crash(point) {
      if (point !== order.crashAt) return
      passes += 1
      if (passes !== order.pass) return
      process.stdout.write(`${JSON.stringify({ reached: point })}\n`)
      await new Promise(() => undefined)
    },
  },
})
process.stdout.write(`${JSON.stringify({ url: server.url })}\n`)
process.on('SIGTERM', () => {
  void server.stop().then(() => process.exit(0))
})
