import type { PdfInfo, PdfRefusalCode } from '@yinxin/pades'
import type { Caller } from '#src/accounts/accounts.ts'
import type { Audit } from '#src/audit/audit.ts'
import type { Clock } from '#src/clock.ts'
import type { Db, Tx } from '#src/db/db.ts'
import { newId } from '#src/ids.ts'
import type { Kms } from '#src/kms/kms.ts'
import type { Log } from '#src/log.ts'
import type { ByteRange, Storage, StoredObject } from '#src/storage/storage.ts'
import { nameActiveContent } from './active-content.ts'
import { refuse } from './errors.ts'
import { type FoundKeyword, foldText } from './keyword-text.ts'
import { createReaderPool } from './reader-pool.ts'
import { spool } from './spool.ts'
import { findFile, forgetFiles, insertFile } from './store.ts'
import type { PageSize } from './tables.ts'

export type { FoundKeyword } from './keyword-text.ts'
export type { PageSize } from './tables.ts'

/** A file that passed inspection. */
export interface FileDetails {
  id: string
  name: string
  objectId: string
  sizeBytes: number
  sha256: string
  pageCount: number
  /** As displayed: crop box and rotation applied. */
  pages: PageSize[]
  /** Signatures the file carried when it came. */
  signatureCount: number
  createdAt: Date
}

export interface ReceiveInput {
  name: string
  content: AsyncIterable<Uint8Array>
  /** Hex, when the sender told it. */
  expectedSha256?: string | undefined
}

/** Every method opens its own transaction and sees the files of one subject alone. */
export interface Documents {
  /**
   * Takes a PDF in flat memory, inspects it in a thread of its own, refuses by name (`file_…`) what no contract
   * should be, and stores it encrypted. `finish` runs in the transaction that makes the file exist.
   */
  receive(
    caller: Caller,
    input: ReceiveInput,
    finish?: (tx: Tx, file: FileDetails) => Promise<void>,
  ): Promise<FileDetails>
  /** @throws Refusal `file_not_found` */
  file(subjectId: string, fileId: string): Promise<FileDetails>
  /** The content, or a part of it; both ends of the range are included. */
  stream(subjectId: string, fileId: string, range?: ByteRange): AsyncIterable<Uint8Array>
  /** The content to be stored again: bytes when it is small, a stream otherwise. */
  content(subjectId: string, fileId: string): Promise<Uint8Array | AsyncIterable<Uint8Array>>
  /**
   * Where a keyword stands, page by page from 1, in points from the upper left corner as displayed. A keyword is
   * found within one line of text; spaces and full or half width do not matter.
   */
  keywordPositions(subjectId: string, fileId: string, keyword: string): Promise<FoundKeyword[]>
  /** Takes the names off uploaded files and tells their objects, which the caller destroys (worker role). */
  forget(
    tx: Tx,
    tenantId: string,
    fileIds: readonly string[],
  ): Promise<{ fileId: string; objectId: string }[]>
  /** Writes a file that came with an import and is stored already (worker role). */
  adopt(tx: Tx, tenantId: string, file: FileDetails): Promise<void>
  /** Largest content taken, in bytes. */
  readonly limitBytes: number
  close(): Promise<void>
}

export interface DocumentsDeps {
  db: Db
  clock: Clock
  log: Log
  kms: Kms
  storage: Storage
  audit: Audit
  limitBytes: number
  /** Folder for uploads under way that are too large for memory; encrypted, and empty after a crash. */
  spoolDir: string
  maxPages?: number
  inspectionDeadlineMs?: number
  /** Threads that read; each holds one file in memory at a time. */
  readers?: number
  /** Another reading script; for tests of threads that hang. */
  readerScript?: URL
}

const MAX_PAGES = 2000
const INSPECTION_MS = 20_000
const KEYWORD_MAX = 50
/** What is read at once when it is stored again. */
const SMALL_BYTES = 1 << 20

export function createDocuments(deps: DocumentsDeps): Documents {
  const { db, clock, log, kms, storage, audit, limitBytes } = deps
  const maxPages = deps.maxPages ?? MAX_PAGES
  const deadlineMs = deps.inspectionDeadlineMs ?? INSPECTION_MS
  const seconds = Math.ceil(deadlineMs / 1000)
  const readers = createReaderPool({
    size: deps.readers ?? 2,
    deadlineMs,
    ...(deps.readerScript === undefined ? {} : { script: deps.readerScript }),
  })

  async function inspect(load: () => Promise<ArrayBuffer>): Promise<PdfInfo> {
    const answer = await readers.run(async () => ({ work: 'inspect', pdf: await load() }))
    if (answer === 'deadline') throw refuse('file_inspection_timeout', { seconds })
    if (answer === 'exhausted') throw refuse('file_too_complex')
    if ('refusal' in answer) throw refuse(REFUSALS[answer.refusal] ?? 'file_damaged')
    if ('inspected' in answer) return checkInfo(answer.inspected, maxPages)
    log.error(
      { room: 'documents', failure: 'failure' in answer ? answer.failure : 'no answer' },
      'inspection failed',
    )
    throw refuse('file_damaged')
  }

  async function store(
    tenantId: string,
    fileId: string,
    content: Uint8Array | AsyncIterable<Uint8Array>,
    sha256: string,
  ): Promise<StoredObject> {
    // The key is durable before anything is encrypted under it.
    await kms.createScopeKey(tenantId, fileId)
    return storage.put({ tenantId, scopeId: fileId, class: 'draft', content, expectedSha256: sha256 })
  }

  async function file(subjectId: string, fileId: string): Promise<FileDetails> {
    const found = await db.askAs(subjectId, (tx) => findFile(tx, subjectId, fileId))
    if (found === undefined) throw refuse('file_not_found')
    return found
  }

  return {
    limitBytes,
    file,
    adopt: insertFile,
    forget: forgetFiles,

    async receive(caller, input, finish) {
      const tenantId = caller.subjectId
      // 1. Take it in, counted and hashed as it flows.
      const received = await spool(input.content, { folder: deps.spoolDir, limitBytes })
      try {
        if (received.sizeBytes === 0) throw refuse('file_empty')
        if (input.expectedSha256 !== undefined && input.expectedSha256.toLowerCase() !== received.sha256)
          throw refuse('file_hash_mismatch')
        // 2. Look at it where it can do no harm.
        const info = await inspect(() => received.load())
        // 3. Store it under a key of its own, durable before anybody hears of it. It comes from where it waits: the
        // copy that was inspected is gone, or slow disks would fill the memory.
        const fileId = newId()
        const stored = await store(tenantId, fileId, received.content(), received.sha256)
        // 4. Make it exist.
        const made: FileDetails = {
          id: fileId,
          name: input.name,
          objectId: stored.id,
          sizeBytes: received.sizeBytes,
          sha256: received.sha256,
          pageCount: info.pageCount,
          pages: info.pages.map(({ widthPt, heightPt }) => ({ widthPt, heightPt })),
          signatureCount: info.signatures,
          createdAt: clock.now(),
        }
        await db.as(tenantId, async (tx) => {
          await storage.record(tx, stored)
          await insertFile(tx, tenantId, made)
          await audit.record(tx, {
            tenantId,
            caller,
            action: 'file.received',
            subjectKind: 'file',
            subjectId: fileId,
            data: { sha256: made.sha256, sizeBytes: made.sizeBytes, pageCount: made.pageCount },
          })
          await finish?.(tx, made)
        })
        return made
      } finally {
        await received.release()
      }
    },

    async *stream(subjectId, fileId, range) {
      const { objectId } = await file(subjectId, fileId)
      yield* storage.stream(objectId, range)
    },

    async content(subjectId, fileId) {
      const { objectId, sizeBytes } = await file(subjectId, fileId)
      return sizeBytes <= SMALL_BYTES ? storage.read(objectId) : storage.stream(objectId)
    },

    async keywordPositions(subjectId, fileId, keyword) {
      const folded = foldText(keyword)
      if (folded === '' || [...folded].length > KEYWORD_MAX) throw refuse('keyword_invalid')
      const { objectId, pages, sizeBytes } = await file(subjectId, fileId)
      const answer = await readers.run(async () => {
        const pdf = new ArrayBuffer(sizeBytes)
        let at = 0
        for await (const chunk of storage.stream(objectId)) {
          new Uint8Array(pdf).set(chunk, at)
          at += chunk.length
        }
        return { work: 'keyword', pdf, keyword, pages }
      })
      if (answer === 'deadline' || answer === 'exhausted') throw refuse('keyword_search_timeout', { seconds })
      if ('positions' in answer) return answer.positions
      log.error(
        { room: 'documents', fileId, failure: 'failure' in answer ? answer.failure : 'no answer' },
        'keyword search failed',
      )
      throw refuse('file_damaged')
    },

    close: () => readers.close(),
  }
}

const REFUSALS: Partial<Record<PdfRefusalCode, Parameters<typeof refuse>[0]>> = {
  not_a_pdf: 'file_not_pdf',
  empty: 'file_empty',
  truncated: 'file_truncated',
  encrypted: 'file_encrypted',
  no_pages: 'file_no_pages',
  damaged: 'file_damaged',
  too_complex: 'file_too_complex',
}

function checkInfo(info: PdfInfo, maxPages: number): PdfInfo {
  if (info.activeContent.length > 0)
    throw refuse('file_active_content', nameActiveContent(info.activeContent))
  if (info.certification === 1) throw refuse('file_certified')
  if (info.pageCount > maxPages)
    throw refuse('file_too_many_pages', { pages: info.pageCount, limit: maxPages })
  return info
}
