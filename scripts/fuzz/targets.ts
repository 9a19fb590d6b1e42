/** What must hold of every input, however it was mutated: it is read or refused, and nothing forged is accepted. */
import { inspectPdf, PdfRefusal, prepareSignature, verifyPdf } from '@yinxin/pades'
import {
  lintCertificate,
  PkiError,
  parseCertificate,
  parseCrl,
  parseSignedData,
  type SignerInfo,
  validatePath,
  verifyCertificateSignature,
  verifyCrl,
  verifySignedData,
  verifyTimestampToken,
} from '@yinxin/pki'
import { hashOf, rangesOf, type Sample, type Samples, type Target } from './samples.ts'

/** Something forged was accepted. */
export class FalseAccept extends Error {
  override name = 'FalseAccept'
}

type Check = (bytes: Uint8Array, sample: Sample) => void

/** The facts of the unchanged samples are gathered once. Checks throw what is wrong, and return otherwise. */
export function makeChecks(samples: Samples, at: Date): Record<Target, Check> {
  const root = parseCertificate(samples.root)
  const known = knownParts(samples)
  return {
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
    certificate: (bytes) => {
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
      const result = verifyTimestampToken(bytes, { content }, { anchors: [root] })
      if (!result.ok) return
      const time = result.genTime?.toISOString() ?? ''
      if (!known.has(`${hashOf(content)} ${time}`)) throw new FalseAccept(`a token of ${time} was accepted`)
    },
    crl: (bytes) => {
      const crl = refused(() => parseCrl(bytes))
      if (crl && verifyCrl(crl, root) && !known.has(hashOf(crl.tbsDer)))
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
    else if (target === 'timestamp') {
      const time = verifyTimestampToken(bytes, { content }).genTime?.toISOString() ?? ''
      known.add(`${hashOf(content)} ${time}`)
    } else if (own) {
      const report = verifyPdf(bytes)
      for (const one of [...report.signatures, ...report.documentTimestamps])
        known.add(one.certificate?.fingerprintSha256 ?? '')
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
    if (!samples.signed.has(hashOf(...rangesOf(bytes, byteRange))))
      throw new FalseAccept(`signature ${fieldName} is called valid over bytes nobody signed`)
    if (sample.own && !known.has(certificate?.fingerprintSha256 ?? ''))
      throw new FalseAccept(`signature ${fieldName} is called valid for a certificate that did not sign`)
  }
  if (report.ok && reports.length >= (sample.signatures ?? 0) && signedByteChanged(bytes, sample))
    throw new FalseAccept('the file is called good although a signed byte changed')
  if (report.ok) refused(() => verifyPdf(bytes, { trust: [samples.root] }))
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
