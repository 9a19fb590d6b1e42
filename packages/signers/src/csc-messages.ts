/** The messages of the CSC API 2.0.0.2 that are used here, and strict readers for what a service answers. */
import { SignerError } from './signer-error.ts'

/** §11.1. */
export interface CscInfo {
  readonly specs: string
  readonly name: string
  readonly description: string
  readonly region: string
  readonly authType: readonly string[]
  /** Base of the authorisation server. */
  readonly oauth2?: string
  readonly asynchronousOperationMode: boolean
  readonly methods: readonly string[]
  readonly signAlgorithms: readonly string[]
  /** The service says that it only simulates one: an extension that real services do not send. */
  readonly simulator: boolean
}

/** §8.3: what a credential's owner has to show. */
export interface CscAuthObject {
  readonly type: string
  readonly id: string
  readonly label?: string
  readonly description?: string
  readonly format?: string
  readonly generator?: string
}

/** §11.5. */
export interface CscCredential {
  readonly key: {
    readonly status: 'enabled' | 'disabled'
    readonly algo: readonly string[]
    readonly len: number
    readonly curve?: string
  }
  readonly cert: {
    readonly status?: 'valid' | 'expired' | 'revoked' | 'suspended'
    /** DER, the signer's own first. */
    readonly certificates: readonly Uint8Array[]
  }
  readonly auth: {
    readonly mode: 'explicit' | 'oauth2code'
    readonly expression?: string
    readonly objects: readonly CscAuthObject[]
  }
  readonly scal: '1' | '2'
  /** Signatures one authorisation may cover. */
  readonly multisign: number
}

/** §8.3.1: one factor; without a value where the answer goes another way. */
export interface CscAuthData {
  readonly id: string
  readonly value?: string
}

/** §11.6: the authorisation, or a handle to ask again with while its owner has not answered. */
export type CscAuthorization =
  | { readonly kind: 'granted'; readonly sad: string; readonly expiresInS: number }
  | { readonly kind: 'pending'; readonly handle: string }

/** §11.10, §11.12. */
export type CscSignatures =
  | { readonly kind: 'done'; readonly signatures: readonly Uint8Array[] }
  | { readonly kind: 'pending'; readonly responseId: string }

export interface CscAccessToken {
  readonly accessToken: string
  readonly refreshToken?: string
  readonly expiresInS: number
}

type Fields = Readonly<Record<string, unknown>>

const broken = (what: string) => new SignerError('answer_invalid', what)

/** An object, or a refusal. */
export function fields(value: unknown, what: string): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw broken(`${what} is no object`)
  return value as Fields
}

function text(from: Fields, name: string): string {
  const value = from[name]
  if (typeof value !== 'string' || value === '') throw broken(`${name} is missing`)
  return value
}

function optionalText<N extends string>(from: Fields, name: N): { [K in N]?: string } {
  const value = from[name]
  // §7.1: null says that an optional parameter is absent.
  if (value === undefined || value === null) return {}
  if (typeof value !== 'string') throw broken(`${name} is no text`)
  return { [name]: value } as { [K in N]?: string }
}

function texts(from: Fields, name: string): string[] {
  const value = from[name]
  if (!Array.isArray(value) || !value.every((one) => typeof one === 'string'))
    throw broken(`${name} is no list of texts`)
  return value as string[]
}

function count(from: Fields, name: string, otherwise?: number): number {
  const value = from[name] ?? otherwise
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0)
    throw broken(`${name} is no number`)
  return value
}

function oneOf<T extends string>(value: unknown, allowed: readonly T[], name: string): T {
  const found = allowed.find((one) => one === value)
  if (found === undefined) throw broken(`${name} is ${JSON.stringify(value)}`)
  return found
}

/** Base64 of RFC 4648 §4, padded, without line breaks (§7.1). */
export function fromBase64(value: string, name: string): Uint8Array {
  if (value === '' || value.length % 4 !== 0 || !/^[A-Za-z0-9+/]+={0,2}$/.test(value))
    throw broken(`${name} is no base64`)
  return new Uint8Array(Buffer.from(value, 'base64'))
}

export const toBase64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64')

export function readInfo(value: unknown): CscInfo {
  const all = fields(value, 'info')
  const methods = texts(all, 'methods')
  const algorithms =
    all.signAlgorithms === undefined ? [] : texts(fields(all.signAlgorithms, 'signAlgorithms'), 'algos')
  return {
    specs: text(all, 'specs'),
    name: text(all, 'name'),
    description: text(all, 'description'),
    region: text(all, 'region'),
    authType: texts(all, 'authType'),
    ...optionalText(all, 'oauth2'),
    asynchronousOperationMode: all.asynchronousOperationMode === true,
    methods,
    signAlgorithms: algorithms,
    simulator: all.simulator === true,
  }
}

export const readCredentialIds = (value: unknown): string[] =>
  texts(fields(value, 'credentials/list'), 'credentialIDs')

export function readCredential(value: unknown): CscCredential {
  const all = fields(value, 'credentials/info')
  const key = fields(all.key, 'key')
  const cert = all.cert === undefined ? {} : fields(all.cert, 'cert')
  const auth = fields(all.auth, 'auth')
  const mode = oneOf(auth.mode, ['explicit', 'oauth2code'], 'auth/mode')
  const objects = auth.objects ?? []
  if (!Array.isArray(objects)) throw broken('auth/objects is no list')
  return {
    key: {
      status: oneOf(key.status, ['enabled', 'disabled'], 'key/status'),
      algo: texts(key, 'algo'),
      len: count(key, 'len'),
      ...optionalText(key, 'curve'),
    },
    cert: {
      ...(cert.status === undefined || cert.status === null
        ? {}
        : { status: oneOf(cert.status, ['valid', 'expired', 'revoked', 'suspended'], 'cert/status') }),
      certificates:
        cert.certificates === undefined
          ? []
          : texts(cert, 'certificates').map((one) => fromBase64(one, 'cert/certificates')),
    },
    auth: { mode, ...optionalText(auth, 'expression'), objects: objects.map(readAuthObject) },
    scal: oneOf(all.SCAL ?? '1', ['1', '2'], 'SCAL'),
    multisign: count(all, 'multisign'),
  }
}

function readAuthObject(value: unknown): CscAuthObject {
  const one = fields(value, 'auth/objects')
  return {
    type: text(one, 'type'),
    id: text(one, 'id'),
    ...optionalText(one, 'label'),
    ...optionalText(one, 'description'),
    ...optionalText(one, 'format'),
    ...optionalText(one, 'generator'),
  }
}

/** One hour, where the service does not say. */
const DEFAULT_LIFETIME_S = 3600

export function readAuthorization(status: number, value: unknown): CscAuthorization {
  const all = fields(value, 'credentials/authorize')
  if (status === 202) return { kind: 'pending', handle: text(all, 'handle') }
  return { kind: 'granted', sad: text(all, 'SAD'), expiresInS: count(all, 'expiresIn', DEFAULT_LIFETIME_S) }
}

/** @param expected how many hashes were sent: an answer with another count fits nothing */
export function readSignatures(value: unknown, expected: number): CscSignatures {
  const all = fields(value, 'signatures/signHash')
  if (all.signatures === undefined && all.responseID !== undefined)
    return { kind: 'pending', responseId: text(all, 'responseID') }
  const signatures = texts(all, 'signatures').map((one) => fromBase64(one, 'signatures'))
  if (signatures.length !== expected) throw broken(`${signatures.length} signatures for ${expected} hashes`)
  return { kind: 'done', signatures }
}

export function readAccessToken(value: unknown): CscAccessToken {
  const all = fields(value, 'oauth2/token')
  if (text(all, 'token_type').toLowerCase() !== 'bearer') throw broken('token_type is not Bearer')
  const { refresh_token } = optionalText(all, 'refresh_token')
  return {
    accessToken: text(all, 'access_token'),
    ...(refresh_token === undefined ? {} : { refreshToken: refresh_token }),
    expiresInS: count(all, 'expires_in', DEFAULT_LIFETIME_S),
  }
}

export const readChallenge = (value: unknown): string =>
  text(fields(value, 'credentials/getChallenge'), 'challenge')

export const readTimestamp = (value: unknown): Uint8Array =>
  fromBase64(text(fields(value, 'signatures/timestamp'), 'timestamp'), 'timestamp')
