import { randomInt } from 'node:crypto'
import { mkdtemp, open, readdir, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../database.ts'
import { createVictim, killUnderLoad } from './killing.ts'

// Keys belong to their database: each place has its own of both.
const databases: TestDatabase[] = []
let root: string
beforeAll(async () => {
  databases.push(await createTestDatabase(), await createTestDatabase())
  root = await mkdtemp(join(tmpdir(), 'yinxin-durability-'))
})
afterAll(async () => {
  for (const database of databases) await database.drop()
  await rm(root, { recursive: true, force: true })
})

describe('a server killed with SIGKILL under load', () => {
  test('loses nothing acknowledged, brings nothing back, and its check is clean every time', async () => {
    const report = await killUnderLoad({ root: join(root, 'killed'), database: databases[0]! }, 5)
    expect(report).toMatchObject({ kills: 5, lost: [], undead: [], unclean: [] })
    expect(report.acknowledged).toBeGreaterThan(10)
    expect(report.destroyed).toBeGreaterThan(0)
  }, 300_000)
})

const folders = ['primary', 'recovery'].flatMap((site) => ['a', 'b', 'c'].map((name) => join(site, name)))

describe('damage under a running server', () => {
  const place = () => join(root, 'damaged')
  let victim: ReturnType<typeof createVictim>
  const ids: { small: string[]; large: string[] } = { small: [], large: [] }

  beforeAll(async () => {
    victim = createVictim({ root: place(), database: databases[1]! })
    await victim.start()
    for (let n = 0; n < 4; n += 1) ids.small.push(await victim.write(2_000))
    for (let n = 0; n < 2; n += 1) ids.large.push(await victim.write(300_000))
    await victim.repair()
  }, 120_000)
  afterAll(() => victim?.kill())

  test.each(folders.flatMap((folder) => ['journal', 'objects'].map((kind) => [folder, kind] as const)))(
    'one flipped byte in %s/%s is found and healed by the next scrub',
    async (folder, kind) => {
      const path = await anyFile(join(place(), 'storage', folder, kind))
      const { size } = await stat(path)
      const file = await open(path, 'r+')
      // Behind the first record's header and before its end, or anywhere in a large object.
      const offset = kind === 'journal' ? 8 + 64 + randomInt(2_000) : randomInt(size)
      const { buffer } = await file.read(Buffer.alloc(1), 0, 1, offset)
      await file.write(Buffer.of(buffer[0]! ^ 0x10), 0, 1, offset)
      await file.close()
      const found = await victim.scrub()
      expect(found.passes.reduce((sum, pass) => sum + pass.bad, 0)).toBe(1)
      expect(found.repaired).toBe(1)
      expect(await victim.scrub()).toMatchObject({ clean: true, waiting: { repairs: 0 } })
      expect(await victim.question()).toEqual({ lost: [], undead: [] })
    },
    60_000,
  )

  test('a deleted site is served from the other and rebuilt to three and three while writes go on', async () => {
    let isOver = false
    const writing = (async () => {
      let written = 0
      for (; !isOver; written += 1) await victim.write(5_000)
      return written
    })()
    for (const name of ['a', 'b', 'c']) await deleted(join(place(), 'storage/primary', name))
    expect(await victim.question()).toEqual({ lost: [], undead: [] })
    await victim.scrub()
    await victim.repair()
    isOver = true
    expect(await writing).toBeGreaterThan(0)
    await victim.repair()
    expect(await victim.scrub()).toMatchObject({ clean: true, waiting: { repairs: 0, removals: 0 } })
    expect(await victim.fsck()).toMatchObject({ clean: true, findings: [] })
    // Without the other site now: what was rebuilt is enough by itself.
    for (const name of ['a', 'b', 'c']) await deleted(join(place(), 'storage/recovery', name))
    expect(await victim.question()).toEqual({ lost: [], undead: [] })
  }, 120_000)
})

/** Whoever writes meanwhile may put a file into a folder that was just emptied. */
const deleted = (folder: string) =>
  rm(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 20 })

async function anyFile(folder: string): Promise<string> {
  const names = (await readdir(folder, { recursive: true, withFileTypes: true })).filter((one) =>
    one.isFile(),
  )
  const [first] = names.sort((a, b) => (a.name < b.name ? -1 : 1))
  if (first === undefined) throw new Error(`${folder} is empty`)
  return join(first.parentPath, first.name)
}
