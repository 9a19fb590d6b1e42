/**
 * What this package costs beyond the cryptography it cannot avoid. Run: node packages/pki/bench.ts
 * Each figure is the best of several interleaved rounds, which is the least disturbed one on a shared machine.
 */
import {
  buildSignedAttributes,
  buildSignedData,
  digest,
  generateSigner,
  generateSm2Key,
  issueCertificate,
  issueTimestampToken,
  parseCertificate,
  parseSignedData,
  prepareIssuer,
  type Signer,
  signDetached,
  verifySignedData,
} from './src/pki.ts'

const day = 86_400_000
const now = new Date(Math.floor(Date.now() / 1000) * 1000)
const later = (days: number) => new Date(now.getTime() + days * day)
const serial = Uint8Array.of(0x4a, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)

const { signer: caKey } = generateSigner('ecdsa-p256-sha256')
const root = parseCertificate(
  issueCertificate(
    {
      issuer: 'self',
      profile: 'root-ca',
      subject: { C: 'CN', O: '印信', CN: '根' },
      spki: caKey.spki,
      serial,
      notBefore: now,
      notAfter: later(3650),
    },
    caKey,
  ),
)
const { signer: subjectKey } = generateSigner('ecdsa-p256-sha256')
/** Stands in for a key, so that only the building is measured. */
const idle = (signer: Signer): Signer => {
  const signature = signer.sign(serial)
  return { ...signer, sign: () => signature }
}
const shared = {
  crlUrls: ['http://ca.example.cn/1.crl'],
  caIssuerUrls: ['http://ca.example.cn/1.cer'],
  policyOids: ['1.3.6.1.4.1.99999.1.1'],
}
const fields = {
  profile: 'event-signing',
  subject: { C: 'CN', O: '北京某某科技有限公司', CN: '张三', serialNumber: 'a1b2c3d4e5f6' },
  spki: subjectKey.spki,
  serial,
  notBefore: now,
  notAfter: later(1),
} as const
const prepared = prepareIssuer(root, caKey, shared)
const preparedIdle = prepareIssuer(root, idle(caKey), shared)
const eventDer = prepared.issue(fields)
const contentDigest = digest('sha256', serial)
const tbs = parseCertificate(eventDer).tbsDer
const { signer: tsaKey } = generateSigner('ecdsa-p256-sha256')
const tsaDer = prepared.issue({ ...fields, profile: 'timestamping', spki: tsaKey.spki })
const tsaIdle = idle(tsaKey)
const stamp = {
  messageImprint: { algorithm: 'sha256', digest: contentDigest },
  serial,
  genTime: now,
  policyOid: '1.3.6.1.4.1.99999.2',
} as const
const token = issueTimestampToken(stamp, tsaKey, tsaDer)

function buildCms(signer: Signer): Uint8Array {
  const signedAttributes = buildSignedAttributes({
    digest: contentDigest,
    digestAlgorithm: 'sha256',
    signingCertificate: eventDer,
  })
  return buildSignedData({
    digestAlgorithm: 'sha256',
    signedAttributes,
    signature: signer.sign(signedAttributes),
    signatureAlgorithm: signer.algorithm,
    signingCertificate: eventDer,
    certificates: [root.der],
    timestampToken: token,
  })
}
const subjectIdle = idle(subjectKey)
const cms = buildCms(subjectKey)

const { signer: sm2Key } = generateSm2Key()
const sm2Certificate = parseCertificate(prepared.issue({ ...fields, spki: sm2Key.spki }))
const sm2Signed = parseSignedData(
  signDetached({
    digest: digest('sm3', serial),
    signer: sm2Key,
    signingCertificate: sm2Certificate.der,
    certificates: [],
  }),
)

const subjects: Record<string, () => unknown> = {
  'raw P-256 signature': () => caKey.sign(tbs),
  'P-256 key generation': () => generateSigner('ecdsa-p256-sha256'),
  'event certificate, whole': () => prepared.issue(fields),
  'event certificate, without its signature': () => preparedIdle.issue(fields),
  'CMS with timestamp attribute, without its signature': () => buildCms(subjectIdle),
  'timestamp token, without its signature': () => issueTimestampToken(stamp, tsaIdle, tsaDer),
  'parse a certificate': () => parseCertificate(eventDer),
  'parse a CMS container': () => parseSignedData(cms),
  'verify a CMS container': () => verifySignedData(parseSignedData(cms), { content: serial }),
  'SM2 signature': () => sm2Key.sign(tbs),
  'verify a parsed CMS container under SM2': () => verifySignedData(sm2Signed, { content: serial }),
}

const rounds = 7
const roundMs = 120
const best = new Map<string, number>()
for (let round = 0; round <= rounds; round += 1)
  for (const [name, run] of Object.entries(subjects)) {
    let count = 0
    const start = performance.now()
    let elapsed = 0
    do {
      for (let index = 0; index < 50; index += 1) run()
      count += 50
      elapsed = performance.now() - start
    } while (elapsed < roundMs)
    // The first round only warms up.
    if (round > 0) best.set(name, Math.min(best.get(name) ?? Infinity, (elapsed * 1000) / count))
  }

for (const [name, micros] of best)
  console.log(
    `${name.padEnd(54)} ${micros.toFixed(1).padStart(8)} µs ${Math.round(1e6 / micros)
      .toString()
      .padStart(8)}/s`,
  )
const share = best.get('raw P-256 signature')! / best.get('event certificate, whole')!
console.log(`event certificate: ${(share * 100).toFixed(0)} % of the time is its signature`)
