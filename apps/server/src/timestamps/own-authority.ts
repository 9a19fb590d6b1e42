import { randomBytes } from 'node:crypto'
import {
  buildTimestampResponse,
  type DigestAlgorithm,
  PkiError,
  parseCertificate,
  parseTimestampRequest,
  prepareTimestampAuthority,
  type Signer,
  type TimestampFailure,
} from '@yinxin/pki'
import type { Clock } from '#src/clock.ts'

/** What the authority is made of; the certificate has the sole, critical purpose of timestamping. */
export interface AuthorityOptions {
  signer: Signer
  certificateDer: Uint8Array
  chain: Uint8Array[]
  clock: Clock
  policyOid: string
}

export interface OwnAuthority {
  /** A token over a digest, without the way through request and response. */
  stamp(digest: Uint8Array, algorithm: DigestAlgorithm): { token: Uint8Array; genTime: Date }
  /** Answers a TimeStampReq with a TimeStampResp; a request that it cannot serve is answered with the reason. */
  respond(request: Uint8Array): Uint8Array
}

/** The clock is the machine's; operators keep it within this by NTP, as the policy says. */
const accuracyMs = 1000

/** Digests that are strong enough for a promise over many years (ETSI TS 119 312). */
const accepted = new Set<DigestAlgorithm>(['sha256', 'sha384', 'sha512', 'sha3-256', 'sha3-384', 'sha3-512'])

/** A timestamp authority (RFC 3161, RFC 5816). */
export function createOwnAuthority(options: AuthorityOptions): OwnAuthority {
  const { signer, certificateDer, chain, clock, policyOid } = options
  const { subjectDer, notAfter } = parseCertificate(certificateDer)
  const authority = prepareTimestampAuthority(signer, certificateDer, chain)

  function issue(
    algorithm: DigestAlgorithm,
    digest: Uint8Array,
    more: { nonce?: Uint8Array; omitCertificates?: boolean },
  ) {
    const genTime = clock.now()
    if (genTime > notAfter) throw new Error('the certificate of the timestamp authority has expired')
    const token = authority.issue({
      messageImprint: { algorithm, digest },
      // 127 random bits are unique without a register, over restarts and over several processes (RFC 3161 §2.4.2).
      serial: newSerial(),
      genTime,
      policyOid,
      accuracyMs,
      tsaName: subjectDer,
      ...more,
    })
    return { token, genTime }
  }

  function respond(der: Uint8Array): Uint8Array {
    try {
      const request = parseTimestampRequest(der)
      if (request.hasExtensions) return rejected('unacceptedExtension', 'no extension is supported')
      if (!accepted.has(request.messageImprint.algorithm))
        return rejected('badAlg', 'the digest algorithm is too weak')
      if (request.policyOid !== undefined && request.policyOid !== policyOid) {
        return rejected('unacceptedPolicy', `the policy is ${policyOid}`)
      }
      const { token } = issue(request.messageImprint.algorithm, request.messageImprint.digest, {
        ...(request.nonce === undefined ? {} : { nonce: request.nonce }),
        ...(request.certReq ? {} : { omitCertificates: true }),
      })
      return buildTimestampResponse({ token })
    } catch (error) {
      if (!(error instanceof PkiError)) throw error
      if (error.code === 'unsupported') return rejected('badAlg', 'the digest algorithm is not known')
      return rejected('badDataFormat', 'this is no timestamp request')
    }
  }

  return { stamp: (digest, algorithm) => issue(algorithm, digest, {}), respond }
}

const rejected = (failure: TimestampFailure, text: string) => buildTimestampResponse({ failure, text })

function newSerial(): Uint8Array {
  const serial = randomBytes(16)
  serial[0] = (serial[0]! & 0x7f) | 0x40
  return serial
}
