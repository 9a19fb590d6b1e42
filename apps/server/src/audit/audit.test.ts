import { sql } from 'kysely'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { manualClock } from '#src/clock.ts'
import { type Db, openDb } from '#src/db/db.ts'
import { newId } from '#src/ids.ts'
import { createTestDatabase, type TestDatabase } from '../../../../testing/database.ts'
import { createAudit } from './audit.ts'

let database: TestDatabase
let db: Db
const clock = manualClock(new Date('2026-11-24T10:00:00Z'))
const audit = createAudit({ clock })

beforeAll(async () => {
  database = await createTestDatabase()
  db = openDb({ url: database.url })
})
afterAll(async () => {
  await db.close()
  await database.drop()
})

const entry = (tenantId: string, subjectId: string) => ({
  tenantId,
  caller: { kind: 'app', appId: '12345678' } as const,
  action: 'seal.used',
  subjectKind: 'seal',
  subjectId,
  data: { taskId: 't1' },
})

describe('the audit', () => {
  it('keeps who did what, and commits or falls with the change', async () => {
    const tenant = newId()
    await db.as(tenant, (tx) => audit.record(tx, entry(tenant, 's1')))
    await expect(
      db.as(tenant, async (tx) => {
        await audit.record(tx, entry(tenant, 's1'))
        throw new Error('midway')
      }),
    ).rejects.toThrow('midway')
    const records = await db.as(tenant, (tx) => audit.about(tx, 'seal', 's1'))
    expect(records).toMatchObject([
      {
        at: clock.now(),
        callerKind: 'app',
        callerId: '12345678',
        action: 'seal.used',
        data: { taskId: 't1' },
      },
    ])
  })

  it('shows a record to its tenant alone and takes none for another', async () => {
    const [mine, yours] = [newId(), newId()]
    await db.work((tx) => audit.record(tx, entry(mine, 's2')))
    expect(await db.as(yours, (tx) => audit.about(tx, 'seal', 's2'))).toEqual([])
    await expect(db.as(yours, (tx) => audit.record(tx, entry(mine, 's2')))).rejects.toThrow(
      'row-level security',
    )
  })

  it('is append-only for everyone, the owner included', async () => {
    const tenant = newId()
    await db.work((tx) => audit.record(tx, entry(tenant, 's3')))
    await expect(db.work((tx) => sql`delete from audit_record`.execute(tx))).rejects.toThrow(
      'permission denied',
    )
    const owner = new pg.Client({ connectionString: database.ownerUrl })
    await owner.connect()
    try {
      for (const statement of [
        "update audit_record set action = 'x'",
        'delete from audit_record',
        'truncate audit_record',
      ])
        await expect(owner.query(statement), statement).rejects.toThrow('append-only')
    } finally {
      await owner.end()
    }
  })
})
