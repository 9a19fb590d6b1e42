/**
 * Child of the crash test: writes without end and prints what was acknowledged, one JSON line each,
 * until it is killed. Arguments: folder of the sites.
 */
import { createHash, randomBytes, randomUUID } from 'node:crypto'
import { writeSync } from 'node:fs'
import { join } from 'node:path'
import { systemClock } from '#src/clock.ts'
import { newId } from '#src/ids.ts'
import { nodeDisk } from './node-disk.ts'
import { createFolderDomain } from './folder-domain.ts'
import { createReplicaSet } from './replica-set.ts'
import { systemTimers } from './timers.ts'

const root = process.argv[2]
if (root === undefined) throw new Error('usage: crash-writer.ts FOLDER')

const domains = ['primary-1', 'primary-2', 'primary-3', 'recovery-1', 'recovery-2', 'recovery-3'].map(
  (name) =>
    createFolderDomain({
      name,
      site: name.startsWith('primary') ? 'primary' : 'recovery',
      folder: join(root, name),
      disk: nodeDisk,
      clock: systemClock,
      newName: newId,
      segmentBytes: 200_000,
      onQuarantine: (status) => {
        throw new Error(status.reason)
      },
    }),
)
const replicas = createReplicaSet(domains, { timers: systemTimers, timeoutMs: 30_000, lingerMs: 0 })

async function* oneBatch(body: Uint8Array) {
  yield [body]
}

async function writeForever(large: boolean): Promise<never> {
  for (;;) {
    const objectId = randomUUID()
    const body = randomBytes(large ? 400_000 : 1 + (objectId.charCodeAt(0) % 16) * 600)
    const sha256 = createHash('sha256').update(body).digest('hex')
    const { placed } = large
      ? await replicas.writeLarge(objectId, oneBatch(body), 'signed')
      : await replicas.writeSmall(objectId, body, sha256, 'signed')
    // Synchronously: what the parent has read was acknowledged before the kill.
    writeSync(1, `${JSON.stringify({ objectId, sha256, placed })}\n`)
  }
}

await Promise.all([...Array(12)].map((_, n) => writeForever(n < 2)))
