/** Files on their way: announced or fetched first, made a document by `/file/process` afterwards. */
import { createHash } from 'node:crypto'
import type { Clock } from '#src/clock.ts'
import type { Db } from '#src/db/db.ts'
import type { Documents, FileDetails } from '#src/documents/documents.ts'
import { newId, newToken } from '#src/ids.ts'
import type { Kms } from '#src/kms/kms.ts'
import type { Storage } from '#src/storage/storage.ts'
import { callOutside, type Webhooks } from '#src/webhooks/webhooks.ts'
import { refuse } from './errors.ts'
import type { FascCaller } from './gate.ts'
import { readOpenId, toOpenId } from './open-ids.ts'
import { claimUpload, findUpload, insertUpload, type UploadRow, updateUpload } from './store.ts'

const UPLOAD_LIFE_MS = 30 * 60_000
const FETCH_MS = 120_000

export type Uploads = ReturnType<typeof createUploads>

export function createUploads(deps: {
  db: Db
  clock: Clock
  kms: Pick<Kms, 'createScopeKey'>
  storage: Pick<Storage, 'put' | 'record' | 'stream'>
  documents: Pick<Documents, 'receive' | 'file' | 'limitBytes'>
  webhooks: Pick<Webhooks, 'allowsPrivate'>
  baseUrl: string
}) {
  const { db, clock, storage, documents } = deps
  const place = `${deps.baseUrl}/api/v5/files/`

  function rowOf(caller: FascCaller, tokenHash: Uint8Array | null): UploadRow {
    const now = clock.now()
    return {
      id: newId(now.getTime()),
      tenant_id: caller.subjectId,
      app_id: caller.appId,
      token_hash: tokenHash,
      state: 'waiting',
      object_id: null,
      file_id: null,
      file_name: null,
      created_at: now,
      expires_at: new Date(now.getTime() + UPLOAD_LIFE_MS),
    }
  }

  /** Stores content as it comes, encrypted and counted; it is looked at when it becomes a document. */
  async function keep(upload: UploadRow, content: AsyncIterable<Uint8Array>): Promise<void> {
    await deps.kms.createScopeKey(upload.tenant_id, upload.id)
    const stored = await storage.put({
      tenantId: upload.tenant_id,
      scopeId: upload.id,
      class: 'draft',
      content,
    })
    await db.work(async (tx) => {
      await storage.record(tx, stored)
      await updateUpload(tx, upload.id, { state: 'received', object_id: stored.id })
    }, upload.tenant_id)
  }

  return {
    limitBytes: documents.limitBytes,

    /** An address for one PUT within 30 minutes, and the name of what will lie there. */
    async announce(caller: FascCaller): Promise<{ uploadUrl: string; fddFileUrl: string }> {
      const token = newToken()
      const upload = rowOf(caller, hashOf(token))
      await db.as(caller.subjectId, (tx) => insertUpload(tx, upload))
      return { uploadUrl: `${deps.baseUrl}/api/v5/upload/${token}`, fddFileUrl: place + toOpenId(upload.id) }
    },

    /** Takes the content for an announced upload. One that breaks off may be sent again. */
    async receive(token: string, content: AsyncIterable<Uint8Array>): Promise<void> {
      const upload = await db.work((tx) => claimUpload(tx, hashOf(token), clock.now()))
      if (upload === undefined) throw refuse('fasc_upload_ended')
      try {
        await keep(upload, content)
      } catch (error) {
        await db.work((tx) => updateUpload(tx, upload.id, { state: 'waiting' }), upload.tenant_id)
        throw error
      }
    },

    /** Fetches a file from the client's own address. */
    async fetch(caller: FascCaller, url: string): Promise<{ fddFileUrl: string }> {
      const answer = await callOutside({
        method: 'GET',
        url,
        timeoutMs: FETCH_MS,
        allowPrivate: deps.webhooks.allowsPrivate(caller.environment),
      })
      try {
        if (answer.status !== 200) throw refuse('fasc_fetch_failed', { status: answer.status })
        const upload = rowOf(caller, null)
        await db.as(caller.subjectId, (tx) => insertUpload(tx, upload))
        await keep(upload, limited(answer.body, documents.limitBytes))
        return { fddFileUrl: place + toOpenId(upload.id) }
      } finally {
        answer.close()
      }
    },

    /** Makes a received upload a document; the same upload under the same name is the same document. */
    async process(caller: FascCaller, fddFileUrl: string, name: string): Promise<FileDetails> {
      const id = fddFileUrl.startsWith(place) ? readOpenId(fddFileUrl.slice(place.length)) : null
      const upload = id === null ? undefined : await db.as(caller.subjectId, (tx) => findUpload(tx, id))
      if (upload === undefined) throw refuse('fasc_upload_unknown', { url: fddFileUrl.slice(0, 200) })
      if (upload.object_id === null) throw refuse('fasc_upload_pending')
      if (upload.file_id !== null && upload.file_name === name) {
        return await documents.file(caller.subjectId, upload.file_id)
      }
      return await documents.receive(
        caller,
        { name, content: storage.stream(upload.object_id) },
        (tx, made) => updateUpload(tx, upload.id, { file_id: made.id, file_name: name }),
      )
    },
  }
}

async function* limited(content: AsyncIterable<Uint8Array>, limitBytes: number): AsyncGenerator<Uint8Array> {
  let sizeBytes = 0
  for await (const piece of content) {
    sizeBytes += piece.length
    if (sizeBytes > limitBytes) throw refuse('fasc_file_too_large', { limitBytes })
    yield piece
  }
}

function hashOf(token: string): Buffer {
  return createHash('sha256').update(token, 'utf8').digest()
}
