import { setTimeout as pause } from 'node:timers/promises'
import { Refusal } from '#src/errors.ts'
import { refuse } from './errors.ts'

export type VaultAuth =
  /** Read anew for every call, so that an agent can renew the file. */
  | { kind: 'token'; read: () => Promise<string> }
  | { kind: 'approle'; roleId: string; readSecretId: () => Promise<string> }

export interface VaultClientOptions {
  /** Without a slash at the end. */
  url: string
  auth: VaultAuth
  namespace?: string | undefined
  timeoutMs?: number
  /** Pauses before the second and later tries of a call that can be repeated. */
  retryMs?: readonly number[]
  fetch?: typeof globalThis.fetch
}

export interface VaultAnswer {
  status: number
  body: { data?: Record<string, unknown>; auth?: Record<string, unknown>; errors?: string[] } & Record<
    string,
    unknown
  >
}

/**
 * Calls the HTTP API of Vault or what is compatible with it. Everything sent through `call` may be repeated; sealed,
 * standby and forbidden answers become refusals of their own, 400 and 404 come back to the caller.
 */
export function createVaultClient(options: VaultClientOptions) {
  const { url, auth, timeoutMs = 5_000, retryMs = [100, 400, 1_500] } = options
  const ask = options.fetch ?? globalThis.fetch
  let login: Promise<string> | undefined

  async function once(method: string, path: string, token: string | undefined, body?: unknown) {
    const headers: Record<string, string> = { 'x-vault-request': 'true' }
    if (token !== undefined) headers['x-vault-token'] = token
    if (options.namespace !== undefined) headers['x-vault-namespace'] = options.namespace
    if (body !== undefined) headers['content-type'] = 'application/json'
    const response = await ask(`${url}/v1/${path}`, {
      method,
      headers,
      redirect: 'manual',
      signal: AbortSignal.timeout(timeoutMs),
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    const text = await response.text()
    return { status: response.status, body: readBody(text) }
  }

  async function token(): Promise<string> {
    if (auth.kind === 'token') return (await auth.read()).trim()
    login ??= logIn(auth)
    login.catch(() => {
      login = undefined
    })
    return await login
  }

  async function logIn({ roleId, readSecretId }: Extract<VaultAuth, { kind: 'approle' }>): Promise<string> {
    const body = { role_id: roleId, secret_id: (await readSecretId()).trim() }
    const answer = await repeated(() => once('POST', 'auth/approle/login', undefined, body))
    const made = answer.body.auth?.client_token
    if (answer.status !== 200 || typeof made !== 'string')
      throw refuse('key_driver_forbidden', { place: url, reason: reasonOf(answer) })
    return made
  }

  /** Tries again what did not arrive or met a server in trouble; the rest is for the caller. */
  async function repeated(work: () => Promise<VaultAnswer>): Promise<VaultAnswer> {
    for (const delayMs of [...retryMs, undefined]) {
      let trouble: unknown
      try {
        const answer = await work()
        const inTrouble = answer.status >= 500 && answer.status !== 501 && answer.status !== 503
        // 412: this node has not seen the caller's last write yet.
        if (!inTrouble && answer.status !== 412 && answer.status !== 429) return answer
        trouble = new Error(reasonOf(answer))
      } catch (error) {
        // The log-in inside was refused; asking again would not change that.
        if (error instanceof Refusal) throw error
        trouble = error
      }
      if (delayMs === undefined)
        throw refuse('key_driver_unreachable', { place: url, reason: reasonOfError(trouble) }, trouble)
      await pause(delayMs)
    }
    throw new Error('a loop that always returns or throws has ended')
  }

  return {
    async call(method: 'GET' | 'POST', path: string, body?: unknown): Promise<VaultAnswer> {
      const attempt = () => repeated(async () => once(method, path, await token(), body))
      let answer = await attempt()
      if (answer.status === 403 && auth.kind === 'approle') {
        // The token of the log-in may have run out; a second refusal is one.
        login = undefined
        answer = await attempt()
      }
      if (answer.status === 403)
        throw refuse('key_driver_forbidden', { place: url, reason: reasonOf(answer) })
      const isStandby = answer.status === 473 || answer.status === 472 || answer.status === 307
      if (answer.status === 503 || answer.status === 501 || isStandby)
        throw refuse('key_driver_sealed', { place: url, reason: reasonOf(answer) })
      return answer
    },
    /** Whether it is ready, and whether it says that it is a simulator. */
    async health(): Promise<{ simulated: boolean }> {
      const answer = await repeated(async () => {
        const found = await once('GET', 'sys/health', undefined)
        // The health page answers 429 for a standby; that is no reason to ask again.
        return found.status === 429 ? { ...found, status: 473 } : found
      })
      if (answer.status !== 200) throw refuse('key_driver_sealed', { place: url, reason: reasonOf(answer) })
      return { simulated: answer.body.simulator === true }
    },
  }
}

export type VaultClient = ReturnType<typeof createVaultClient>

function readBody(text: string): VaultAnswer['body'] {
  if (text.trim() === '') return {}
  try {
    const parsed: unknown = JSON.parse(text)
    return typeof parsed === 'object' && parsed !== null ? (parsed as VaultAnswer['body']) : {}
  } catch {
    return {}
  }
}

/** What the service said, without anything that was sent to it. */
export function reasonOf({ status, body }: VaultAnswer): string {
  const errors = Array.isArray(body.errors) ? body.errors.filter((one) => typeof one === 'string') : []
  return [`HTTP ${status}`, ...errors].join('; ').slice(0, 300)
}

function reasonOfError(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const cause = error.cause instanceof Error ? ` (${error.cause.message})` : ''
  return `${error.message}${cause}`.slice(0, 300)
}
