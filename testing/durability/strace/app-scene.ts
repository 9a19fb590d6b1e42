/** The whole platform as `npm start` runs it, two database clusters with a copy of each in the other site, under strace. */
import { readFile, realpath } from 'node:fs/promises'
import { join } from 'node:path'
import { type Client, createClient, type SignTask } from '@yinxin/sdk'
import { buildWeb, drawSampleContract, removeInstallation, sampleKeywords } from '@yinxin/server'
import { readConfig } from '../../../apps/server/src/config.ts'
import { type ClusterPlan, planClusters } from '../../../apps/server/src/db/copies.ts'
import { runCommand } from '../../children/run-command.ts'
import { largePdf } from '../../fakes/pdfs.ts'
import { clusterOf } from '../../postmasters.ts'
import { readCalls } from './calls.ts'
import type { Answer, ProofPlan } from './proof.ts'
import { domainsOf, type Scene } from './room-scene.ts'
import { familyOf, trace } from './tracing.ts'

/** What stands in no log of PostgreSQL, by intention: the counters of the pace. */
const unlogged = ['call_pace']

/** Starts it, uploads and signs, and takes all of it down again. */
export async function playApp(folder: string): Promise<Scene> {
  const root = await realpath(folder)
  const settings = { YINXIN_PORT: '0', YINXIN_DATA_DIR: join(root, 'data'), YINXIN_LOG_LEVEL: 'error' }
  // Built by the start otherwise, in the time of this.
  await buildWeb()
  const command = runCommand(['up'], settings)
  try {
    await command.saw(/Ctrl-C stops it/)
    const client = clientOf(command.stdout())
    const log = join(root, 'app.strace')
    const clusters = await clustersOf(settings)
    const tracing = await trace(await familyOf(command.child.pid as number), log)
    let answers: Answer[]
    try {
      answers = await use(client)
    } finally {
      await tracing.stop()
    }
    const text = await readFile(log, 'latin1')
    return {
      log: text,
      calls: readCalls(text),
      plan: { domains: domainsOf(join(root, 'data')), clusters, answers, unlogged },
    }
  } finally {
    command.child.kill('SIGTERM')
    await command.ended
    await removeInstallation({ dataDir: join(root, 'data'), keyDir: join(root, 'data-keys') })
  }
}

/** Reads the greeting as a person would. */
function clientOf(greeting: string): Client {
  const [, baseUrl] = /印信 Yinxin\s+(http:\/\/\S+)/.exec(greeting) ?? []
  const [, appId, appSecret] = /appId (\d+)\s+appSecret (\S+)/.exec(greeting) ?? []
  if (baseUrl === undefined || appId === undefined || appSecret === undefined)
    throw new Error(`no address or credential in:\n${greeting}`)
  return createClient({ baseUrl, credential: { appId, appSecret } })
}

async function clustersOf(settings: Record<string, string>): Promise<ProofPlan['clusters']> {
  const { folders, counts } = readConfig(settings).databaseCopies
  const plans = planClusters(folders, counts)
  return await Promise.all([plans.main, plans.keys].map(clusterPlan))
}

async function clusterPlan({ copies }: ClusterPlan): Promise<ProofPlan['clusters'][number]> {
  const dataOf = async (home: string) => await realpath(await clusterOf(home))
  const data = await dataOf(copies[0].home)
  // Its fourth line is the port.
  const port = Number((await readFile(join(data, 'postmaster.pid'), 'utf8')).split('\n')[3])
  const others = copies.filter(({ site }) => site === 'recovery')
  return { port, data, copies: await Promise.all(others.map(({ home }) => dataOf(home))) }
}

async function use(client: Client): Promise<Answer[]> {
  const answers: Answer[] = []
  const holding = (id: string) => answers.push({ mark: id, holding: [id] })
  // 1. A small file and a large one; the key of each is made and committed in the other cluster before.
  const small = await client.files.upload(await contract(), '合同.pdf')
  holding(small.id)
  const large = await client.files.upload(largePdf(600_000), '附件.pdf')
  holding(large.id)
  // 2. A contract that the company's seal signs by itself: frozen with its start, then deltas and evidence.
  const task = await sign(client, small.id, large.id)
  holding(task.id)
  return answers
}

const corpName = '印信演示（上海）科技有限公司'

const contract = () =>
  drawSampleContract({ corpName, personName: '林晓', number: 'YX-1', date: '2026年1月1日' })

async function sign(client: Client, smallId: string, largeId: string): Promise<SignTask> {
  const { items } = await client.seals.list()
  const scene = items.flatMap((seal) => seal.freeSignScenes)[0]
  let task = await client.signTasks.create({
    title: '合同',
    documents: [
      { ref: 'd', fileId: smallId },
      { ref: 'e', fileId: largeId },
    ],
    actors: [
      { ref: 'c', kind: 'corp', role: 'sign', name: corpName, freeSignBusinessId: scene?.businessId ?? '' },
    ],
    fields: [{ documentRef: 'd', actorRef: 'c', kind: 'seal', position: { keyword: sampleKeywords.corp } }],
    autoStart: true,
  })
  const deadlineMs = performance.now() + 60_000
  while (task.status !== 'finished') {
    if (performance.now() > deadlineMs) throw new Error(`the task is ${task.status}`)
    task = await client.signTasks.get(task.id)
  }
  return task
}
