/**
 * OpenStack Swift with its S3 interface, from Debian's packages, as one site of object storage: a proxy, memcached,
 * an account and a container server, and three object servers with a device each, so that every object has three
 * replicas and one object server can be killed. Everything lives on free ports and below one folder.
 *
 *     const site = await startSwift({ region: 'shanghai' })
 *     await site.stop()
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { accessSync, constants, mkdtempSync } from 'node:fs'
import { mkdir, open, readFile, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { freePort } from '../../apps/server/src/free-port.ts'

const run = promisify(execFile)

export interface SwiftSite {
  /** Address of the S3 interface. */
  endpoint: string
  region: string
  keyId: string
  secret: string
  /** Kills one of the three object servers at once; its device is gone with it. */
  killObjectServer(index: 0 | 1 | 2): Promise<void>
  startObjectServer(index: 0 | 1 | 2): Promise<void>
  /** The folder that stands for an object server's device. */
  deviceFolder(index: 0 | 1 | 2): string
  /** The whole site falls silent: connections are refused. */
  stopProxy(): Promise<void>
  startProxy(): Promise<void>
  /** The site takes connections and does not answer. */
  freezeProxy(): void
  thawProxy(): void
  stop(): Promise<void>
}

const programs = [
  'swift-proxy-server',
  'swift-account-server',
  'swift-container-server',
  'swift-object-server',
  'swift-ring-builder',
  'memcached',
  'setpriv',
]
const packages = 'swift-proxy swift-account swift-container swift-object memcached'

/** What is missing for Swift on this machine; empty when it can be started. */
export function missingForSwift(): string {
  const absent = programs.filter(
    (name) => !['/usr/bin', '/usr/local/bin'].some((folder) => has(folder, name)),
  )
  if (absent.length > 0) return `${absent.join(', ')} (apt-get install ${packages})`
  if (!readable('/etc/swift/swift.conf')) return '/etc/swift/swift.conf, which the Debian packages bring'
  return ''
}

const has = (folder: string, name: string) => accessible(join(folder, name), constants.X_OK)
const readable = (path: string) => accessible(path, constants.R_OK)

function accessible(path: string, mode: number): boolean {
  try {
    accessSync(path, mode)
    return true
  } catch {
    return false
  }
}

export async function startSwift(options: { region: string }): Promise<SwiftSite> {
  const folder = mkdtempSync(join(tmpdir(), 'yinxin-swift-'))
  const [proxyPort, cachePort, accountPort, containerPort, ...objectPorts] = await freePorts(7)
  const children = new Map<string, ChildProcess>()
  const log = await open(join(folder, 'log'), 'a')

  async function start(name: string, command: string, args: string[], port: number): Promise<void> {
    // A test run that is killed takes its servers with it.
    const child = spawn('setpriv', ['--pdeathsig', 'KILL', command, ...args], {
      stdio: ['ignore', log.fd, log.fd],
    })
    children.set(name, child)
    const failed = new Promise<never>((_, reject) => {
      child.once('error', reject)
      child.once('exit', (code) => reject(new Error(`${name} ended with ${code}`)))
    })
    // Somebody waits for it only while it starts.
    failed.catch(() => undefined)
    await Promise.race([listening(port), failed])
  }

  async function end(name: string, signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    const child = children.get(name)
    children.delete(name)
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const ended = new Promise((resolve) => child.once('exit', resolve))
    child.kill('SIGCONT')
    child.kill(signal)
    const impatient = setTimeout(() => child.kill('SIGKILL'), 5_000)
    await ended
    clearTimeout(impatient)
  }

  const conf = (name: string) => join(folder, `${name}.conf`)
  const deviceFolder = (index: number) => join(folder, `object-${index + 1}`, 'd1')
  const startObject = (index: number) =>
    start(
      `object-${index + 1}`,
      'swift-object-server',
      [conf(`object-${index + 1}`)],
      objectPorts[index] as number,
    )
  const startProxy = () => start('proxy', 'swift-proxy-server', [conf('proxy')], proxyPort as number)

  async function stop(): Promise<void> {
    await Promise.all([...children.keys()].map((name) => end(name, 'SIGKILL')))
    await log.close()
    await rm(folder, { recursive: true, force: true })
  }

  try {
    // 1. Devices: folders on a file system with user attributes, in which Swift keeps an object's metadata.
    for (const name of ['d1', 'd2', 'd3']) {
      await mkdir(join(folder, 'account', name), { recursive: true })
      await mkdir(join(folder, 'container', name), { recursive: true })
    }
    for (const index of [0, 1, 2]) await mkdir(deviceFolder(index), { recursive: true })
    // 2. Rings: three replicas each, every device a zone of its own.
    const devices = (ports: (number | undefined)[], names: string[]) =>
      names.map((name, index) => `r1z${index + 1}-127.0.0.1:${ports[index % ports.length]}/${name}`)
    await Promise.all([
      buildRing(folder, 'account', devices([accountPort], ['d1', 'd2', 'd3'])),
      buildRing(folder, 'container', devices([containerPort], ['d1', 'd2', 'd3'])),
      buildRing(folder, 'object', devices(objectPorts, ['d1', 'd1', 'd1'])),
    ])
    // 3. Settings of each server.
    await writeFile(conf('account'), storageServer('account', accountPort, join(folder, 'account'), folder))
    await writeFile(
      conf('container'),
      storageServer('container', containerPort, join(folder, 'container'), folder),
    )
    for (const index of [0, 1, 2]) {
      const root = join(folder, `object-${index + 1}`)
      await writeFile(conf(`object-${index + 1}`), storageServer('object', objectPorts[index], root, folder))
    }
    await writeFile(conf('proxy'), proxyServer(proxyPort, cachePort, folder, options.region))
    // 4. The servers, and a first answer.
    await Promise.all([
      start(
        'memcached',
        'memcached',
        ['-l', '127.0.0.1', '-p', `${cachePort}`, '-u', userInfo().username],
        cachePort as number,
      ),
      start('account', 'swift-account-server', [conf('account')], accountPort as number),
      start('container', 'swift-container-server', [conf('container')], containerPort as number),
      startObject(0),
      startObject(1),
      startObject(2),
      startProxy(),
    ])
    await answering(`http://127.0.0.1:${proxyPort}/healthcheck`)
  } catch (error) {
    const text = await readFile(join(folder, 'log'), 'utf8').catch(() => '')
    await stop()
    throw new Error(`Swift did not start: ${error}\n${text.slice(-4_000)}`)
  }

  return {
    endpoint: `http://127.0.0.1:${proxyPort}`,
    region: options.region,
    keyId: 'test:tester',
    secret: 'testing',
    killObjectServer: (index) => end(`object-${index + 1}`, 'SIGKILL'),
    startObjectServer: startObject,
    deviceFolder,
    stopProxy: () => end('proxy', 'SIGKILL'),
    async startProxy() {
      await startProxy()
      await answering(`http://127.0.0.1:${proxyPort}/healthcheck`)
    },
    freezeProxy: () => void children.get('proxy')?.kill('SIGSTOP'),
    thawProxy: () => void children.get('proxy')?.kill('SIGCONT'),
    stop,
  }
}

async function buildRing(folder: string, name: string, devices: string[]): Promise<void> {
  const builder = join(folder, `${name}.builder`)
  await run('swift-ring-builder', [builder, 'create', '4', '3', '0'])
  for (const device of devices) await run('swift-ring-builder', [builder, 'add', device, '1'])
  await run('swift-ring-builder', [builder, 'rebalance'])
}

function storageServer(kind: string, port: number | undefined, devices: string, folder: string): string {
  return `[DEFAULT]
bind_ip = 127.0.0.1
bind_port = ${port}
workers = 0
user = ${userInfo().username}
swift_dir = ${folder}
devices = ${devices}
mount_check = false
fallocate_reserve = 0
log_level = WARNING
log_address = ${join(folder, 'no-syslog')}

[pipeline:main]
pipeline = ${kind}-server

[app:${kind}-server]
use = egg:swift#${kind}
`
}

function proxyServer(
  port: number | undefined,
  cachePort: number | undefined,
  folder: string,
  region: string,
): string {
  return `[DEFAULT]
bind_ip = 127.0.0.1
bind_port = ${port}
workers = 0
user = ${userInfo().username}
swift_dir = ${folder}
log_level = WARNING
log_address = ${join(folder, 'no-syslog')}

[pipeline:main]
pipeline = catch_errors healthcheck cache listing_formats bulk s3api tempauth copy slo dlo versioned_writes symlink proxy-server

[app:proxy-server]
use = egg:swift#proxy
allow_account_management = true
account_autocreate = true
# A server that was slow once is not left out afterwards: a deletion must reach all three, there is no replicator here.
node_timeout = 10
conn_timeout = 1
error_suppression_limit = 1000000

[filter:catch_errors]
use = egg:swift#catch_errors

[filter:healthcheck]
use = egg:swift#healthcheck

[filter:cache]
use = egg:swift#memcache
memcache_servers = 127.0.0.1:${cachePort}

[filter:listing_formats]
use = egg:swift#listing_formats

[filter:bulk]
use = egg:swift#bulk

[filter:s3api]
use = egg:swift#s3api
location = ${region}
s3_acl = false
check_bucket_owner = false

[filter:tempauth]
use = egg:swift#tempauth
user_test_tester = testing .admin

[filter:copy]
use = egg:swift#copy

[filter:slo]
use = egg:swift#slo

[filter:dlo]
use = egg:swift#dlo

[filter:versioned_writes]
use = egg:swift#versioned_writes
allow_object_versioning = true

[filter:symlink]
use = egg:swift#symlink
`
}

/** Ports that were free a moment ago; the rings must name them before the servers start. */
async function freePorts(count: number): Promise<number[]> {
  const ports = new Set<number>()
  while (ports.size < count) ports.add(await freePort())
  return [...ports]
}

async function listening(port: number): Promise<void> {
  await eventually(async () => {
    await new Promise<void>((resolve, reject) => {
      const socket = connect(port, '127.0.0.1', () => {
        socket.destroy()
        resolve()
      })
      socket.once('error', reject)
    })
  })
}

async function answering(url: string): Promise<void> {
  await eventually(async () => {
    const response = await fetch(url)
    if (!response.ok) throw new Error(`${url} answers ${response.status}`)
  })
}

async function eventually(attempt: () => Promise<void>): Promise<void> {
  const endMs = performance.now() + 180_000
  for (;;) {
    try {
      return await attempt()
    } catch (error) {
      if (performance.now() > endMs) throw error
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  }
}
