/** What destruction reports on the promise page. */
import { sql } from 'kysely'
import type { Clock } from '#src/clock.ts'
import type { Db } from '#src/db/db.ts'
import type { Report } from '#src/promises/promises.ts'

export function destructionPromises({ db, clock }: { db: Db; clock: Clock }): Report[] {
  return [
    {
      key: '3.2/deadline',
      how: {
        zh: '一年内全部销毁请求：实际粉碎密钥与文件的时间对照承诺时间（法律保留期间除外）',
        en: 'all requests of a year: when keys and files were shredded against when it was promised, holds aside',
      },
      staleAfterMs: 3_600_000,
      evidence: null,
      async measure() {
        const at = clock.now()
        const { rows } = await db.ask((tx) =>
          sql<{ done: number; late: number; overdue: number }>`
            select count(*) filter (where shredded_at is not null)::int as done,
              count(*) filter (where shredded_at > promised_at)::int as late,
              count(*) filter (where shredded_at is null and promised_at < ${at} and ended_at is null
                and not exists (select 1 from legal_hold h where h.task_id = d.task_id and h.released_at is null))::int
                as overdue
            from destruction d where requested_at > ${new Date(at.getTime() - 365 * 86_400_000)}`.execute(tx),
        )
        const { done = 0, late = 0, overdue = 0 } = rows[0] ?? {}
        if (done + overdue === 0)
          return { measured: { zh: '尚无销毁', en: 'nothing was destroyed yet' }, at: null, met: null }
        return {
          measured: {
            zh: `已销毁 ${done} 件，其中逾期 ${late} 件；未完成而逾期 ${overdue} 件`,
            en: `${done} destroyed, ${late} of them late; ${overdue} overdue`,
          },
          at,
          met: late === 0 && overdue === 0,
        }
      },
    },
  ]
}
