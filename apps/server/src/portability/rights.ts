/** Who may take everything out: administrators, people for themselves, and programs that were given the right. */
import { type Accounts, type Caller, requireAdmin, type SessionCaller } from '#src/accounts/accounts.ts'
import type { Audit } from '#src/audit/audit.ts'
import type { Clock } from '#src/clock.ts'
import type { Db } from '#src/db/db.ts'
import { refuse } from './errors.ts'
import type { PortabilityTables } from './tables.ts'

export interface RightsDeps {
  db: Db
  clock: Clock
  audit: Audit
  accounts: Pick<Accounts, 'withProof' | 'appByAppId'>
}

export function createRights({ db, clock, audit, accounts }: RightsDeps) {
  async function holds(appId: string, tenantId: string): Promise<boolean> {
    const row = await db.ask((tx) =>
      tx
        .$extendTables<PortabilityTables>()
        .selectFrom('export_right')
        .select('app_id')
        .where('app_id', '=', appId)
        .where('tenant_id', '=', tenantId)
        .executeTakeFirst(),
    )
    return row !== undefined
  }

  function requirePerson(caller: Caller): SessionCaller {
    if (caller.kind !== 'session' || caller.role === 'member') throw refuse('export_not_allowed')
    return caller
  }

  return {
    requirePerson,

    /** @throws `export_not_allowed` */
    async require(caller: Caller): Promise<void> {
      if (caller.kind === 'session') requirePerson(caller)
      else if (!(await holds(caller.appId, caller.subjectId))) throw refuse('export_not_allowed')
    },

    /** Gives a program the right, or takes it away; giving it needs a fresh code. */
    async set(caller: Caller, appId: string, allowed: boolean, code: string | undefined): Promise<void> {
      const { corpId, session } = requireAdmin(caller)
      const app = await accounts.appByAppId(appId)
      if (app?.subjectId !== corpId) throw refuse('export_not_allowed')
      const record = {
        tenantId: corpId,
        caller,
        action: allowed ? 'export.right-given' : 'export.right-taken',
        subjectKind: 'app',
        subjectId: appId,
      }
      if (!allowed) {
        await db.work(async (tx) => {
          await tx
            .$extendTables<PortabilityTables>()
            .deleteFrom('export_right')
            .where('app_id', '=', appId)
            .where('tenant_id', '=', corpId)
            .execute()
          await audit.record(tx, record)
        })
        return
      }
      if (code === undefined) throw refuse('export_needs_code')
      await accounts.withProof(session, 'export', code, async (tx) => {
        await tx
          .$extendTables<PortabilityTables>()
          .insertInto('export_right')
          .values({ app_id: appId, tenant_id: corpId, granted_by: session.personId, granted_at: clock.now() })
          .onConflict((conflict) => conflict.column('app_id').doNothing())
          .execute()
        await audit.record(tx, record)
      })
    },
  }
}
