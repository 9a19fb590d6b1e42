import {
  CHECKPOINT,
  issuedLeafBytes,
  MANIFEST,
  MANIFEST_PROOF,
  type Manifest,
  parseManifestProofExtra,
  proofPath,
} from './bundle-layout.ts'
import { type ProblemList, reasonOf } from './bundle-problems.ts'
import { fromHex, fromUtf8, sha256Hex } from './bytes.ts'
import { type EvidenceEvent, eventBytes } from './event-chain.ts'
import { leafHash, verifyConsistency, verifyInclusion } from './merkle.ts'
import { type Checkpoint, type NoteKey, type OpenedCheckpoint, openCheckpoint, parseVkey } from './note.ts'
import { parseTlogProof } from './tlog-proof.ts'
import type { Entries } from './verify-entries.ts'

export interface LogVerdict {
  /** The checkpoint over the events. */
  checkpoint: Checkpoint | null
  /** Where the manifest stands in the log. */
  manifestIndex: number | null
  /** Whether the given keys vouch for both checkpoints; null when none were given. */
  verified: boolean | null
}

/**
 * Judges everything that ties a package to the log: the checkpoint over its events with a proof for each of
 * them, and the later checkpoint over its manifest. The keys in the manifest must explain every signature line;
 * whether they are the right keys only given ones can tell.
 */
export function verifyLog(
  entries: Entries,
  manifest: Manifest,
  events: readonly EvidenceEvent[],
  anchors: readonly NoteKey[] | null,
  problems: ProblemList,
): LogVerdict {
  const own = ownKeys(manifest, problems)
  const text = readText(entries, CHECKPOINT)
  if (text === null) problems.add(CHECKPOINT, 'checkpoint_invalid', 'entry is missing or no text')
  const before = text === null ? null : judge(CHECKPOINT, text, own, anchors, manifest, problems)
  if (text !== null && before !== null) {
    for (const event of events) verifyEventProof(entries, event, text, before.opened.checkpoint, problems)
  }
  const after = verifyManifestProof(entries, manifest, before?.opened ?? null, own, anchors, problems)
  return {
    checkpoint: before?.opened.checkpoint ?? null,
    manifestIndex: after?.index ?? null,
    verified: anchors === null ? null : before?.trusted === true && after?.trusted === true,
  }
}

interface Judged {
  opened: OpenedCheckpoint
  trusted: boolean
}

/** One checkpoint: under the package's own keys without exception, then under the given ones. */
function judge(
  entry: string,
  text: string,
  own: readonly NoteKey[],
  anchors: readonly NoteKey[] | null,
  manifest: Manifest,
  problems: ProblemList,
): Judged | null {
  let opened: OpenedCheckpoint
  try {
    opened = openCheckpoint(text, own)
  } catch (error) {
    problems.add(entry, 'checkpoint_invalid', reasonOf(error))
    if (anchors !== null) judgeByAnchors(entry, text, anchors, problems)
    return null
  }
  if (opened.checkpoint.origin !== manifest.log.origin) {
    problems.add(entry, 'checkpoint_invalid', 'origin is not the one of the manifest')
  }
  // A line nobody can check could be bent at will, and is of no use in an archive of proofs.
  for (const { name } of opened.unknown) problems.add(entry, 'log_signature_unknown', name)
  return { opened, trusted: anchors !== null && judgeByAnchors(entry, text, anchors, problems) }
}

function judgeByAnchors(
  entry: string,
  text: string,
  anchors: readonly NoteKey[],
  problems: ProblemList,
): boolean {
  let opened: OpenedCheckpoint
  try {
    opened = openCheckpoint(text, anchors)
  } catch {
    problems.add(entry, 'log_key_unknown')
    return false
  }
  const missing = anchors.filter(
    (anchor) =>
      anchor.role === 'witness' &&
      !opened.signatures.some(({ key }) => key.name === anchor.name && key.keyId === anchor.keyId),
  )
  for (const { name } of missing) problems.add(entry, 'witness_missing', name)
  return missing.length === 0
}

function verifyEventProof(
  entries: Entries,
  event: EvidenceEvent,
  checkpointText: string,
  checkpoint: Checkpoint,
  problems: ProblemList,
): void {
  const path = proofPath(event.seq)
  const text = readText(entries, path)
  if (text === null) {
    problems.add(path, 'proof_invalid', 'no proof for this event')
    return
  }
  try {
    const proof = parseTlogProof(text)
    if (proof.extra !== undefined) throw new Error('extra data')
    if (proof.checkpoint !== checkpointText) throw new Error('checkpoint is not the one of the package')
    const { size, root } = checkpoint
    if (!verifyInclusion(leafHash(eventBytes(event)), proof.index, size, root, proof.hashes)) {
      throw new Error('hashes do not lead to the root')
    }
  } catch (error) {
    problems.add(path, 'proof_invalid', reasonOf(error))
  }
}

function verifyManifestProof(
  entries: Entries,
  manifest: Manifest,
  before: OpenedCheckpoint | null,
  own: readonly NoteKey[],
  anchors: readonly NoteKey[] | null,
  problems: ProblemList,
): { index: number; trusted: boolean } | null {
  const text = readText(entries, MANIFEST_PROOF)
  if (text === null) {
    problems.add(MANIFEST_PROOF, 'manifest_not_logged')
    return null
  }
  let index: number
  let judged: Judged | null
  try {
    const proof = parseTlogProof(text)
    if (proof.extra === undefined) throw new Error('the leaf is missing')
    const { leaf, consistency } = parseManifestProofExtra(proof.extra)
    judged = judge(MANIFEST_PROOF, proof.checkpoint, own, anchors, manifest, problems)
    const agrees =
      leaf.manifestSha256 === sha256Hex(entries.get(MANIFEST) as Uint8Array) &&
      leaf.taskId === manifest.taskId &&
      leaf.at === manifest.createdAt &&
      leaf.events.count === manifest.events.count &&
      leaf.events.lastHash === manifest.events.lastHash
    // A leaf that is in the log but tells of another manifest convicts the manifest, not the proof.
    if (!agrees) problems.add(MANIFEST, 'manifest_changed')
    if (judged === null) return null
    const { size, root } = judged.opened.checkpoint
    if (!verifyInclusion(leafHash(issuedLeafBytes(leaf)), proof.index, size, root, proof.hashes)) {
      throw new Error('hashes do not lead to the root')
    }
    const old = before?.checkpoint
    const hashes = consistency.map((hash) => fromHex(hash) as Uint8Array)
    if (
      old !== undefined &&
      (proof.index < old.size || !verifyConsistency(old.size, size, old.root, root, hashes))
    ) {
      problems.add(MANIFEST_PROOF, 'history_broken')
    }
    index = proof.index
  } catch (error) {
    problems.add(MANIFEST_PROOF, 'manifest_not_logged', reasonOf(error))
    return null
  }
  return { index, trusted: judged.trusted }
}

function ownKeys(manifest: Manifest, problems: ProblemList): NoteKey[] {
  try {
    return manifest.log.keys.map(parseVkey)
  } catch (error) {
    problems.add(MANIFEST, 'manifest_invalid', reasonOf(error))
    return []
  }
}

function readText(entries: Entries, path: string): string | null {
  const bytes = entries.get(path)
  return bytes === undefined ? null : fromUtf8(bytes)
}
