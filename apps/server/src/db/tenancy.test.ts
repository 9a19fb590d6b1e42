import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { newId } from '#src/ids.ts'
import { createTestDatabase, type TestDatabase } from '../../../../testing/database.ts'
import { type Db, openDb, type Tx } from './db.ts'

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

/** A draft with one document and one actor, as its initiator writes it. */
async function draftOf(tenantId: string) {
  const [task, document, actor] = [newId(), newId(), newId()]
  await db.as(tenantId, async (tx) => {
    await sql`insert into sign_task (id, tenant_id, initiator_name, title, status, ordered, created_at, updated_at)
      values (${task}, ${tenantId}, 'x', 'x', 'draft', false, now(), now())`.execute(tx)
    await sql`insert into task_document (id, task_id, tenant_id, ref, name, position, file_id, page_count, pages,
      sha256, size_bytes) values (${document}, ${task}, ${tenantId}, 'd', 'd', 0, ${newId()}, 1, '[]', '', 1)`.execute(
      tx,
    )
    await sql`insert into task_actor (id, task_id, tenant_id, ref, position, kind, role, name, sign_order, status)
      values (${actor}, ${task}, ${tenantId}, 'a', 0, 'person', 'sign', 'a', 1, 'waiting')`.execute(tx)
  })
  return { task, document, actor }
}

describe('row-level security', () => {
  it('lets nobody hang rows of its own on the task of another, be it to see it', async () => {
    const [alice, bob] = [newId(), newId()]
    const theirs = await draftOf(alice)
    const own = await draftOf(bob)
    const attempts: Record<string, (tx: Tx) => Promise<unknown>> = {
      'a party': (tx) =>
        sql`insert into task_party (task_id, subject_id, tenant_id) values (${theirs.task}, ${bob}, ${bob})`.execute(
          tx,
        ),
      'a document': (tx) =>
        sql`insert into task_document (id, task_id, tenant_id, ref, name, position, file_id, page_count, pages, sha256,
          size_bytes) values (${newId()}, ${theirs.task}, ${bob}, 'e', 'e', 1, ${newId()}, 1, '[]', '', 1)`.execute(
          tx,
        ),
      'an actor': (tx) =>
        sql`insert into task_actor (id, task_id, tenant_id, ref, position, kind, role, name, sign_order, status)
          values (${newId()}, ${theirs.task}, ${bob}, 'b', 1, 'person', 'sign', 'b', 1, 'waiting')`.execute(
          tx,
        ),
      'an urge': (tx) =>
        sql`insert into task_urge (task_id, tenant_id, at) values (${theirs.task}, ${bob}, now())`.execute(
          tx,
        ),
      'a link': (tx) =>
        sql`insert into task_link (token_hash, task_id, tenant_id, actor_id, created_at, expires_at)
          values ('x', ${own.task}, ${bob}, ${theirs.actor}, now(), now())`.execute(tx),
      'a field': (tx) =>
        sql`insert into task_field (id, task_id, tenant_id, document_id, actor_id, kind, page, x, y, width, height)
          values (${newId()}, ${own.task}, ${bob}, ${theirs.document}, ${own.actor}, 'seal', 1, 0, 0, 1, 1)`.execute(
          tx,
        ),
      'a revision': (tx) =>
        sql`insert into task_document_segment (document_id, revision, tenant_id, task_id, object_id, segment_bytes,
          size_bytes, sha256, created_at)
          values (${theirs.document}, 0, ${bob}, ${own.task}, ${newId()}, 1, 1, '', now())`.execute(tx),
    }
    for (const [what, attempt] of Object.entries(attempts))
      await expect(db.as(bob, attempt), what).rejects.toMatchObject({ code: '23503' })
  })
})
