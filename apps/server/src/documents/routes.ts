import { z } from 'zod'
import type { Http } from '#src/http/http.ts'
import { fileAnswer } from '#src/http/range.ts'
import type { Documents, FileDetails } from './documents.ts'
import * as wire from './wire.ts'

const fileParams = z.object({ id: z.uuid() })

export function addDocumentRoutes({ http, documents }: { http: Http; documents: Documents }): void {
  const { route } = http

  route({
    method: 'POST',
    url: '/api/v1/files',
    summary: 'Uploads a PDF; it is inspected and refused by name when no contract should be like it.',
    access: 'caller',
    body: 'stream',
    consumes: ['application/pdf', 'application/octet-stream'],
    answer: wire.fileInfo,
    status: 201,
    idempotency: 'steps',
    handle: async ({ caller, upload, complete }) => {
      const content = upload(documents.limitBytes)
      const file = await documents.receive(
        caller,
        { name: content.fileName ?? 'document.pdf', content, expectedSha256: content.expectedSha256 },
        (tx, made) => complete(tx, toWireFile(made)),
      )
      return toWireFile(file)
    },
  })

  route({
    method: 'GET',
    url: '/api/v1/files/:id',
    summary: 'Tells size, hash and pages of a file.',
    access: 'caller',
    params: fileParams,
    answer: wire.fileInfo,
    handle: async ({ caller, params }) => toWireFile(await documents.file(caller.subjectId, params.id)),
  })

  route({
    method: 'GET',
    url: '/api/v1/files/:id/content',
    summary: 'Downloads a file, whole or in part (Range).',
    access: 'caller',
    params: fileParams,
    answer: 'raw',
    produces: ['application/pdf'],
    handle: async ({ caller, params, request }) => {
      const file = await documents.file(caller.subjectId, params.id)
      return fileAnswer({
        range: request.headers.range,
        sizeBytes: file.sizeBytes,
        sha256: file.sha256,
        contentType: 'application/pdf',
        fileName: file.name,
        read: (range) => documents.stream(caller.subjectId, file.id, range),
      })
    },
  })

  route({
    method: 'POST',
    url: '/api/v1/files/:id/keyword-positions',
    summary: 'Finds where a keyword stands, in points from the upper left corner of each page as displayed.',
    access: 'caller',
    params: fileParams,
    body: wire.keywordInput,
    answer: z.object({ positions: z.array(wire.keywordPosition) }),
    rateLimit: { max: 60, perMs: 60_000 },
    example: { body: { keyword: '乙方（签章）' } },
    handle: async ({ caller, params, body }) => ({
      positions: await documents.keywordPositions(caller.subjectId, params.id, body.keyword),
    }),
  })
}

function toWireFile(file: FileDetails) {
  return {
    id: file.id,
    name: file.name,
    sizeBytes: file.sizeBytes,
    sha256: file.sha256,
    pageCount: file.pageCount,
    pages: file.pages,
    signatureCount: file.signatureCount,
    createdAt: file.createdAt.toISOString(),
  }
}
