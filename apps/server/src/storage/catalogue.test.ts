import { createHash, randomBytes, randomUUID } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type Db, openDb } from '#src/db/db.ts'
import { newId } from '#src/ids.ts'
import { createTestDatabase, type TestDatabase } from '../../../../testing/database.ts'
import type { Catalogue, StoredObject } from './catalogue.ts'
import { addToDigest, bucketOf } from './digest.ts'
import type { Placement } from './domain.ts'
import { createMemoryCatalogue } from './memory-catalogue.ts'
import { createPgCatalogue } from './pg-catalogue.ts'

const names = ['primary-1', 'primary-2', 'primary-3', 'recovery-1', 'recovery-2', 'recovery-3']
const places = Object.fromEntries(
  names.map((name) => [
    name,
    { site: name.startsWith('primary') ? ('primary' as const) : ('recovery' as const), deviceId: name },
  ]),
)
const time = (minutes: number) => new Date(Date.UTC(2030, 0, 1, 0, minutes))

let database: TestDatabase
let db: Db
beforeAll(async () => {
  database = await createTestDatabase()
  db = openDb({ url: database.url })
})
afterAll(async () => {
  await db.close()
  await database.drop()
})

/** What both must do alike. In the database other tests have left objects behind, which nothing here counts. */
describe.each([
  ['memory', () => createMemoryCatalogue() as Catalogue<unknown>],
  ['PostgreSQL', () => createPgCatalogue(db) as Catalogue<unknown>],
  // So few at a time that every long question is asked in pieces.
  ['PostgreSQL by stretches', () => createPgCatalogue(db, 3) as Catalogue<unknown>],
])('the catalogue in %s', (_name, open) => {
  let catalogue: Catalogue<unknown>
  let domain: string

  beforeEach(async () => {
    catalogue = open()
    domain = `test-${randomUUID()}`
    // What earlier tests left due.
    for (const one of await catalogue.claimRepairs(time(1e6), time(2e6), 1000, places))
      await catalogue.postponeRepair(one, time(3e6))
    for (const one of await catalogue.claimRemovals(time(1e6), time(2e6), 1000))
      await catalogue.finishRemoval(one, 'absent', time(0))
  })

  const placement = (name: string, holder = 'journal/x.seg', position = 8): Placement => ({
    domain: name,
    holder,
    position,
    sizeBytes: 500,
  })

  function object(more: Partial<StoredObject> = {}): StoredObject {
    return {
      id: newId(time(0).getTime()),
      tenantId: randomUUID(),
      scopeId: randomUUID(),
      class: 'signed',
      sizeBytes: 400,
      sha256: randomBytes(32).toString('hex'),
      cipherSizeBytes: 500,
      cipherSha256: randomBytes(32).toString('hex'),
      wrappedKey: randomBytes(60),
      createdAt: time(0),
      replicas: names.map((name) => placement(name)),
      ...more,
    }
  }

  async function recorded(more: Partial<StoredObject> = {}, missing: string[] = []): Promise<StoredObject> {
    const one = object(more)
    await catalogue.transact((tx) =>
      catalogue.insertObjects(
        tx,
        [one],
        missing.map((name) => ({ objectId: one.id, domain: name, dueAt: time(1) })),
      ),
    )
    return one
  }

  test('an object comes back as it was recorded, and not before its transaction ends well', async () => {
    const one = await recorded()
    expect(await catalogue.findObject(one.id)).toEqual(one)
    expect(await catalogue.findObject(randomUUID())).toBeUndefined()
    const other = object()
    await expect(
      catalogue.transact(async (tx) => {
        await catalogue.insertObjects(tx, [other], [])
        throw new Error('changed its mind')
      }),
    ).rejects.toThrow('changed its mind')
    expect(await catalogue.findObject(other.id)).toBeUndefined()
  })

  test('bad replicas come last, are repaired once, and the time it took is kept', async () => {
    const one = await recorded()
    await catalogue.markBad(one.id, ['primary-1'], time(5))
    await catalogue.markBad(one.id, ['primary-1', 'somewhere-else'], time(6))
    expect((await catalogue.findObject(one.id))?.replicas.at(-1)?.domain).toBe('primary-1')
    const claimed = await catalogue.claimRepairs(time(7), time(17), 10, places)
    expect(claimed).toEqual([{ objectId: one.id, domain: 'primary-1', attempts: 1 }])
    expect(await catalogue.claimRepairs(time(8), time(18), 10, places)).toEqual([])
    expect(await catalogue.claimRepairs(time(17), time(27), 10, places)).toMatchObject([{ attempts: 2 }])
    const anew = placement('primary-1', 'journal/y.seg', 99)
    expect(await catalogue.putReplica(one.id, anew, time(20), 'repaired')).toBe('recorded')
    expect((await catalogue.findObject(one.id))?.replicas[0]).toEqual(anew)
    expect(await catalogue.claimRepairs(time(100), time(110), 10, places)).toEqual([])
    expect(await catalogue.repairTimes(time(20))).toContainEqual({
      domain: 'primary-1',
      reason: 'bad',
      detectedAt: time(5),
      repairedAt: time(20),
    })
  })

  test('a late replica is recorded, ends its order, and counts as no repair', async () => {
    const one = await recorded({ replicas: names.slice(1).map((name) => placement(name)) }, ['primary-1'])
    expect(await catalogue.putReplica(one.id, placement('primary-1'), time(2))).toBe('recorded')
    expect(await catalogue.putReplica(randomUUID(), placement('primary-1'), time(2))).toBe('unknown')
    expect(await catalogue.claimRepairs(time(100), time(110), 10, places)).toEqual([])
    expect((await catalogue.repairTimes(time(2))).filter((t) => t.repairedAt.getTime() === +time(2))).toEqual(
      [],
    )
  })

  test('the most endangered go first: fewer devices, then fewer sites, then fewer replicas', async () => {
    const on = (...which: string[]) => ({ replicas: which.map((name) => placement(name)) })
    const many = await recorded(on('primary-1', 'primary-2', 'recovery-1', 'recovery-2'), ['recovery-3'])
    const oneSite = await recorded(on('primary-1', 'primary-2', 'primary-3'), ['recovery-3'])
    const twoSites = await recorded(on('primary-1', 'primary-2', 'recovery-1'), ['recovery-3'])
    const single = await recorded(on('primary-1'), ['recovery-3'])
    const order = await catalogue.claimRepairs(time(2), time(12), 10, places)
    expect(order.map((item) => item.objectId)).toEqual([single.id, oneSite.id, twoSites.id, many.id])
    // On a machine with one device all replicas of a site are as one.
    const poor = Object.fromEntries(
      Object.entries(places).map(([name, place]) => [name, { ...place, deviceId: place.site }]),
    )
    const again = await catalogue.claimRepairs(time(20), time(30), 10, poor)
    expect(again.map((item) => item.objectId)).toEqual([single.id, oneSite.id, twoSites.id, many.id])
    expect(await catalogue.claimRepairs(time(40), time(50), 2, places)).toHaveLength(2)
  })

  test('a replica made elsewhere takes the place of the bad one in one step', async () => {
    const one = await recorded()
    await catalogue.markBad(one.id, ['primary-2'], time(5))
    const [item] = await catalogue.claimRepairs(time(6), time(16), 1, places)
    const elsewhere = placement('primary-4', 'journal/w.seg', 88)
    expect(await catalogue.moveReplica({ ...item!, objectId: randomUUID() }, elsewhere, time(7))).toBe(
      'unknown',
    )
    expect(await catalogue.moveReplica(item!, elsewhere, time(8))).toBe('recorded')
    const { replicas } = (await catalogue.findObject(one.id))!
    expect(replicas).toContainEqual(elsewhere)
    expect(replicas.map((r) => r.domain)).not.toContain('primary-2')
    expect(await catalogue.claimRepairs(time(100), time(110), 9, places)).toEqual([])
    expect(await catalogue.repairTimes(time(8))).toContainEqual({
      domain: 'primary-4',
      reason: 'bad',
      detectedAt: time(5),
      repairedAt: time(8),
    })
  })

  test('a bad replica that was replaced meanwhile is not given up by a move that comes late', async () => {
    const one = await recorded()
    await catalogue.markBad(one.id, ['primary-2'], time(5))
    const [item] = await catalogue.claimRepairs(time(6), time(16), 1, places)
    const anew = placement('primary-2', 'journal/y.seg', 99)
    await catalogue.putReplica(one.id, anew, time(7), 'repaired')
    expect(await catalogue.moveReplica(item!, placement('primary-4'), time(8))).toBe('recorded')
    expect((await catalogue.findObject(one.id))?.replicas).toContainEqual(anew)
  })

  test('an order for a domain whose replica is good ends when a second copy comes', async () => {
    const one = await recorded()
    const before = await catalogue.repairsWaiting()
    await catalogue.orderReplicas([{ objectId: one.id, domain: names[0]!, dueAt: time(1) }], time(1))
    expect(await catalogue.repairsWaiting()).toBe(before + 1)
    expect(
      await catalogue.putReplica(one.id, placement(names[0]!, 'journal/y.seg'), time(2), 'repaired'),
    ).toBe('surplus')
    expect(await catalogue.repairsWaiting()).toBe(before)
    expect((await catalogue.findObject(one.id))?.replicas).toEqual(one.replicas)
  })

  test('a second good copy in a domain is surplus, the same one again is not', async () => {
    const one = await recorded()
    const second = placement('primary-1', 'journal/second.seg', 16)
    expect(await catalogue.putReplica(one.id, second, time(2))).toBe('surplus')
    expect(await catalogue.putReplica(one.id, placement('primary-1'), time(2))).toBe('recorded')
    expect((await catalogue.findObject(one.id))?.replicas).toEqual(one.replicas)
    await catalogue.markBad(one.id, ['primary-1'], time(3))
    expect(await catalogue.putReplica(one.id, second, time(4))).toBe('recorded')
  })

  test('repairs can be hastened', async () => {
    const one = await recorded({ replicas: names.slice(1).map((name) => placement(name)) }, ['primary-1'])
    const [item] = await catalogue.claimRepairs(time(6), time(16), 1, places)
    await catalogue.postponeRepair(item!, time(50))
    expect(await catalogue.claimRepairs(time(20), time(30), 9, places)).toEqual([])
    await catalogue.hastenRepairs(time(20))
    const hastened = await catalogue.claimRepairs(time(20), time(30), 999, places)
    expect(hastened).toContainEqual({ objectId: one.id, domain: 'primary-1', attempts: 2 })
    expect(await catalogue.repairsWaiting()).toBeGreaterThan(0)
  })

  test('what is destroyed stays destroyed, is not repaired, and is removed domain by domain', async () => {
    const one = await recorded({ replicas: names.slice(0, 5).map((name) => placement(name)) }, ['recovery-3'])
    await catalogue.transact((tx) => catalogue.destroy(tx, [one.id], 'asked', time(3), names))
    await catalogue.transact((tx) => catalogue.destroy(tx, [one.id], 'asked twice', time(4), names))
    expect((await catalogue.findObject(one.id))?.destroyedAt).toEqual(time(3))
    expect(await catalogue.claimRepairs(time(9), time(19), 10, places)).toEqual([])
    expect(await catalogue.putReplica(one.id, placement('recovery-3'), time(5))).toBe('destroyed')

    const items = await catalogue.claimRemovals(time(5), time(15), 100)
    expect(items.map((item) => item.domain).sort()).toEqual(names)
    expect(await catalogue.claimRemovals(time(6), time(16), 100)).toEqual([])
    for (const item of items.filter((item) => item.domain !== 'primary-2')) {
      const method = item.placement === undefined ? 'absent' : 'overwritten'
      expect(await catalogue.finishRemoval(item, method, time(7))).toBe(true)
    }
    await catalogue.postponeRemoval(items.find((item) => item.domain === 'primary-2')!, time(40))
    expect(await catalogue.destruction(one.id)).toEqual({
      objectId: one.id,
      at: time(3),
      reason: 'asked',
      domains: names.map((name) =>
        name === 'primary-2'
          ? { domain: name, state: 'pending' }
          : {
              domain: name,
              state: 'removed',
              removedAt: time(7),
              method: name === 'recovery-3' ? 'absent' : 'overwritten',
            },
      ),
    })
    expect(await catalogue.claimRemovals(time(39), time(49), 100)).toEqual([])
    await catalogue.hastenRemovals(time(39))
    expect(await catalogue.claimRemovals(time(39), time(49), 100)).toMatchObject([
      { domain: 'primary-2', attempts: 2 },
    ])
    expect(await catalogue.removalsWaiting()).toBe(1)
    expect(await catalogue.destruction(randomUUID())).toBeUndefined()
  })

  test('a destruction ends with its transaction or not at all; an unknown object is refused', async () => {
    const one = await recorded()
    await expect(
      catalogue.transact(async (tx) => {
        await catalogue.destroy(tx, [one.id], 'asked', time(3), names)
        throw new Error('no')
      }),
    ).rejects.toThrow('no')
    expect(await catalogue.destruction(one.id)).toBeUndefined()
    await expect(
      catalogue.transact((tx) => catalogue.destroy(tx, [randomUUID()], 'asked', time(3), names)),
    ).rejects.toMatchObject({ code: 'object_not_found' })
  })

  test('a replica that was moved under a removal is claimed again at its new place', async () => {
    const one = await recorded()
    const to = placement('primary-1', 'journal/new.seg', 8)
    const move = { objectId: one.id, from: placement('primary-1'), to }
    // Every domain with a replica is found, also those that were not named.
    await catalogue.transact((tx) => catalogue.destroy(tx, [one.id], 'asked', time(3), ['primary-1']))
    expect(await catalogue.moveReplicas([move], time(4))).toEqual(new Set())
    const items = await catalogue.claimRemovals(time(5), time(15), 100)
    expect(items.map((item) => item.domain).sort()).toEqual(names)
    const stale = { ...items.find((item) => item.domain === 'primary-1')!, placement: to }
    expect(await catalogue.finishRemoval(stale, 'overwritten', time(6))).toBe(false)
    expect(await catalogue.claimRemovals(time(6), time(16), 100)).toMatchObject([{ domain: 'primary-1' }])
  })

  test('a replica found after its removal is on record, and absence is proven by a later inventory', async () => {
    const one = await recorded({ replicas: [placement(domain)] })
    await catalogue.transact((tx) => catalogue.destroy(tx, [one.id], 'asked', time(3), [domain]))
    const [item] = await catalogue.claimRemovals(time(4), time(14), 1)
    await catalogue.finishRemoval(item!, 'deleted', time(5))
    await catalogue.recordInventory(domain, time(4), time(6), 7)
    expect((await catalogue.destruction(one.id))?.domains[0]).not.toHaveProperty('verifiedAbsentAt')
    await catalogue.recordInventory(domain, time(8), time(9), 7)
    expect((await catalogue.destruction(one.id))?.domains[0]?.verifiedAbsentAt).toEqual(time(9))
    await catalogue.noteLateRemoval(one.id, domain, 'overwritten', time(10))
    expect((await catalogue.destruction(one.id))?.domains).toEqual([
      { domain, state: 'removed', removedAt: time(10), method: 'overwritten' },
    ])
  })

  test('replicas move only from where they still are, good and alive', async () => {
    const [one, bad] = [await recorded(), await recorded()]
    await catalogue.markBad(bad.id, ['primary-1'], time(1))
    const to = placement('primary-1', 'journal/z.seg', 77)
    const from = placement('primary-1')
    const moved = await catalogue.moveReplicas(
      [
        { objectId: one.id, from, to },
        { objectId: bad.id, from, to },
        { objectId: randomUUID(), from, to },
      ],
      time(2),
    )
    expect(moved).toEqual(new Set([one.id]))
    expect(await catalogue.moveReplicas([{ objectId: one.id, from, to }], time(3))).toEqual(new Set())
    expect((await catalogue.lookup('primary-1', [one.id])).get(one.id)?.replica).toEqual({
      holder: 'journal/z.seg',
      position: 77,
      state: 'good',
      writtenAt: time(2),
    })
  })

  test('facts for people come from the last scrub of this very replica', async () => {
    const scopeId = randomUUID()
    const one = await recorded({ scopeId, replicas: [placement(domain), placement('primary-2')] })
    expect(await catalogue.replicaFacts({ objectId: one.id })).toContainEqual({
      objectId: one.id,
      domain,
      bytes: 500,
      state: 'good',
      writtenAt: time(0),
    })
    await catalogue.recordScrubs(domain, [{ objectId: one.id, verifiedAt: time(9), verdict: 'good' }])
    await catalogue.recordScrubs(domain, [{ objectId: one.id, verifiedAt: time(19), verdict: 'damaged' }])
    const facts = (await catalogue.replicaFacts({ scopeId })).find((fact) => fact.domain === domain)
    expect(facts).toMatchObject({ lastVerifiedAt: time(19), lastVerdict: 'damaged' })
    await catalogue.markBad(one.id, [domain], time(19))
    await catalogue.putReplica(one.id, placement(domain, 'journal/n.seg'), time(20), 'repaired')
    const after = (await catalogue.replicaFacts({ scopeId })).find((fact) => fact.domain === domain)
    expect(after).not.toHaveProperty('lastVerifiedAt')
  })

  test('scrub passes are kept with their cursor', async () => {
    expect(await catalogue.lastScrub(domain)).toBeUndefined()
    const pass = { domain, startedAt: time(1), checked: 10, bad: 1, bytes: 5000 }
    await catalogue.saveScrub(pass)
    const further = { ...pass, cursor: randomUUID(), checked: 20 }
    await catalogue.saveScrub(further)
    expect(await catalogue.lastScrub(domain)).toEqual(further)
    await catalogue.saveScrub({ ...further, finishedAt: time(3) })
    await catalogue.saveScrub({ ...pass, startedAt: time(5) })
    expect(await catalogue.lastScrub(domain)).toEqual({ ...pass, startedAt: time(5) })
  })

  test('replicas of a domain come by pages and by buckets, and digests fit them', async () => {
    const all = []
    for (let n = 0; n < 12; n += 1) all.push(await recorded({ replicas: [placement(domain)] }))
    const dead = await recorded({ replicas: [placement(domain)] })
    const bad = await recorded({ replicas: [placement(domain)] })
    await catalogue.transact((tx) => catalogue.destroy(tx, [dead.id], 'asked', time(1), [domain]))
    await catalogue.markBad(bad.id, [domain], time(1))
    const ids = [...all, bad].map((one) => one.id).sort()
    const first = await catalogue.replicasIn(domain, { limit: 5 })
    const rest = await catalogue.replicasIn(domain, { after: first.at(-1)!.objectId, limit: 100 })
    expect([...first, ...rest].map((one) => one.objectId)).toEqual(ids)
    const bucket = bucketOf(all[0]!.id)
    expect((await catalogue.replicasIn(domain, { bucket, limit: 100 })).map((one) => one.objectId)).toEqual(
      ids.filter((id) => bucketOf(id) === bucket),
    )
    const expected = new Map()
    for (const one of all) addToDigest(expected, one.id, one.cipherSha256)
    const sorted = (digests: Map<number, unknown>) => Array.from(digests).sort(([a], [b]) => a - b)
    expect(sorted(await catalogue.digests(domain))).toEqual(sorted(expected))
    const first0 = all[0]!
    const alone = new Map()
    addToDigest(alone, first0.id, first0.cipherSha256)
    const plain = createHash('sha256')
      .update(Buffer.from(first0.id.replaceAll('-', ''), 'hex'))
      .update(Buffer.from(first0.cipherSha256, 'hex'))
      .digest('hex')
    expect(alone.get(bucket)).toEqual({ count: 1, xor: plain })
  })

  test('lookup tells the living from the destroyed and the unknown', async () => {
    const [alive, dead] = [await recorded(), await recorded({ replicas: [placement('primary-1')] })]
    await catalogue.transact((tx) => catalogue.destroy(tx, [dead.id], 'asked', time(1), names))
    const known = await catalogue.lookup('primary-1', [alive.id, dead.id, randomUUID()])
    expect(known.size).toBe(2)
    expect(known.get(alive.id)).toMatchObject({
      cipherSha256: alive.cipherSha256,
      cipherSizeBytes: 500,
      replica: { holder: 'journal/x.seg', position: 8, state: 'good' },
    })
    expect(known.get(dead.id)?.destroyedAt).toEqual(time(1))
    expect(known.get(alive.id)).not.toHaveProperty('destroyedAt')
    expect((await catalogue.lookup('nowhere', [alive.id])).get(alive.id)).not.toHaveProperty('replica')
  })

  test('the endangered are listed with what they have, without the destroyed and the young', async () => {
    const three = await recorded({ replicas: names.slice(0, 3).map((name) => placement(name)) })
    const one = { replicas: [placement('primary-1')] }
    const [none, dead] = [await recorded(one), await recorded(one)]
    const young = await recorded({ ...one, createdAt: time(100) })
    // Youth excuses too few copies, which are still being made, but not that none is left to make them from.
    const youngNone = await recorded({ ...one, createdAt: time(100) })
    await recorded()
    await catalogue.markBad(none.id, ['primary-1'], time(90))
    await catalogue.markBad(youngNone.id, ['primary-1'], time(110))
    await catalogue.transact((tx) => catalogue.destroy(tx, [dead.id], 'asked', time(1), names))
    const four = await recorded({
      replicas: [...names.slice(0, 5), 'primary-4'].map((name) => placement(name)),
    })
    const wanted = {
      primary: { replicas: 3, domains: [...names.slice(0, 3), 'primary-4'] },
      recovery: { replicas: 3, domains: names.slice(3) },
    }
    const found = await catalogue.endangered(wanted, time(50), 1000)
    const made = [three, none, dead, young, youngNone, four].map(({ id }) => id)
    const mine = found.filter((one) => made.includes(one.objectId))
    expect(mine).toEqual([
      ...[none.id, youngNone.id].sort().map((objectId) => ({ objectId, good: [], domains: ['primary-1'] })),
      { objectId: three.id, good: names.slice(0, 3), domains: names.slice(0, 3) },
      // Six are good, but a fourth in one site is no third in the other.
      {
        objectId: four.id,
        good: four.replicas.map((one) => one.domain).sort(),
        domains: four.replicas.map((one) => one.domain).sort(),
      },
    ])
    await catalogue.orderReplicas([{ objectId: three.id, domain: 'recovery-1', dueAt: time(2) }], time(1))
    await catalogue.orderReplicas([{ objectId: three.id, domain: 'recovery-1', dueAt: time(9) }], time(1))
    expect(await catalogue.claimRepairs(time(3), time(13), 10, places)).toMatchObject([
      { objectId: three.id, domain: 'recovery-1' },
    ])
  })

  test('scopes say how much of them lives', async () => {
    const scopeId = randomUUID()
    const [one] = [await recorded({ scopeId }), await recorded({ scopeId })]
    await catalogue.transact((tx) => catalogue.destroy(tx, [one.id], 'asked', time(7), names))
    const before = `${scopeId.slice(0, -1)}${scopeId.endsWith('0') ? '' : '0'}`
    const page = await catalogue.scopes(before === scopeId ? undefined : before, 10_000)
    const found = page.find((scope) => scope.scopeId === scopeId)
    if (scopeId.endsWith('0')) return
    expect(found).toEqual({ scopeId, living: 1, destroyed: 1, lastDestroyedAt: time(7) })
  })

  test('the sets of domains that occur are counted', async () => {
    const before = await catalogue.occurringSets()
    const set = [domain, 'recovery-1'].sort()
    await recorded({ replicas: set.map((name) => placement(name)) })
    await recorded({ replicas: set.map((name) => placement(name)) })
    const added = (await catalogue.occurringSets()).filter((one) => one.domains.includes(domain))
    expect(before.some((one) => one.domains.includes(domain))).toBe(false)
    expect(added).toEqual([{ domains: set, objects: 2 }])
  })

  test('orphans keep the time when they were found first', async () => {
    const objectId = randomUUID()
    await catalogue.noteOrphans([{ objectId, placement: placement(domain) }], time(1))
    await catalogue.noteOrphans([{ objectId, placement: placement(domain, 'journal/b.seg', 9) }], time(5))
    expect(await catalogue.orphansFoundBefore(domain, time(1), 10)).toEqual([])
    expect(await catalogue.orphansFoundBefore(domain, time(2), 10)).toEqual([
      { objectId, placement: placement(domain, 'journal/b.seg', 9), foundAt: time(1) },
    ])
    await catalogue.forgetOrphans(domain, [objectId])
    expect(await catalogue.orphansFoundBefore(domain, time(9), 10)).toEqual([])
  })

  test('findings stay open while they are seen, and open anew after they were resolved', async () => {
    const subjectId = randomUUID()
    const finding = { class: 'b_without_row', severity: 'warning', subjectId, domain, detail: 'x' } as const
    const mine = async () => (await catalogue.openFindings()).filter((one) => one.subjectId === subjectId)
    await catalogue.noteFindings([finding], time(1))
    await catalogue.noteFindings([{ ...finding, detail: 'y' }], time(3))
    expect(await mine()).toEqual([{ ...finding, detail: 'y', firstSeenAt: time(1), lastSeenAt: time(3) }])
    await catalogue.resolveFindings(['a_object_lost'], time(9), time(9))
    await catalogue.resolveFindings(['b_without_row'], time(3), time(9))
    expect(await mine()).toHaveLength(1)
    await catalogue.resolveFindings(['b_without_row'], time(4), time(9))
    expect(await mine()).toEqual([])
    await catalogue.noteFindings([finding], time(20))
    expect(await mine()).toEqual([{ ...finding, firstSeenAt: time(20), lastSeenAt: time(20) }])
  })

  test('a quarantine stands until the domain is readmitted', async () => {
    const mine = async () => (await catalogue.quarantines()).filter((one) => one.domain === domain)
    await catalogue.quarantine(domain, 'EIO', time(1))
    await catalogue.quarantine(domain, 'EIO again', time(2))
    expect(await mine()).toEqual([{ domain, reason: 'EIO', since: time(1) }])
    await catalogue.readmit(domain, time(3))
    expect(await mine()).toEqual([])
    await catalogue.quarantine(domain, 'ENOSPC', time(4))
    expect(await mine()).toEqual([{ domain, reason: 'ENOSPC', since: time(4) }])
  })
})
