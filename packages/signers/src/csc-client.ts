/** A client of the CSC API 2.0.0.2 (Cloud Signature Consortium): one function per method that is used here. */
import {
  type CscAccessToken,
  type CscAuthData,
  type CscAuthorization,
  type CscCredential,
  type CscInfo,
  type CscSignatures,
  fields,
  readAccessToken,
  readAuthorization,
  readChallenge,
  readCredential,
  readCredentialIds,
  readInfo,
  readSignatures,
  readTimestamp,
  toBase64,
} from './csc-messages.ts'
import { createCscTransport, type CscTransportOptions, methodUrl } from './csc-transport.ts'
import { SignerError } from './signer-error.ts'

export interface CscClientOptions extends CscTransportOptions {
  /** A token of the scope `service`, asked for before each call; left out for services that know their client by TLS. */
  readonly accessToken?: () => string | Promise<string>
}

export interface CscHashes {
  readonly hashes: readonly Uint8Array[]
  readonly hashAlgorithmOid: string
}

export interface CscSignHash extends CscHashes {
  readonly credentialId: string
  /** Left out when the access token itself authorises the credential. */
  readonly sad?: string
  readonly signAlgo: string
  /** DER of the algorithm's parameters, for PSS. */
  readonly signAlgoParams?: Uint8Array
  readonly asynchronous?: boolean
  readonly clientData?: string
}

export interface CscClient {
  info(): Promise<CscInfo>
  listCredentials(options?: { readonly userId?: string; readonly onlyValid?: boolean }): Promise<string[]>
  credential(credentialId: string): Promise<CscCredential>
  /** Authorises so many signatures, over these hashes and no others where the service binds them (SCAL 2). */
  authorize(
    request: CscHashes & {
      readonly credentialId: string
      readonly numSignatures: number
      readonly authData?: readonly CscAuthData[]
      readonly description?: string
      readonly clientData?: string
    },
  ): Promise<CscAuthorization>
  authorizeCheck(handle: string): Promise<CscAuthorization>
  /** Asks for a challenge; undefined when it went another way, such as an OTP by SMS. */
  getChallenge(credentialId: string, authObjectId: string): Promise<string | undefined>
  /** The OTP of services that still have the method of the first version. */
  sendOtp(credentialId: string): Promise<void>
  /** A new SAD for the next hashes of an authorisation that covers several signatures. */
  extendTransaction(
    request: CscHashes & { readonly credentialId: string; readonly sad: string },
  ): Promise<CscAuthorization>
  signHash(request: CscSignHash): Promise<CscSignatures>
  /** The signatures of an asynchronous request, or that they are not ready. */
  signPolling(responseId: string, expected: number): Promise<CscSignatures>
  /** An RFC 3161 token, not verified yet. */
  timestamp(request: {
    readonly hash: Uint8Array
    readonly hashAlgorithmOid: string
    readonly nonce?: Uint8Array
  }): Promise<Uint8Array>
}

export function createCscClient(options: CscClientOptions): CscClient {
  const send = createCscTransport(options)
  const call = async (
    method: string,
    body: Record<string, unknown>,
    how: { open?: boolean; repeatable: boolean },
  ) =>
    send({
      url: methodUrl(options.baseUrl, method),
      body,
      repeatable: how.repeatable,
      accessToken: how.open === true ? undefined : await options.accessToken?.(),
    })
  const question = { repeatable: true }
  const act = { repeatable: false }

  return {
    info: async () => readInfo((await call('info', {}, { open: true, repeatable: true })).body),
    listCredentials: async ({ userId, onlyValid } = {}) =>
      readCredentialIds(
        (
          await call(
            'credentials/list',
            { ...given('userID', userId), ...given('onlyValid', onlyValid) },
            question,
          )
        ).body,
      ),
    credential: async (credentialID) =>
      readCredential(
        (
          await call(
            'credentials/info',
            { credentialID, certificates: 'chain', certInfo: false, authInfo: true },
            question,
          )
        ).body,
      ),
    authorize: async (request) => {
      const { status, body } = await call(
        'credentials/authorize',
        {
          credentialID: request.credentialId,
          numSignatures: request.numSignatures,
          ...hashFields(request),
          ...given('authData', request.authData),
          ...given('description', request.description),
          ...given('clientData', request.clientData),
        },
        act,
      )
      return readAuthorization(status, body)
    },
    authorizeCheck: async (handle) => {
      const { status, body } = await call('credentials/authorizeCheck', { handle }, question)
      return readAuthorization(status, body)
    },
    getChallenge: async (credentialID, authObjectID) => {
      // Asking again sends another message to the owner's phone, but signs nothing; still not ours to decide.
      const { status, body } = await call('credentials/getChallenge', { credentialID, authObjectID }, act)
      return status === 204 ? undefined : readChallenge(body)
    },
    sendOtp: async (credentialID) => {
      await call('credentials/sendOTP', { credentialID }, act)
    },
    extendTransaction: async (request) => {
      const { status, body } = await call(
        'credentials/extendTransaction',
        { credentialID: request.credentialId, ...hashFields(request), SAD: request.sad },
        act,
      )
      return readAuthorization(status, body)
    },
    signHash: async (request) => {
      const { body } = await call(
        'signatures/signHash',
        {
          credentialID: request.credentialId,
          ...given('SAD', request.sad),
          ...hashFields(request),
          signAlgo: request.signAlgo,
          ...(request.signAlgoParams === undefined
            ? {}
            : { signAlgoParams: toBase64(request.signAlgoParams) }),
          ...(request.asynchronous === true ? { operationMode: 'A' } : {}),
          ...given('clientData', request.clientData),
        },
        act,
      )
      return readSignatures(body, request.hashes.length)
    },
    signPolling: async (responseId, expected) => {
      const { status, body } = await call('signatures/signPolling', { requestID: responseId }, question)
      if (status === 202) return { kind: 'pending', responseId }
      return readSignatures(body, expected)
    },
    timestamp: async ({ hash, hashAlgorithmOid, nonce }) =>
      readTimestamp(
        (
          await call(
            'signatures/timestamp',
            {
              hash: toBase64(hash),
              hashAlgo: hashAlgorithmOid,
              ...(nonce === undefined ? {} : { nonce: Buffer.from(nonce).toString('hex') }),
            },
            question,
          )
        ).body,
      ),
  }
}

const given = (name: string, value: unknown): Record<string, unknown> =>
  value === undefined ? {} : { [name]: value }

const hashFields = ({ hashes, hashAlgorithmOid }: CscHashes) => ({
  hashes: hashes.map(toBase64),
  hashAlgorithmOID: hashAlgorithmOid,
})

/** A client that an authorisation server knows. */
export interface CscOauthClient {
  readonly clientId: string
  readonly clientSecret: string
}

export interface CscOauth {
  /** §8.4.4, client credentials: the service, without any person. */
  byClientCredentials(client: CscOauthClient): Promise<CscAccessToken>
  /** §8.4.4: exchanges the code that came back to `redirectUri`. */
  byCode(
    client: CscOauthClient & {
      readonly code: string
      readonly codeVerifier: string
      readonly redirectUri: string
    },
  ): Promise<CscAccessToken>
  byRefreshToken(client: CscOauthClient & { readonly refreshToken: string }): Promise<CscAccessToken>
  revoke(client: CscOauthClient & { readonly token: string }): Promise<void>
  /** §8.4.2: where the person is sent. With `credential`, the token that follows authorises exactly these hashes. */
  authorizationUrl(request: {
    readonly clientId: string
    readonly redirectUri: string
    readonly state: string
    /** BASE64URL(SHA-256(code verifier)), RFC 7636 §4.2. */
    readonly codeChallenge: string
    readonly credential?: CscHashes & { readonly credentialId: string; readonly numSignatures: number }
    readonly lang?: string
  }): string
}

/** The authorisation server of a service, at the base its `info` names. */
export function createCscOauth(options: CscTransportOptions): CscOauth {
  const send = createCscTransport(options)
  const token = async (form: Record<string, string>, repeatable: boolean) => {
    const url = methodUrl(options.baseUrl, 'oauth2/token')
    return readAccessToken(
      fields((await send({ url, body: new URLSearchParams(form), repeatable })).body, 'token'),
    )
  }
  return {
    byClientCredentials: ({ clientId, clientSecret }) =>
      token(
        {
          grant_type: 'client_credentials',
          client_id: clientId,
          client_secret: clientSecret,
          scope: 'service',
        },
        true,
      ),
    // A code is good once: a repeated exchange may undo the first (RFC 6749 §4.1.2).
    byCode: ({ clientId, clientSecret, code, codeVerifier, redirectUri }) =>
      token(
        {
          grant_type: 'authorization_code',
          client_id: clientId,
          client_secret: clientSecret,
          code,
          code_verifier: codeVerifier,
          redirect_uri: redirectUri,
        },
        false,
      ),
    byRefreshToken: ({ clientId, clientSecret, refreshToken }) =>
      token(
        {
          grant_type: 'refresh_token',
          client_id: clientId,
          client_secret: clientSecret,
          refresh_token: refreshToken,
        },
        false,
      ),
    revoke: async ({ clientId, clientSecret, token: revoked }) => {
      const form = { token: revoked, client_id: clientId, client_secret: clientSecret }
      const url = methodUrl(options.baseUrl, 'oauth2/revoke')
      await send({ url, body: new URLSearchParams(form), repeatable: true })
    },
    authorizationUrl: ({ clientId, redirectUri, state, codeChallenge, credential, lang }) => {
      const url = new URL(methodUrl(options.baseUrl, 'oauth2/authorize'))
      const parameters = {
        response_type: 'code',
        client_id: clientId,
        redirect_uri: redirectUri,
        scope: credential === undefined ? 'service' : 'credential',
        code_challenge: codeChallenge,
        code_challenge_method: 'S256',
        state,
        ...(lang === undefined ? {} : { lang }),
        ...(credential === undefined
          ? {}
          : {
              credentialID: credential.credentialId,
              numSignatures: String(credential.numSignatures),
              hashes: credential.hashes.map((hash) => Buffer.from(hash).toString('base64url')).join(','),
              hashAlgorithmOID: credential.hashAlgorithmOid,
            }),
      }
      for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value)
      return url.href
    },
  }
}

/**
 * Tokens by client credentials, one at a time, renewed half a minute before they end.
 * @param now milliseconds since 1970
 */
export function cscTokens(oauth: CscOauth, client: CscOauthClient, now: () => number): () => Promise<string> {
  let current: { token: string; until: number } | undefined
  let asking: Promise<string> | undefined
  return () => {
    if (current !== undefined && now() < current.until) return Promise.resolve(current.token)
    asking ??= oauth
      .byClientCredentials(client)
      .then(({ accessToken, expiresInS }) => {
        current = { token: accessToken, until: now() + (expiresInS - 30) * 1000 }
        return accessToken
      })
      .finally(() => {
        asking = undefined
      })
    return asking
  }
}

/** @throws SignerError `service_error` when the service does not offer a method */
export function requireMethods(info: CscInfo, methods: readonly string[]): void {
  const missing = methods.filter((method) => !info.methods.includes(method))
  if (missing.length > 0) throw new SignerError('service_error', `${info.name} has no ${missing.join(', ')}`)
}
