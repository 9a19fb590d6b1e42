import { parseCertificate } from '@yinxin/pki'
import { MANIFEST } from './bundle-layout.ts'
import { type BundleProblem, createProblemList } from './bundle-problems.ts'
import { sha256Hex, toHex } from './bytes.ts'
import { type NoteKey, parseVkey } from './note.ts'
import { readCertificates, readCrls } from './verify-certificates.ts'
import { type DocumentVerdict, verifyDocuments } from './verify-documents.ts'
import { verifyEntries } from './verify-entries.ts'
import { verifyEvents } from './verify-events.ts'
import { verifyLog } from './verify-log.ts'
import { verifyCheckpointTimestamp } from './verify-timestamp.ts'

/** Anchors from outside the package; without them only its inner consistency can be judged. */
export interface VerifyBundleOptions {
  /** DER of trusted root certificates. */
  trust?: readonly Uint8Array[]
  /** The log's key, and those of witnesses that must have cosigned: vkey lines, or as `parseVkeys` reads a file. */
  logKeys?: readonly (string | NoteKey)[]
}

export interface BundleReport {
  /** No problem of any kind, as far as the anchors allow to judge. */
  ok: boolean
  problems: BundleProblem[]
  task: { taskId: string; title: string | null; createdAt: string } | null
  documents: DocumentVerdict[]
  /** How many events the chain has. */
  events: number
  checkpoint: { origin: string; size: number; rootHash: string; timestamp: string | null } | null
  manifest: { sha256: string; entries: number; logIndex: number | null } | null
  /** Whether signatures and timestamp lead to a given root; null when none was given. */
  trusted: boolean | null
  /** Whether the given log key vouches for the package; null when none was given. */
  logVerified: boolean | null
}

/**
 * Verifies an evidence package offline. Never throws on a bad package: every problem names its entry.
 *
 * @throws PkiError or EvidenceError when an anchor itself is not readable
 */
export function verifyBundle(zip: Uint8Array, options: VerifyBundleOptions = {}): BundleReport {
  const trust = options.trust === undefined || options.trust.length === 0 ? undefined : options.trust
  const anchors = trust?.map(parseCertificate)
  const logKeys = (options.logKeys ?? []).map((key) => (typeof key === 'string' ? parseVkey(key) : key))
  const problems = createProblemList()

  // 1. The archive and its manifest.
  const { entries, manifest } = verifyEntries(zip, problems)
  if (manifest === null) return emptyReport(problems.all, trust !== undefined, logKeys.length > 0)

  // 2. The chain of events, and its place in the log together with the manifest's.
  const { events, open } = verifyEvents(entries, manifest, problems)
  const log = verifyLog(entries, manifest, events, logKeys.length === 0 ? null : logKeys, problems)
  const timestamp = verifyCheckpointTimestamp(entries, events, anchors, problems)

  // 3. The documents, by themselves and against the events.
  const certificates = readCertificates(entries, manifest, problems)
  const crls = readCrls(entries, manifest, certificates, problems)
  const documents = verifyDocuments(entries, manifest, open, { certificates, crls, trust }, problems)

  const { taskId, createdAt } = manifest
  const { checkpoint } = log
  return {
    ok: problems.all.length === 0,
    problems: problems.all,
    task: { taskId, title: manifest.title ?? null, createdAt },
    documents,
    events: events.length,
    checkpoint:
      checkpoint === null
        ? null
        : {
            origin: checkpoint.origin,
            size: checkpoint.size,
            rootHash: toHex(checkpoint.root),
            timestamp: timestamp.genTime,
          },
    manifest: {
      sha256: sha256Hex(entries.get(MANIFEST) as Uint8Array),
      entries: manifest.entries.length,
      logIndex: log.manifestIndex,
    },
    trusted:
      trust === undefined
        ? null
        : timestamp.trusted === true &&
          // One that is missing is a problem by itself and has no signatures to judge.
          documents.every((one) => one.trusted === true || !entries.has(one.path)),
    logVerified: log.verified,
  }
}

function emptyReport(problems: BundleProblem[], hasTrust: boolean, hasLogKeys: boolean): BundleReport {
  return {
    ok: false,
    problems,
    task: null,
    documents: [],
    events: 0,
    checkpoint: null,
    manifest: null,
    trusted: hasTrust ? false : null,
    logVerified: hasLogKeys ? false : null,
  }
}
