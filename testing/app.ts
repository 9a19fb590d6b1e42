/**
 * The whole server for a test: real HTTP on a free port, a cloned database, folders of its own.
 *
 *     const server = await startTestApp()
 *     await fetch(`${server.url}/healthz`)
 *     await server.stop()
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Clock } from '../apps/server/src/clock.ts'
import { type Config, type Environment, readConfig } from '../apps/server/src/config.ts'
import { createLog, type Log } from '../apps/server/src/log.ts'
import { type Server, startServer } from '../apps/server/src/server.ts'
import { createTestDatabase, type TestDatabase } from './database.ts'

export interface TestApp extends Server {
  database: TestDatabase
  /** Stops the server and removes database and folders. */
  stop(): Promise<void>
}

export interface TestAppOptions {
  clock?: Clock
  log?: Log
  /** Built pages to serve beside the API. */
  webDir?: string
  /** Settings beside the defaults, by their names. */
  environment?: Environment
  roles?: Config['roles']
  /** An existing database, left alone by `stop`. */
  database?: TestDatabase
  /** An existing folder for data and keys, left alone by `stop`. */
  folder?: string
}

export async function startTestApp(options: TestAppOptions = {}): Promise<TestApp> {
  const folder = options.folder ?? (await mkdtemp(join(tmpdir(), 'yinxin-app-')))
  const database = options.database ?? (await createTestDatabase())
  const config = readConfig(
    {
      YINXIN_MODE: 'sandbox',
      YINXIN_PORT: '0',
      YINXIN_DATA_DIR: join(folder, 'data'),
      YINXIN_KEY_DIR: join(folder, 'keys'),
      YINXIN_DATABASE_URL: database.url,
      YINXIN_DATABASE_OWNER_URL: database.ownerUrl,
      YINXIN_KEYS_DATABASE_URL: database.keysUrl,
      YINXIN_KEYS_DATABASE_OWNER_URL: database.keysOwnerUrl,
      ...options.environment,
    },
    options.roles,
  )
  const server = await startServer(config, {
    log: options.log ?? createLog('silent'),
    ...(options.clock ? { clock: options.clock } : {}),
    ...(options.webDir === undefined ? {} : { webDir: options.webDir }),
  })
  return {
    ...server,
    database,
    async stop() {
      await server.stop()
      if (!options.database) await database.drop()
      if (!options.folder) await rm(folder, { recursive: true, force: true })
    },
  }
}
