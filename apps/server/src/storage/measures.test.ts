import { createSecretKey, randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sql } from 'kysely'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { manualClock } from '#src/clock.ts'
import { type Db, openDb } from '#src/db/db.ts'
import { newId } from '#src/ids.ts'
import type { Kms } from '#src/kms/kms.ts'
import { createLog } from '#src/log.ts'
import { createTestDatabase, type TestDatabase } from '../../../../testing/database.ts'
import { nodeDisk } from './node-disk.ts'
import { createStorage, createStorageMeasures, type Storage } from './storage.ts'

const hour = 3_600_000
let database: TestDatabase
let db: Db
let root: string
let clock: ReturnType<typeof manualClock>
let storage: Storage
/** Which device each folder lies on; every folder has its own unless told otherwise. */
let devices: (folder: string) => string

beforeAll(async () => {
  database = await createTestDatabase()
  db = openDb({ url: database.url })
})
afterAll(async () => {
  await db.close()
  await database.drop()
})

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'yinxin-measures-'))
  clock = manualClock(new Date('2030-01-01T00:00:00Z'))
  devices = (folder) => folder
  const folders = (site: string) => ['a', 'b', 'c'].map((name) => join(root, site, name))
  storage = createStorage({
    db,
    clock,
    log: createLog('silent'),
    kms: keys,
    sites: [
      { site: 'primary', folders: folders('primary') },
      { site: 'recovery', folders: folders('recovery') },
    ],
    disk: { ...nodeDisk, deviceOf: async (folder) => devices(folder) },
    lingerMs: 2000,
  })
  return async () => {
    await storage.close()
    await rm(root, { recursive: true, force: true })
  }
})

const keys = {
  async newObjectKey() {
    const bytes = randomBytes(32)
    return { key: createSecretKey(bytes), wrapped: Buffer.concat([bytes, Buffer.alloc(28)]) }
  },
  openObjectKey: async (_ref: unknown, wrapped: Uint8Array) =>
    createSecretKey(Buffer.from(wrapped.subarray(0, 32))),
} as unknown as Kms

async function put(tenantId = newId(), scopeId = newId()) {
  const stored = await storage.put({ tenantId, scopeId, class: 'signed', content: randomBytes(500) })
  await db.work((tx) => storage.record(tx, stored))
  return stored
}

async function places() {
  const known = await storage.places()
  return Object.fromEntries(
    known.map(({ name, site, deviceId }) => [name, { site, deviceId: deviceId ?? name }]),
  )
}

/** A look now, at what happened in the last so many hours. */
async function look(sinceHours = 1, orderedSinceHours = 1) {
  const at = clock.now()
  const before = (hours: number) => new Date(at.getTime() - hours * hour)
  return await createStorageMeasures(db).placement({
    places: await places(),
    at,
    since: before(sinceHours),
    verifiedSince: before(24 * 31),
    orderedSince: before(orderedSinceHours),
  })
}

// The tests share one database: each begins with what the one before left, destroyed.
beforeEach(async () => {
  await db.work(async (tx) => {
    await sql`insert into storage_destructions (object_id, at, reason)
      select id, ${new Date('2029-01-01')}, 'test' from storage_objects on conflict do nothing`.execute(tx)
    await sql`update storage_quarantines set readmitted_at = since`.execute(tx)
  })
})

test('replicas on six devices are three of three, in groups of three, and in one site alone at no time', async () => {
  await put()
  await put()
  clock.advance(hour)
  const seen = await look()
  expect(seen.objects).toBe(2)
  expect(seen.objectHours).toBeCloseTo(2)
  expect(seen.oneSiteHours).toBe(0)
  expect(seen.sites.map(({ site, devices, w, n }) => [site, devices.length, w, n])).toEqual([
    ['primary', 3, 2, 3],
    ['recovery', 3, 2, 3],
  ])
  expect(seen.oldestVerifiedAt).toEqual(new Date('2030-01-01T00:00:00Z'))
})

test('folders on one device count as one, whatever their number', async () => {
  devices = () => 'one'
  await put()
  clock.advance(hour)
  const seen = await look()
  expect(seen.sites.map(({ devices, w, n }) => [devices, w, n])).toEqual([
    [['one'], 0, 1],
    [['one'], 0, 1],
  ])
})

test('a verified time is that of the scrub; a replica found bad counts no more once its repair is overdue', async () => {
  const { id } = await put()
  clock.advance(10 * hour)
  await storage.scrub({ fresh: true })
  expect((await look()).oldestVerifiedAt).toEqual(clock.now())
  await db.work(async (tx) => {
    await sql`update storage_scrubs set verdict = 'damaged' where object_id = ${id} and domain = 'primary-2'`.execute(
      tx,
    )
  })
  expect((await look()).sites[0]).toMatchObject({ n: 2, w: 1 })
  // On order for a minute: the repair window is what u′ is for.
  await db.work(async (tx) => {
    await sql`insert into storage_repairs (object_id, domain, reason, due_at, created_at)
      values (${id}, 'primary-2', 'bad', ${clock.now()}, ${clock.now()})`.execute(tx)
  })
  clock.advance(60_000)
  expect((await look()).sites[0]).toMatchObject({ n: 3, w: 2 })
  clock.advance(hour)
  expect((await look()).sites[0]).toMatchObject({ n: 2 })
  expect((await look(1, 2)).sites[0]).toMatchObject({ n: 3 })
})

test('hours in one site alone count from the begin of the look until the other site has it', async () => {
  const { id } = await put()
  const at = clock.now()
  await db.work(async (tx) => {
    // Half an hour after it was written the other site got it.
    await sql`update storage_replicas set written_at = ${new Date(at.getTime() + hour / 2)}
      where object_id = ${id} and domain like 'recovery%'`.execute(tx)
  })
  clock.advance(2 * hour)
  expect((await look(3)).oneSiteHours).toBeCloseTo(0.5)
  expect((await look(1.75)).oneSiteHours).toBeCloseTo(0.25)
  expect((await look(1)).oneSiteHours).toBe(0)
  await db.work(async (tx) => {
    await sql`delete from storage_replicas where object_id = ${id} and domain like 'recovery%'`.execute(tx)
  })
  expect((await look(1)).oneSiteHours).toBeCloseTo(1)
  expect((await look(1)).sites[1]).toMatchObject({ devices: [], w: 0, n: 0 })
  await db.work(async (tx) => {
    await sql`delete from storage_replicas where object_id = ${id}`.execute(tx)
  })
  const nothing = await look(1)
  expect([nothing.objects, nothing.oneSiteHours, nothing.sites[0]?.n]).toEqual([1, 1, 0])
})

test('holdings of a month: only what was there from its first to its last minute, and what was lost in it', async () => {
  const measures = createStorageMeasures(db)
  const early = await put()
  clock.advance(10 * 24 * hour)
  const from = clock.now()
  clock.advance(hour)
  const [late, gone] = [await put(), await put()]
  clock.advance(hour)
  await storage.destroy(undefined, [gone.id], 'test')
  clock.advance(20 * 24 * hour)
  const to = clock.now()
  expect(await measures.holdings(from, to)).toEqual({ heldWholePeriod: 1, held: 2, lost: 0 })
  const find = (kind: string, subject: string) =>
    db.work((tx) =>
      sql`insert into storage_findings (class, subject_id, domain, severity, detail, first_seen_at, last_seen_at)
        values (${kind}, ${subject}, '', 'critical', 'x', ${new Date(to.getTime() - hour)}, ${to})`.execute(
        tx,
      ),
    )
  await find('a_object_lost', early.id)
  await find('e_key_missing', late.scopeId)
  await find('d_too_few_replicas', late.id)
  expect((await measures.holdings(from, to)).lost).toBe(2)
  // Found again before the month ended: not lost.
  await db.work((tx) =>
    sql`update storage_findings set resolved_at = ${new Date(to.getTime() - 1)}`.execute(tx),
  )
  expect((await measures.holdings(from, to)).lost).toBe(0)
})

test('repairs, comparisons and quarantines of a period', async () => {
  const measures = createStorageMeasures(db)
  const from = clock.now()
  const to = new Date(from.getTime() + 30 * 24 * hour)
  expect(await measures.repairs(from, to)).toEqual({ count: 0, p99Hours: null, maxHours: null })
  await db.work(async (tx) => {
    await sql`insert into storage_repair_times (object_id, domain, reason, detected_at, repaired_at)
      select gen_random_uuid(), 'primary-1', 'bad', ${from}::timestamptz + n * interval '1 minute' - n * interval '1 minute',
        ${from}::timestamptz + n * interval '1 minute' from generate_series(1, 200) n`.execute(tx)
    await sql`insert into storage_inventories (domain, started_at, finished_at, replicas)
      values ('primary-1', ${from}, ${new Date(from.getTime() + 2 * hour)}, 1),
        ('primary-2', ${from}, ${new Date(from.getTime() + hour)}, 1)`.execute(tx)
    await sql`insert into storage_quarantines (domain, since, reason) values ('primary-3', ${from}, 'fsync')`.execute(
      tx,
    )
  })
  const repairs = await measures.repairs(from, to)
  expect(repairs.count).toBe(200)
  expect(repairs.p99Hours).toBeCloseTo(198 / 60)
  expect(repairs.maxHours).toBeCloseTo(200 / 60)
  // As old as the oldest of them, and nothing without all of them.
  expect(await measures.comparedAt(['primary-1', 'primary-2'], from, to)).toEqual(
    new Date(from.getTime() + hour),
  )
  expect(await measures.comparedAt(['primary-1', 'primary-3'], from, to)).toBeUndefined()
  expect(await measures.quarantines(from, to)).toMatchObject([{ domain: 'primary-3', reason: 'fsync' }])
})

test('shares of an owner speak of its own objects alone', async () => {
  const measures = createStorageMeasures(db)
  const [mine, other] = [newId(), newId()]
  const one = await put(mine)
  await put(other)
  clock.advance(hour)
  await storage.scrub({ fresh: true })
  const verifiedAt = clock.now()
  clock.advance(hour)
  await put(mine)
  const known = await storage.places()
  const { objects, shares, fewest } = await measures.sharesOf(mine, known)
  expect([objects, fewest]).toEqual([2, { primary: 3, recovery: 3 }])
  expect(shares.map(({ domain }) => domain)).toEqual(known.map(({ name }) => name).sort())
  expect(shares[0]).toMatchObject({
    replicas: 2,
    good: 2,
    verified: 1,
    oldestVerifiedAt: verifiedAt,
    oldestUnverifiedAt: clock.now(),
  })
  await storage.destroy(undefined, [one.id], 'test')
  expect(await measures.sharesOf(mine, known)).toMatchObject({ objects: 1, destroyed: 1 })
  expect((await measures.sharesOf(newId(), known)).objects).toBe(0)
  expect(await measures.objectsOf(one.scopeId)).toEqual({ living: 0, destroyed: 1, bytes: 0 })
})
