/** Brings a finished archive into the customer's own bucket, part by part; a killed server goes on with the next one. */
import { createHash } from 'node:crypto'
import type { Db, Tx } from '#src/db/db.ts'
import type { Kms } from '#src/kms/kms.ts'
import { BucketError, createBucketClient, type UploadedPart } from '#src/storage/storage.ts'
import { outsideLookup, requireOutside } from '#src/webhooks/webhooks.ts'
import { type Archive, partsOf } from './archive.ts'
import { refuse } from './errors.ts'
import { type ExportRow, lockExport, setEtag, updateExport } from './store.ts'
import type { BucketPlace } from './tables.ts'
import { ExportEnded } from './writer.ts'

export interface BucketSecret {
  keyId: string
  secret: string
}

export interface DeliveryDeps {
  db: Db
  kms: Pick<Kms, 'sealSecret' | 'openSecret'>
  archive: Archive
  /** Addresses in the own network; for sandboxes alone. */
  allowPrivate: boolean
  now: () => Date
}

export const bucketLabel = (exportId: string) => `export:${exportId}:bucket`
type BucketClient = ReturnType<typeof createBucketClient>
const TIMING = { requestTimeoutMs: 120_000, attempts: 4, firstPauseMs: 200 }

export function createDelivery({ db, kms, archive, allowPrivate, now }: DeliveryDeps) {
  const open = (place: BucketPlace, { keyId, secret }: BucketSecret) =>
    createBucketClient({ ...place, keyId, secret }, TIMING, outsideLookup(allowPrivate))

  return {
    /** Refuses a bucket that cannot be written to, before anything else is done. @throws Refusal */
    async check(place: BucketPlace, secret: BucketSecret): Promise<void> {
      await requireOutside(place.endpoint, allowPrivate)
      const client = open(place, secret)
      try {
        const uploadId = await client.beginUpload(place.key, false)
        await client.abortUpload(place.key, uploadId)
      } catch (error) {
        throw refuse('export_bucket_failed', { problem: told(error) }, error)
      } finally {
        client.close()
      }
    },

    /**
     * Uploads what is missing. True when the archive is there as a whole, and the credentials are forgotten.
     * @throws ExportEnded when it was ended meanwhile; no upload is left open then
     */
    async advance(job: ExportRow, isOver: () => boolean): Promise<boolean> {
      const place = job.bucket as BucketPlace
      if (job.bucket_secret_sealed === null) return true
      const opened = kms.openSecret(bucketLabel(job.id), job.bucket_secret_sealed)
      const client = open(place, JSON.parse(opened.toString('utf8')) as BucketSecret)
      try {
        const uploadId = job.upload_id ?? (await beginUpload(client, job))
        const done: UploadedPart[] = []
        for await (const part of partsOf(db, job.id)) {
          let { etag } = part
          if (etag === null) {
            if (isOver()) return false
            const bytes = await partBytes(job, part.number, part.size_bytes)
            if (createHash('sha256').update(bytes).digest('hex') !== part.sha256)
              throw new Error(`part ${part.number} of export ${job.id} does not have its hash`)
            const md5 = createHash('md5').update(bytes).digest('base64')
            const check = { md5, payloadSha256: part.sha256 }
            etag = (await client.uploadPart(place.key, uploadId, part.number, bytes, check)).etag
            const taken = etag
            await db.work(async (tx) => {
              await requireReady(tx, job.id)
              await setEtag(tx, job.id, part.number, taken)
            })
          }
          done.push({ number: part.number, etag })
        }
        await db.work((tx) => requireReady(tx, job.id))
        await complete(client, place.key, uploadId, done, job.size_bytes)
        await db.work(async (tx) => {
          await requireReady(tx, job.id)
          await updateExport(tx, job.id, { delivered_at: now(), bucket_secret_sealed: null, upload_id: null })
        })
        return true
      } catch (error) {
        // Ended while a part was on its way: that the bucket then knew no such upload is no fault of its.
        if (!(error instanceof ExportEnded)) await db.work((tx) => requireReady(tx, job.id))
        throw error
      } finally {
        client.close()
      }
    },

    /** Ends an upload that nobody will complete, so that the customer does not pay for parts that nobody sees. */
    async abandon(job: ExportRow): Promise<void> {
      if (job.bucket_secret_sealed === null || job.upload_id === null) return
      const place = job.bucket as BucketPlace
      const opened = kms.openSecret(bucketLabel(job.id), job.bucket_secret_sealed)
      const client = open(place, JSON.parse(opened.toString('utf8')) as BucketSecret)
      try {
        await abort(client, place.key, job.upload_id)
      } finally {
        client.close()
      }
    },
  }

  async function requireReady(tx: Tx, exportId: string): Promise<ExportRow> {
    const current = await lockExport(tx, exportId)
    if (current?.status !== 'ready' || current.bucket_secret_sealed === null)
      throw new ExportEnded(current?.status ?? 'gone')
    return current
  }

  /** Opens an upload and puts it on record; one that cannot be recorded is ended again. */
  async function beginUpload(client: BucketClient, job: ExportRow): Promise<string> {
    const { key } = job.bucket as BucketPlace
    const opened = await client.beginUpload(key, false)
    let kept: string | null = null
    try {
      kept = await db.work(async (tx) => {
        const current = await requireReady(tx, job.id)
        // Another process was faster: its parts go into its upload.
        if (current.upload_id === null) await updateExport(tx, job.id, { upload_id: opened })
        return current.upload_id ?? opened
      })
    } finally {
      if (kept !== opened) await abort(client, key, opened)
    }
    return kept
  }

  async function abort(client: BucketClient, key: string, uploadId: string): Promise<void> {
    try {
      await client.abortUpload(key, uploadId)
    } catch (error) {
      if (!(error instanceof BucketError && error.reason === 'no_upload')) throw error
    }
  }

  async function partBytes(job: ExportRow, number: number, sizeBytes: number): Promise<Buffer> {
    const from = (number - 1) * job.part_bytes
    const parts: Uint8Array[] = []
    for await (const chunk of archive.read(job, from, from + sizeBytes)) parts.push(chunk)
    return Buffer.concat(parts)
  }

  /** A lost answer may have taken effect: then the object is there with its size, and the upload is not. */
  async function complete(
    client: BucketClient,
    key: string,
    uploadId: string,
    parts: readonly UploadedPart[],
    sizeBytes: number,
  ): Promise<void> {
    try {
      await client.completeUpload(key, uploadId, parts)
    } catch (error) {
      if ((await client.head(key))?.sizeBytes !== sizeBytes) throw error
    }
  }
}

/** What went wrong in words that carry no secret. */
export function told(error: unknown): string {
  return error instanceof BucketError ? error.reason : 'other'
}
