/** A client of EST (RFC 7030, RFC 8951): asks, waits when it is put off, and takes only what was asked for. */
import type { Certificate } from './certificate.ts'
import { PkiError } from './errors.ts'
import {
  acceptEnrolled,
  type EnrolledCertificate,
  type EstMessage,
  type EstResult,
  type EstServer,
  estCaCertsRequest,
  estEnrollRequest,
  parseEstAnswer,
} from './est.ts'
import {
  type EstAttributes,
  estCsrAttrsRequest,
  estServerKeygenRequest,
  parseEstCsrAttrs,
  parseEstKeygenAnswer,
} from './est-keygen.ts'
import { failureText, type HttpAnswer, type HttpPort } from './http-port.ts'
import type { PathOptions } from './path.ts'

/** HTTP Basic (§3.2.3), for clients without a certificate of their own. The port brings TLS and its client certificate. */
export interface EstLogin {
  readonly user: string
  readonly password: string
}

export interface EstClientOptions {
  readonly server: EstServer
  readonly send: HttpPort
  readonly login?: EstLogin
  readonly now: () => Date
  /** Resolves after so many milliseconds. */
  readonly wait: (ms: number) => Promise<void>
  /** How long a CA may put an enrolment off before it is given up; ten minutes when left out. */
  readonly maxWaitMs?: number
}

/** What is trusted beforehand, to judge what the CA issued; at the moment it arrives unless told otherwise. */
export type EstTrust = Pick<PathOptions, 'anchors'> & Partial<Omit<PathOptions, 'leaf'>>

export interface EstClient {
  /** The CA's certificates (§4.1): for people to compare, not to be trusted by themselves. */
  caCerts(): Promise<readonly Certificate[]>
  /** What the CA wants in a request (§4.5); empty when it says nothing. */
  csrAttrs(): Promise<EstAttributes>
  /** A certificate for a PKCS#10 request (§4.2.1). */
  enroll(request: Uint8Array, trust: EstTrust): Promise<EnrolledCertificate>
  /** Its successor, of the same subject (§4.2.2). */
  reenroll(request: Uint8Array, trust: EstTrust): Promise<EnrolledCertificate>
  /**
   * A key the CA made, and its certificate (§4.4). The request is signed by a key of the caller that serves nothing
   * else; the name in it is asked for.
   */
  serverKeygen(
    request: Uint8Array,
    trust: EstTrust,
  ): Promise<EnrolledCertificate & { readonly privateKeyPkcs8: Uint8Array }>
}

/**
 * @throws PkiError `argument` for a login that Basic cannot carry; from each call `unavailable` when the CA refuses, does
 * not answer, or puts off for too long, and `structure`, `der`, `unsupported` or `key-mismatch` for answers that are not
 * what was asked for
 */
export function createEstClient(options: EstClientOptions): EstClient {
  const { server, now, wait, maxWaitMs = 600_000 } = options
  const login = authorization(options.login)

  async function ask(message: EstMessage): Promise<HttpAnswer> {
    const { method, url, headers, body } = message
    try {
      return await options.send({
        method,
        url,
        headers: { ...headers, ...login },
        ...(body === undefined ? {} : { body: new TextEncoder().encode(body) }),
      })
    } catch (error) {
      throw new PkiError('unavailable', `${new URL(url).host}: ${failureText(error)}`)
    }
  }

  /** Repeats the same request while the CA puts it off (§4.2.3). */
  async function settle<T>(
    message: EstMessage,
    read: (answer: HttpAnswer) => EstResult | T,
  ): Promise<Done | T> {
    let waitedMs = 0
    for (;;) {
      const result = read(await ask(message))
      if (!isResult(result)) return result
      if (result.kind === 'certificates') return result
      if (result.kind === 'refused')
        throw new PkiError('unavailable', `the CA refused: ${result.status} ${result.text}`.trimEnd())
      const ms = Math.max(result.retryAt.getTime() - now().getTime(), LEAST_WAIT_MS)
      if (waitedMs + ms > maxWaitMs)
        throw new PkiError('unavailable', `the CA puts off until ${result.retryAt.toISOString()}`)
      await wait(ms)
      waitedMs += ms
    }
  }

  const certificates = async (message: EstMessage): Promise<readonly Certificate[]> =>
    (await settle<never>(message, (answer) => parseEstAnswer(answer, now()))).certificates

  // A new certificate begins when it is issued, which is after it was asked for.
  const accept = (request: Uint8Array, given: readonly Certificate[], trust: EstTrust, spki?: Uint8Array) =>
    acceptEnrolled(request, given, { at: now(), ...trust }, spki)

  return {
    caCerts: () => certificates(estCaCertsRequest(server)),
    csrAttrs: async () => parseEstCsrAttrs(await ask(estCsrAttrsRequest(server))),
    enroll: async (request, trust) =>
      accept(request, await certificates(estEnrollRequest(server, request)), trust),
    reenroll: async (request, trust) =>
      accept(request, await certificates(estEnrollRequest(server, request, { reenroll: true })), trust),
    serverKeygen: async (request, trust) => {
      const made = await settle(estServerKeygenRequest(server, request), (answer) =>
        parseEstKeygenAnswer(answer, now()),
      )
      if (!('privateKeyPkcs8' in made)) throw new PkiError('structure', 'a certificate came without its key')
      const { privateKeyPkcs8, spki } = made
      return { ...accept(request, made.certificates, trust, spki), privateKeyPkcs8 }
    },
  }
}

type Done = Extract<EstResult, { kind: 'certificates' }>

const isResult = (value: unknown): value is EstResult =>
  typeof value === 'object' && value !== null && 'kind' in value

/** A CA that says "now" is not asked in a loop. */
const LEAST_WAIT_MS = 1000

function authorization(login: EstLogin | undefined): Record<string, string> {
  if (login === undefined) return {}
  if (login.user.includes(':')) throw new PkiError('argument', 'a user name has no colon (RFC 7617 §2)')
  let binary = ''
  for (const octet of new TextEncoder().encode(`${login.user}:${login.password}`))
    binary += String.fromCharCode(octet)
  return { authorization: `Basic ${btoa(binary)}` }
}
