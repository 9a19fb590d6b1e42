import { describe, expect, it } from 'vitest'
import { createTestDatabase } from '../../../../testing/database.ts'
import { addressesOf, followPrimaries } from './primary-finder.ts'

describe('an address with several hosts', () => {
  it('is one address per host, with everything else kept', () => {
    expect(addressesOf('postgres://me:p%40ss@a:5432,b:5433/db?target_session_attrs=read-write&x=1')).toEqual([
      'postgres://me:p%40ss@a:5432/db?x=1',
      'postgres://me:p%40ss@b:5433/db?x=1',
    ])
    expect(addressesOf('postgresql://a,b,c/db')).toEqual([
      'postgresql://a/db',
      'postgresql://b/db',
      'postgresql://c/db',
    ])
    expect(addressesOf('postgres://me@a:5432/db?x=1')).toEqual(['postgres://me@a:5432/db?x=1'])
  })

  it('leads to the host that takes writes, past those that are not there', async () => {
    const database = await createTestDatabase()
    const several = (url: string) => url.replace(/@([^/]+)\//, '@127.0.0.1:1,$1/')
    const finder = await followPrimaries({
      url: several(database.url),
      ownerUrl: several(database.ownerUrl),
      keysUrl: several(database.keysUrl),
      keysOwnerUrl: database.keysOwnerUrl,
    })
    try {
      const { drop: _, ...urls } = database
      expect(finder.urls()).toEqual(urls)
    } finally {
      finder.stop()
      await database.drop()
    }
  })

  it('without a primary is said to have none', async () => {
    const nowhere = 'postgres://me@127.0.0.1:1,127.0.0.1:2/db'
    await expect(
      followPrimaries(
        { url: nowhere, ownerUrl: nowhere, keysUrl: nowhere, keysOwnerUrl: nowhere },
        { startMs: 300 },
      ),
    ).rejects.toThrow('none of 127.0.0.1:1, 127.0.0.1:2 takes writes')
  })
})
