import { z } from 'zod'
import type { Documents } from '#src/documents/documents.ts'
import type { Verification } from '#src/verification/verification.ts'
import { endpoint, type Endpoints } from './endpoint.ts'
import { refuse } from './errors.ts'
import { pointText } from './fields.ts'
import { toOpenId } from './open-ids.ts'
import { openId, text, timeText } from './shapes.ts'
import type { Uploads } from './uploads.ts'

/** Attachments are files that nobody signs; there are none in a task here. */
const fileType = z.enum(['doc', 'attach'])

function refuseAttachment(type: z.output<typeof fileType>): void {
  if (type === 'attach') throw refuse('fasc_unsupported', { name: 'fileType=attach' })
}

/** `/file/…`: from upload to a file that can be signed, keywords, and the check of a signed file. */
export function fileEndpoints(deps: {
  uploads: Uploads
  documents: Pick<Documents, 'file' | 'content' | 'keywordPositions'>
  verification: Pick<Verification, 'verify'>
}): Endpoints {
  const { uploads, documents } = deps
  return {
    '/file/get-upload-url': endpoint(z.object({ fileType }), async (caller, input) => {
      refuseAttachment(input.fileType)
      return await uploads.announce(caller)
    }),

    '/file/upload-by-url': endpoint(
      z.object({ fileType, fileUrl: z.string().min(1).max(4000) }),
      async (caller, input) => {
        refuseAttachment(input.fileType)
        return await uploads.fetch(caller, input.fileUrl)
      },
    ),

    '/file/process': endpoint(
      z.object({
        fddFileUrlList: z
          .array(
            z.object({
              fileType,
              fddFileUrl: z.string().max(2000),
              fileName: z.string().trim().min(1).max(200),
              fileFormat: text(20),
            }),
          )
          .min(1)
          .max(20),
      }),
      async (caller, input) => {
        const fileIdList = []
        for (const one of input.fddFileUrlList) {
          refuseAttachment(one.fileType)
          if (one.fileFormat !== undefined && one.fileFormat.toLowerCase() !== 'pdf') {
            throw refuse('fasc_unsupported', { name: `fileFormat=${one.fileFormat}` })
          }
          const file = await uploads.process(caller, one.fddFileUrl, plainName(one.fileName))
          fileIdList.push({
            fileId: toOpenId(file.id),
            fileType: one.fileType,
            fddFileUrl: one.fddFileUrl,
            fileName: one.fileName,
            fileTotalPages: file.pageCount,
          })
        }
        return { fileIdList }
      },
    ),

    '/file/get-keyword-positions': endpoint(
      z.object({ fileId: openId, keywords: z.array(z.string().min(1).max(100)).min(1).max(20) }),
      async (caller, input) => {
        const answer = []
        for (const keyword of input.keywords) {
          const found = await documents.keywordPositions(caller.subjectId, input.fileId, keyword)
          const pages = [...new Set(found.map((one) => one.page))]
          answer.push({
            keyword,
            positions: pages.map((page) => ({
              positionPageNo: page,
              coordinates: found
                .filter((one) => one.page === page)
                .map((one) => ({
                  positionX: pointText(one.x + one.width / 2),
                  positionY: pointText(one.y + one.height / 2),
                })),
            })),
          })
        }
        return answer
      },
    ),

    '/file/verify-sign': endpoint(
      z.object({
        fileId: openId,
        fileHash: z
          .string()
          .regex(/^[0-9a-f]{64}$/i)
          .nullish(),
        signTaskId: text(64),
      }),
      async (caller, input) => {
        if (input.signTaskId !== undefined) throw refuse('fasc_unsupported', { name: 'signTaskId' })
        const file = await documents.file(caller.subjectId, input.fileId)
        if (input.fileHash != null && input.fileHash.toLowerCase() !== file.sha256) {
          return { verifyResult: false, reason: '文件内容与 fileHash 不一致', signatureInfos: [] }
        }
        const pdf = await wholeOf(await documents.content(caller.subjectId, input.fileId))
        const report = await deps.verification.verify(pdf, { fileName: file.name, lang: 'zh' })
        const problems = report.signatures.flatMap((one) => one.problems.map((problem) => problem.message))
        const reason = problems[0] ?? (report.signatures.length === 0 ? '文件没有电子签名' : undefined)
        return {
          verifyResult: report.ok,
          ...(report.ok || reason === undefined ? {} : { reason }),
          signatureInfos: report.signatures.map((one) => ({
            signer: one.signer,
            signedonTime: timeText(one.signedAt),
            timestampFlag: one.timestamp !== null,
            timestampTime: timeText(one.timestamp),
            timestampVerifyFlag: one.timestamp !== null,
            integrityFlag:
              one.status === 'valid' && (one.changesAfter === 'none' || one.changesAfter === 'signatures'),
          })),
        }
      },
    ),
  }
}

/** A name, not a path. */
function plainName(name: string): string {
  const base = name.split(/[\\/]/).at(-1) ?? ''
  return [...base].filter((char) => char >= ' ' && char !== '\u007f').join('') || 'document.pdf'
}

async function wholeOf(content: Uint8Array | AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  if (content instanceof Uint8Array) return content
  const parts: Uint8Array[] = []
  for await (const part of content) parts.push(part)
  return Buffer.concat(parts)
}
