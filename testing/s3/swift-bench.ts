/** A failure domain in a bucket of a real Swift, for `domainSuite`. */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import {
  CreateBucketCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3'
import { systemClock } from '../../apps/server/src/clock.ts'
import { newId } from '../../apps/server/src/ids.ts'
import { type BucketTiming, createBucketClient } from '../../apps/server/src/storage/bucket-client.ts'
import { createBucketDomain } from '../../apps/server/src/storage/bucket-domain.ts'
import type { Domain, SiteName } from '../../apps/server/src/storage/domain.ts'
import type { DomainBench } from '../../apps/server/src/storage/domain-suite.ts'
import type { SwiftSite } from './swift.ts'

/** The client of an operator: it does what the platform never does. */
export function operatorOf(site: SwiftSite): S3Client {
  return new S3Client({
    endpoint: site.endpoint,
    region: site.region,
    forcePathStyle: true,
    credentials: { accessKeyId: site.keyId, secretAccessKey: site.secret },
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
  })
}

export async function makeBucket(site: SwiftSite, bucket: string, versioned = false): Promise<void> {
  const operator = operatorOf(site)
  await operator.send(new CreateBucketCommand({ Bucket: bucket }))
  if (versioned)
    await operator.send(
      new PutBucketVersioningCommand({ Bucket: bucket, VersioningConfiguration: { Status: 'Enabled' } }),
    )
  operator.destroy()
}

export function swiftClient(site: SwiftSite, bucket: string, timing: Partial<BucketTiming> = {}) {
  const { endpoint, region, keyId, secret } = site
  return createBucketClient(
    { endpoint, region, bucket, keyId, secret, pathStyle: true },
    { requestTimeoutMs: 10_000, attempts: 3, firstPauseMs: 50, ...timing },
  )
}

export function openSwiftDomain(
  site: SwiftSite,
  bucket: string,
  over: { name?: string; site?: SiteName; prefix?: string; timing?: Partial<BucketTiming> } = {},
): Domain {
  return createBucketDomain({
    name: over.name ?? 'primary-1',
    site: over.site ?? 'primary',
    client: swiftClient(site, bucket, over.timing),
    clock: systemClock,
    deviceId: `${site.endpoint} ${site.region}`,
    prefix: over.prefix ?? 'yinxin/a/',
    newName: newId,
    onQuarantine: () => undefined,
  })
}

/** Whether any of the site's devices still holds these bytes in any file. */
export async function devicesHold(site: SwiftSite, bytes: Buffer): Promise<boolean> {
  for (const index of [0, 1, 2] as const) {
    const names = await readdir(site.deviceFolder(index), { recursive: true, withFileTypes: true })
    for (const one of names) {
      if (!one.isFile()) continue
      const content = await readFile(join(one.parentPath, one.name)).catch(() => undefined)
      if (content?.includes(bytes)) return true
    }
  }
  return false
}

export async function swiftBench(site: SwiftSite, bucket: string, versioned = false): Promise<DomainBench> {
  await makeBucket(site, bucket, versioned)
  const operator = operatorOf(site)
  const prefix = 'yinxin/a/'

  return {
    open: () => openSwiftDomain(site, bucket, { prefix }),
    async clear() {
      const domain = openSwiftDomain(site, bucket, { prefix })
      for await (const { holder } of domain.packs?.closed(new Date(Date.now() + 60_000)) ?? [])
        await domain.packs?.drop(holder)
      for await (const one of domain.list()) await domain.remove(one.objectId, one.placement)
      await domain.sweep(new Date(Date.now() + 60_000))
      await domain.close()
    },
    async edit(holder, change) {
      const Key = prefix + holder
      const found = await operator.send(new GetObjectCommand({ Bucket: bucket, Key }))
      const bytes = Buffer.from((await found.Body?.transformToByteArray()) ?? [])
      await operator.send(new PutObjectCommand({ Bucket: bucket, Key, Body: change(bytes) }))
    },
    lose: async (holder) =>
      void (await operator.send(new DeleteObjectCommand({ Bucket: bucket, Key: prefix + holder }))),
    keeps: (bytes) => devicesHold(site, bytes),
    async refuseWrites() {
      await site.stopProxy()
      return () => site.startProxy()
    },
    async close() {
      operator.destroy()
    },
  }
}
