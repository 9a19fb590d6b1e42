import { createHash, randomBytes, randomUUID } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { systemClock } from '#src/clock.ts'
import { type Db, openDb } from '#src/db/db.ts'
import { createJobs } from '#src/jobs/jobs.ts'
import { createKms, type Kms } from '#src/kms/kms.ts'
import { createLog } from '#src/log.ts'
import { createTestDatabase, type TestDatabase } from '../../../../testing/database.ts'
import { nodeDisk } from './node-disk.ts'
import { diskFull, type FaultyDisk, faultyDisk } from './faulty-disk.ts'
import { createStorage, defaultSites, type Storage } from './storage.ts'

const log = createLog('silent')
const tenantId = randomUUID()
let database: TestDatabase
let db: Db
let keysDb: Db
let root: string
let kms: Kms
let disk: FaultyDisk
let storage: Storage
let scopeId: string

beforeAll(async () => {
  database = await createTestDatabase()
  db = openDb({ url: database.url })
  keysDb = openDb({ url: database.keysUrl })
  root = await mkdtemp(join(tmpdir(), 'yinxin-storage-'))
  kms = await createKms({ keysDb, clock: systemClock, keyDir: join(root, 'keys') })
})
afterAll(async () => {
  kms.close()
  await db.close()
  await keysDb.close()
  await database.drop()
  await rm(root, { recursive: true, force: true })
})
beforeEach(async () => {
  disk = faultyDisk(nodeDisk)
  storage = open()
  scopeId = randomUUID()
  await kms.createScopeKey(tenantId, scopeId)
})
afterEach(async () => {
  await storage.close()
  await query('delete from storage_repairs')
  await query('delete from storage_quarantines')
  await rm(join(root, 'storage'), { recursive: true, force: true })
})

/** On a busy machine a replica may take its time; these tests wait for all of them unless they are about late ones. */
function open(lingerMs = 20_000): Storage {
  return createStorage({ db, clock: systemClock, log, kms, disk, sites: defaultSites(root), lingerMs })
}

/** Closing waits for what storage does in the background, such as repair after a bad read. */
async function restart() {
  await storage.close()
  storage = open()
}

const put = (content: Uint8Array | AsyncIterable<Uint8Array>, storageClass: 'draft' | 'signed' = 'signed') =>
  storage.put({ tenantId, scopeId, class: storageClass, content })

async function putRecorded(content: Uint8Array) {
  const stored = await put(content)
  await db.work((tx) => storage.record(tx, stored))
  return stored
}

async function collect(pieces: AsyncIterable<Uint8Array>) {
  const all: Uint8Array[] = []
  for await (const piece of pieces) all.push(piece)
  return Buffer.concat(all)
}

async function* inPieces(content: Uint8Array, pieceBytes: number) {
  for (let at = 0; at < content.length; at += pieceBytes) yield content.subarray(at, at + pieceBytes)
}

async function query<T>(text: string, values: unknown[] = []): Promise<T[]> {
  const client = new pg.Client({ connectionString: database.ownerUrl })
  await client.connect()
  try {
    return (await client.query(text, values)).rows as T[]
  } finally {
    await client.end()
  }
}

const replicaRows = (objectId: string) =>
  query<{ domain: string; holder: string; position: string; state: string }>(
    'select domain, holder, position, state from storage_replicas where object_id = $1 order by domain',
    [objectId],
  )
const repairRows = (objectId: string) =>
  query<{ domain: string; reason: string }>(
    'select domain, reason from storage_repairs where object_id = $1',
    [objectId],
  )
const folderOf = (domain: string) => {
  const [site, number] = domain.split('-') as ['primary' | 'recovery', string]
  return join(root, 'storage', site, ['a', 'b', 'c'][Number(number) - 1]!)
}

/** Flips one byte of a replica, `fromEnd` bytes before its end. */
async function damage(objectId: string, domain: string, fromEnd = 1) {
  const row = (await replicaRows(objectId)).find((one) => one.domain === domain)!
  const path = join(folderOf(domain), row.holder)
  const bytes = await readFile(path)
  bytes[bytes.length - fromEnd] = bytes[bytes.length - fromEnd]! ^ 1
  await writeFile(path, bytes)
}

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

describe('put, record, read', () => {
  test.each([0, 1, 16_384, 200_000, 261_119, 261_120, 261_121, 3_000_000])(
    '%i bytes come back, whole, streamed and in parts',
    async (size) => {
      const content = randomBytes(size)
      const stored = await putRecorded(content)
      expect(stored).toMatchObject({ sizeBytes: size, sha256: sha256(content), tenantId, scopeId })
      expect(stored.replicas).toHaveLength(6)
      expect((await storage.read(stored.id)).equals(content)).toBe(true)
      expect((await collect(storage.stream(stored.id))).equals(content)).toBe(true)
      for (const [start, end] of [
        [0, 0],
        [size - 1, size - 1],
        [16_383, 16_384],
        [100_001, 200_001],
        [0, size - 1],
      ] as const) {
        if (start < 0 || start > end || end >= size) continue
        const part = await collect(storage.stream(stored.id, { start, end }))
        expect(part.equals(content.subarray(start, end + 1)), `${start} to ${end}`).toBe(true)
      }
    },
  )

  test.each([1, 1000, 70_000, 1_500_000])(
    'a content that arrives in pieces of %i bytes is the same',
    async (pieceBytes) => {
      const content = randomBytes(pieceBytes === 1 ? 2_000 : 3_100_000)
      const stored = await put(inPieces(content, pieceBytes))
      expect(stored.sha256).toBe(sha256(content))
      expect((await storage.read(stored)).equals(content)).toBe(true)
    },
  )

  test('small objects share journals, large ones have files of their own', async () => {
    const [small, large] = [await putRecorded(randomBytes(1000)), await putRecorded(randomBytes(300_000))]
    expect(new Set((await replicaRows(small.id)).map((row) => row.holder.split('/')[0]))).toEqual(
      new Set(['journal']),
    )
    expect(new Set((await replicaRows(large.id)).map((row) => row.holder))).toEqual(
      new Set([`objects/${large.id.slice(-2)}/${large.id}`]),
    )
  })

  test('no byte of the content lies on a disk in the clear', async () => {
    const content = Buffer.from('机密合同条款'.repeat(60_000))
    await putRecorded(content)
    await putRecorded(content.subarray(0, 1800))
    for (const file of await readdir(join(root, 'storage'), { recursive: true, withFileTypes: true })) {
      if (!file.isFile()) continue
      const bytes = await readFile(join(file.parentPath, file.name))
      expect(bytes.includes(Buffer.from('机密合同条款'))).toBe(false)
    }
  })

  test('a content with another hash than announced is refused and leaves nothing', async () => {
    const expectedSha256 = sha256(Buffer.from('something else'))
    for (const size of [1000, 3_000_000]) {
      const request = {
        tenantId,
        scopeId,
        class: 'draft' as const,
        content: randomBytes(size),
        expectedSha256,
      }
      await expect(storage.put(request)).rejects.toMatchObject({
        code: 'content_hash_mismatch',
        kind: 'invalid',
      })
    }
    const left = (await readdir(join(root, 'storage'), { recursive: true, withFileTypes: true })).filter(
      (one) => one.isFile(),
    )
    expect(left.map((one) => one.name)).toEqual([])
  })

  test('several objects are recorded with the state change, by a request of any tenant, who cannot read the rows', async () => {
    const objects = await Promise.all([put(randomBytes(10)), put(randomBytes(20))])
    const visible = await db
      .as(randomUUID(), async (tx) => {
        await storage.record(tx, objects)
        await expect(
          tx
            .withTables<{ storage_objects: { id: string } }>()
            .selectFrom('storage_objects')
            .select('id')
            .execute(),
        ).rejects.toThrow(/permission denied/)
        return true
      })
      .catch((error: Error) => error.message)
    // The refused select ended that transaction, and with it the record: both or nothing.
    expect(visible).not.toBe(true)
    await expect(storage.read(objects[0]!.id)).rejects.toMatchObject({ code: 'object_not_found' })
    await db.as(randomUUID(), (tx) => storage.record(tx, objects))
    expect(await storage.read(objects[1]!.id)).toHaveLength(20)
  })

  test('an unknown object, a range outside and a missing key are refused by name', async () => {
    await expect(storage.read(randomUUID())).rejects.toMatchObject({ code: 'object_not_found' })
    const stored = await put(randomBytes(10))
    await expect(collect(storage.stream(stored, { start: 5, end: 10 }))).rejects.toMatchObject({
      code: 'stored_range_outside',
    })
    await expect(
      storage.put({ tenantId, scopeId: randomUUID(), class: 'draft', content: randomBytes(1) }),
    ).rejects.toMatchObject({
      code: 'content_key_missing',
    })
  })

  test('stored objects cannot be changed or removed in the database, not even by the owner', async () => {
    const stored = await putRecorded(randomBytes(10))
    await expect(query('delete from storage_objects where id = $1', [stored.id])).rejects.toThrow()
    await expect(
      query('update storage_objects set size_bytes = 0 where id = $1', [stored.id]),
    ).rejects.toThrow()
  })
})

describe.each([
  ['small', 5_000],
  ['large', 3_000_000],
] as const)('a %s object', (_kind, size) => {
  test('with a damaged replica is served from the next one, and the replica is made again', async () => {
    const content = randomBytes(size)
    const stored = await putRecorded(content)
    await damage(stored.id, 'primary-1')
    await damage(stored.id, 'primary-2', Math.floor(size / 2))
    expect((await storage.read(stored.id)).equals(content)).toBe(true)
    await restart()
    expect(await repairRows(stored.id)).toEqual([])
    expect((await replicaRows(stored.id)).map((row) => row.state)).toEqual(Array(6).fill('good'))
    // Now the first two serve alone.
    for (const domain of ['primary-3', 'recovery-1', 'recovery-2', 'recovery-3'])
      await rm(folderOf(domain), { recursive: true })
    expect((await storage.read(stored.id)).equals(content)).toBe(true)
  })

  test('whose replica fails in the middle of a stream goes on from the next one without a seam', async () => {
    const content = randomBytes(size)
    const stored = await putRecorded(content)
    await damage(stored.id, 'primary-1', 100)
    expect((await collect(storage.stream(stored.id))).equals(content)).toBe(true)
    await restart()
    expect(await repairRows(stored.id)).toEqual([])
  })

  test('is refused when no replica is good, and never half served as whole', async () => {
    const stored = await putRecorded(randomBytes(size))
    for (const { domain } of await replicaRows(stored.id)) await damage(stored.id, domain)
    await expect(storage.read(stored.id)).rejects.toMatchObject({ code: 'content_unreadable' })
    await expect(collect(storage.stream(stored.id))).rejects.toMatchObject({ code: 'content_unreadable' })
    // Nothing good to copy from: the damage is on record and the repair waits.
    await restart()
    expect((await replicaRows(stored.id)).map((row) => row.state)).toEqual(Array(6).fill('bad'))
    expect(await repairRows(stored.id)).toHaveLength(6)
  })

  test('survives the loss of the whole primary site and is rebuilt there to three replicas', async () => {
    const content = randomBytes(size)
    const stored = await putRecorded(content)
    await rm(join(root, 'storage', 'primary'), { recursive: true })
    expect((await storage.read(stored.id)).equals(content)).toBe(true)
    await restart()
    expect(await repairRows(stored.id)).toEqual([])
    await rm(join(root, 'storage', 'recovery'), { recursive: true })
    expect((await storage.read(stored.id)).equals(content)).toBe(true)
  })

  test('that could not be written everywhere is completed by repair', async () => {
    disk.before = (operation, path) => {
      if (path.startsWith(folderOf('recovery-2')) && operation === 'write') throw diskFull()
    }
    const content = randomBytes(size)
    const stored = await putRecorded(content)
    expect(stored.replicas).toHaveLength(5)
    expect(await repairRows(stored.id)).toEqual([{ domain: 'recovery-2', reason: 'missing' }])
    expect(await storage.repairDue()).toEqual({ repaired: 0, failed: 1 })
    await query(`update storage_repairs set due_at = now() - interval '1 second'`)
    disk.before = () => undefined
    expect(await storage.repairDue()).toEqual({ repaired: 1, failed: 0 })
    expect(await replicaRows(stored.id)).toHaveLength(6)
    for (const domain of ['primary-1', 'primary-2', 'primary-3', 'recovery-1', 'recovery-3']) {
      await rm(folderOf(domain), { recursive: true })
    }
    expect((await storage.read(stored.id)).equals(content)).toBe(true)
  })

  test('whose last replica arrives after the acknowledgement gets its row then', async () => {
    let release = () => {}
    const slow = new Promise<void>((resolve) => {
      release = resolve
    })
    disk.before = (operation, path) => {
      if (
        operation === 'syncFolder' &&
        path.startsWith(folderOf('primary-2')) &&
        /journal|objects/.test(path)
      )
        return slow
    }
    await storage.close()
    storage = open(0)
    const stored = await putRecorded(randomBytes(size))
    expect((await replicaRows(stored.id)).map((row) => row.domain)).not.toContain('primary-2')
    expect((await repairRows(stored.id)).map((row) => row.domain)).toContain('primary-2')
    release()
    await expect.poll(() => replicaRows(stored.id), { timeout: 10_000 }).toHaveLength(6)
    expect(await repairRows(stored.id)).toEqual([])
  })

  test('put in the place of another is not taken for it', async () => {
    const [one, other] = [await putRecorded(randomBytes(size)), await putRecorded(randomBytes(size))]
    await query(
      `update storage_replicas r set holder = o.holder, position = o.position
       from storage_replicas o where r.object_id = $1 and o.object_id = $2 and r.domain = o.domain`,
      [one.id, other.id],
    )
    await expect(storage.read(one.id)).rejects.toMatchObject({ code: 'content_unreadable' })
  })

  test('is readable after a restart', async () => {
    const content = randomBytes(size)
    const stored = await putRecorded(content)
    await restart()
    expect((await storage.read(stored.id)).equals(content)).toBe(true)
  })
})

describe('beside others', () => {
  test('two processes write into the same folders and read what the other wrote', async () => {
    const other = open()
    const contents = Array.from({ length: 40 }, (_, n) => randomBytes(n % 4 === 0 ? 300_000 : 3_000))
    const stored = await Promise.all(
      contents.map((content, n) =>
        (n % 2 === 0 ? storage : other).put({ tenantId, scopeId, class: 'signed', content }),
      ),
    )
    await db.work((tx) =>
      storage.record(
        tx,
        stored.filter((_, n) => n % 2 === 0),
      ),
    )
    await db.work((tx) =>
      other.record(
        tx,
        stored.filter((_, n) => n % 2 === 1),
      ),
    )
    for (const [n, one] of stored.entries()) {
      expect((await (n % 2 === 0 ? other : storage).read(one.id)).equals(contents[n]!)).toBe(true)
    }
    await other.close()
  })

  test('the job queue works off what is to be repaired', async () => {
    const jobs = createJobs({ url: database.url, log })
    await storage.close()
    storage = createStorage({ db, clock: systemClock, log, kms, disk, sites: defaultSites(root), jobs })
    disk.before = (operation, path) => {
      if (path.startsWith(folderOf('primary-3')) && operation === 'write') throw diskFull()
    }
    const stored = await putRecorded(randomBytes(1_000))
    disk.before = () => undefined
    expect((await repairRows(stored.id)).map((row) => row.domain)).toContain('primary-3')
    await db.work((tx) => jobs.enqueue(tx, 'storage.repair', {}))
    expect(await jobs.drain()).toEqual([])
    expect((await replicaRows(stored.id)).map((row) => row.domain)).toContain('primary-3')
    await jobs.close()
  })
})

describe('destruction', () => {
  test('in the transaction of a request of any tenant, with what else it changes or not at all', async () => {
    const [one, other] = [await putRecorded(randomBytes(100)), await putRecorded(randomBytes(400_000))]
    await expect(
      db.as(randomUUID(), async (tx) => {
        await storage.destroy(tx, [one.id, other.id], 'asked')
        throw new Error('changed its mind')
      }),
    ).rejects.toThrow('changed its mind')
    expect(await storage.read(one.id)).toHaveLength(100)
    await db.as(randomUUID(), (tx) => storage.destroy(tx, [one.id, other.id], 'asked'))
    await expect(storage.read(one.id)).rejects.toMatchObject({ code: 'object_destroyed', kind: 'gone' })
    expect(await storage.removeDue()).toEqual({ removed: 12, failed: 0 })
    for (const { id } of [one, other]) {
      expect(await storage.destroyed(id)).toMatchObject({ complete: true, reason: 'asked' })
      expect(await replicaRows(id)).toEqual([])
    }
    await expect(
      db.as(randomUUID(), (tx) => storage.destroy(tx, [randomUUID()], 'asked')),
    ).rejects.toMatchObject({ code: 'object_not_found' })
  })

  test('cannot be undone in the database, not even by the owner', async () => {
    const one = await putRecorded(randomBytes(100))
    await storage.destroy(undefined, [one.id], 'asked')
    await expect(query('delete from storage_destructions where object_id = $1', [one.id])).rejects.toThrow()
    await expect(query("update storage_destructions set reason = ''")).rejects.toThrow()
    await expect.poll(async () => (await storage.destroyed(one.id))?.complete).toBe(true)
  })
})

describe('upkeep', () => {
  test('runs as jobs over the real database: what is wrong is found, healed and on record', async () => {
    const jobs = createJobs({ url: database.url, log })
    await storage.close()
    storage = createStorage({
      db,
      clock: systemClock,
      log,
      kms,
      disk,
      sites: defaultSites(root),
      jobs,
      lingerMs: 20_000,
      keyPresent: async (scopeIds) => new Set(scopeIds),
    })
    const [small, large] = [await putRecorded(randomBytes(2_000)), await putRecorded(randomBytes(400_000))]
    await damage(small.id, 'primary-2')
    await rm(join(folderOf('recovery-1'), `objects/${large.id.slice(-2)}/${large.id}`))
    for (const kind of ['scrub', 'anti-entropy', 'reconcile', 'compaction', 'removal', 'repair', 'sweep'])
      await db.work((tx) => jobs.enqueue(tx, `storage.${kind}`, {}))
    expect(await jobs.drain()).toEqual([])
    for (const { id } of [small, large]) {
      const facts = await storage.replicasOf({ objectId: id })
      expect(facts.map((fact) => fact.state)).toEqual(Array(6).fill('good'))
      const verified = facts.filter((fact) => fact.lastVerdict === 'good').map((fact) => fact.domain)
      expect(verified).toHaveLength(5)
    }
    expect((await storage.repairTimes(new Date(0))).length).toBeGreaterThanOrEqual(2)
    expect((await storage.scatterWidths()).get('primary-1')).toBe(5)
    await jobs.close()
  })
})

describe('status', () => {
  test('says which class can be written', async () => {
    expect(storage.status()).toMatchObject({ writable: { draft: true, signed: true } })
    disk.before = (operation, path) => {
      if (operation === 'sync' && path.includes('/recovery/')) throw new Error('EIO')
    }
    const stored = await put(randomBytes(10), 'draft')
    await expect(put(randomBytes(10), 'signed')).rejects.toMatchObject({ code: 'storage_unavailable' })
    expect(storage.status()).toMatchObject({ writable: { draft: true, signed: false } })
    expect(stored.replicas.map((one) => one.domain).sort()).toEqual(['primary-1', 'primary-2', 'primary-3'])
  })
})

describe('memory', () => {
  test('stays flat while 128 MiB go in and come out', { timeout: 120_000 }, async () => {
    const pieceBytes = 64 * 1024
    const piece = randomBytes(pieceBytes)
    let peak = 0
    const start = process.memoryUsage().rss
    const watch = setInterval(() => {
      peak = Math.max(peak, process.memoryUsage().rss)
    }, 5)
    async function* source() {
      for (let n = 0; n < 2048; n += 1) yield piece
    }
    const stored = await put(source(), 'draft')
    let readBytes = 0
    for await (const part of storage.stream(stored)) readBytes += part.length
    clearInterval(watch)
    expect(readBytes).toBe(128 << 20)
    expect(stored.sizeBytes).toBe(128 << 20)
    expect((await stat(join(folderOf('primary-1'), stored.replicas[0]!.holder))).size).toBe(
      stored.cipherSizeBytes,
    )
    expect(peak - start).toBeLessThan(96 << 20)
  })
})
