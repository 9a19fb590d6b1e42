import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createHash } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { systemClock } from '#src/clock.ts'
import { newId } from '#src/ids.ts'
import { nodeDisk } from './node-disk.ts'
import type { Placement } from './domain.ts'
import { createFolderDomain, scanDomain } from './folder-domain.ts'
import { isQuorum, quorums } from './quorum.ts'

interface Acknowledged {
  objectId: string
  sha256: string
  placed: Placement[]
}

let root: string
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'yinxin-crash-'))
})
afterEach(() => rm(root, { recursive: true, force: true }))

const siteOf = (domain: string) =>
  domain.startsWith('primary') ? ('primary' as const) : ('recovery' as const)
const openDomain = (name: string) =>
  createFolderDomain({
    name,
    site: siteOf(name),
    folder: join(root, name),
    disk: nodeDisk,
    clock: systemClock,
    newName: newId,
    segmentBytes: 200_000,
    onQuarantine: () => undefined,
  })

/** Lets a child write until `count` objects are acknowledged, and kills it in the middle of the others. */
async function writeUntilKilled(count: number): Promise<Acknowledged[]> {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'crash-writer.ts'), root], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const exited = once(child, 'exit')
  const acknowledged: Acknowledged[] = []
  for await (const line of createInterface({ input: child.stdout })) {
    acknowledged.push(JSON.parse(line) as Acknowledged)
    if (acknowledged.length === count) child.kill('SIGKILL')
  }
  const [code, signal] = await exited
  expect({ code, signal }).toEqual({ code: null, signal: 'SIGKILL' })
  return acknowledged
}

describe('a writer killed with SIGKILL', () => {
  test.each([1, 7, 40, 111, 300])('after %i acknowledged objects has lost none of them', async (count) => {
    const acknowledged = await writeUntilKilled(count)
    expect(acknowledged.length).toBeGreaterThanOrEqual(count)
    for (const { objectId, sha256, placed } of acknowledged) {
      expect(
        isQuorum(
          quorums.signed,
          placed.map((one) => siteOf(one.domain)),
        ),
      ).toBe(true)
      for (const placement of placed) {
        const reader = await openDomain(placement.domain).open(placement, objectId)
        const bytes = await reader.read(0, placement.sizeBytes)
        await reader.close()
        expect(createHash('sha256').update(bytes).digest('hex')).toBe(sha256)
      }
    }
  })

  test('leaves folders that the next writer goes on with, kill after kill; walking them finds everything', async () => {
    const acknowledged: Acknowledged[] = []
    for (const count of [20, 5, 60]) acknowledged.push(...(await writeUntilKilled(count)))
    const found = new Map<string, Set<string>>()
    for (const domain of ['primary-1', 'primary-2', 'primary-3', 'recovery-1', 'recovery-2', 'recovery-3']) {
      const ids = new Set<string>()
      for await (const one of scanDomain(nodeDisk, join(root, domain))) {
        if (one.intact !== false) ids.add(one.objectId)
      }
      found.set(domain, ids)
    }
    for (const { objectId, placed } of acknowledged) {
      for (const placement of placed) expect(found.get(placement.domain)?.has(objectId)).toBe(true)
    }
  })
})
