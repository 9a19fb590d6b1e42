import { createHmac, createSecretKey, hkdfSync, randomBytes, randomUUID } from 'node:crypto'
import { chmod, copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, expect, test } from 'vitest'
import { manualClock } from '#src/clock.ts'
import { openDb } from '#src/db/db.ts'
import { KEY_MIGRATIONS, migrate } from '#src/db/migrate.ts'
import { KEYS_ROLES, SERVER_LOGIN } from '#src/db/provision.ts'
import { createTestDatabase } from '../../../../testing/database.ts'
import { createKms } from './kms.ts'
import { sealBytes } from './wrap.ts'

const database = await createTestDatabase()
const folder = await mkdtemp(join(tmpdir(), 'yinxin-older-'))
const name = `older_${randomBytes(6).toString('hex')}`
afterAll(async () => {
  await asOwner(database.keysOwnerUrl, `drop database if exists ${name} with (force)`)
  await database.drop()
  await rm(folder, { recursive: true, force: true })
})

async function asOwner(url: string, text: string, values: unknown[] = []) {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    return (await client.query(text, values)).rows
  } finally {
    await client.end()
  }
}

test('a key store from before parties and epochs is taken over: every contract opens, and its owner is its party', async () => {
  // 1. As the first version left it: one root, one epoch that wraps by itself, one wrap per contract.
  const url = database.keysOwnerUrl.replace(/\/[^/?]+(\?|$)/, `/${name}$1`)
  const serverUrl = database.keysUrl.replace(/\/[^/?]+(\?|$)/, `/${name}$1`)
  await asOwner(database.keysOwnerUrl, `create database ${name}`)
  const first = join(folder, 'migrations')
  await mkdir(first)
  for (const file of ['0001_keys_roles.sql', '0002_kms_keys.sql'])
    await copyFile(join(KEY_MIGRATIONS, file), join(first, file))
  const migration = { ownerUrl: url, serverLogin: SERVER_LOGIN, memberOf: KEYS_ROLES }
  await migrate({ ...migration, folder: first })

  const keyDir = join(folder, 'keys')
  await mkdir(keyDir, { mode: 0o700 })
  const [rootBytes, epochKey, secretsKey] = [randomBytes(32), randomBytes(32), randomBytes(32)]
  const root = Buffer.from(hkdfSync('sha256', rootBytes, '', 'yinxin kms root wrap v1', 32))
  await writeFile(join(keyDir, 'root.key'), rootBytes, { mode: 0o600 })
  await writeFile(join(keyDir, 'epoch-000001.key'), sealBytes(root, 'epoch|1', epochKey), { mode: 0o600 })
  await chmod(keyDir, 0o700)
  const at = new Date('2026-11-24T09:00:00Z')
  await asOwner(url, 'insert into key_store values (true, $1, $2)', [
    sealBytes(root, 'secrets', secretsKey),
    at,
  ])
  const contracts: {
    ref: { tenantId: string; scopeId: string; objectId: string }
    wrapped: Buffer
    objectKey: Buffer
  }[] = []
  for (let n = 0; n < 20; n += 1) {
    const ref = { tenantId: randomUUID(), scopeId: randomUUID(), objectId: randomUUID() }
    const [tenantKey, scopeKey, objectKey] = [randomBytes(32), randomBytes(32), randomBytes(32)]
    await asOwner(url, 'insert into tenant_keys values ($1, 1, $2, $3)', [
      ref.tenantId,
      sealBytes(epochKey, `tenant|${ref.tenantId}`, tenantKey),
      at,
    ])
    const inner = sealBytes(tenantKey, `scope|${ref.tenantId}|${ref.scopeId}`, scopeKey)
    await asOwner(url, 'insert into scope_keys values ($1, $2, 1, $3, $4)', [
      ref.scopeId,
      ref.tenantId,
      sealBytes(epochKey, `epoch|1|${ref.scopeId}`, inner),
      at,
    ])
    const wrapped = sealBytes(scopeKey, `${ref.tenantId}|${ref.scopeId}|${ref.objectId}`, objectKey)
    contracts.push({ ref, wrapped, objectKey })
  }

  // 2. The new version starts on it.
  await migrate({ ...migration, folder: KEY_MIGRATIONS })
  const keysDb = openDb({ url: serverUrl })
  const clock = manualClock(new Date('2026-11-24T10:00:00Z'))
  const kms = await createKms({ keysDb, clock, keyDir })
  const print = (key: Parameters<typeof createHmac>[1]) =>
    createHmac('sha256', key).update('same?').digest('hex')
  const allOpen = async (who: typeof kms) => {
    for (const { ref, wrapped, objectKey } of contracts) {
      const party = { ...ref, partyId: ref.tenantId }
      expect(print(await who.openObjectKey(party, wrapped))).toBe(print(createSecretKey(objectKey)))
    }
  }
  try {
    await allOpen(kms)
    const sealed = sealBytes(secretsKey, 'secret|app|1', Buffer.from('s3cret'))
    expect(kms.openSecret('app|1', sealed).toString()).toBe('s3cret')

    // 3. And goes on from there: another start, a new epoch, a new root, the old ones destroyed.
    const again = await createKms({ keysDb, clock, keyDir })
    await allOpen(again)
    await again.rotateKeys('epoch')
    await again.rotateKeys('root')
    expect((await again.advanceKeys()).closed).toEqual(['epoch 1', 'root 1'])
    clock.advance(8 * 86_400_000)
    expect((await again.advanceKeys()).destroyed).toEqual(['epoch 1', 'root 1'])
    await allOpen(again)
    await expect(readFile(join(keyDir, 'root.key'))).rejects.toThrow(/ENOENT/)
    await expect(readFile(join(keyDir, 'epoch-000001.key'))).rejects.toThrow(/ENOENT/)
    again.close()
    const last = await createKms({ keysDb, clock, keyDir })
    await allOpen(last)
    last.close()
  } finally {
    kms.close()
    await keysDb.close()
  }
})
