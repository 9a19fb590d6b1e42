import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createTimestampClient, PkiError, parseCertificate, parsePem } from '@yinxin/pki'
import type { Breaker } from '#src/breakers/breakers.ts'
import type { Ca } from '#src/ca/ca.ts'
import type { Clock } from '#src/clock.ts'
import type { Log } from '#src/log.ts'
import { refuse } from './errors.ts'
import { authorityPort, guardedPort } from './outside-authority.ts'
import { createOwnAuthority } from './own-authority.ts'

export interface Timestamp {
  /** RFC 3161 token, a ContentInfo in DER. */
  token: Uint8Array
  genTime: Date
  /** `own`, or the URL of the authority that answered. */
  authority: string
}

export interface Timestamps {
  /**
   * A verified token over a SHA-256 digest: from the configured authorities in their order, or from the
   * own one when none is configured. Never falls back from outside to own.
   * @throws Refusal `timestamp_unavailable`
   */
  stamp(digest: Uint8Array): Promise<Timestamp>
  /** The own authority's answer to a TimeStampReq, for everybody. */
  respond(request: Uint8Array): Uint8Array
}

export interface TimestampsDeps {
  ca: Pick<Ca, 'timestampSigner'>
  clock: Clock
  log: Log
  /** Outside authorities in order of preference (YINXIN_TSA_URLS); empty means the own one. */
  urls?: readonly string[]
  /** Roots that the outside authorities must lead to, DER. Without them only their signatures are checked. */
  anchors?: readonly Uint8Array[]
  /** Of one authority; the next is asked afterwards. */
  timeoutMs?: number
  /** An authority that failed is asked last for this long. */
  restMs?: number
  toleranceMs?: number
  /** The circuit to an authority. */
  breakerOf?: (url: string) => Breaker
  /** Policy of the own authority. */
  policyOid?: string
}

/**
 * From the arc that IANA reserves for documentation (RFC 5612): valid everywhere, claimed by nobody. An
 * operator with a written timestamp policy configures that policy's own identifier.
 */
const documentationPolicy = '1.3.6.1.4.1.32473.8420.1'

/**
 * The roots of outside authorities from a PEM file, DER each.
 * @throws when the file is missing, holds no certificate or one that does not parse: at the start, not at the first signature
 */
export function readAnchors(file: string): Uint8Array[] {
  const anchors = parsePem(readFileSync(file, 'utf8'), 'CERTIFICATE')
  for (const der of anchors) parseCertificate(der)
  return anchors
}

export function createTimestamps(deps: TimestampsDeps): Timestamps {
  const { ca, clock, log, urls = [], timeoutMs = 5_000, restMs = 30_000, toleranceMs = 5 * 60_000 } = deps
  const own = createOwnAuthority({
    ...ca.timestampSigner(),
    clock,
    policyOid: deps.policyOid ?? documentationPolicy,
  })
  const anchors = (deps.anchors ?? []).map((der) => parseCertificate(der))
  const outside = createTimestampClient({
    authorities: urls,
    send: deps.breakerOf ? guardedPort(authorityPort(timeoutMs), deps.breakerOf) : authorityPort(timeoutMs),
    now: () => clock.now(),
    nonce: newNonce,
    ...(anchors.length === 0 ? {} : { anchors }),
    toleranceMs,
    restMs,
    onFailure: (authority, error) => log.warn({ err: error, authority }, 'a timestamp authority failed'),
  })

  async function fromOutside(digest: Uint8Array): Promise<Timestamp> {
    try {
      return await outside.stamp(digest, 'sha256')
    } catch (error) {
      if (!(error instanceof PkiError) || error.code !== 'unavailable') throw error
      throw refuse('timestamp_unavailable', { reason: error.message })
    }
  }

  return {
    async stamp(digest) {
      if (digest.length !== 32) throw new Error(`a SHA-256 digest has 32 bytes, not ${digest.length}`)
      if (urls.length > 0) return fromOutside(digest)
      return { ...own.stamp(digest, 'sha256'), authority: 'own' }
    },
    respond: own.respond,
  }
}

/** Positive and without leading zeros, as some authorities insist. */
function newNonce(): Uint8Array {
  const nonce = randomBytes(16)
  nonce[0] = (nonce[0]! & 0x7f) | 0x40
  return nonce
}
