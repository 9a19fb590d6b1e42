/**
 * A remote signing service that speaks the CSC API 2.0.0.2 and is strict about it, with no code of the client it
 * tests: every parameter is checked, authorisations are bound to credential and hashes, expire, and are good once. It
 * says of itself that it is a simulator.
 */
import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import { parseCertificate } from '@yinxin/pki'
import { createAuthorizations, type CscCredentialSetup } from './authorizations.ts'
import { signEcdsa, signRsaPkcs1, signRsaPss } from './hash-signing.ts'
import { createOauthServer, type CscAccount, type CscTokenGrant } from './oauth-server.ts'
import {
  CscFailure,
  digestOf,
  hashesOf,
  invalid,
  onlyThese,
  optionalBoolean,
  optionalString,
  type Parameters,
  stringOf,
} from './parameters.ts'

export type { CscAccount, CscCredentialSetup }

export interface CscServerOptions {
  readonly accounts: readonly CscAccount[]
  readonly credentials: readonly CscCredentialSetup[]
  /** Makes the tokens of signatures/timestamp. */
  readonly timestamp?: (digest: Uint8Array, algorithm: 'sha256' | 'sha384', nonce?: Uint8Array) => Uint8Array
  readonly sadLifetimeS?: number
  readonly tokenLifetimeS?: number
  /** How often signPolling says that it is not ready. */
  readonly pollsUntilReady?: number
}

/** What a test does to the next call of a method instead of, or after, answering it. */
export type Mishap =
  | {
      readonly kind: 'answer'
      readonly status: number
      readonly body: unknown
      readonly headers?: Record<string, string>
    }
  /** Carries the call out and then breaks the connection: the client cannot know what became of it. */
  | { readonly kind: 'break-after' }
  | { readonly kind: 'spoil'; readonly change: (body: unknown) => unknown }

export interface CscServer {
  readonly url: string
  /** Moves the server's clock. */
  advance(ms: number): void
  /** The last one-time code sent to the owner of a credential. */
  readonly otps: Map<string, string>
  /** Method and parameters of each call, in order. */
  readonly calls: { method: string; parameters: Parameters }[]
  /** Signatures made, whether or not their answers arrived. */
  readonly signed: () => number
  mishap(method: string, what: Mishap): void
  close(): Promise<void>
}

const PSS_PARAMETERS =
  '3034a00f300d06096086480165030402010500a11c301a06092a864886f70d010108300d06096086480165030402010500a203020120'

export async function startCscServer(options: CscServerOptions): Promise<CscServer> {
  let aheadMs = 0
  let made = 0
  const now = () => Date.now() + aheadMs
  const authorizations = createAuthorizations(now)
  const oauth = createOauthServer(options.accounts, now, () => options.tokenLifetimeS ?? 3600)
  const otps = new Map<string, string>()
  const calls: CscServer['calls'] = []
  const mishaps = new Map<string, Mishap[]>()
  const results = new Map<string, { signatures: string[]; asked: number }>()

  const credentialOf = (given: Parameters): CscCredentialSetup => {
    const id = stringOf(given, 'credentialID')
    const credential = options.credentials.find((one) => one.id === id)
    if (credential === undefined) throw invalid('Invalid parameter credentialID')
    return credential
  }

  type Method = (given: Parameters, grant: CscTokenGrant) => { status: number; body?: unknown }
  const ok = (body: unknown) => ({ status: 200, body })
  const granted = (sad: string) => ok({ SAD: sad, expiresIn: options.sadLifetimeS ?? 300 })

  const methods: Record<string, Method> = {
    'credentials/list': (given) => {
      onlyThese(given, [
        'userID',
        'credentialInfo',
        'certificates',
        'certInfo',
        'authInfo',
        'onlyValid',
        'lang',
        'clientData',
      ])
      if (given.userID !== undefined && given.userID !== null) throw invalid('userID parameter MUST be null')
      const onlyValid = optionalBoolean(given, 'onlyValid')
      const listed = options.credentials.filter((one) => !onlyValid || one.disabled !== true)
      return ok({ credentialIDs: listed.map(({ id }) => id), ...(onlyValid ? { onlyValid } : {}) })
    },
    'credentials/info': (given) => {
      onlyThese(given, ['credentialID', 'certificates', 'certInfo', 'authInfo', 'lang', 'clientData'])
      const which = optionalString(given, 'certificates') ?? 'single'
      if (!['none', 'single', 'chain'].includes(which)) throw invalid('Invalid parameter certificates')
      return ok(describe(credentialOf(given), which, optionalBoolean(given, 'authInfo'), now()))
    },
    'credentials/getChallenge': (given) => {
      onlyThese(given, ['credentialID', 'authObjectID', 'lang', 'clientData'])
      const { id, otp } = credentialOf(given)
      if (stringOf(given, 'authObjectID') !== 'OTP' || otp !== true)
        throw invalid('Invalid parameter authObjectID')
      otps.set(id, authorizations.newOtp(id))
      return { status: 204 }
    },
    'credentials/authorize': (given) => {
      onlyThese(given, [
        'credentialID',
        'numSignatures',
        'hashes',
        'hashAlgorithmOID',
        'authData',
        'description',
        'clientData',
      ])
      const credential = credentialOf(given)
      optionalString(given, 'description', 500)
      if (credential.mode !== 'explicit') throw invalid('The credential is authorised by OAuth 2.0')
      if (credential.disabled === true)
        throw invalid(`The credential identified by ${credential.id} is disabled`)
      const { numSignatures } = given
      if (typeof numSignatures !== 'number' || !Number.isInteger(numSignatures))
        throw invalid('Missing (or invalid type) integer parameter numSignatures')
      if (numSignatures < 1) throw invalid('Invalid value for parameter numSignatures')
      if (numSignatures > credential.multisign) throw invalid('Numbers of signatures is too high')
      const hashes = given.hashes === undefined ? undefined : hashesOf(given).hashes
      const grant = authorizations.grant(credential, numSignatures, hashes, options.sadLifetimeS ?? 300)
      authorizations.checkFactors(credential, given.authData)
      if (credential.ownerAnswersAfter !== undefined)
        return { status: 202, body: { handle: authorizations.putOff(grant) } }
      return granted(authorizations.keep(grant))
    },
    'credentials/authorizeCheck': (given) => {
      onlyThese(given, ['handle'])
      const handle = stringOf(given, 'handle')
      const sad = authorizations.check(
        handle,
        (id) => options.credentials.find((one) => one.id === id)?.ownerAnswersAfter ?? 0,
      )
      return sad === undefined ? { status: 202, body: { handle } } : granted(sad)
    },
    'credentials/extendTransaction': (given) => {
      onlyThese(given, ['credentialID', 'hashes', 'hashAlgorithmOID', 'SAD', 'clientData'])
      const { id } = credentialOf(given)
      const hashes = given.hashes === undefined ? undefined : hashesOf(given).hashes
      return granted(authorizations.extend(stringOf(given, 'SAD'), id, hashes))
    },
    'signatures/signHash': (given, token) => {
      onlyThese(given, [
        'credentialID',
        'SAD',
        'hashes',
        'hashAlgorithmOID',
        'signAlgo',
        'signAlgoParams',
        'operationMode',
        'validity_period',
        'response_uri',
        'clientData',
      ])
      const credential = credentialOf(given)
      const { hashes, oid } = hashesOf(given)
      const signer = signerFor(credential, given, oid)
      const mode = optionalString(given, 'operationMode') ?? 'S'
      if (mode !== 'S' && mode !== 'A') throw invalid('Invalid parameter operationMode')
      if (credential.disabled === true)
        throw invalid(`The credential identified by ${credential.id} is disabled`)
      if (isExpired(credential, now())) throw invalid('Signing certificate is expired')
      useAuthorization(credential, given, token, hashes)
      const signatures = hashes.map((hash) => signer(hash).toString('base64'))
      made += signatures.length
      if (mode === 'S') return ok({ signatures })
      const responseID = `response-${results.size + 1}`
      results.set(responseID, { signatures, asked: 0 })
      return ok({ responseID })
    },
    'signatures/signPolling': (given) => {
      onlyThese(given, ['requestID', 'userID', 'clientData'])
      const result = results.get(stringOf(given, 'requestID'))
      if (result === undefined) throw invalid('Invalid parameter requestID')
      result.asked += 1
      if (result.asked <= (options.pollsUntilReady ?? 1))
        throw new CscFailure(
          202,
          'accepted_request',
          'The previous request has been accepted but is not completed',
        )
      return ok({ signatures: result.signatures })
    },
    'signatures/timestamp': (given) => {
      onlyThese(given, ['hash', 'hashAlgo', 'nonce', 'clientData'])
      if (options.timestamp === undefined) throw new CscFailure(501, 'server_error', 'not implemented')
      const { hash, oid } = digestOf(given, 'hash', 'hashAlgo')
      const nonce = optionalString(given, 'nonce')
      if (nonce !== undefined && !/^([0-9a-f]{2})+$/i.test(nonce)) throw invalid('Invalid parameter nonce')
      const algorithm = oid.endsWith('.1') ? 'sha256' : 'sha384'
      const token = options.timestamp(
        hash,
        algorithm,
        nonce === undefined ? undefined : Buffer.from(nonce, 'hex'),
      )
      return ok({ timestamp: Buffer.from(token).toString('base64') })
    },
  }

  function useAuthorization(
    credential: CscCredentialSetup,
    given: Parameters,
    token: CscTokenGrant,
    hashes: Buffer[],
  ): void {
    if (credential.mode === 'explicit') {
      authorizations.use(stringOf(given, 'SAD'), credential.id, hashes)
      return
    }
    const sad = optionalString(given, 'SAD')
    const grant = sad === undefined ? token : oauth.takeCredentialToken(sad)
    if (grant?.scope !== 'credential' || grant.credentialId !== credential.id)
      throw invalid('Invalid parameter SAD')
    if (grant.untilMs <= now()) throw invalid('SAD expired')
    if (hashes.length > (grant.numSignatures ?? 0)) throw invalid('Invalid parameter SAD')
    if (!hashes.every((hash) => grant.hashes?.some((one) => one.equals(hash))))
      throw invalid('Hash is not authorized by the SAD')
  }

  const info = (base: string) => ({
    specs: '2.0.0.2',
    name: 'Yinxin CSC conformance server (simulator)',
    logo: `${base}/logo.png`,
    region: 'CN',
    lang: 'en-US',
    description: 'SIMULATOR for tests: signatures made here bind nobody',
    // Not of the specification, which lets a service add fields: so that a client can tell without reading prose.
    simulator: true,
    authType: ['oauth2code', 'oauth2client'],
    oauth2: base,
    asynchronousOperationMode: true,
    methods: ['info', 'oauth2/authorize', 'oauth2/token', 'oauth2/revoke', ...Object.keys(methods)],
    validationInfo: false,
    signAlgorithms: { algos: [...new Set(options.credentials.flatMap(({ algo }) => algo))] },
    signature_formats: { formats: ['P'], envelope_properties: [['Certification', 'Revision']] },
    conformance_levels: ['Ades-B-B'],
  })

  async function answer(
    request: IncomingMessage,
    base: string,
  ): Promise<{ status: number; body?: unknown; location?: string }> {
    const url = new URL(request.url ?? '/', base)
    if (request.method === 'GET' && url.pathname === '/oauth2/authorize')
      return { status: 302, location: oauth.authorize(url.searchParams) }
    if (request.method !== 'POST') throw new CscFailure(405, 'invalid_request', 'only POST')
    const type = (request.headers['content-type'] ?? '').split(';')[0]?.trim()
    const text = await textOf(request)
    if (url.pathname.startsWith('/oauth2/')) {
      if (type !== 'application/x-www-form-urlencoded') throw invalid('Invalid content type')
      const form = new URLSearchParams(text)
      calls.push({ method: url.pathname.slice(1), parameters: Object.fromEntries(form) })
      if (url.pathname === '/oauth2/token') return ok(oauth.token(form))
      if (url.pathname !== '/oauth2/revoke') throw new CscFailure(404, 'invalid_request', 'no such endpoint')
      oauth.revoke(form)
      return { status: 204 }
    }
    if (!url.pathname.startsWith('/csc/v2/')) throw new CscFailure(404, 'invalid_request', 'no such path')
    if (type !== 'application/json') throw invalid('Invalid content type')
    const method = url.pathname.slice('/csc/v2/'.length)
    const given = parametersOf(text)
    calls.push({ method, parameters: given })
    if (method === 'info') {
      onlyThese(given, ['lang'])
      return ok(info(base))
    }
    const run = methods[method]
    if (run === undefined) throw new CscFailure(501, 'invalid_request', 'Unimplemented method requested')
    return run(given, oauth.bearer(request.headers.authorization))
  }

  const server = createServer(async (request, response) => {
    const base = `http://${request.headers.host}`
    const method = (request.url ?? '').replace(/^\/(csc\/v2\/)?/, '').split('?')[0] ?? ''
    const mishap = mishaps.get(method)?.shift()
    if (mishap?.kind === 'answer') {
      await textOf(request)
      response.writeHead(mishap.status, { 'content-type': 'application/json', ...mishap.headers })
      response.end(JSON.stringify(mishap.body))
      return
    }
    let status: number
    let body: unknown
    try {
      const result = await answer(request, base)
      if (result.location !== undefined) {
        response.writeHead(302, { location: result.location }).end()
        return
      }
      ;({ status, body } = { body: undefined, ...result })
    } catch (error) {
      const failure = error instanceof CscFailure ? error : new CscFailure(500, 'server_error', String(error))
      status = failure.status
      body = { error: failure.error, error_description: failure.message }
    }
    if (mishap?.kind === 'break-after') {
      response.destroy()
      return
    }
    if (mishap?.kind === 'spoil') body = mishap.change(body)
    response.writeHead(status, { 'content-type': 'application/json;charset=UTF-8' })
    response.end(status === 204 ? undefined : JSON.stringify(body))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')

  return {
    url: `http://127.0.0.1:${address.port}/csc/v2`,
    otps,
    calls,
    advance: (ms) => {
      aheadMs += ms
    },
    signed: () => made,
    mishap: (method, what) => {
      mishaps.set(method, [...(mishaps.get(method) ?? []), what])
    },
    close: async () => {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

function parametersOf(text: string): Parameters {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw invalid('The body is no JSON')
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw invalid('The body is no object')
  return value as Parameters
}

async function textOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString('utf8')
}

const isExpired = ({ certificates }: CscCredentialSetup, at: number): boolean =>
  parseCertificate(certificates[0] as Uint8Array).notAfter.getTime() < at

function describe(credential: CscCredentialSetup, which: string, withAuth: boolean, at: number): unknown {
  const { certificates, privateKey, pin, otp } = credential
  const details = privateKey.asymmetricKeyDetails
  const curves: Record<string, [string, number]> = {
    prime256v1: ['1.2.840.10045.3.1.7', 256],
    secp384r1: ['1.3.132.0.34', 384],
  }
  const curve = curves[details?.namedCurve ?? '']
  const shown = which === 'none' ? [] : which === 'single' ? certificates.slice(0, 1) : certificates
  const objects = [
    ...(pin === undefined ? [] : [{ type: 'Password', id: 'PIN', format: 'N', label: 'PIN' }]),
    ...(otp === true ? [{ type: 'ChallengeResponse', id: 'OTP', format: 'N', label: 'Code by SMS' }] : []),
  ]
  return {
    key: {
      status: credential.disabled === true ? 'disabled' : 'enabled',
      algo: credential.algo,
      len: details?.modulusLength ?? curve?.[1],
      ...(curve === undefined ? {} : { curve: curve[0] }),
    },
    cert: {
      status: isExpired(credential, at) ? 'expired' : 'valid',
      ...(shown.length === 0
        ? {}
        : { certificates: shown.map((der) => Buffer.from(der).toString('base64')) }),
    },
    auth: {
      mode: credential.mode,
      ...(withAuth && credential.mode === 'explicit' && objects.length > 0
        ? { expression: objects.map(({ id }) => id).join(' AND '), objects }
        : {}),
    },
    SCAL: credential.scal,
    multisign: credential.multisign,
  }
}

/** How a credential signs with what was asked for. @throws CscFailure for what §11.10 forbids */
function signerFor(
  { algo, privateKey }: CscCredentialSetup,
  given: Parameters,
  hashOid: string,
): (hash: Buffer) => Buffer {
  const asked = stringOf(given, 'signAlgo')
  if (!algo.includes(asked)) throw invalid('Invalid parameter signAlgo')
  const parameters = optionalString(given, 'signAlgoParams')
  const needed: Record<string, string> = {
    '1.2.840.113549.1.1.11': '2.16.840.1.101.3.4.2.1',
    '1.2.840.10045.4.3.2': '2.16.840.1.101.3.4.2.1',
    '1.2.840.10045.4.3.3': '2.16.840.1.101.3.4.2.2',
    '1.2.840.113549.1.1.10': '2.16.840.1.101.3.4.2.1',
  }
  if (needed[asked] !== undefined && needed[asked] !== hashOid)
    throw invalid('Invalid parameter hashAlgorithmOID')
  if (asked === '1.2.840.113549.1.1.10') {
    if (parameters === undefined) throw invalid('Missing (or invalid type) string parameter signAlgoParams')
    if (Buffer.from(parameters, 'base64').toString('hex') !== PSS_PARAMETERS)
      throw invalid('Invalid parameter signAlgoParams')
    return (hash) => signRsaPss(privateKey, hash)
  }
  if (parameters !== undefined) throw invalid('Invalid parameter signAlgoParams')
  return asked.startsWith('1.2.840.10045')
    ? (hash) => signEcdsa(privateKey, hash)
    : (hash) => signRsaPkcs1(privateKey, hash)
}
