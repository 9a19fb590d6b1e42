import { generateKeyPairSync, randomUUID, sign } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  decodeEntryBundle,
  decodeTile,
  leafHash,
  openCheckpoint,
  parseEvent,
  parseTlogProof,
  parseVkey,
  verifyChain,
  verifyInclusion,
  verifyTlogProof,
} from '@yinxin/evidence'
import { sql } from 'kysely'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { systemClock } from '#src/clock.ts'
import { type Db, openDb, type Tx } from '#src/db/db.ts'
import { createKms, type Kms } from '#src/kms/kms.ts'
import { createTestDatabase, type TestDatabase } from '../../../../testing/database.ts'
import { readEvents } from './chain-store.ts'
import { createEvidence, type Evidence } from './evidence.ts'
import { leafIndexes } from './log-store.ts'

let database: TestDatabase
let db: Db
let evidence: Evidence
let keysDb: Db
let keyDir: string
let kms: Kms
let stamps = 0

beforeAll(async () => {
  database = await createTestDatabase()
  db = openDb({ url: database.url })
  keysDb = openDb({ url: database.keysUrl })
  keyDir = await mkdtemp(join(tmpdir(), 'yinxin-evidence-'))
  kms = await createKms({ keysDb, clock: systemClock, keyDir: join(keyDir, 'keys') })
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  const signer = {
    algorithm: 'ed25519' as const,
    spki: publicKey.export({ format: 'der', type: 'spki' }),
    sign: (data: Uint8Array) => sign(null, data, privateKey),
  }
  evidence = await createEvidence({
    db,
    clock: systemClock,
    kms: { ...kms, signingKey: async () => signer },
    timestamps: {
      async stamp(digest) {
        stamps += 1
        return { token: digest, genTime: new Date(), authority: 'test' }
      },
    },
  })
})
afterAll(async () => {
  kms.close()
  await Promise.all([db.close(), keysDb.close()])
  await database.drop()
  await rm(keyDir, { recursive: true, force: true })
})

async function addEvents(taskId: string, tenantId: string, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    await db.as(tenantId, (tx) =>
      evidence.append(tx, taskId, tenantId, [
        {
          type: 'task.tested',
          actor: { kind: 'person', id: tenantId },
          data: { i },
          personal: { '/actor/name': '张三' },
        },
      ]),
    )
  }
}

const read = <T>(work: (tx: Tx) => Promise<T>) => db.work(work)

describe('the evidence room', () => {
  it('chains the events of a task and opens its commitments for the tenant only', async () => {
    const [taskId, tenant, stranger] = [randomUUID(), randomUUID(), randomUUID()]
    await addEvents(taskId, tenant, 3)
    const rows = await read((tx) => readEvents(tx, taskId, 0, 10))
    expect(verifyChain(rows.map((row) => parseEvent(Buffer.from(row.entry))))).toEqual([])
    expect(rows.some((row) => row.entry.includes('张三'))).toBe(false)
    const seen = await db.as(tenant, (tx) => evidence.events(tx, taskId, { fromSeq: 1, limit: 10 }))
    expect(seen.map((event) => [event.seq, event.actor.name])).toEqual([
      [1, '张三'],
      [2, '张三'],
    ])
    expect(await db.as(stranger, (tx) => evidence.events(tx, taskId, { fromSeq: 0, limit: 10 }))).toEqual([])
  })

  it('keeps openings sealed under the key of the contract, and they die with it', async () => {
    const [taskId, tenant] = [randomUUID(), randomUUID()]
    await addEvents(taskId, tenant, 2)
    const owner = new pg.Client({ connectionString: database.ownerUrl })
    await owner.connect()
    const stored = async () =>
      (
        await owner.query(
          'select salt, value, sealed, row_to_json(d)::text as text from task_event_disclosure d where task_id = $1 order by seq',
          [taskId],
        )
      ).rows
    try {
      for (const row of await stored()) {
        expect(row).toMatchObject({ salt: null, value: null })
        expect(row.text).not.toContain('张三')
        expect(row.sealed.includes('张三')).toBe(false)
      }
      // As an installation from before keeps it.
      await owner.query(
        `insert into task_event_disclosure (task_id, seq, path, tenant_id, salt, value)
         values ($1, 0, '/data/titleCommit', $2, '00', '旧合同')`,
        [taskId, tenant],
      )
      expect(await evidence.sealOlder()).toBe(1)
      expect(await evidence.sealOlder()).toBe(0)
      for (const row of await stored()) expect(row.text).not.toContain('旧合同')
      await expect(
        owner.query(`update task_event_disclosure set sealed = 'x' where task_id = $1`, [taskId]),
      ).rejects.toThrow(/only ever sealed/)

      const events = () => db.as(tenant, (tx) => evidence.events(tx, taskId, { fromSeq: 0, limit: 10 }))
      expect((await events()).map((event) => event.actor.name)).toEqual(['张三', '张三'])
      await kms.destroyScopeKey(taskId)
      const after = await events()
      expect(after.map((event) => event.actor.name)).toEqual([undefined, undefined])
      expect(after[0]?.actor.nameCommit).toMatch(/./)
      // What happens afterwards is recorded with commitments that nobody can open.
      await addEvents(taskId, tenant, 1)
      expect((await events()).map((event) => event.actor.name)).toEqual([undefined, undefined, undefined])
      await owner.query(
        `insert into task_event_disclosure (task_id, seq, path, tenant_id, salt, value)
         values ($1, 1, '/data/titleCommit', $2, '00', '旧合同')`,
        [taskId, tenant],
      )
      expect(await evidence.sealOlder()).toBe(1)
      for (const row of await stored()) expect(row.text).not.toContain('旧合同')
      expect(
        verifyChain(
          (await read((tx) => readEvents(tx, taskId, 0, 10))).map((row) =>
            parseEvent(Buffer.from(row.entry)),
          ),
        ),
      ).toEqual([])
    } finally {
      await owner.end()
    }
  })

  it('gives every leaf its place under one signed checkpoint, with valid proofs and tiles', async () => {
    const tenant = randomUUID()
    const taskIds = Array.from({ length: 7 }, () => randomUUID())
    await Promise.all(taskIds.map((taskId) => addEvents(taskId, tenant, 5)))
    const before = stamps
    // Callers of one moment share a round.
    const [first, second] = await Promise.all([evidence.log.integrate(), evidence.log.integrate()])
    expect(second).toEqual(first)
    expect(stamps - before).toBe(1)
    const note = await evidence.checkpoint()
    const { checkpoint } = openCheckpoint(note ?? '', [evidence.log.vkey])
    const entries: Uint8Array[] = []
    for (const taskId of taskIds) {
      const indexes = await read((tx) => leafIndexes(tx, taskId))
      expect([...indexes.keys()].sort()).toEqual([0, 1, 2, 3, 4])
      for (const row of await read((tx) => readEvents(tx, taskId, 0, 10))) {
        const index = indexes.get(row.seq) ?? -1
        const entry = Buffer.from(row.entry)
        entries[index] = entry
        const proof = await read((tx) => evidence.log.proof(tx, index, checkpoint.size))
        expect(verifyInclusion(leafHash(entry), index, checkpoint.size, checkpoint.root, proof)).toBe(true)
        expect(verifyInclusion(leafHash(entry), index ^ 1, checkpoint.size, checkpoint.root, proof)).toBe(
          false,
        )
      }
    }
    const width = checkpoint.size
    const tile = await evidence.pages.tile(`tile/0/000.p/${width}`)
    const bundle = await evidence.pages.tile(`tile/entries/000.p/${width}`)
    const published = decodeEntryBundle(bundle?.bytes ?? new Uint8Array())
    expect(
      decodeTile(tile?.bytes ?? new Uint8Array()).map((hash) => Buffer.from(hash).toString('hex')),
    ).toEqual(published.map((entry) => Buffer.from(leafHash(entry)).toString('hex')))
    entries.forEach((entry, i) => {
      expect(Buffer.compare(entry, published[i] ?? Buffer.alloc(0))).toBe(0)
    })
    expect(await evidence.pages.tile(`tile/0/000.p/${width + 1}`)).toBeNull()
    expect(await evidence.pages.tile('tile/0/../secret')).toBeNull()
  })

  it('lets two integrators of two processes extend one log', async () => {
    const tenant = randomUUID()
    const { privateKey, publicKey } = generateKeyPairSync('ed25519')
    const other = await createEvidence({
      db,
      clock: systemClock,
      kms: {
        ...kms,
        signingKey: async () => ({
          algorithm: 'ed25519',
          spki: publicKey.export({ format: 'der', type: 'spki' }),
          sign: (data) => sign(null, data, privateKey),
        }),
      },
      timestamps: { stamp: async (digest) => ({ token: digest, genTime: new Date(), authority: 'test' }) },
    })
    for (let i = 0; i < 5; i++) {
      await addEvents(randomUUID(), tenant, 2)
      await Promise.all([evidence.log.integrate(), other.log.integrate()])
    }
    const { rows } = await read((tx) =>
      sql<{
        leaves: number
        top: number
      }>`select count(*) as leaves, max(log_index) as top from log_leaf`.execute(tx),
    )
    expect(rows[0]?.leaves).toBe((rows[0]?.top ?? 0) + 1)
  })

  it('proves what the platform itself says, before and after it entered the log, and nothing that it never said', async () => {
    const subjectId = randomUUID()
    const entry = Buffer.from('{"type":"report.test"}')
    await expect(evidence.proveEntry(subjectId, entry)).rejects.toMatchObject({ code: 'evidence_not_ready' })
    await db.work((tx) => evidence.enter(tx, subjectId, entry))
    const key = parseVkey(evidence.log.vkey)
    for (const carried of [false, true, false]) {
      const text = await evidence.proveEntry(subjectId, entry, { carried })
      verifyTlogProof(parseTlogProof(text), entry, [key])
      const { extra } = parseTlogProof(text)
      expect(extra && Buffer.from(extra)).toEqual(carried ? entry : undefined)
    }
    // The subject is part of what is asked: an entry of another one proves nothing here.
    await expect(evidence.proveEntry(randomUUID(), entry)).rejects.toMatchObject({
      code: 'evidence_not_ready',
    })
  })

  it('refuses change of chain and log in the database itself', async () => {
    for (const statement of [
      'update task_event set type = $$x$$',
      'delete from task_event',
      'delete from log_leaf',
      'update log_node set hash = hash',
      'update log_checkpoint set note = $$x$$',
    ]) {
      await expect(read((tx) => sql.raw(statement).execute(tx))).rejects.toThrow(
        /append-only|permission denied/,
      )
    }
  })

  it('never signs a checkpoint that does not continue the last one', async () => {
    const tenant = randomUUID()
    await addEvents(randomUUID(), tenant, 1)
    await evidence.log.integrate()
    const size = openCheckpoint((await evidence.checkpoint()) ?? '', [evidence.log.vkey]).checkpoint.size
    // A node on the edge of the tree is damaged in the table, as a failing disk or a hand would.
    const level = Math.floor(Math.log2(size & -size))
    await damage(level, size / 2 ** level - 1)
    await addEvents(randomUUID(), tenant, 1)
    await expect(evidence.log.integrate()).rejects.toThrow(/does not continue/)
    expect(openCheckpoint((await evidence.checkpoint()) ?? '', [evidence.log.vkey]).checkpoint.size).toBe(
      size,
    )
  })
})

async function damage(level: number, index: number): Promise<void> {
  const client = new pg.Client({ connectionString: database.ownerUrl })
  await client.connect()
  try {
    await client.query('alter table log_node disable trigger append_only')
    await client.query('alter table log_node no force row level security')
    const { rowCount } = await client.query(
      `update log_node set hash = sha256('damage') where level = $1 and node_index = $2`,
      [level, index],
    )
    expect(rowCount).toBe(1)
  } finally {
    await client.query('alter table log_node force row level security')
    await client.query('alter table log_node enable trigger append_only')
    await client.end()
  }
}
