import { z } from 'zod'
import type { Documents } from '#src/documents/documents.ts'
import type { Http } from '#src/http/http.ts'
import { decodeCursor, encodeCursor, pageOf, pageQuery } from '#src/http/paging.ts'
import { plain } from '#src/http/plain.ts'
import { fileAnswer } from '#src/http/range.ts'
import type { SignTasks } from './sign-tasks.ts'
import * as wire from './wire.ts'

export interface SignTaskRoutesDeps {
  http: Http
  signTasks: SignTasks
  documents: Pick<Documents, 'file' | 'stream'>
}

const idParams = z.object({ id: z.uuid() })
const actorParams = idParams.extend({ actorId: z.uuid() })
const documentParams = idParams.extend({ documentId: z.uuid() })
const exampleTask = {
  title: '房屋租赁合同',
  documents: [{ ref: 'contract', fileId: '0198c0de-0000-7000-8000-000000000001' }],
  actors: [
    { ref: 'lessor', kind: 'corp', role: 'sign', name: '示例科技有限公司', freeSignBusinessId: 'demo' },
    { ref: 'tenant', kind: 'person', role: 'sign', name: '张三', mobile: '13800000000', order: 2 },
  ],
  fields: [
    { documentRef: 'contract', actorRef: 'lessor', kind: 'seal', position: { keyword: '出租方（盖章）' } },
    {
      documentRef: 'contract',
      actorRef: 'tenant',
      kind: 'signature',
      position: { page: 1, x: 360, y: 640, width: 113, height: 45 },
    },
  ],
  autoStart: true,
}

export function addSignTaskRoutes({ http, signTasks, documents }: SignTaskRoutesDeps): void {
  const { route } = http

  route({
    method: 'POST',
    url: '/api/v1/sign-tasks',
    summary: 'Creates a sign task from uploaded files, and starts it at once with `autoStart`.',
    access: 'caller',
    body: wire.signTaskInput,
    answer: wire.signTask,
    status: 201,
    idempotency: 'steps',
    example: { body: exampleTask },
    handle: ({ caller, body, complete }) => signTasks.create(caller, plain(body), complete),
  })

  route({
    method: 'GET',
    url: '/api/v1/sign-tasks',
    summary: 'Lists the tasks the acting subject initiated or is a party to, newest first.',
    access: 'caller',
    query: pageQuery.extend({
      status: wire.taskStatus.optional(),
      role: z.enum(['initiated', 'received']).optional(),
      q: z.string().max(200).optional(),
    }),
    answer: pageOf(wire.signTaskSummary),
    handle: async ({ caller, query }) => {
      const { cursor, limit, ...filter } = query
      const position = decodeCursor(cursor, z.tuple([z.uuid()]))
      const items = await signTasks.list(caller, {
        ...plain(filter),
        ...(position === undefined ? {} : { beforeId: position[0] }),
        limit: limit + 1,
      })
      const shown = items.slice(0, limit)
      const last = shown.at(-1)
      const hasMore = items.length > limit && last !== undefined
      return { items: shown, nextCursor: hasMore ? encodeCursor([last.id]) : null }
    },
  })

  route({
    method: 'GET',
    url: '/api/v1/sign-tasks/:id',
    summary: 'Shows a task with its documents, actors and fields.',
    access: 'caller',
    params: idParams,
    answer: wire.signTask,
    handle: ({ caller, params }) => signTasks.get(caller, params.id),
  })

  route({
    method: 'DELETE',
    url: '/api/v1/sign-tasks/:id',
    summary: 'Throws a draft away.',
    access: 'caller',
    params: idParams,
    answer: null,
    handle: ({ caller, params }) => signTasks.remove(caller, params.id),
  })

  route({
    method: 'POST',
    url: '/api/v1/sign-tasks/:id/start',
    summary: 'Freezes the documents of a draft and asks the first signers.',
    access: 'caller',
    params: idParams,
    answer: wire.signTask,
    idempotency: 'steps',
    handle: ({ caller, params, complete }) => signTasks.start(caller, params.id, complete),
  })

  route({
    method: 'POST',
    url: '/api/v1/sign-tasks/:id/cancel',
    summary: 'Cancels a task that is not finished; its links end.',
    access: 'caller',
    params: idParams,
    body: wire.reasonInput,
    answer: wire.signTask,
    idempotency: 'steps',
    example: { body: { reason: '条款有误，重新发起' } },
    handle: ({ caller, params, body, complete }) =>
      signTasks.cancel(caller, params.id, body.reason, complete),
  })

  route({
    method: 'POST',
    url: '/api/v1/sign-tasks/:id/urge',
    summary: 'Reminds those whose turn it is; at most twice a day, two hours apart.',
    access: 'caller',
    params: idParams,
    answer: wire.signTask,
    idempotency: 'steps',
    handle: ({ caller, params, complete }) => signTasks.urge(caller, params.id, complete),
  })

  route({
    method: 'POST',
    url: '/api/v1/sign-tasks/:id/actors',
    summary: 'Adds actors to a draft.',
    access: 'caller',
    params: idParams,
    body: z.array(wire.actorInput).min(1).max(100),
    answer: wire.signTask,
    idempotency: 'steps',
    handle: ({ caller, params, body, complete }) =>
      signTasks.addActors(caller, params.id, plain(body), complete),
  })

  route({
    method: 'POST',
    url: '/api/v1/sign-tasks/:id/fields',
    summary: 'Adds fields to a draft.',
    access: 'caller',
    params: idParams,
    body: z.array(wire.fieldInput).min(1).max(2000),
    answer: wire.signTask,
    idempotency: 'steps',
    handle: ({ caller, params, body, complete }) =>
      signTasks.addFields(caller, params.id, plain(body), complete),
  })

  route({
    method: 'POST',
    url: '/api/v1/sign-tasks/:id/actors/:actorId/link',
    summary: 'Makes a link to an actor’s signing ceremony; it locates the task and opens nothing.',
    access: 'caller',
    params: actorParams,
    answer: wire.signingLink,
    handle: async ({ caller, params }) => {
      const { url, token, expiresAt } = await signTasks.link(caller, params.id, params.actorId)
      return { url, token, expiresAt: expiresAt.toISOString() }
    },
  })

  route({
    method: 'GET',
    url: '/api/v1/sign-tasks/:id/documents/:documentId/content',
    summary: 'Downloads a document as it is now, or as it was at a revision.',
    access: 'caller',
    params: documentParams,
    query: z.object({ revision: z.coerce.number().int().min(0).optional() }),
    answer: 'raw',
    produces: ['application/pdf'],
    handle: async ({ caller, params, query, request }) => {
      const document = await signTasks.document(caller, params.id, params.documentId, query.revision)
      const last = document.segments.at(-1)
      if (last === undefined) {
        // A draft has no frozen copy yet: what it will sign is the file as uploaded.
        const file = await documents.file(caller.subjectId, document.fileId)
        return fileAnswer({
          range: request.headers.range,
          sizeBytes: file.sizeBytes,
          sha256: file.sha256,
          contentType: 'application/pdf',
          fileName: pdfName(document.name),
          read: (range) => documents.stream(caller.subjectId, document.fileId, range),
        })
      }
      return fileAnswer({
        range: request.headers.range,
        sizeBytes: last.size_bytes,
        sha256: last.sha256,
        contentType: 'application/pdf',
        fileName: pdfName(document.name),
        read: (range) => signTasks.revisions.stream(document.segments, { partyId: caller.subjectId }, range),
      })
    },
  })

  route({
    method: 'GET',
    url: '/api/v1/sign-tasks/:id/events',
    summary: 'Lists what happened to a task, each event with its hash and its place in the transparency log.',
    access: 'caller',
    params: idParams,
    query: pageQuery,
    answer: pageOf(wire.taskEvent),
    handle: async ({ caller, params, query }) => {
      const position = decodeCursor(query.cursor, z.tuple([z.number().int().min(0)]))
      const events = await signTasks.events(caller, params.id, {
        fromSeq: position?.[0] ?? 0,
        limit: query.limit + 1,
      })
      const shown = events.slice(0, query.limit)
      const next = events[query.limit]
      return {
        items: shown.map((event) => ({
          ...event,
          actor: {
            kind: event.actor.kind,
            name: typeof event.actor.name === 'string' ? event.actor.name : null,
          },
        })),
        nextCursor: next === undefined ? null : encodeCursor([next.seq]),
      }
    },
  })
}

/** A name that saves as a PDF, whatever the task calls the document. */
export function pdfName(name: string): string {
  return /\.pdf$/i.test(name) ? name : `${name}.pdf`
}
