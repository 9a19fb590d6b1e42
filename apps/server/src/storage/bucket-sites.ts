import { readFileSync } from 'node:fs'
import type { Clock } from '#src/clock.ts'
import { newId } from '#src/ids.ts'
import type { Log } from '#src/log.ts'
import { type BucketTiming, createBucketClient } from './bucket-client.ts'
import { createBucketDomain } from './bucket-domain.ts'
import type { Domain, SiteName } from './domain.ts'

/** Object storage of one site. */
export interface BucketSite {
  site: SiteName
  endpoint: string
  region: string
  /** Three, each a failure domain; or one, which holds three under the prefixes `a/`, `b/` and `c/`. */
  buckets: readonly string[]
  /** Ends in a slash unless empty. */
  prefix: string
  keyId: string
  secretFile: string
  pathStyle: boolean
}

const domainsPerSite = 3

/** The failure domains of both sites. Nothing is asked of the servers before the first write. */
export function openBucketSites(
  sites: readonly BucketSite[],
  { clock, log, timing }: { clock: Clock; log: Log; timing?: BucketTiming },
): Domain[] {
  return sites.flatMap((one) => {
    const secret = readFileSync(one.secretFile, 'utf8').trim()
    if (secret === '') throw new Error(`the secret file ${one.secretFile} is empty`)
    return Array.from({ length: domainsPerSite }, (_, index) => {
      const bucket = one.buckets[index] ?? one.buckets[0]
      if (bucket === undefined) throw new Error(`the ${one.site} site names no bucket`)
      const shelf = one.buckets.length === 1 ? `${'abc'[index]}/` : ''
      return createBucketDomain({
        name: `${one.site}-${index + 1}`,
        site: one.site,
        clock,
        client: createBucketClient({ ...one, bucket, secret }, timing),
        // All buckets of a region share its fate, whatever their number.
        deviceId: `s3 ${new URL(one.endpoint).host} ${one.region}`,
        prefix: `${one.prefix}${shelf}`,
        newName: () => newId(clock.now().getTime()),
        onQuarantine: (status) =>
          log.error({ domain: status.name, reason: status.reason }, 'failure domain quarantined'),
      })
    })
  })
}
