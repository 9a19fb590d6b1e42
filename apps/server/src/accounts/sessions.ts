import { createHash } from 'node:crypto'
import type { Clock } from '#src/clock.ts'
import { type Db, hereOnly, type Tx } from '#src/db/db.ts'
import { newId, newToken } from '#src/ids.ts'
import type { SessionCaller } from './caller.ts'
import type { AccountTables } from './tables.ts'

export const sessionRules = {
  idleMs: 12 * 3_600_000,
  absoluteMs: 30 * 24 * 3_600_000,
  /** How stale last_seen_at may get, so that reading pages does not write rows. */
  touchEveryMs: 60_000,
  /** How long a session stays on record after its end. */
  keptMs: 7 * 24 * 3_600_000,
}

/** Opens a session acting for the person. The token is in the answer alone; the row keeps its hash. */
export async function openSession(
  tx: Tx,
  clock: Clock,
  who: { accountId: string; personId: string },
): Promise<{ token: string; caller: SessionCaller }> {
  const token = newToken()
  const now = clock.now()
  const id = newId()
  await tx
    .$extendTables<AccountTables>()
    .insertInto('session')
    .values({
      id,
      token_hash: hashToken(token),
      account_id: who.accountId,
      person_id: who.personId,
      subject_id: who.personId,
      created_at: now,
      last_seen_at: now,
      expires_at: new Date(now.getTime() + sessionRules.absoluteMs),
      ended_at: null,
    })
    .execute()
  return {
    token,
    // Named one by one: what is handed in may carry more, a password hash for one.
    caller: {
      kind: 'session',
      sessionId: id,
      accountId: who.accountId,
      personId: who.personId,
      subjectId: who.personId,
      role: 'self',
    },
  }
}

/** The caller behind a token, or null when it opens nothing (any more). */
export async function callerOfToken(db: Db, clock: Clock, token: string): Promise<SessionCaller | null> {
  // A token is 32 bytes in base64url; anything else is not worth a query.
  if (!/^[\w-]{43}$/.test(token)) return null
  const row = await db.ask((tx) =>
    tx
      .$extendTables<AccountTables>()
      .selectFrom('session')
      .leftJoin('member', (join) =>
        join
          .onRef('member.tenant_id', '=', 'session.subject_id')
          .onRef('member.person_id', '=', 'session.person_id')
          .on('member.active', '=', true),
      )
      .select([
        'session.id',
        'session.account_id',
        'session.person_id',
        'session.subject_id',
        'session.last_seen_at',
        'session.expires_at',
        'member.role',
      ])
      .where('session.token_hash', '=', hashToken(token))
      .where('session.ended_at', 'is', null)
      .executeTakeFirst(),
  )
  const now = clock.now()
  if (row === undefined || row.expires_at <= now) return null
  const idleMs = now.getTime() - row.last_seen_at.getTime()
  if (idleMs >= sessionRules.idleMs) return null
  if (idleMs >= sessionRules.touchEveryMs) await db.work((tx) => touch(tx, row.id, now))
  const base = {
    kind: 'session' as const,
    sessionId: row.id,
    accountId: row.account_id,
    personId: row.person_id,
  }
  // Whoever is no longer a member of the company acts for itself again; `me` shows it.
  return row.role === null
    ? { ...base, subjectId: row.person_id, role: 'self' }
    : { ...base, subjectId: row.subject_id, role: row.role }
}

async function touch(tx: Tx, sessionId: string, at: Date): Promise<void> {
  // Nobody is hurt when this is lost with the server, so it need not wait for the other site.
  await hereOnly(tx)
  await tx
    .$extendTables<AccountTables>()
    .updateTable('session')
    .set({ last_seen_at: at })
    .where('id', '=', sessionId)
    .execute()
}

export async function endSession(tx: Tx, clock: Clock, sessionId: string): Promise<void> {
  await tx
    .$extendTables<AccountTables>()
    .updateTable('session')
    .set({ ended_at: clock.now() })
    .where('id', '=', sessionId)
    .where('ended_at', 'is', null)
    .execute()
}

/** Ends every session of the caller's account but the caller's own. Worker role. */
export async function endOtherSessions(tx: Tx, clock: Clock, caller: SessionCaller): Promise<void> {
  await tx
    .$extendTables<AccountTables>()
    .updateTable('session')
    .set({ ended_at: clock.now() })
    .where('account_id', '=', caller.accountId)
    .where('id', '!=', caller.sessionId)
    .where('ended_at', 'is', null)
    .execute()
}

/** Forgets sessions that ended a while ago, by sign-out, by idleness or by age. Worker role. */
export async function forgetSessions(tx: Tx, now: Date): Promise<void> {
  const endedBefore = new Date(now.getTime() - sessionRules.keptMs)
  const seenBefore = new Date(endedBefore.getTime() - sessionRules.idleMs)
  await tx
    .$extendTables<AccountTables>()
    .deleteFrom('session')
    .where((eb) =>
      eb.or([
        eb('expires_at', '<', endedBefore),
        eb('ended_at', '<', endedBefore),
        eb('last_seen_at', '<', seenBefore),
      ]),
    )
    .execute()
}

function hashToken(token: string): Buffer {
  return createHash('sha256').update(token).digest()
}
