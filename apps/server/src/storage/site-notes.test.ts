import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { writeDurably } from '#src/db/durable-file.ts'
import { type FakeS3, startFakeS3 } from '../../../../testing/fakes/s3.ts'
import type { BucketSite } from './bucket-sites.ts'
import { createBucketNotes, createFolderNotes } from './site-notes.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'yinxin-notes-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

describe('notes in buckets', () => {
  const timing = { requestTimeoutMs: 2_000, attempts: 2, firstPauseMs: 2 }
  let near: FakeS3
  let far: FakeS3
  beforeEach(async () => {
    ;[near, far] = await Promise.all([startFakeS3(), startFakeS3()])
  })
  afterEach(async () => {
    for (const s3 of [near, far]) s3.before = () => undefined
    await Promise.all([near.close(), far.close()])
  })

  function open() {
    const secretFile = join(folder, 'secret')
    writeFileSync(secretFile, 'secret\n')
    chmodSync(secretFile, 0o600)
    const at = (site: BucketSite['site'], s3: FakeS3): BucketSite => ({
      site,
      endpoint: s3.endpoint,
      region: 'nowhere',
      buckets: [s3.bucket],
      prefix: 'yinxin/',
      keyId: 'key',
      secretFile,
      pathStyle: true,
    })
    return createBucketNotes([at('primary', near), at('recovery', far)], timing)
  }

  it('are in both sites, replaced as a whole, and apart from the objects', async () => {
    const notes = open()
    expect(await notes.read('head')).toEqual({ texts: [], failed: [] })
    const written = await notes.write('head', '第一 first\n')
    expect([written.kept.sort(), written.failed]).toEqual([['primary', 'recovery'], []])
    await notes.write('head', '第二 second\n')
    for (const s3 of [near, far]) {
      expect(s3.keys()).toEqual(['yinxin/notes/head'])
      expect(s3.bytes('yinxin/notes/head')?.toString('utf8')).toBe('第二 second\n')
    }
    expect(await open().read('head')).toEqual({ texts: ['第二 second\n', '第二 second\n'], failed: [] })
  })

  it('are kept by the site that answers, the other one is named, and none that answers is an error', async () => {
    const notes = open()
    await notes.write('head', 'old')
    far.before = () => 'slow-down'
    const written = await notes.write('head', 'new')
    expect(written.kept).toEqual(['primary'])
    expect(written.failed).toEqual([expect.stringContaining(`recovery ${far.bucket}`)])
    const read = await notes.read('head')
    expect([read.texts, read.failed.length]).toEqual([['new'], 1])
    near.before = () => 'slow-down'
    await expect(notes.write('head', 'newest')).rejects.toThrow(/no site keeps head/)
    // The site that comes back has its older text: whoever reads compares.
    for (const s3 of [near, far]) s3.before = () => undefined
    expect((await notes.read('head')).texts.sort()).toEqual(['new', 'old'])
  })
})

describe('notes in folders', () => {
  it('go to the next folder of a site when the first does not take them, and are found there', async () => {
    const [a, b, c] = ['a', 'b', 'c'].map((name) => join(folder, name)) as [string, string, string]
    // A file where a folder is expected: nothing can be written below it, by root neither.
    writeFileSync(a, '')
    const notes = createFolderNotes(
      [
        { site: 'primary', folders: [a, b] },
        { site: 'recovery', folders: [c] },
      ],
      writeDurably,
    )
    const written = await notes.write('head', 'text')
    expect([written.kept.sort(), written.failed.length]).toEqual([['primary', 'recovery'], 1])
    const { texts, failed } = await notes.read('head')
    expect(texts).toEqual(['text', 'text'])
    expect(failed).toEqual([expect.stringContaining(a)])
  })
})
