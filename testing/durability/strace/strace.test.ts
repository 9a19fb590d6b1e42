/** Durability as the kernel sees it: the platform and the storage room at work under strace. */
import { chmod, mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { outsideSites } from '../../simulate/mutants.ts'
import { playApp } from './app-scene.ts'
import { prove } from './proof.ts'
import { openRoomStage, type RoomStage } from './room-scene.ts'
import { whyNotTraceable } from './tracing.ts'

const reason = whyNotTraceable()
if (reason !== undefined && process.env.CI === 'true') throw new Error(reason)

let root: string
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'yinxin-strace-'))
  // PostgreSQL must be able to enter.
  await chmod(root, 0o711)
})
afterAll(() => rm(root, { recursive: true, force: true }))
beforeEach((context) => {
  if (reason === undefined) return
  console.warn(`SKIPPED: ${reason}`)
  context.skip(reason)
})

describe('the whole platform', () => {
  test('acknowledges nothing before it is durable: replicas on their quorum, commits in both sites', async () => {
    await mkdir(join(root, 'app'))
    const scene = await playApp(join(root, 'app'))
    const proof = prove(scene.calls, scene.plan)
    expect(proof.findings).toEqual([])
    const shown = new Set(proof.objects.map(({ kind, storageClass }) => `${kind} ${storageClass}`))
    expect(shown).toEqual(new Set(['small draft', 'large draft', 'small signed', 'large signed']))
    expect(proof.answers).toBe(3)
    expect(proof.commitsInBothSites).toBeGreaterThan(10)
  }, 120_000)
})

describe('the storage room', { timeout: 120_000 }, () => {
  let stage: RoomStage | undefined
  beforeAll(async () => {
    if (reason !== undefined) return
    await mkdir(join(root, 'room'))
    stage = await openRoomStage(join(root, 'room'))
  })
  afterAll(() => stage?.close())

  async function play(without?: Parameters<RoomStage['play']>[0]) {
    if (stage === undefined) throw new Error('there is no stage')
    const { calls, plan } = await stage.play(without)
    const proof = prove(calls, plan)
    // Whatever is broken, all of it was looked at.
    expect(proof.objects.map(({ kind }) => kind).sort()).toEqual([
      ...Array<string>(2).fill('large'),
      ...Array<string>(4).fill('small'),
    ])
    // Six each, unless some came late.
    expect(proof.replicas).toBeGreaterThanOrEqual(18)
    expect(proof.removals).toBeGreaterThanOrEqual(6)
    expect(proof.answers).toBe(8)
    return proof
  }

  test('acknowledges nothing before it is durable, and no removal before it is final', async () => {
    expect((await play()).findings).toEqual([])
  })

  const [folderSync, fileSync, ...others] = outsideSites()
  test('has one sync of a folder and one of a file at the bottom of it', () => {
    expect([folderSync?.text, fileSync?.text, others]).toEqual(['folder.sync()', 'handle.sync()', []])
  })

  test('is found out when files are not synced', async () => {
    const { findings, objects } = await play(fileSync)
    for (const { id } of objects)
      expect(findings).toContainEqual({
        of: expect.stringContaining(`object ${id} in `),
        missing: expect.stringMatching(/^fsync of .*(\.seg after its record was|incoming.* before the link)/),
      })
    expect(findings).toContainEqual({
      of: expect.stringMatching(/^removal of/),
      missing: expect.stringMatching(/^fsync of .*\.seg between the zeros and the mark/),
    })
  })

  test('is found out when folders are not synced', async () => {
    const { findings, objects } = await play(folderSync)
    for (const { id } of objects)
      expect(findings).toContainEqual({
        of: expect.stringContaining(`object ${id} in `),
        missing: expect.stringMatching(/^fsync of .*\/(journal|objects\/\w\w) after .* came$/),
      })
    expect(findings).toContainEqual({
      of: expect.stringMatching(/^removal of/),
      missing: expect.stringMatching(/^fsync of .*\/objects\/\w\w after .* went$/),
    })
  })

  test('is found out over a PostgreSQL that does not sync', async () => {
    await stage?.setDatabaseSync(false)
    const { findings, objects } = await play()
    for (const { id } of objects)
      expect(findings).toContainEqual({
        of: expect.stringContaining(`commit of object ${id}`),
        missing: expect.stringMatching(/^a write and an fdatasync in .*\/pg_wal$/),
      })
    await stage?.setDatabaseSync(true)
  })
})
