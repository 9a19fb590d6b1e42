import type { SignTask, SignTaskInput } from '@yinxin/sdk/wire'
import type { Caller } from '#src/accounts/accounts.ts'
import type { Db, Tx } from '#src/db/db.ts'
import type { Documents } from '#src/documents/documents.ts'
import { documentRow } from './drafts.ts'
import { refuse } from './errors.ts'
import { checkRefs } from './plan.ts'
import { insertDocuments, lockTask, readTask } from './store.ts'

/** Adds documents to a draft; nothing is frozen before the start. */
export function createMoreDocuments(deps: { db: Db; documents: Pick<Documents, 'file'> }) {
  return async function addDocuments(
    caller: Caller,
    taskId: string,
    inputs: SignTaskInput['documents'],
    answer: (tx: Tx) => Promise<SignTask>,
  ): Promise<SignTask> {
    const tenantId = caller.subjectId
    const seen = await deps.db.as(tenantId, (tx) => readTask(tx, taskId))
    if (seen.row.tenant_id !== tenantId) throw refuse('sign_task_not_found')
    const files = await Promise.all(inputs.map((one) => deps.documents.file(tenantId, one.fileId)))
    return await deps.db.as(tenantId, async (tx) => {
      const task = await lockTask(tx, taskId)
      if (task.row.status !== 'draft') throw refuse('task_not_draft')
      checkRefs([...task.documents, ...inputs].map((one) => one.ref))
      const first = (task.documents.at(-1)?.position ?? -1) + 1
      await insertDocuments(
        tx,
        files.flatMap((file, i) => {
          const input = inputs[i]
          return input === undefined ? [] : [documentRow(taskId, tenantId, input, file, first + i)]
        }),
      )
      return await answer(tx)
    })
  }
}
