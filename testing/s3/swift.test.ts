import { afterAll, expect, test } from 'vitest'
import { domainSuite } from '../../apps/server/src/storage/domain-suite.ts'
import { missingForSwift, type SwiftSite, startSwift } from './swift.ts'
import { swiftBench } from './swift-bench.ts'

const missing = missingForSwift()
if (missing !== '') {
  test('Swift is installed', (context) => {
    if (process.env.CI === 'true') expect.fail(`Swift is missing: ${missing}`)
    console.warn(`SKIPPED, the S3 driver was not tried on a real server: ${missing}`)
    context.skip()
  })
} else {
  let site: SwiftSite | undefined
  const shared = async () => {
    site ??= await startSwift({ region: 'shanghai' })
    return site
  }
  afterAll(() => site?.stop())
  domainSuite('bucket of Swift', async () => swiftBench(await shared(), 'yinxin-plain'))
  domainSuite('bucket of Swift with versions', async () =>
    swiftBench(await shared(), 'yinxin-versions', true),
  )
}
