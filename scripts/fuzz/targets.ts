/** What must hold of every input, however it was mutated: it is read or refused, and nothing forged is accepted. */
import { inspectPdf, PdfRefusal, prepareSignature, verifyPdf } from '@yinxin/pades'
import {
  acceptEnrolled,
  type Certificate,
  lintCertificate,
  PkiError,
  parseCertificate,
  parseCertificateRequest,
  parseCrl,
  parseEstAnswer,
  parseEstEnrollBody,
  parseOcspRequest,
  parseOcspResponse,
  parseSignedData,
  type SignerInfo,
  validatePath,
  verifyCertificateRequest,
  verifyCertificateSignature,
  verifyCrl,
  verifyOcspResponse,
  verifySignedData,
  verifyTimestampToken,
} from '@yinxin/pki'
import type { Revision } from './cases.ts'
import { hashOf, rangesOf, type Sample, type Samples, type Target } from './samples.ts'

/** Something forged was accepted. */
export class FalseAccept extends Error {
  override name = 'FalseAccept'
}

/** Something that changed nothing was called a change. */
export class FalseAlarm extends Error {
  override name = 'FalseAlarm'
}

type Check = (bytes: Uint8Array, sample: Sample, revised?: Revision) => void

/** The facts of the unchanged samples are gathered once. Checks throw what is wrong, and return otherwise. */
export function makeChecks(samples: Samples, at: Date): Record<Target, Check> {
  const own = parseCertificate(samples.root)
  const roots = new Map(
    samples.list.flatMap(({ root }) => (root ? [[root, parseCertificate(root)] as const] : [])),
  )
  const rootOf = ({ root }: Sample): Certificate => (root && roots.get(root)) ?? own
  const known = knownParts(samples)
  return {
    revision: (bytes, sample, revised) => {
      checkPdf(bytes, sample, samples, known, at)
      if (revised) checkRevision(bytes, sample, revised)
    },
    ocsp: (bytes, sample) => {
      const root = rootOf(sample)
      refused(() => parseOcspRequest(bytes))
      const certificate = parseCertificate(sample.about ?? root.der)
      const answer = verifyOcspResponse(bytes, { certificate, issuer: root, at })
      if (answer.ok && answer.response && !known.has(hashOf(answer.response.tbsDer)))
        throw new FalseAccept(`an answer of "${answer.status}" that nobody gave was accepted`)
    },
    csr: (bytes) => {
      const request = refused(() => parseCertificateRequest(bytes))
      if (request && verifyCertificateRequest(request) && !known.has(hashOf(request.infoDer)))
        throw new FalseAccept('a request nobody signed was accepted')
    },
    est: (bytes, sample) => checkEst(bytes, sample, rootOf(sample), known, at),
    pdf: (bytes, sample) => checkPdf(bytes, sample, samples, known, at),
    cms: (bytes, sample) => {
      const content = sample.content ?? new Uint8Array(0)
      const container = refused(() => parseSignedData(bytes, { allowZeroPadding: true }))
      if (!container || !verifySignedData(container, { content }).ok) return
      for (const signer of container.signers) {
        if (!known.has(signedBy(signer, content)))
          throw new FalseAccept('a signature over other attributes was accepted')
      }
    },
    certificate: (bytes, sample) => {
      const root = rootOf(sample)
      const certificate = refused(() => parseCertificate(bytes))
      refused(() => lintCertificate(bytes, 'document-signing', root))
      if (!certificate) return
      const vouched = verifyCertificateSignature(certificate, root)
      const path = validatePath({
        leaf: certificate,
        intermediates: [],
        anchors: [root],
        at,
        purpose: 'signing',
      })
      if ((vouched || path.ok) && !known.has(hashOf(certificate.tbsDer)))
        throw new FalseAccept('a certificate nobody issued was accepted')
    },
    timestamp: (bytes, sample) => {
      const content = sample.content ?? new Uint8Array(0)
      const result = verifyTimestampToken(bytes, { content }, { anchors: [rootOf(sample)] })
      if (!result.ok) return
      const time = result.genTime?.toISOString() ?? ''
      if (!known.has(`${hashOf(content)} ${time}`)) throw new FalseAccept(`a token of ${time} was accepted`)
    },
    crl: (bytes, sample) => {
      const crl = refused(() => parseCrl(bytes))
      if (crl && verifyCrl(crl, rootOf(sample)) && !known.has(hashOf(crl.tbsDer)))
        throw new FalseAccept('a revocation list nobody issued was accepted')
    },
  }
}

/** Attributes are a SET, signed in the order of DER however they are stored (RFC 5652 §5.4): the order says nothing. */
function signedBy(
  { signature, rawSignedAttributes, signedAttributes }: SignerInfo,
  content: Uint8Array,
): string {
  if (rawSignedAttributes === undefined) return hashOf(content, signature)
  const attributes = signedAttributes.map(({ oid, values }) => {
    return `${oid} ${values.map((value) => Buffer.from(value).toString('hex')).join(' ')}\n`
  })
  return hashOf(Buffer.from(attributes.sort().join('')), signature)
}

/** Hashes of all that was really signed, and the certificates that really signed it. */
function knownParts(samples: Samples): Set<string> {
  const known = new Set(samples.signed)
  for (const { target, bytes, content = new Uint8Array(0), own } of samples.list) {
    if (target === 'cms') {
      for (const signer of parseSignedData(bytes).signers) known.add(signedBy(signer, content))
    } else if (target === 'certificate') known.add(hashOf(parseCertificate(bytes).tbsDer))
    else if (target === 'crl') known.add(hashOf(parseCrl(bytes).tbsDer))
    else if (target === 'ocsp') known.add(hashOf(parseOcspResponse(bytes).tbsDer))
    else if (target === 'csr') known.add(hashOf(parseCertificateRequest(bytes).infoDer))
    else if (target === 'timestamp') {
      const time = verifyTimestampToken(bytes, { content }).genTime?.toISOString() ?? ''
      known.add(`${hashOf(content)} ${time}`)
    } else if (own && (target === 'pdf' || target === 'revision')) {
      const report = verifyPdf(bytes)
      for (const one of [...report.signatures, ...report.documentTimestamps]) {
        known.add(one.certificate?.fingerprintSha256 ?? '')
        known.add(hashOf(...rangesOf(bytes, one.byteRange)))
      }
    }
  }
  return known
}

function checkPdf(
  bytes: Uint8Array,
  sample: Sample,
  samples: Samples,
  known: ReadonlySet<string>,
  at: Date,
): void {
  refused(() => inspectPdf(bytes))
  refused(() => prepareSignature(bytes, { placements: [], signingTime: at }))
  const report = refused(() => verifyPdf(bytes))
  if (!report) return
  const reports = [...report.signatures, ...report.documentTimestamps]
  for (const { status, byteRange, fieldName, certificate } of reports) {
    if (status !== 'valid') continue
    if (!known.has(hashOf(...rangesOf(bytes, byteRange))))
      throw new FalseAccept(`signature ${fieldName} is called valid over bytes nobody signed`)
    if (sample.own && !known.has(certificate?.fingerprintSha256 ?? ''))
      throw new FalseAccept(`signature ${fieldName} is called valid for a certificate that did not sign`)
  }
  if (report.ok && reports.length >= (sample.signatures ?? 0) && signedByteChanged(bytes, sample))
    throw new FalseAccept('the file is called good although a signed byte changed')
  if (report.ok) refused(() => verifyPdf(bytes, { trust: [sample.root ?? samples.root] }))
}

/** From the least to the worst that can be said of what came after a signature. */
const LEVELS: readonly string[] = ['none', 'signatures', 'form', 'annotations', 'other']

/** A correct revision that changes something is never called unchanged, and one that changes nothing never a change. */
function checkRevision(bytes: Uint8Array, sample: Sample, { expectation, changes }: Revision): void {
  const what = changes.join(', then ')
  const report = verifyPdf(bytes)
  const reports = [...report.signatures, ...report.documentTimestamps]
  if (expectation === 'same') {
    const alarm = reports.find(
      ({ changesAfter, status }) => !/none|signatures/.test(changesAfter) || status !== 'valid',
    )
    if (changes.length > 0 && alarm) throw new FalseAlarm(`${what}: ${alarm.fieldName} ${alarm.changesAfter}`)
    return
  }
  if (report.ok) throw new FalseAccept(`the file is called good although ${what}`)
  // A signature that is gone cannot be spoken of.
  if (reports.length < (sample.signatures ?? 0)) return
  for (const { fieldName, status, changesAfter } of reports) {
    if (status === 'valid' && LEVELS.indexOf(changesAfter) < LEVELS.indexOf(expectation))
      throw new FalseAccept(`${fieldName} says "${changesAfter}" although ${what}`)
  }
}

function checkEst(
  bytes: Uint8Array,
  sample: Sample,
  root: Certificate,
  known: ReadonlySet<string>,
  at: Date,
): void {
  const request = refused(() => parseEstEnrollBody('application/pkcs10', bytes))
  if (request && !known.has(hashOf(request.infoDer)))
    throw new FalseAccept('an enrolment that nobody asked for was accepted')
  const headers = { get: () => 'application/pkcs7-mime; smime-type=certs-only' }
  const answer = refused(() => parseEstAnswer({ status: 200, headers, body: bytes }, at))
  if (answer?.kind !== 'certificates') return
  const taken = refused(() =>
    acceptEnrolled(sample.about ?? new Uint8Array(0), answer.certificates, { anchors: [root], at }),
  )
  if (taken && !known.has(hashOf(taken.certificate.tbsDer)))
    throw new FalseAccept('a certificate nobody issued was accepted')
}

/** Only where nothing was inserted or removed can places be compared. */
function signedByteChanged(bytes: Uint8Array, sample: Sample): boolean {
  if (bytes.length !== sample.bytes.length) return false
  return (sample.covered ?? []).some(([from, to]) => {
    return Buffer.compare(bytes.subarray(from, to), sample.bytes.subarray(from, to)) !== 0
  })
}

/** A refusal by name is an answer; any other error is a crash and goes on. */
function refused<T>(act: () => T): T | undefined {
  try {
    return act()
  } catch (fault) {
    if (fault instanceof PdfRefusal || fault instanceof PkiError) return undefined
    throw fault
  }
}
