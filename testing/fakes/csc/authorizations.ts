/** What the service has granted: access tokens, one-time codes, signature activation data. */
import { type KeyObject, randomBytes } from 'node:crypto'
import { CscFailure, invalid } from './parameters.ts'

/** The owner's own keys and factors. */
export interface CscCredentialSetup {
  readonly id: string
  readonly privateKey: KeyObject
  /** DER, the signer's own first. */
  readonly certificates: readonly Uint8Array[]
  /** OIDs it signs with. */
  readonly algo: readonly string[]
  readonly mode: 'explicit' | 'oauth2code'
  /** With `mode` explicit: whether a PIN is asked for, and whether an OTP. */
  readonly pin?: string
  readonly otp?: boolean
  readonly scal: '1' | '2'
  readonly multisign: number
  readonly disabled?: boolean
  /** How often `authorizeCheck` says that the owner has not answered yet. */
  readonly ownerAnswersAfter?: number
}

interface Grant {
  readonly credentialId: string
  /** Base64 of the hashes that may be signed; undefined when any may be. */
  readonly hashes: ReadonlySet<string> | undefined
  remaining: number
  readonly untilMs: number
}

export const WRONG_PINS_ALLOWED = 3

/** @param now milliseconds since 1970, which tests move */
export function createAuthorizations(now: () => number) {
  const sads = new Map<string, Grant>()
  /** Used, with signatures left: good for extendTransaction alone. */
  const spent = new Map<string, Grant>()
  const otps = new Map<string, { code: string; untilMs: number }>()
  const wrongPins = new Map<string, number>()
  const waiting = new Map<string, { grant: Grant; asked: number }>()

  const name = () => randomBytes(24).toString('base64url')
  function keep(grant: Grant): string {
    const sad = name()
    sads.set(sad, grant)
    return sad
  }

  return {
    /** Sends a one-time code; returned for the owner, who is the test. */
    newOtp(credentialId: string): string {
      const code = String(randomBytes(4).readUInt32BE() % 1_000_000).padStart(6, '0')
      otps.set(credentialId, { code, untilMs: now() + 5 * 60_000 })
      return code
    },
    /** Checks the factors. @throws CscFailure `invalid_authentication_data`, or that the credential is locked */
    checkFactors({ id, pin, otp }: CscCredentialSetup, authData: unknown): void {
      if ((wrongPins.get(id) ?? 0) >= WRONG_PINS_ALLOWED) throw invalid('Credential locked')
      const needed = [...(pin === undefined ? [] : ['PIN']), ...(otp === true ? ['OTP'] : [])]
      if (needed.length === 0) {
        if (authData !== undefined) throw invalid('Invalid parameter authData')
        return
      }
      const refused = new CscFailure(400, 'invalid_authentication_data', 'The authentication data is invalid')
      if (!Array.isArray(authData) || authData.length !== needed.length) throw refused
      const values = new Map<unknown, unknown>()
      for (const one of authData as { id?: unknown; value?: unknown }[]) values.set(one.id, one.value)
      const sent = otps.get(id)
      const otpGood =
        otp !== true || (sent !== undefined && sent.untilMs > now() && values.get('OTP') === sent.code)
      // A code is good for one try, right or wrong.
      if (otp === true) otps.delete(id)
      if (pin !== undefined && values.get('PIN') !== pin) {
        wrongPins.set(id, (wrongPins.get(id) ?? 0) + 1)
        throw refused
      }
      if (!otpGood) throw new CscFailure(400, 'invalid_otp', 'The OTP is invalid')
      wrongPins.delete(id)
    },
    grant: (
      credential: CscCredentialSetup,
      count: number,
      hashes: readonly Buffer[] | undefined,
      lifetimeS: number,
    ): Grant => {
      if (credential.scal === '2' && hashes === undefined)
        throw invalid('Missing (or invalid type) array parameter hash')
      if (hashes !== undefined && hashes.length > count)
        throw invalid('Invalid value for parameter numSignatures')
      return {
        credentialId: credential.id,
        hashes: hashes === undefined ? undefined : new Set(hashes.map((hash) => hash.toString('base64'))),
        remaining: count,
        untilMs: now() + lifetimeS * 1000,
      }
    },
    keep,
    /** Puts a grant off until its owner has been asked often enough. */
    putOff(grant: Grant): string {
      const handle = name()
      waiting.set(handle, { grant, asked: 0 })
      return handle
    },
    /** The SAD, or undefined while the owner has not answered. */
    check(handle: string, after: (credentialId: string) => number): string | undefined {
      const entry = waiting.get(handle)
      if (entry === undefined) throw invalid('Invalid parameter handle')
      entry.asked += 1
      if (entry.asked <= after(entry.grant.credentialId)) return undefined
      waiting.delete(handle)
      return keep(entry.grant)
    },
    /** Uses up part of an authorisation. @throws CscFailure in the words of §11.10 */
    use(sad: string, credentialId: string, hashes: readonly Buffer[]): void {
      const grant = sads.get(sad)
      if (grant === undefined || grant.credentialId !== credentialId) throw invalid('Invalid parameter SAD')
      if (grant.untilMs <= now()) {
        sads.delete(sad)
        throw invalid('SAD expired')
      }
      if (hashes.length > grant.remaining) throw invalid('Invalid parameter SAD')
      const allowed = grant.hashes
      if (allowed !== undefined && hashes.some((hash) => !allowed.has(hash.toString('base64'))))
        throw invalid('Hash is not authorized by the SAD')
      // One call for one SAD; the next needs extendTransaction (§9).
      sads.delete(sad)
      spent.set(sad, { ...grant, remaining: grant.remaining - hashes.length })
    },
    /** A new SAD from one whose signatures are not all made. */
    extend(sad: string, credentialId: string, hashes: readonly Buffer[] | undefined): string {
      const grant = sads.get(sad) ?? spent.get(sad)
      if (grant === undefined || grant.credentialId !== credentialId || grant.remaining === 0)
        throw invalid('Invalid parameter SAD')
      if (grant.untilMs <= now()) throw invalid('SAD expired')
      sads.delete(sad)
      spent.delete(sad)
      if (grant.hashes !== undefined && hashes === undefined)
        throw invalid('Missing (or invalid type) array parameter hash')
      return keep({
        ...grant,
        hashes: hashes === undefined ? undefined : new Set(hashes.map((hash) => hash.toString('base64'))),
      })
    },
  }
}
