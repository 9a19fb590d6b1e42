import type { Clock } from '#src/clock.ts'
import { later, type Tx } from '#src/db/db.ts'
import { newId } from '#src/ids.ts'
import type { AuditTables } from './tables.ts'

/** Whoever acts. A `Caller` of the accounts room fits. */
export type AuditCaller =
  | { kind: 'session'; sessionId: string; personId: string }
  | { kind: 'app'; appId: string }
  /** Background work, named by its duty, e.g. `deadline`. */
  | { kind: 'system'; duty: string }
  | { kind: 'public' }
  /** An operator of the platform; null by the token of the data folder alone. */
  | { kind: 'operator'; operatorId: string | null }

export interface AuditEntry {
  /** In whose affairs it happened; row-level security shows the record to this subject. */
  tenantId: string
  caller: AuditCaller
  /** `seal.used`, `member.removed`: the object, then the verb in the past. */
  action: string
  subjectKind: string
  subjectId: string
  /** Facts that explain the action. Never codes, tokens, secrets or contract content. */
  data?: Record<string, unknown>
}

export interface AuditRecord {
  id: string
  at: Date
  callerKind: AuditCaller['kind']
  callerId: string | null
  action: string
  subjectKind: string
  subjectId: string
  data: Record<string, unknown>
}

export interface Audit {
  /** Adds one record in the caller's transaction, so that it stands or falls with the change it tells of. */
  record(tx: Tx, entry: AuditEntry): Promise<void>
  /** Records about one object, newest first, as far as the transaction's subject may see them. */
  about(tx: Tx, subjectKind: string, subjectId: string, limit?: number): Promise<AuditRecord[]>
}

export function createAudit({ clock }: { clock: Clock }): Audit {
  return {
    async record(tx, entry) {
      const record = tx
        .$extendTables<AuditTables>()
        .insertInto('audit_record')
        .values({
          id: newId(),
          tenant_id: entry.tenantId,
          at: clock.now(),
          caller_kind: entry.caller.kind,
          caller_id: callerId(entry.caller),
          session_id: entry.caller.kind === 'session' ? entry.caller.sessionId : null,
          action: entry.action,
          subject_kind: entry.subjectKind,
          subject_id: entry.subjectId,
          data: JSON.stringify(entry.data ?? {}),
        })
      await later(tx, record)
    },

    async about(tx, subjectKind, subjectId, limit = 100) {
      const rows = await tx
        .$extendTables<AuditTables>()
        .selectFrom('audit_record')
        .select(['id', 'at', 'caller_kind', 'caller_id', 'action', 'subject_kind', 'subject_id', 'data'])
        .where('subject_kind', '=', subjectKind)
        .where('subject_id', '=', subjectId)
        .orderBy('id', 'desc')
        .limit(limit)
        .execute()
      return rows.map((row) => ({
        id: row.id,
        at: row.at,
        callerKind: row.caller_kind,
        callerId: row.caller_id,
        action: row.action,
        subjectKind: row.subject_kind,
        subjectId: row.subject_id,
        data: row.data as Record<string, unknown>,
      }))
    },
  }
}

function callerId(caller: AuditCaller): string | null {
  if (caller.kind === 'session') return caller.personId
  if (caller.kind === 'app') return caller.appId
  if (caller.kind === 'operator') return caller.operatorId
  return caller.kind === 'system' ? caller.duty : null
}
