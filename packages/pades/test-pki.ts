// A small certificate authority for tests, benchmarks and corpus runs of this package.
import {
  type CertificateProfile,
  generateSigner,
  issueCertificate,
  issueCrl,
  issueTimestampToken,
  type OcspResponder,
  parseCertificate,
  type SignatureAlgorithm,
  type Signer,
  type SigningDigest,
} from '@yinxin/pki'

export interface Identity {
  readonly signer: Signer
  /** Leaf first. */
  readonly certificates: readonly Uint8Array[]
}

export interface TestPki {
  readonly root: Uint8Array
  readonly rsa: Identity
  readonly p256: Identity
  issue(algorithm: SignatureAlgorithm, name: string, profile?: CertificateProfile, days?: number): Identity
  /** A chain for a key made elsewhere. */
  certify(signer: Signer, name: string): Uint8Array[]
  timestamp(digest: Uint8Array, algorithm: SigningDigest): Uint8Array
  /** The same authority at another time. */
  timestampAt(at: Date): (digest: Uint8Array, algorithm: SigningDigest) => Uint8Array
  /** Answers OCSP requests as the root itself: everything is good, or revoked at a time. */
  responder(at: Date, revokedAt?: Date): OcspResponder
  /** The root's revocation list at a time, naming these serial numbers as revoked then. */
  crl(at: Date, revoked?: readonly { readonly serial: Uint8Array; readonly at: Date }[]): Uint8Array
}

export interface TestPkiOptions {
  /** Of the root and the timestamp authority. */
  readonly algorithm?: SignatureAlgorithm
  /** Of every SM2 key of this authority. */
  readonly sm2Identity?: string
}

const DAY_MS = 86_400_000

/** Makes fresh keys; certificates are valid around the given time. */
export function createTestPki(at: Date, options: TestPkiOptions = {}): TestPki {
  const { algorithm: own = 'ecdsa-p256-sha256', ...key } = options
  let serial = 1
  const authority = generateSigner(own, key)
  const notBefore = new Date(at.getTime() - DAY_MS)
  const next = () => Uint8Array.of(0x51, (serial >> 8) & 255, serial++ & 255)
  const root = issueCertificate(
    {
      subject: { C: 'CN', O: 'Yinxin Test', CN: 'Yinxin Test Root' },
      spki: authority.signer.spki,
      serial: next(),
      notBefore,
      notAfter: new Date(at.getTime() + 3650 * DAY_MS),
      issuer: 'self',
      profile: 'root-ca',
    },
    authority.signer,
  )
  const issuer = parseCertificate(root)
  const issue = (
    algorithm: SignatureAlgorithm,
    name: string,
    profile: CertificateProfile = 'document-signing',
    days = 300,
  ) => {
    const { signer } = generateSigner(algorithm, key)
    return { signer, certificates: certify(signer, name, profile, days) }
  }
  const certify = (
    signer: Signer,
    name: string,
    profile: CertificateProfile = 'document-signing',
    days = 300,
  ) => {
    const notAfter = new Date(at.getTime() + days * DAY_MS)
    const leaf = issueCertificate(
      {
        subject: { C: 'CN', CN: name },
        spki: signer.spki,
        serial: next(),
        notBefore,
        notAfter,
        issuer,
        profile,
      },
      authority.signer,
    )
    return [leaf, root]
  }
  const tsa = issue(own, 'Yinxin Test TSA', 'timestamping')
  const [tsaLeaf = root] = tsa.certificates
  const stampAt = (genTime: Date) => (digest: Uint8Array, algorithm: SigningDigest) =>
    issueTimestampToken(
      {
        messageImprint: { algorithm, digest },
        serial: next(),
        genTime,
        policyOid: '1.3.6.1.4.1.99999.1',
      },
      tsa.signer,
      tsaLeaf,
      [root],
    )
  return {
    root,
    rsa: issue('rsa-pkcs1-sha256', '北京印信科技有限公司'),
    p256: issue('ecdsa-p256-sha256', '王小明'),
    issue,
    certify: (signer, name) => certify(signer, name),
    timestamp: stampAt(at),
    timestampAt: stampAt,
    responder: (thisUpdate, revokedAt) => ({
      issuer,
      certificate: issuer,
      signer: authority.signer,
      producedAt: thisUpdate,
      thisUpdate,
      nextUpdate: new Date(thisUpdate.getTime() + 7 * DAY_MS),
      answer: () => (revokedAt ? { status: 'revoked', at: revokedAt } : { status: 'good' }),
    }),
    crl: (thisUpdate, revoked = []) =>
      issueCrl(
        {
          issuer,
          number: serial++,
          thisUpdate,
          nextUpdate: new Date(thisUpdate.getTime() + 30 * DAY_MS),
          revoked,
        },
        authority.signer,
      ),
  }
}
