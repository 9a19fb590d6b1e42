/**
 * People, companies and contracts over HTTP, for tests that play a whole story:
 *
 *     const stage = await openStage()
 *     const zhang = await stage.person('张三')
 *     const corp = await stage.company('示例科技有限公司')
 *     const task = await stage.createTask(corp, { … })
 *     await stage.close()
 */
import { randomUUID } from 'node:crypto'
import { checkCreditCode, checkIdNumber } from '../apps/server/src/identity/identity.ts'
import type { Ceremony, Handwriting, OutboxMessage, SignResult, SignTask } from '../packages/sdk/src/wire.ts'
import { startTestApp, type TestApp, type TestAppOptions } from './app.ts'

export interface Answer<Body> {
  status: number
  body: Body
  headers: Headers
}

export interface CallOptions {
  token?: string
  body?: unknown
  headers?: Record<string, string>
}

export interface StagePerson {
  name: string
  login: string
  token: string
  personId: string
}

export interface StageCompany {
  name: string
  corpId: string
  /** The administrator's session, acting for the company. */
  token: string
  admin: StagePerson
  sealId: string
  /** A scene in which the seal signs without a code. */
  businessId: string
}

export interface SigningVisit {
  /** Of the link. */
  linkToken: string
  /** The session opened through the ceremony. */
  token: string
  ceremony: Ceremony
}

export type Stage = Awaited<ReturnType<typeof openStage>>

/** A short signature, drawn. */
export const handwriting: Handwriting = {
  width: 600,
  height: 240,
  strokes: [
    {
      points: Array.from({ length: 24 }, (_, i) => ({
        x: 60 + i * 18,
        y: 120 + Math.round(70 * Math.sin(i / 2.5)),
        t: i * 16,
        pressure: 0.3 + 0.02 * i,
      })),
    },
    {
      points: [0, 1, 2, 3].map((i) => ({ x: 100 + 90 * i, y: 200 - 8 * i, t: 500 + i * 16, pressure: 0.6 })),
    },
  ],
}

/** `at` plays on a server that somebody else started, by its address. */
export async function openStage(options: TestAppOptions & { at?: string } = {}) {
  const app =
    options.at === undefined
      ? await startTestApp({
          ...options,
          // Each request comes from an address of its own, so that the pace per address is not what gets tested.
          environment: { YINXIN_TRUST_PROXY: '127.0.0.1', ...options.environment },
        })
      : null
  const url = options.at ?? app?.url ?? ''
  let counter = Math.floor(Math.random() * 10_000)

  async function call<Body = Record<string, unknown>>(
    method: string,
    path: string,
    { token, body, headers }: CallOptions = {},
  ): Promise<Answer<Body>> {
    const isContent = body instanceof Uint8Array
    const response = await fetch(`${url}${path}`, {
      method,
      headers: {
        'x-forwarded-for': `10.${octet()}.${octet()}.${octet()}`,
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(body === undefined ? {} : { 'content-type': isContent ? 'application/pdf' : 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: isContent ? body : JSON.stringify(body) }),
    })
    const text = await response.text()
    const isJson = response.headers.get('content-type')?.includes('json') ?? false
    return {
      status: response.status,
      body: (isJson ? JSON.parse(text) : text) as Body,
      headers: response.headers,
    }
  }

  /** The same, for steps that must succeed. */
  async function ok<Body = Record<string, unknown>>(
    method: string,
    path: string,
    callOptions: CallOptions = {},
  ): Promise<Body> {
    const answer = await call<Body>(method, path, callOptions)
    if (answer.status >= 300) {
      throw new Error(`${method} ${path} → ${answer.status} ${JSON.stringify(answer.body)}`)
    }
    return answer.body
  }

  async function download(path: string, token?: string): Promise<Uint8Array> {
    const response = await fetch(`${url}${path}`, {
      headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
    })
    const bytes = new Uint8Array(await response.arrayBuffer())
    if (!response.ok)
      throw new Error(`GET ${path} → ${response.status} ${Buffer.from(bytes).toString('utf8')}`)
    return bytes
  }

  async function messages(to: string): Promise<OutboxMessage[]> {
    const answer = await ok<{ messages: OutboxMessage[] }>(
      'GET',
      `/sandbox/outbox?to=${encodeURIComponent(to)}`,
    )
    return answer.messages
  }

  /** Waits for a message that was not among those already seen. */
  async function nextMessage(
    to: string,
    seen: readonly OutboxMessage[],
    fits: (message: OutboxMessage) => boolean,
  ): Promise<OutboxMessage> {
    const old = new Set(seen.map((message) => message.id))
    for (let tries = 0; tries < 200; tries++) {
      const found = (await messages(to)).find((message) => !old.has(message.id) && fits(message))
      if (found !== undefined) return found
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    throw new Error(`no such message came to ${to}`)
  }

  /** Asks for a code and reads it from the outbox. */
  async function codeBy(to: string, ask: () => Promise<unknown>): Promise<string> {
    const seen = await messages(to)
    await ask()
    return (await nextMessage(to, seen, (message) => message.code !== null)).code ?? ''
  }

  async function person(name: string, over: { login?: string; proven?: boolean } = {}): Promise<StagePerson> {
    counter += 1
    const login = over.login ?? `139${String(10_000_000 + counter)}`
    const code = await codeBy(login, () => ok('POST', '/api/v1/login-codes', { body: { login } }))
    const opened = await ok<{ token: string; me: { person: { id: string } } }>('POST', '/api/v1/sessions', {
      body: { login, code },
    })
    const made = { name, login, token: opened.token, personId: opened.me.person.id }
    if (over.proven !== false) await prove(made.token, name)
    return made
  }

  /** Logs in again by code, acting for a company when one is named. */
  async function signIn(login: string, actingFor?: string): Promise<string> {
    const code = await codeBy(login, () => ok('POST', '/api/v1/login-codes', { body: { login } }))
    const { token } = await ok<{ token: string }>('POST', '/api/v1/sessions', { body: { login, code } })
    if (actingFor !== undefined)
      await ok('PUT', '/api/v1/me/acting', { token, body: { subjectId: actingFor } })
    return token
  }

  async function prove(token: string, name: string): Promise<void> {
    counter += 1
    await ok('POST', '/api/v1/me/identity-checks', {
      token,
      body: { name, idType: 'id_card', idNumber: idNumberOf(counter) },
    })
  }

  async function company(name: string, founder?: StagePerson): Promise<StageCompany> {
    const admin = founder ?? (await person('王小明'))
    counter += 1
    const corp = await ok<{ id: string }>('POST', '/api/v1/corps', {
      token: admin.token,
      body: { name, creditCode: creditCodeOf(counter), legalRepresentative: '法定人' },
    })
    await ok('PUT', '/api/v1/me/acting', { token: admin.token, body: { subjectId: corp.id } })
    const seal = await ok<{ id: string }>('POST', '/api/v1/seals', {
      token: admin.token,
      body: { kind: 'contract', name: '合同专用章' },
    })
    const scene = await ok<{ businessId: string }>('POST', `/api/v1/seals/${seal.id}/free-sign-scenes`, {
      token: admin.token,
      body: { name: '自动签署' },
    })
    return { name, corpId: corp.id, token: admin.token, admin, sealId: seal.id, businessId: scene.businessId }
  }

  async function upload(token: string, pdf: Uint8Array, name = '合同.pdf'): Promise<string> {
    const file = await ok<{ id: string }>('POST', '/api/v1/files', {
      token,
      body: pdf,
      headers: { 'x-file-name': encodeURIComponent(name) },
    })
    return file.id
  }

  /** Opens an actor's link as its owner: log-in code, session, identity when it is asked for. */
  async function visit(linkToken: string, contact: string, name: string): Promise<SigningVisit> {
    const base = `/api/v1/ceremonies/${linkToken}`
    const code = await codeBy(contact, () => ok('POST', `${base}/login-code`))
    const opened = await ok<{ token: string; ceremony: Ceremony }>('POST', `${base}/session`, {
      body: { code },
    })
    let { ceremony } = opened
    if (ceremony.step === 'prove-identity') {
      await prove(opened.token, name)
      ceremony = await ok<Ceremony>('GET', `${base}/view`, { token: opened.token })
    }
    return { linkToken, token: opened.token, ceremony }
  }

  /** Reads every document and signs. */
  async function sign(
    visitor: Pick<SigningVisit, 'linkToken' | 'token'>,
    contact: string,
    over: Record<string, unknown> = {},
    headers: Record<string, string> = {},
  ): Promise<Answer<SignResult>> {
    const base = `/api/v1/ceremonies/${visitor.linkToken}`
    const { task } = await ok<Ceremony>('GET', `${base}/view`, { token: visitor.token })
    const documents = (task?.documents ?? []).map(({ documentId, sha256 }) => ({ documentId, sha256 }))
    for (const document of documents)
      await ok('POST', `${base}/read`, { token: visitor.token, body: document })
    const code = over.code ?? (await signCode(visitor, contact))
    return await call<SignResult>('POST', `${base}/sign`, {
      token: visitor.token,
      body: { code, consent: true, documents, handwriting, ...over },
      headers: { 'idempotency-key': randomUUID(), ...headers },
    })
  }

  function signCode(visitor: Pick<SigningVisit, 'linkToken' | 'token'>, contact: string): Promise<string> {
    return codeBy(contact, () =>
      ok('POST', `/api/v1/ceremonies/${visitor.linkToken}/sign-code`, { token: visitor.token }),
    )
  }

  function createTask(token: string, input: Record<string, unknown>): Promise<SignTask> {
    return ok<SignTask>('POST', '/api/v1/sign-tasks', {
      token,
      body: { title: '技术服务合同', actors: [], fields: [], documents: [], ...input },
      headers: { 'idempotency-key': randomUUID() },
    })
  }

  /** A fresh link to an actor's ceremony, as its token. */
  async function link(token: string, task: SignTask, ref: string): Promise<string> {
    const actor = task.actorDetails.find((one) => one.ref === ref)
    const made = await ok<{ token: string }>(
      'POST',
      `/api/v1/sign-tasks/${task.id}/actors/${actor?.actorId}/link`,
      { token },
    )
    return made.token
  }

  async function task(token: string, taskId: string): Promise<SignTask> {
    return await ok<SignTask>('GET', `/api/v1/sign-tasks/${taskId}`, { token })
  }

  /** Waits until a task satisfies a condition, e.g. that a free signature has been made. */
  async function until(
    token: string,
    taskId: string,
    fits: (task: SignTask) => boolean,
    timeoutMs = 15_000,
  ): Promise<SignTask> {
    const endMs = performance.now() + timeoutMs
    let last: SignTask | null = null
    // At ever longer intervals, so that the asking does not become the load.
    for (let waitMs = 20; performance.now() < endMs; waitMs = Math.min(waitMs * 1.5, 250)) {
      last = await task(token, taskId)
      if (fits(last)) return last
      await new Promise((resolve) => setTimeout(resolve, waitMs))
    }
    throw new Error(`the task did not come so far: ${JSON.stringify(last)}`)
  }

  return {
    url,
    /** The server behind the stage, when it runs in this process. */
    server(): TestApp {
      if (app === null) throw new Error('the server runs elsewhere')
      return app
    },
    call,
    ok,
    download,
    messages,
    nextMessage,
    codeBy,
    person,
    signIn,
    prove,
    company,
    upload,
    visit,
    sign,
    signCode,
    createTask,
    link,
    task,
    until,
    close: async () => app?.stop(),
  }
}

function octet(): number {
  return Math.floor(Math.random() * 256)
}

/** A valid identity number (GB 11643) of a person who does not exist. */
export function idNumberOf(sequence: number): string {
  const day = String((sequence % 28) + 1).padStart(2, '0')
  const month = String((Math.floor(sequence / 28) % 12) + 1).padStart(2, '0')
  const base = `110105${1960 + (Math.floor(sequence / 336) % 40)}${month}${day}${String(sequence % 1000).padStart(3, '0')}`
  return withCheck('0123456789X', base, (text) => checkIdNumber(text, new Date()).ok)
}

/** A valid credit code (GB 32100) of a company that does not exist. */
export function creditCodeOf(sequence: number): string {
  for (const organisation of organisationCodes(sequence)) {
    const base = `91110105${organisation}`
    for (const check of '0123456789ABCDEFGHJKLMNPQRTUWXY') {
      if (checkCreditCode(base + check).ok) return base + check
    }
  }
  throw new Error('no credit code fits')
}

function* organisationCodes(sequence: number): Generator<string> {
  const body = String(sequence).padStart(8, '0').slice(-8)
  for (const check of '0123456789X') yield body + check
}

function withCheck(alphabet: string, base: string, isValid: (text: string) => boolean): string {
  for (const check of alphabet) if (isValid(base + check)) return base + check
  throw new Error(`no check character fits ${base}`)
}
