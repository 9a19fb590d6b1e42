/** Who sends a request of this protocol: the signature over its headers and content, a fresh nonce, a valid token. */
import { timingSafeEqual } from 'node:crypto'
import type { Accounts } from '#src/accounts/accounts.ts'
import type { Clock } from '#src/clock.ts'
import type { Db } from '#src/db/db.ts'
import { fascSignature } from '#src/webhooks/webhooks.ts'
import { refuse } from './errors.ts'
import { useNonce } from './store.ts'
import type { Tokens } from './tokens.ts'

export interface FascCaller {
  kind: 'app'
  appId: string
  subjectId: string
  environment: 'sandbox' | 'production'
}

export interface GateRequest {
  header(name: string): string
  /** As sent, not yet parsed; empty when none came. */
  bizContent: string
  /** Of the interface; one name for all that do not exist. */
  path: string
  /** The call that gets a token cannot carry one. */
  isTokenCall: boolean
  /** Told who it is, once that is certain. */
  onCaller?: (caller: FascCaller) => void
}

export type Gate = ReturnType<typeof createGate>

const TOLERANCE_MS = 5 * 60_000
/** Longer than both sides of the tolerance, so that a forgotten nonce is always stale by time. */
const NONCE_LIFE_MS = 10 * 60_000

const NEEDED = [
  'X-FASC-App-Id',
  'X-FASC-Sign-Type',
  'X-FASC-Timestamp',
  'X-FASC-Nonce',
  'X-FASC-Sign',
] as const
const SIGNED = [
  'X-FASC-App-Id',
  'X-FASC-Sign-Type',
  'X-FASC-Timestamp',
  'X-FASC-Nonce',
  'X-FASC-Api-SubVersion',
  'X-FASC-AccessToken',
  'X-FASC-Grant-Type',
] as const

export function createGate(deps: {
  db: Db
  clock: Clock
  accounts: Pick<Accounts, 'appByAppId'>
  tokens: Pick<Tokens, 'isValid'>
  /** Counts a call over all processes; resolves to how many there were in the time that it lies in. */
  pace: { count(key: string, perMs: number): Promise<{ calls: number }> }
  callsPerSecond: number
}) {
  return {
    /** @throws the refusal that says what is missing or wrong */
    async admit(request: GateRequest): Promise<FascCaller> {
      // 1. Shape.
      for (const name of NEEDED)
        if (request.header(name) === '') throw refuse('fasc_header_missing', { name })
      const credential = request.isTokenCall ? 'X-FASC-Grant-Type' : 'X-FASC-AccessToken'
      if (request.header(credential) === '') {
        if (request.isTokenCall) throw refuse('fasc_header_missing', { name: credential })
        throw refuse('fasc_token_invalid')
      }
      const timestamp = request.header('X-FASC-Timestamp')
      const nonce = request.header('X-FASC-Nonce')
      checkShape('X-FASC-Sign-Type', /^HMAC-SHA256$/, request)
      checkShape('X-FASC-Timestamp', /^\d{13}$/, request)
      checkShape('X-FASC-Nonce', /^[\x21-\x7e]{1,32}$/, request)
      checkShape('X-FASC-Sign', /^[0-9a-f]{64}$/i, request)
      if (request.isTokenCall) checkShape('X-FASC-Grant-Type', /^client_credential$/, request)

      // 2. Time and signature.
      const nowMs = deps.clock.now().getTime()
      if (Math.abs(nowMs - Number(timestamp)) > TOLERANCE_MS) throw refuse('fasc_timestamp_stale')
      const appId = request.header('X-FASC-App-Id')
      const app = await deps.accounts.appByAppId(appId)
      // An unknown, a switched-off and a badly signed app look the same from outside.
      if (!isSigned(request, app?.secret ?? '') || app === null) throw refuse('fasc_signature_invalid')

      // 3. Only a valid signature counts as a call of the app and uses a nonce up: nobody else can burn an app's nonces.
      const { calls } = await deps.pace.count(`fasc ${appId} ${request.path}`, 1000)
      if (calls > deps.callsPerSecond) throw refuse('fasc_too_fast', { limit: deps.callsPerSecond })
      const until = new Date(nowMs + NONCE_LIFE_MS)
      if (!(await deps.db.work((tx) => useNonce(tx, appId, nonce, until)))) throw refuse('fasc_nonce_used')

      // 4. The token.
      const token = request.header('X-FASC-AccessToken')
      if (!request.isTokenCall && !(await deps.tokens.isValid(appId, token)))
        throw refuse('fasc_token_invalid')
      const caller = { kind: 'app' as const, appId, subjectId: app.subjectId, environment: app.environment }
      request.onCaller?.(caller)
      return caller
    },
  }
}

function checkShape(name: string, shape: RegExp, request: GateRequest): void {
  if (!shape.test(request.header(name))) throw refuse('fasc_header_invalid', { name })
}

function isSigned(request: GateRequest, secret: string): boolean {
  const headers = Object.fromEntries(SIGNED.map((name) => [name, request.header(name)]))
  const given = Buffer.from(request.header('X-FASC-Sign'), 'hex')
  // A published client signs `""` when it has no parameters, and sends nothing.
  const contents = request.bizContent === '' ? ['', '""'] : [request.bizContent]
  return contents.some((bizContent) => {
    const wanted = fascSignature(secret, request.header('X-FASC-Timestamp'), { ...headers, bizContent })
    return timingSafeEqual(Buffer.from(wanted, 'hex'), given)
  })
}
