import { createHmac, createPublicKey, randomUUID, verify } from 'node:crypto'
import { chmod, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { manualClock } from '#src/clock.ts'
import { type Db, openDb } from '#src/db/db.ts'
import { createTestDatabase, type TestDatabase } from '../../../../testing/database.ts'
import { createKms, type Kms } from './kms.ts'

let database: TestDatabase
let keysDb: Db
let keyDir: string
let kms: Kms
const clock = manualClock(new Date('2026-11-24T10:00:00Z'))
const open = (dir = keyDir) => createKms({ keysDb, clock, keyDir: dir })

beforeAll(async () => {
  database = await createTestDatabase()
  keysDb = openDb({ url: database.keysUrl })
})
afterAll(async () => {
  await keysDb.close()
  await database.drop()
})
beforeEach(async () => {
  keyDir = join(await mkdtemp(join(tmpdir(), 'yinxin-kms-')), 'keys')
  await emptyStore()
  kms = await open()
})
afterEach(async () => {
  kms.close()
  await rm(join(keyDir, '..'), { recursive: true, force: true })
})

async function asOwner(text: string, values: unknown[] = []) {
  const client = new pg.Client({ connectionString: database.keysOwnerUrl })
  await client.connect()
  try {
    // The owner's login is a superuser in tests and so outside row-level security.
    return await client.query(text, values)
  } finally {
    await client.end()
  }
}

/** As a new installation finds it; tombstones refuse to be emptied, so the table's guard is off for a moment. */
async function emptyStore() {
  await asOwner(`
    alter table key_tombstones disable trigger append_only;
    truncate key_store, signing_keys, tenant_keys, scope_keys, scope_key_wraps, key_tombstones, key_versions,
      open_epochs, open_roots, key_destructions;
    insert into key_destructions (n) values (0);
    alter table key_tombstones enable trigger append_only`)
}

describe('the key folder', () => {
  test('is private, and so are its files; a restart finds the same keys', async () => {
    expect((await stat(keyDir)).mode & 0o777).toBe(0o700)
    expect((await readdir(keyDir)).sort()).toEqual(['epoch-000001.key', 'root.key'])
    for (const name of await readdir(keyDir)) {
      expect((await stat(join(keyDir, name))).mode & 0o777).toBe(0o600)
    }
    expect(await readFile(join(keyDir, 'root.key'))).toHaveLength(32)
    const sealed = kms.sealSecret('app|1', Buffer.from('s3cret'))
    const again = await open()
    expect(again.openSecret('app|1', sealed).toString()).toBe('s3cret')
    again.close()
  })

  test('is refused when it or a file in it is open to others, or is a link', async () => {
    await chmod(keyDir, 0o750)
    await expect(open()).rejects.toMatchObject({ code: 'key_folder_too_open' })
    await chmod(keyDir, 0o700)
    await chmod(join(keyDir, 'root.key'), 0o640)
    await expect(open()).rejects.toMatchObject({ code: 'key_folder_too_open' })
    await chmod(join(keyDir, 'root.key'), 0o600)
    const link = `${keyDir}-link`
    await symlink(keyDir, link)
    await expect(open(link)).rejects.toMatchObject({ code: 'key_folder_too_open' })
  })

  test('never gets a new root key while the key store is in use', async () => {
    await rm(join(keyDir, 'root.key'))
    await expect(open()).rejects.toMatchObject({ code: 'root_key_missing' })
    expect(await readdir(keyDir)).toEqual(['epoch-000001.key'])
  })

  test('of another installation, or with a damaged root key, is refused', async () => {
    await writeFile(join(keyDir, 'root.key'), Buffer.alloc(32, 7))
    await expect(open()).rejects.toMatchObject({ code: 'root_key_mismatch' })
    await writeFile(join(keyDir, 'root.key'), Buffer.alloc(31, 7))
    await expect(open()).rejects.toMatchObject({ code: 'root_key_damaged' })
  })

  test('two processes that start together agree on one root key', async () => {
    await emptyStore()
    const dir = `${keyDir}-2`
    const both = await Promise.all([open(dir), open(dir)])
    const sealed = both[0].sealSecret('x', Buffer.from('one'))
    expect(both[1].openSecret('x', sealed).toString()).toBe('one')
    for (const one of both) one.close()
  })
})

describe('keys of contracts', () => {
  const ref = () => ({ tenantId: randomUUID(), scopeId: randomUUID(), objectId: randomUUID() })
  const print = (key: import('node:crypto').KeyObject) =>
    createHmac('sha256', key).update('same?').digest('hex')

  test('wrap an object key that opens again after a restart, and only in its place', async () => {
    const one = ref()
    await kms.createScopeKey(one.tenantId, one.scopeId)
    const { key, wrapped } = await kms.newObjectKey(one)
    const again = await open()
    expect(print(await again.openObjectKey(one, wrapped))).toBe(print(key))
    await expect(again.openObjectKey({ ...one, objectId: randomUUID() }, wrapped)).rejects.toMatchObject({
      code: 'sealed_value_damaged',
    })
    await expect(again.openObjectKey({ ...one, tenantId: randomUUID() }, wrapped)).rejects.toMatchObject({
      code: 'content_key_missing',
    })
    again.close()
  })

  test('are stored before creation resolves, and two hundred at once need few commits', async () => {
    const tenantId = randomUUID()
    const scopes = Array.from({ length: 200 }, () => randomUUID())
    const commits = async () => {
      const { rows } = await asOwner('select count(distinct xmin::text)::int as n from scope_keys')
      return rows[0].n as number
    }
    await Promise.all(scopes.map((scopeId) => kms.createScopeKey(tenantId, scopeId)))
    const { rows } = await asOwner('select count(*)::int as n from scope_keys')
    expect(rows[0].n).toBe(200)
    expect(await commits()).toBeLessThan(10)
  })

  test('stay the same when created twice, and are refused to another tenant', async () => {
    const one = ref()
    await kms.createScopeKey(one.tenantId, one.scopeId)
    const { key, wrapped } = await kms.newObjectKey(one)
    await kms.createScopeKey(one.tenantId, one.scopeId)
    expect(print(await kms.openObjectKey(one, wrapped))).toBe(print(key))
    await expect(kms.createScopeKey(randomUUID(), one.scopeId)).rejects.toMatchObject({
      code: 'content_key_missing',
    })
    await expect(kms.newObjectKey(ref())).rejects.toMatchObject({ code: 'content_key_missing' })
  })

  test('an epoch key that is missing is reported, and no new one takes its place', async () => {
    await rm(join(keyDir, 'epoch-000001.key'))
    await expect(open()).rejects.toMatchObject({ code: 'epoch_key_missing' })
    expect(await readdir(keyDir)).toEqual(['root.key'])
  })

  test('stand in no row in the clear', async () => {
    const one = ref()
    await kms.createScopeKey(one.tenantId, one.scopeId)
    const root = await readFile(join(keyDir, 'root.key'))
    const { rows } = await asOwner(
      `select wrapped from scope_key_wraps union all select wrapped from tenant_keys
        union all select secrets_key from key_store union all select wrapped from key_versions where family = 'epoch'`,
    )
    expect(rows.length).toBe(4)
    for (const row of rows) expect(row.wrapped.includes(root)).toBe(false)
    // key 32 + nonce and tag once for the tenant, twice for the contract
    expect(rows.map((row) => row.wrapped.length).sort()).toEqual([60, 60, 60, 88])
  })
})

describe('secrets', () => {
  test('open under their own label only, and not when changed', () => {
    const sealed = kms.sealSecret('app|1', Buffer.from('s3cret'))
    expect(() => kms.openSecret('app|2', sealed)).toThrow(/sealed_value_damaged/)
    sealed[20] = sealed[20]! ^ 1
    expect(() => kms.openSecret('app|1', sealed)).toThrow(/sealed_value_damaged/)
    expect(() => kms.openSecret('app|1', Buffer.alloc(5))).toThrow(/sealed_value_damaged/)
  })
})

describe('signing keys', () => {
  const data = Buffer.from('to be signed')
  const verifies = (spki: Uint8Array, signature: Uint8Array) =>
    verify(
      'sha256',
      data,
      createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' }),
      signature,
    )

  test('are made once, also by two processes, and survive a restart', async () => {
    const other = await open()
    const [one, two] = await Promise.all([
      kms.signingKey('tsa', 'ecdsa-p256-sha256'),
      other.signingKey('tsa', 'ecdsa-p256-sha256'),
    ])
    expect(one.keyId).toBe(two.keyId)
    expect(verifies(one.spki, two.sign(data))).toBe(true)
    const again = await open()
    expect((await again.signingKey('tsa', 'ecdsa-p256-sha256')).keyId).toBe(one.keyId)
    await expect(again.signingKey('tsa', 'rsa-pkcs1-sha256')).rejects.toThrow(/is ecdsa-p256-sha256/)
    other.close()
    again.close()
  })

  test('a row moved to another name does not open', async () => {
    await kms.signingKey('ca-root', 'ecdsa-p256-sha256')
    await asOwner(`update signing_keys set name = 'tsa' where name = 'ca-root'`)
    const again = await open()
    await expect(again.signingKey('tsa', 'ecdsa-p256-sha256')).rejects.toMatchObject({
      code: 'sealed_value_damaged',
    })
    again.close()
  })

  test('a handle shows no private half', async () => {
    const signer = await kms.signingKey('log', 'ed25519')
    expect(Object.keys(signer).sort()).toEqual(['algorithm', 'keyId', 'sign', 'spki'])
  })

  test.each(['ecdsa-p256-sha256', 'rsa-pkcs1-sha256'] as const)(
    'a key for one act (%s) signs until it is destroyed',
    async (algorithm) => {
      const { signer, destroy } = await kms.eventSigner(algorithm)
      expect(verifies(signer.spki, signer.sign(data))).toBe(true)
      destroy()
      expect(() => signer.sign(data)).toThrow(/destroyed/)
    },
  )
})
