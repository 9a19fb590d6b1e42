import { createHash, randomBytes, randomUUID } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { systemClock } from '#src/clock.ts'
import { newId } from '#src/ids.ts'
import { nodeDisk } from './node-disk.ts'
import type { Placement } from './domain.ts'
import { createFolderDomain, scanDomain } from './folder-domain.ts'
import { diskBroken, diskFull, type DiskOperation, type FaultyDisk, faultyDisk } from './faulty-disk.ts'
import { isQuorum, quorums, type StorageClass } from './quorum.ts'
import { createReplicaSet, type ReplicaSet } from './replica-set.ts'
import { systemTimers } from './timers.ts'

const names = ['primary-1', 'primary-2', 'primary-3', 'recovery-1', 'recovery-2', 'recovery-3'] as const
type Name = (typeof names)[number]

let root: string
let disk: FaultyDisk
let set: ReplicaSet
let faults: Map<Name, (operation: DiskOperation, path: string) => void | Promise<void>>

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'yinxin-replicas-'))
  disk = faultyDisk(nodeDisk)
  faults = new Map()
  disk.before = (operation, path) => {
    for (const [name, fault] of faults) if (path.startsWith(join(root, name))) return fault(operation, path)
  }
  set = open()
})
afterEach(async () => {
  faults.clear()
  await set.close()
  await rm(root, { recursive: true, force: true })
})

function open(timeoutMs = 5_000, lingerMs = 2_000): ReplicaSet {
  const domains = names.map((name) =>
    createFolderDomain({
      name,
      site: name.startsWith('primary') ? 'primary' : 'recovery',
      folder: join(root, name),
      disk,
      clock: systemClock,
      newName: newId,
      segmentBytes: 1 << 20,
      onQuarantine: () => undefined,
    }),
  )
  return createReplicaSet(domains, { timers: systemTimers, timeoutMs, lingerMs })
}

const small = randomBytes(5_000)
const large = Array.from({ length: 6 }, () => [randomBytes(70_000), randomBytes(30_000)])
const sizes = ['small', 'large'] as const

async function* inBatches() {
  for (const parts of large) yield parts
}

function write(size: (typeof sizes)[number], objectId: string, storageClass: StorageClass = 'signed') {
  return size === 'small'
    ? set.writeSmall(objectId, small, createHash('sha256').update(small).digest('hex'), storageClass)
    : set.writeLarge(objectId, inBatches(), storageClass)
}

const contentOf = (size: (typeof sizes)[number]) => (size === 'small' ? small : Buffer.concat(large.flat()))
const namesOf = (placed: Placement[]) => placed.map((one) => one.domain).sort()

async function requireReadable(objectId: string, placed: Placement[], size: (typeof sizes)[number]) {
  for (const placement of placed) {
    const reader = await set.domain(placement.domain)!.open(placement, objectId)
    expect((await reader.read(0, placement.sizeBytes)).equals(contentOf(size))).toBe(true)
    await reader.close()
  }
}

/** Fails the nth write in a domain and everything after it but removing, which frees space. */
function failFromWrite(nth: number, error: () => Error) {
  let writes = 0
  return (operation: DiskOperation) => {
    if (operation === 'remove') return
    if (operation === 'write') writes += 1
    if (writes >= nth) throw error()
  }
}

describe('quorums', () => {
  test('a draft needs two in the primary site, a signed document one in the recovery site too', () => {
    expect(isQuorum(quorums.draft, ['primary', 'primary'])).toBe(true)
    expect(isQuorum(quorums.draft, ['primary', 'recovery', 'recovery', 'recovery'])).toBe(false)
    expect(isQuorum(quorums.signed, ['primary', 'primary', 'primary'])).toBe(false)
    expect(isQuorum(quorums.signed, ['primary', 'primary', 'recovery'])).toBe(true)
  })
})

describe.each(sizes)('a %s object', (size) => {
  test('is written to all six failure domains and reads back from each', async () => {
    const id = randomUUID()
    const { placed } = await write(size, id)
    expect(namesOf(placed)).toEqual([...names])
    await requireReadable(id, placed, size)
  })

  test('survives one failure domain that becomes unwritable in mid-write', async () => {
    faults.set('primary-2', failFromWrite(size === 'small' ? 1 : 3, diskFull))
    const id = randomUUID()
    const outcome = await write(size, id)
    await outcome.settled
    expect(namesOf(outcome.placed)).toEqual(names.filter((name) => name !== 'primary-2'))
    expect(outcome.failed).toMatchObject([{ domain: 'primary-2', error: { code: 'ENOSPC' } }])
    await requireReadable(id, outcome.placed, size)
  })

  test('survives a failure domain whose folder is a file', async () => {
    await writeFile(join(root, 'recovery-3'), 'not a folder')
    const outcome = await write(size, randomUUID())
    await outcome.settled
    expect(namesOf(outcome.placed)).toEqual(names.filter((name) => name !== 'recovery-3'))
  })

  test('is refused, and leaves no file, when the primary site loses its quorum in mid-write', async () => {
    faults.set('primary-1', failFromWrite(size === 'small' ? 1 : 2, diskFull))
    faults.set('primary-3', failFromWrite(size === 'small' ? 1 : 4, diskFull))
    const id = randomUUID()
    await expect(write(size, id)).rejects.toMatchObject({ code: 'storage_unavailable', kind: 'unavailable' })
    faults.clear()
    if (size === 'large') {
      for (const name of names) {
        expect(await readdir(join(root, name, 'incoming')), name).toEqual([])
        expect(await readdir(join(root, name)), name).not.toContain('objects')
      }
    }
  })

  test('without the recovery site: a draft passes, a signed document is refused', async () => {
    for (const name of names.slice(3)) {
      faults.set(name, () => {
        throw diskFull()
      })
    }
    const outcome = await write(size, randomUUID(), 'draft')
    expect(namesOf(outcome.placed)).toEqual(names.slice(0, 3))
    await expect(write(size, randomUUID(), 'signed')).rejects.toMatchObject({ code: 'storage_unavailable' })
  })

  test('does not wait for a failure domain that hangs', async () => {
    await set.close()
    set = open(150, 0)
    let release = () => {}
    const hanging = new Promise<void>((resolve) => {
      release = resolve
    })
    faults.set('primary-3', (operation) => (operation === 'write' ? hanging : undefined))
    const outcome = await write(size, randomUUID())
    expect(namesOf(outcome.placed)).not.toContain('primary-3')
    release()
    await outcome.settled
    // A journal record that arrives late is welcome; a file that was given up is gone.
    expect(namesOf(outcome.placed).includes('primary-3')).toBe(size === 'small')
  })

  test('a failed fsync quarantines the domain: no fsync is tried there again', async () => {
    let syncs = 0
    faults.set('recovery-1', (operation) => {
      if (operation !== 'sync') return
      syncs += 1
      throw diskBroken()
    })
    for (let n = 0; n < 3; n += 1) {
      const outcome = await write(size, randomUUID())
      await outcome.settled
      expect(namesOf(outcome.placed)).not.toContain('recovery-1')
    }
    expect(syncs).toBe(1)
    expect(set.domain('recovery-1')!.status()).toMatchObject({
      state: 'quarantined',
      reason: 'EIO: i/o error',
    })
  })

  test('is found by walking the folders, without index and keys', async () => {
    const id = randomUUID()
    await write(size, id)
    const found = []
    for await (const one of scanDomain(nodeDisk, join(root, 'primary-1'))) found.push(one)
    expect(found).toMatchObject([{ objectId: id, sizeBytes: contentOf(size).length }])
  })
})

describe('large objects', () => {
  test('the acknowledgement follows the fsync of the file, its name, and the fsync of its folder', async () => {
    const order: string[] = []
    faults.set('primary-1', (operation, path) => {
      if (['write', 'sync', 'link', 'syncFolder'].includes(operation)) {
        order.push(
          `${operation} ${path.slice(join(root, 'primary-1').length).replace(/[0-9a-f-]{36}/g, 'ID')}`,
        )
      }
    })
    const id = '0195a0c4-0000-7000-8000-0000000000ab'
    await write('large', id).then((outcome) => outcome.settled)
    const afterWrites = order.slice(order.lastIndexOf('write /incoming/ID.ID') + 1)
    expect(afterWrites).toEqual([
      'sync /incoming/ID.ID',
      // The domain's own folder and the new shelf: each new name is made durable in its parent.
      'syncFolder ',
      'syncFolder /objects',
      'link /objects/ab/ID',
      'syncFolder /objects/ab',
    ])
  })

  test('an error of the sender leaves nothing behind', async () => {
    async function* breaking() {
      yield [randomBytes(1000)]
      throw new Error('the sender went away')
    }
    await expect(set.writeLarge(randomUUID(), breaking(), 'draft')).rejects.toThrow('went away')
    for (const name of names) expect(await readdir(join(root, name, 'incoming'))).toEqual([])
  })

  test('a deleted site comes back with the next write', async () => {
    await write('large', randomUUID())
    for (const name of names.slice(0, 3)) await rm(join(root, name), { recursive: true })
    const id = randomUUID()
    const { placed } = await write('large', id)
    expect(namesOf(placed)).toEqual([...names])
    await requireReadable(id, placed, 'large')
  })

  test('leftovers of dead writers are swept, those of living ones are not', async () => {
    await write('large', randomUUID())
    const incoming = join(root, 'primary-1', 'incoming')
    const now = Date.now()
    const old = `${randomUUID()}.${newId(now - 100_000)}`
    const young = `${randomUUID()}.${newId(now)}`
    for (const name of [old, young]) await writeFile(join(incoming, name), 'x')
    expect(await set.domain('primary-1')!.sweep(new Date(now - 50_000))).toBe(1)
    expect(await readdir(incoming)).toEqual([young])
    expect(await readFile(join(incoming, young), 'utf8')).toBe('x')
  })
})
