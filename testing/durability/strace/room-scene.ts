/** The storage room as the server wires it, over a PostgreSQL that syncs, under strace; whole, or with something broken. */
import { randomBytes, randomUUID } from 'node:crypto'
import { chmod, mkdir, readFile, realpath } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { type ManagedPostgres, startPostgres } from '../../../apps/server/src/db/postgres.ts'
import { removeCluster } from '../../../apps/server/src/db/postgres-place.ts'
import { migrateAll } from '../../../apps/server/src/db/prepare.ts'
import { type DatabaseUrls, provision } from '../../../apps/server/src/db/provision.ts'
import { defaultSites } from '../../../apps/server/src/storage/storage.ts'
import type { SyncSite } from '../../simulate/sync-sites.ts'
import { startStorageServer } from '../killing.ts'
import { type Call, readCalls } from './calls.ts'
import type { Answer, ProofPlan } from './proof.ts'
import { familyOf, trace } from './tracing.ts'

export interface Scene {
  /** What strace wrote. */
  log: string
  calls: Call[]
  plan: ProofPlan
}

export interface RoomStage {
  /** Uploads and destroys, small and large, under strace. `without` leaves out one call of the room. */
  play(without?: SyncSite): Promise<Scene>
  /** Starts PostgreSQL again with or without its own syncs. */
  setDatabaseSync(isOn: boolean): Promise<void>
  close(): Promise<void>
}

export async function openRoomStage(folder: string): Promise<RoomStage> {
  const root = await realpath(folder)
  // PostgreSQL must be able to enter when this runs as root.
  await chmod(root, 0o711)
  let fsync = 'on'
  const postgres = await startPostgres({ dataDir: join(root, 'db'), settings: () => ({ fsync }) })
  let urls: DatabaseUrls
  try {
    urls = await provision(postgres)
    await migrateAll(urls)
  } catch (error) {
    await postgres.stop()
    throw error
  }
  let scenes = 0
  return {
    async setDatabaseSync(isOn) {
      fsync = isOn ? 'on' : 'off'
      await postgres.restart()
    },
    async play(without) {
      scenes += 1
      const log = join(root, `scene-${scenes}.strace`)
      return await play({ root, log, postgres, urls, without })
    },
    async close() {
      await postgres.stop()
      // Where this user of PostgreSQL cannot enter the folder, its cluster stands elsewhere.
      await removeCluster(join(root, 'db'))
    },
  }
}

async function play(stage: {
  root: string
  log: string
  postgres: ManagedPostgres
  urls: DatabaseUrls
  without: SyncSite | undefined
}): Promise<Scene> {
  const { root, log, postgres, urls, without } = stage
  const place = join(root, 'place')
  await mkdir(place, { recursive: true })
  const hook = `${pathToFileURL(join(import.meta.dirname, 'without-call.ts'))}?${encodeURIComponent(JSON.stringify(without))}`
  const server = await startStorageServer(
    {
      root: place,
      databaseUrl: urls.url,
      keysUrl: urls.keysUrl,
      tenantId: randomUUID(),
      scopeId: randomUUID(),
      isFirst: true,
    },
    without === undefined ? [] : ['--import', hook],
  )
  const answers: Answer[] = []
  try {
    const postmaster = postgres.pid()
    if (postmaster === undefined) throw new Error('PostgreSQL does not run')
    const tracing = await trace(await familyOf(server.pid, postmaster), log)
    try {
      await use(server.url, answers)
    } finally {
      await tracing.stop()
    }
  } finally {
    await server.kill()
  }
  const text = await readFile(log, 'latin1')
  return {
    log: text,
    calls: readCalls(text),
    plan: {
      domains: domainsOf(place),
      clusters: [{ port: postgres.port, data: await realpath(postgres.dataFolder), copies: [] }],
      answers,
    },
  }
}

async function use(url: string, answers: Answer[]): Promise<void> {
  const call = async (method: string, path = '', body?: Buffer) => {
    const response = await fetch(`${url}/${path}`, { method, ...(body === undefined ? {} : { body }) })
    const text = await response.text()
    if (!response.ok) throw new Error(`${method} /${path} was answered with ${response.status}: ${text}`)
    return JSON.parse(text) as { id: string }
  }
  const write = async (sizeBytes: number) => {
    const { id } = await call('POST', '', randomBytes(sizeBytes))
    answers.push({ mark: id, stored: [id] })
    return id
  }
  const destroy = async (id: string) => {
    await call('DELETE', id)
    answers.push({ mark: `"destroyed":"${id}"`, destroyed: [id] })
  }
  const alone = await write(2_000)
  const large = await write(300_000)
  // Several at once share their syncs.
  await Promise.all([write(700), write(5_000), write(20_000), write(400_000)])
  await destroy(alone)
  await destroy(large)
  // Ends when nothing that was destroyed lies anywhere any more.
  await call('POST', 'repair')
}

/** The default failure domains below a folder, by the names that the room gives them. */
export function domainsOf(dataDir: string): ProofPlan['domains'] {
  return defaultSites(dataDir).flatMap(({ site, folders }) =>
    folders.map((folder, n) => ({ name: `${site}-${n + 1}`, site, folder })),
  )
}
