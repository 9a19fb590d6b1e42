/** A failure domain in a bucket for `domainSuite`, over the fake and over Swift. */
import { createBucketClient, type BucketTiming } from '../../apps/server/src/storage/bucket-client.ts'
import { createBucketDomain } from '../../apps/server/src/storage/bucket-domain.ts'
import type { DomainStatus } from '../../apps/server/src/storage/domain.ts'
import type { DomainBench } from '../../apps/server/src/storage/domain-suite.ts'
import { systemClock } from '../../apps/server/src/clock.ts'
import { newId } from '../../apps/server/src/ids.ts'
import type { FakeS3 } from '../fakes/s3.ts'

const prefix = 'yinxin/a/'
const timing: BucketTiming = { requestTimeoutMs: 5_000, attempts: 2, firstPauseMs: 5 }

export function openFakeDomain(
  fake: FakeS3,
  over: Partial<BucketTiming> = {},
  onQuarantine: (status: DomainStatus) => void = () => undefined,
) {
  const client = createBucketClient(
    {
      endpoint: fake.endpoint,
      region: 'nowhere',
      bucket: fake.bucket,
      keyId: 'key',
      secret: 'secret',
      pathStyle: true,
    },
    { ...timing, ...over },
  )
  return createBucketDomain({
    name: 'primary-1',
    site: 'primary',
    client,
    clock: systemClock,
    deviceId: `${fake.endpoint} nowhere`,
    prefix,
    newName: newId,
    onQuarantine,
  })
}

export async function fakeBench(
  starting: Promise<FakeS3>,
  options: { versioned?: boolean } = {},
): Promise<DomainBench> {
  const fake = await starting
  fake.versioned = options.versioned ?? false
  return {
    open: () => openFakeDomain(fake),
    async clear() {
      for (const key of fake.keys()) fake.tamper(key, undefined)
    },
    async edit(holder, change) {
      fake.tamper(prefix + holder, change(fake.bytes(prefix + holder) ?? Buffer.alloc(0)))
    },
    lose: async (holder) => fake.tamper(prefix + holder, undefined),
    keeps: async (bytes) => fake.everything().some((one) => one.includes(bytes)),
    async refuseWrites() {
      fake.before = ({ name }) =>
        ['put', 'beginUpload', 'uploadPart', 'completeUpload'].includes(name) ? 'slow-down' : undefined
      return async () => {
        fake.before = () => undefined
      }
    },
    close: () => fake.close(),
  }
}
