import { createHash, createSecretKey, randomBytes, randomUUID } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { manualClock } from '#src/clock.ts'
import { newId } from '#src/ids.ts'
import { createLog } from '#src/log.ts'
import type { Catalogue, StoredObject } from './catalogue.ts'
import { createStorageCore, type StorageCore } from './core.ts'
import type { Disk } from './disk.ts'
import { diskBroken, diskFull, type FaultyDisk, faultyDisk } from './faulty-disk.ts'
import { createFolderDomain } from './folder-domain.ts'
import { createMemoryCatalogue, type MemoryTx } from './memory-catalogue.ts'
import { nodeDisk } from './node-disk.ts'
import { createStorageCommands } from './operator.ts'
import type { Timers } from './timers.ts'

const hour = 60 * 60_000
const day = 24 * hour
const names = ['primary-1', 'primary-2', 'primary-3', 'recovery-1', 'recovery-2', 'recovery-3']

let root: string
let clock: ReturnType<typeof manualClock>
let disk: FaultyDisk
let catalogue: Catalogue<MemoryTx>
let storage: StorageCore<MemoryTx>
/** Scopes whose key opens; undefined for those of living objects. */
let keysThere: Set<string> | undefined

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'yinxin-custody-'))
  clock = manualClock(new Date('2030-01-01T00:00:00Z'))
  disk = faultyDisk(nodeDisk)
  catalogue = createMemoryCatalogue()
  keysThere = undefined
  storage = open()
})
afterEach(async () => {
  disk.before = () => undefined
  await storage.close()
  await rm(root, { recursive: true, force: true })
})

/** Time passes only where the test says so; whoever waits goes on at once. */
const impatient: Timers = {
  after(_ms, action) {
    const timer = setImmediate(action)
    return () => clearImmediate(timer)
  },
}
const patient: Timers = {
  after(ms, action) {
    const timer = setTimeout(action, ms < 1000 ? 0 : ms)
    return () => clearTimeout(timer)
  },
}

const keys = {
  async newObjectKey() {
    const bytes = randomBytes(32)
    return { key: createSecretKey(bytes), wrapped: Buffer.concat([bytes, Buffer.alloc(28)]) }
  },
  openObjectKey: async (_ref: unknown, wrapped: Uint8Array) =>
    createSecretKey(Buffer.from(wrapped.subarray(0, 32))),
}

function open(
  domainNames = names,
  on: Disk = disk,
  timers = patient,
  scrubBytesPerSecond = 1 << 30,
): StorageCore<MemoryTx> {
  return createStorageCore<MemoryTx>({
    catalogue,
    domains: domainNames.map((name) =>
      createFolderDomain({
        name,
        site: name.startsWith('primary') ? 'primary' : 'recovery',
        folder: join(root, name),
        disk: on,
        clock,
        newName: () => newId(clock.now().getTime()),
        segmentBytes: 1 << 20,
        onQuarantine: () => undefined,
      }),
    ),
    keys,
    clock,
    timers,
    newId,
    random: randomBytes,
    log: createLog('silent'),
    lingerMs: 0,
    keyPresent: async () => keysThere ?? (await livingScopes()),
    scrubBytesPerSecond,
  })
}

async function livingScopes(): Promise<Set<string>> {
  const scopes = await catalogue.scopes(undefined, 10_000)
  return new Set(scopes.filter((scope) => scope.living > 0).map((scope) => scope.scopeId))
}

/** The removal in the same breath, and by nobody else at the same time. */
async function destroyNow(objectIds: readonly string[]): Promise<void> {
  await catalogue.transact((tx) => storage.destroy(tx, objectIds, 'asked'))
  await storage.removeDue({ hasten: true })
}

async function restart(domainNames = names): Promise<void> {
  await storage.close()
  storage = open(domainNames)
}

async function stored(content = randomBytes(3000), scopeId = randomUUID()): Promise<StoredObject> {
  const one = await storage.put({ tenantId: randomUUID(), scopeId, class: 'signed', content })
  await catalogue.transact((tx) => storage.record(tx, one))
  await expect
    .poll(async () => (await catalogue.findObject(one.id))?.replicas.length, { timeout: 10_000, interval: 5 })
    .toBe(6)
  return one
}

async function placeOf(objectId: string, domain: string) {
  const place = (await catalogue.findObject(objectId))?.replicas.find((one) => one.domain === domain)
  if (place === undefined) throw new Error(`no replica in ${domain}`)
  return { ...place, path: join(root, domain, place.holder) }
}

async function flip(objectId: string, domain: string, offset = 200): Promise<void> {
  const { path, position } = await placeOf(objectId, domain)
  const bytes = await readFile(path)
  bytes[position + offset] = bytes[position + offset]! ^ 1
  await writeFile(path, bytes)
}

const good = async (objectId: string) =>
  (await storage.replicasOf({ objectId })).filter((one) => one.state === 'good').map((one) => one.domain)

/** The ciphertext of an object, to be looked for on the disks. */
async function cipherOf(objectId: string, domain = 'primary-1'): Promise<Buffer> {
  const { path, position, sizeBytes } = await placeOf(objectId, domain)
  const bytes = await readFile(path)
  const header = path.includes('/journal/') ? 64 : 0
  return bytes.subarray(position + header, position + header + sizeBytes)
}

async function domainsThatHold(part: Buffer): Promise<string[]> {
  const found = new Set<string>()
  for (const file of await readdir(root, { recursive: true, withFileTypes: true })) {
    if (!file.isFile()) continue
    const bytes = await readFile(join(file.parentPath, file.name))
    if (bytes.includes(part)) found.add(file.parentPath.slice(root.length + 1).split('/')[0]!)
  }
  return Array.from(found).sort()
}

const segments = async (domain: string) => (await readdir(join(root, domain, 'journal'))).sort()

describe.each([
  ['small', 3_000],
  ['large', 400_000],
] as const)('a destroyed %s object', (_kind, size) => {
  test('is refused at once and physically gone from every domain, with proof', async () => {
    const [one, other] = [await stored(randomBytes(size)), await stored(randomBytes(size))]
    const cipher = await cipherOf(one.id)
    const middle = cipher.subarray(1000, 1600)
    expect(await domainsThatHold(middle)).toEqual(names)
    clock.advance(hour)
    await storage.destroy(undefined, [one.id], 'both parties agreed')
    await expect(storage.read(one.id)).rejects.toMatchObject({ code: 'object_destroyed', kind: 'gone' })
    await expect(storage.describe(one.id)).rejects.toMatchObject({ code: 'object_destroyed' })
    await storage.removeDue()
    await expect.poll(async () => (await storage.destroyed(one.id))?.complete).toBe(true)
    expect(await domainsThatHold(middle)).toEqual([])
    // Whoever kept the description reads nothing either.
    await expect(storage.read(one)).rejects.toMatchObject({ code: 'object_destroyed' })
    const report = await storage.destroyed(one.id)
    expect(report).toMatchObject({ reason: 'both parties agreed', at: clock.now() })
    expect(report?.domains.map((d) => [d.domain, d.state, d.method, d.verifiedAbsentAt])).toEqual(
      names.map((name) => [name, 'removed', size > 300_000 ? 'deleted' : 'overwritten', undefined]),
    )
    clock.advance(hour)
    expect((await storage.reconcile()).findings).toEqual([])
    const verified = (await storage.destroyed(one.id))?.domains.map((d) => d.verifiedAbsentAt)
    expect(verified).toEqual(names.map(() => clock.now()))
    expect(await storage.read(other.id)).toHaveLength(size)
    expect(await storage.destroyed(other.id)).toBeUndefined()
  })

  test('whose domain gives no answer is removed there later, again and again until it works', async () => {
    const one = await stored(randomBytes(size))
    const middle = (await cipherOf(one.id)).subarray(1000, 1600)
    disk.before = (operation, path) => {
      if (path.includes('recovery-2') && ['modify', 'remove'].includes(operation)) throw diskFull()
    }
    await catalogue.transact((tx) => storage.destroy(tx, [one.id], 'asked'))
    expect(await storage.removeDue()).toEqual({ removed: 5, failed: 1 })
    expect(await domainsThatHold(middle)).toEqual(['recovery-2'])
    expect((await storage.destroyed(one.id))?.complete).toBe(false)
    clock.advance(hour)
    expect(await storage.removeDue()).toEqual({ removed: 0, failed: 1 })
    disk.before = () => undefined
    clock.advance(2 * hour)
    expect(await storage.removeDue()).toEqual({ removed: 1, failed: 0 })
    expect(await domainsThatHold(middle)).toEqual([])
    expect((await storage.destroyed(one.id))?.complete).toBe(true)
  })

  test('that turns up again, from a copy of the folder, is removed and reported, never recorded', async () => {
    const one = await stored(randomBytes(size))
    const place = await placeOf(one.id, 'primary-2')
    const middle = (await cipherOf(one.id)).subarray(1000, 1600)
    const before = await readFile(place.path)
    await catalogue.transact((tx) => storage.destroy(tx, [one.id], 'asked'))
    await storage.removeDue()
    clock.advance(3 * hour)
    await writeFile(place.path, before)
    expect(await domainsThatHold(middle)).toEqual(['primary-2'])
    const { findings } = await storage.reconcile()
    expect(findings).toMatchObject([
      { class: 'c_destroyed_but_there', severity: 'failure', subjectId: one.id, domain: 'primary-2' },
    ])
    expect(await domainsThatHold(middle)).toEqual([])
    expect(await good(one.id)).toEqual([])
    clock.advance(hour)
    expect((await storage.reconcile()).findings).toEqual([])
    expect((await storage.destroyed(one.id))?.domains[1]).toMatchObject({ verifiedAbsentAt: clock.now() })
  })
})

test('a replica that arrives after its object was destroyed is removed on arrival', async () => {
  let release = () => {}
  const slow = new Promise<void>((resolve) => {
    release = resolve
  })
  disk.before = (operation, path) => {
    if (operation === 'sync' && path.includes('primary-3')) return slow
  }
  const content = randomBytes(5000)
  const one = await storage.put({ tenantId: randomUUID(), scopeId: randomUUID(), class: 'signed', content })
  await catalogue.transact((tx) => storage.record(tx, one))
  const middle = (await cipherOf(one.id)).subarray(1000, 1600)
  await catalogue.transact((tx) => storage.destroy(tx, [one.id], 'asked'))
  await storage.removeDue()
  release()
  await expect.poll(() => domainsThatHold(middle), { timeout: 10_000 }).toEqual([])
  await expect.poll(async () => (await storage.destroyed(one.id))?.complete).toBe(true)
})

test('a replica that another process still had on its way is removed on arrival, and what was verified before no longer counts', async () => {
  let release = () => {}
  const slow = new Promise<void>((resolve) => {
    release = resolve
  })
  const otherDisk = faultyDisk(nodeDisk)
  otherDisk.before = (operation, path) => {
    if (operation === 'write' && path.includes('primary-3')) return slow
  }
  const other = open(names, otherDisk)
  try {
    const one = await other.put({
      tenantId: randomUUID(),
      scopeId: randomUUID(),
      class: 'signed',
      content: randomBytes(5000),
    })
    await catalogue.transact((tx) => other.record(tx, one))
    const [recorded] = (await catalogue.findObject(one.id))?.replicas ?? []
    const middle = (await cipherOf(one.id, recorded?.domain)).subarray(1000, 1600)
    // This process knows nothing of the late copy: it removes what is on record, looks everywhere and finds nothing.
    await destroyNow([one.id])
    // Copies that lay there already without being on record are found by the first walk, and gone in the second.
    for (let walks = 0; walks < 2; walks += 1) {
      clock.advance(1000)
      await storage.reconcile()
    }
    const before = await storage.destroyed(one.id)
    expect(before?.complete).toBe(true)
    expect(before?.domains.every((domain) => domain.verifiedAbsentAt !== undefined)).toBe(true)
    expect((await other.destroyed(one.id))?.complete).toBe(false)
    // It arrives, is taken away by whoever wrote it, and the domain has to be walked again.
    clock.advance(1000)
    release()
    const late = async () =>
      (await storage.destroyed(one.id))?.domains.find((domain) => domain.domain === 'primary-3')
    await expect.poll(async () => (await late())?.verifiedAbsentAt, { timeout: 10_000 }).toBeUndefined()
    expect(await domainsThatHold(middle)).toEqual([])
    clock.advance(1000)
    expect((await storage.reconcile()).findings).toEqual([])
    expect((await late())?.verifiedAbsentAt).toEqual(clock.now())
  } finally {
    release()
    await other.close()
  }
})

describe('the scrub', () => {
  test('finds one flipped byte in any replica, and the repair heals it', async () => {
    const objects = [await stored(), await stored(randomBytes(400_000)), await stored()]
    const damaged = [
      [objects[0]!.id, 'primary-1', 70],
      [objects[0]!.id, 'recovery-3', 3063],
      [objects[1]!.id, 'primary-2', 399_999],
      [objects[1]!.id, 'recovery-1', 0],
      [objects[2]!.id, 'primary-3', 1],
    ] as const
    for (const [id, domain, offset] of damaged) await flip(id, domain, offset)
    clock.advance(hour)
    const passes = await storage.scrub()
    expect(passes.map((pass) => [pass.domain, pass.checked, pass.bad])).toEqual(
      names.map((name) => [name, 3, damaged.some(([, domain]) => domain === name) ? 1 : 0]).map((row) => row),
    )
    for (const one of objects) {
      expect(await good(one.id)).toEqual(names)
      for (const { domain } of await storage.replicasOf({ objectId: one.id })) {
        const { path, position, sizeBytes } = await placeOf(one.id, domain)
        const header = path.includes('/journal/') ? 64 : 0
        const bytes = (await readFile(path)).subarray(position + header, position + header + sizeBytes)
        expect(createHash('sha256').update(bytes).digest('hex')).toBe(one.cipherSha256)
      }
    }
    const times = await storage.repairTimes(new Date(0))
    expect(times).toHaveLength(5)
    expect(times[0]).toMatchObject({ reason: 'bad', detectedAt: clock.now(), repairedAt: clock.now() })
  })

  test('leaves its time and verdict on each replica, for people to see', async () => {
    const one = await stored()
    expect((await storage.replicasOf({ objectId: one.id }))[0]).not.toHaveProperty('lastVerifiedAt')
    clock.advance(hour)
    await storage.scrub()
    const facts = await storage.replicasOf({ scopeId: one.scopeId })
    expect(facts).toHaveLength(6)
    for (const fact of facts) {
      expect(fact).toMatchObject({
        lastVerdict: 'good',
        lastVerifiedAt: clock.now(),
        bytes: one.cipherSizeBytes,
      })
      expect(fact.site).toBe(fact.domain.startsWith('primary') ? 'primary' : 'recovery')
      expect(fact.deviceId).toBe(String((await stat(root)).dev))
    }
  })

  test('goes on where it was ended, and begins anew after its period', async () => {
    for (let n = 0; n < 5; n += 1) await stored()
    const stop = new AbortController()
    let reads = 0
    disk.before = (operation, path) => {
      if (operation === 'read' && path.includes('primary-1') && ++reads === 3) stop.abort()
    }
    await storage.scrub({ signal: stop.signal })
    disk.before = () => undefined
    const [begun] = await storage.lastScrubs()
    expect(begun).toMatchObject({ domain: 'primary-1', checked: 3 })
    expect(begun?.finishedAt).toBeUndefined()
    await restart()
    const [pass] = await storage.scrub()
    expect(pass).toMatchObject({ checked: 5, verdicts: { good: 2 } })
    expect((await storage.scrub())[0]).toMatchObject({ checked: 5, verdicts: { good: 0 } })
    clock.advance(day)
    expect((await storage.scrub())[0]).toMatchObject({ checked: 5, verdicts: { good: 5 } })
  })

  test('keeps to its pace', async () => {
    const waits: number[] = []
    await storage.close()
    const measured: Timers = {
      after(ms, action) {
        waits.push(ms)
        return impatient.after(ms, action)
      },
    }
    storage = open(names)
    await stored(randomBytes(400_000))
    await storage.close()
    storage = open(names, disk, measured, 1 << 22)
    waits.length = 0
    const [pass] = await storage.scrub()
    // Six domains, each with what was not yet worth a pause at its end.
    const expectedMs = (6 * pass!.bytes * 1000) / (1 << 22)
    const waitedMs = waits.reduce((sum, ms) => sum + ms, 0)
    expect(waitedMs).toBeLessThanOrEqual(expectedMs)
    expect(waitedMs).toBeGreaterThan(expectedMs - 6 * 20)
    expect(expectedMs).toBeGreaterThan(500)
  })
})

describe('the comparison of domains with the catalogue', () => {
  test('finds nothing where nothing is wrong, without looking into any bucket', async () => {
    for (let n = 0; n < 4; n += 1) await stored(randomBytes(n % 2 === 0 ? 1000 : 400_000))
    expect(await storage.antiEntropy()).toEqual([])
  })

  test('finds deleted files, a deleted segment and a replica that nobody recorded', async () => {
    const [small, large] = [await stored(), await stored(randomBytes(400_000))]
    await rm((await placeOf(large.id, 'recovery-1')).path)
    await rm((await placeOf(small.id, 'primary-1')).path)
    clock.advance(2 * hour)
    const looked = await storage.antiEntropy()
    expect(looked.map((one) => [one.domain, one.bad])).toEqual([
      ['primary-1', 1],
      ['recovery-1', 1],
    ])
    await storage.repairDue()
    expect(await good(small.id)).toEqual(names)
    expect(await good(large.id)).toEqual(names)
    expect(await storage.read(large.id)).toHaveLength(400_000)
    expect(await storage.antiEntropy()).toEqual([])
  })

  test('a domain that does not answer is not taken for an empty one', async () => {
    await stored()
    disk.before = (operation, path) => {
      if (path.includes('primary-2') && (operation === 'open' || operation === 'read'))
        throw Object.assign(new Error('ETIMEDOUT'), { code: 'ETIMEDOUT' })
    }
    clock.advance(2 * hour)
    await expect(storage.antiEntropy()).rejects.toThrow(/1 failure domains/)
    const { unanswered, findings } = await storage.reconcile()
    expect(unanswered).toMatchObject([{ domain: 'primary-2' }])
    expect(findings).toEqual([])
  })
})

describe('the six classes', () => {
  test('a: an object of which every replica is gone is critical, b to f stay quiet', async () => {
    const one = await stored()
    for (const name of names) await rm(join(root, name), { recursive: true })
    clock.advance(2 * hour)
    const { findings } = await storage.reconcile()
    expect(findings).toMatchObject([
      { class: 'a_object_lost', severity: 'critical', subjectId: one.id, domain: '' },
    ])
  })

  test('a: and that at once, however young it is', async () => {
    const one = await stored()
    for (const name of names) await rm(join(root, name), { recursive: true })
    await storage.scrub({ fresh: true })
    const { findings } = await storage.reconcile()
    expect(findings).toMatchObject([{ class: 'a_object_lost', severity: 'critical', subjectId: one.id }])
  })

  test('b: a replica without a row is left alone for a day, kept for thirty, then removed', async () => {
    const one = await storage.put({
      tenantId: randomUUID(),
      scopeId: randomUUID(),
      class: 'signed',
      content: randomBytes(400_000),
    })
    const small = await storage.put({
      tenantId: randomUUID(),
      scopeId: randomUUID(),
      class: 'signed',
      content: randomBytes(900),
    })
    await stored()
    const files = async () =>
      (await readdir(root, { recursive: true })).filter((path) => path.endsWith(one.id)).length
    await expect.poll(files).toBe(6)
    clock.advance(day - 60_000)
    expect((await storage.reconcile()).findings).toEqual([])
    clock.advance(hour)
    const { findings } = await storage.reconcile()
    expect(findings).toHaveLength(12)
    expect(findings[0]).toMatchObject({ class: 'b_without_row', severity: 'warning' })
    expect(new Set(findings.map((finding) => finding.subjectId))).toEqual(new Set([one.id, small.id]))
    clock.advance(29 * day)
    await storage.reconcile()
    expect(await files()).toBe(6)
    clock.advance(2 * day)
    await storage.reconcile()
    expect(await files()).toBe(0)
    clock.advance(60_000)
    expect((await storage.reconcile()).findings).toEqual([])
  })

  test('d: missing replicas are reported and ordered', async () => {
    disk.before = (operation, path) => {
      if (path.includes('recovery-2') && operation === 'write') throw diskFull()
    }
    const one = await storage.put({
      tenantId: randomUUID(),
      scopeId: randomUUID(),
      class: 'signed',
      content: randomBytes(10),
    })
    await catalogue.transact((tx) => storage.record(tx, one))
    clock.advance(2 * hour)
    const { findings } = await storage.reconcile()
    expect(findings).toMatchObject([{ class: 'd_too_few_replicas', severity: 'failure', subjectId: one.id }])
    disk.before = () => undefined
    await storage.repairDue({ hasten: true })
    expect(await good(one.id)).toEqual(names)
    clock.advance(60_000)
    expect((await storage.reconcile()).findings).toEqual([])
  })

  test('e: a key that is gone is critical; f: a key that outlives its objects is a failure', async () => {
    const [one, two] = [await stored(), await stored()]
    keysThere = new Set([two.scopeId])
    await destroyNow([two.id])
    clock.advance(2 * hour)
    const { findings } = await storage.reconcile()
    expect(findings).toMatchObject([
      { class: 'e_key_missing', severity: 'critical', subjectId: one.scopeId },
      { class: 'f_destroyed_but_key', severity: 'failure', subjectId: two.scopeId },
    ])
    keysThere = new Set([one.scopeId])
    clock.advance(hour)
    expect((await storage.reconcile()).findings).toEqual([])
  })
})

describe('a lost site', () => {
  test('is served from the other and rebuilt to three while writes go on', async () => {
    const before = []
    for (let n = 0; n < 8; n += 1) before.push(await stored(randomBytes(n % 3 === 0 ? 300_000 : 2000)))
    for (const name of names.slice(0, 3)) await rm(join(root, name), { recursive: true })
    let isWriting = true
    const during: StoredObject[] = []
    const writer = (async () => {
      while (isWriting) during.push(await stored(randomBytes(1500)))
    })()
    for (const one of before) expect(await storage.read(one.id)).toHaveLength(one.sizeBytes)
    clock.advance(2 * hour)
    await storage.reconcile()
    await storage.repairDue({ hasten: true })
    isWriting = false
    await writer
    await storage.repairDue({ hasten: true })
    expect(during.length).toBeGreaterThan(0)
    for (const one of [...before, ...during]) expect(await good(one.id), one.id).toEqual(names)
    const passes = await storage.scrub({ fresh: true })
    expect(passes.map((pass) => pass.bad)).toEqual([0, 0, 0, 0, 0, 0])
  })
})

describe('what operators ask', () => {
  test('fsck is not clean while a disk is full and what belongs there cannot be made', async () => {
    disk.before = (operation, path) => {
      if (operation === 'write' && path.includes('primary-2'))
        throw Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' })
    }
    const one = await storage.put({
      tenantId: randomUUID(),
      scopeId: randomUUID(),
      class: 'signed',
      content: randomBytes(100),
    })
    await catalogue.transact((tx) => storage.record(tx, one))
    const commands = createStorageCommands({ storage: storage as never, clock })
    const call = { report: () => undefined, signal: new AbortController().signal }
    await storage.repairDue({ hasten: true })
    // Tried in vain a moment ago, it is not due again for a minute.
    expect(await commands.fsck({}, call)).toMatchObject({ clean: false, waiting: { repairs: 1 } })
    disk.before = () => undefined
    expect(await commands.fsck({}, call)).toMatchObject({ clean: true, waiting: { repairs: 0 } })
  })
})

describe('a quarantine', () => {
  test('survives a restart, is lifted only after a full scrub, and missing replicas are made again', async () => {
    const one = await stored()
    disk.before = (operation, path) => {
      if (operation === 'sync' && path.includes('recovery-1')) throw diskBroken()
    }
    const two = await storage.put({
      tenantId: randomUUID(),
      scopeId: randomUUID(),
      class: 'signed',
      content: randomBytes(100),
    })
    await catalogue.transact((tx) => storage.record(tx, two))
    expect(storage.status().domains[3]).toMatchObject({ state: 'quarantined', reason: 'EIO: i/o error' })
    disk.before = () => undefined
    // The disk was exchanged for an empty one: no mark there, but the record remembers.
    await expect.poll(() => catalogue.quarantines()).toMatchObject([{ domain: 'recovery-1' }])
    await rm(join(root, 'recovery-1'), { recursive: true })
    await restart()
    await storage.repairDue()
    expect(storage.status().domains[3]).toMatchObject({ state: 'quarantined' })
    expect(await good(two.id)).not.toContain('recovery-1')
    await expect(storage.readmit('nowhere')).rejects.toMatchObject({ code: 'domain_unknown' })
    await storage.readmit('recovery-1')
    expect(storage.status().domains[3]).toMatchObject({ state: 'ready' })
    await storage.repairDue({ hasten: true })
    expect(await good(one.id)).toEqual(names)
    expect(await good(two.id)).toEqual(names)
    await restart()
    await storage.repairDue()
    expect(storage.status().domains[3]).toMatchObject({ state: 'ready' })
  })

  test('stays while replicas give no answer', async () => {
    await stored()
    await catalogue.quarantine('primary-1', 'EIO', clock.now())
    await restart()
    await storage.repairDue()
    disk.before = (operation, path) => {
      if (operation === 'open' && path.includes('primary-1/journal'))
        throw Object.assign(new Error('EHOSTDOWN'), { code: 'EHOSTDOWN' })
    }
    await expect(storage.readmit('primary-1')).rejects.toMatchObject({ code: 'domain_not_verified' })
    expect(storage.status().domains[0]).toMatchObject({ state: 'quarantined' })
  })

  test('lifted by another process is lifted here too', async () => {
    const other = open()
    await catalogue.quarantine('primary-1', 'EIO', clock.now())
    await storage.repairDue()
    await other.repairDue()
    await other.readmit('primary-1')
    expect(storage.status().domains[0]).toMatchObject({ state: 'quarantined' })
    await storage.repairDue()
    expect(storage.status().domains[0]).toMatchObject({ state: 'ready' })
    await other.close()
  })
})

describe('compaction', () => {
  async function filled() {
    const objects: StoredObject[] = []
    for (let n = 0; n < 10; n += 1) objects.push(await stored(randomBytes(2000 + n)))
    const dead = objects.slice(0, 6)
    clock.advance(3 * hour)
    return { objects, dead, living: objects.slice(6) }
  }

  test('leaves a segment that mostly lives, and one that is young', async () => {
    const { objects } = await filled()
    expect((await storage.compact()).map((one) => one.packs)).toEqual([0, 0, 0, 0, 0, 0])
    await destroyNow(objects.slice(0, 1).map((one) => one.id))
    expect((await storage.compact())[0]).toMatchObject({ packs: 0 })
  })

  test('moves the living, frees the rest, and readers do not notice', async () => {
    const { dead, living } = await filled()
    const before = await segments('primary-1')
    const held = await catalogue.findObject(living[0]!.id)
    await destroyNow(dead.map((one) => one.id))
    const [first] = await storage.compact()
    expect(first).toMatchObject({ domain: 'primary-1', packs: 1, moved: 4 })
    expect(first!.freedBytes).toBeGreaterThan(10_000)
    expect(await segments('primary-1')).not.toEqual(before)
    expect(await segments('primary-1')).toHaveLength(1)
    for (const one of living) expect(await storage.read(one.id)).toHaveLength(one.sizeBytes)
    // A description from before the compaction names a place that is gone.
    expect(await storage.read(held!)).toHaveLength(held!.sizeBytes)
    const parts: Buffer[] = []
    for await (const part of storage.stream(held!)) parts.push(part)
    expect(Buffer.concat(parts)).toHaveLength(held!.sizeBytes)
    expect(storage.counters().replicasRepaired).toBeUndefined()
    expect((await storage.scrub({ fresh: true })).map((pass) => pass.bad)).toEqual([0, 0, 0, 0, 0, 0])
  })

  test('a record that nothing explains keeps its segment', async () => {
    const unrecorded = await storage.put({
      tenantId: randomUUID(),
      scopeId: randomUUID(),
      class: 'signed',
      content: randomBytes(100),
    })
    const { dead } = await filled()
    await destroyNow(dead.map((one) => one.id))
    expect((await storage.compact())[0]).toMatchObject({ packs: 0 })
    await catalogue.transact((tx) => storage.record(tx, unrecorded))
    expect((await storage.compact())[0]).toMatchObject({ packs: 1 })
    expect(await storage.read(unrecorded.id)).toHaveLength(100)
  })

  test('a crash at any step loses nothing and brings nothing back', { timeout: 120_000 }, async () => {
    // Once through without a crash, to count the steps that touch the disk.
    const ends = ['create', 'write', 'sync', 'syncFolder', 'open', 'read', 'remove', 'modify']
    let total = 0
    for (let crashAt = 0; crashAt === 0 || crashAt <= total; crashAt += 1) {
      await storage.close()
      await rm(root, { recursive: true, force: true })
      catalogue = createMemoryCatalogue()
      storage = open()
      const { dead, living } = await filled()
      // The last of the dead is destroyed only after the crash: its copy must not outlive it.
      const [late, ...early] = [dead.at(-1)!, ...dead.slice(0, -1)]
      const middle = (await cipherOf(late.id)).subarray(1000, 1600)
      await destroyNow(early.map((one) => one.id))
      let steps = 0
      let isDead = false
      const crashing = faultyDisk(nodeDisk)
      crashing.before = (operation, path) => {
        if (!path.includes('primary-1') || !ends.includes(operation)) return
        steps += 1
        if (isDead || steps === crashAt) {
          isDead = true
          throw new Error('the process was killed')
        }
      }
      await storage.close()
      const doomed = open(names, crashing)
      await doomed.compact().catch(() => undefined)
      if (crashAt === 0) total = steps
      else expect(isDead).toBe(true)
      await doomed.close().catch(() => undefined)
      storage = open()
      await destroyNow([late.id])
      clock.advance(3 * hour)
      await storage.reconcile()
      await storage.compact()
      await storage.removeDue({ hasten: true })
      await storage.repairDue({ hasten: true })
      for (const one of living) {
        expect(await storage.read(one.id), `crash at ${crashAt}`).toHaveLength(one.sizeBytes)
        expect(await good(one.id)).toEqual(names)
      }
      expect(await domainsThatHold(middle), `crash at ${crashAt}`).toEqual([])
      expect((await storage.scrub({ fresh: true })).map((pass) => pass.bad)).toEqual([0, 0, 0, 0, 0, 0])
      clock.advance(hour)
      expect((await storage.reconcile()).findings).toEqual([])
    }
    expect(total).toBeGreaterThan(20)
  })
})

describe('more than three domains in a site', () => {
  const seven = [...names.slice(0, 3), 'primary-4', 'primary-5', 'primary-6', 'primary-7', ...names.slice(3)]

  test('each object lies in one group of three per site, and the scatter width shows it', async () => {
    await restart(seven)
    for (let n = 0; n < 30; n += 1) await stored(randomBytes(50))
    const sets = (await catalogue.occurringSets()).map((set) => set.domains.slice(0, 3).join(' '))
    const groups = [
      'primary-1 primary-2 primary-3',
      'primary-4 primary-5 primary-6',
      'primary-1 primary-2 primary-7',
    ]
    for (const set of sets) expect(groups).toContain(set)
    expect(new Set(sets).size).toBe(3)
    const widths = await storage.scatterWidths()
    expect(widths.get('primary-4')).toBe(5)
    expect(widths.get('primary-1')).toBe(6)
  })

  test('a domain that the settings name no more is given up, and its replicas are made elsewhere', async () => {
    await restart(seven)
    const objects = []
    for (let n = 0; n < 12; n += 1) objects.push(await stored(randomBytes(50)))
    await restart(seven.filter((name) => name !== 'primary-5'))
    clock.advance(2 * hour)
    await storage.reconcile()
    await storage.repairDue({ hasten: true })
    for (const one of objects) {
      const where = await good(one.id)
      expect(where).not.toContain('primary-5')
      expect(where.filter((name) => name.startsWith('primary'))).toHaveLength(3)
      expect(await storage.read(one.id)).toHaveLength(50)
    }
  })
})
