/** Rows of a contract as an export tells of them, read strictly: they come from outside. */
import { z } from 'zod'

const when = z.string().transform((text, context) => {
  const at = new Date(text)
  if (Number.isNaN(at.getTime())) context.addIssue({ code: 'custom', message: 'no time' })
  return at
})
const hash = z.string().regex(/^[0-9a-f]{64}$/)
const size = z.number().int().min(0)
const page = z.object({ widthPt: z.number(), heightPt: z.number() })

export const fileLine = z.object({
  id: z.uuid(),
  name: z.string(),
  sizeBytes: size,
  sha256: hash,
  pageCount: size,
  pages: z.array(page),
  signatureCount: size,
  createdAt: when,
})

const document = z.object({
  id: z.uuid(),
  ref: z.string(),
  name: z.string(),
  position: size,
  fileId: z.uuid(),
  pageCount: size,
  pages: z.array(page),
  revision: size,
  sha256: hash,
  sizeBytes: size,
  revisions: z.array(
    z.object({ revision: size, segmentBytes: size, sizeBytes: size, sha256: hash, createdAt: when }),
  ),
})

const actor = z.object({
  id: z.uuid(),
  ref: z.string(),
  position: size,
  kind: z.enum(['person', 'corp']),
  role: z.enum(['sign', 'cc']),
  name: z.string(),
  subjectId: z.uuid().nullable(),
  mobile: z.string().nullable(),
  email: z.string().nullable(),
  signOrder: size,
  status: z.enum(['waiting', 'ready', 'viewed', 'signing', 'signed', 'rejected', 'notified']),
  signedAt: when.nullable(),
  certificateSerial: z.string().nullable(),
  rejectReason: z.string().nullable(),
})

export const contractLine = z.object({
  id: z.uuid(),
  initiatorId: z.uuid(),
  initiatorName: z.string(),
  title: z.string(),
  status: z.enum(['draft', 'signing', 'finished', 'rejected', 'canceled', 'expired']),
  ordered: z.boolean(),
  deadline: when.nullable(),
  reference: z.string().nullable(),
  endReason: z.string().nullable(),
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
      page: z.number().int(),
      x: z.number(),
      y: z.number(),
      width: z.number(),
      height: z.number(),
    }),
  ),
  imported: z.object({ origin: z.string(), logKeys: z.array(z.string()) }).nullable(),
})

export type FileLine = z.output<typeof fileLine>
export type ContractLine = z.output<typeof contractLine>
