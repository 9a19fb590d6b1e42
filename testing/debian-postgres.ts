/** A PostgreSQL as Debian packages it (15 in bookworm), beside the embedded one: for tests of outside databases. */
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { appendFile, chmod, chown, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { promisify } from 'node:util'
import pg from 'pg'
import { freePort } from '../apps/server/src/free-port.ts'

const run = promisify(execFile)
const BIN = '/usr/lib/postgresql/15/bin'

export const hasDebianPostgres = () => existsSync(join(BIN, 'postgres')) && process.getuid?.() === 0

export interface DebianPostgres {
  port: number
  password: string
  folder: string
  dataFolder: string
  /** The superuser's address of a database. */
  url(database: string): string
  query(text: string, database?: string): Promise<pg.QueryResult>
  /** Writes settings and starts the server again. */
  set(settings: Record<string, string>): Promise<void>
  stop(): Promise<void>
}

async function postgresUser(): Promise<{ uid: number; gid: number }> {
  const { stdout } = await run('id', ['-u', 'postgres'])
  const { stdout: group } = await run('id', ['-g', 'postgres'])
  return { uid: Number(stdout), gid: Number(group) }
}

/** A new cluster, or a standby of another one made with pg_basebackup. */
export async function startDebianPostgres(of?: DebianPostgres, name = 'standby'): Promise<DebianPostgres> {
  const user = await postgresUser()
  const folder = await mkdtemp(join(tmpdir(), 'yinxin-pg15-'))
  await chmod(folder, 0o755)
  await chown(folder, user.uid, user.gid)
  const dataFolder = join(folder, 'data')
  const password = of?.password ?? 'postgres-15'
  const port = await freePort()
  const as = { ...user, cwd: folder, env: { PATH: '/usr/bin:/bin', LC_ALL: 'C.UTF-8', PGPASSWORD: password } }
  if (of === undefined) {
    await writeFile(join(folder, 'secret'), password, { mode: 0o644 })
    await run(
      join(BIN, 'initdb'),
      [
        '-D',
        dataFolder,
        '-U',
        'postgres',
        `--pwfile=${join(folder, 'secret')}`,
        '-A',
        'scram-sha-256',
        '-E',
        'UTF8',
        '--locale=C.UTF-8',
      ],
      as,
    )
  } else {
    await run(
      join(BIN, 'pg_basebackup'),
      ['-D', dataFolder, '-h', '127.0.0.1', '-p', String(of.port), '-U', 'postgres', '-R', '-X', 'stream'],
      as,
    )
    await appendFile(
      join(dataFolder, 'postgresql.auto.conf'),
      `primary_conninfo = 'host=127.0.0.1 port=${of.port} user=postgres password=${password} application_name=${name}'\n`,
    )
  }
  await mkdir(join(folder, 'socket'))
  await chown(join(folder, 'socket'), user.uid, user.gid)
  await appendFile(
    join(dataFolder, 'postgresql.conf'),
    `\nlisten_addresses = '127.0.0.1'\nport = ${port}\nunix_socket_directories = '${join(folder, 'socket')}'\nshared_buffers = '32MB'\n`,
  )
  const url = (database: string) => `postgres://postgres:${password}@127.0.0.1:${port}/${database}`
  async function query(text: string, database = 'postgres') {
    const client = new pg.Client({ connectionString: url(database) })
    client.on('error', () => undefined)
    await client.connect()
    try {
      return await client.query(text)
    } finally {
      await client.end()
    }
  }
  async function start() {
    const child = spawn(join(BIN, 'postgres'), ['-D', dataFolder], { ...as, stdio: 'ignore' })
    for (const deadline = performance.now() + 60_000; ; ) {
      if (await query('select 1').catch(() => undefined)) return child
      if (child.exitCode !== null || performance.now() > deadline)
        throw new Error('PostgreSQL 15 did not start')
      await wait(50)
    }
  }
  let child = await start()
  const end = async () => {
    const ended = once(child, 'exit')
    child.kill('SIGINT')
    await ended
  }
  return {
    port,
    password,
    folder,
    dataFolder,
    url,
    query,
    async set(settings) {
      const lines = Object.entries(settings).map(([key, value]) => `${key} = '${value}'\n`)
      await appendFile(join(dataFolder, 'postgresql.conf'), lines.join(''))
      await end()
      child = await start()
    },
    async stop() {
      await end()
      await rm(folder, { recursive: true, force: true })
    },
  }
}
