/** strace over processes that run already, and over all that they start. */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readdir, readFile } from 'node:fs/promises'
import { createInterface } from 'node:readline'

/** Everything that writes, syncs, names, and speaks; PostgreSQL speaks by send and receive, Node by write. */
const traced = [
  'openat,creat,write,writev,pwrite64,pwritev,pwritev2,fsync,fdatasync',
  'link,linkat,rename,renameat,renameat2,mkdir,mkdirat,unlink,unlinkat,sendto,recvfrom',
].join(',')

/** Why no process can be traced here; undefined where it can. */
export function whyNotTraceable(): string | undefined {
  const { error, status, stderr } = spawnSync('strace', ['-o', '/dev/null', '-e', 'trace=none', 'true'], {
    encoding: 'utf8',
  })
  if (error !== undefined) return `strace cannot be started: ${error.message}`
  if (status !== 0) return `strace cannot trace here: ${stderr.trim()}`
  // Tracing processes that are no children of strace takes root, or a kernel that is not strict about it.
  return process.getuid?.() === 0 ? undefined : 'strace can follow running processes as root only'
}

export interface Tracing {
  /** Leaves the processes to themselves; the log is complete then. */
  stop(): Promise<void>
}

/** Begins to trace; resolves once strace has hold of every one of the processes. */
export async function trace(pids: readonly number[], logPath: string): Promise<Tracing> {
  const strace = spawn(
    'strace',
    [
      ...['-f', '-yy', '-v', '-s', '262144', '-e', 'signal=none', '-e', `trace=${traced}`, '-o', logPath],
      ...pids.flatMap((pid) => ['-p', String(pid)]),
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  )
  const gone = once(strace, 'exit')
  const waiting = new Set(pids)
  const said: string[] = []
  const isReady = new Promise<void>((resolve, reject) => {
    createInterface({ input: strace.stderr }).on('line', (line) => {
      said.push(line)
      const pid = /^strace: Process (\d+) attached/.exec(line)?.[1]
      if (pid !== undefined) waiting.delete(Number(pid))
      if (waiting.size === 0) resolve()
    })
    gone.then(() => reject(new Error(`strace ended: ${said.join('\n')}`)), reject)
  })
  await isReady
  return {
    async stop() {
      strace.kill('SIGINT')
      await gone
    },
  }
}

/** A process and all that it started, directly or not, as far as they run. */
export async function familyOf(...roots: number[]): Promise<number[]> {
  const parents = new Map<number, number>()
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue
    const status = await readFile(`/proc/${name}/status`, 'utf8').catch(() => '')
    const parent = /^PPid:\s+(\d+)$/m.exec(status)?.[1]
    if (parent !== undefined && !/^State:\s+Z/m.test(status)) parents.set(Number(name), Number(parent))
  }
  const family = new Set(roots)
  for (const member of family) for (const [pid, parent] of parents) if (parent === member) family.add(pid)
  return Array.from(family)
}
