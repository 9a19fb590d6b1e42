/**
 * What a tenant owns, table by table, as one snapshot sees it. Everything is only read, by the worker role and always
 * for one tenant: rooms own their tables, and this page is the one place that knows them all.
 */
import { type RawBuilder, sql } from 'kysely'
import type { Tx } from '#src/db/db.ts'

export interface SnapshotOf {
  tenantId: string
  /** Only what changed since. */
  since: Date | null
}

export interface SourceRow {
  /** Where the next page goes on. */
  key: string
  /** One JSON object. */
  line: string
}

export interface Source {
  name: string
  /** Rows in the order of their keys, after one of them. */
  page(tx: Tx, of: SnapshotOf, after: string, limit: number): Promise<SourceRow[]>
}

const rows =
  (
    build: (of: SnapshotOf) => {
      key: RawBuilder<unknown>
      line: RawBuilder<unknown>
      from: RawBuilder<unknown>
    },
  ) =>
  async (tx: Tx, of: SnapshotOf, after: string, limit: number): Promise<SourceRow[]> => {
    const { key, line, from } = build(of)
    const found = await sql<SourceRow>`
      select ${key} as key, (${line})::text as line from ${from}
        and ${key} > ${after} order by 1 limit ${limit}`.execute(tx)
    return found.rows
  }

/** Of a changing table: everything, or what is newer. */
const newer = (of: SnapshotOf, column: RawBuilder<unknown>) =>
  of.since === null ? sql`true` : sql`${column} >= ${of.since}`

/** Keys are compared as text in one order, whatever the locale of the database. */
const id = (column: RawBuilder<unknown>) => sql`(${column})::text collate "C"`

const contract = {
  documents: sql`(select coalesce(json_agg(json_build_object(
      'id', d.id, 'ref', d.ref, 'name', d.name, 'position', d.position, 'fileId', d.file_id, 'pageCount', d.page_count,
      'pages', d.pages, 'revision', d.revision, 'sha256', d.sha256, 'sizeBytes', d.size_bytes,
      'revisions', (select coalesce(json_agg(json_build_object('revision', s.revision, 'segmentBytes', s.segment_bytes,
        'sizeBytes', s.size_bytes, 'sha256', s.sha256, 'createdAt', s.created_at) order by s.revision), '[]')
        from task_document_segment s where s.document_id = d.id)
    ) order by d.position), '[]') from task_document d where d.task_id = t.id)`,
  fields: sql`(select coalesce(json_agg(json_build_object('id', f.id, 'documentId', f.document_id, 'actorId', f.actor_id,
      'kind', f.kind, 'page', f.page, 'x', f.x, 'y', f.y, 'width', f.width, 'height', f.height) order by f.id), '[]')
      from task_field f where f.task_id = t.id)`,
}

/** Contacts of others are the initiator's alone to know. */
const actors = (tenantId: string) => sql`(select coalesce(json_agg(json_build_object(
    'id', a.id, 'ref', a.ref, 'position', a.position, 'kind', a.kind, 'role', a.role, 'name', a.name,
    'subjectId', a.subject_id, 'personId', a.person_id,
    'mobile', case when t.tenant_id = ${tenantId} or a.subject_id = ${tenantId} then a.mobile end,
    'email', case when t.tenant_id = ${tenantId} or a.subject_id = ${tenantId} then a.email end,
    'signOrder', a.sign_order, 'status', a.status, 'sealId', case when t.tenant_id = ${tenantId} then a.seal_id end,
    'signedAt', a.signed_at, 'certificateSerial', a.certificate_serial, 'rejectReason', a.reject_reason
  ) order by a.position), '[]') from task_actor a where a.task_id = t.id)`

const mine = (tenantId: string) =>
  sql`exists (select 1 from task_party p where p.task_id = t.id and p.subject_id = ${tenantId}
    and p.access_destroyed_at is null) and t.destroyed_at is null`

/** In the order in which they are written. */
export const sources: readonly Source[] = [
  {
    name: 'tenant',
    page: rows(({ tenantId }) => ({
      key: id(sql`s.id`),
      line: sql`json_build_object('id', s.id, 'kind', s.kind, 'name', coalesce(c.name, p.name), 'creditCode', c.credit_code,
        'legalRepresentative', c.legal_representative, 'verifiedAt', coalesce(c.verified_at, p.verified_at),
        'identityMethod', coalesce(c.identity_method, p.identity_method),
        'identitySimulated', coalesce(c.identity_simulated, p.identity_simulated), 'createdAt', s.created_at)`,
      from: sql`subject s left join corp c on c.id = s.id left join person p on p.id = s.id where s.id = ${tenantId}`,
    })),
  },
  {
    name: 'members',
    page: rows(({ tenantId }) => ({
      key: id(sql`m.person_id`),
      line: sql`json_build_object('personId', m.person_id, 'role', m.role, 'active', m.active,
        'name', case when m.accepted_at is not null then p.name end, 'login', coalesce(a.mobile, a.email),
        'acceptedAt', m.accepted_at, 'createdAt', m.created_at)`,
      from: sql`member m join person p on p.id = m.person_id left join account a on a.person_id = m.person_id
        where m.tenant_id = ${tenantId}`,
    })),
  },
  {
    name: 'apps',
    page: rows(({ tenantId }) => ({
      key: id(sql`a.app_id`),
      line: sql`json_build_object('appId', a.app_id, 'name', a.name, 'environment', a.environment,
        'callbackUrl', a.callback_url, 'callbackStyle', coalesce(w.style, 'standard'), 'active', a.active, 'createdAt', a.created_at)`,
      from: sql`app a left join webhook_app w on w.app_id = a.app_id where a.tenant_id = ${tenantId}`,
    })),
  },
  {
    name: 'seals',
    page: rows(({ tenantId }) => ({
      key: id(sql`s.id`),
      line: sql`json_build_object('id', s.id, 'kind', s.kind, 'form', s.form, 'name', s.name, 'status', s.status,
        'widthMm', s.width_mm, 'heightMm', s.height_mm, 'createdAt', s.created_at)`,
      from: sql`seal s where s.tenant_id = ${tenantId}`,
    })),
  },
  {
    name: 'seal-grants',
    page: rows(({ tenantId }) => ({
      key: sql`(g.seal_id::text || '/' || g.person_id::text) collate "C"`,
      line: sql`json_build_object('sealId', g.seal_id, 'personId', g.person_id, 'grantedAt', g.granted_at,
        'expiresAt', g.expires_at, 'endedAt', g.ended_at)`,
      from: sql`seal_grant g where g.tenant_id = ${tenantId}`,
    })),
  },
  {
    name: 'free-sign-scenes',
    page: rows(({ tenantId }) => ({
      key: id(sql`f.business_id`),
      line: sql`json_build_object('businessId', f.business_id, 'sealId', f.seal_id, 'name', f.name,
        'expiresAt', f.expires_at, 'createdAt', f.created_at, 'endedAt', f.ended_at)`,
      from: sql`free_sign_scene f where f.tenant_id = ${tenantId}`,
    })),
  },
  {
    name: 'files',
    page: rows((of) => ({
      key: id(sql`f.id`),
      line: sql`json_build_object('id', f.id, 'name', f.name, 'sizeBytes', f.size_bytes, 'sha256', f.sha256,
        'pageCount', f.page_count, 'pages', f.pages, 'signatureCount', f.signature_count, 'createdAt', f.created_at)`,
      from: sql`file f where f.tenant_id = ${of.tenantId} and ${newer(of, sql`f.created_at`)}`,
    })),
  },
  {
    name: 'contracts',
    page: rows((of) => ({
      key: id(sql`t.id`),
      line: sql`json_build_object('id', t.id, 'initiatorId', t.tenant_id, 'initiatorName', t.initiator_name,
        'title', t.title, 'status', t.status, 'ordered', t.ordered, 'deadline', t.deadline,
        'reference', case when t.tenant_id = ${of.tenantId} then t.reference end, 'endReason', t.end_reason,
        'createdAt', t.created_at, 'updatedAt', t.updated_at, 'startedAt', t.started_at, 'finishedAt', t.finished_at,
        'events', (select count(*) from task_event e where e.task_id = t.id),
        'documents', ${contract.documents}, 'actors', ${actors(of.tenantId)}, 'fields', ${contract.fields},
        'imported', (select json_build_object('origin', i.origin, 'logKeys', i.log_keys, 'exportId', i.export_id,
          'importedAt', i.imported_at) from imported_contract i where i.task_id = t.id))`,
      from: sql`sign_task t where ${mine(of.tenantId)} and ${newer(of, sql`t.updated_at`)}`,
    })),
  },
  {
    name: 'usage',
    page: rows((of) => ({
      key: sql`(u.task_id::text || '/' || u.type) collate "C"`,
      line: sql`json_build_object('contractId', u.task_id, 'type', u.type, 'occurredAt', u.occurred_at, 'quantity', u.quantity)`,
      from: sql`usage_event u where u.tenant_id = ${of.tenantId} and ${newer(of, sql`u.occurred_at`)}`,
    })),
  },
  {
    name: 'audit',
    page: rows((of) => ({
      key: id(sql`r.id`),
      line: sql`json_build_object('id', r.id, 'at', r.at, 'callerKind', r.caller_kind, 'callerId', r.caller_id,
        'action', r.action, 'subjectKind', r.subject_kind, 'subjectId', r.subject_id, 'data', r.data)`,
      from: sql`audit_record r where r.tenant_id = ${of.tenantId} and ${newer(of, sql`r.at`)}`,
    })),
  },
  {
    name: 'callbacks',
    page: rows((of) => ({
      key: id(sql`w.id`),
      line: sql`json_build_object('id', w.id, 'appId', w.app_id, 'url', w.url, 'style', w.style, 'event', w.event,
        'payload', w.payload, 'status', w.status, 'attempts', w.attempts, 'createdAt', w.created_at, 'deliveredAt', w.delivered_at)`,
      from: sql`webhook_event w where w.tenant_id = ${of.tenantId} and ${newer(of, sql`w.created_at`)}`,
    })),
  },
]

/** Where the content of a file lies. */
export async function fileObjects(tx: Tx, fileIds: readonly string[]) {
  const { rows: found } = await sql<{ id: string; object_id: string; size_bytes: number; sha256: string }>`
    select id, object_id, size_bytes, sha256 from file where id = any(${fileIds}::uuid[])`.execute(tx)
  return new Map(
    found.map((row) => [row.id, { objectId: row.object_id, sizeBytes: row.size_bytes, sha256: row.sha256 }]),
  )
}

/** The objects whose concatenation is a revision of a document, base first. */
export async function segmentsOf(tx: Tx, documentId: string, revision: number) {
  const { rows: found } = await sql<{
    object_id: string
    segment_bytes: number
    size_bytes: number
    sha256: string
  }>`
    select object_id, segment_bytes, size_bytes, sha256 from task_document_segment
    where document_id = ${documentId} and revision <= ${revision} order by revision`.execute(tx)
  return found
}

/** Who could read a contract: its initiator and its parties. */
export async function holdersOf(tx: Tx, taskId: string): Promise<string[]> {
  const { rows: found } = await sql<{ id: string }>`
    select tenant_id as id from sign_task where id = ${taskId}
    union select subject_id from task_party where task_id = ${taskId}`.execute(tx)
  return found.map((row) => row.id)
}

/** Logins of a company's administrators, or of a person: who is told that an export is ready. */
export async function loginsOf(tx: Tx, tenantId: string): Promise<string[]> {
  const { rows: found } = await sql<{ login: string }>`
    select coalesce(a.mobile, a.email) as login from account a
    where a.person_id = ${tenantId} or a.person_id in (
      select person_id from member where tenant_id = ${tenantId} and role = 'admin' and active)`.execute(tx)
  return found.map((row) => row.login)
}
