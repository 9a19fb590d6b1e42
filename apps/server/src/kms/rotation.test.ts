import { createHmac, type KeyObject, randomUUID } from 'node:crypto'
import pg from 'pg'
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest'
import { manualClock } from '#src/clock.ts'
import { type Db, openDb } from '#src/db/db.ts'
import { createTestDatabase, type TestDatabase } from '../../../../testing/database.ts'
import { type DriverStage, driverStages, hsm, removeHsm } from './driver-suite.ts'
import { anyParty, createKms, type Kms, type RotationRules, type RotationStep } from './kms.ts'

const dayMs = 86_400_000
const code = (wanted: string) => expect.objectContaining({ code: wanted })
const print = (key: KeyObject) => createHmac('sha256', key).update('same?').digest('hex')

afterAll(removeHsm)

describe.each(['file', 'pkcs11', 'vault'] as const)('keys kept by %s', (kind) => {
  let database: TestDatabase
  let keysDb: Db
  let stage: DriverStage
  let kms: Kms
  let lagging: string[]
  let backups: string[]
  const clock = manualClock(new Date('2026-11-24T10:00:00Z'))
  const opened: Kms[] = []

  async function open(rules: Partial<RotationRules> = {}): Promise<Kms> {
    const made = await createKms({
      keysDb,
      clock,
      driver: await stage.open(),
      rules: { laggingCopies: async () => lagging, backupsUntil: async () => backups, ...rules },
    })
    opened.push(made)
    return made
  }
  async function sql(text: string, values: unknown[] = []) {
    const client = new pg.Client({ connectionString: database.keysOwnerUrl })
    await client.connect()
    try {
      return (await client.query(text, values)).rows
    } finally {
      await client.end()
    }
  }

  beforeEach(async (context) => {
    if (kind === 'pkcs11' && hsm === undefined) return context.skip()
    database = await createTestDatabase()
    keysDb = openDb({ url: database.keysUrl })
    stage = await driverStages[kind]()
    lagging = []
    backups = []
    kms = await open()
  })
  afterEach(async () => {
    for (const one of opened.splice(0)) one.close()
    await keysDb?.close()
    await database?.drop()
    await stage?.remove()
  })

  async function contract(parties?: string[]) {
    const tenantId = parties?.[0] ?? randomUUID()
    const ref = { tenantId, scopeId: randomUUID(), objectId: randomUUID() }
    await kms.createScopeKey(tenantId, ref.scopeId, parties)
    const { key, wrapped } = await kms.newObjectKey(ref)
    return { ref, wrapped, print: print(key) }
  }

  test('a party opens with its own wrap only, and loses it alone', async () => {
    const [owner, partner, third, stranger] = [randomUUID(), randomUUID(), randomUUID(), randomUUID()]
    const { ref, wrapped, print: wanted } = await contract([owner, partner])
    await kms.addParty(ref.scopeId, third, { via: partner })
    await kms.addParty(ref.scopeId, third, { via: owner })
    const other = await open()
    const openFor = async (partyId: string | undefined, who = kms) =>
      print(await who.openObjectKey({ ...ref, partyId }, wrapped))
    for (const party of [owner, partner, third, undefined, anyParty]) {
      expect(await openFor(party)).toBe(wanted)
      expect(await openFor(party, other)).toBe(wanted)
    }
    await expect(openFor(stranger)).rejects.toEqual(code('content_key_missing'))
    await expect(kms.addParty(ref.scopeId, stranger, { via: stranger })).rejects.toEqual(
      code('content_key_missing'),
    )

    const first = await kms.destroyAccess(ref.scopeId, partner)
    expect(first.receipt).toMatchObject({ kind: 'access', partyId: partner, epoch: 1 })
    expect(first.receipt.remaining).toEqual([owner, third].sort())
    for (const who of [kms, other]) {
      await expect(openFor(partner, who)).rejects.toEqual(code('access_destroyed'))
      expect(await openFor(third, who)).toBe(wanted)
      expect(await openFor(undefined, who)).toBe(wanted)
    }
    expect(await kms.destroyAccess(ref.scopeId, partner)).toEqual(first)
    await expect(kms.addParty(ref.scopeId, partner, { via: owner })).rejects.toEqual(code('access_destroyed'))
    await expect(kms.destroyAccess(ref.scopeId, stranger)).rejects.toEqual(code('content_key_missing'))

    // The owner leaves: its wrap is the one that is used when nobody is named.
    await kms.destroyAccess(ref.scopeId, owner)
    await expect(openFor(undefined)).rejects.toEqual(code('access_destroyed'))
    expect(await openFor(anyParty)).toBe(wanted)
    expect((await kms.scopeKeyState([ref.scopeId])).get(ref.scopeId)).toMatchObject({
      state: 'present',
      parties: [third],
      destroyed: [owner, partner].sort(),
    })

    // With the last party the contract is gone, and nothing brings its key back.
    await kms.destroyAccess(ref.scopeId, third)
    for (const party of [owner, third, anyParty])
      await expect(openFor(party)).rejects.toEqual(code('content_key_missing'))
    await expect(kms.createScopeKey(owner, ref.scopeId)).rejects.toEqual(code('content_key_missing'))
    await expect(kms.createScopeKey(third, ref.scopeId, [third])).rejects.toEqual(code('content_key_missing'))
    await expect(kms.addParty(ref.scopeId, stranger, { via: owner })).rejects.toEqual(
      code('content_key_missing'),
    )
    const states = await kms.scopeKeyState([ref.scopeId, stranger])
    expect(states.get(ref.scopeId)).toMatchObject({ state: 'destroyed', parties: [] })
    expect(states.get(stranger)).toMatchObject({ state: 'absent' })
    expect(await sql('select * from scope_key_wraps where scope_id = $1', [ref.scopeId])).toEqual([])
  })

  test('destroying a contract or a tenant leaves the others and no way back', async () => {
    const [owner, partner] = [randomUUID(), randomUUID()]
    const [one, two] = [await contract([owner, partner]), await contract([owner, partner])]
    const { receipts } = await kms.destroyScopeKey(one.ref.scopeId)
    expect(receipts.map((one) => one.receipt.partyId).sort()).toEqual([owner, partner].sort())
    expect(await kms.destroyScopeKey(one.ref.scopeId)).toEqual({ receipts })
    await expect(kms.openObjectKey(one.ref, one.wrapped)).rejects.toEqual(code('content_key_missing'))
    expect(print(await kms.openObjectKey(two.ref, two.wrapped))).toBe(two.print)

    const gone = await kms.destroyTenantKey(owner)
    expect(gone.receipt).toMatchObject({ kind: 'tenant', partyId: owner })
    expect(await kms.destroyTenantKey(owner)).toEqual(gone)
    await expect(kms.openObjectKey(two.ref, two.wrapped)).rejects.toEqual(code('access_destroyed'))
    const asPartner = { ...two.ref, partyId: partner }
    expect(print(await kms.openObjectKey(asPartner, two.wrapped))).toBe(two.print)
    await expect(kms.createScopeKey(owner, randomUUID())).rejects.toEqual(code('tenant_key_destroyed'))
    await kms.advanceKeys()
    expect(await sql('select * from scope_key_wraps where party_id = $1', [owner])).toEqual([])
    expect(print(await kms.openObjectKey(asPartner, two.wrapped))).toBe(two.print)
    // The database itself refuses what no program should ask for.
    await expect(sql('delete from key_tombstones')).rejects.toThrow(/append-only/)
    await expect(
      sql('update scope_keys set destroyed_at = null where destroyed_at is not null'),
    ).rejects.toThrow(/stays destroyed/)
    await expect(sql(`update tenant_keys set destroyed_at = null, epoch = 1, wrapped = 'x'`)).rejects.toThrow(
      /stays destroyed/,
    )
    await expect(
      sql(`insert into scope_key_wraps values ($1, $2, 1, 'x', now())`, [one.ref.scopeId, owner]),
    ).rejects.toThrow(/was destroyed/)
  })

  test('no key is alive in any process once its destruction is reported', async () => {
    const other = await open()
    for (let round = 0; round < 3; round += 1) {
      const { ref, wrapped } = await contract()
      let reported = false
      const opensAfter: boolean[] = []
      const reader = async (who: Kms) => {
        for (;;) {
          const after = reported
          try {
            await who.openObjectKey(ref, wrapped)
            if (after) opensAfter.push(true)
          } catch (error) {
            expect(error).toEqual(code('content_key_missing'))
            if (after) return
          }
          await new Promise((resolve) => setTimeout(resolve, 1))
        }
      }
      const readers = [reader(kms), reader(other), reader(other)]
      await kms.destroyScopeKey(ref.scopeId)
      reported = true
      await Promise.all(readers)
      expect(opensAfter).toEqual([])
    }
  })

  test('a new epoch takes over while contracts are made and read, and the old one dies after a backup cycle', async () => {
    const before = await Promise.all(Array.from({ length: 30 }, () => contract()))
    const destroyed = await contract()
    const backup = await sql('select * from scope_key_wraps where scope_id = $1', [destroyed.ref.scopeId])
    const { receipt } = await kms.destroyScopeKey(destroyed.ref.scopeId).then((all) => all.receipts[0]!)
    const behind = await open()
    await behind.openObjectKey(before[0]!.ref, before[0]!.wrapped)
    await expect(kms.destroyNow('epoch', 1)).rejects.toEqual(code('key_version_in_use'))

    expect(await kms.rotateKeys('epoch')).toBe(2)
    // A process that does not know of the new epoch goes on under the old one; its rows are taken along later.
    const late = { tenantId: randomUUID(), scopeId: randomUUID(), objectId: randomUUID() }
    await behind.createScopeKey(late.tenantId, late.scopeId)
    let stop = false
    const made: Awaited<ReturnType<typeof contract>>[] = []
    const load = Promise.all(
      Array.from({ length: 4 }, async () => {
        while (!stop) {
          const one = await contract()
          expect(print(await kms.openObjectKey(one.ref, one.wrapped))).toBe(one.print)
          made.push(one)
        }
      }),
    )
    lagging = ['recovery-1']
    const held = await kms.advanceKeys()
    expect(held.rewrapped).toBeGreaterThan(30)
    expect(held.closed).toEqual([])
    expect(held.waiting).toEqual([expect.stringContaining('recovery-1')])
    lagging = []
    expect((await kms.advanceKeys()).closed).toEqual(['epoch 1'])
    stop = true
    await load
    expect(made.length).toBeGreaterThan(0)
    expect(
      await sql('select distinct epoch from scope_key_wraps union select epoch from tenant_keys'),
    ).toEqual([{ epoch: 2 }])
    // Closed: the database itself takes no row under it any more, and who tries moves to the new one.
    await behind.createScopeKey(late.tenantId, randomUUID())
    for (const one of [...before, ...made]) {
      for (const who of [kms, behind]) {
        expect(print(await who.openObjectKey(one.ref, one.wrapped))).toBe(one.print)
      }
    }

    // Before the cycle is over the key is kept: the newest backup may still need it.
    expect((await kms.advanceKeys()).waiting).toEqual([expect.stringContaining('kept until')])
    expect(await kms.epochState(1)).toMatchObject({ state: 'closed', destroyedAt: null, rowsUnder: 0 })
    clock.advance(7 * dayMs + 1)
    // The setting alone does not decide: a kept backup from before would be dead.
    backups = ['primary 20261124T100000Z-old']
    expect(await kms.advanceKeys()).toMatchObject({
      destroyed: [],
      waiting: [expect.stringContaining('backups from before: primary 20261124T100000Z-old')],
    })
    backups = []
    expect((await kms.advanceKeys()).destroyed).toEqual(['epoch 1'])
    const final = await kms.epochState(receipt.epoch)
    expect(final).toMatchObject({ state: 'destroyed', destroyedAt: clock.now() })
    expect(JSON.parse(final?.receipt ?? '')).toMatchObject({ family: 'epoch', version: 1, driver: kind })
    const again = await open()
    expect(print(await again.openObjectKey(before[0]!.ref, before[0]!.wrapped))).toBe(before[0]!.print)

    // An old backup of the keys database brings the row back, and with it nothing.
    await sql('alter table scope_key_wraps disable trigger all')
    await sql(`alter table scope_keys disable trigger stays_destroyed`)
    await sql('update scope_keys set destroyed_at = null where scope_id = $1', [destroyed.ref.scopeId])
    await sql('insert into scope_key_wraps values ($1, $2, $3, $4, $5)', Object.values(backup[0]))
    const restored = await open()
    await expect(restored.openObjectKey(destroyed.ref, destroyed.wrapped)).rejects.toEqual(
      code('epoch_key_missing'),
    )
  })

  test('a new root takes over secrets and signing keys, and the old one dies', async () => {
    const data = Buffer.from('to be signed')
    const signer = await kms.signingKey('tsa', 'ecdsa-p256-sha256')
    const sealed = kms.sealSecret('app|1', Buffer.from('s3cret'))
    const one = await contract()
    const behind = await open()
    expect(await kms.rotateKeys('root')).toBe(2)
    expect(await kms.advanceKeys()).toMatchObject({ rewrapped: 2, closed: ['root 1'] })
    // A process from before makes a signing key: under the newest root, because the old one takes no more.
    await behind.signingKey('log', 'ed25519')
    clock.advance(7 * dayMs + 1)
    expect((await kms.advanceKeys()).destroyed).toEqual(['root 1'])
    const again = await open()
    expect(again.openSecret('app|1', sealed).toString()).toBe('s3cret')
    const reopened = await again.signingKey('tsa', 'ecdsa-p256-sha256')
    expect(reopened.keyId).toBe(signer.keyId)
    expect(reopened.sign(data).length).toBeGreaterThan(60)
    expect((await again.signingKey('log', 'ed25519')).algorithm).toBe('ed25519')
    expect(print(await again.openObjectKey(one.ref, one.wrapped))).toBe(one.print)
    const versions = await kms.keyVersions()
    expect(versions.map(({ family, version, state }) => `${family} ${version} ${state}`)).toEqual([
      'epoch 1 current',
      'root 1 destroyed',
      'root 2 current',
    ])
  })

  test('ends between any two steps and goes on from there', async () => {
    const contracts = await Promise.all(Array.from({ length: 5 }, () => contract()))
    await kms.signingKey('tsa', 'ecdsa-p256-sha256')
    const steps: RotationStep[] = [
      'driver-key-made',
      'version-recorded',
      'batch-rewrapped',
      'own-keys-rewrapped',
      'version-closed',
      'driver-key-destroyed',
    ]
    for (const at of steps) {
      for (const family of ['epoch', 'root'] as const) {
        if (at === 'own-keys-rewrapped' && family === 'epoch') continue
        let struck = false
        const dying = await open({
          onStep: (step) => {
            if (step !== at || struck) return
            struck = true
            throw new Error(`struck at ${step}`)
          },
        })
        const story = async (who: Kms) => {
          await who.rotateKeys(family)
          await who.advanceKeys()
          clock.advance(7 * dayMs + 1)
          await who.advanceKeys()
        }
        await expect(story(dying)).rejects.toThrow(`struck at ${at}`)
        expect(struck).toBe(true)
        const next = await open()
        for (const one of contracts)
          expect(print(await next.openObjectKey(one.ref, one.wrapped))).toBe(one.print)
        await story(next)
        const left = (await next.keyVersions()).filter((one) => one.family === family)
        expect(left.filter((one) => one.state !== 'destroyed').map((one) => one.state)).toEqual(['current'])
        for (const one of contracts)
          expect(print(await next.openObjectKey(one.ref, one.wrapped))).toBe(one.print)
        expect((await next.signingKey('tsa', 'ecdsa-p256-sha256')).algorithm).toBe('ecdsa-p256-sha256')
      }
    }
    const driver = await stage.open()
    expect(await driver.versions('epoch')).toHaveLength(1)
    expect(await driver.versions('root')).toHaveLength(1)
    await driver.close()
  })

  test('is refused to a driver that does not have the keys', async () => {
    const another = await driverStages[kind]()
    await expect(createKms({ keysDb, clock, driver: await another.open() })).rejects.toEqual(
      code('root_key_missing'),
    )
    await another.remove()
    if (kind === 'file') return
    const folder = await driverStages.file()
    await expect(createKms({ keysDb, clock, driver: await folder.open() })).rejects.toEqual(
      code('key_driver_changed'),
    )
    await folder.remove()
  })
})
