import { randomInt } from 'node:crypto'
import type { LookupFunction } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetBucketVersioningCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  ListObjectVersionsCommand,
  PutObjectCommand,
  S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import { BucketError, type BucketReason, hasReason, toBucketError } from './bucket-errors.ts'

export interface BucketAddress {
  /** Address of the S3 interface, e.g. `https://s3.cn-north-1.amazonaws.com.cn`. */
  endpoint: string
  region: string
  bucket: string
  keyId: string
  secret: string
  /** `https://endpoint/bucket/key` instead of `https://bucket.endpoint/key`. */
  pathStyle: boolean
}

export interface BucketTiming {
  /** For one call, its body included. */
  requestTimeoutMs: number
  /** A call that may be repeated is tried this often. */
  attempts: number
  /** Before the second try; doubles with each further one. */
  firstPauseMs: number
}

export const defaultBucketTiming: BucketTiming = { requestTimeoutMs: 15_000, attempts: 4, firstPauseMs: 100 }

/** A bucket of which one key cannot be listed within this time is as good as gone for now. */
const probeTimeoutMs = 3_000

/** With these a bucket does none of its work, whatever it is asked. */
const troubles: ReadonlySet<BucketReason> = new Set([
  'timeout',
  'unreachable',
  'slow_down',
  'server_error',
  'denied',
  'no_bucket',
  'clock',
])

/** Sent with a body, so that the server itself refuses what was damaged on the way. Base64. */
export interface BodyCheck {
  sha256?: string
  md5?: string
  /** SHA-256 of the body in hex when it is known already: the request's signature covers it. */
  payloadSha256?: string
}

/** What the server says about an object without sending it. */
export interface StoredFacts {
  sizeBytes: number
  /** Without quotes. */
  etag: string
  /** Base64, with `-N` behind it for an object of N parts. */
  sha256?: string
}

export interface UploadedPart extends BodyCheck {
  number: number
  etag: string
}

/** The calls that storage makes, each with a time limit, repeated only where repeating cannot do harm. */
export interface BucketClient {
  /** Calls made so far, by name; for measurements. */
  readonly calls: Readonly<Record<string, number>>
  /** `onlyNew` asks the server to refuse a name that is taken. Repeating is harmless: same name, same bytes. */
  put(key: string, body: Uint8Array, check: BodyCheck, onlyNew?: boolean): Promise<void>
  head(key: string): Promise<StoredFacts | undefined>
  get(key: string, range?: { from: number; sizeBytes: number } | { lastBytes: number }): Promise<Buffer>
  /** `etag` without quotes; empty where the server tells none. */
  list(prefix: string): AsyncGenerator<{ key: string; sizeBytes: number; etag: string; modifiedAt: Date }>
  /** Asks for the first key alone, once and with little patience, so that `trouble` tells of now. Never rejects. */
  probe(prefix: string): Promise<void>
  /** Why the last call got no answer; undefined once one was answered. */
  trouble(): string | undefined
  /** Whether the bucket keeps, or once kept, old versions. */
  keepsVersions(): Promise<boolean>
  /** Versions and delete markers of one key. */
  versions(key: string): AsyncGenerator<string>
  remove(key: string, versionId?: string): Promise<void>
  beginUpload(key: string, withSha256: boolean): Promise<string>
  uploadPart(
    key: string,
    uploadId: string,
    number: number,
    body: Uint8Array,
    check: BodyCheck,
  ): Promise<UploadedPart>
  /** Tried once: whether a lost answer took effect is for the caller to find out. */
  completeUpload(key: string, uploadId: string, parts: readonly UploadedPart[]): Promise<void>
  abortUpload(key: string, uploadId: string): Promise<void>
  uploads(prefix: string): AsyncGenerator<{ key: string; uploadId: string; begunAt: Date }>
  close(): void
}

export function createBucketClient(
  address: BucketAddress,
  timing: BucketTiming = defaultBucketTiming,
  /** Resolves the name of the server; for buckets of customers, whose addresses are checked. */
  lookup?: LookupFunction,
): BucketClient {
  const { bucket: Bucket } = address
  const calls: Record<string, number> = {}
  const s3 = new S3Client({
    endpoint: address.endpoint,
    region: address.region,
    forcePathStyle: address.pathStyle,
    credentials: { accessKeyId: address.keyId, secretAccessKey: address.secret },
    // Which checksums the server knows is found out by asking it (bucket-abilities.ts), not assumed by the library.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    maxAttempts: 1,
    requestHandler: {
      connectionTimeout: Math.min(5_000, timing.requestTimeoutMs),
      httpAgent: { keepAlive: true, maxSockets: 64, ...(lookup && { lookup }) },
      httpsAgent: { keepAlive: true, maxSockets: 64, ...(lookup && { lookup }) },
    },
  })

  let trouble: string | undefined

  async function once<T>(
    call: string,
    work: (signal: AbortSignal) => Promise<T>,
    limitMs = timing.requestTimeoutMs,
  ): Promise<T> {
    calls[call] = (calls[call] ?? 0) + 1
    const limit = new AbortController()
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        reject(new BucketError('timeout', `${call}: no answer within ${limitMs} ms`))
        limit.abort()
      }, limitMs)
    })
    try {
      const answer = await Promise.race([work(limit.signal), late])
      trouble = undefined
      return answer
    } catch (error) {
      const told = toBucketError(`${Bucket}: ${call}`, error)
      // That something is not there, or is there already, is an answer too.
      trouble = troubles.has(told.reason) ? told.message : undefined
      throw told
    } finally {
      clearTimeout(timer)
    }
  }

  /** For calls that do the same however often they arrive. */
  async function repeated<T>(
    call: string,
    work: (signal: AbortSignal, attempt: number) => Promise<T>,
  ): Promise<T> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await once(call, (signal) => work(signal, attempt))
      } catch (error) {
        if (!(error instanceof BucketError && error.isPassing) || attempt >= timing.attempts) throw error
        // Full jitter: many writers that were told to slow down must not come back together.
        const longestMs = timing.firstPauseMs * 2 ** attempt
        await pause(timing.firstPauseMs / 2 + randomInt(Math.max(1, longestMs)))
      }
    }
  }

  const checksums = ({ sha256, md5 }: BodyCheck) => ({
    ...(sha256 === undefined ? {} : { ChecksumSHA256: sha256 }),
    ...(md5 === undefined ? {} : { ContentMD5: md5 }),
  })

  return {
    calls,
    put: (key, body, check, onlyNew = false) =>
      repeated('put', async (abortSignal, attempt) => {
        const command = new PutObjectCommand({
          Bucket,
          Key: key,
          Body: body,
          ...checksums(check),
          ...(onlyNew ? { IfNoneMatch: '*' } : {}),
        })
        signAs(command, check)
        try {
          await s3.send(command, { abortSignal })
        } catch (error) {
          // The answer to the first try was lost, and it was the one that took the name; the caller looks at the bytes.
          if (attempt > 1 && hasReason(toBucketError('put', error), 'exists')) return
          throw error
        }
      }),
    async head(key) {
      try {
        return await repeated('head', async (abortSignal) => {
          const command = new HeadObjectCommand({ Bucket, Key: key, ChecksumMode: 'ENABLED' })
          const answer = await s3.send(command, { abortSignal })
          return {
            sizeBytes: answer.ContentLength ?? -1,
            etag: (answer.ETag ?? '').replaceAll('"', ''),
            ...(answer.ChecksumSHA256 === undefined ? {} : { sha256: answer.ChecksumSHA256 }),
          }
        })
      } catch (error) {
        if (hasReason(error, 'missing')) return undefined
        throw error
      }
    },
    get: (key, range) =>
      repeated('get', async (abortSignal) => {
        const Range = range && { Range: rangeHeader(range) }
        const answer = await s3.send(new GetObjectCommand({ Bucket, Key: key, ...Range }), { abortSignal })
        if (answer.Body === undefined) throw new BucketError('other', `${key} came without a body`)
        const bytes = Buffer.from(await answer.Body.transformToByteArray())
        if (bytes.length !== answer.ContentLength)
          throw new BucketError(
            'unreachable',
            `${key}: ${bytes.length} of ${answer.ContentLength} bytes came`,
          )
        return bytes
      }),
    async *list(prefix) {
      let from: object | undefined = {}
      while (from !== undefined) {
        const at: object = from
        const page = await repeated('list', (abortSignal) =>
          s3.send(new ListObjectsV2Command({ Bucket, Prefix: prefix, ...at }), { abortSignal }),
        )
        for (const { Key, Size, ETag, LastModified } of page.Contents ?? [])
          yield {
            key: Key ?? '',
            sizeBytes: Size ?? 0,
            etag: (ETag ?? '').replaceAll('"', ''),
            modifiedAt: LastModified ?? new Date(0),
          }
        from = nextPage(page.IsTruncated, { ContinuationToken: page.NextContinuationToken })
      }
    },
    probe: (prefix) =>
      once(
        'probe',
        (abortSignal) =>
          s3.send(new ListObjectsV2Command({ Bucket, Prefix: prefix, MaxKeys: 1 }), { abortSignal }),
        Math.min(probeTimeoutMs, timing.requestTimeoutMs),
      ).then(
        () => undefined,
        () => undefined,
      ),
    trouble: () => trouble,
    async keepsVersions() {
      try {
        const { Status } = await repeated('versioning', (abortSignal) =>
          s3.send(new GetBucketVersioningCommand({ Bucket }), { abortSignal }),
        )
        return Status !== undefined
      } catch (error) {
        if (hasReason(error, 'unsupported')) return false
        throw error
      }
    },
    async *versions(key) {
      let from: object | undefined = {}
      while (from !== undefined) {
        const at: object = from
        const page = await repeated('versions', (abortSignal) =>
          s3.send(new ListObjectVersionsCommand({ Bucket, Prefix: key, ...at }), { abortSignal }),
        )
        for (const one of [...(page.Versions ?? []), ...(page.DeleteMarkers ?? [])])
          if (one.Key === key && one.VersionId !== undefined) yield one.VersionId
        from = nextPage(page.IsTruncated, {
          KeyMarker: page.NextKeyMarker,
          VersionIdMarker: page.NextVersionIdMarker,
        })
      }
    },
    async remove(key, versionId) {
      try {
        const version = versionId === undefined ? {} : { VersionId: versionId }
        await repeated('remove', (abortSignal) =>
          s3.send(new DeleteObjectCommand({ Bucket, Key: key, ...version }), { abortSignal }),
        )
      } catch (error) {
        if (!hasReason(error, 'missing')) throw error
      }
    },
    beginUpload: (key, withSha256) =>
      // A repeated call may begin two uploads; the one nobody knows is swept.
      repeated('beginUpload', async (abortSignal) => {
        const algorithm = withSha256 ? { ChecksumAlgorithm: 'SHA256' as const } : {}
        const command = new CreateMultipartUploadCommand({ Bucket, Key: key, ...algorithm })
        const { UploadId } = await s3.send(command, { abortSignal })
        if (UploadId === undefined) throw new BucketError('other', `no upload id came for ${key}`)
        return UploadId
      }),
    uploadPart: (key, UploadId, number, body, check) =>
      repeated('uploadPart', async (abortSignal) => {
        const command = new UploadPartCommand({
          Bucket,
          Key: key,
          UploadId,
          PartNumber: number,
          Body: body,
          ...checksums(check),
        })
        signAs(command as unknown as PutObjectCommand, check)
        const { ETag } = await s3.send(command, { abortSignal })
        return { number, etag: ETag ?? '', ...check }
      }),
    async completeUpload(key, UploadId, parts) {
      const Parts = parts.map(({ number, etag, sha256 }) => ({
        PartNumber: number,
        ETag: etag,
        ...(sha256 === undefined ? {} : { ChecksumSHA256: sha256 }),
      }))
      await once('completeUpload', (abortSignal) =>
        s3.send(
          new CompleteMultipartUploadCommand({ Bucket, Key: key, UploadId, MultipartUpload: { Parts } }),
          { abortSignal },
        ),
      )
    },
    async abortUpload(key, UploadId) {
      try {
        await repeated('abortUpload', (abortSignal) =>
          s3.send(new AbortMultipartUploadCommand({ Bucket, Key: key, UploadId }), { abortSignal }),
        )
      } catch (error) {
        if (!hasReason(error, 'no_upload', 'missing')) throw error
      }
    },
    async *uploads(prefix) {
      let from: object | undefined = {}
      while (from !== undefined) {
        const at: object = from
        const page = await repeated('uploads', (abortSignal) =>
          s3.send(new ListMultipartUploadsCommand({ Bucket, Prefix: prefix, ...at }), { abortSignal }),
        )
        for (const { Key, UploadId, Initiated } of page.Uploads ?? [])
          if (Key !== undefined && UploadId !== undefined)
            yield { key: Key, uploadId: UploadId, begunAt: Initiated ?? new Date(0) }
        from = nextPage(page.IsTruncated, {
          KeyMarker: page.NextKeyMarker,
          UploadIdMarker: page.NextUploadIdMarker,
        })
      }
    },
    close: () => s3.destroy(),
  }
}

/** Spares the library another pass over the body. */
function signAs(
  { middlewareStack }: Pick<PutObjectCommand, 'middlewareStack'>,
  { payloadSha256 }: BodyCheck,
): void {
  if (payloadSha256 === undefined) return
  middlewareStack.add(
    (next) => (args) => {
      const request = args.request as { headers: Record<string, string> }
      request.headers['x-amz-content-sha256'] = payloadSha256
      return next(args)
    },
    { step: 'build', name: 'knownPayloadSha256' },
  )
}

/** Where the next page begins; undefined after the last one. A server that says there is more must say where. */
function nextPage<Marker extends object>(
  isTruncated: boolean | undefined,
  marker: Marker,
): Marker | undefined {
  if (!isTruncated) return undefined
  const given = Object.entries(marker).filter(([, value]) => value !== undefined && value !== '')
  if (given.length === 0)
    throw new BucketError('other', 'a page of a listing does not say where the next begins')
  return Object.fromEntries(given) as Marker
}

const rangeHeader = (range: { from: number; sizeBytes: number } | { lastBytes: number }) =>
  'lastBytes' in range
    ? `bytes=-${range.lastBytes}`
    : `bytes=${range.from}-${range.from + range.sizeBytes - 1}`
