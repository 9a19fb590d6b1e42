import { spawn } from 'node:child_process'
import { createHash, randomBytes, randomInt, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as wait } from 'node:timers/promises'
import type { FsckReport, RepairReport, ScrubReport } from '../../apps/server/src/storage/storage.ts'
import type { TestDatabase } from '../database.ts'
import type { StorageServerOrder } from './storage-server.ts'

export interface RunningStorage {
  url: string
  pid: number
  kill(): Promise<void>
}

/** `options` are those of Node itself. */
export async function startStorageServer(
  order: StorageServerOrder,
  options: readonly string[] = [],
): Promise<RunningStorage> {
  const child = spawn(
    process.execPath,
    [...options, join(import.meta.dirname, 'storage-server.ts'), JSON.stringify(order)],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  const gone = once(child, 'exit')
  const lines = createInterface({ input: child.stdout })
  const line = await Promise.race([
    once(lines, 'line').then(([text]) => String(text)),
    gone.then(() => Promise.reject(new Error('the storage server ended before it listened'))),
  ])
  return {
    url: (JSON.parse(line) as { url: string }).url,
    pid: child.pid as number,
    async kill() {
      child.kill('SIGKILL')
      await gone
    },
  }
}

/** What the outside knows: an object is living from its 201 and destroyed from the answer to its DELETE. */
interface Known {
  sha256: string
  state: 'living' | 'unsure' | 'destroyed'
}

export interface KillReport {
  kills: number
  acknowledged: number
  destroyed: number
  /** Requests that the kills left without an answer. */
  unanswered: number
  lost: string[]
  undead: string[]
  /** What fsck said where it was not clean. */
  unclean: string[]
  /** Late replicas of destroyed objects that a kill left unrecorded: fsck removed them, as it should. */
  leftoversRemoved: number
}

/** Storage that a test kills, corrupts and questions. */
export function createVictim({ root, database }: { root: string; database: TestDatabase }) {
  const known = new Map<string, Known>()
  const ids = { tenantId: randomUUID(), scopeId: randomUUID() }
  let running: RunningStorage | undefined
  let isFirst = true
  let unanswered = 0

  async function start(): Promise<void> {
    running = await startStorageServer({
      root,
      databaseUrl: database.url,
      keysUrl: database.keysUrl,
      ...ids,
      isFirst,
    })
    isFirst = false
  }

  const at = (path: string) => `${running?.url}/${path}`

  async function write(sizeBytes: number): Promise<string> {
    const content = randomBytes(sizeBytes)
    const response = await fetch(at(''), { method: 'POST', body: content })
    const text = await response.text()
    if (response.status !== 201) throw new Error(`a write was answered with ${response.status}: ${text}`)
    const { id } = JSON.parse(text) as { id: string }
    known.set(id, { sha256: createHash('sha256').update(content).digest('hex'), state: 'living' })
    return id
  }

  async function destroy(id: string): Promise<void> {
    const object = known.get(id)!
    object.state = 'unsure'
    const response = await fetch(at(id), { method: 'DELETE' })
    await response.text()
    if (response.status !== 200) throw new Error(`a destruction was answered with ${response.status}`)
    object.state = 'destroyed'
  }

  /** Writes and destroys until the process is gone. */
  async function load(): Promise<void> {
    for (;;) {
      try {
        const id = await write(randomInt(20) === 0 ? 300_000 + randomInt(100_000) : randomInt(20_000))
        if (randomInt(4) === 0) await destroy(id)
      } catch (error) {
        // A socket that broke is the kill; an answer that is an error is a failure of the storage.
        if (!(error instanceof TypeError || (error as { code?: string }).code === 'ECONNRESET')) throw error
        unanswered += 1
        return
      }
    }
  }

  async function command<T>(name: string): Promise<T> {
    const response = await fetch(at(name), { method: 'POST' })
    if (response.status !== 200) throw new Error(`${name} was answered with: ${await response.text()}`)
    return (await response.json()) as T
  }

  /** Reads everything that was ever acknowledged. */
  async function question(): Promise<{ lost: string[]; undead: string[] }> {
    const lost: string[] = []
    const undead: string[] = []
    for (const [id, { sha256, state }] of known) {
      if (state === 'unsure') continue
      const response = await fetch(at(id))
      const content = Buffer.from(await response.arrayBuffer())
      if (state === 'destroyed') {
        if (response.status !== 410) undead.push(id)
      } else if (createHash('sha256').update(content).digest('hex') !== sha256) lost.push(id)
    }
    return { lost, undead }
  }

  return {
    start,
    write,
    destroy,
    question,
    known,
    fsck: () => command<FsckReport>('fsck'),
    repair: () => command<RepairReport>('repair'),
    scrub: () => command<ScrubReport>('scrub'),
    load,
    kill: async () => running?.kill(),
    unanswered: () => unanswered,
  }
}

/** Kills a server under load, again and again, and holds it to everything that it ever acknowledged. */
export async function killUnderLoad(
  place: { root: string; database: TestDatabase },
  kills: number,
  onKill: (report: KillReport) => void = () => undefined,
): Promise<KillReport> {
  const victim = createVictim(place)
  const report: KillReport = {
    kills: 0,
    acknowledged: 0,
    destroyed: 0,
    unanswered: 0,
    lost: [],
    undead: [],
    unclean: [],
    leftoversRemoved: 0,
  }
  await victim.start()
  try {
    for (let kill = 1; kill <= kills; kill += 1) {
      const writers = Promise.all(Array.from({ length: 8 }, () => victim.load()))
      await Promise.race([wait(100 + randomInt(900)), writers])
      await victim.kill()
      await writers
      await victim.start()
      const { lost, undead } = await victim.question()
      // Removals that the kill interrupted go on by themselves every minute; here they go on at once.
      await victim.repair()
      const first = await victim.fsck()
      const undeadOf = (one: FsckReport) => one.inventories.reduce((sum, { undead: count }) => sum + count, 0)
      report.leftoversRemoved += undeadOf(first)
      // A replica that no row names yet when its object is destroyed is found by this walk, and gone for the next.
      const fsck = undeadOf(first) > 0 ? await victim.fsck() : first
      report.kills = kill
      report.acknowledged = victim.known.size
      report.destroyed = Array.from(victim.known.values()).filter((one) => one.state === 'destroyed').length
      report.unanswered = victim.unanswered()
      report.lost.push(...lost)
      report.undead.push(...undead)
      if (!fsck.clean) report.unclean.push(JSON.stringify(fsck))
      onKill(report)
    }
  } finally {
    await victim.kill()
  }
  return report
}
