/** What `npm run simulate` found in this room, each as the smallest case that shows it. */
import { createHash, randomBytes, randomUUID } from 'node:crypto'
import { appendFile, mkdir, mkdtemp, open, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { manualClock } from '#src/clock.ts'
import { newId } from '#src/ids.ts'
import type { StoredObject } from './catalogue.ts'
import { createCounters } from './counters.ts'
import type { Disk } from './disk.ts'
import type { Domain, ListedReplica, Placement } from './domain.ts'
import { faultyDisk } from './faulty-disk.ts'
import { createFolderDomain } from './folder-domain.ts'
import { createInventory } from './inventory.ts'
import { recordHeaderBytes } from './journal-record.ts'
import { createMemoryCatalogue } from './memory-catalogue.ts'
import { nodeDisk } from './node-disk.ts'
import { createQuarantines } from './quarantines.ts'
import { createRepair } from './repair.ts'
import { createReplicaSet } from './replica-set.ts'
import { systemTimers } from './timers.ts'

const clock = manualClock(new Date('2026-01-01T00:00:00Z'))
let root: string
let folder: string
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'yinxin-found-'))
  folder = join(root, 'primary-1')
})
afterEach(() => rm(root, { recursive: true, force: true }))

function openDomain(disk: Disk = nodeDisk, segmentBytes = 1 << 20): Domain {
  return createFolderDomain({
    name: 'primary-1',
    site: 'primary',
    folder,
    disk,
    clock,
    newName: () => newId(clock.now().getTime()),
    segmentBytes,
    onQuarantine: () => undefined,
  })
}

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')
const append = (domain: Domain, body: Buffer, objectId: string = randomUUID()) =>
  domain.append(objectId, body, sha256(body)).then((placement) => ({ objectId, placement }))

async function flip(holder: string, offset: number) {
  const file = await open(join(folder, holder), 'r+')
  const { buffer } = await file.read(Buffer.alloc(1), 0, 1, offset)
  await file.write(Buffer.of(buffer[0]! ^ 4), 0, 1, offset)
  await file.close()
}

async function all(domain: Domain): Promise<ListedReplica[]> {
  const found: ListedReplica[] = []
  for await (const one of domain.list()) found.push(one)
  return found
}

test('seed 2: the folder of the journals, deleted and made again, has its new name synced again', async () => {
  const disk = faultyDisk(nodeDisk)
  const domain = openDomain(disk, 1)
  await append(domain, randomBytes(100))
  await rm(join(folder, 'journal'), { recursive: true })
  const synced: string[] = []
  disk.before = (operation, path) => {
    if (operation === 'syncFolder') synced.push(path)
  }
  await append(domain, randomBytes(100))
  expect(synced).toEqual([folder, join(folder, 'journal')])
  await domain.close()
})

test('seed 29: a folder made by a writer that failed has its name synced by the next', async () => {
  const disk = faultyDisk(nodeDisk)
  await mkdir(folder)
  const synced: string[] = []
  disk.before = (operation, path) => {
    if (operation === 'syncFolder') synced.push(path)
  }
  const domain = openDomain(disk)
  await append(domain, randomBytes(100))
  expect(synced).toEqual([root, folder, join(folder, 'journal')])
  await domain.close()
})

test('seed 39: a file that is gone already is not called absent before the fsync of its folder', async () => {
  const disk = faultyDisk(nodeDisk)
  const domain = openDomain(disk)
  const objectId = randomUUID()
  const writer = await domain.begin(objectId)
  await writer.write([randomBytes(100)])
  const placement = await writer.finish()
  // A process that died between the two.
  await rm(join(folder, placement.holder))
  const before = disk.counts.syncFolder
  expect(await domain.remove(objectId, placement)).toBe('absent')
  expect(disk.counts.syncFolder).toBe(before + 1)
  await rm(join(folder, 'objects'), { recursive: true })
  expect(await domain.remove(objectId, placement)).toBe('absent')
  expect(domain.status().state).toBe('ready')
  await domain.close()
})

test('seed 205: the sweep makes durable that passing names are gone', async () => {
  const disk = faultyDisk(nodeDisk)
  const domain = openDomain(disk)
  expect(await domain.sweep(clock.now())).toBe(0)
  await (await domain.begin(randomUUID())).abort()
  const synced: string[] = []
  disk.before = (operation, path) => {
    if (operation === 'syncFolder') synced.push(path)
  }
  expect(await domain.sweep(clock.now())).toBe(0)
  expect(synced).toEqual([join(folder, 'incoming')])
  await domain.close()
})

/** An object whose one replica is marked bad in a domain that takes no writes, and another domain to make it again in. */
async function withBadReplica() {
  const inA = openDomain()
  const body = randomBytes(200)
  const objectId = newId(clock.now().getTime())
  const { placement } = await append(inA, body, objectId)
  const net = { isAway: false }
  const away: Domain = {
    ...inA,
    open: (place, id) => (net.isAway ? Promise.reject(new Error('ETIMEDOUT')) : inA.open(place, id)),
  }
  away.quarantine('does not answer')
  const other = createFolderDomain({
    name: 'primary-2',
    site: 'primary',
    folder: join(root, 'primary-2'),
    disk: nodeDisk,
    clock,
    newName: () => newId(clock.now().getTime()),
    segmentBytes: 1 << 20,
    onQuarantine: () => undefined,
  })
  const catalogue = createMemoryCatalogue()
  const object: StoredObject = {
    id: objectId,
    tenantId: randomUUID(),
    scopeId: randomUUID(),
    class: 'signed',
    sizeBytes: body.length,
    sha256: sha256(body),
    cipherSizeBytes: body.length,
    cipherSha256: sha256(body),
    wrappedKey: Buffer.alloc(60),
    createdAt: clock.now(),
    replicas: [placement],
  }
  await catalogue.transact((tx) => catalogue.insertObjects(tx, [object], []))
  await catalogue.markBad(objectId, ['primary-1'], clock.now())
  return {
    placement,
    net,
    replicas: async () => (await catalogue.findObject(objectId))?.replicas ?? [],
    repairOver: (
      asked: typeof catalogue = catalogue,
      withdraw: (objectId: string, placement: Placement) => Promise<void> = () =>
        Promise.reject(new Error('there is no second copy here')),
    ) =>
      createRepair({
        catalogue: asked,
        clock,
        log: { warn: () => undefined } as never,
        replicas: createReplicaSet([away, other], { timers: systemTimers, timeoutMs: 5_000, lingerMs: 0 }),
        discard: () => Promise.reject(new Error('nothing is destroyed here')),
        withdraw,
        whileWriting: (_, work) => work(),
        onRepaired: () => undefined,
      }),
    catalogue,
    async close() {
      await inA.close()
      await other.close()
    },
  }
}

test('seed 34: a replica that gives no answer stays on record until its repair elsewhere is done', async () => {
  const { placement, net, replicas, repairOver, close } = await withBadReplica()
  net.isAway = true
  const repair = repairOver()
  expect(await repair.repairDue()).toEqual({ repaired: 0, failed: 1 })
  expect(await replicas()).toEqual([placement])
  net.isAway = false
  clock.advance(60 * 60_000)
  expect(await repair.repairDue()).toMatchObject({ repaired: 1 })
  expect(await replicas()).toMatchObject([{ domain: 'primary-2' }])
  await close()
})

test('a process that dies over any question to the database leaves a replica on record', async () => {
  const endings = new Set<string>()
  for (let diesAt = 1; ; diesAt += 1) {
    const { replicas, repairOver, catalogue, close } = await withBadReplica()
    let asked = 0
    const dying = new Proxy(catalogue, {
      get(target, name: keyof typeof catalogue) {
        const method = target[name] as (...args: unknown[]) => Promise<unknown>
        return (...args: unknown[]) => {
          asked += 1
          return asked >= diesAt ? Promise.reject(new Error('dead')) : method(...args)
        }
      },
    })
    const outcome = await repairOver(dying)
      .repairDue()
      .catch(() => 'dead')
    const left = (await replicas()).map(({ domain }) => domain)
    endings.add(left.join(' '))
    await close()
    await rm(folder, { recursive: true, force: true })
    expect(left, `it died over question ${diesAt}`).toHaveLength(1)
    if (outcome !== 'dead') break
  }
  // It died before the replica was given up, and after the other took its place.
  expect(endings).toEqual(new Set(['primary-1', 'primary-2']))
})

test('seeds 130 and 147: a record whose header is damaged is overwritten when it is destroyed', async () => {
  const domain = openDomain()
  const body = randomBytes(1000)
  const first = await append(domain, body)
  const second = await append(domain, randomBytes(300))
  await flip(first.placement.holder, first.placement.position + 20)
  expect(await domain.remove(first.objectId, first.placement)).toBe('overwritten')
  expect((await readFile(join(folder, first.placement.holder))).includes(body.subarray(0, 32))).toBe(false)
  // Its neighbour is as it was, and still found.
  expect(await all(domain)).toMatchObject([{ objectId: second.objectId, placement: second.placement }])
  await domain.close()
})

test('seed 116: records behind a damaged beginning of their segment are still found', async () => {
  const domain = openDomain()
  const { objectId, placement } = await append(domain, randomBytes(500))
  await flip(placement.holder, 3)
  expect(await all(domain)).toMatchObject([{ objectId, placement }])
  await domain.close()
})

test('seed 116: pieces of records that nothing lists are seen, so that compaction clears them away', async () => {
  const domain = openDomain()
  const { placement } = await append(domain, randomBytes(500))
  expect(await domain.packs?.hasRemains?.(placement.holder)).toBe(false)
  await appendFile(join(folder, placement.holder), randomBytes(recordHeaderBytes + 10))
  expect(await domain.packs?.hasRemains?.(placement.holder)).toBe(true)
  await domain.close()
})

test('seed 149: a disk that gave no answer before the first write is asked again', async () => {
  let questions = 0
  const disk: Disk = {
    ...nodeDisk,
    async deviceOf(path) {
      questions += 1
      // The folder is looked for, found, and then asked for its device.
      const answer = await nodeDisk.deviceOf(path)
      if (questions === 3) throw Object.assign(new Error('ETIMEDOUT'), { code: 'ETIMEDOUT' })
      return answer
    },
  }
  const domain = openDomain(disk)
  await expect(append(domain, randomBytes(10))).rejects.toThrow('ETIMEDOUT')
  await append(domain, randomBytes(10))
  await domain.close()
})

test.each([500, 300_000])(
  'seed 20: a replica of %i bytes that was found is copied, not believed',
  async (size) => {
    const disk = faultyDisk(nodeDisk)
    const domain = openDomain(disk)
    const body = randomBytes(size)
    const objectId = newId(clock.now().getTime())
    const found =
      size < 1000
        ? (await append(domain, body, objectId)).placement
        : await domain.begin(objectId).then(async (writer) => {
            await writer.write([body])
            return await writer.finish()
          })
    const catalogue = createMemoryCatalogue()
    await catalogue.transact((tx) =>
      catalogue.insertObjects(
        tx,
        [
          {
            id: objectId,
            tenantId: randomUUID(),
            scopeId: randomUUID(),
            class: 'signed',
            sizeBytes: size,
            sha256: sha256(body),
            cipherSizeBytes: size,
            cipherSha256: sha256(body),
            wrappedKey: Buffer.alloc(60),
            createdAt: clock.now(),
            replicas: [],
          },
        ],
        [],
      ),
    )
    clock.advance(2 * 60 * 60_000)
    const inventory = createInventory({
      catalogue,
      clock,
      counters: createCounters(),
      removeFound: () => Promise.reject(new Error('nothing is destroyed here')),
      withdraw: () => Promise.reject(new Error('there is no second copy here')),
    })
    const syncsBefore = disk.counts.sync
    expect(await inventory.take(domain)).toMatchObject({ adopted: 1, bad: 0 })
    expect(disk.counts.sync).toBeGreaterThan(syncsBefore)
    const [recorded] = (await catalogue.findObject(objectId))?.replicas ?? []
    if (size < 1000) expect(recorded).not.toMatchObject({ holder: found.holder, position: found.position })
    const reader = await domain.open(recorded!, objectId)
    expect((await reader.read(0, size)).equals(body)).toBe(true)
    await reader.close()
    await domain.close()
  },
)

test('seed 40: an fsync that fails in another hand takes back what was being appended or overwritten', async () => {
  const disk = faultyDisk(nodeDisk)
  const domain = openDomain(disk)
  const first = await append(domain, randomBytes(300))
  const second = await append(domain, randomBytes(300))
  // Three are in the same segment: a record appended, one overwritten, and one whose overwriting meets the failure.
  let syncs = 0
  const held: (() => void)[] = []
  disk.before = async (operation) => {
    if (operation !== 'sync') return
    syncs += 1
    if (syncs === 3) throw Object.assign(new Error('EIO'), { code: 'EIO' })
    await new Promise<void>((resolve) => held.push(resolve))
  }
  // Awaited from the beginning: they are refused in the moment that the third fails.
  const appending = expect(append(domain, randomBytes(300))).rejects.toThrow('an fsync failed')
  const overwriting = expect(domain.remove(first.objectId, first.placement)).rejects.toThrow(
    'an fsync failed',
  )
  await expect.poll(() => held.length).toBe(2)
  const failing = domain.remove(second.objectId, second.placement)
  await expect(failing).rejects.toThrow('EIO')
  disk.before = () => undefined
  for (const go of held) go()
  await Promise.all([appending, overwriting])
  // Asked again, it is overwritten anew, and nothing failed meanwhile.
  expect(await domain.remove(second.objectId, second.placement)).toBe('overwritten')
  await domain.close()
})

test('seed 1: a quarantine mark that is gone already has its removal synced before the readmission', async () => {
  const disk = faultyDisk(nodeDisk)
  const domain = openDomain(disk)
  await append(domain, randomBytes(10))
  domain.quarantine('failed before')
  // The mark was removed by one whose fsync failed.
  const before = disk.counts.syncFolder
  await domain.readmit()
  expect(disk.counts.syncFolder).toBe(before + 1)
  expect(domain.status().state).toBe('ready')
  await domain.close()
})

test('seed 40, step 1481: a quarantine mark on its way to the disk does not arrive after the readmission', async () => {
  const disk = faultyDisk(nodeDisk)
  const domain = openDomain(disk)
  await append(domain, randomBytes(10))
  let letGo = () => {}
  const held = new Promise<void>((resolve) => {
    letGo = resolve
  })
  disk.before = (operation, path) => {
    if (operation === 'sync') throw Object.assign(new Error('EIO'), { code: 'EIO' })
    if (operation === 'create' && path.endsWith('QUARANTINED')) return held
    return undefined
  }
  await expect(append(domain, randomBytes(10))).rejects.toThrow('EIO')
  const readmission = domain.readmit()
  // Time enough for a readmission that does not wait for the mark.
  await nodeDisk.sizeOf(join(folder, 'QUARANTINED')).catch(() => undefined)
  await new Promise((resolve) => setImmediate(resolve))
  letGo()
  await readmission
  expect(domain.status().state).toBe('ready')
  expect((await openDomain().examine()).state).toBe('ready')
  await domain.close()
})

test('an fsync that fails while its domain is readmitted keeps it in quarantine, with its mark', async () => {
  const disk = faultyDisk(nodeDisk)
  const domain = openDomain(disk)
  const { objectId, placement } = await append(domain, randomBytes(10))
  domain.quarantine('failed before')
  // The removal of a destroyed object goes on in quarantine, and meets the failure between mark and readmission.
  disk.before = async (operation, path) => {
    if (operation === 'sync') throw Object.assign(new Error('EIO'), { code: 'EIO' })
    if (operation === 'syncFolder' && path === folder)
      await expect(domain.remove(objectId, placement)).rejects.toThrow('EIO')
  }
  await expect(domain.readmit()).rejects.toThrow('during its readmission')
  disk.before = () => undefined
  expect(domain.status().state).toBe('quarantined')
  await expect
    .poll(() => readFile(join(folder, 'QUARANTINED'), 'utf8').catch(() => ''))
    .toContain('failed before')
  await domain.readmit()
  expect(domain.status().state).toBe('ready')
  await domain.close()
})

test('seed 40, step 1481: two comparisons with the record of quarantines at once do not readmit what just failed', async () => {
  const domain = openDomain()
  await append(domain, randomBytes(10))
  const catalogue = createMemoryCatalogue()
  const net = { letGo: () => {}, asked: 0 }
  const slow = {
    ...catalogue,
    // The first answer is on its way while the second question overtakes it.
    async quarantines() {
      net.asked += 1
      const answer = await catalogue.quarantines()
      if (net.asked === 1)
        await new Promise<void>((resolve) => {
          net.letGo = resolve
        })
      return answer
    },
  }
  const quarantines = createQuarantines({
    catalogue: slow,
    clock,
    counters: createCounters(),
    replicas: createReplicaSet([domain], { timers: systemTimers, timeoutMs: 5_000, lingerMs: 0 }),
  })
  const first = quarantines.agree()
  await expect.poll(() => net.asked).toBe(1)
  domain.quarantine('EIO: fsync')
  const second = quarantines.agree()
  await new Promise((resolve) => setImmediate(resolve))
  net.letGo()
  await Promise.all([first, second])
  expect(domain.status().state).toBe('quarantined')
  expect(await catalogue.quarantines()).toMatchObject([{ domain: 'primary-1', reason: 'EIO: fsync' }])
  await domain.close()
})

test('seed 43: an order for a replica that came in the meantime ends with its first attempt', async () => {
  const { placement, replicas, repairOver, catalogue, close } = await withBadReplica()
  expect(await repairOver().repairDue()).toMatchObject({ repaired: 1 })
  const [made] = await replicas()
  expect(made).toMatchObject({ domain: 'primary-2' })
  const objectId = (await all(openDomain()))[0]!.objectId
  // Its only source is the first one, on record again; the order for the second was placed by one who did not see it.
  await catalogue.putReplica(objectId, placement, clock.now(), 'late')
  await catalogue.orderReplicas([{ objectId, domain: 'primary-2', dueAt: clock.now() }], clock.now())
  const withdrawn: string[] = []
  const repair = repairOver(catalogue, async (_, { domain }) => void withdrawn.push(domain))
  expect(await repair.repairDue()).toEqual({ repaired: 1, failed: 0 })
  expect(withdrawn).toEqual(['primary-2'])
  expect(await catalogue.repairsWaiting()).toBe(0)
  expect((await replicas()).find((one) => one.domain === 'primary-2')).toEqual(made)
  await close()
})

test('two processes: a folder that another one made again has its name synced by whoever writes into it', async () => {
  const disk = faultyDisk(nodeDisk)
  const [mine, other] = [openDomain(disk, 1), openDomain(faultyDisk(nodeDisk), 1)]
  await append(mine, randomBytes(100))
  await rm(join(folder, 'journal'), { recursive: true })
  // The other one makes it, and may die before its fsync.
  await append(other, randomBytes(100))
  const synced: string[] = []
  disk.before = (operation, path) => {
    if (operation === 'syncFolder') synced.push(path)
  }
  await append(mine, randomBytes(100))
  expect(synced).toEqual([folder, join(folder, 'journal')])
  await mine.close()
  await other.close()
})
