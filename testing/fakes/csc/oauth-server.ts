/** The authorisation server of the conformance server: OAuth 2.0 as §8.4 narrows it, PKCE required. */
import { createHash, randomBytes } from 'node:crypto'
import { CscFailure, invalid } from './parameters.ts'

export interface CscAccount {
  readonly clientId: string
  readonly clientSecret: string
  readonly redirectUri: string
}

export interface CscTokenGrant {
  readonly scope: 'service' | 'credential'
  readonly credentialId?: string
  readonly hashes?: readonly Buffer[]
  readonly numSignatures?: number
  readonly untilMs: number
}

interface Code {
  readonly account: CscAccount
  readonly redirectUri: string
  readonly challenge: string
  readonly grant: Omit<CscTokenGrant, 'untilMs'>
  readonly untilMs: number
}

export function createOauthServer(
  accounts: readonly CscAccount[],
  now: () => number,
  tokenLifetimeS: () => number,
) {
  const codes = new Map<string, Code>()
  const tokens = new Map<string, CscTokenGrant>()
  const refreshers = new Map<string, string>()
  const name = () => randomBytes(24).toString('base64url')

  function issue(grant: Omit<CscTokenGrant, 'untilMs'>, clientId: string, refreshable: boolean) {
    const access_token = name()
    const expires_in = tokenLifetimeS()
    tokens.set(access_token, { ...grant, untilMs: now() + expires_in * 1000 })
    if (!refreshable) return { access_token, token_type: 'Bearer', expires_in }
    const refresh_token = name()
    refreshers.set(refresh_token, clientId)
    return { access_token, refresh_token, token_type: 'Bearer', expires_in }
  }

  function client(form: URLSearchParams): CscAccount {
    const id = form.get('client_id')
    if (!id) throw invalid('Missing parameter client_id')
    const account = accounts.find(({ clientId }) => clientId === id)
    if (account === undefined) throw invalid('Invalid parameter client_id')
    if (form.get('client_secret') !== account.clientSecret) throw invalid('Invalid parameter client_secret')
    return account
  }

  return {
    /** Where the person would consent; here the person always does. Answers the address to go back to. */
    authorize(query: URLSearchParams): string {
      for (const key of new Set(query.keys()))
        if (query.getAll(key).length > 1) throw invalid(`Repeated parameter ${key}`)
      const account = accounts.find(({ clientId }) => clientId === query.get('client_id'))
      if (account === undefined) throw invalid('Invalid parameter client_id')
      if (query.get('redirect_uri') !== account.redirectUri) throw invalid('Invalid parameter redirect_uri')
      if (query.get('response_type') !== 'code')
        throw new CscFailure(400, 'unsupported_response_type', 'response_type is not code')
      const challenge = query.get('code_challenge') ?? ''
      if (query.get('code_challenge_method') !== 'S256' || !/^[A-Za-z0-9_-]{43}$/.test(challenge))
        throw invalid('Invalid parameter code_challenge')
      const code = name()
      codes.set(code, {
        account,
        redirectUri: account.redirectUri,
        challenge,
        grant: scopeOf(query),
        untilMs: now() + 60_000,
      })
      const back = new URL(account.redirectUri)
      back.searchParams.set('code', code)
      const state = query.get('state')
      if (state !== null) back.searchParams.set('state', state)
      return back.href
    },
    token(form: URLSearchParams): unknown {
      const type = form.get('grant_type')
      if (type === null) throw invalid('Missing parameter grant_type')
      const account = client(form)
      if (type === 'client_credentials') {
        if ((form.get('scope') ?? 'service') !== 'service')
          throw new CscFailure(400, 'invalid_scope', 'service only')
        return issue({ scope: 'service' }, account.clientId, false)
      }
      if (type === 'refresh_token') {
        const given = form.get('refresh_token') ?? ''
        if (refreshers.get(given) !== account.clientId)
          throw new CscFailure(400, 'invalid_grant', 'Invalid parameter refresh_token')
        refreshers.delete(given)
        return issue({ scope: 'service' }, account.clientId, true)
      }
      if (type !== 'authorization_code') throw invalid('Invalid parameter grant_type')
      const given = form.get('code') ?? ''
      const code = codes.get(given)
      codes.delete(given)
      if (code === undefined || code.account !== account || code.untilMs <= now())
        throw new CscFailure(400, 'invalid_grant', 'Authorization code is invalid or expired')
      if (form.get('redirect_uri') !== code.redirectUri)
        throw new CscFailure(400, 'invalid_grant', 'redirect_uri parameter does not match')
      const verifier = form.get('code_verifier') ?? ''
      if (createHash('sha256').update(verifier).digest('base64url') !== code.challenge)
        throw new CscFailure(400, 'invalid_grant', 'code_verifier does not match')
      return issue(code.grant, account.clientId, code.grant.scope === 'service')
    },
    revoke(form: URLSearchParams): void {
      client(form)
      const token = form.get('token')
      if (!token) throw invalid('Missing parameter token')
      tokens.delete(token)
      refreshers.delete(token)
    },
    /** The grant behind a token. @throws CscFailure 400 or 401 */
    bearer(header: string | undefined): CscTokenGrant {
      const token = /^Bearer ([A-Za-z0-9._~+/-]+=*)$/.exec(header ?? '')?.[1]
      if (token === undefined) throw invalid('Malformed authorization header')
      const grant = tokens.get(token)
      if (grant === undefined) throw new CscFailure(401, 'invalid_token', 'The access token is not valid')
      if (grant.untilMs <= now()) throw new CscFailure(401, 'expired_token', 'The access token is expired')
      return grant
    },
    /** The grant behind a token that came as SAD (§11.10), once. */
    takeCredentialToken(token: string): CscTokenGrant | undefined {
      const grant = tokens.get(token)
      if (grant?.scope !== 'credential') return undefined
      tokens.delete(token)
      return grant
    },
  }
}

function scopeOf(query: URLSearchParams): Omit<CscTokenGrant, 'untilMs'> {
  const scope = query.get('scope') ?? 'service'
  if (scope === 'service') return { scope }
  if (scope !== 'credential') throw new CscFailure(400, 'invalid_scope', 'Invalid parameter scope')
  const credentialId = query.get('credentialID')
  const numSignatures = Number(query.get('numSignatures'))
  if (!credentialId) throw invalid('Missing (or invalid type) string parameter credentialID')
  if (!Number.isInteger(numSignatures) || numSignatures < 1)
    throw invalid('Invalid value for parameter numSignatures')
  const hashes = (query.get('hashes') ?? '').split(',').filter((hash) => hash !== '')
  if (hashes.length === 0 || !query.get('hashAlgorithmOID')) throw invalid('Missing parameter hashes')
  return {
    scope,
    credentialId,
    numSignatures,
    hashes: hashes.map((hash) => Buffer.from(hash, 'base64url')),
  }
}
