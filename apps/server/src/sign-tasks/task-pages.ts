import type { Tx } from '#src/db/db.ts'
import type { TaskStatus } from './lifecycle.ts'
import { stillReadableBy, type TaskRow } from './store.ts'
import type { SignTaskTables } from './tables.ts'

export interface TaskSearch {
  subjectId: string
  statuses?: readonly TaskStatus[]
  role?: 'initiated' | 'received'
  /** Part of the title. */
  title?: string
  offset: number
  limit: number
}

/** A numbered page, newest first, with the count of all; for clients that page by number. */
export async function searchTasks(tx: Tx, search: TaskSearch): Promise<{ rows: TaskRow[]; total: number }> {
  let wanted = tx
    .$extendTables<SignTaskTables>()
    .selectFrom('sign_task')
    .where(stillReadableBy(search.subjectId))
  if (search.statuses !== undefined) wanted = wanted.where('status', 'in', [...search.statuses])
  if (search.role === 'initiated') wanted = wanted.where('tenant_id', '=', search.subjectId)
  if (search.role === 'received') wanted = wanted.where('tenant_id', '<>', search.subjectId)
  if (search.title !== undefined && search.title !== '') {
    const pattern = `%${search.title.replace(/[\\%_]/g, (one) => `\\${one}`)}%`
    wanted = wanted.where('title', 'ilike', pattern)
  }
  const { total } = await wanted
    .select((eb) => eb.fn.countAll<number>().as('total'))
    .executeTakeFirstOrThrow()
  const rows = await wanted
    .selectAll()
    .orderBy('id', 'desc')
    .offset(search.offset)
    .limit(search.limit)
    .execute()
  return { rows, total }
}
