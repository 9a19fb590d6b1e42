/**
 * What the person's own device finds out about a file: the same code as on the server, without the server. Shared by
 * the page (in a worker) and the offline page; it knows neither React nor the network.
 */
import { type BundleReport, verifyBundle } from '@yinxin/evidence'
import { changedPages, type PageChange, PdfRefusal, type SignatureReport, verifyPdf } from '@yinxin/pades'
import { digest, toHex } from '@yinxin/pki'
import type { VerificationReport } from '@yinxin/sdk/wire'

export type Language = 'zh' | 'en'

/** As the server reports; whether the platform made the file is a question only the server can answer. */
export type DeviceReport = Omit<VerificationReport, 'knownHere'> & { knownHere: null }

export interface EvidenceFindings extends BundleReport {
  fileName: string
  sha256: string
}

export interface HereQuestion {
  bytes: Uint8Array
  fileName: string
  language: Language
  /** DER of the roots to trust; none leaves trust open. */
  trust: readonly Uint8Array[]
  /** Lines of the evidence log's keys; none leaves the log open. */
  logKeys: readonly string[]
}

export type HereAnswer =
  | { kind: 'pdf'; report: DeviceReport }
  | { kind: 'evidence'; report: EvidenceFindings }
  | { kind: 'unreadable'; reason: string }

/** A report lists no more changed pages than people look through; the server's has as many. */
const LISTED_CHANGES = 200

/** Verifies a PDF or an evidence package. Bad files are answered, not thrown. */
export function verifyHere(question: HereQuestion): HereAnswer {
  const { bytes, fileName, trust, logKeys, language } = question
  const sha256 = toHex(digest('sha256', bytes))
  // PK: an archive.
  if (bytes[0] === 0x50 && bytes[1] === 0x4b)
    return { kind: 'evidence', report: { ...verifyBundle(bytes, { trust, logKeys }), fileName, sha256 } }
  try {
    const found = verifyPdf(bytes, trust.length > 0 ? { trust } : {})
    const signatures = [...found.signatures, ...found.documentTimestamps]
    return {
      kind: 'pdf',
      report: {
        ok: found.ok,
        fileName,
        sha256,
        knownHere: null,
        signatures: signatures.map((one) => signatureView(one, language)),
        pageChanges: changedPages(bytes).slice(0, LISTED_CHANGES).map(changeView),
      },
    }
  } catch (error) {
    if (error instanceof PdfRefusal) return { kind: 'unreadable', reason: error[language] }
    throw error
  }
}

function signatureView(report: SignatureReport, language: Language): DeviceReport['signatures'][number] {
  const { status, signer, signedAt, timestamp, level, coversWholeDocument, changesAfter, trusted } = report
  const problems = report.problems.map(({ code, message, zh }) => ({
    code,
    message: language === 'zh' ? zh : message,
  }))
  return {
    status,
    signer,
    signedAt,
    timestamp,
    level: level ?? '',
    coversWholeDocument,
    changesAfter,
    trusted,
    problems,
  }
}

function changeView(change: PageChange): DeviceReport['pageChanges'][number] {
  const { level, before, after, areas, beforeBytes, afterBytes } = change
  return {
    level,
    pageBefore: before === null ? null : before + 1,
    pageAfter: after === null ? null : after + 1,
    areas: areas.map(({ x, y, width, height }) => ({ x, y, width, height })),
    beforeBytes,
    afterBytes,
  }
}
