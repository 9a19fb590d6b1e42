import { z } from 'zod'
import { addressGroup, type Http } from '#src/http/http.ts'
import type { Verification } from './verification.ts'

export const verificationReport = z.object({
  ok: z.boolean(),
  fileName: z.string().nullable(),
  sha256: z.string(),
  knownHere: z.boolean(),
  signatures: z.array(
    z.object({
      status: z.enum(['valid', 'invalid', 'indeterminate']),
      signer: z.string(),
      signedAt: z.string().nullable(),
      timestamp: z.string().nullable(),
      level: z.string(),
      coversWholeDocument: z.boolean(),
      changesAfter: z.string(),
      trusted: z.boolean().nullable(),
      problems: z.array(z.object({ code: z.string(), message: z.string() })),
    }),
  ),
  pageChanges: z.array(
    z.object({
      level: z.enum(['none', 'validation', 'signatures', 'form', 'annotations', 'other']),
      pageBefore: z.number().nullable(),
      pageAfter: z.number().nullable(),
      areas: z.array(z.object({ x: z.number(), y: z.number(), width: z.number(), height: z.number() })),
      beforeBytes: z.number(),
      afterBytes: z.number(),
    }),
  ),
})

export function addVerificationRoutes(deps: {
  http: Http
  verification: Verification
  uploadLimitBytes: number
}): void {
  deps.http.route({
    method: 'POST',
    url: '/api/v1/verifications',
    summary: 'Verifies every signature of a PDF; nothing of the file is kept.',
    access: 'public',
    body: 'stream',
    consumes: ['application/pdf'],
    answer: verificationReport,
    rateLimit: { max: 30, perMs: 60_000 },
    handle: async ({ upload, lang, request }) => {
      const content = upload(deps.uploadLimitBytes)
      const fileName = content.fileName ?? null
      return await deps.verification.admit(addressGroup(request.ip), content, (pdf) =>
        deps.verification.verify(pdf, { fileName, lang }),
      )
    },
  })

  deps.http.route({
    method: 'POST',
    url: '/api/v1/verifications/pictures',
    summary:
      'Draws one changed page of the report on the same PDF: before, after, or the difference in red. Nothing is kept, so the file is sent again.',
    access: 'public',
    query: z.object({
      change: z.coerce.number().int().min(0).max(199),
      view: z.enum(['before', 'after', 'difference']),
    }),
    body: 'stream',
    consumes: ['application/pdf'],
    answer: 'raw',
    produces: ['image/png'],
    rateLimit: { max: 60, perMs: 60_000 },
    handle: async ({ upload, query, lang, request }) => {
      const content = upload(deps.uploadLimitBytes)
      const body = await deps.verification.admit(addressGroup(request.ip), content, (pdf) =>
        deps.verification.picture(pdf, { ...query, lang }),
      )
      return { contentType: 'image/png', body }
    },
  })
}
