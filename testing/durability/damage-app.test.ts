/** Damage under the whole platform, seen through its public API and mended by its operator's commands. */
import { createHash, randomInt } from 'node:crypto'
import { mkdtemp, open, readdir, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Client, createClient } from '@yinxin/sdk'
import { commandInstallation, type FsckReport, type RepairReport, type ScrubReport } from '@yinxin/server'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { largePdf, plainPdf } from '../fakes/pdfs.ts'
import { openStage, type Stage, type StageCompany } from '../stage.ts'

const folders = ['primary', 'recovery'].flatMap((site) => ['a', 'b', 'c'].map((name) => `${site}/${name}`))
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

describe('the whole platform', { timeout: 120_000 }, () => {
  let folder: string
  let stage: Stage
  let corp: StageCompany
  let client: Client
  let taskId: string
  /** Everything that a client was promised: how to read it, and its hash. */
  const promised: { what: string; read: () => Promise<Uint8Array>; sha256: string }[] = []

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'yinxin-damage-'))
    stage = await openStage({ folder })
    corp = await stage.company('受损测试有限公司')
    client = createClient({ baseUrl: stage.url, credential: { sessionToken: corp.token } })
    const small = await upload(plainPdf())
    await upload(largePdf(600_000))
    // A contract has objects of its own: the frozen document and what each signature adds.
    const task = await stage.createTask(corp.token, {
      documents: [{ ref: 'd', fileId: small }],
      actors: [
        { ref: 'c', kind: 'corp', role: 'sign', name: corp.name, freeSignBusinessId: corp.businessId },
      ],
      fields: [{ documentRef: 'd', actorRef: 'c', kind: 'seal', position: { page: 1, x: 100, y: 100 } }],
      autoStart: true,
    })
    taskId = task.id
    const finished = await stage.until(corp.token, taskId, ({ status }) => status === 'finished', 60_000)
    for (const { documentId } of finished.documents) {
      const read = () => client.signTasks.document(taskId, documentId)
      promised.push({ what: `document ${documentId}`, read, sha256: sha256(await read()) })
    }
    await command<RepairReport>('repair')
  }, 120_000)
  afterAll(async () => {
    const database = stage?.server().database
    await stage?.close()
    await database?.drop()
    await rm(folder, { recursive: true, force: true })
  })

  async function upload(pdf: Uint8Array): Promise<string> {
    const id = await stage.upload(corp.token, pdf)
    promised.push({ what: `file ${id}`, read: () => client.files.content(id), sha256: sha256(pdf) })
    return id
  }

  async function command<T>(name: string): Promise<T> {
    const { signal } = new AbortController()
    const { config } = stage.server()
    return (await commandInstallation(config, name, {}, () => undefined, signal)) as T
  }

  async function expectPromisesKept(): Promise<void> {
    for (const { what, read, sha256: wanted } of promised) expect(sha256(await read()), what).toBe(wanted)
  }

  const repaired = () => stage.server().app.storage.counters().replicasRepaired ?? 0

  test.each(folders.flatMap((place) => ['journal', 'objects'].map((kind) => [place, kind] as const)))(
    'one flipped byte in %s/%s is found and healed by the next scrub',
    async (place, kind) => {
      const before = repaired()
      await flip(join(folder, 'data/storage', place, kind), kind)
      await command<ScrubReport>('scrub')
      // Counted, not taken from the answer: the platform scrubs by itself too, and may have been first.
      await expect.poll(() => repaired() - before).toBe(1)
      expect(await command<ScrubReport>('scrub')).toMatchObject({ clean: true, waiting: { repairs: 0 } })
      await expectPromisesKept()
    },
  )

  test('a deleted site is served from the other and rebuilt to three and three while writes go on', async () => {
    const isOver = new AbortController()
    const writing = (async () => {
      let written = 0
      for (; !isOver.signal.aborted; written += 1) await upload(plainPdf())
      return written
    })()
    await removeSite('primary')
    await expectPromisesKept()
    await command<ScrubReport>('scrub')
    await command<RepairReport>('repair')
    isOver.abort()
    expect(await writing).toBeGreaterThan(0)
    await command<RepairReport>('repair')
    expect(await command<ScrubReport>('scrub')).toMatchObject({ clean: true, waiting: { repairs: 0 } })
    expect(await command<FsckReport>('fsck')).toMatchObject({ clean: true, findings: [] })
    // What its parties are told of the contract: three good copies of everything in each site.
    const { sites } = await client.signTasks.replicas(taskId)
    expect(sites.map(({ site, copies }) => [site, copies])).toEqual([
      ['primary', 3],
      ['recovery', 3],
    ])
    // Without the other site now: what was rebuilt is enough by itself.
    await removeSite('recovery')
    await expectPromisesKept()
  })

  async function removeSite(site: string): Promise<void> {
    for (const name of ['a', 'b', 'c']) {
      // Writers put new files into what is being deleted.
      await rm(join(folder, 'data/storage', site, name), {
        recursive: true,
        force: true,
        maxRetries: 50,
        retryDelay: 10,
      })
    }
  }
})

/** One bit of the first file of a folder: within the body of its first record, or anywhere in a large object. */
async function flip(folder: string, kind: string): Promise<void> {
  const found = await readdir(folder, { recursive: true, withFileTypes: true })
  const [first] = found.filter((one) => one.isFile()).sort((a, b) => (a.name < b.name ? -1 : 1))
  if (first === undefined) throw new Error(`${folder} is empty`)
  const path = join(first.parentPath, first.name)
  const { size } = await stat(path)
  const file = await open(path, 'r+')
  const offset = kind === 'journal' ? 8 + 64 + randomInt(100) : randomInt(size)
  const { buffer } = await file.read(Buffer.alloc(1), 0, 1, offset)
  await file.write(Buffer.of((buffer[0] ?? 0) ^ 0x10), 0, 1, offset)
  await file.close()
}
