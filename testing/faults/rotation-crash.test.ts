/**
 * kill -9 at every step of a change of keys, for the root and for an epoch: every contract opens afterwards, what was
 * destroyed stays so, and the next pass brings the change to its end, the old key's destruction included.
 */
import { spawn } from 'node:child_process'
import { createHmac, type KeyObject, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type Db, openDb } from '../../apps/server/src/db/db.ts'
import {
  createFileDriver,
  createKms,
  type KeyFamily,
  type Kms,
  openKeyFolder,
  type RotationStep,
} from '../../apps/server/src/kms/kms.ts'
import type { RotationOrder } from '../children/rotate-keys.ts'
import { createTestDatabase, type TestDatabase } from '../database.ts'

const CHILD = join(import.meta.dirname, '../children/rotate-keys.ts')
const dayMs = 86_400_000
const print = (key: KeyObject) => createHmac('sha256', key).update('same?').digest('hex')

let database: TestDatabase
let keysDb: Db
const folder = mkdtempSync(join(tmpdir(), 'yinxin-rotation-'))
const keyDir = join(folder, 'keys')
let nowMs = Date.parse('2026-11-24T10:00:00Z')

beforeAll(async () => {
  database = await createTestDatabase()
  keysDb = openDb({ url: database.keysUrl })
})
afterAll(async () => {
  await keysDb.close()
  await database.drop()
  rmSync(folder, { recursive: true, force: true })
})

const open = async (): Promise<Kms> =>
  await createKms({
    keysDb,
    clock: { now: () => new Date(nowMs) },
    driver: createFileDriver(await openKeyFolder(keyDir)),
  })

async function killedAt(family: KeyFamily, haltAt: RotationStep): Promise<void> {
  const order: RotationOrder = {
    keysUrl: database.keysUrl,
    keyDir,
    family,
    haltAt,
    now: new Date(nowMs).toISOString(),
  }
  const child = spawn(process.execPath, [CHILD, JSON.stringify(order)], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { PATH: process.env.PATH ?? '' },
  })
  const ended = once(child, 'exit')
  const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string]
  child.kill('SIGKILL')
  const [, signal] = (await ended) as [number | null, NodeJS.Signals | null]
  expect(JSON.parse(line)).toEqual({ reached: haltAt })
  expect(signal).toBe('SIGKILL')
  // Ten days of its clock may have passed.
  nowMs += 11 * dayMs
}

const STEPS: Record<KeyFamily, RotationStep[]> = {
  epoch: ['driver-key-made', 'version-recorded', 'batch-rewrapped', 'version-closed', 'driver-key-destroyed'],
  root: [
    'driver-key-made',
    'version-recorded',
    'own-keys-rewrapped',
    'batch-rewrapped',
    'version-closed',
    'driver-key-destroyed',
  ],
}

it('loses no key and revives none, wherever a change of keys is killed', { timeout: 240_000 }, async () => {
  const kms = await open()
  const tenantId = randomUUID()
  // More than one batch, so that the kill comes between two.
  const contracts = await Promise.all(
    Array.from({ length: 520 }, async () => {
      const ref = { tenantId, scopeId: randomUUID(), objectId: randomUUID() }
      await kms.createScopeKey(tenantId, ref.scopeId)
      const { key, wrapped } = await kms.newObjectKey(ref)
      return { ref, wrapped, print: print(key) }
    }),
  )
  const dead = contracts[0] ?? expect.fail('no contract')
  await kms.destroyScopeKey(dead.ref.scopeId)
  const living = contracts.slice(1)
  const signer = await kms.signingKey('log', 'ed25519')
  const secret = kms.sealSecret('test', Buffer.from('a secret'))
  kms.close()

  for (const family of ['epoch', 'root'] as const) {
    for (const haltAt of STEPS[family]) {
      await killedAt(family, haltAt)
      const after = await open()
      // Everything opens in the middle of it.
      const prints = await Promise.all(
        living.map(async ({ ref, wrapped }) => print(await after.openObjectKey(ref, wrapped))),
      )
      expect(prints, `${family} ${haltAt}`).toEqual(living.map((one) => one.print))
      await expect(after.openObjectKey(dead.ref, dead.wrapped)).rejects.toMatchObject({
        code: 'content_key_missing',
      })
      expect((await after.signingKey('log', 'ed25519')).keyId).toBe(signer.keyId)
      expect(after.openSecret('test', secret).toString()).toBe('a secret')

      // The next pass ends it: one version is left, and the others are gone from the folder too.
      if (haltAt === 'driver-key-made') await after.rotateKeys(family)
      await after.advanceKeys()
      nowMs += 10 * dayMs
      await after.advanceKeys()
      const versions = (await after.keyVersions()).filter((one) => one.family === family)
      expect(versions.map(({ version }) => version)).toEqual(versions.map((_, index) => index + 1))
      expect(versions.slice(0, -1).map(({ state }) => state)).toEqual(
        versions.slice(0, -1).map(() => 'destroyed'),
      )
      expect(versions.at(-1)).toMatchObject({ state: 'current' })
      const files = readdirSync(keyDir).filter((name) => name.startsWith(family))
      expect(files, `${family} ${haltAt}`).toHaveLength(1)
      for (const { ref, wrapped, print: wanted } of living.slice(0, 20))
        expect(print(await after.openObjectKey(ref, wrapped))).toBe(wanted)
      after.close()
    }
  }
})
