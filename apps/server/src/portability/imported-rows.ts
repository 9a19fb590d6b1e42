/** Rows as an export tells of them, read strictly: they come from outside. And what becomes of them here. */
import { z } from 'zod'

const when = z
  .string()
  .max(40)
  .transform((text, context) => {
    const at = new Date(text)
    const year = at.getUTCFullYear()
    if (Number.isNaN(at.getTime()) || year < 1970 || year > 9999)
      context.addIssue({ code: 'custom', message: 'no time' })
    return at
  })
const hash = z.string().regex(/^[0-9a-f]{64}$/)
const size = z.number().int().min(0)
/** A number that fits an integer column. */
const count = size.max(2_147_483_647)
/** Words for a table: no control characters but breaks of lines. */
const text = (max: number) =>
  z
    .string()
    .max(max)
    .refine((given) => [...given].every((c) => c >= ' ' || c === '\n' || c === '\t'), 'a control character')
/** A name of a file, never a path. */
const fileName = text(300).refine((given) => !/[\\/]/.test(given), 'a path')
const page = z.object({ widthPt: z.number(), heightPt: z.number() })

export const fileLine = z.object({
  id: z.uuid(),
  name: fileName,
  sizeBytes: size,
  sha256: hash,
  pageCount: count,
  pages: z.array(page),
  signatureCount: count,
  createdAt: when,
})

const document = z.object({
  id: z.uuid(),
  ref: text(200),
  name: fileName,
  position: count,
  fileId: z.uuid(),
  pageCount: count,
  pages: z.array(page),
  revision: count,
  sha256: hash,
  sizeBytes: size,
  revisions: z.array(
    z.object({ revision: count, segmentBytes: size, sizeBytes: size, sha256: hash, createdAt: when }),
  ),
})

const actor = z.object({
  id: z.uuid(),
  ref: text(200),
  position: count,
  kind: z.enum(['person', 'corp']),
  role: z.enum(['sign', 'cc']),
  name: text(300),
  subjectId: z.uuid().nullable(),
  mobile: text(100).nullable(),
  email: text(320).nullable(),
  signOrder: count,
  status: z.enum(['waiting', 'ready', 'viewed', 'signing', 'signed', 'rejected', 'notified']),
  signedAt: when.nullable(),
  certificateSerial: text(200).nullable(),
  rejectReason: text(4000).nullable(),
})

export const contractLine = z.object({
  id: z.uuid(),
  initiatorId: z.uuid(),
  initiatorName: text(300),
  title: text(1000),
  status: z.enum(['draft', 'signing', 'finished', 'rejected', 'canceled', 'expired']),
  ordered: z.boolean(),
  deadline: when.nullable(),
  reference: text(1000).nullable(),
  endReason: text(4000).nullable(),
  createdAt: when,
  updatedAt: when,
  startedAt: when.nullable(),
  finishedAt: when.nullable(),
  events: size,
  documents: z.array(document),
  actors: z.array(actor),
  fields: z.array(
    z.object({
      id: z.uuid(),
      documentId: z.uuid(),
      actorId: z.uuid(),
      kind: z.enum(['seal', 'signature', 'date']),
      page: count,
      x: z.number(),
      y: z.number(),
      width: z.number(),
      height: z.number(),
    }),
  ),
  imported: z.object({ origin: text(300), logKeys: z.array(text(500)).max(20) }).nullable(),
})

export const memberLine = z.object({
  role: z.enum(['admin', 'member']),
  active: z.boolean(),
  login: text(320).nullable(),
})

export type MemberLine = z.output<typeof memberLine>
export type FileLine = z.output<typeof fileLine>
export type ContractLine = z.output<typeof contractLine>

/** The rows of a contract here. Ids of people and companies are of the other installation, and left behind. */
export function rowsOf(contract: ContractLine, corpId: string, sourceId: string) {
  const ids = { task_id: contract.id, tenant_id: corpId }
  return {
    row: {
      id: contract.id,
      tenant_id: corpId,
      initiator_name: contract.initiatorName,
      creator_person_id: null,
      title: contract.title,
      status: contract.status,
      ordered: contract.ordered,
      deadline: contract.deadline,
      reference: contract.reference,
      end_reason: contract.endReason,
      created_at: contract.createdAt,
      updated_at: contract.updatedAt,
      started_at: contract.startedAt,
      finished_at: contract.finishedAt,
      destroyed_at: null,
    },
    documents: contract.documents.map((one) => ({
      ...ids,
      id: one.id,
      ref: one.ref,
      name: one.name,
      position: one.position,
      file_id: one.fileId,
      page_count: one.pageCount,
      pages: one.pages,
      revision: one.revision,
      sha256: one.sha256,
      size_bytes: one.sizeBytes,
    })),
    actors: contract.actors.map((one) => ({
      ...ids,
      id: one.id,
      ref: one.ref,
      position: one.position,
      kind: one.kind,
      role: one.role,
      name: one.name,
      // Ids of people and companies are of the other installation; only the holder is known on both.
      subject_id: one.subjectId === sourceId ? corpId : null,
      person_id: null,
      mobile: one.mobile,
      email: one.email,
      sign_order: one.signOrder,
      status: one.status,
      seal_id: null,
      free_sign_business_id: null,
      signed_at: one.signedAt,
      certificate_serial: one.certificateSerial,
      reject_reason: one.rejectReason,
    })),
    fields: contract.fields.map((one) => ({
      ...ids,
      id: one.id,
      document_id: one.documentId,
      actor_id: one.actorId,
      kind: one.kind,
      page: one.page,
      x: one.x,
      y: one.y,
      width: one.width,
      height: one.height,
    })),
  }
}
