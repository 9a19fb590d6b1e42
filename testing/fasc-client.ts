/**
 * The published client of the protocol, unmodified, kept quiet: it prints every request as a curl line, secret
 * token included.
 */
import { createRequire } from 'node:module'

export interface FascAnswer {
  code: string
  msg: string
  // The answers of the protocol are what the tests look at; their shapes are the client's own affair.
  // biome-ignore lint/suspicious/noExplicitAny: see above
  data: any
  reason?: string
}

type Call = (
  request?: unknown,
) => Promise<{ status: number; headers: Record<string, string>; data: FascAnswer }>
type Client = Record<string, Call>
interface Package {
  serviceClient: { Client: new (config: unknown) => Client }
  [name: string]: { Client: new (config: unknown) => Client }
}

const vendor = createRequire(import.meta.url)('@fddnpm/fasc-openapi-node-sdk') as Package

export interface FascAccess {
  /** Ends in `/api/v5`. */
  serverUrl: string
  appId: string
  appSecret: string
  accessToken?: string
}

/** Runs one call of the client with its console held shut. */
async function quietly<T>(work: () => Promise<T>): Promise<T> {
  const { log } = console
  console.log = () => undefined
  try {
    return await work()
  } finally {
    console.log = log
  }
}

/** `client('signTaskClient')` gives the client of one service; each of its methods resolves to the HTTP answer. */
export function openFascClient(access: FascAccess) {
  const credential = {
    appId: access.appId,
    appSecret: access.appSecret,
    ...(access.accessToken === undefined ? {} : { accessToken: access.accessToken }),
  }
  return function call(service: string, method: string, request?: unknown) {
    const Client = vendor[service]?.Client
    if (Client === undefined) throw new Error(`the client has no service ${service}`)
    const client = new Client({ credential, serverUrl: access.serverUrl, profile: {} })
    return quietly(async () => {
      const run = client[method]
      if (run === undefined) throw new Error(`${service} has no method ${method}`)
      const answer = await run.call(client, request)
      return { status: answer.status, headers: answer.headers, body: answer.data }
    })
  }
}

export type FascCall = ReturnType<typeof openFascClient>

/** Gets a token and returns the calls made with it. */
export async function logInFasc(access: FascAccess): Promise<FascCall & { token: string }> {
  const { body } = await openFascClient(access)('serviceClient', 'getAccessToken')
  if (body.code !== '100000') throw new Error(`no token: ${JSON.stringify(body)}`)
  const call = openFascClient({ ...access, accessToken: body.data.accessToken })
  return Object.assign(call, { token: body.data.accessToken as string })
}
