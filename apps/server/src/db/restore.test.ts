import { chmod, mkdir, mkdtemp, open, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type pg from 'pg'
import { afterEach, describe, expect, it } from 'vitest'
import { manualClock, systemClock } from '#src/clock.ts'
import {
  archiveStates,
  backupsUntil,
  listBackups,
  pruneBackups,
  takeBackup,
  verifyBackup,
} from './backups.ts'
import type { DbSite } from './copies.ts'
import { type ManagedPostgres, startPostgres } from './postgres.ts'
import { removeCluster } from './postgres-place.ts'
import { restoreCluster } from './restore.ts'
import { asking } from './standby.ts'
import { createWalArchive, walFolder } from './wal-archive.ts'

const cleanUps: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp()
})

async function installation() {
  const root = await mkdtemp(join(tmpdir(), 'yinxin-restore-'))
  await chmod(root, 0o711)
  cleanUps.push(() => rm(root, { recursive: true, force: true, maxRetries: 10 }))
  const postgres = await startPostgres({
    dataDir: join(root, 'data'),
    durable: false,
    // The log must be whole, as it is in earnest.
    settings: () => ({ full_page_writes: 'on', synchronous_commit: 'on' }),
  })
  cleanUps.push(() => postgres.stop())
  const folders = (['primary', 'recovery'] as DbSite[]).map((site) => ({ site, folder: join(root, site) }))
  const told: string[] = []
  const archive = createWalArchive({
    primary: () => postgres,
    folders,
    clock: systemClock,
    onEvent: (event) => told.push(event),
  })
  const write = (n: number) => asking(postgres, (client) => client.query('insert into acts values ($1)', [n]))
  await asking(postgres, (client) => client.query('create table acts (n int)'))
  await archive.tick()
  const backup = () => takeBackup({ cluster: 'main', postgres, folders, clock: systemClock })
  const restored = async (name: string, at?: Date) => {
    const home = join(root, name)
    const report = await restoreCluster({
      cluster: 'main',
      archives: folders,
      home,
      durable: false,
      ...(at ? { at } : {}),
    })
    cleanUps.push(() => removeCluster(home))
    const again = await startPostgres({ dataDir: home, existing: true, durable: false })
    cleanUps.push(() => again.stop())
    return { report, acts: await actsOf(again) }
  }
  return { root, postgres, folders, archive, write, backup, restored }
}

async function actsOf(postgres: ManagedPostgres): Promise<number[]> {
  return await asking(postgres, async (client) => {
    const { rows } = await client.query<{ n: number }>('select n from acts order by n')
    return rows.map(({ n }) => n)
  })
}

const nextSegment = (postgres: ManagedPostgres) =>
  asking(postgres, (client: pg.Client) => client.query('select pg_switch_wal()'))
const pause = () => new Promise((resolve) => setTimeout(resolve, 30))

async function flipByte(path: string, at: number): Promise<void> {
  const handle = await open(path, 'r+')
  const { buffer } = await handle.read(Buffer.alloc(1), 0, 1, at)
  await handle.write(Buffer.from([(buffer[0] ?? 0) ^ 1]), 0, 1, at)
  await handle.close()
}

describe('backups and the log archive', () => {
  it('bring the database back as of a moment, and as of the last look at a segment still in work', async () => {
    const { postgres, archive, write, backup, restored } = await installation()
    await write(1)
    await backup()
    await write(2)
    await pause()
    const moment = new Date()
    await pause()
    await write(3)
    await nextSegment(postgres)
    await write(4)
    await archive.tick()
    await write(5)
    const then = await restored('then', moment)
    expect(then.acts).toEqual([1, 2])
    expect(then.report).toMatchObject({ askedFor: moment.toISOString(), timeline: 2 })
    const last = await restored('last')
    expect(last.acts).toEqual([1, 2, 3, 4])
    await archive.tick()
    // Nothing was committed after this moment; the end of the archive is the same state.
    const quiet = new Date()
    await pause()
    await archive.tick()
    expect((await restored('quiet', quiet)).acts).toEqual([1, 2, 3, 4, 5])
    await expect(restored('later', new Date(Date.now() + 3_600_000))).rejects.toMatchObject({
      code: 'restore_beyond_archive',
      zh: expect.stringContaining('归档止于'),
      en: expect.stringContaining('archive of the main database ends at'),
    })
    await expect(restored('before', new Date(0))).rejects.toMatchObject({ code: 'restore_no_backup' })
  })

  it('survive the damage of either site: what is bad in one comes from the other, and is named', async () => {
    const { postgres, folders, archive, write, backup, restored } = await installation()
    await write(1)
    const { id, startWal } = await backup()
    await write(2)
    await nextSegment(postgres)
    await archive.tick()
    const [primary, recovery] = folders as [(typeof folders)[0], (typeof folders)[0]]
    await flipByte(join(primary.folder, 'base', id, 'base.tar.zst'), 5000)
    await flipByte(join(recovery.folder, 'wal', `${startWal}.zst`), 60)
    const [bad, good] = await listBackups(folders)
    if (bad === undefined || good === undefined) throw new Error('two backups were expected')
    expect((await verifyBackup(bad)).join()).toContain('is not what was written')
    expect(await verifyBackup(good)).toEqual([])
    const { report, acts } = await restored('mended')
    expect(acts).toEqual([1, 2])
    expect(report.fromSite).toBe('recovery')
  })

  it('go on in one site while the other cannot be written, say so, and catch up', async () => {
    const { postgres, folders, archive, write, backup } = await installation()
    await backup()
    const [primary, recovery] = folders as [(typeof folders)[0], (typeof folders)[0]]
    const aside = `${recovery.folder}-aside`
    await rename(recovery.folder, aside)
    await writeFile(recovery.folder, 'no folder')
    await write(1)
    await nextSegment(postgres)
    await expect(archive.tick()).rejects.toThrow(/could not be archived in .*recovery/)
    const before = await readdir(walFolder(primary.folder))
    await rm(recovery.folder)
    await rename(aside, recovery.folder)
    await archive.tick()
    expect(await readdir(walFolder(recovery.folder))).toEqual(await readdir(walFolder(primary.folder)))
    expect(before.length).toBeGreaterThan(1)
  })

  it('report a hole in the log, and refuse to restore across it', async () => {
    const { postgres, folders, archive, write, backup, restored } = await installation()
    await backup()
    for (const n of [1, 2, 3]) {
      await write(n)
      await nextSegment(postgres)
    }
    await archive.tick()
    const wal = walFolder(folders[0]?.folder ?? '')
    const gone = (await readdir(wal)).toSorted().at(-2) ?? ''
    for (const { folder } of folders) await rm(join(walFolder(folder), gone))
    const states = await archiveStates(folders)
    expect(states.map(({ missing }) => missing.length)).toEqual([1, 1])
    await expect(restored('holed')).rejects.toMatchObject({ code: 'restore_log_holes' })
  })

  it('keep what the retention needs and remove the rest with its log', async () => {
    const { postgres, folders, archive, write, backup } = await installation()
    const first = await backup()
    await write(1)
    await nextSegment(postgres)
    const second = await backup()
    await nextSegment(postgres)
    await archive.tick()
    const clock = manualClock(new Date(Date.now() + 5 * 86_400_000))
    expect(await pruneBackups(folders, 7, clock)).toEqual([])
    expect((await pruneBackups(folders, 3, clock)).sort()).toEqual([
      `primary ${first.id}`,
      `recovery ${first.id}`,
    ])
    expect((await listBackups(folders)).map(({ manifest }) => manifest.id)).toEqual([second.id, second.id])
    const states = await archiveStates(folders)
    expect(states.map(({ missing }) => missing)).toEqual([[], []])
    for (const { folder } of folders) {
      const names = (await readdir(walFolder(folder))).filter((name) => /^[0-9A-F]{24}\.zst$/.test(name))
      expect(names.every((name) => name >= second.startWal)).toBe(true)
    }
  })

  it('are listed by their moments where two began within one second', async () => {
    const { folders, backup } = await installation()
    const real = await backup()
    const base = join(folders[0]!.folder, 'base')
    await rm(join(base, real.id), { recursive: true })
    // The second has the name that sorts first.
    for (const [id, ms] of [
      ['20261124T100000Z-zzzz', '100'],
      ['20261124T100000Z-aaaa', '900'],
    ] as const) {
      await mkdir(join(base, id))
      const manifest = { ...real, id, beganAt: `2026-11-24T10:00:00.${ms}Z` }
      await writeFile(join(base, id, 'manifest.json'), JSON.stringify(manifest))
    }
    const listed = await listBackups(folders.slice(0, 1))
    expect(listed.map(({ manifest }) => manifest.id.slice(-4))).toEqual(['zzzz', 'aaaa'])
  })

  it('are named while they are from before a moment, as is a site that has none from after it', async () => {
    const { folders, backup } = await installation()
    const first = await backup()
    await pause()
    const moment = new Date()
    await pause()
    const sites = folders.map(({ site }) => site)
    expect(await backupsUntil(folders, moment)).toEqual(
      sites.flatMap((site) => [`${site} ${first.id}`, `${site} has none from after it`]),
    )
    await backup()
    expect(await backupsUntil(folders, moment)).toEqual(sites.map((site) => `${site} ${first.id}`))
    await pruneBackups(folders, 1, manualClock(new Date(Date.now() + 3 * 86_400_000)))
    expect(await backupsUntil(folders, moment)).toEqual([])
    await rm(folders[1]?.folder ?? '', { recursive: true })
    expect(await backupsUntil(folders, moment)).toEqual(['recovery cannot be read'])
  })
})
