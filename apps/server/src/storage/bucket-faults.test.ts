import { createHash, randomBytes } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { newId } from '#src/ids.ts'
import { type FakeS3, type FakeS3Call, type FakeS3Fault, startFakeS3 } from '../../../../testing/fakes/s3.ts'
import { openFakeDomain } from '../../../../testing/s3/bench.ts'
import type { Domain, Placement } from './domain.ts'

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')
const timing = { requestTimeoutMs: 2_000, attempts: 4, firstPauseMs: 2 }

let s3: FakeS3
let domain: Domain
let quarantines: string[]

beforeEach(async () => {
  s3 = await startFakeS3()
  quarantines = []
  domain = openFakeDomain(s3, timing, (status) => quarantines.push(status.reason ?? ''))
})
afterEach(async () => {
  s3.before = () => undefined
  await domain.close()
  await s3.close()
})

/** Something goes wrong with a call, the first `times` times. */
function fail(name: FakeS3Call, fault: FakeS3Fault, times = Number.POSITIVE_INFINITY) {
  let left = times
  s3.before = (call) => {
    if (call.name !== name || call.key.includes('probes/') || left === 0) return undefined
    left -= 1
    return fault
  }
}

async function append(sizeBytes = 500) {
  const objectId = newId()
  const body = randomBytes(sizeBytes)
  return { objectId, body, placement: await domain.append(objectId, body, sha256(body)) }
}

async function write(body = randomBytes(11 << 20)) {
  const objectId = newId()
  const writer = await domain.begin(objectId)
  await writer.write([body])
  return { objectId, body, placement: await writer.finish() }
}

async function read({ placement, objectId }: { placement: Placement; objectId: string }) {
  const reader = await domain.open(placement, objectId)
  return await reader.read(0, placement.sizeBytes)
}

async function listed(over = domain): Promise<string[]> {
  const ids: string[] = []
  for await (const one of over.list()) ids.push(one.objectId)
  return ids
}

const count = (name: FakeS3Call) => s3.calls.filter((call) => call.name === name).length

describe('answers that get lost', () => {
  test('a PUT that took effect is tried again, finds its own bytes, and counts once', async () => {
    fail('put', 'lose-answer', 1)
    const one = await append()
    expect(await read(one)).toEqual(one.body)
    expect(await listed()).toEqual([one.objectId])
  })

  test('a multipart upload that was completed is recognised', async () => {
    fail('completeUpload', 'lose-answer')
    const one = await write()
    expect(sha256(await read(one))).toBe(sha256(one.body))
    expect(count('completeUpload')).toBe(1)
    expect(s3.openUploads()).toBe(0)
  })

  test('one that was not is completed again', async () => {
    fail('completeUpload', 'cut', 2)
    const one = await write()
    expect(sha256(await read(one))).toBe(sha256(one.body))
    expect(count('completeUpload')).toBe(3)
  })

  test('an error inside an answer of 200 is an error', async () => {
    fail('completeUpload', 'error-in-200', 1)
    const one = await write()
    expect(sha256(await read(one))).toBe(sha256(one.body))
    expect(count('completeUpload')).toBe(2)
  })

  test('when it never succeeds, nothing is visible and nothing is left', async () => {
    fail('completeUpload', 'error-in-200')
    await expect(write()).rejects.toThrow(/completeUpload/)
    expect(await listed()).toEqual([])
    expect(s3.openUploads()).toBe(0)
    expect(quarantines).toEqual([])
  })
})

describe('servers that do not do what they say', () => {
  test('a body stored otherwise than sent is not acknowledged, and nothing more is written there', async () => {
    const before = await append()
    fail('put', 'store-damaged')
    await expect(append()).rejects.toMatchObject({ reason: 'mismatch' })
    expect(quarantines).toHaveLength(1)
    expect(domain.status()).toMatchObject({ state: 'quarantined' })
    s3.before = () => undefined
    await expect(append()).rejects.toMatchObject({ reason: 'unsafe' })
    expect(await read(before)).toEqual(before.body)
  })

  test('the same for one of many parts, and it is cleared away', async () => {
    fail('completeUpload', 'store-damaged')
    await expect(write()).rejects.toMatchObject({ reason: 'mismatch' })
    expect(quarantines).toHaveLength(1)
    expect(s3.keys()).toEqual([])
  })

  test('a body that was accepted and is not there is not acknowledged', async () => {
    fail('put', 'ignore')
    await expect(append()).rejects.toMatchObject({ reason: 'missing' })
  })

  test('a server that accepts wrong checksums gets no contracts', async () => {
    await s3.close()
    s3 = await startFakeS3({ careless: true })
    domain = openFakeDomain(s3, timing, (status) => quarantines.push(status.reason ?? ''))
    await expect(append()).rejects.toMatchObject({ reason: 'unsafe' })
    expect(quarantines[0]).toMatch(/checksum/)
    expect(s3.keys()).toEqual([])
  })

  test('what it says it removed and did not is not taken for destroyed', async () => {
    const [small, large] = [await append(), await write()]
    fail('remove', 'ignore')
    for (const one of [small, large])
      await expect(domain.remove(one.objectId, one.placement)).rejects.toThrow(/still there/)
  })
})

describe('servers that are slow, busy or gone', () => {
  test('busy ones are asked again, more and more patiently', async () => {
    fail('put', 'slow-down', 3)
    const one = await append()
    expect(await read(one)).toEqual(one.body)
  })

  test('but not for ever', async () => {
    await append()
    const before = count('put')
    fail('put', 'slow-down')
    await expect(append()).rejects.toMatchObject({ reason: 'slow_down' })
    expect(count('put') - before).toBe(timing.attempts)
  })

  test('one that never answers is given up in time', async () => {
    domain = openFakeDomain(s3, { requestTimeoutMs: 300, attempts: 2, firstPauseMs: 2 })
    await append()
    fail('put', 'hang')
    const fromMs = performance.now()
    await expect(append()).rejects.toMatchObject({ reason: 'timeout' })
    expect(performance.now() - fromMs).toBeLessThan(2_000)
  })

  test('one that cannot be reached says so', async () => {
    await s3.close()
    await expect(append()).rejects.toMatchObject({ reason: 'unreachable' })
    s3 = await startFakeS3()
  })

  test('refused credentials are not tried again', async () => {
    await append()
    const before = count('put')
    fail('put', 'denied')
    await expect(append()).rejects.toMatchObject({ reason: 'denied' })
    expect(count('put') - before).toBe(1)
  })

  test('a bucket that could not be asked at first is asked again', async () => {
    s3.before = () => 'internal'
    await expect(append()).rejects.toMatchObject({ reason: 'server_error' })
    s3.before = () => undefined
    const one = await append()
    expect(await read(one)).toEqual(one.body)
  })
})

describe('writers that give up', () => {
  test('while a part is on its way leave no upload behind', async () => {
    await append()
    fail('beginUpload', 'late')
    const writer = await domain.begin(newId())
    await writer.write([randomBytes(6 << 20)])
    await writer.abort()
    expect(count('beginUpload')).toBe(1)
    expect(s3.openUploads()).toBe(0)
    await expect(writer.write([randomBytes(10)])).rejects.toThrow(/aborted/)
  })
})

describe('processes that die between two steps', () => {
  test('a record whose destruction was begun is destroyed by whoever comes next; its neighbours never suffer', async () => {
    const all = await Promise.all(Array.from({ length: 5 }, () => append()))
    const shared = all.filter((one) => one.placement.holder === all.at(-1)?.placement.holder)
    const [gone, ...neighbours] = shared as [(typeof shared)[number], ...typeof shared]
    expect(neighbours.length).toBeGreaterThan(0)
    // The new pack is stored, the old one is not purged.
    fail('remove', 'denied')
    await expect(domain.remove(gone.objectId, gone.placement)).rejects.toMatchObject({ reason: 'denied' })
    for (const one of neighbours) expect(await read(one)).toEqual(one.body)
    // Still there, so still found by an inventory.
    expect(await listed()).toContain(gone.objectId)
    s3.before = () => undefined
    const next = openFakeDomain(s3, timing)
    await next.sweep(new Date(0))
    expect(await listed(next)).not.toContain(gone.objectId)
    expect(s3.everything().some((one) => one.includes(gone.body))).toBe(false)
    for (const one of neighbours) expect(await read(one)).toEqual(one.body)
    await next.close()
  })

  test('a pack whose index was damaged is walked record by record', async () => {
    const one = await append()
    const key = `yinxin/a/${one.placement.holder}`
    const bytes = Buffer.from(s3.bytes(key) ?? [])
    bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1
    s3.tamper(key, bytes)
    expect(await listed()).toEqual([one.objectId])
    expect(await read(one)).toEqual(one.body)
    await domain.remove(one.objectId, one.placement)
    expect(await listed()).toEqual([])
  })

  test('what was left by a process that died while it asked what the bucket can do is swept', async () => {
    s3.before = ({ name, key }) => (name === 'remove' && key.includes('probes/') ? 'denied' : undefined)
    await expect(append()).rejects.toMatchObject({ reason: 'denied' })
    s3.before = () => undefined
    expect(s3.keys()).toHaveLength(1)
    expect(await domain.sweep(new Date(Date.now() + 60_000))).toBe(1)
    expect(s3.keys()).toEqual([])
  })
})

describe('listings that come in pages', () => {
  test('are followed to their end, of objects and of versions', async () => {
    await s3.close()
    s3 = await startFakeS3({ pageSize: 3 })
    s3.versioned = true
    domain = openFakeDomain(s3, timing)
    const all = []
    for (let number = 0; number < 8; number += 1) all.push(await append())
    expect((await listed()).sort()).toEqual(all.map((one) => one.objectId).sort())
    // Somebody saved the same object again and again; the bucket keeps every version.
    const large = await write(randomBytes(50_000))
    const key = `yinxin/a/${large.placement.holder}`
    for (let number = 0; number < 7; number += 1) s3.saveAgain(key)
    await domain.remove(large.objectId, large.placement)
    expect(s3.everything().some((bytes) => bytes.includes(large.body))).toBe(false)
  })
})

describe('calls', () => {
  test('five hundred small replicas at once take few of them', async () => {
    await append()
    const before = s3.calls.length
    await Promise.all(Array.from({ length: 500 }, () => append(2_000)))
    expect(s3.calls.length - before).toBeLessThan(20)
  })

  test('a replica alone takes two; one of three parts, six', async () => {
    await append()
    const before = s3.calls.length
    await append()
    expect(s3.calls.slice(before).map((call) => call.name)).toEqual(['put', 'head'])
    const then = s3.calls.length
    await write()
    expect(s3.calls.slice(then).map((call) => call.name)).toEqual([
      'beginUpload',
      'uploadPart',
      'uploadPart',
      'uploadPart',
      'completeUpload',
      'head',
    ])
  })
})

describe('a region that is down', () => {
  test('is said to be, since when and why, and no more once it answers again', async () => {
    await append()
    expect(domain.status()).not.toHaveProperty('unanswered')
    const before = new Date()
    s3.before = () => 'cut'
    const { state, unanswered } = await domain.examine()
    // It is not damaged: once it is back, nothing has to be read before it takes writes.
    expect(state).toBe('ready')
    expect(unanswered?.since.getTime()).toBeGreaterThanOrEqual(before.getTime())
    expect(unanswered?.reason).toContain('probe')
    await new Promise((resolve) => setTimeout(resolve, 5))
    expect((await domain.examine()).unanswered?.since).toEqual(unanswered?.since)
    s3.before = () => undefined
    expect(await domain.examine()).not.toHaveProperty('unanswered')
  })

  test('what the platform asks in its daily work shows it too, and a missing key is an answer', async () => {
    const one = await append()
    const reader = await domain.open(one.placement, one.objectId)
    await reader.read(0, 10)
    s3.before = () => 'denied'
    await expect(append()).rejects.toMatchObject({ reason: 'denied' })
    expect(domain.status().unanswered).toBeDefined()
    s3.before = () => undefined
    await expect(
      domain.open({ ...one.placement, holder: 'journal/none.seg' }, one.objectId),
    ).rejects.toMatchObject({ reason: 'missing' })
    expect(domain.status()).not.toHaveProperty('unanswered')
  })
})

describe('the hourly comparison', () => {
  const recalled = async () => {
    const found: string[] = []
    for await (const one of domain.list({ recalled: true })) found.push(`${one.objectId} ${one.sha256}`)
    return found.sort()
  }

  test('reads a pack once, and again only when the list says that it changed', async () => {
    await append()
    await append()
    const gets = async (look: () => Promise<unknown>) => {
      const before = count('get')
      await look()
      return count('get') - before
    }
    const first = await recalled()
    expect(first.length).toBe(2)
    expect(await gets(recalled)).toBe(0)
    expect(await recalled()).toEqual(first)
    await append()
    expect(await gets(recalled)).toBe(1)
    expect((await recalled()).length).toBe(3)
    // The daily comparison reads all of them.
    expect(await gets(() => listed())).toBe(3)
  })

  test('sees a pack that was cut short, one that is gone, and what was destroyed', async () => {
    const [one, two, three] = [await append(), await append(), await append()]
    expect((await recalled()).length).toBe(3)
    const [firstKey = '', secondKey = ''] = s3.keys().filter((key) => key.includes('journal/'))
    const before = count('get')
    s3.tamper(firstKey, s3.bytes(firstKey)?.subarray(0, -1))
    await recalled()
    expect(count('get')).toBeGreaterThan(before)
    s3.tamper(secondKey, undefined)
    const left = (await recalled()).map((text) => text.split(' ')[0])
    expect(left.length).toBeLessThan(3)
    const last = [one, two, three].find(({ objectId }) => left.includes(objectId))!
    await domain.remove(last.objectId, last.placement)
    expect((await recalled()).map((text) => text.split(' ')[0])).not.toContain(last.objectId)
  })
})
