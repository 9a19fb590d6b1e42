/** The company and the two people that a newcomer finds on a development or sandbox installation. */
import type { Accounts, SessionCaller } from '#src/accounts/accounts.ts'
import { Refusal } from '#src/errors.ts'
import type { Identity } from '#src/identity/identity.ts'
import type { Notifications } from '#src/notifications/notifications.ts'
import type { Seals, SealWithScenes } from '#src/seals/seals.ts'

export { drawSampleContract, type SampleParties, sampleKeywords } from './sample-contract.ts'

/** Nobody of these exists: the numbers satisfy GB 11643 and GB 32100 and were never issued. */
const DEMO = {
  corp: {
    name: '印信演示（上海）科技有限公司',
    creditCode: '91310115MA1YX2021K',
    legalRepresentative: '苏禾',
  },
  admin: { login: '13800138000', name: '苏禾', idNumber: '310115198806121020' },
  person: { login: '13900139000', name: '林晓', idNumber: '310115199308092049' },
  /** Known to everybody: on these installations the outbox is open to all anyway. */
  password: 'yinxin-demo',
  sealName: '公章',
  sceneName: '接口自动签署',
  appName: '演示应用',
} as const

export interface DemoPerson {
  personId: string
  name: string
  login: string
  password: string
}

export interface Demo {
  corp: { id: string; name: string; creditCode: string }
  seal: { id: string; name: string }
  /** Scene in which the seal signs without a code (免验证签). */
  businessId: string
  app: { appId: string; appSecret: string }
  /** Administers the company. */
  admin: DemoPerson
  /** Signs as a private person. */
  person: DemoPerson
}

export interface SandboxDeps {
  accounts: Accounts
  identity: Identity
  seals: Seals
  notifications: Notifications
}

/**
 * Makes what is missing of the demo company and gives back all of it. Repeating it changes nothing. Null, and nothing
 * made, where real services answer: no text message goes to an invented number, no bureau is asked about an invented
 * person. Null too when somebody has taken the demo accounts over. Needs running jobs: codes travel through the outbox.
 */
export async function seedDemo(deps: SandboxDeps): Promise<Demo | null> {
  if (!isSimulated(deps)) return null
  // 1. The people, each with a log-in and a proven identity.
  const admin = await ensurePerson(deps, DEMO.admin)
  const person = await ensurePerson(deps, DEMO.person)
  if (admin === null || person === null) return null
  // 2. The company, with its administrator.
  const corp =
    (await deps.accounts.corpByCreditCode(DEMO.corp.creditCode)) ??
    (await deps.identity.registerCorp(admin, DEMO.corp))
  if ((await deps.accounts.membership(corp.id, admin.personId))?.role !== 'admin') return null
  const manager = await deps.accounts.actAs(admin, corp.id)
  // 3. Its seal, granted for free signing, and its program.
  const seal = await ensureSeal(deps, manager)
  const businessId = await ensureScene(deps, manager, seal)
  const app = await ensureApp(deps, manager)
  // 4. The sessions were a means.
  await deps.accounts.signOut(manager)
  await deps.accounts.signOut(person)
  return {
    corp: { id: corp.id, name: corp.name, creditCode: corp.creditCode },
    seal: { id: seal.id, name: seal.name },
    businessId,
    app,
    admin: {
      personId: admin.personId,
      name: DEMO.admin.name,
      login: DEMO.admin.login,
      password: DEMO.password,
    },
    person: {
      personId: person.personId,
      name: DEMO.person.name,
      login: DEMO.person.login,
      password: DEMO.password,
    },
  }
}

function isSimulated({ identity, notifications }: SandboxDeps): boolean {
  return identity.provider.simulated && notifications.simulators().length === 2
}

/** A session of the person, who is registered and proven first where that is still to do. */
async function ensurePerson(
  { accounts, identity, notifications }: SandboxDeps,
  { login, name, idNumber }: { login: string; name: string; idNumber: string },
): Promise<SessionCaller | null> {
  let caller: SessionCaller
  let person = await accounts.personByLogin(login)
  if (person === null) {
    const [former] = await notifications.outbox({ to: login })
    const isSent = await sendCode(accounts, login)
    const code = await nextCode(notifications, login, isSent ? former?.id : undefined)
    caller = (await accounts.register({ login, code, password: DEMO.password, name })).caller
  } else {
    const opened = await accounts.logInWithPassword({ login, password: DEMO.password }).catch(() => null)
    if (opened === null) return null
    caller = opened.caller
  }
  person ??= await accounts.person(caller.personId)
  if (person?.identity.verified !== true) {
    const check = await identity.provePerson(caller, { name, idNumber })
    if (check.result !== 'passed') throw new Error(`the simulator did not confirm ${name}`)
  }
  return caller
}

async function ensureSeal({ seals }: SandboxDeps, manager: SessionCaller): Promise<SealWithScenes> {
  const { items } = await seals.list(manager, { after: null, limit: 100 })
  const existing = items.find((seal) => seal.kind === 'official' && seal.status === 'active')
  return existing ?? (await seals.create(manager, { kind: 'official', name: DEMO.sealName }))
}

async function ensureScene(
  { seals }: SandboxDeps,
  manager: SessionCaller,
  seal: SealWithScenes,
): Promise<string> {
  const existing = seal.freeSignScenes.find((scene) => scene.name === DEMO.sceneName)
  return (existing ?? (await seals.addFreeSignScene(manager, seal.id, { name: DEMO.sceneName }))).businessId
}

async function ensureApp(
  { accounts }: SandboxDeps,
  manager: SessionCaller,
): Promise<{ appId: string; appSecret: string }> {
  const { items } = await accounts.apps.list(manager, { after: null, limit: 20 })
  const existing = items.find((app) => app.name === DEMO.appName && app.active)
  const known = existing === undefined ? null : await accounts.apps.byAppId(existing.appId)
  const app = known ?? (await accounts.apps.create(manager, { name: DEMO.appName, environment: 'sandbox' }))
  return { appId: app.appId, appSecret: app.secret }
}

const CODE_POLL_MS = 20
const CODE_POLLS = 1500

/** False when a start that was cut short has asked a moment ago; its code is still good. */
async function sendCode(accounts: Accounts, login: string): Promise<boolean> {
  try {
    await accounts.requestLoginCode({ login, lang: 'zh' })
    return true
  } catch (error) {
    if (error instanceof Refusal && error.code === 'login_code_recently_sent') return false
    throw error
  }
}

/** The code is delivered to the local outbox by a background job; a former one is of no use. */
async function nextCode(
  notifications: Notifications,
  login: string,
  formerId: string | undefined,
): Promise<string> {
  for (let poll = 0; poll < CODE_POLLS; poll++) {
    const [newest] = await notifications.outbox({ to: login })
    if (newest?.code != null && newest.id !== formerId) return newest.code
    await new Promise((resolve) => setTimeout(resolve, CODE_POLL_MS))
  }
  throw new Error('the code for a demo account never reached the outbox; do the background jobs run?')
}
