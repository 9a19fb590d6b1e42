import { createHash, randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { newId } from '../../apps/server/src/ids.ts'
import { probeBucket } from '../../apps/server/src/storage/bucket-abilities.ts'
import type { Domain } from '../../apps/server/src/storage/domain.ts'
import { domainSuite } from '../../apps/server/src/storage/domain-suite.ts'
import { settledBufferBytes } from '../memory.ts'
import { type SwiftSite, startSwift } from './swift.ts'
import { makeBucket, openSwiftDomain, swiftBench, swiftClient } from './swift-bench.ts'
import { hasSwift } from './swift-gate.ts'

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

// Twenty processes in Python share the machine with the test.
vi.setConfig({ testTimeout: 180_000, hookTimeout: 600_000 })

if (hasSwift()) {
  let site: Promise<SwiftSite> | undefined
  const shared = () => (site ??= startSwift({ region: 'shanghai' }))
  beforeAll(shared)
  afterAll(async () => (await site)?.stop())

  domainSuite('bucket of Swift', async () => swiftBench(await shared(), 'yinxin-plain'))
  domainSuite('bucket of Swift with versions', async () =>
    swiftBench(await shared(), 'yinxin-versions', true),
  )

  describe('Swift', () => {
    async function bucketOf(name: string, timing = {}): Promise<{ swift: SwiftSite; domain: Domain }> {
      const swift = await shared()
      await makeBucket(swift, name)
      return { swift, domain: openSwiftDomain(swift, name, { timing }) }
    }

    async function append(domain: Domain, sizeBytes = 3_000) {
      const objectId = newId()
      const body = randomBytes(sizeBytes)
      return { objectId, body, placement: await domain.append(objectId, body, sha256(body)) }
    }

    async function hashOf(
      domain: Domain,
      one: { objectId: string; placement: Awaited<ReturnType<Domain['append']>> },
    ) {
      const reader = await domain.open(one.placement, one.objectId)
      const hash = createHash('sha256')
      for (let at = 0; at < one.placement.sizeBytes; at += 1 << 20)
        hash.update(await reader.read(at, Math.min(1 << 20, one.placement.sizeBytes - at)))
      await reader.close()
      return hash.digest('hex')
    }

    test('is seen to enforce and tell MD5, and not to know conditional writes', async () => {
      const { swift } = await bucketOf('yinxin-abilities')
      const client = swiftClient(swift, 'yinxin-abilities')
      expect(await probeBucket(client, 'probe')).toEqual({
        checksum: 'md5',
        conditionalPut: false,
        tellsSha256: false,
        tellsMd5: true,
      })
      expect(await client.head('probe')).toBeUndefined()
      client.close()
    })

    test('goes on when an object server dies in the middle of a write, and refuses when two are dead', async () => {
      const { swift, domain } = await bucketOf('yinxin-deaths', { attempts: 2 })
      const before = await append(domain)
      const objectId = newId()
      const body = randomBytes(16 << 20)
      const writer = await domain.begin(objectId)
      await writer.write([body.subarray(0, 7 << 20)])
      // 1. One of three dies while parts are on their way.
      await swift.killObjectServer(0)
      await writer.write([body.subarray(7 << 20)])
      const large = { objectId, placement: await writer.finish() }
      expect(await hashOf(domain, large)).toBe(sha256(body))
      const small = await append(domain)
      // 2. A second one: two replicas cannot be stored any more, so nothing may be acknowledged.
      const doomed = await domain.begin(newId())
      await doomed.write([body.subarray(0, 6 << 20)])
      await swift.killObjectServer(1)
      const rest = async () => {
        await doomed.write([body.subarray(6 << 20)])
        await doomed.finish()
      }
      await expect(rest()).rejects.toMatchObject({ name: 'BucketError' })
      await expect(append(domain)).rejects.toMatchObject({ name: 'BucketError' })
      // 3. They come back; everything acknowledged is there.
      await swift.startObjectServer(0)
      await swift.startObjectServer(1)
      await expect.poll(() => append(domain).then(() => true), { timeout: 30_000, interval: 500 }).toBe(true)
      expect(await hashOf(domain, large)).toBe(sha256(body))
      for (const one of [before, small]) expect(await hashOf(domain, one)).toBe(sha256(one.body))
      await domain.close()
    })

    test('is given up in time when it takes connections and does not answer', async () => {
      const { swift, domain } = await bucketOf('yinxin-frozen', { requestTimeoutMs: 1_000, attempts: 2 })
      const before = await append(domain)
      swift.freezeProxy()
      try {
        const fromMs = performance.now()
        await expect(append(domain)).rejects.toMatchObject({ reason: 'timeout' })
        await expect(hashOf(domain, before)).rejects.toMatchObject({ reason: 'timeout' })
        expect(performance.now() - fromMs).toBeLessThan(10_000)
      } finally {
        swift.thawProxy()
      }
      await expect.poll(() => append(domain).then(() => true), { timeout: 20_000, interval: 300 }).toBe(true)
      expect(await hashOf(domain, before)).toBe(sha256(before.body))
      await domain.close()
    })

    test('takes and gives 200 MB in flat memory', async () => {
      const { domain } = await bucketOf('yinxin-flat')
      const objectId = newId()
      const sent = createHash('sha256')
      const writer = await domain.begin(objectId)
      const baseBytes = await settledBufferBytes()
      let mostBytes = 0
      for (let piece = 0; piece < 200; piece += 1) {
        const bytes = randomBytes(1 << 20)
        sent.update(bytes)
        await writer.write([bytes])
        if (piece % 40 === 39) mostBytes = Math.max(mostBytes, await settledBufferBytes())
      }
      const placement = await writer.finish()
      expect(mostBytes - baseBytes).toBeLessThan(24 << 20)
      expect(await hashOf(domain, { objectId, placement })).toBe(sent.digest('hex'))
      expect((await settledBufferBytes()) - baseBytes).toBeLessThan(24 << 20)
      await domain.close()
    })

    test('takes many small replicas in few calls', async () => {
      const { swift } = await bucketOf('yinxin-many')
      const domain = openSwiftDomain(swift, 'yinxin-many')
      await append(domain)
      const fromMs = performance.now()
      const all = await Promise.all(Array.from({ length: 400 }, () => append(domain)))
      const tookMs = performance.now() - fromMs
      expect(new Set(all.map((one) => one.placement.holder)).size).toBeLessThan(10)
      const aloneMs = performance.now()
      for (let count = 0; count < 20; count += 1) await append(domain)
      const eachMs = (performance.now() - aloneMs) / 20
      const times = eachMs / (tookMs / 400)
      console.info(
        `small replicas: ${(1000 / eachMs).toFixed(0)}/s one PUT each, ${(400_000 / tookMs).toFixed(0)}/s packed (${times.toFixed(0)}×)`,
      )
      expect(times).toBeGreaterThan(5)
      await domain.close()
    })
  })
}
