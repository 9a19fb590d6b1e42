import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Db, openDb } from '#src/db/db.ts'
import { createTestDatabase, type TestDatabase } from '../../../../testing/database.ts'
import { SHRED_LIST } from './shred-list.ts'

/** Columns by which a row belongs to a contract, to one of its documents or to what is stored of them. */
const REFERENCES = [
  'task_id',
  'document_id',
  'file_id',
  'object_id',
  'scope_id',
  'about_task',
  'agreement_task_id',
  'subject_key',
  'subject_id',
  'actor_key',
  'actor_id',
]
/** Tables with such a column whose rows never tell of a contract, and what the column means there. */
const OTHERS: Record<string, string> = {
  session: 'whom a session acts for',
  compensation_proof: 'a company’s own proof of a loss, sealed under its key: of a claim, not of a contract',
}

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

async function tables(): Promise<{ name: string; columns: string[] }[]> {
  const { rows } = await db.work((tx) =>
    sql<{ name: string; columns: string[] }>`
      select c.relname as name, array_agg(a.attname::text order by a.attname) as columns
      from pg_class c join pg_namespace n on n.oid = c.relnamespace
      join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
      where n.nspname = 'public' and c.relkind = 'r' group by 1 order by 1`.execute(tx),
  )
  return rows
}

describe('the shred list', () => {
  it('names every table that refers to a contract, its documents or its objects', async () => {
    const listed = new Set(SHRED_LIST.map((one) => one.table))
    const missing = (await tables())
      .filter(({ columns }) => columns.some((column) => REFERENCES.includes(column)))
      .filter(({ name }) => !listed.has(name) && !(name in OTHERS))
    expect(missing).toEqual([])
  })

  it('names no table that is not there, and none twice', async () => {
    const there = new Set((await tables()).map((one) => one.name))
    expect(SHRED_LIST.filter((one) => !there.has(one.table))).toEqual([])
    expect(new Set(SHRED_LIST.map((one) => one.table)).size).toBe(SHRED_LIST.length)
  })
})
