import { z } from 'zod'
import type { Http } from '#src/http/http.ts'
import { plain } from '#src/http/plain.ts'
import { contentDisposition } from '#src/http/range.ts'
import { signInput, signResult } from '#src/sign-tasks/wire.ts'
import type { EvidencePackages } from './package.ts'
import type { Signing } from './signing.ts'

export interface SigningRoutesDeps {
  http: Http
  signing: Pick<Signing, 'sign'>
  evidencePackage: EvidencePackages
}

export function addSigningRoutes({ http, signing, evidencePackage }: SigningRoutesDeps): void {
  http.route({
    method: 'POST',
    url: '/api/v1/ceremonies/:token/sign',
    summary: 'Signs: with the one-time code, the consent, and the fingerprint of each document as read.',
    access: 'session',
    params: z.object({ token: z.string().min(20).max(100) }),
    body: signInput,
    answer: signResult,
    idempotency: 'steps',
    rateLimit: { max: 60, perMs: 60_000 },
    handle: ({ caller, params, body, lang, complete, request }) =>
      signing.sign(
        caller,
        params.token,
        plain(body),
        { lang, address: request.ip, userAgent: String(request.headers['user-agent'] ?? '').slice(0, 300) },
        complete,
      ),
  })

  http.route({
    method: 'GET',
    url: '/api/v1/sign-tasks/:id/evidence',
    summary: 'Downloads the evidence package of a task: signed files, events, proofs and certificates.',
    access: 'caller',
    params: z.object({ id: z.uuid() }),
    answer: 'raw',
    produces: ['application/zip'],
    handle: async ({ caller, params }) => {
      const { fileName, content } = await evidencePackage(caller, params.id)
      return {
        contentType: 'application/zip',
        body: content,
        headers: { 'content-disposition': contentDisposition('attachment', fileName) },
      }
    },
  })
}
