/**
 * A stand-in for the API with a little memory, for looking at pages while the server is not there:
 * `node dev/mock-server.ts`, then `npx vite`. Never part of a build, and no test speaks to it.
 */
import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type {
  Actor,
  Ceremony,
  CeremonyCover,
  Environment,
  Me,
  Page,
  Seal,
  SignTask,
  TaskEvent,
  VerificationReport,
} from '@yinxin/sdk/wire'
import { drawSampleContract } from '../../server/src/sandbox/sample-contract.ts'

const corpName = '杭州印信科技有限公司'
const pdf = await drawSampleContract({
  corpName,
  personName: '李雷',
  number: 'YX-2026-0001',
  date: '2026年11月24日',
})
const sha256 = createHash('sha256').update(pdf).digest('hex')
const pages = [
  { widthPt: 595.28, heightPt: 841.89 },
  { widthPt: 595.28, heightPt: 841.89 },
]
const now = '2026-11-24T10:05:00.000Z'
const environment: Environment = {
  mode: 'development',
  developmentCa: true,
  simulators: ['sms', 'mail', 'identity-simulator'],
}
const verified = {
  verified: true,
  verifiedAt: now,
  method: 'id_card',
  provider: 'simulator',
  simulated: true,
}

const me: Me = {
  accountId: 'a1',
  login: '13800138000',
  person: { id: 'p1', name: '韩梅梅', mobile: '138****8000', email: null, identity: verified },
  acting: { kind: 'corp', subjectId: 'c1', name: corpName, role: 'admin' },
  memberships: [{ corpId: 'c1', corpName, role: 'admin' }],
  environment,
}

const seals: Seal[] = (['official', 'contract'] as const).map((kind, index) => ({
  id: `seal${index}`,
  kind,
  name: index ? '合同专用章' : '公章',
  status: 'active',
  widthMm: 40,
  heightMm: 40,
  createdAt: now,
  freeSignScenes: index ? [] : [{ businessId: 'b7f2', name: '标准合同自动盖章', expiresAt: null }],
}))

const actor = (part: Partial<Actor> & Pick<Actor, 'actorId' | 'name' | 'kind' | 'status'>): Actor => ({
  ref: part.actorId,
  role: 'sign',
  subjectId: null,
  contact: '139****0000',
  order: 1,
  freeSign: false,
  signedAt: null,
  certificateSerial: null,
  rejectReason: null,
  ...part,
})

function taskOf(id: string, title: string, status: SignTask['status'], actors: Actor[]): SignTask {
  return {
    id,
    title,
    status,
    initiator: { subjectId: 'c1', name: corpName },
    actors: actors.map(({ actorId, name, kind, role, status: state }) => ({
      actorId,
      name,
      kind,
      role,
      status: state,
    })),
    myActorId: id === 't2' ? 'corp' : null,
    myTurn: id === 't2',
    deadline: '2026-12-01T15:59:59.000Z',
    createdAt: now,
    updatedAt: now,
    ordered: true,
    reference: null,
    documents: [
      {
        documentId: 'd1',
        ref: 'doc1',
        name: '技术服务合同.pdf',
        pageCount: 2,
        pages,
        sha256,
        sizeBytes: pdf.length,
        revision: 0,
      },
    ],
    actorDetails: actors,
    fields: [
      {
        fieldId: 'f1',
        documentId: 'd1',
        actorId: 'corp',
        kind: 'seal',
        page: 2,
        x: 120,
        y: 420,
        width: 113,
        height: 113,
      },
      {
        fieldId: 'f2',
        documentId: 'd1',
        actorId: 'person',
        kind: 'signature',
        page: 2,
        x: 340,
        y: 450,
        width: 120,
        height: 48,
      },
      {
        fieldId: 'f3',
        documentId: 'd1',
        actorId: 'person',
        kind: 'date',
        page: 2,
        x: 340,
        y: 510,
        width: 110,
        height: 22,
      },
    ],
    endReason: null,
    startedAt: now,
    finishedAt: status === 'finished' ? now : null,
  }
}

const signedCorp = actor({
  actorId: 'corp',
  name: corpName,
  kind: 'corp',
  status: 'signed',
  signedAt: now,
  certificateSerial: '4f3a91bc77e04d12',
  freeSign: true,
})
const tasks = [
  taskOf('t1', '技术服务合同（2026 年度）', 'signing', [
    signedCorp,
    actor({ actorId: 'person', name: '李雷', kind: 'person', status: 'viewed', order: 2 }),
  ]),
  taskOf('t2', '房屋租赁合同 · 文三路 90 号', 'signing', [
    { ...signedCorp, status: 'ready', signedAt: null, certificateSerial: null, freeSign: false },
    actor({ actorId: 'person', name: '王小明', kind: 'person', status: 'waiting', order: 2 }),
  ]),
  taskOf('t3', '保密协议', 'finished', [
    signedCorp,
    actor({ actorId: 'person', name: '李雷', kind: 'person', status: 'signed', signedAt: now }),
  ]),
  taskOf('t4', '劳动合同续签意向书', 'rejected', [
    signedCorp,
    actor({
      actorId: 'person',
      name: '陈晨',
      kind: 'person',
      status: 'rejected',
      rejectReason: '条款需要修改',
    }),
  ]),
]

const ceremony = { loggedIn: false, identified: false, signed: false, rejected: false }

function cover(): CeremonyCover {
  return {
    taskTitle: '技术服务合同（2026 年度）',
    initiatorName: corpName,
    taskStatus: ceremony.rejected ? 'rejected' : ceremony.signed ? 'finished' : 'signing',
    deadline: '2026-12-01T15:59:59.000Z',
    actor: {
      kind: 'person',
      role: 'sign',
      nameMasked: '李*',
      contactMasked: '139****0000',
      status: 'viewed',
    },
    channel: 'sms',
    environment,
  }
}

function ceremonyView(): Ceremony {
  const task = tasks[0] as SignTask
  const step = ceremony.rejected
    ? 'rejected'
    : ceremony.signed
      ? 'done'
      : ceremony.identified
        ? 'read-and-sign'
        : 'prove-identity'
  return {
    step,
    cover: cover(),
    task: {
      id: task.id,
      title: task.title,
      documents: task.documents,
      fields: task.fields.map((field) => ({
        ...field,
        mine: field.actorId === 'person',
        signed: field.actorId === 'corp' || ceremony.signed,
      })),
      actors: task.actorDetails.map((one) => ({
        name: one.name,
        kind: one.kind,
        role: one.role,
        status: ceremony.signed ? 'signed' : one.status,
        order: one.order,
        mine: one.actorId === 'person',
      })),
    },
    me: {
      personId: 'p2',
      name: ceremony.identified ? '李雷' : null,
      contactMasked: '139****0000',
      identity: { ...verified, verified: ceremony.identified },
    },
    seals: [],
    signatures: [],
    consentText:
      '本人李雷已阅读《技术服务合同（2026 年度）》的全部 1 份文档，同意其内容，并以验证码确认进行电子签署；本人知悉其与手写签名或者盖章具有同等法律效力。',
  }
}

const events: TaskEvent[] = [
  'task.created',
  'document.added',
  'task.started',
  'actor.ready',
  'consent.given',
  'document.signed',
  'actor.signed',
  'actor.ready',
  'task.viewed',
].map((type, seq) => ({
  seq,
  type,
  at: now,
  actor: { kind: 'actor', name: seq > 6 ? '李雷' : corpName },
  data: { documentId: 'd1', sha256 },
  hash: createHash('sha256').update(`${seq}`).digest('hex'),
  logIndex: seq < 8 ? 1024 + seq : null,
}))

const report: VerificationReport = {
  ok: true,
  fileName: '技术服务合同.pdf',
  sha256,
  knownHere: true,
  pageChanges: [],
  signatures: [corpName, '李雷'].map((signer, index) => ({
    status: 'valid',
    signer,
    signedAt: now,
    timestamp: now,
    level: 'B-T',
    coversWholeDocument: index === 1,
    changesAfter: index === 1 ? 'none' : 'signatures',
    trusted: true,
    problems: [],
  })),
}

const page = <Item>(items: Item[]): Page<Item> => ({ items, nextCursor: null })
const sealSvg = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="-20 -20 40 40"><circle r="19.4" fill="none" stroke="#c3272b"/><text y="3" font-size="8" text-anchor="middle" fill="#c3272b">印</text></svg>`

const routes: [method: string, path: RegExp, answer: () => unknown][] = [
  ['POST', /^\/reset$/, () => act({ loggedIn: false, identified: false, signed: false, rejected: false })],
  ['GET', /^\/environment$/, () => environment],
  ['GET', /^\/me$/, () => me],
  ['PUT', /^\/me\/acting$/, () => me],
  ['POST', /^\/sessions$/, () => ({ token: 'x', me })],
  ['GET', /^\/seals$/, () => page(seals)],
  ['GET', /^\/sign-tasks$/, () => page(tasks)],
  ['POST', /^\/sign-tasks$/, () => tasks[0]],
  ['GET', /^\/sign-tasks\/\w+\/events$/, () => page(events)],
  [
    'POST',
    /^\/sign-tasks\/\w+\/actors\/\w+\/link$/,
    () => ({ url: 'http://127.0.0.1:8420/s/kq3pD9vXw2uLr7bTz1mNc5yHs8aEf4gJ', token: 'demo' }),
  ],
  [
    'GET',
    /^\/corps\/\w+$/,
    () => ({
      id: 'c1',
      name: corpName,
      creditCode: '91330106MA2CFLDQ68',
      legalRepresentative: '韩梅梅',
      identity: verified,
    }),
  ],
  [
    'GET',
    /^\/corps\/\w+\/members$/,
    () => page([{ personId: 'p1', name: '韩梅梅', login: '138****8000', role: 'admin', active: true }]),
  ],
  [
    'GET',
    /^\/apps$/,
    () =>
      page([
        {
          appId: '80001234',
          name: 'OA 对接',
          environment: 'sandbox',
          callbackUrl: null,
          active: true,
          createdAt: now,
        },
      ]),
  ],
  [
    'POST',
    /^\/apps$/,
    () => ({
      appId: '80001235',
      appSecret: 'dev-only-not-a-secret',
      name: 'x',
      environment: 'sandbox',
      callbackUrl: null,
      active: true,
      createdAt: now,
    }),
  ],
  ['POST', /^\/files$/, () => fileInfo()],
  ['GET', /^\/files\/\w+$/, () => fileInfo()],
  [
    'POST',
    /^\/files\/\w+\/keyword-positions$/,
    () => ({ positions: [{ page: 2, x: 320, y: 400, width: 80, height: 12 }] }),
  ],
  ['POST', /^\/verifications$/, () => report],
  ['GET', /^\/ceremonies\/\w+$/, () => cover()],
  ['POST', /^\/ceremonies\/\w+\/(login-code|sign-code)$/, () => ({ sentTo: '139****0000', expiresAt: now })],
  ['POST', /^\/ceremonies\/\w+\/session$/, () => ({ token: 'x', ceremony: act({ loggedIn: true }) })],
  ['GET', /^\/ceremonies\/\w+\/(view|result)$/, () => (ceremony.loggedIn ? ceremonyView() : refusal(401))],
  ['POST', /^\/ceremonies\/\w+\/read$/, () => null],
  ['POST', /^\/ceremonies\/\w+\/reject$/, () => act({ rejected: true })],
  [
    'POST',
    /^\/ceremonies\/\w+\/sign$/,
    () => {
      act({ signed: true })
      return {
        status: 'signed',
        taskStatus: 'finished',
        signedAt: now,
        certificateSerial: '4f3a91bc77e04d12',
        documents: [{ documentId: 'd1', sha256 }],
      }
    },
  ],
  [
    'POST',
    /^\/me\/identity-checks$/,
    () => {
      act({ identified: true })
      return { identity: verified, result: 'passed', simulated: true, message: '' }
    },
  ],
]

class Refused extends Error {
  readonly status: number
  constructor(status: number) {
    super()
    this.status = status
  }
}

function refusal(status: number): never {
  throw new Refused(status)
}

function act(part: Partial<typeof ceremony>): Ceremony {
  Object.assign(ceremony, part)
  return ceremonyView()
}

function fileInfo() {
  return {
    id: 'file1',
    name: '技术服务合同.pdf',
    sizeBytes: pdf.length,
    sha256,
    pageCount: 2,
    pages,
    signatureCount: 0,
    createdAt: now,
  }
}

createServer((request: IncomingMessage, response: ServerResponse) => {
  const path = (request.url ?? '').split('?')[0]?.replace('/api/v1', '') ?? ''
  request.resume()
  request.on('end', () => {
    if (path.endsWith('/content'))
      return response
        .writeHead(200, { 'content-type': 'application/pdf', 'content-length': pdf.length })
        .end(pdf)
    if (path.endsWith('/image.svg'))
      return response.writeHead(200, { 'content-type': 'image/svg+xml' }).end(sealSvg)
    const single = /^\/sign-tasks\/(\w+)(\/\w+)?$/.exec(path)
    const found = single?.[2] === '/events' ? undefined : tasks.find((task) => task.id === single?.[1])
    if (found) return send(response, 200, found)
    const route = routes.find(([method, pattern]) => method === request.method && pattern.test(path))
    try {
      send(
        response,
        route ? 200 : 404,
        route
          ? route[2]()
          : { code: 'route_unknown', detail: path, title: '', status: 404, type: '', requestId: 'mock' },
      )
    } catch (error) {
      const status = error instanceof Refused ? error.status : 500
      send(response, status, {
        code: 'mock',
        detail: String(error),
        title: '',
        status,
        type: '',
        requestId: 'mock',
      })
    }
  })
}).listen(Number(process.argv[2] ?? 8420), '127.0.0.1')

function send(response: ServerResponse, status: number, answer: unknown): void {
  response
    .writeHead(status, { 'content-type': 'application/json' })
    .end(answer === null ? '' : JSON.stringify(answer))
}
