/** What every `Domain` must do, whatever it lies on; for tests of its drivers. */
import { createHash, randomBytes, randomUUID } from 'node:crypto'
import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import { systemClock } from '#src/clock.ts'
import { newId } from '#src/ids.ts'
import type { Domain, ListedReplica, Placement } from './domain.ts'

export interface DomainBench {
  /** A domain over the same place each time, as another process would open it. */
  open(): Promise<Domain> | Domain
  /** Empties the place. */
  clear(): Promise<void>
  /** Changes the stored bytes of a holder behind the domain's back. */
  edit(holder: string, change: (bytes: Buffer) => Buffer): Promise<void>
  /** Removes a holder behind the domain's back. */
  lose(holder: string): Promise<void>
  /** Whether these bytes are still kept in any way: as an old version, a part, a hidden file. */
  keeps(bytes: Buffer): Promise<boolean>
  /** Makes every write fail until the returned function is called. */
  refuseWrites(): Promise<() => Promise<void>>
  close?(): Promise<void>
}

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')
const inMs = (ms: number) => new Date(systemClock.now().getTime() + ms)
const later = () => inMs(60_000)

export function domainSuite(name: string, makeBench: () => Promise<DomainBench>): void {
  describe(`failure domain: ${name}`, () => {
    let bench: DomainBench
    let domain: Domain
    const opened: Domain[] = []

    beforeEach(async () => {
      bench ??= await makeBench()
      await Promise.all(opened.splice(0).map((one) => one.close()))
      await bench.clear()
      domain = await reopen()
    })
    afterAll(async () => {
      await Promise.all(opened.map((one) => one.close()))
      await bench.close?.()
    })

    async function reopen(): Promise<Domain> {
      const one = await bench.open()
      opened.push(one)
      return one
    }

    async function append(sizeBytes: number, over: Domain = domain) {
      const objectId = newId()
      const body = randomBytes(sizeBytes)
      return { objectId, body, placement: await over.append(objectId, body, sha256(body)) }
    }

    async function write(body: Buffer, pieceBytes: number, objectId = newId(), replace = false) {
      const writer = await domain.begin(objectId)
      for (let at = 0; at < body.length; at += pieceBytes)
        await writer.write([body.subarray(at, at + 7), body.subarray(at + 7, at + pieceBytes)])
      return { objectId, body, placement: await writer.finish(replace) }
    }

    async function read(one: { objectId: string; placement: Placement }, over: Domain = domain) {
      const reader = await over.open(one.placement, one.objectId)
      try {
        return await reader.read(0, one.placement.sizeBytes)
      } finally {
        await reader.close()
      }
    }

    async function listed(over: Domain = domain): Promise<ListedReplica[]> {
      const all: ListedReplica[] = []
      for await (const one of over.list()) all.push(one)
      return all
    }

    const ids = (all: { objectId: string }[]) => all.map((one) => one.objectId).sort()

    test('a small replica that was acknowledged is read by another process', async () => {
      const small = await append(5_000)
      expect(small.placement).toMatchObject({ domain: domain.name, sizeBytes: 5_000 })
      expect(await read(small, await reopen())).toEqual(small.body)
    })

    test('writers at the same time share holders, and each finds its own', async () => {
      const all = await Promise.all(Array.from({ length: 60 }, (_, at) => append(100 + at * 37)))
      expect(new Set(all.map((one) => one.placement.holder)).size).toBeLessThan(20)
      const other = await reopen()
      for (const one of all) expect(await read(one, other)).toEqual(one.body)
      expect(ids(await listed(other))).toEqual(ids(all))
    })

    test('an empty body is a replica too', async () => {
      const empty = await append(0)
      expect(await read(empty)).toEqual(Buffer.alloc(0))
      expect(ids(await listed())).toEqual([empty.objectId])
    })

    test('a large replica in odd pieces is read whole and in ranges', async () => {
      const large = await write(randomBytes((12 << 20) + 4_321), 777_777)
      expect(large.placement.sizeBytes).toBe(large.body.length)
      const reader = await (await reopen()).open(large.placement, large.objectId)
      for (const [from, sizeBytes] of [
        [0, 168],
        [168, 1 << 20],
        [168 + (1 << 20), 1 << 20],
        [5 << 20, 10],
        [(5 << 20) - 3, 6],
        [large.body.length - 1, 1],
        [0, large.body.length],
      ] as const) {
        const part = await reader.read(from, sizeBytes)
        expect(sha256(part)).toBe(sha256(large.body.subarray(from, from + sizeBytes)))
      }
      await expect(reader.read(large.body.length - 10, 11)).rejects.toThrow()
      await reader.close()
    })

    test('a replica of one huge piece is taken as it is', async () => {
      const huge = await write(randomBytes((23 << 20) + 1), 23 << 20)
      expect(sha256(await read(huge))).toBe(sha256(huge.body))
    })

    test('a short replica may be written piece by piece', async () => {
      const short = await write(randomBytes(70_000), 9_000)
      expect(await read(short)).toEqual(short.body)
    })

    test('what is written is not there before it is finished, nor after it was given up', async () => {
      const writer = await domain.begin(newId())
      await writer.write([randomBytes(6 << 20)])
      expect(await listed()).toEqual([])
      await writer.abort()
      expect(await listed()).toEqual([])
      expect(await domain.sweep(later())).toBe(0)
    })

    test('giving up right after the last piece leaves nothing either', async () => {
      const secret = randomBytes(11 << 20)
      const writer = await domain.begin(newId())
      const writing = writer.write([secret])
      await writing
      await writer.abort()
      expect(await domain.sweep(later())).toBe(0)
      expect(await bench.keeps(secret.subarray(0, 64))).toBe(false)
    })

    test('what a process that died left behind is swept once it is old, and never seen', async () => {
      const dying = await reopen()
      const secret = randomBytes(11 << 20)
      const writer = await dying.begin(newId())
      await writer.write([secret.subarray(0, 6 << 20)])
      await writer.write([secret.subarray(6 << 20)])
      expect(await listed()).toEqual([])
      expect(await domain.sweep(inMs(-3_600_000))).toBe(0)
      expect(await domain.sweep(later())).toBe(1)
      expect(await domain.sweep(later())).toBe(0)
      expect(await bench.keeps(secret.subarray(0, 64))).toBe(false)
      // Only so that this process, which did not die, lets go of its file.
      await writer.abort()
    })

    test('many writers of large replicas at the same time do not mix', async () => {
      const all = await Promise.all(Array.from({ length: 4 }, () => write(randomBytes(6 << 20), 1 << 20)))
      for (const one of all) expect(sha256(await read(one))).toBe(sha256(one.body))
    })

    test('nothing is read under the name of another object', async () => {
      const small = await append(900)
      await expect(domain.open(small.placement, randomUUID())).rejects.toThrow()
    })

    test('a small replica that was changed is not read', async () => {
      const [first, second] = await Promise.all([append(1_000), append(1_000)])
      await bench.edit(first.placement.holder, (bytes) => flip(bytes, first.placement.position + 64 + 500))
      await expect(read(first)).rejects.toThrow()
      if (second.placement.holder === first.placement.holder) expect(await read(second)).toEqual(second.body)
    })

    test('a large replica that was changed gives other bytes, for the reader to find', async () => {
      const large = await write(randomBytes(6 << 20), 1 << 20)
      await bench.edit(large.placement.holder, (bytes) => flip(bytes, 5_500_000))
      expect(sha256(await read(large))).not.toBe(sha256(large.body))
    })

    test('replicas that were cut short are refused', async () => {
      const small = await append(1_000)
      const large = await write(randomBytes(6 << 20), 1 << 20)
      await bench.edit(small.placement.holder, (bytes) => bytes.subarray(0, small.placement.position + 500))
      await bench.edit(large.placement.holder, (bytes) => bytes.subarray(0, 5_000_000))
      await expect(read(small)).rejects.toThrow()
      await expect(read(large)).rejects.toThrow()
    })

    test('replicas that are gone are refused', async () => {
      const small = await append(1_000)
      const large = await write(randomBytes(6 << 20), 1 << 20)
      for (const one of [small, large]) {
        await bench.lose(one.placement.holder)
        await expect(read(one)).rejects.toThrow()
      }
      expect(await listed()).toEqual([])
    })

    test('the inventory lists everything with its place, small ones with their hash', async () => {
      const small = await Promise.all([append(10), append(20), append(30)])
      const large = await write(randomBytes(6 << 20), 1 << 20)
      const all = await listed(await reopen())
      expect(ids(all)).toEqual(ids([...small, large]))
      for (const one of [...small, large]) {
        const found = all.find((other) => other.objectId === one.objectId)
        expect(found?.placement).toEqual(one.placement)
      }
      for (const one of small)
        expect(all.find((other) => other.objectId === one.objectId)?.sha256).toBe(sha256(one.body))
    })

    test('a small replica is destroyed, and its neighbours stay where they are', async () => {
      const all = await Promise.all(Array.from({ length: 9 }, () => append(2_000)))
      const [gone, ...others] = all as [(typeof all)[number], ...typeof all]
      expect(await domain.remove(gone.objectId, gone.placement)).not.toBe('absent')
      const other = await reopen()
      await expect(read(gone, other)).rejects.toThrow()
      for (const one of others) expect(await read(one, other)).toEqual(one.body)
      expect(ids(await listed(other))).toEqual(ids(others))
      expect(await bench.keeps(gone.body)).toBe(false)
      // Again, as after a crash between removing and noting it.
      await other.remove(gone.objectId, gone.placement)
      expect(ids(await listed(other))).toEqual(ids(others))
    })

    test('two processes destroy neighbours at the same time; both are gone, the rest stays', async () => {
      const all = await Promise.all(Array.from({ length: 12 }, () => append(1_500)))
      const shared = all.filter((one) => one.placement.holder === all.at(-1)?.placement.holder)
      const gone = shared.slice(0, 6)
      const others = all.filter((one) => !gone.includes(one))
      const processes = [domain, await reopen()]
      await Promise.all(gone.map((one, at) => processes[at % 2]?.remove(one.objectId, one.placement)))
      await domain.sweep(new Date(0))
      for (const one of gone) {
        await expect(read(one)).rejects.toThrow()
        expect(await bench.keeps(one.body)).toBe(false)
      }
      for (const one of others) expect(await read(one)).toEqual(one.body)
      expect(ids(await listed())).toEqual(ids(others))
    })

    test('the last replica of a holder is destroyed without a trace', async () => {
      const all = await Promise.all([append(800), append(800)])
      for (const one of all) expect(await domain.remove(one.objectId, one.placement)).not.toBe('absent')
      expect(await listed()).toEqual([])
      for (const one of all) expect(await bench.keeps(one.body)).toBe(false)
    })

    test('a large replica is destroyed; doing so again is harmless', async () => {
      const large = await write(randomBytes(11 << 20), 1 << 20)
      expect(await domain.remove(large.objectId, large.placement)).toBe('deleted')
      expect(await domain.remove(large.objectId, large.placement)).toBe('absent')
      await expect(read(large)).rejects.toThrow()
      expect(await bench.keeps(large.body.subarray(0, 64))).toBe(false)
      expect(await bench.keeps(large.body.subarray(-64))).toBe(false)
    })

    test('what lies at a place under another name is left alone', async () => {
      const small = await append(700)
      const large = await write(randomBytes(6 << 20), 1 << 20)
      for (const one of [small, large]) {
        expect(await domain.remove(randomUUID(), one.placement)).toBe('absent')
        expect(sha256(await read(one))).toBe(sha256(one.body))
      }
    })

    test('a good replica takes the place of a bad one', async () => {
      const body = randomBytes(6 << 20)
      const bad = await write(body, 1 << 20)
      await bench.edit(bad.placement.holder, (bytes) => flip(bytes, 100))
      const good = await write(body, 1 << 20, bad.objectId, true)
      expect(sha256(await read(good))).toBe(sha256(body))
      expect((await listed()).map((one) => one.placement)).toEqual([good.placement])
    })

    test('holders of many replicas are listed, looked into and dropped for compaction', async () => {
      const all = await Promise.all(Array.from({ length: 8 }, () => append(600)))
      await domain.close()
      const { packs } = await reopen()
      if (packs === undefined) return
      const found: ListedReplica[] = []
      const holders: string[] = []
      for await (const { holder, sizeBytes } of packs.closed(later())) {
        holders.push(holder)
        expect(sizeBytes).toBeGreaterThan(600)
        for await (const one of packs.records(holder)) found.push(one)
      }
      expect(ids(found)).toEqual(ids(all))
      for await (const one of packs.closed(inMs(-3_600_000))) expect(one).toBeUndefined()
      for (const holder of holders) await packs.drop(holder)
      expect(await listed(await reopen())).toEqual([])
      for (const one of all) expect(await bench.keeps(one.body)).toBe(false)
    })

    test('where nothing can be written, nothing is acknowledged, and what was stays readable', async () => {
      const before = await append(400)
      const restore = await bench.refuseWrites()
      try {
        const stubborn = await reopen()
        await expect(append(400, stubborn)).rejects.toThrow()
        const attempt = async () => {
          const writer = await stubborn.begin(newId())
          await writer.write([randomBytes(6 << 20)])
          await writer.finish()
        }
        await expect(attempt()).rejects.toThrow()
      } finally {
        await restore()
      }
      expect(await read(before)).toEqual(before.body)
      const after = await append(400, await reopen())
      expect(ids(await listed())).toEqual(ids([before, after]))
    })

    test('a quarantined domain is read and not written until it is readmitted', async () => {
      const before = await append(300)
      domain.quarantine('told by the operator')
      expect(domain.status()).toMatchObject({ state: 'quarantined', reason: 'told by the operator' })
      await expect(append(300)).rejects.toThrow(/quarantined/)
      await expect(domain.begin(newId())).rejects.toThrow(/quarantined/)
      expect(await read(before)).toEqual(before.body)
      await domain.readmit()
      expect(domain.status().state).toBe('ready')
      expect(await read(await append(300))).toHaveLength(300)
    })

    test('it says on which device or in which region it lies', async () => {
      expect((await domain.examine()).deviceId).toMatch(/./)
    })
  })
}

function flip(bytes: Buffer, at: number): Buffer {
  const changed = Buffer.from(bytes)
  changed[at] = (changed[at] ?? 0) ^ 1
  return changed
}
