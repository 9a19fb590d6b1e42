// Measures custody (keys, storage), certificates and timestamps on this machine, against plain work of the same kind
// in the same run: real PostgreSQL, real files, real fsync.
//   node apps/server/bench.ts [--json] [--large-bytes N] [--dir FOLDER]
import { createCipheriv, createHash, randomBytes, randomUUID } from 'node:crypto'
import { chmod, mkdir, mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { generateSigner } from '@yinxin/pki'
import { createCa } from '#src/ca/ca.ts'
import { systemClock } from '#src/clock.ts'
import { openDb } from '#src/db/db.ts'
import { startPostgres } from '#src/db/postgres.ts'
import { migrateAll } from '#src/db/prepare.ts'
import { provision } from '#src/db/provision.ts'
import { createKms } from '#src/kms/kms.ts'
import { createLog } from '#src/log.ts'
import { nodeDisk } from '#src/storage/node-disk.ts'
import { faultyDisk } from '#src/storage/faulty-disk.ts'
import { createStorage, defaultSites, type Storage } from '#src/storage/storage.ts'
import { createTimestamps } from '#src/timestamps/timestamps.ts'

type Figures = Record<string, number>

/** Evidence and seals; deltas of signatures. */
const smallObjects = [
  { name: '4KB', sizeBytes: 4_000 },
  { name: '24KB', sizeBytes: 24_000 },
]
const writers = 50

export interface CustodyBenchOptions {
  /** Size of the large object; its six copies are written twice. */
  largeBytes?: number
  /** Where to write; the disk under it is what is measured. */
  dir?: string
}

/** Figures by name: rates per second, `Share` and `Ratio` without unit, `Bytes` in bytes. */
export async function benchCustody({
  largeBytes = 256 << 20,
  dir = tmpdir(),
}: CustodyBenchOptions = {}): Promise<Figures> {
  const folder = await mkdtemp(join(dir, 'yinxin-bench-'))
  await chmod(folder, 0o711)
  const postgres = await startPostgres({ dataDir: folder })
  const urls = await provision(postgres)
  await migrateAll(urls)
  const [db, keysDb] = [openDb({ url: urls.url }), openDb({ url: urls.keysUrl })]
  const log = createLog('silent')
  const clock = systemClock
  const kms = await createKms({ keysDb, clock, keyDir: join(folder, 'keys') })
  const disk = faultyDisk(nodeDisk)
  const storage = createStorage({ db, clock, log, kms, disk, sites: defaultSites(folder) })
  const ca = await createCa({ db, clock, kms, baseUrl: 'http://127.0.0.1' })
  const timestamps = createTimestamps({ ca, clock, log })
  const scope = { tenantId: randomUUID(), scopeId: randomUUID() }
  await kms.createScopeKey(scope.tenantId, scope.scopeId)
  const put = (content: Uint8Array | AsyncIterable<Uint8Array>) =>
    storage.put({ ...scope, class: 'signed', content })
  try {
    const figures: Figures = {}
    const digest = randomBytes(32)
    for (const { name, sizeBytes } of smallObjects) {
      const content = randomBytes(sizeBytes)
      const plain = onePerObject(join(folder, `plain-${name}`), content)
      await Promise.all([rate(20, 1, () => put(content)), rate(1, 1, plain)])
      figures[`custody.put.${name}.one`] = await rate(100, 1, () => put(content))
      figures[`custody.plain.${name}.one`] = await rate(50, 1, plain)
      // By turns, so that a disk busy with something else slows both.
      const rounds = { shared: 0, plain: 0 }
      const before = disk.counts.sync
      for (let round = 0; round < 3; round += 1) {
        rounds.shared += await rate(1_000, writers, () => put(content))
        rounds.plain += await rate(100, writers, plain)
      }
      figures[`custody.put.${name}.fifty`] = rounds.shared / 3
      figures[`custody.plain.${name}.fifty`] = rounds.plain / 3
      figures[`custody.put.${name}.syncsPerObject`] = (disk.counts.sync - before) / 3_000
      figures[`custody.put.${name}.ratio`] = rounds.shared / rounds.plain
    }
    return {
      ...figures,
      ...(await benchLarge(storage, put, folder, largeBytes)),
      'kms.scopeKeys.fifty': await rate(2_000, writers, () =>
        kms.createScopeKey(scope.tenantId, randomUUID()),
      ),
      ...(await benchCertificates(db, ca, kms)),
      'timestamps.tokens': await rate(2_000, 1, () => timestamps.stamp(digest)),
    }
  } finally {
    await storage.close()
    kms.close()
    await Promise.all([db.close(), keysDb.close()])
    await postgres.stop()
    await rm(folder, { recursive: true, force: true })
  }
}

async function benchCertificates(
  db: ReturnType<typeof openDb>,
  ca: Awaited<ReturnType<typeof createCa>>,
  kms: Awaited<ReturnType<typeof createKms>>,
) {
  const { signer } = generateSigner('ecdsa-p256-sha256')
  const block = randomBytes(400)
  const raw = await rate(5_000, 1, async () => {
    signer.sign(block)
  })
  const keys = await rate(2_000, 1, async () => {
    const key = await kms.eventSigner('ecdsa-p256-sha256')
    key.destroy()
  })
  const certificates = async (concurrency: number, count: number) =>
    rate(count, concurrency, async () => {
      const key = await kms.eventSigner('ecdsa-p256-sha256')
      const ids = { actId: randomUUID(), taskId: randomUUID(), tenantId: randomUUID() }
      const identity = { kind: 'person', name: '张三', identifier: '110***********002X' } as const
      const request = { ...ids, identity, spki: key.signer.spki, at: new Date() }
      const issued = ca.issue(await db.work((tx) => ca.intend(tx, request)))
      await db.work((tx) => ca.recordIssued(tx, issued))
      key.destroy()
    })
  return {
    'ca.rawSignatures': raw,
    'ca.eventKeys': keys,
    'ca.eventCertificates.one': await certificates(1, 300),
    'ca.eventCertificates.fifty': await certificates(writers, 3_000),
  }
}

/** A large upload and download, as a share of hashing, encrypting and writing the same copies by hand. */
async function benchLarge(
  storage: Storage,
  put: (content: AsyncIterable<Uint8Array>) => Promise<{ id: string } & Awaited<ReturnType<Storage['put']>>>,
  folder: string,
  sizeBytes: number,
): Promise<Figures> {
  const piece = randomBytes(64 * 1024)
  async function* source() {
    for (let sent = 0; sent < sizeBytes; sent += piece.length) yield piece
  }
  const floorMs = await elapsed(() => byHand(folder, source()))
  const base = process.memoryUsage().rss
  let peak = base
  const watch = setInterval(() => {
    peak = Math.max(peak, process.memoryUsage().rss)
  }, 10)
  let stored: Awaited<ReturnType<Storage['put']>> | undefined
  const putMs = await elapsed(async () => {
    stored = await put(source())
  })
  const readMs = await elapsed(async () => {
    let read = 0
    for await (const part of storage.stream(stored!)) read += part.length
    if (read !== stored!.sizeBytes) throw new Error('the large object came back with another size')
  })
  clearInterval(watch)
  return {
    'custody.large.bytes': sizeBytes,
    'custody.large.putPerSecondBytes': sizeBytes / (putMs / 1000),
    'custody.large.putShare': floorMs / putMs,
    'custody.large.readShare': floorMs / readMs,
    'custody.large.readPerSecondBytes': sizeBytes / (readMs / 1000),
    'custody.large.memoryGrowthBytes': peak - base,
  }
}

/** The unavoidable work of a large upload: two hashes, encryption by 16 KiB, six copies written and fsynced. */
async function byHand(folder: string, content: AsyncIterable<Uint8Array>): Promise<void> {
  const target = await mkdtemp(join(folder, 'floor-'))
  const files = await Promise.all(Array.from({ length: 6 }, (_, n) => open(join(target, String(n)), 'wx')))
  const [plain, sealed] = [createHash('sha256'), createHash('sha256')]
  const [key, nonce] = [randomBytes(32), randomBytes(12)]
  let parts: Buffer[] = []
  let writing: Promise<unknown> = Promise.resolve()
  const flush = async () => {
    const batch = parts
    parts = []
    await writing
    writing = Promise.all(files.map((file) => file.writev(batch)))
  }
  for await (const piece of content) {
    plain.update(piece)
    for (let at = 0; at < piece.length; at += 16_384) {
      const cipher = createCipheriv('aes-256-gcm', key, nonce)
      const chunk = cipher.update(piece.subarray(at, at + 16_384))
      cipher.final()
      const tag = cipher.getAuthTag()
      sealed.update(chunk).update(tag)
      parts.push(chunk, tag)
    }
    if (parts.length >= 128) await flush()
  }
  await flush()
  await writing
  await Promise.all(files.map((file) => file.sync()))
  await Promise.all(files.map((file) => file.close()))
  await rm(target, { recursive: true })
}

/** The plain way to store one object durably: six files, each with its own fsync and that of its folder. */
function onePerObject(folder: string, content: Uint8Array): () => Promise<void> {
  let made = 0
  return async () => {
    made += 1
    const name = String(made)
    await Promise.all(
      Array.from({ length: 6 }, async (_, copy) => {
        const parent = join(folder, String(copy))
        if (name === '1') await mkdir(parent, { recursive: true })
        const file = await open(join(parent, name), 'wx')
        await file.write(content)
        await file.sync()
        await file.close()
        const handle = await open(parent, 'r')
        await handle.sync()
        await handle.close()
      }),
    )
  }
}

/** Runs `work` `count` times with so many at once and returns how many per second. */
async function rate(count: number, concurrency: number, work: () => Promise<unknown>): Promise<number> {
  let left = count
  const ms = await elapsed(() =>
    Promise.all(
      Array.from({ length: concurrency }, async () => {
        while (left > 0) {
          left -= 1
          await work()
        }
      }),
    ),
  )
  return count / (ms / 1000)
}

async function elapsed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now()
  await work()
  return performance.now() - start
}

async function main(args: readonly string[]): Promise<void> {
  const value = (name: string) => {
    const at = args.indexOf(name)
    return at === -1 ? undefined : args[at + 1]
  }
  const largeBytes = value('--large-bytes')
  const dir = value('--dir')
  const figures = await benchCustody({
    ...(largeBytes === undefined ? {} : { largeBytes: Number(largeBytes) }),
    ...(dir === undefined ? {} : { dir }),
  })
  if (args.includes('--json')) console.log(JSON.stringify(figures))
  else for (const [name, figure] of Object.entries(figures)) console.log(name.padEnd(36), figure.toFixed(3))
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main(process.argv.slice(2))
