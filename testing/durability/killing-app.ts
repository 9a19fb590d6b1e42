/**
 * The whole platform as `npm start` runs it, in a throw-away folder with its own PostgreSQL: killed under load, again
 * and again, and held to everything that it ever acknowledged.
 */
import { randomInt } from 'node:crypto'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { createClient } from '@yinxin/sdk'
import { commandInstallation, type FsckReport, type RepairReport, readConfig } from '@yinxin/server'
import { planClusters } from '../../apps/server/src/db/copies.ts'
import { freePort } from '../../apps/server/src/free-port.ts'
import { type RunningCommand, runCommand } from '../children/run-command.ts'
import { killPostmasters, postmastersOf } from '../postmasters.ts'
import { openStage } from '../stage.ts'
import { addAdmin, createLoad, type Load } from './app-load.ts'

/**
 * What dies: the server alone, whose databases go on without it; its process group, which is what a terminal or a
 * supervisor kills; every process of the installation at once; one PostgreSQL first, and the server while it copes; or
 * the server, and then the next one while it starts.
 */
export type AppKill = 'server' | 'group' | 'everything' | 'database-first' | 'starting'
export const appKills: readonly AppKill[] = [
  'server',
  'everything',
  'starting',
  'group',
  'database-first',
  'server',
]

export interface AppKillReport {
  kills: number
  ways: Partial<Record<AppKill, number>>
  files: number
  drafts: number
  finished: number
  destroyed: number
  unanswered: number
  /** How many contents were read again and compared, over all rounds. */
  compared: number
  lost: string[]
  undead: string[]
  unclean: string[]
  /** Errors that nothing excused. */
  faults: string[]
  /** Begun, acknowledged, and not brought to their end in the time after the last restart. */
  stuck: string[]
  /** How long everything that was begun took to come to its end after the last restart. */
  settledMs: number
  leftoversRemoved: number
  /** From the start of the command to its greeting. */
  startMs: number[]
}

export interface AppVictim {
  load: Load
  start(): Promise<void>
  kill(way: AppKill): Promise<void>
  fsck(): Promise<FsckReport>
  repair(): Promise<RepairReport>
  stop(): Promise<void>
  startMs: number[]
  /** Whether a database was just taken from under the server. */
  isCoping(): boolean
}

export async function createAppVictim(folder: string): Promise<AppVictim> {
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const environment = {
    YINXIN_PORT: String(port),
    YINXIN_DATA_DIR: join(folder, 'data'),
    YINXIN_KEY_DIR: join(folder, 'keys'),
    YINXIN_LOG_LEVEL: 'error',
    YINXIN_TRUST_PROXY: '127.0.0.1',
    HOME: folder,
  }
  const config = readConfig(environment)
  const { folders, counts } = config.databaseCopies
  const plans = planClusters(folders, counts)
  const homes = [...plans.main.copies, ...plans.keys.copies].map(({ home }) => home)
  const startMs: number[] = []
  let running: RunningCommand | undefined
  let isCoping = false

  // In a process group of its own, as a terminal or a supervisor gives it.
  const up = () => runCommand(['up'], environment, { detached: true })

  async function start(): Promise<void> {
    const beganMs = performance.now()
    isCoping = false
    running = up()
    await running.saw(/Ctrl-C stops it/)
    startMs.push(Math.round(performance.now() - beganMs))
  }

  async function end(kill: (pid: number) => void): Promise<void> {
    if (running?.child.pid === undefined || running.child.exitCode !== null) return
    kill(running.child.pid)
    await running.ended
  }

  async function kill(way: AppKill): Promise<void> {
    if (way === 'database-first') {
      const home = homes[randomInt(homes.length)]!
      const [pid] = await postmastersOf([home])
      isCoping = true
      if (pid !== undefined) process.kill(pid, 'SIGKILL')
      await wait(randomInt(2_000))
    }
    await end((pid) => process.kill(way === 'group' || way === 'everything' ? -pid : pid, 'SIGKILL'))
    if (way === 'everything') await killPostmasters(homes)
    if (way === 'starting') {
      running = up()
      await wait(randomInt(5_000))
      await end((pid) => process.kill(pid, 'SIGKILL'))
    }
  }

  async function command<T>(name: string): Promise<T> {
    const { signal } = new AbortController()
    return (await commandInstallation(config, name, {}, () => undefined, signal)) as T
  }

  await start()
  try {
    const greeting = running!.stdout()
    const [, login = ''] = /log in\s+(\d{11})/.exec(greeting) ?? []
    const [, password = ''] = /password\s+(\S+)/.exec(greeting) ?? []
    const [, appId = '', appSecret = ''] = /appId (\d+)\s+appSecret (\S+)/.exec(greeting) ?? []
    const client = createClient({ baseUrl: url, credential: { appId, appSecret } })
    const { token, me } = await createClient({ baseUrl: url }).sessions.create({ login, password })
    const corp = me.memberships[0]
    if (corp === undefined) throw new Error('the demo company is not there')
    const first = createClient({ baseUrl: url, credential: { sessionToken: token } })
    await first.me.actAs(corp.corpId)
    const scene = (await client.seals.list()).items.flatMap((seal) => seal.freeSignScenes)[0]
    if (scene === undefined) throw new Error('the demo company signs nothing freely')
    const stage = await openStage({ at: url })
    const admins = [{ login, client: first, codeAtMs: 0 }]
    for (let n = 0; n < 5; n += 1) admins.push(await addAdmin(stage, url, corp.corpId, first))
    return {
      load: createLoad({
        stage,
        client,
        corpName: corp.corpName,
        businessId: scene.businessId,
        admins,
      }),
      start,
      kill,
      fsck: () => command<FsckReport>('fsck'),
      repair: () => command<RepairReport>('repair'),
      stop: () => end((pid) => process.kill(pid, 'SIGINT')),
      startMs,
      isCoping: () => isCoping,
    }
  } catch (error) {
    await kill('everything')
    throw error
  }
}

const loadHands = 6
/**
 * The act of signing that a kill interrupted is another's after two minutes, and its job comes again after up to two and
 * a half; the last look at a destruction is taken every minute.
 */
export const settlesWithinMs = 400_000

export interface AppKillOptions {
  /** How long what was begun has, after the last kill, to come to its end by itself; zero: nobody waits for it. */
  settlesWithinMs: number
  onKill?: (report: AppKillReport) => void
}

/** Kills in turn by each of the ways. After every restart everything is read, and fsck looks. */
export async function killAppUnderLoad(
  folder: string,
  kills: number,
  { settlesWithinMs, onKill = () => undefined }: AppKillOptions,
): Promise<AppKillReport> {
  const victim = await createAppVictim(folder)
  const { load } = victim
  const report: AppKillReport = {
    kills: 0,
    ways: {},
    files: 0,
    drafts: 0,
    finished: 0,
    destroyed: 0,
    unanswered: 0,
    compared: 0,
    lost: [],
    undead: [],
    unclean: [],
    faults: load.faults,
    stuck: [],
    settledMs: 0,
    leftoversRemoved: 0,
    startMs: victim.startMs,
  }
  try {
    for (let kill = 1; kill <= kills; kill += 1) {
      const way = appKills[(kill - 1) % appKills.length]!
      // 1. Load, and the end of it at any moment after the first answers: a slow machine needs its time.
      const before = load.acknowledged()
      const hands = Promise.all(Array.from({ length: loadHands }, () => load.work(victim.isCoping)))
      for (let tries = 0; tries < 300 && load.acknowledged() < before + 4; tries += 1) await wait(100)
      await wait(randomInt(5_000))
      await victim.kill(way)
      await hands
      await victim.start()
      // 2. What was promised, at once; after the last kill also what goes on by itself, and all of it again.
      await look()
      // Removals that a killed process had in hand are another's after ten minutes; an operator hastens them.
      await victim.repair()
      if (kill === kills && settlesWithinMs > 0) {
        const settlingMs = performance.now()
        report.stuck.push(...(await load.settle(settlesWithinMs)))
        report.settledMs = Math.round(performance.now() - settlingMs)
        await look()
      }
      // 3. The database against the media.
      const first = await victim.fsck()
      const undead = first.inventories.reduce((sum, one) => sum + one.undead, 0)
      report.leftoversRemoved += undead
      // A replica that no row names yet when its object is destroyed is found by this walk, and gone for the next.
      const fsck = undead > 0 ? await victim.fsck() : first
      if (!fsck.clean) report.unclean.push(JSON.stringify(fsck))
      report.kills = kill
      report.ways[way] = (report.ways[way] ?? 0) + 1
      count()
      onKill(report)
    }
    await victim.stop()
  } finally {
    await victim.kill('everything')
  }
  return report

  async function look(): Promise<void> {
    const { lost, undead, read } = await load.question()
    report.lost.push(...lost)
    report.undead.push(...undead)
    report.compared += read
  }

  function count(): void {
    const inState = (state: string) =>
      Array.from(load.contracts.values()).filter((one) => one.state === state).length
    report.files = load.files.size
    report.drafts = inState('draft')
    report.finished = inState('finished')
    report.destroyed = inState('destroyed')
    report.unanswered = load.unanswered()
  }
}

/** True when every promise was kept. */
export const isKept = (report: AppKillReport) =>
  [report.lost, report.undead, report.unclean, report.faults, report.stuck].every((one) => one.length === 0)
