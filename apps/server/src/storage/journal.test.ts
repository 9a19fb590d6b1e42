import { createHash, randomBytes, randomUUID } from 'node:crypto'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { systemClock } from '#src/clock.ts'
import { newId } from '#src/ids.ts'
import { nodeDisk } from './node-disk.ts'
import { diskBroken, diskFull, type FaultyDisk, faultyDisk } from './faulty-disk.ts'
import { createJournal, readRecord, type ScannedRecord, scanSegment } from './journal.ts'
import { decodeRecordHeader, encodeRecordHeader, recordHeaderBytes, segmentMagic } from './journal-record.ts'

let folder: string
let disk: FaultyDisk
let quarantined: unknown[]

beforeEach(async () => {
  folder = join(await mkdtemp(join(tmpdir(), 'yinxin-journal-')), 'journal')
  disk = faultyDisk(nodeDisk)
  quarantined = []
})
afterEach(() => rm(join(folder, '..'), { recursive: true, force: true }))

const journalOver = (segmentBytes = 1 << 20) =>
  createJournal({
    disk,
    folder,
    newName: newId,
    clock: systemClock,
    segmentBytes,
    ensureFolder: async () => {
      await mkdir(folder, { recursive: true })
    },
    onSyncFailure: (error) => quarantined.push(error),
  })

const sha256 = (body: Uint8Array) => createHash('sha256').update(body).digest('hex')
const makeBody = (sizeBytes = 100) => {
  const body = randomBytes(sizeBytes)
  return { id: randomUUID(), body, sha256: sha256(body) }
}

async function scan(path: string) {
  const records: ScannedRecord[] = []
  const walk = scanSegment(disk, path)
  for (;;) {
    const next = await walk.next()
    if (next.done === true) return { records, ...next.value }
    records.push(next.value)
  }
}

describe('record headers', () => {
  test('come back as they were, and any changed bit is noticed', () => {
    fc.assert(
      fc.property(
        fc.uuid(),
        fc.uint8Array({ maxLength: 300 }),
        fc.integer({ min: 0, max: 511 }),
        (id, body, bit) => {
          const header = encodeRecordHeader(id, body, sha256(body))
          expect(decodeRecordHeader(header)).toMatchObject({
            objectId: id,
            bodyBytes: body.length,
            bodySha256: sha256(body),
          })
          header[bit >> 3] = header[bit >> 3]! ^ (1 << (bit & 7))
          expect(decodeRecordHeader(header)).toBeUndefined()
        },
      ),
    )
  })
})

describe('the journal', () => {
  test('fifty concurrent writers share few fsyncs, and every record is where it says', async () => {
    const journal = journalOver()
    const records = Array.from({ length: 50 }, () => makeBody())
    const places = await Promise.all(records.map((one) => journal.append(one.id, one.body, one.sha256)))
    expect(disk.counts.sync).toBeLessThanOrEqual(3)
    for (const [at, place] of places.entries()) {
      const found = await readRecord(disk, join(folder, place.segment), place.position, 100)
      expect(found?.objectId).toBe(records[at]!.id)
      expect(found?.body.equals(records[at]!.body)).toBe(true)
    }
    await journal.close()
  })

  test('an append resolves only after the fsync of the file and, for a new segment, of its folder', async () => {
    const journal = journalOver()
    const order: string[] = []
    disk.before = (operation) => void order.push(operation)
    const one = makeBody()
    await journal.append(one.id, one.body, one.sha256).then(() => order.push('acknowledged'))
    await journal.append(one.id, one.body, one.sha256).then(() => order.push('acknowledged'))
    expect(order).toEqual([
      'create',
      'write',
      'sync',
      'syncFolder',
      'acknowledged',
      'write',
      'sync',
      'acknowledged',
    ])
    await journal.close()
  })

  test('leaves a segment that is full, and never writes into one that another process made', async () => {
    const journal = journalOver(1000)
    for (let n = 0; n < 20; n += 1) {
      const one = makeBody()
      await journal.append(one.id, one.body, one.sha256)
    }
    await journal.close()
    const before = await readdir(folder)
    expect(before.length).toBe(3)
    const again = journalOver(1000)
    const one = makeBody()
    const place = await again.append(one.id, one.body, one.sha256)
    expect(before).not.toContain(place.segment)
    await again.close()
  })

  test('a torn tail, wherever it is cut, hides no whole record and is no record itself', async () => {
    const journal = journalOver()
    const records = [makeBody(10), makeBody(300), makeBody(200)]
    for (const one of records) await journal.append(one.id, one.body, one.sha256)
    await journal.close()
    const [name] = await readdir(folder)
    const whole = await readFile(join(folder, name!))
    const secondEnds = segmentMagic.length + 2 * recordHeaderBytes + 310
    for (let cut = secondEnds; cut < whole.length; cut += 7) {
      await writeFile(join(folder, 'cut.seg'), whole.subarray(0, cut))
      const { records: found, endsAt, tornBytes } = await scan(join(folder, 'cut.seg'))
      expect(found.map((one) => one.objectId)).toEqual(records.slice(0, 2).map((one) => one.id))
      expect({ endsAt, tornBytes }).toEqual({ endsAt: secondEnds, tornBytes: cut - secondEnds })
    }
    // The length is right, but the last bytes never reached the disk.
    await writeFile(join(folder, 'cut.seg'), Buffer.concat([whole.subarray(0, -50), Buffer.alloc(50)]))
    expect((await scan(join(folder, 'cut.seg'))).records).toHaveLength(2)
  })

  test('damage in the middle is reported and the records behind it are still found', async () => {
    const journal = journalOver()
    const records = [makeBody(), makeBody(), makeBody()]
    const places = []
    for (const one of records) places.push(await journal.append(one.id, one.body, one.sha256))
    await journal.close()
    const path = join(folder, places[1]!.segment)
    const bytes = await readFile(path)
    const at = places[1]!.position + recordHeaderBytes + 5
    bytes[at] = bytes[at]! ^ 1
    await writeFile(path, bytes)
    expect((await scan(path)).records.map((one) => one.intact)).toEqual([true, false, true])
    expect(await readRecord(disk, path, places[1]!.position, 100)).toBeUndefined()
  })

  test('a full disk fails the append, and the next one goes to a fresh segment', async () => {
    const journal = journalOver()
    const one = makeBody()
    const first = await journal.append(one.id, one.body, one.sha256)
    disk.before = (operation) => {
      if (operation === 'write') throw diskFull()
    }
    await expect(journal.append(one.id, one.body, one.sha256)).rejects.toThrow('ENOSPC')
    disk.before = () => undefined
    const next = await journal.append(one.id, one.body, one.sha256)
    expect(next.segment).not.toBe(first.segment)
    expect(quarantined).toEqual([])
    await journal.close()
  })

  test('a failed fsync is reported, never repeated, and nothing more is written', async () => {
    const journal = journalOver()
    disk.before = (operation) => {
      if (operation === 'sync') throw diskBroken()
    }
    const one = makeBody()
    const both = await Promise.allSettled([1, 2].map(() => journal.append(one.id, one.body, one.sha256)))
    expect(both.map((result) => result.status)).toEqual(['rejected', 'rejected'])
    expect(quarantined.length).toBe(1)
    expect(disk.counts).toMatchObject({ create: 1, write: 1, sync: 1 })
    await journal.close()
  })

  test('a segment deleted under the writer is noticed: nothing is acknowledged into a file without a name', async () => {
    const journal = journalOver()
    const one = makeBody()
    await journal.append(one.id, one.body, one.sha256)
    await rm(folder, { recursive: true })
    const place = await journal.append(one.id, one.body, one.sha256)
    expect(await readdir(folder)).toEqual([place.segment])
    expect((await readRecord(disk, join(folder, place.segment), place.position, 100))?.objectId).toBe(one.id)
    // Deleted each time, it gives up.
    disk.before = async (operation) => {
      if (operation === 'sync') await rm(folder, { recursive: true })
    }
    await expect(journal.append(one.id, one.body, one.sha256)).rejects.toThrow(/deleted|ENOENT/)
    disk.before = () => undefined
    await journal.close()
  })
})
