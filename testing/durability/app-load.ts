/** What the outside does to a server over its public API, and what it was promised: the load of `npm run soak -- kill-app`. */
import { createHash, randomInt, randomUUID } from 'node:crypto'
import { setTimeout as wait } from 'node:timers/promises'
import { type Client, createClient, type SignTask, YinxinProblem } from '@yinxin/sdk'
import { drawSampleContract, sampleKeywords } from '@yinxin/server'
import type { Stage } from '../stage.ts'

/** A file from its 201 on. */
export interface KnownFile {
  sha256: string
  state: 'living' | 'unsure' | 'destroyed'
}

/** A contract; its state is the furthest that an answer of the server has shown. */
export interface KnownContract {
  fileId: string
  state: 'draft' | 'started' | 'finished' | 'unsure' | 'asked' | 'destroyed'
  /** Of each document of a finished contract, from the bytes that came. */
  documents: Map<string, string>
}

export interface Admin {
  login: string
  client: Client
  /** The next code comes when the last one is a minute old. */
  codeAtMs: number
}

export interface LoadOptions {
  stage: Stage
  client: Client
  corpName: string
  businessId: string
  admins: Admin[]
}

const codePaceMs = 61_000
const finishesWithinMs = 60_000
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

export type Load = ReturnType<typeof createLoad>

export function createLoad({ stage, client, corpName, businessId, admins }: LoadOptions) {
  const files = new Map<string, KnownFile>()
  const contracts = new Map<string, KnownContract>()
  const faults: string[] = []
  /** Destructions that were accepted and are not certified yet. */
  const pending = new Set<string>()
  let unanswered = 0
  let number = 0

  async function upload(): Promise<string> {
    number += 1
    const pdf = await drawSampleContract({
      corpName,
      personName: '林晓',
      number: `YX-${number}-${randomUUID().slice(0, 8)}`,
      date: '2026年1月1日',
    })
    const { id, sha256: said } = await client.files.upload(pdf, `合同${number}.pdf`)
    if (said !== sha256(pdf)) throw new Error(`${id} was accepted with another hash`)
    files.set(id, { sha256: said, state: 'living' })
    return id
  }

  async function create(autoStart: boolean): Promise<string> {
    const fileId = await upload()
    const task = await client.signTasks.create(
      {
        title: `合同 ${number}`,
        documents: [{ ref: 'd', fileId }],
        actors: [{ ref: 'c', kind: 'corp', role: 'sign', name: corpName, freeSignBusinessId: businessId }],
        fields: [
          { documentRef: 'd', actorRef: 'c', kind: 'seal', position: { keyword: sampleKeywords.corp } },
        ],
        autoStart,
      },
      { idempotencyKey: randomUUID() },
    )
    contracts.set(task.id, { fileId, state: autoStart ? 'started' : 'draft', documents: new Map() })
    return task.id
  }

  /** Notes what a finished contract consists of, from its own bytes. */
  async function noteFinished(task: SignTask): Promise<void> {
    const known = contracts.get(task.id)
    if (known === undefined || known.state !== 'started') return
    const documents = new Map<string, string>()
    for (const { documentId } of task.documents)
      documents.set(documentId, sha256(await client.signTasks.document(task.id, documentId)))
    if (known.state !== 'started') return
    known.documents = documents
    known.state = 'finished'
  }

  async function sign(): Promise<void> {
    const id = await create(true)
    for (const deadlineMs = performance.now() + finishesWithinMs; performance.now() < deadlineMs; ) {
      const task = await client.signTasks.get(id)
      if (task.status === 'finished') return await noteFinished(task)
      await wait(50)
    }
    throw new Error(`the contract ${id} is not finished after a minute`)
  }

  /** Asks for the destruction of a contract that nobody else has; false when no code is to be had yet. */
  async function destroy(): Promise<boolean> {
    const admin = admins.find((one) => one.codeAtMs <= performance.now())
    const ready = Array.from(contracts).filter(([, one]) => one.state === 'finished' || one.state === 'draft')
    if (admin === undefined || ready.length < 5) return false
    const [id, known] = ready[randomInt(ready.length)]!
    admin.codeAtMs = performance.now() + codePaceMs
    known.state = 'unsure'
    files.get(known.fileId)!.state = 'unsure'
    const code = await stage.codeBy(admin.login, () => admin.client.destruction.sendCode(id))
    await admin.client.destruction.request(id, { basis: 'own', code })
    known.state = 'asked'
    pending.add(id)
    for (let tries = 0; tries < 100 && pending.has(id); tries += 1) {
      await noteDestroyed()
      await wait(100)
    }
    return true
  }

  /** What the server says is shredded, and certified as destroyed. */
  async function noteDestroyed(): Promise<void> {
    const { items } = await admins[0]!.client.destruction.list()
    for (const { taskId, state, shreddedAt } of items) {
      const known = contracts.get(taskId)
      if (known === undefined || shreddedAt === null) continue
      if (state.startsWith('DESTROYED_')) pending.delete(taskId)
      known.state = 'destroyed'
      files.get(known.fileId)!.state = 'destroyed'
    }
  }

  return {
    files,
    contracts,
    faults,
    unanswered: () => unanswered,
    /** How many files and contracts were promised. */
    acknowledged: () => files.size + contracts.size,

    /** Works until the server is gone. An answer that is an error counts as a fault, unless somebody `excuses` it. */
    async work(excuses: () => boolean): Promise<void> {
      for (;;) {
        try {
          const fate = randomInt(10)
          if (fate < 2) await upload()
          else if (fate < 4) await create(false)
          else if (fate < 6 && (await destroy())) continue
          else await sign()
        } catch (error) {
          if (isGone(error)) {
            unanswered += 1
            return
          }
          if (!excuses()) faults.push(String(error))
          await wait(100)
        }
      }
    },

    /** What was begun before the kill goes on by itself; what does not is named. */
    async settle(withinMs: number): Promise<string[]> {
      const inState = (state: KnownContract['state']) =>
        Array.from(contracts).flatMap(([id, one]) => (one.state === state ? [id] : []))
      for (const deadlineMs = performance.now() + withinMs; ; await wait(200)) {
        for (const id of inState('started')) {
          const task = await client.signTasks.get(id)
          if (task.status === 'finished') await noteFinished(task)
        }
        await noteDestroyed()
        const left = [
          ...inState('started').map((id) => `contract ${id} is not signed`),
          ...Array.from(pending, (id) => `contract ${id} is not destroyed`),
        ]
        if (left.length === 0 || performance.now() > deadlineMs) return left
      }
    },

    /** Reads everything that was ever acknowledged, and asks for everything that was destroyed. */
    async question(): Promise<{ lost: string[]; undead: string[]; read: number }> {
      const found = { lost: [] as string[], undead: [] as string[], read: 0 }
      await noteDestroyed()
      const checks: (() => Promise<void>)[] = []
      for (const [id, { sha256: wanted, state }] of files) {
        const what = `file ${id}`
        if (state !== 'unsure') checks.push(() => check(what, state, wanted, () => client.files.content(id)))
      }
      for (const [id, { state, documents }] of contracts) {
        if (state === 'draft' || state === 'started' || state === 'finished')
          checks.push(() => standsAs(id, state))
        if (state !== 'finished' && state !== 'destroyed') continue
        for (const [documentId, wanted] of documents) {
          const read = () => client.signTasks.document(id, documentId)
          checks.push(() =>
            check(`contract ${id}`, state === 'destroyed' ? 'destroyed' : 'living', wanted, read),
          )
        }
      }
      const hands = Array.from({ length: 4 }, async () => {
        for (let next = checks.pop(); next !== undefined; next = checks.pop()) await next()
      })
      await Promise.all(hands)
      return found

      async function check(
        what: string,
        state: 'living' | 'destroyed',
        wanted: string,
        read: () => Promise<Uint8Array>,
      ): Promise<void> {
        found.read += 1
        const outcome = await read().catch(refusal)
        if (state === 'destroyed') {
          if (outcome instanceof Uint8Array) found.undead.push(what)
        } else if (!(outcome instanceof Uint8Array)) found.lost.push(`${what}: ${outcome}`)
        else if (sha256(outcome) !== wanted) found.lost.push(`${what}: other bytes`)
      }

      /** It may have gone on since; never back. */
      async function standsAs(id: string, state: 'draft' | 'started' | 'finished'): Promise<void> {
        const task = await client.signTasks.get(id).catch(refusal)
        const status = typeof task === 'string' ? task : task.status
        const fits = state === 'started' ? status === 'signing' || status === 'finished' : status === state
        if (!fits) found.lost.push(`contract ${id}: was ${state}, is ${status}`)
      }
    },
  }
}

/** An answer that refuses is an outcome; a socket that breaks is not. */
function refusal(error: unknown): string {
  if (error instanceof YinxinProblem) return `${error.status} ${error.code}`
  throw error
}

/** No answer, or half of one: the process at the other end is not there. */
function isGone(error: unknown): boolean {
  return error instanceof TypeError || (error as { code?: string }).code === 'ECONNRESET'
}

/** A session of another administrator of the company, who can ask for a code of its own. */
export async function addAdmin(
  stage: Stage,
  baseUrl: string,
  corpId: string,
  inviter: Client,
): Promise<Admin> {
  const person = await stage.person('王小明')
  await inviter.corps.addMember(corpId, { login: person.login, role: 'admin' })
  const client = createClient({ baseUrl, credential: { sessionToken: person.token } })
  await client.me.actAs(corpId)
  return { login: person.login, client, codeAtMs: performance.now() + codePaceMs }
}
