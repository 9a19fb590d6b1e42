/**
 * Several real server processes over one PostgreSQL and one storage, behind a balancer:
 *
 *     const fleet = await startFleet({ api: 2, worker: 2 })
 *     const stage = await openStage({ at: fleet.url })
 *     await fleet.close()
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Environment } from '../../apps/server/src/config.ts'
import { freePort } from '../../apps/server/src/free-port.ts'
import { type RunningCommand, runCommand } from '../children/run-command.ts'
import { createTestDatabase, type TestDatabase } from '../database.ts'
import { type Balancer, startBalancer } from './balancer.ts'

const SERVER = join(import.meta.dirname, '../../apps/server/src/main.ts')

export interface Member {
  role: string
  /** Where it answers, past the balancer. */
  url: string
  command: RunningCommand
}

export interface FleetOptions {
  api: number
  worker: number
  environment?: Record<string, string>
  /** Another database than a fresh one of the tests' cluster; left alone at the end. */
  database?: Pick<TestDatabase, 'url' | 'ownerUrl' | 'keysUrl' | 'keysOwnerUrl'>
}

export interface Fleet {
  url: string
  balancer: Balancer
  members: Member[]
  /** The same settings in a process of its own; resolves when it answers. */
  start(role: string): Promise<Member>
  /** SIGTERM, or what is named; resolves to the exit code when the process is gone. */
  end(member: Member, signal?: NodeJS.Signals): Promise<number | string | null>
  close(): Promise<void>
}

export async function startFleet(options: FleetOptions): Promise<Fleet> {
  const folder = await mkdtemp(join(tmpdir(), 'yinxin-fleet-'))
  const database = options.database ?? (await createTestDatabase())
  const balancer = await startBalancer()
  const members: Member[] = []
  const sites = (site: string) => [1, 2, 3].map((n) => join(folder, `${site}-${n}`)).join(',')
  const environment: Environment = {
    YINXIN_MODE: 'sandbox',
    YINXIN_BASE_URL: balancer.url,
    YINXIN_TRUST_PROXY: '127.0.0.1',
    YINXIN_KEY_DIR: join(folder, 'keys'),
    YINXIN_DATABASE_URL: database.url,
    YINXIN_DATABASE_OWNER_URL: database.ownerUrl,
    YINXIN_KEYS_DATABASE_URL: database.keysUrl,
    YINXIN_KEYS_DATABASE_OWNER_URL: database.keysOwnerUrl,
    YINXIN_LOG_LEVEL: 'warn',
    ...(options.environment?.YINXIN_STORAGE_DRIVER === 's3'
      ? {}
      : { YINXIN_PRIMARY_SITE_DIRS: sites('primary'), YINXIN_RECOVERY_SITE_DIRS: sites('recovery') }),
    ...options.environment,
  }
  let count = 0

  async function start(role: string): Promise<Member> {
    const port = await freePort()
    count += 1
    const command = runCommand(
      [`--role=${role}`],
      {
        ...(environment as Record<string, string>),
        YINXIN_PORT: String(port),
        // Nothing that outlives the process lies here; each has its own, as on machines of their own.
        YINXIN_DATA_DIR: join(folder, `own-${count}`),
      },
      { program: [process.execPath, SERVER] },
    )
    const member = { role, url: `http://127.0.0.1:${port}`, command }
    members.push(member)
    if (role.includes('api')) await untilAnswering(member)
    return member
  }

  async function untilAnswering({ url, command }: Member): Promise<void> {
    for (const endMs = performance.now() + 60_000; performance.now() < endMs; ) {
      const answer = await fetch(`${url}/readyz`).catch(() => null)
      await answer?.body?.cancel()
      if (answer?.ok) return balancer.add(url)
      if (command.child.exitCode !== null)
        throw new Error(`the server ended: ${command.stderr()}${command.stdout()}`)
      await new Promise((resolve) => setTimeout(resolve, 25))
    }
    throw new Error(`the server did not answer: ${command.stderr()}${command.stdout()}`)
  }

  async function end(member: Member, signal: NodeJS.Signals = 'SIGTERM') {
    members.splice(members.indexOf(member), 1)
    member.command.child.kill(signal)
    return await member.command.ended
  }

  async function close(): Promise<void> {
    await Promise.all([...members].map((member) => end(member, 'SIGKILL')))
    await balancer.close()
    if ('drop' in database) await (database as TestDatabase).drop()
    await rm(folder, { recursive: true, force: true })
  }

  try {
    // All at once, as after a power cut: they found keys, authority and log together.
    await Promise.all([
      ...Array.from({ length: options.api }, () => start('api')),
      ...Array.from({ length: options.worker }, () => start('worker,scheduler')),
    ])
    await balancer.ready(options.api)
  } catch (error) {
    await close()
    throw error
  }
  return { url: balancer.url, balancer, members, start, end, close }
}
