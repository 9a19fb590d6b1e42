import {
  type Certificate,
  PkiError,
  parseCertificate,
  parseCrl,
  parseSignedData,
  parseTimestampToken,
  type SignedData,
  sameName,
  verifyCertificateSignature,
  verifyCrl,
} from '@yinxin/pki'
import { digestOf, type ValidationData } from './dss.ts'
import { PdfRefusal } from './refusal.ts'

/** One certificate whose revocation status a long-term file has to carry. */
export interface ValidationNeed {
  readonly certificate: Certificate
  readonly issuer: Certificate
}

/** What a source of revocation data answers; one list or response that speaks about the certificate is enough. */
export interface RevocationAnswer {
  readonly crls?: readonly Uint8Array[]
  readonly ocsps?: readonly Uint8Array[]
  /** Certificates that the answers need: those of a delegated OCSP responder or of another list issuer. */
  readonly certificates?: readonly Uint8Array[]
}

export type RevocationSource = (need: ValidationNeed) => RevocationAnswer | Promise<RevocationAnswer>

/** Each distinct container of a signature: its own, and those of its timestamps. */
export function containersOf(contents: Uint8Array, isTimestamp: boolean): SignedData[] {
  const padding = { allowZeroPadding: true }
  if (isTimestamp) return [parseTimestampToken(contents, padding).signedData]
  const own = parseSignedData(contents, padding)
  const tokens = own.signers.flatMap(({ timestampTokens }) => timestampTokens)
  return [own, ...tokens.map((token) => parseTimestampToken(token).signedData)]
}

/** Gathers all that is needed to judge these containers offline, asking for each certificate once. */
export async function gather(
  containers: readonly SignedData[],
  pool: readonly Certificate[],
  anchors: readonly Certificate[],
  ask: (need: ValidationNeed) => Promise<RevocationAnswer>,
): Promise<ValidationData> {
  const certificates = new Map<string, Uint8Array>()
  const crls: Uint8Array[] = []
  const ocsps: Uint8Array[] = []
  const visited = new Set<string>()
  const queue: { certificate: Certificate; known: readonly Certificate[] }[] = []
  for (const container of containers) {
    const known = [...container.certificates, ...pool]
    const signer = signerOf(container)
    if (!signer) throw new PdfRefusal('validation_data_missing', 'signer certificate')
    queue.push({ certificate: signer, known })
    crls.push(...container.crls)
  }
  for (let next = queue.pop(); next; next = queue.pop()) {
    const { certificate, known } = next
    const { fingerprintSha256 } = certificate
    if (visited.has(fingerprintSha256)) continue
    visited.add(fingerprintSha256)
    certificates.set(fingerprintSha256, certificate.der)
    if (anchors.some((anchor) => anchor.fingerprintSha256 === fingerprintSha256) || isSelfSigned(certificate))
      continue
    const issuer = [...anchors, ...known].find((one) => isIssuedBy(certificate, one))
    if (!issuer) throw new PdfRefusal('validation_data_missing', `issuer of ${certificate.subject.text}`)
    const answer = await ask({ certificate, issuer })
    const extra = (answer.certificates ?? []).map(parseCertificate)
    const speaking = (answer.crls ?? []).filter((crl) => speaksAbout(crl, [issuer, ...extra, ...known]))
    if (speaking.length === 0 && (answer.ocsps ?? []).length === 0)
      throw new PdfRefusal('validation_data_missing', `revocation of ${certificate.subject.text}`)
    crls.push(...speaking)
    ocsps.push(...(answer.ocsps ?? []))
    for (const one of extra) queue.push({ certificate: one, known: [...extra, ...known] })
    queue.push({ certificate: issuer, known })
  }
  return { certificates: [...certificates.values()], crls: distinct(crls), ocsps: distinct(ocsps) }
}

/** A list is kept only if an issuer at hand signed it: a foreign one would help nobody. */
function speaksAbout(der: Uint8Array, issuers: readonly Certificate[]): boolean {
  const crl = parseCrl(der)
  return issuers.some((issuer) => verifyCrl(crl, issuer))
}

function signerOf({ signers, certificates }: SignedData): Certificate | undefined {
  const sid = signers[0]?.sid
  return certificates.find((one) =>
    sid?.kind === 'issuer-serial'
      ? one.serialHex === sid.serialHex && sameName(one.issuerDer, sid.issuerDer)
      : one.keyId !== undefined && one.keyId === sid?.keyId,
  )
}

function isSelfSigned(certificate: Certificate): boolean {
  return (
    sameName(certificate.issuerDer, certificate.subjectDer) &&
    verifyCertificateSignature(certificate, certificate)
  )
}

function isIssuedBy(certificate: Certificate, issuer: Certificate): boolean {
  return sameName(certificate.issuerDer, issuer.subjectDer) && verifyCertificateSignature(certificate, issuer)
}

function distinct(list: readonly Uint8Array[]): Uint8Array[] {
  return [...new Map(list.map((der) => [digestOf(der), der])).values()]
}

/** Reads what can be read as certificates. */
export function readable(ders: readonly Uint8Array[]): Certificate[] {
  const found: Certificate[] = []
  for (const der of ders) {
    try {
      found.push(parseCertificate(der))
    } catch (error) {
      if (!(error instanceof PkiError)) throw error
    }
  }
  return found
}
