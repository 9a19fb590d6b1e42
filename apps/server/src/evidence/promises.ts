/** What the record of everything reports on the promise page. */
import { parseCheckpoint } from '@yinxin/evidence'
import { sql } from 'kysely'
import type { Clock } from '#src/clock.ts'
import type { Db } from '#src/db/db.ts'
import type { Report } from '#src/promises/promises.ts'

export function evidencePromises(deps: {
  db: Db
  clock: Clock
  evidence: { checkpoint(): Promise<string | null> }
}): Report[] {
  return [
    {
      key: '3.6/record',
      how: {
        zh: '读取透明日志的最新签名检查点，并统计 30 天内的操作记录',
        en: "the log's newest signed checkpoint is read, and the records of actions of 30 days are counted",
      },
      staleAfterMs: 3_600_000,
      evidence: '/log/checkpoint',
      async measure() {
        const note = await deps.evidence.checkpoint()
        const at = deps.clock.now()
        if (note === null)
          return { measured: { zh: '日志尚空', en: 'the log is still empty' }, at: null, met: null }
        const { rows } = await deps.db.ask((tx) =>
          sql<{ records: number; operators: number }>`
            select count(*)::int as records, (count(*) filter (where caller_kind = 'operator'))::int as operators
            from audit_record where at > ${new Date(at.getTime() - 30 * 86_400_000)}`.execute(tx),
        )
        const { size } = parseCheckpoint(note)
        const { records = 0, operators = 0 } = rows[0] ?? {}
        return {
          measured: {
            zh: `透明日志 ${size} 条；30 天内操作记录 ${records} 条，其中运营人员 ${operators} 条`,
            en: `${size} entries in the log; ${records} records of actions in 30 days, ${operators} of them by operators`,
          },
          at,
          met: size > 0,
        }
      },
    },
  ]
}
