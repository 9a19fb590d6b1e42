/**
 * TypeScript client of the Yinxin API. Runs in Node and in the browser; no dependencies.
 *
 * @example
 * const yinxin = createClient({ baseUrl, credential: { appId, appSecret } })
 * const file = await yinxin.files.upload(pdf, 'contract.pdf')
 */
import { type ClientOptions, createTransport, type Transport } from './transport.ts'
import type {
  App,
  AppWithSecret,
  Ceremony,
  CeremonyCover,
  Copies,
  Corp,
  DurabilityNow,
  DurabilityReportSummary,
  Destruction,
  DestructionInput,
  DestructionOverview,
  Environment,
  FileInfo,
  Handwriting,
  IdentityState,
  KeywordPosition,
  Me,
  Member,
  Page,
  PublishedDurabilityReport,
  RetiredMedium,
  Seal,
  SealKind,
  SignInput,
  SignResult,
  SignTask,
  SignTaskInput,
  SignTaskSummary,
  SlaProbeAnswer,
  SlaProbeReport,
  TaskEvent,
  TaskStatus,
  VerificationReport,
} from './wire.ts'

export { type ClientOptions, type Credential, YinxinProblem } from './transport.ts'
export { signRequest } from './request-signature.ts'
export type * from './wire.ts'

/** A POST is safe to repeat with the same key: the first answer comes back. */
export interface Repeatable {
  idempotencyKey?: string
}

export type Client = ReturnType<typeof createClient>

/** Builds a client. Every method throws {@link YinxinProblem} when the platform refuses. */
export function createClient(options: ClientOptions) {
  const http = createTransport(options)
  return {
    environment: () => http.json<Environment>('GET', '/api/v1/environment'),
    sessions: sessions(http),
    me: me(http),
    corps: corps(http),
    apps: apps(http),
    seals: seals(http),
    files: files(http),
    signTasks: signTasks(http),
    destruction: destruction(http),
    ceremonies: ceremonies(http),
    custody: custody(http),
    /** Hands in the results of a synthetic transaction. */
    reportProbe: (body: SlaProbeReport) =>
      http.json<SlaProbeAnswer>('POST', '/api/v1/sla/probe-reports', { body }),
    /** Reports on the signatures of any PDF. */
    verify: (pdf: Uint8Array, name = 'document.pdf') =>
      http.json<VerificationReport>('POST', '/api/v1/verifications', { raw: pdf, fileName: name }),
  }
}

type LoggedIn = { token: string; me: Me }

const custody = (http: Transport) => {
  const at = (month: string, rest = '', revision?: number) =>
    `/api/v1/durability/reports/${part(month)}${rest}${revision === undefined ? '' : `?revision=${revision}`}`
  return {
    /** Where the copies of everything lie that the acting subject owns. */
    copies: () => http.json<Copies>('GET', '/api/v1/replicas'),
    /** The durability figure of the last thirty days. */
    durability: () => http.json<DurabilityNow>('GET', '/api/v1/durability'),
    reports: () => http.json<Page<DurabilityReportSummary>>('GET', '/api/v1/durability/reports'),
    report: (month: string, revision?: number) =>
      http.json<PublishedDurabilityReport>('GET', at(month, '', revision)),
    /** The sealed PDF of a report; the report and its proof of inclusion are attached to it. */
    reportPdf: (month: string, revision?: number) => http.bytes(at(month, '/pdf', revision)),
    /** The `.tlog-proof` that a report stands in the transparency log. */
    reportProof: (month: string, revision?: number) => http.bytes(at(month, '/proof', revision)),
  }
}

const sessions = (http: Transport) => ({
  sendCode: (login: string) => http.none('POST', '/api/v1/login-codes', { body: { login } }),
  create: (body: { login: string; code: string } | { login: string; password: string }) =>
    http.json<LoggedIn>('POST', '/api/v1/sessions', { body }),
  register: (body: { login: string; code: string; password?: string; name?: string }) =>
    http.json<LoggedIn>('POST', '/api/v1/registrations', { body }),
  end: () => http.none('DELETE', '/api/v1/sessions/current'),
})

const me = (http: Transport) => ({
  get: () => http.json<Me>('GET', '/api/v1/me'),
  actAs: (subjectId: string) => http.json<Me>('PUT', '/api/v1/me/acting', { body: { subjectId } }),
  checkIdentity: (body: { name: string; idType: 'id_card'; idNumber: string; mobile?: string }) =>
    http.json<{ identity: IdentityState; result: 'passed' | 'failed'; simulated: boolean; message: string }>(
      'POST',
      '/api/v1/me/identity-checks',
      { body },
    ),
})

const corps = (http: Transport) => ({
  create: (body: { name: string; creditCode: string; legalRepresentative: string }) =>
    http.json<Corp>('POST', '/api/v1/corps', { body }),
  get: (corpId: string) => http.json<Corp>('GET', `/api/v1/corps/${part(corpId)}`),
  members: (corpId: string, page?: PageQuery) =>
    http.json<Page<Member>>('GET', `/api/v1/corps/${part(corpId)}/members${query(page)}`),
  addMember: (corpId: string, body: { login: string; role: 'admin' | 'member' }) =>
    http.json<Member>('POST', `/api/v1/corps/${part(corpId)}/members`, { body }),
})

const apps = (http: Transport) => ({
  create: (body: { name: string; environment: 'sandbox' | 'production'; callbackUrl?: string }) =>
    http.json<AppWithSecret>('POST', '/api/v1/apps', { body }),
  list: (page?: PageQuery) => http.json<Page<App>>('GET', `/api/v1/apps${query(page)}`),
  update: (appId: string, body: { callbackUrl?: string | null; active?: boolean }) =>
    http.json<App>('PATCH', `/api/v1/apps/${part(appId)}`, { body }),
})

const seals = (http: Transport) => ({
  list: (page?: PageQuery) => http.json<Page<Seal>>('GET', `/api/v1/seals${query(page)}`),
  create: (body: {
    kind: SealKind
    name: string
    centerText?: string
    number?: string
    handwriting?: Handwriting
  }) => http.json<Seal>('POST', '/api/v1/seals', { body }),
  addFreeSignScene: (sealId: string, body: { name: string; expiresAt?: string }) =>
    http.json<{ businessId: string }>('POST', `/api/v1/seals/${part(sealId)}/free-sign-scenes`, { body }),
})

const files = (http: Transport) => ({
  /** Uploads a PDF; its SHA-256 travels along and is checked on arrival. */
  upload: (pdf: Uint8Array, name: string, { idempotencyKey }: Repeatable = {}) =>
    http.json<FileInfo>('POST', '/api/v1/files', { raw: pdf, fileName: name, idempotencyKey }),
  get: (fileId: string) => http.json<FileInfo>('GET', `/api/v1/files/${part(fileId)}`),
  content: (fileId: string) => http.bytes(`/api/v1/files/${part(fileId)}/content`),
  keywordPositions: (fileId: string, keyword: string) =>
    http.json<{ positions: KeywordPosition[] }>('POST', `/api/v1/files/${part(fileId)}/keyword-positions`, {
      body: { keyword },
    }),
})

export interface PageQuery {
  cursor?: string
  limit?: number
}

const signTasks = (http: Transport) => {
  const at = (taskId: string, rest = '') => `/api/v1/sign-tasks/${part(taskId)}${rest}`
  return {
    create: (body: SignTaskInput, { idempotencyKey }: Repeatable = {}) =>
      http.json<SignTask>('POST', '/api/v1/sign-tasks', { body, idempotencyKey }),
    get: (taskId: string) => http.json<SignTask>('GET', at(taskId)),
    /** Where the copies of the contract lie, as last verified. */
    replicas: (taskId: string) => http.json<Copies>('GET', at(taskId, '/replicas')),
    list: (filter?: PageQuery & { status?: TaskStatus; role?: 'initiated' | 'received'; q?: string }) =>
      http.json<Page<SignTaskSummary>>('GET', `/api/v1/sign-tasks${query(filter)}`),
    start: (taskId: string, { idempotencyKey }: Repeatable = {}) =>
      http.json<SignTask>('POST', at(taskId, '/start'), { body: {}, idempotencyKey }),
    cancel: (taskId: string, reason: string) =>
      http.json<SignTask>('POST', at(taskId, '/cancel'), { body: { reason } }),
    urge: (taskId: string) => http.json<SignTask>('POST', at(taskId, '/urge'), { body: {} }),
    link: (taskId: string, actorId: string) =>
      http.json<{ url: string; token: string; expiresAt: string }>(
        'POST',
        at(taskId, `/actors/${part(actorId)}/link`),
        { body: {} },
      ),
    document: (taskId: string, documentId: string) =>
      http.bytes(at(taskId, `/documents/${part(documentId)}/content`)),
    events: (taskId: string, page?: PageQuery) =>
      http.json<Page<TaskEvent>>('GET', at(taskId, `/events${query(page)}`)),
    /** The evidence package, `evidence.zip`. */
    evidence: (taskId: string) => http.bytes(at(taskId, '/evidence')),
  }
}

const destruction = (http: Transport) => {
  const at = (taskId: string, rest = '') => `/api/v1/sign-tasks/${part(taskId)}/destruction${rest}`
  return {
    overview: (taskId: string) => http.json<DestructionOverview>('GET', at(taskId)),
    /** Sends the code that `request` needs to the login of the session. */
    sendCode: (taskId: string) =>
      http.json<{ sentTo: string; expiresAt: string }>('POST', at(taskId, '/code'), { body: {} }),
    request: (taskId: string, body: DestructionInput) => http.json<Destruction>('POST', at(taskId), { body }),
    cancel: (taskId: string, requestId: string) =>
      http.json<Destruction>('POST', at(taskId, `/${part(requestId)}/cancel`), { body: {} }),
    /** `json` carries its proofs and is what `verifyDestructionProof` takes; `zip` holds both. */
    certificate: (taskId: string, requestId: string, form: 'json' | 'pdf' | 'zip' = 'pdf') =>
      http.bytes(at(taskId, `/${part(requestId)}/certificate?form=${form}`)),
    /** Everything the acting subject asked for, also of contracts it no longer sees. */
    list: () => http.json<{ items: Destruction[] }>('GET', '/api/v1/destructions'),
    retiredMedia: () => http.json<{ items: RetiredMedium[] }>('GET', '/api/v1/retired-media'),
  }
}

const ceremonies = (http: Transport) => {
  const at = (token: string, rest = '') => `/api/v1/ceremonies/${part(token)}${rest}`
  return {
    cover: (token: string) => http.json<CeremonyCover>('GET', at(token)),
    sendLoginCode: (token: string) => http.none('POST', at(token, '/login-code'), { body: {} }),
    logIn: (token: string, code: string) =>
      http.json<{ token: string; ceremony: Ceremony }>('POST', at(token, '/session'), { body: { code } }),
    view: (token: string) => http.json<Ceremony>('GET', at(token, '/view')),
    document: (token: string, documentId: string) =>
      http.bytes(at(token, `/documents/${part(documentId)}/content`)),
    read: (token: string, body: { documentId: string; sha256: string }) =>
      http.none('POST', at(token, '/read'), { body }),
    sendSignCode: (token: string) =>
      http.json<{ sentTo: string; expiresAt: string }>('POST', at(token, '/sign-code'), { body: {} }),
    sign: (token: string, body: SignInput, { idempotencyKey }: Repeatable = {}) =>
      http.json<SignResult>('POST', at(token, '/sign'), { body, idempotencyKey }),
    reject: (token: string, reason: string) =>
      http.json<Ceremony>('POST', at(token, '/reject'), { body: { reason } }),
  }
}

/** An id is data of the caller: it must not become another path. */
const part = encodeURIComponent

function query(values: object = {}): string {
  const search = new URLSearchParams()
  for (const [name, value] of Object.entries(values)) if (value !== undefined) search.set(name, String(value))
  return search.size === 0 ? '' : `?${search}`
}
