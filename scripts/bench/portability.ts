/**
 * What an export costs against reading and decrypting the same objects in the same run, and how much memory it takes.
 * Files alone: contracts add their evidence, which is counted by the contract and not by the byte.
 */
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { readConfig, seedDemo, startServer } from '@yinxin/server'
import { largePdf } from '../../testing/fakes/pdfs.ts'

const FILE_BYTES = 16 << 20
const FILES = 16
const MEMORY_MS = 20

export async function benchPortability(): Promise<Record<string, number>> {
  const folder = await mkdtemp(join(tmpdir(), 'yinxin-bench-portability-'))
  // PostgreSQL must be able to enter when this runs as root.
  await chmod(folder, 0o711)
  const config = readConfig({
    YINXIN_MODE: 'sandbox',
    YINXIN_PORT: '0',
    YINXIN_LOG_LEVEL: 'error',
    YINXIN_DATA_DIR: join(folder, 'data'),
    YINXIN_KEY_DIR: join(folder, 'keys'),
  })
  const server = await startServer(config, { durableDatabase: false })
  try {
    const { app } = server
    const demo = await seedDemo(app)
    if (demo === null) throw new Error('a fresh platform could not be furnished')
    const caller = {
      kind: 'app',
      appId: demo.app.appId,
      subjectId: demo.corp.id,
      environment: 'sandbox',
    } as const
    const pdf = largePdf(FILE_BYTES)
    async function* content() {
      yield pdf
    }
    const objects: string[] = []
    for (let at = 0; at < FILES; at++)
      objects.push((await app.documents.receive(caller, { name: `${at}.pdf`, content: content() })).objectId)

    // 1. The unavoidable: read and decrypt, from a warm cache as the export will.
    const readAll = async () => {
      for (const id of objects) for await (const _ of app.storage.stream(id));
    }
    await readAll()
    const plainS = await secondsOf(readAll)

    // 2. The export of the same: hashed twice over, recorded, logged, stamped.
    global.gc?.()
    const startBytes = process.memoryUsage().rss
    let peakBytes = startBytes
    const watch = setInterval(() => {
      peakBytes = Math.max(peakBytes, process.memoryUsage().rss)
    }, MEMORY_MS)
    const { id } = await app.portability.createFor(demo.corp.id, {}, 'zh')
    const exportS = await secondsOf(async () => {
      while (!(await app.portability.workOn(id, () => false)));
    })
    // 3. And its download.
    const archive = await app.portability.archiveFor(id)
    const downloadS = await secondsOf(async () => {
      for await (const _ of archive.read(0, archive.sizeBytes));
    })
    clearInterval(watch)
    const bytes = FILES * FILE_BYTES
    return {
      'portability.read.bytesPerSecond': Math.round(bytes / plainS),
      'portability.export.bytesPerSecond': Math.round(bytes / exportS),
      'portability.export.share': plainS / exportS,
      'portability.download.share': plainS / downloadS,
      'portability.memoryGrowthBytes': peakBytes - startBytes,
    }
  } finally {
    await server.stop()
    await rm(folder, { recursive: true, force: true })
  }
}

async function secondsOf(work: () => Promise<void>): Promise<number> {
  const startMs = performance.now()
  await work()
  return (performance.now() - startMs) / 1000
}
