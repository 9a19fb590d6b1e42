/** What portability reports on the promise page. */
import { sql } from 'kysely'
import type { Clock } from '#src/clock.ts'
import type { Db } from '#src/db/db.ts'
import type { Report } from '#src/promises/promises.ts'

export function portabilityPromises({ db, clock }: { db: Db; clock: Clock }): Report[] {
  return [
    {
      key: '3.3/exports',
      how: {
        zh: '一年内企业自助发起的全部导出：完成、失败的件数',
        en: 'all exports that companies ordered in a year: how many came to their end, how many failed',
      },
      staleAfterMs: 3_600_000,
      evidence: null,
      async measure() {
        const at = clock.now()
        const { rows } = await db.ask((tx) =>
          sql<{ ready: number; failed: number }>`
            select count(*) filter (where status in ('ready', 'expired'))::int as ready,
              count(*) filter (where status = 'failed')::int as failed
            from export_job where created_at > ${new Date(at.getTime() - 365 * 86_400_000)}`.execute(tx),
        )
        const { ready = 0, failed = 0 } = rows[0] ?? {}
        if (ready + failed === 0)
          return { measured: { zh: '尚无导出', en: 'nothing was exported yet' }, at: null, met: null }
        return {
          measured: {
            zh: `完成 ${ready} 件，失败 ${failed} 件`,
            en: `${ready} done, ${failed} failed`,
          },
          at,
          met: failed === 0,
        }
      },
    },
  ]
}
