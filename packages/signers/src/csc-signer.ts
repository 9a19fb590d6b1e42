/** A signer of @yinxin/pki over a credential of a remote signing service. */
import { createHash } from 'node:crypto'
import {
  type AsyncSigner,
  type Certificate,
  parseCertificate,
  type SigningDigest,
  verifyTimestampToken,
} from '@yinxin/pki'
import { chainFor } from './certificate-chain.ts'
import { type CscClient, type CscHashes, requireMethods } from './csc-client.ts'
import type { CscAuthData, CscAuthObject, CscCredential, CscInfo } from './csc-messages.ts'
import { algorithmFor } from './pkcs11-signer.ts'
import { digestOf, ecdsaToDer, isSignatureOf, type RemoteAlgorithm } from './signature-forms.ts'
import { SignerError } from './signer-error.ts'

/** What the credential's owner is asked. */
export interface CscAuthQuestion extends CscHashes {
  readonly credentialId: string
  readonly numSignatures: number
  /** Which factors, and how they combine, such as `PIN AND OTP`. */
  readonly objects: readonly CscAuthObject[]
  readonly expression?: string
  /** Has a challenge made for a factor; undefined when it reaches the owner another way. */
  challenge(authObjectId: string): Promise<string | undefined>
}

export interface CscSignerOptions {
  readonly client: CscClient
  readonly credentialId: string
  /** Inferred from the credential; given only to ask for PSS with an RSA key. */
  readonly algorithm?: RemoteAlgorithm
  /** For credentials with explicit authorisation: the factors. */
  readonly authenticate?: (question: CscAuthQuestion) => Promise<readonly CscAuthData[]>
  /** For credentials authorised by OAuth 2.0: a token of the scope `credential` over exactly these hashes. */
  readonly credentialToken?: (
    request: CscHashes & { readonly credentialId: string; readonly numSignatures: number },
  ) => Promise<string>
  /** Asks for the signatures and fetches them later. */
  readonly asynchronous?: boolean
  readonly wait: (ms: number) => Promise<void>
  /** Between two questions whether the owner or the service is done; 2 s when left out. */
  readonly pollMs?: number
  /** How long to go on asking; 2 min when left out. */
  readonly maxWaitMs?: number
  /** Told to the owner, up to 500 characters. */
  readonly description?: string
  /** When the certificate has to be valid. */
  readonly at: Date
}

export interface CscSigner extends AsyncSigner {
  readonly algorithm: RemoteAlgorithm
  readonly certificates: readonly Uint8Array[]
  readonly info: CscInfo
  readonly credential: CscCredential
  /** Several signatures under one authorisation, in order. */
  signAll(data: readonly Uint8Array[]): Promise<Uint8Array[]>
}

const HASH_OIDS = { sha256: '2.16.840.1.101.3.4.2.1', sha384: '2.16.840.1.101.3.4.2.2' } as const

/** RSASSA-PSS-params of SHA-256, MGF1 with SHA-256 and a salt of 32 octets (RFC 4055 §3.1). */
const PSS_SHA256 = Buffer.from(
  '3034a00f300d06096086480165030402010500a11c301a06092a864886f70d010108300d06096086480165030402010500a203020120',
  'hex',
)

/** What to ask a credential for, the most definite first. */
const signAlgos: Record<Exclude<RemoteAlgorithm, 'ed25519'>, readonly string[]> = {
  'rsa-pkcs1-sha256': ['1.2.840.113549.1.1.11', '1.2.840.113549.1.1.1'],
  'rsa-pss-sha256': ['1.2.840.113549.1.1.10'],
  'ecdsa-p256-sha256': ['1.2.840.10045.4.3.2'],
  'ecdsa-p384-sha384': ['1.2.840.10045.4.3.3'],
}

/**
 * Opens a credential: asks the service what it is and offers, and checks that the credential can sign.
 * Signatures are verified with the certificate's key before they are given out.
 * @throws SignerError
 */
export async function cscSigner(options: CscSignerOptions): Promise<CscSigner> {
  const { client, credentialId } = options
  // 1. The service and the credential.
  const info = await client.info()
  requireMethods(info, ['credentials/info', 'signatures/signHash'])
  const credential = await client.credential(credentialId)
  const { certificate, certificates } = usable(credential, options.at)
  if (options.asynchronous === true && !info.asynchronousOperationMode)
    throw new SignerError('service_error', `${info.name} signs only at once`)

  // 2. How it signs.
  const { spki } = certificate
  const algorithm = algorithmFor(spki, options.algorithm)
  if (algorithm === 'ed25519')
    throw new SignerError('algorithm_unsupported', 'Ed25519 signs no hashes made elsewhere')
  const offered = signAlgos[algorithm].find((oid) => credential.key.algo.includes(oid))
  if (offered === undefined)
    throw new SignerError(
      'algorithm_unsupported',
      `${algorithm}; the credential has ${credential.key.algo.join(', ')}`,
    )
  const signAlgo: string = offered
  const digest = digestOf(algorithm) ?? 'sha256'

  async function signAll(data: readonly Uint8Array[]): Promise<Uint8Array[]> {
    if (data.length === 0) return []
    if (data.length > credential.multisign)
      throw new SignerError(
        'invalid_request',
        `${data.length} signatures; the credential allows ${credential.multisign} at once`,
      )
    const hashes = data.map((one) => new Uint8Array(createHash(digest).update(one).digest()))
    const over = { hashes, hashAlgorithmOid: HASH_OIDS[digest] }
    const sad = await authorize(options, credential, over)
    const asked = await client.signHash({
      credentialId,
      ...over,
      sad,
      signAlgo,
      ...(algorithm === 'rsa-pss-sha256' ? { signAlgoParams: PSS_SHA256 } : {}),
      ...(options.asynchronous === true ? { asynchronous: true } : {}),
    })
    const signatures =
      asked.kind === 'done' ? asked.signatures : await fetchLater(options, asked.responseId, data.length)
    return signatures.map((given, index) => confirmed(algorithm, spki, data[index] as Uint8Array, given))
  }

  return {
    algorithm,
    spki,
    certificates,
    info,
    credential,
    signAll,
    sign: async (data) => (await signAll([data]))[0] as Uint8Array,
  }
}

/** The certificate of a credential that can sign, and its chain. */
function usable(
  credential: CscCredential,
  at: Date,
): { certificate: Certificate; certificates: Uint8Array[] } {
  const { key, cert } = credential
  if (key.status !== 'enabled') throw new SignerError('credential_unusable', 'the key is disabled')
  if (cert.status !== undefined && cert.status !== 'valid')
    throw new SignerError('credential_unusable', `the certificate is ${cert.status}`)
  const [first] = cert.certificates
  if (first === undefined) throw new SignerError('certificate_missing')
  let certificate: Certificate
  let chain: Uint8Array[] | undefined
  try {
    certificate = parseCertificate(first)
    chain = chainFor(certificate.spki, cert.certificates)
  } catch (error) {
    throw new SignerError('answer_invalid', 'a certificate cannot be read', { cause: error })
  }
  if (at < certificate.notBefore || at > certificate.notAfter)
    throw new SignerError('credential_unusable', `valid until ${certificate.notAfter.toISOString()}`)
  if (chain === undefined || (cert.certificates.length > 1 && chain.length === 1))
    throw new SignerError('certificate_wrong', 'the certificates are no chain')
  return { certificate, certificates: chain }
}

/** The signature activation data over these hashes. */
async function authorize(
  options: CscSignerOptions,
  credential: CscCredential,
  over: CscHashes,
): Promise<string> {
  const { client, credentialId, description } = options
  const { mode, objects, expression } = credential.auth
  const request = { credentialId, numSignatures: over.hashes.length, ...over }
  if (mode === 'oauth2code') {
    if (options.credentialToken === undefined)
      throw new SignerError(
        'authorization_refused',
        'the credential is authorised by OAuth 2.0; no token was given',
      )
    return options.credentialToken(request)
  }
  let authData: readonly CscAuthData[] = []
  if (objects.length > 0) {
    if (options.authenticate === undefined)
      throw new SignerError('authorization_refused', `needed: ${objects.map(({ id }) => id).join(', ')}`)
    authData = await options.authenticate({
      ...request,
      objects,
      ...(expression === undefined ? {} : { expression }),
      challenge: (authObjectId) => client.getChallenge(credentialId, authObjectId),
    })
  }
  let answer = await client.authorize({
    ...request,
    ...(objects.length === 0 ? {} : { authData }),
    ...(description === undefined ? {} : { description }),
  })
  const patience = patienceOf(options)
  while (answer.kind === 'pending') {
    await patience.next('the owner has not answered')
    answer = await client.authorizeCheck(answer.handle)
  }
  return answer.sad
}

async function fetchLater(
  options: CscSignerOptions,
  responseId: string,
  expected: number,
): Promise<readonly Uint8Array[]> {
  const patience = patienceOf(options)
  for (;;) {
    await patience.next(responseId)
    const answer = await options.client.signPolling(responseId, expected)
    if (answer.kind === 'done') return answer.signatures
  }
}

function patienceOf({ wait, pollMs = 2_000, maxWaitMs = 120_000 }: CscSignerOptions) {
  let waitedMs = 0
  return {
    async next(what: string): Promise<void> {
      if (waitedMs >= maxWaitMs) throw new SignerError('pending_too_long', what)
      await wait(pollMs)
      waitedMs += pollMs
    },
  }
}

/** The signature if it is the key's, ECDSA in DER even from services that send r‖s. */
function confirmed(
  algorithm: RemoteAlgorithm,
  spki: Uint8Array,
  data: Uint8Array,
  given: Uint8Array,
): Uint8Array {
  if (isSignatureOf(algorithm, spki, data, given)) return given
  if (algorithm.startsWith('ecdsa') && (given.length === 64 || given.length === 96)) {
    const der = ecdsaToDer(given)
    if (isSignatureOf(algorithm, spki, data, der)) return der
  }
  throw new SignerError('signature_wrong')
}

/** Tokens of the service's own authority, verified before they are used; as `timestamp` of @yinxin/pades. */
export function cscTimestamp(
  client: CscClient,
  options: { readonly anchors?: readonly Certificate[]; readonly nonce: () => Uint8Array },
) {
  return async (digest: Uint8Array, algorithm: SigningDigest): Promise<Uint8Array> => {
    if (algorithm !== 'sha256' && algorithm !== 'sha384')
      throw new SignerError('algorithm_unsupported', algorithm)
    const nonce = options.nonce()
    const token = await client.timestamp({ hash: digest, hashAlgorithmOid: HASH_OIDS[algorithm], nonce })
    const { anchors } = options
    const { ok, problems } = verifyTimestampToken(
      token,
      { digest, digestAlgorithm: algorithm },
      { nonce, ...(anchors === undefined ? {} : { anchors }) },
    )
    if (!ok)
      throw new SignerError('answer_invalid', `timestamp: ${problems.map(({ code }) => code).join(', ')}`)
    return token
  }
}
