import type { Audit } from '#src/audit/audit.ts'
import type { Clock } from '#src/clock.ts'
import type { Db, Tx } from '#src/db/db.ts'
import { type Caller, requireAdmin, requireCorp } from './caller.ts'
import { refuse } from './errors.ts'
import { maskLogin, parseLogin, readLogin } from './login.ts'
import { ensureAccount } from './people.ts'
import type { AccountTables } from './tables.ts'

export interface MemberDetails {
  personId: string
  /** Null until the person acted for the company once: an administrator must not learn names by adding numbers. */
  name: string | null
  /** Masked for plain members, except their own. */
  login: string
  role: 'admin' | 'member'
  active: boolean
}

export interface Members {
  /** Members of the company that the caller acts for, in the order they came. Opens its own transaction. */
  list(
    caller: Caller,
    corpId: string,
    page: { after: string | null; limit: number },
  ): Promise<{ items: MemberDetails[]; next: string | null }>
  /** Adds the owner of a login, or changes the role of a member. Opens its own transaction. */
  add(
    caller: Caller,
    corpId: string,
    input: { login: string; role: 'admin' | 'member' },
  ): Promise<MemberDetails>
  /**
   * Invites the owner of a login that an import names, always as a plain member: who administrates is for the
   * administrators here to say. Whoever is or was a member stays as they are. Membership begins when the person has
   * logged in and chosen the company. Worker role, in the caller's transaction.
   */
  inviteMember(tx: Tx, corpId: string, login: string): Promise<'invited' | 'present' | 'unusable'>
  /** Opens its own transaction. */
  remove(caller: Caller, corpId: string, personId: string): Promise<void>
}

export function createMembers({ db, clock, audit }: { db: Db; clock: Clock; audit: Audit }): Members {
  return {
    async list(caller, corpId, page) {
      requireCorp(caller, corpId)
      const rows = await db.work((tx) => memberRows(tx, corpId, page))
      const items = rows.slice(0, page.limit).map((row) => shownTo(caller, toMember(row)))
      return { items, next: rows.length > page.limit ? (items.at(-1)?.personId ?? null) : null }
    },

    async add(caller, corpId, input) {
      requireCorp(caller, corpId)
      const { session } = requireAdmin(caller)
      const login = parseLogin(input.login)
      return db.work(async (tx) => {
        await lockCorp(tx, corpId)
        const { personId } = await ensureAccount(tx, login, clock.now())
        const typed = tx.$extendTables<AccountTables>()
        const before = await typed
          .selectFrom('member')
          .select(['role', 'active'])
          .where('tenant_id', '=', corpId)
          .where('person_id', '=', personId)
          .executeTakeFirst()
        if (before?.active && before.role === 'admin' && input.role !== 'admin')
          await requireOtherAdmin(tx, corpId, personId)
        await typed
          .insertInto('member')
          .values({
            tenant_id: corpId,
            person_id: personId,
            role: input.role,
            active: true,
            accepted_at: null,
            created_at: clock.now(),
          })
          .onConflict((conflict) =>
            conflict.columns(['tenant_id', 'person_id']).doUpdateSet({
              role: input.role,
              active: true,
              // A new membership: what was granted to the former one does not come back.
              ...(before?.active === false ? { created_at: clock.now() } : {}),
            }),
          )
          .execute()
        await audit.record(tx, {
          tenantId: corpId,
          caller: session,
          action: before?.active ? 'member.role-changed' : 'member.added',
          subjectKind: 'member',
          subjectId: personId,
          data: { role: input.role },
        })
        const [row] = await memberRows(tx, corpId, { after: null, limit: 1 }, personId)
        if (row === undefined) throw refuse('member_not_found')
        return toMember(row)
      }, corpId)
    },

    async inviteMember(tx, corpId, text) {
      const login = readLogin(text)
      if (login === null) return 'unusable'
      await lockCorp(tx, corpId)
      const { personId } = await ensureAccount(tx, login, clock.now())
      const added = await tx
        .$extendTables<AccountTables>()
        .insertInto('member')
        .values({
          tenant_id: corpId,
          person_id: personId,
          role: 'member',
          active: true,
          accepted_at: null,
          created_at: clock.now(),
        })
        .onConflict((conflict) => conflict.columns(['tenant_id', 'person_id']).doNothing())
        .executeTakeFirst()
      if (added.numInsertedOrUpdatedRows === 0n) return 'present'
      await audit.record(tx, {
        tenantId: corpId,
        caller: { kind: 'system', duty: 'import' },
        action: 'member.invited',
        subjectKind: 'member',
        subjectId: personId,
      })
      return 'invited'
    },

    async remove(caller, corpId, personId) {
      requireCorp(caller, corpId)
      const { session } = requireAdmin(caller)
      await db.as(corpId, async (tx) => {
        const typed = tx.$extendTables<AccountTables>()
        // The lock keeps two administrators from removing each other at once.
        const admins = await typed
          .selectFrom('member')
          .select('person_id')
          .where('tenant_id', '=', corpId)
          .where('role', '=', 'admin')
          .where('active', '=', true)
          .orderBy('person_id')
          .forUpdate()
          .execute()
        if (admins.length === 1 && admins[0]?.person_id === personId) throw refuse('last_admin')
        const changed = await typed
          .updateTable('member')
          .set({ active: false })
          .where('tenant_id', '=', corpId)
          .where('person_id', '=', personId)
          .where('active', '=', true)
          .executeTakeFirst()
        if (changed.numUpdatedRows === 0n) throw refuse('member_not_found')
        await audit.record(tx, {
          tenantId: corpId,
          caller: session,
          action: 'member.removed',
          subjectKind: 'member',
          subjectId: personId,
        })
      })
    },
  }
}

/** Lets changes of what a company has at most so many of through one at a time. Worker role. */
export async function lockCorp(tx: Tx, corpId: string): Promise<void> {
  const row = await tx
    .$extendTables<AccountTables>()
    .selectFrom('corp')
    .select('id')
    .where('id', '=', corpId)
    .forUpdate()
    .executeTakeFirst()
  if (row === undefined) throw refuse('corp_not_found')
}

async function requireOtherAdmin(tx: Tx, corpId: string, personId: string): Promise<void> {
  // Locked like in a removal: otherwise the other one may be on the way out.
  const admins = await tx
    .$extendTables<AccountTables>()
    .selectFrom('member')
    .select('person_id')
    .where('tenant_id', '=', corpId)
    .where('role', '=', 'admin')
    .where('active', '=', true)
    .orderBy('person_id')
    .forUpdate()
    .execute()
  if (!admins.some((admin) => admin.person_id !== personId)) throw refuse('last_admin')
}

/** One row more than asked for tells whether another page follows. Person ids sort by the time they came. */
async function memberRows(
  tx: Tx,
  corpId: string,
  page: { after: string | null; limit: number },
  only?: string,
) {
  let query = tx
    .$extendTables<AccountTables>()
    .selectFrom('member')
    .innerJoin('person', 'person.id', 'member.person_id')
    .innerJoin('account', 'account.person_id', 'member.person_id')
    .select([
      'member.person_id',
      'member.role',
      'member.active',
      'member.accepted_at',
      'person.name',
      'account.mobile',
      'account.email',
    ])
    .where('member.tenant_id', '=', corpId)
    .where('member.active', '=', true)
    .orderBy('member.person_id')
    .limit(page.limit + 1)
  if (page.after !== null) query = query.where('member.person_id', '>', page.after)
  if (only !== undefined) query = query.where('member.person_id', '=', only)
  return query.execute()
}

/** Numbers and addresses of colleagues are for the administrators. */
function shownTo(caller: Caller, member: MemberDetails): MemberDetails {
  const isPlain = caller.kind === 'session' && caller.role !== 'admin' && caller.personId !== member.personId
  return isPlain ? { ...member, login: maskLogin(member.login) } : member
}

function toMember(row: Awaited<ReturnType<typeof memberRows>>[number]): MemberDetails {
  return {
    personId: row.person_id,
    name: row.accepted_at === null ? null : row.name,
    login: row.mobile ?? row.email ?? '',
    role: row.role,
    active: row.active,
  }
}
