/** What the routes of this room say, as zod; `wire.test.ts` holds them to the published types. */
import { z } from 'zod'
import { environment, identityState } from '#src/accounts/wire.ts'

const sha256 = z.string().regex(/^[0-9a-f]{64}$/)
const ref = z.string().min(1).max(64)
const points = z.number().min(-20_000).max(20_000)
const length = z.number().positive().max(20_000)

export const subjectKind = z.enum(['person', 'corp'])
export const actorRole = z.enum(['sign', 'cc'])
export const taskStatus = z.enum(['draft', 'signing', 'finished', 'rejected', 'canceled', 'expired'])
export const actorStatus = z.enum(['waiting', 'ready', 'viewed', 'signing', 'signed', 'rejected', 'notified'])
export const fieldKind = z.enum(['seal', 'signature', 'date'])

export const actorInput = z.object({
  ref,
  kind: subjectKind,
  role: actorRole,
  name: z.string().trim().min(1).max(128),
  subjectId: z.uuid().optional(),
  mobile: z.string().max(40).optional(),
  email: z.string().max(254).optional(),
  order: z.number().int().min(1).max(1000).optional(),
  sealId: z.uuid().optional(),
  freeSignBusinessId: z.string().min(1).max(64).optional(),
})

export const fieldInput = z.object({
  documentRef: ref,
  actorRef: ref,
  kind: fieldKind,
  position: z.union([
    z.strictObject({
      page: z.number().int().min(1),
      x: points,
      y: points,
      width: length.optional(),
      height: length.optional(),
    }),
    z.strictObject({
      keyword: z.string().min(1).max(100),
      occurrence: z.union([z.number().int().min(1), z.literal('all')]).optional(),
      offsetX: points.optional(),
      offsetY: points.optional(),
      width: length.optional(),
      height: length.optional(),
    }),
  ]),
})

export const signTaskInput = z.object({
  title: z.string().trim().min(1).max(200),
  documents: z
    .array(z.object({ ref, fileId: z.uuid(), name: z.string().min(1).max(255).optional() }))
    .max(50),
  actors: z.array(actorInput).max(100),
  fields: z.array(fieldInput).max(2000),
  ordered: z.boolean().optional(),
  deadline: z.iso.datetime({ offset: true }).optional(),
  autoStart: z.boolean().optional(),
  reference: z.string().max(200).optional(),
})

export const reasonInput = z.object({ reason: z.string().trim().min(1).max(500) })

export const signTaskSummary = z.object({
  id: z.uuid(),
  title: z.string(),
  status: taskStatus,
  initiator: z.object({ subjectId: z.uuid(), name: z.string() }),
  actors: z.array(
    z.object({
      actorId: z.uuid(),
      name: z.string(),
      kind: subjectKind,
      role: actorRole,
      status: actorStatus,
    }),
  ),
  myActorId: z.uuid().nullable(),
  myTurn: z.boolean(),
  deadline: z.iso.datetime().nullable(),
  createdAt: z.iso.datetime(),
  updatedAt: z.iso.datetime(),
})

export const taskDocument = z.object({
  documentId: z.uuid(),
  ref: z.string(),
  name: z.string(),
  pageCount: z.number(),
  pages: z.array(z.object({ widthPt: z.number(), heightPt: z.number() })),
  sha256: z.string(),
  sizeBytes: z.number(),
  revision: z.number(),
})

export const field = z.object({
  fieldId: z.uuid(),
  documentId: z.uuid(),
  actorId: z.uuid(),
  kind: fieldKind,
  page: z.number(),
  x: z.number(),
  y: z.number(),
  width: z.number(),
  height: z.number(),
})

export const signTask = signTaskSummary.extend({
  ordered: z.boolean(),
  reference: z.string().nullable(),
  documents: z.array(taskDocument),
  actorDetails: z.array(
    z.object({
      actorId: z.uuid(),
      ref: z.string(),
      kind: subjectKind,
      role: actorRole,
      name: z.string(),
      subjectId: z.uuid().nullable(),
      contact: z.string().nullable(),
      order: z.number(),
      status: actorStatus,
      freeSign: z.boolean(),
      signedAt: z.iso.datetime().nullable(),
      certificateSerial: z.string().nullable(),
      rejectReason: z.string().nullable(),
    }),
  ),
  fields: z.array(field),
  endReason: z.string().nullable(),
  startedAt: z.iso.datetime().nullable(),
  finishedAt: z.iso.datetime().nullable(),
})

export const taskEvent = z.object({
  seq: z.number(),
  type: z.string(),
  at: z.iso.datetime(),
  actor: z.object({ kind: z.string(), name: z.string().nullable() }),
  data: z.record(z.string(), z.unknown()),
  hash: z.string(),
  logIndex: z.number().nullable(),
})

export const signingLink = z.object({ url: z.string(), token: z.string(), expiresAt: z.iso.datetime() })

export const ceremonyCover = z.object({
  taskTitle: z.string(),
  initiatorName: z.string(),
  taskStatus,
  deadline: z.iso.datetime().nullable(),
  actor: z.object({
    kind: subjectKind,
    role: actorRole,
    nameMasked: z.string(),
    contactMasked: z.string().nullable(),
    status: actorStatus,
  }),
  channel: z.enum(['sms', 'mail']).nullable(),
  environment,
})

export const ceremony = z.object({
  step: z.enum([
    'log-in',
    'prove-identity',
    'wrong-person',
    'wait',
    'read-and-sign',
    'done',
    'rejected',
    'closed',
  ]),
  cover: ceremonyCover,
  task: z
    .object({
      id: z.uuid(),
      title: z.string(),
      documents: z.array(taskDocument),
      fields: z.array(field.extend({ mine: z.boolean(), signed: z.boolean() })),
      actors: z.array(
        z.object({
          name: z.string(),
          kind: subjectKind,
          role: actorRole,
          status: actorStatus,
          order: z.number(),
          mine: z.boolean(),
        }),
      ),
    })
    .nullable(),
  me: z
    .object({
      personId: z.uuid(),
      name: z.string().nullable(),
      contactMasked: z.string().nullable(),
      identity: identityState,
    })
    .nullable(),
  seals: z.array(
    z.object({
      id: z.uuid(),
      name: z.string(),
      kind: z.enum(['official', 'contract', 'finance', 'legal-representative', 'personal']),
    }),
  ),
  signatures: z.array(z.object({ id: z.uuid(), svg: z.string() })),
  consentText: z.string(),
})

export const codeSent = z.object({ sentTo: z.string(), expiresAt: z.iso.datetime() })
export const codeInput = z.object({ code: z.string().min(1).max(20) })
export const ceremonySession = z.object({ token: z.string(), ceremony })
export const readInput = z.object({ documentId: z.uuid(), sha256 })

const coordinate = z.number().min(-100_000).max(100_000)
export const signInput = z.object({
  code: z.string().min(1).max(20),
  consent: z.literal(true),
  documents: z.array(z.object({ documentId: z.uuid(), sha256 })).max(50),
  sealId: z.uuid().optional(),
  handwriting: z
    .object({
      width: z.number().positive().max(100_000),
      height: z.number().positive().max(100_000),
      strokes: z
        .array(
          z.object({
            points: z
              .array(
                z.object({
                  x: coordinate,
                  y: coordinate,
                  t: z.number(),
                  pressure: z.number().min(0).max(1),
                }),
              )
              .max(5000),
          }),
        )
        .min(1)
        .max(200),
    })
    .optional(),
  signatureId: z.uuid().optional(),
  keepSignature: z.boolean().optional(),
})

export const signResult = z.object({
  status: z.literal('signed'),
  taskStatus,
  signedAt: z.iso.datetime(),
  certificateSerial: z.string(),
  documents: z.array(z.object({ documentId: z.uuid(), sha256: z.string() })),
})
