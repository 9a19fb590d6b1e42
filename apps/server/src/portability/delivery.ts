/** Brings a finished archive into the customer's own bucket, part by part; a killed server goes on with the next one. */
import { createHash } from 'node:crypto'
import type { Db } from '#src/db/db.ts'
import type { Kms } from '#src/kms/kms.ts'
import { BucketError, createBucketClient, type UploadedPart } from '#src/storage/storage.ts'
import { outsideLookup, requireOutside } from '#src/webhooks/webhooks.ts'
import { type Archive, partsOf } from './archive.ts'
import { refuse } from './errors.ts'
import { type ExportRow, setEtag, updateExport } from './store.ts'
import type { BucketPlace } from './tables.ts'

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

    /** Uploads what is missing. True when the archive is there as a whole, and the credentials are forgotten. */
    async advance(job: ExportRow, isOver: () => boolean): Promise<boolean> {
      const place = job.bucket as BucketPlace
      if (job.bucket_secret_sealed === null) return true
      const opened = kms.openSecret(bucketLabel(job.id), job.bucket_secret_sealed)
      const client = open(place, JSON.parse(opened.toString('utf8')) as BucketSecret)
      try {
        let { upload_id: uploadId } = job
        if (uploadId === null) {
          uploadId = await client.beginUpload(place.key, false)
          await db.work((tx) => updateExport(tx, job.id, { upload_id: uploadId }))
        }
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
            await db.work((tx) => setEtag(tx, job.id, part.number, taken))
          }
          done.push({ number: part.number, etag })
        }
        await complete(client, place.key, uploadId, done, job.size_bytes)
        await db.work((tx) =>
          updateExport(tx, job.id, { delivered_at: now(), bucket_secret_sealed: null, upload_id: null }),
        )
        return true
      } finally {
        client.close()
      }
    },
  }

  async function partBytes(job: ExportRow, number: number, sizeBytes: number): Promise<Buffer> {
    const from = (number - 1) * job.part_bytes
    const parts: Uint8Array[] = []
    for await (const chunk of archive.read(job, from, from + sizeBytes)) parts.push(chunk)
    return Buffer.concat(parts)
  }

  /** A lost answer may have taken effect: then the object is there with its size, and the upload is not. */
  async function complete(
    client: ReturnType<typeof createBucketClient>,
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
