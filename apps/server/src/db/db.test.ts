import { sql } from 'kysely'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { newId } from '#src/ids.ts'
import { createTestDatabase, type TestDatabase } from '../../../../testing/database.ts'
import { type Db, later, openDb, type Tx } from './db.ts'

interface NoteTables {
  notes: { id: string; tenant_id: string; text: string }
}

let database: TestDatabase
let db: Db

beforeAll(async () => {
  database = await createTestDatabase()
  const client = new pg.Client({ connectionString: database.ownerUrl })
  await client.connect()
  await client.query(`
    set role yinxin_owner;
    create table notes (id uuid primary key, tenant_id uuid not null, text text not null);
    alter table notes enable row level security;
    alter table notes force row level security;
    create policy app_rows on notes to yinxin_app
      using (tenant_id = app_subject()) with check (tenant_id = app_subject());
    create policy worker_rows on notes to yinxin_worker using (true) with check (true);
    grant select, insert, update on notes to yinxin_app, yinxin_worker;
    create trigger append_only before update or delete on notes for each row execute function forbid_change();
    create trigger no_truncate before truncate on notes execute function forbid_change();
  `)
  await client.end()
  // One connection per role: every transaction reuses the connection of the one before.
  db = openDb({ url: database.url, poolSize: 1 })
})

afterAll(async () => {
  await db.close()
  await database.drop()
})

const notes = (tx: Tx) => tx.withTables<NoteTables>()
const texts = async (tx: Tx) =>
  (await notes(tx).selectFrom('notes').select('text').execute()).map((row) => row.text)
const write = (tx: Tx, tenant_id: string, text: string) =>
  notes(tx).insertInto('notes').values({ id: newId(), tenant_id, text }).execute()

describe('tenants', () => {
  const [alice, bob] = [newId(), newId()]

  it('see their own rows only, over one reused connection', async () => {
    await db.as(alice, (tx) => write(tx, alice, 'of alice'))
    await db.as(bob, (tx) => write(tx, bob, 'of bob'))
    expect(await db.as(alice, texts)).toEqual(['of alice'])
    expect(await db.as(bob, texts)).toEqual(['of bob'])
    expect((await db.work(texts)).sort()).toEqual(['of alice', 'of bob'])
  })

  it('cannot write rows of another', async () => {
    await expect(db.as(alice, (tx) => write(tx, bob, 'forged'))).rejects.toThrow(/row-level security/)
  })

  it('leave no subject behind, also after a failed transaction', async () => {
    await expect(
      db.as(alice, async () => {
        throw new Error('midway')
      }),
    ).rejects.toThrow('midway')
    const subject = async (tx: Tx) =>
      (await sql<{ subject: string | null }>`select app_subject() as subject`.execute(tx)).rows[0]?.subject
    expect(await db.work(subject)).toBeNull()
    expect(await db.work(subject, bob)).toBe(bob)
    expect(await db.work(subject)).toBeNull()
  })

  it('keep nothing of a transaction that failed', async () => {
    await expect(
      db.as(alice, async (tx) => {
        await write(tx, alice, 'never')
        throw new Error('midway')
      }),
    ).rejects.toThrow('midway')
    expect(await db.as(alice, texts)).toEqual(['of alice'])
  })
})

describe('statements that nobody waits for', () => {
  const insert = (tx: Tx, tenantId: string, text: string) =>
    later(tx, notes(tx).insertInto('notes').values({ id: newId(), tenant_id: tenantId, text }))

  it('are seen by the next statement and by their answer, and commit without one', async () => {
    const carol = newId()
    const seen = await db.as(carol, async (tx) => {
      await insert(tx, carol, 'first')
      const between = await texts(tx)
      const last = await insert(tx, carol, 'second')
      return { between, count: (await last.answer()).rowCount }
    })
    expect(seen).toEqual({ between: ['first'], count: 1 })
    await db.as(carol, (tx) => insert(tx, carol, 'third'))
    expect((await db.as(carol, texts)).sort()).toEqual(['first', 'second', 'third'])
  })

  it('tell what they failed of at the next statement or at the commit, and nothing of it holds', async () => {
    const dave = newId()
    const wrong = async (tx: Tx) => {
      await insert(tx, dave, 'right')
      await insert(tx, newId(), 'of another tenant')
      await insert(tx, dave, 'behind it')
    }
    await expect(db.as(dave, wrong)).rejects.toThrow('row-level security')
    const awaited = db.as(dave, async (tx) => {
      await wrong(tx)
      await texts(tx)
    })
    await expect(awaited).rejects.toThrow('row-level security')
    expect(await db.as(dave, texts)).toEqual([])
  })

  it('are never sent when the work fails, and the connection goes on', async () => {
    const erin = newId()
    const failed = db.as(erin, async (tx) => {
      await insert(tx, erin, 'never')
      throw new Error('midway')
    })
    await expect(failed).rejects.toThrow('midway')
    expect(await db.as(erin, texts)).toEqual([])
    await expect(db.ask((tx) => insert(tx, erin, 'in a question'))).rejects.toThrow('one statement')
  })
})

describe('append-only tables', () => {
  it('refuse update, delete and truncate to everyone, the superuser included', async () => {
    await expect(
      db.work((tx) => notes(tx).updateTable('notes').set({ text: 'changed' }).execute()),
    ).rejects.toThrow(/append-only/)
    const superuser = new pg.Client({ connectionString: database.ownerUrl })
    await superuser.connect()
    await expect(superuser.query('delete from notes')).rejects.toThrow(/append-only/)
    await expect(superuser.query('truncate notes')).rejects.toThrow(/append-only/)
    await superuser.end()
  })
})

describe('values', () => {
  it('come back as numbers for bigint, refused where a number would lie', async () => {
    const big = (value: string) => async (tx: Tx) =>
      (await sql<{ n: number }>`select ${sql.raw(value)}::bigint as n`.execute(tx)).rows[0]?.n
    expect(await db.work(big('9007199254740991'))).toBe(9007199254740991)
    await expect(db.work(big('9007199254740993'))).rejects.toThrow(/no number holds exactly/)
  })
})

describe('text with a null character', () => {
  it('is refused as the input it is, in a column and in a document', async () => {
    const alice = newId()
    const attempts: ((tx: Tx) => Promise<unknown>)[] = [
      (tx: Tx) => write(tx, alice, 'a\0b'),
      (tx: Tx) => sql`select ${JSON.stringify({ text: 'a\0b' })}::jsonb`.execute(tx),
    ]
    for (const attempt of attempts) {
      await expect(db.as(alice, attempt)).rejects.toMatchObject({
        name: 'Refusal',
        code: 'text_not_storable',
        kind: 'invalid',
      })
    }
  })
})

describe('a table that changes under its plans', () => {
  it('costs each connection one refusal that asks to try again', async () => {
    const owner = new pg.Client({ connectionString: database.ownerUrl })
    await owner.connect()
    await owner.query(`set role yinxin_owner;
      create table changing (id integer primary key); alter table changing enable row level security;
      create policy worker_rows on changing to yinxin_worker using (true) with check (true);
      grant select on changing to yinxin_worker`)
    const all = (tx: Tx) => sql`select * from changing`.execute(tx)
    await db.work(all)
    await owner.query('alter table changing add column more text')
    await owner.end()
    await expect(db.work(all)).rejects.toMatchObject({ code: 'database_busy' })
    expect((await db.work(all)).rows).toEqual([])
  })
})

describe('a transaction', () => {
  it('that an error has aborted is not taken for a commit', async () => {
    const alice = newId()
    const swallowed = db.as(alice, async (tx) => {
      await write(tx, alice, 'swallowed')
      await sql`select 1 / 0`.execute(tx).catch(() => undefined)
    })
    await expect(swallowed).rejects.toThrow()
    expect(await db.as(alice, texts)).toEqual([])
  })

  it('without statements ends without any, and the next one begins anew', async () => {
    const alice = newId()
    await db.as(alice, async () => undefined)
    await expect(db.as(alice, (tx) => write(tx, newId(), 'forged'))).rejects.toThrow(/row-level security/)
    await db.as(alice, (tx) => write(tx, alice, 'mine'))
    expect(await db.as(alice, texts)).toEqual(['mine'])
  })

  it('of one question runs in one breath, for its subject, and refuses a second and any change', async () => {
    const [alice, bob] = [newId(), newId()]
    await db.as(alice, (tx) => write(tx, alice, 'of alice only'))
    expect(await db.askAs(alice, texts)).toEqual(['of alice only'])
    expect(await db.askAs(bob, texts)).toEqual([])
    expect(await db.ask(texts)).toContain('of alice only')
    const twice = db.askAs(alice, async (tx) => [await texts(tx), await texts(tx)])
    await expect(twice).rejects.toThrow('one statement')
    await expect(db.askAs(alice, (tx) => write(tx, alice, 'forged'))).rejects.toThrow(/read-only/)
    expect(await db.as(alice, async (tx) => [...(await texts(tx)), ...(await texts(tx))])).toHaveLength(2)
    const subject = sql<{ s: string | null }>`select app_subject() as s`
    expect(await db.work(async (tx) => (await subject.execute(tx)).rows)).toEqual([{ s: null }])
  })

  it('takes a subject as text, whatever it holds', async () => {
    const odd = "a'; select 1; --"
    const subject = sql<{ s: string }>`select current_setting('app.subject') as s`
    expect(await db.as(odd, async (tx) => (await subject.execute(tx)).rows)).toEqual([{ s: odd }])
  })
})

describe('an unreachable database', () => {
  it('is a refusal that says so, with nothing of the connection in its text', async () => {
    const dead = openDb({ url: 'postgres://user:secret@127.0.0.1:1/x' })
    const error = await dead.work(async () => 1).catch((caught: unknown) => caught)
    expect(error).toMatchObject({ name: 'Refusal', code: 'database_unavailable', kind: 'unavailable' })
    expect(String(error)).not.toContain('secret')
    await dead.close()
  })

  it('is told apart from a statement that takes too long', async () => {
    const hasty = openDb({ url: database.url, statementTimeoutMs: 100 })
    await expect(hasty.work((tx) => sql`select pg_sleep(5)`.execute(tx))).rejects.toMatchObject({
      code: 'database_busy',
    })
    await hasty.close()
  })
})
