/** Small texts that both sites keep beside the objects and outside of the database, so that one can be held to them. */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type BucketTiming, createBucketClient } from './bucket-client.ts'
import type { BucketSite } from './bucket-sites.ts'
import type { SiteName } from './domain.ts'
import type { SiteFolders } from './storage.ts'

export interface SiteNotes {
  /** What the places hold under a name; places that cannot be asked are told of in `failed`. */
  read(name: string): Promise<{ texts: string[]; failed: string[] }>
  /** Durable in each site named in `kept` on return. @throws when no site takes it */
  write(name: string, text: string): Promise<{ kept: SiteName[]; failed: string[] }>
}

interface NotePlace {
  site: SiteName
  name: string
  read(name: string): Promise<string | undefined>
  write(name: string, text: string): Promise<void>
}

/** Kept in the first folder of each site that takes it, looked for in all. */
export function createFolderNotes(
  sites: readonly SiteFolders[],
  /** Replaces a file in one step, on disk on return. */
  writeDurably: (path: string, text: string) => Promise<void>,
): SiteNotes {
  return createNotes(
    sites.flatMap(({ site, folders }) =>
      folders.map((folder): NotePlace => {
        const path = (name: string) => join(folder, 'notes', name)
        return {
          site,
          name: folder,
          read: (name) =>
            readFile(path(name), 'utf8').catch((error: NodeJS.ErrnoException) => {
              if (error.code === 'ENOENT') return undefined
              throw error
            }),
          write: (name, text) => writeDurably(path(name), text),
        }
      }),
    ),
  )
}

/** Kept in the first bucket of each site. */
export function createBucketNotes(sites: readonly BucketSite[], timing?: BucketTiming): SiteNotes {
  return createNotes(
    sites.flatMap((one) =>
      one.buckets.slice(0, 1).map((bucket): NotePlace => {
        const secret = readFileSync(one.secretFile, 'utf8').trim()
        const client = createBucketClient({ ...one, bucket, secret }, timing)
        const key = (name: string) => `${one.prefix}notes/${name}`
        return {
          site: one.site,
          name: `${one.site} ${bucket}`,
          async read(name) {
            if ((await client.head(key(name))) === undefined) return undefined
            return (await client.get(key(name))).toString('utf8')
          },
          async write(name, text) {
            const body = Buffer.from(text, 'utf8')
            await client.put(key(name), body, {
              payloadSha256: createHash('sha256').update(body).digest('hex'),
            })
          },
        }
      }),
    ),
  )
}

function createNotes(places: readonly NotePlace[]): SiteNotes {
  const saying = (place: NotePlace, error: unknown) =>
    `${place.name}: ${error instanceof Error ? error.message : String(error)}`
  return {
    async read(name) {
      const texts: string[] = []
      const failed: string[] = []
      await Promise.all(
        places.map(async (place) => {
          try {
            const text = await place.read(name)
            if (text !== undefined) texts.push(text)
          } catch (error) {
            failed.push(saying(place, error))
          }
        }),
      )
      return { texts, failed }
    },
    async write(name, text) {
      const kept: SiteName[] = []
      const failed: string[] = []
      await Promise.all(
        [...new Set(places.map(({ site }) => site))].map(async (site) => {
          for (const place of places.filter((one) => one.site === site)) {
            try {
              await place.write(name, text)
              kept.push(site)
              return
            } catch (error) {
              failed.push(saying(place, error))
            }
          }
        }),
      )
      if (kept.length === 0) throw new Error(`no site keeps ${name}: ${failed.join('; ')}`)
      return { kept, failed }
    },
  }
}
