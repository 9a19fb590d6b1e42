/**
 * Four PostgreSQL nodes of two sites under Patroni with etcd, on one machine: commits wait for two copies, of which one
 * is always in the other site, and only a copy that confirmed everything may take over.
 *
 *     const nodes = await startPatroni()
 *     const leader = await nodes.leader()
 *     await nodes.kill(leader.name)
 *     await nodes.close()
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, openSync } from 'node:fs'
import { chmod, chown, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { promisify } from 'node:util'
import { freePort } from '../../apps/server/src/free-port.ts'

const run = promisify(execFile)
const BIN = '/usr/lib/postgresql/15/bin'
const PATRONI = '/usr/bin/patroni'
const ETCD = '/usr/bin/etcd'

export const hasPatroni = () =>
  [join(BIN, 'postgres'), PATRONI, ETCD].every((path) => existsSync(path)) && process.getuid?.() === 0

export interface PatroniNode {
  name: string
  site: 'a' | 'b'
  port: number
  restPort: number
}

/** As Patroni's `/cluster` tells it. */
export interface Member {
  name: string
  role: string
  state: string
  port: number
  timeline?: number
  lag?: number | string
}

export interface FourNodes {
  nodes: readonly PatroniNode[]
  password: string
  /** Where the logs lie. */
  folder: string
  /** `host:port` of all nodes, for an address with several hosts. */
  hosts: string
  members(): Promise<Member[]>
  /** Waits for one that has the lease and takes writes. */
  leader(timeoutMs?: number): Promise<PatroniNode>
  /** Waits until so many copies follow and so many of them must confirm each commit. */
  settled(copies: number, confirming: number, timeoutMs?: number): Promise<void>
  /** The node is gone as by a pulled plug: Patroni, the postmaster and everything below it, SIGKILL. */
  kill(name: string): Promise<void>
  /** Starts it again on its old data. */
  revive(name: string): Promise<void>
  close(): Promise<void>
}

export async function startPatroni(): Promise<FourNodes> {
  const uid = Number((await run('id', ['-u', 'postgres'])).stdout)
  const gid = Number((await run('id', ['-g', 'postgres'])).stdout)
  const folder = await mkdtemp(join(tmpdir(), 'yinxin-patroni-'))
  await chmod(folder, 0o755)
  const password = 'four-nodes'
  const children = new Map<string, ChildProcess>()
  const own = async (path: string) => {
    await mkdir(path, { recursive: true, mode: 0o700 })
    await chown(path, uid, gid)
    return path
  }
  const start = (name: string, program: string, args: string[]) => {
    const log = openSync(join(folder, `${name}.log`), 'a')
    const child = spawn(program, args, {
      uid,
      gid,
      cwd: folder,
      env: { PATH: '/usr/bin:/bin', LC_ALL: 'C.UTF-8', HOME: folder, PYTHONUNBUFFERED: '1' },
      stdio: ['ignore', log, log],
    })
    children.set(name, child)
  }

  // 1. The lease lives in etcd. One member here; three in three places in earnest.
  const [etcdPort, peerPort] = [await freePort(), await freePort()]
  const etcdUrl = `http://127.0.0.1:${etcdPort}`
  start('etcd', ETCD, [
    ...['--data-dir', await own(join(folder, 'etcd'))],
    ...['--listen-client-urls', etcdUrl, '--advertise-client-urls', etcdUrl],
    ...['--listen-peer-urls', `http://127.0.0.1:${peerPort}`],
    ...['--initial-advertise-peer-urls', `http://127.0.0.1:${peerPort}`],
    ...['--initial-cluster', `default=http://127.0.0.1:${peerPort}`],
    '--unsafe-no-fsync',
  ])

  // 2. Two nodes in each of two sites.
  const nodes: PatroniNode[] = []
  for (const [name, site] of [
    ['a1', 'a'],
    ['b1', 'b'],
    ['a2', 'a'],
    ['b2', 'b'],
  ] as const) {
    nodes.push({ name, site, port: await freePort(), restPort: await freePort() })
  }
  for (const node of nodes) {
    const home = await own(join(folder, node.name))
    await own(join(home, 'socket'))
    const path = join(home, 'patroni.yml')
    // YAML reads JSON.
    await writeFile(path, JSON.stringify(settingsOf(node, home, etcdPort, password)), { mode: 0o600 })
    await chown(path, uid, gid)
  }
  const startNode = (name: string) => start(name, PATRONI, [join(folder, name, 'patroni.yml')])

  async function members(): Promise<Member[]> {
    for (const { name, restPort } of nodes) {
      if (!isAlive(children.get(name))) continue
      const answer = await fetch(`http://127.0.0.1:${restPort}/cluster`, {
        signal: AbortSignal.timeout(1500),
      }).catch(() => null)
      if (answer?.ok) return ((await answer.json()) as { members: Member[] }).members
    }
    return []
  }

  async function leader(timeoutMs = 60_000): Promise<PatroniNode> {
    return await until(timeoutMs, 'a node took the lease', async () => {
      for (const node of nodes) {
        if (!isAlive(children.get(node.name))) continue
        // 200 only where the lease is held and PostgreSQL takes writes.
        const answer = await fetch(`http://127.0.0.1:${node.restPort}/primary`, {
          signal: AbortSignal.timeout(1000),
        }).catch(() => null)
        await answer?.body?.cancel()
        if (answer?.status === 200) return node
      }
      return null
    })
  }

  async function kill(name: string): Promise<void> {
    const child = children.get(name)
    const postmaster = Number(
      (await readFile(join(folder, name, 'data', 'postmaster.pid'), 'utf8').catch(() => '')).split('\n')[0],
    )
    const below = postmaster > 0 ? await childrenOf(postmaster) : []
    const exited = child && isAlive(child) ? once(child, 'exit') : null
    child?.kill('SIGKILL')
    for (const pid of [postmaster, ...below]) {
      if (pid > 0) sendKill(pid)
    }
    await exited
  }

  const fourNodes: FourNodes = {
    nodes,
    password,
    folder,
    hosts: nodes.map(({ port }) => `127.0.0.1:${port}`).join(','),
    members,
    leader,
    async settled(copies, confirming, timeoutMs = 90_000) {
      await until(timeoutMs, `${copies} copies follow`, async () => {
        const all = await members()
        const following = all.filter(
          ({ role, state }) => role !== 'leader' && /running|streaming/.test(state),
        )
        const sync = all.filter(({ role }) => role === 'sync_standby')
        return all.some(({ role }) => role === 'leader') &&
          following.length === copies &&
          sync.length >= confirming
          ? true
          : null
      })
    },
    kill,
    async revive(name) {
      startNode(name)
    },
    async close() {
      await Promise.all(nodes.map(({ name }) => kill(name)))
      const etcd = children.get('etcd')
      if (etcd && isAlive(etcd)) {
        const exited = once(etcd, 'exit')
        etcd.kill('SIGKILL')
        await exited
      }
      await rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 })
    },
  }
  try {
    await until(20_000, 'etcd answers', async () =>
      (await fetch(`${etcdUrl}/health`).catch(() => null))?.ok ? true : null,
    )
    // The first founds the cluster, the others copy it.
    startNode('a1')
    await leader()
    for (const { name } of nodes.slice(1)) startNode(name)
    await fourNodes.settled(3, 2)
    return fourNodes
  } catch (error) {
    const logs = await Promise.all(
      nodes.map(({ name }) => readFile(join(folder, `${name}.log`), 'utf8').catch(() => '')),
    )
    await fourNodes.close()
    throw new Error(`${String(error)}\n${logs.map((text) => text.slice(-1500)).join('\n--\n')}`)
  }
}

function settingsOf(node: PatroniNode, home: string, etcdPort: number, password: string) {
  const address = `127.0.0.1:${node.port}`
  const rest = `127.0.0.1:${node.restPort}`
  return {
    scope: 'yinxin',
    name: node.name,
    restapi: { listen: rest, connect_address: rest },
    etcd3: { host: `127.0.0.1:${etcdPort}` },
    bootstrap: {
      dcs: {
        // ttl ≥ loop_wait + 2 · retry_timeout: shorter would take the lease from a primary that still works.
        ttl: 20,
        loop_wait: 2,
        retry_timeout: 5,
        // A PostgreSQL that crashed is not waited for.
        master_start_timeout: 0,
        maximum_lag_on_failover: 0,
        synchronous_mode: true,
        synchronous_mode_strict: true,
        // Two of three copies: one of any two is in the other site.
        synchronous_node_count: 2,
        postgresql: {
          use_pg_rewind: true,
          use_slots: true,
          parameters: {
            max_connections: 120,
            shared_buffers: '32MB',
            wal_log_hints: 'on',
            wal_keep_size: '128MB',
            max_wal_size: '256MB',
          },
        },
      },
      initdb: [{ encoding: 'UTF8' }, { locale: 'C.UTF-8' }, 'data-checksums'],
      pg_hba: [
        'local all all trust',
        'host replication replicator 127.0.0.1/32 scram-sha-256',
        'host all all 127.0.0.1/32 scram-sha-256',
      ],
    },
    postgresql: {
      listen: address,
      connect_address: address,
      data_dir: join(home, 'data'),
      bin_dir: BIN,
      pgpass: join(home, 'pgpass'),
      authentication: {
        superuser: { username: 'postgres', password },
        replication: { username: 'replicator', password },
        rewind: { username: 'rewinder', password },
      },
      parameters: { unix_socket_directories: join(home, 'socket'), password_encryption: 'scram-sha-256' },
    },
    tags: { site: node.site },
  }
}

const isAlive = (child: ChildProcess | undefined) =>
  child !== undefined && child.exitCode === null && child.signalCode === null

function sendKill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // Gone already.
  }
}

async function childrenOf(pid: number): Promise<number[]> {
  const { stdout } = await run('ps', ['-o', 'pid=', '--ppid', String(pid)]).catch(() => ({ stdout: '' }))
  return stdout
    .split('\n')
    .map(Number)
    .filter((one) => one > 0)
}

async function until<T>(timeoutMs: number, what: string, look: () => Promise<T | null>): Promise<T> {
  for (const endMs = performance.now() + timeoutMs; performance.now() < endMs; await wait(100)) {
    const found = await look()
    if (found !== null) return found
  }
  throw new Error(`waited in vain until ${what}`)
}
