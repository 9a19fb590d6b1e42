/** The PostgreSQL processes of an installation, found and killed from outside, as a loss of power would end them. */
import { readdir, readFile, readlink } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'

/** Process ids of the postmasters whose clusters belong to these homes; those that run only. */
export async function postmastersOf(homes: readonly string[]): Promise<number[]> {
  const found: number[] = []
  for (const home of homes) {
    const data = await clusterOf(home)
    const pid = Number((await readFile(join(data, 'postmaster.pid'), 'utf8').catch(() => '')).split('\n')[0])
    if (pid > 0 && (await commandOf(pid)).includes(data)) found.push(pid)
  }
  return found
}

/** The cluster's own folder. */
export async function clusterOf(home: string): Promise<string> {
  const elsewhere = await readFile(join(home, 'postgres-location'), 'utf8').catch(() => undefined)
  return join(elsewhere?.trim() ?? join(home, 'postgres'), 'data')
}

/** SIGKILL to each postmaster and to its children, so that nothing writes after it. */
export async function killPostmasters(homes: readonly string[]): Promise<number> {
  const pids = await postmastersOf(homes)
  const folders = await Promise.all(homes.map(clusterOf))
  for (const pid of pids) process.kill(pid, 'SIGKILL')
  for (const deadline = performance.now() + 30_000; ; await wait(20)) {
    const left = await holdersOf(folders)
    if (left.length === 0) return pids.length
    if (performance.now() > deadline) throw new Error(`processes ${left} of PostgreSQL do not end`)
  }
}

async function holdersOf(folders: readonly string[]): Promise<number[]> {
  const found: number[] = []
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue
    const folder = await readlink(`/proc/${name}/cwd`).catch(() => '')
    if (folders.includes(folder)) found.push(Number(name))
  }
  return found
}

async function commandOf(pid: number): Promise<string> {
  return await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')
}
