/** The story of the demo: each party through its own door, everything over HTTP. */
import { createHash } from 'node:crypto'
import { createClient, type OutboxMessage, type SignTask } from '@yinxin/sdk'
import { type Demo, drawSampleContract, sampleKeywords } from '@yinxin/server'
import { drawnSignature } from './demo-signature.ts'

/** Runs a part of the story, tells it and takes its time. */
export type Step = <T>(zh: string, en: string, work: () => Promise<T>) => Promise<T>

export interface Outcome {
  contract: Uint8Array
  signed: Uint8Array
  evidence: Uint8Array
  rootPem: string
  logVkey: string
  taskId: string
  signers: string[]
}

/** Comes with nothing but a telephone. The number satisfies GB 11643 and was never issued. */
const SIGNER = { name: '周予安', mobile: '13700137000', idNumber: '310115199003071204' }

export async function playStory({
  baseUrl,
  demo,
  step,
}: {
  baseUrl: string
  demo: Demo
  step: Step
}): Promise<Outcome> {
  const company = createClient({ baseUrl, credential: demo.app })
  const outbox = createOutboxReader(baseUrl)

  // The company's door: its program, with the key of the app.
  const contract = await drawSampleContract({
    corpName: demo.corp.name,
    personName: SIGNER.name,
    number: 'YX-2026-0001',
    date: chinaDate(new Date()),
  })
  const task = await step(
    '企业：上传合同并发起签署',
    'company: uploads the contract and starts the task',
    async () => {
      const file = await company.files.upload(contract, '技术服务合同.pdf', { idempotencyKey: 'demo-file' })
      return await company.signTasks.create(taskInput(file.id, demo), { idempotencyKey: 'demo-task' })
    },
  )
  await step('企业：公章免验证签', 'company: the seal signs freely', () =>
    until(
      () => company.signTasks.get(task.id),
      (now) => now.actors[0]?.status === 'signed',
    ),
  )

  // The person's door: a link in a text message, and nothing else.
  const anyone = createClient({ baseUrl })
  const linkToken = await step('个人：收到链接', 'person: receives the link', async () => {
    const message = await outbox.next((one) => one.link !== null)
    const token = message.link?.split('/s/')[1] ?? ''
    await anyone.ceremonies.cover(token)
    return token
  })
  const person = await step('个人：验证码登录', 'person: logs in by code', async () => {
    const code = await outbox.codeAfter(() => anyone.ceremonies.sendLoginCode(linkToken))
    const { token } = await anyone.ceremonies.logIn(linkToken, code)
    return createClient({ baseUrl, credential: { sessionToken: token } })
  })
  await step('个人：实名核验（模拟）', 'person: proves identity (simulated)', async () => {
    await person.me.checkIdentity({ name: SIGNER.name, idType: 'id_card', idNumber: SIGNER.idNumber })
    const { step: next } = await person.ceremonies.view(linkToken)
    if (next !== 'read-and-sign') throw new Error(`the ceremony stands at ${next}`)
  })
  const documents = await step('个人：阅读合同', 'person: reads the contract', async () => {
    const { task: seen } = await person.ceremonies.view(linkToken)
    const read: { documentId: string; sha256: string }[] = []
    for (const { documentId } of seen?.documents ?? []) {
      // What was read is what gets signed: the fingerprint is of the bytes received here.
      const sha256 = sha256Hex(await person.ceremonies.document(linkToken, documentId))
      await person.ceremonies.read(linkToken, { documentId, sha256 })
      read.push({ documentId, sha256 })
    }
    return read
  })
  await step('个人：手写签名，验证码确认，签署', 'person: draws, confirms by code, signs', async () => {
    const code = await outbox.codeAfter(() => person.ceremonies.sendSignCode(linkToken))
    const { taskStatus } = await person.ceremonies.sign(
      linkToken,
      { code, consent: true, documents, handwriting: drawnSignature() },
      { idempotencyKey: 'demo-sign' },
    )
    if (taskStatus !== 'finished') throw new Error(`after the last signature the task is ${taskStatus}`)
  })

  return await step('企业：下载合同与证据包', 'company: downloads contract and evidence', async () => {
    const { documents: final } = await company.signTasks.get(task.id)
    const [document] = final
    if (document === undefined) throw new Error('the task has no document')
    return {
      contract,
      signed: await company.signTasks.document(task.id, document.documentId),
      evidence: await company.signTasks.evidence(task.id),
      rootPem: await text(`${baseUrl}/ca/root.pem`),
      logVkey: await text(`${baseUrl}/log/vkey`),
      taskId: task.id,
      signers: [demo.corp.name, SIGNER.name],
    }
  })
}

function taskInput(fileId: string, { corp, businessId }: Demo) {
  const place = (
    actorRef: string,
    kind: 'seal' | 'signature' | 'date',
    keyword: string,
    x: number,
    y: number,
  ) => ({
    documentRef: 'contract',
    actorRef,
    kind,
    position: { keyword, offsetX: x, offsetY: y },
  })
  return {
    title: '技术服务合同',
    reference: 'YX-2026-0001',
    documents: [{ ref: 'contract', fileId }],
    actors: [
      {
        ref: 'company',
        kind: 'corp' as const,
        role: 'sign' as const,
        name: corp.name,
        subjectId: corp.id,
        order: 1,
        freeSignBusinessId: businessId,
      },
      {
        ref: 'person',
        kind: 'person' as const,
        role: 'sign' as const,
        name: SIGNER.name,
        mobile: SIGNER.mobile,
        order: 2,
      },
    ],
    fields: [
      place('company', 'seal', sampleKeywords.corp, 30, 30),
      place('person', 'signature', sampleKeywords.person, 45, 58),
      place('person', 'date', sampleKeywords.person, 45, 112),
    ],
    ordered: true,
    autoStart: true,
  }
}

/** Reads what the person's telephone would show. */
function createOutboxReader(baseUrl: string) {
  const seen = new Set<string>()
  const fresh = async () => {
    const answer = await fetch(`${baseUrl}/sandbox/outbox?to=${SIGNER.mobile}`)
    if (!answer.ok) throw new Error(`the outbox answered ${answer.status}`)
    const { messages } = (await answer.json()) as { messages: OutboxMessage[] }
    return messages.filter((message) => !seen.has(message.id))
  }
  const next = async (fits: (message: OutboxMessage) => boolean): Promise<OutboxMessage> => {
    const found = await until(fresh, (messages) => messages.some(fits))
    const message = found.find(fits)
    if (message === undefined) throw new Error('a message vanished from the outbox')
    seen.add(message.id)
    return message
  }
  return {
    next,
    async codeAfter(ask: () => Promise<unknown>): Promise<string> {
      await ask()
      return (await next((message) => message.code !== null)).code ?? ''
    },
  }
}

const POLL_MS = 50
const PATIENCE_MS = 60_000

async function until<T>(look: () => Promise<T>, fits: (now: T) => boolean): Promise<T> {
  const deadlineMs = performance.now() + PATIENCE_MS
  for (;;) {
    const now = await look()
    if (fits(now)) return now
    if (performance.now() > deadlineMs) {
      const { status } = now as Partial<SignTask>
      throw new Error(
        `nothing happened for ${PATIENCE_MS / 1000} s${status === undefined ? '' : ` (${status})`}`,
      )
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS))
  }
}

async function text(url: string): Promise<string> {
  const answer = await fetch(url)
  if (!answer.ok) throw new Error(`${url} answered ${answer.status}`)
  return await answer.text()
}

function sha256Hex(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

/** Contracts are dated in China's calendar. */
function chinaDate(at: Date): string {
  return at.toLocaleDateString('zh-CN', {
    timeZone: 'Asia/Shanghai',
    year: 'numeric',
    month: 'long',
    day: 'numeric',
  })
}
