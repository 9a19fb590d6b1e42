import { createHmac, type KeyObject, randomUUID } from 'node:crypto'
import { afterAll, afterEach, describe, expect, test } from 'vitest'
import { manualClock } from '#src/clock.ts'
import { openDb } from '#src/db/db.ts'
import { createTestDatabase } from '../../../../testing/database.ts'
import { driverStages, hsm, removeHsm } from './driver-suite.ts'
import { createKms, type Kms, type RotationStep } from './kms.ts'

const dayMs = 86_400_000
const code = (wanted: string) => expect.objectContaining({ code: wanted })
const print = (key: KeyObject) => createHmac('sha256', key).update('same?').digest('hex')

const cleanUps: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp()
})
afterAll(removeHsm)

describe.each([
  ['file', 'pkcs11'],
  ['file', 'vault'],
  ['pkcs11', 'file'],
  ['pkcs11', 'vault'],
  ['vault', 'file'],
  ['vault', 'pkcs11'],
] as const)('keys that move from %s to %s', (fromKind, toKind) => {
  test('open at every moment, and the old driver destroys what it had', async (context) => {
    if (hsm === undefined && [fromKind, toKind].some((kind) => kind === 'pkcs11')) return context.skip()
    const database = await createTestDatabase()
    cleanUps.push(() => database.drop())
    const keysDb = openDb({ url: database.keysUrl })
    cleanUps.push(() => keysDb.close())
    const [from, to] = [await driverStages[fromKind](), await driverStages[toKind]()]
    cleanUps.push(from.remove, to.remove)
    const clock = manualClock(new Date('2026-11-24T10:00:00Z'))
    const backupsUntil = async () => []
    const steps: RotationStep[] = []
    let failAt: RotationStep | undefined
    const rules = {
      laggingCopies: async () => [],
      backupsUntil,
      onStep(step: RotationStep) {
        steps.push(step)
        if (step === failAt) throw new Error(`ended at ${step}`)
      },
    }
    const open = async (how: 'before' | 'moving' | 'after'): Promise<Kms> => {
      const kms = await createKms({
        keysDb,
        clock,
        rules,
        driver: how === 'before' ? await from.open() : await to.open(),
        ...(how === 'moving' ? { movingFrom: await from.open() } : {}),
      })
      cleanUps.push(() => kms.close())
      return kms
    }

    // In use, with an epoch and a root that were changed before.
    const before = await open('before')
    await before.rotateKeys('epoch')
    await before.rotateKeys('root')
    const contract = async (kms: Kms) => {
      const ref = { tenantId: randomUUID(), scopeId: randomUUID(), objectId: randomUUID() }
      await kms.createScopeKey(ref.tenantId, ref.scopeId)
      const { key, wrapped } = await kms.newObjectKey(ref)
      return { ref, wrapped, print: print(key) }
    }
    const contracts = await Promise.all(Array.from({ length: 5 }, () => contract(before)))
    const dead = await contract(before)
    await before.destroyScopeKey(dead.ref.scopeId)
    const signer = await before.signingKey('log', 'ed25519')
    const secret = before.sealSecret('test', Buffer.from('a secret'))
    const everythingOpens = async (kms: Kms) => {
      for (const one of contracts)
        expect(print(await kms.openObjectKey(one.ref, one.wrapped))).toBe(one.print)
      await expect(kms.openObjectKey(dead.ref, dead.wrapped)).rejects.toEqual(code('content_key_missing'))
      expect((await kms.signingKey('log', 'ed25519')).keyId).toBe(signer.keyId)
      expect(kms.openSecret('test', secret).toString()).toBe('a secret')
    }
    await expect(open('after')).rejects.toEqual(code('key_driver_changed'))

    // Two processes know both drivers; a move that is cut short is ended by the next one.
    const [moving, beside] = [await open('moving'), await open('moving')]
    await everythingOpens(moving)
    failAt = 'version-recorded'
    await expect(moving.moveKeys()).rejects.toThrow('ended at version-recorded')
    failAt = 'own-keys-rewrapped'
    await expect(moving.moveKeys()).rejects.toThrow('ended at own-keys-rewrapped')
    failAt = undefined
    await everythingOpens(await open('moving'))
    await moving.moveKeys()
    await everythingOpens(moving)
    await everythingOpens(beside)
    contracts.push(await contract(moving), await contract(beside))
    // Nothing is under the old driver any more; it is not needed to read.
    expect(
      (await moving.keyVersions()).filter((one) => one.driver === fromKind).map((one) => one.rowsUnder),
    ).toEqual([0, 0, 0, 0])
    expect((await moving.moveKeys()).begun).toEqual([])

    // A backup cycle later the old keys are gone, each with a receipt of the driver that had it.
    clock.advance(8 * dayMs)
    await moving.advanceKeys()
    clock.advance(8 * dayMs)
    await moving.advanceKeys()
    const versions = await moving.keyVersions()
    for (const one of versions.filter((version) => version.driver === fromKind)) {
      expect(one.state).toBe('destroyed')
      expect(JSON.parse(one.receipt ?? '')).toMatchObject({ driver: fromKind, version: one.version })
    }
    const after = await open('after')
    await everythingOpens(after)
    await contract(after)
    const left = await from.open()
    for (const family of ['root', 'epoch'] as const)
      for (const version of versions.filter((one) => one.family === family && one.driver === fromKind))
        expect(await left.versions(family)).not.toContain(version.version)
    await left.close()
  })
})
