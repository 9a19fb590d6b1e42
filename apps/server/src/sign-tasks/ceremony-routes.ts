import { z } from 'zod'
import type { Http } from '#src/http/http.ts'
import { fileAnswer } from '#src/http/range.ts'
import { setSessionCookie } from '#src/http/session-cookie.ts'
import { pdfName } from './routes.ts'
import type { SignTasks } from './sign-tasks.ts'
import * as wire from './wire.ts'

const tokenParams = z.object({ token: z.string().min(20).max(100) })
const documentParams = tokenParams.extend({ documentId: z.uuid() })

export interface CeremonyRoutesDeps {
  http: Http
  signTasks: Pick<SignTasks, 'ceremonies' | 'revisions'>
  /** How long the session's cookie lives. */
  sessionMaxAgeS: number
}

/** The signer's routes; signing itself is declared by the room `signing`. */
export function addCeremonyRoutes({ http, signTasks, sessionMaxAgeS }: CeremonyRoutesDeps): void {
  const { route } = http
  const { ceremonies } = signTasks

  route({
    method: 'GET',
    url: '/api/v1/ceremonies/:token',
    summary: 'Shows what anyone holding a signing link may know: the title, who asks, and whom it is for.',
    access: 'public',
    params: tokenParams,
    answer: wire.ceremonyCover,
    rateLimit: { max: 120, perMs: 60_000 },
    handle: ({ params }) => ceremonies.cover(params.token),
  })

  route({
    method: 'POST',
    url: '/api/v1/ceremonies/:token/login-code',
    summary: 'Sends a log-in code to the contact of the link’s actor.',
    access: 'public',
    params: tokenParams,
    answer: wire.codeSent,
    status: 202,
    rateLimit: { max: 30, perMs: 60_000 },
    handle: async ({ params, lang }) => {
      const { sentTo, expiresAt } = await ceremonies.sendLoginCode(params.token, lang)
      return { sentTo, expiresAt: expiresAt.toISOString() }
    },
  })

  route({
    method: 'POST',
    url: '/api/v1/ceremonies/:token/session',
    summary: 'Logs in, or registers, the owner of that contact with the code.',
    access: 'public',
    params: tokenParams,
    body: wire.codeInput,
    answer: wire.ceremonySession,
    status: 201,
    rateLimit: { max: 30, perMs: 60_000 },
    handle: async ({ params, body, lang, reply }) => {
      const opened = await ceremonies.openSession(params.token, body.code)
      const ceremony = await ceremonies.view(opened.caller, params.token, lang)
      setSessionCookie(reply, opened.token, { https: http.https, maxAgeS: sessionMaxAgeS })
      return { token: opened.token, ceremony }
    },
  })

  for (const [name, summary] of [
    ['view', 'Shows the ceremony to the logged-in person, and what is next.'],
    ['result', 'Shows the ceremony after the actor’s answer, with what can be downloaded.'],
  ] as const) {
    route({
      method: 'GET',
      url: `/api/v1/ceremonies/:token/${name}`,
      summary,
      access: 'session',
      params: tokenParams,
      answer: wire.ceremony,
      handle: ({ caller, params, lang }) => ceremonies.view(caller, params.token, lang),
    })
  }

  route({
    method: 'GET',
    url: '/api/v1/ceremonies/:token/documents/:documentId/content',
    summary: 'Reads a document of the task.',
    access: 'session',
    params: documentParams,
    answer: 'raw',
    produces: ['application/pdf'],
    handle: async ({ caller, params, request }) => {
      const { name, segments, partyId } = await ceremonies.document(caller, params.token, params.documentId)
      const last = segments.at(-1)
      return fileAnswer({
        range: request.headers.range,
        sizeBytes: last?.size_bytes ?? 0,
        sha256: last?.sha256 ?? '',
        contentType: 'application/pdf',
        fileName: pdfName(name),
        read: (range) => signTasks.revisions.stream(segments, { partyId }, range),
      })
    },
  })

  route({
    method: 'POST',
    url: '/api/v1/ceremonies/:token/read',
    summary: 'Records that the actor has read a document.',
    access: 'session',
    params: tokenParams,
    body: wire.readInput,
    answer: null,
    handle: ({ caller, params, body }) => ceremonies.markRead(caller, params.token, body),
  })

  route({
    method: 'POST',
    url: '/api/v1/ceremonies/:token/sign-code',
    summary: 'Sends the one-time code with which the actor signs.',
    access: 'session',
    params: tokenParams,
    answer: wire.codeSent,
    status: 202,
    rateLimit: { max: 30, perMs: 60_000 },
    handle: async ({ caller, params, lang }) => {
      const { sentTo, expiresAt } = await ceremonies.sendSignCode(caller, params.token, lang)
      return { sentTo, expiresAt: expiresAt.toISOString() }
    },
  })

  route({
    method: 'POST',
    url: '/api/v1/ceremonies/:token/reject',
    summary: 'Refuses to sign; the task ends for everybody.',
    access: 'session',
    params: tokenParams,
    body: wire.reasonInput,
    answer: wire.ceremony,
    handle: ({ caller, params, body, lang }) => ceremonies.reject(caller, params.token, body.reason, lang),
  })
}
