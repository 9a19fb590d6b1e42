/**
 * Evidence: hash-chained events, a transparency log and the offline evidence package.
 * Formats are described in SPEC.md of this package.
 */
export {
  canonicalBytes,
  canonicalJson,
  type Json,
  type JsonObject,
  parseCanonicalJson,
} from './canonical-json.ts'
export {
  type AppendedEvent,
  appendEvent,
  type ChainHead,
  type ChainProblem,
  commit,
  type Disclosure,
  discloseEvent,
  type EventActor,
  type EventFields,
  type EvidenceEvent,
  eventBytes,
  eventHash,
  FIRST_PREV_HASH,
  parseEvent,
  verifyChain,
  verifyDisclosure,
} from './event-chain.ts'
export { EvidenceError, type EvidenceErrorCode } from './evidence-error.ts'
export {
  appendLeaves,
  consistencyNodes,
  consistencyProof,
  emptyRoot,
  frontierNodes,
  type HashReader,
  inclusionNodes,
  inclusionProof,
  leafHash,
  type MerkleNode,
  nodeHash,
  type StoredNode,
  treeRoot,
  verifyConsistency,
  verifyInclusion,
} from './merkle.ts'
export {
  type CheckedSignature,
  type Checkpoint,
  cosignCheckpoint,
  encodeVkey,
  makeCosignature,
  type NoteKey,
  type NoteSigner,
  type OpenedCheckpoint,
  type OpenedNote,
  openCheckpoint,
  openNote,
  parseCheckpoint,
  parseVkey,
  parseVkeys,
  signCheckpoint,
} from './note.ts'
export {
  decodeEntryBundle,
  decodeTile,
  encodeEntryBundle,
  encodeTile,
  newTiles,
  parseTilePath,
  TILE_WIDTH,
  type Tile,
  tilePath,
} from './tiles.ts'
export { encodeTlogProof, parseTlogProof, type TlogProof, verifyTlogProof } from './tlog-proof.ts'
export { ARCHIVE, readZip, type ZipEntry, type ZipProblem, type ZipProblemCode } from './zip-read.ts'
export { collectBytes, writeZip, type ZipContent, type ZipInput } from './zip-write.ts'
export type { IssuedLeaf, Manifest, ManifestDocument, ManifestEntry } from './bundle-layout.ts'
export {
  type BundleDocument,
  type BundleInput,
  type ManifestLogProof,
  type PreparedBundle,
  prepareBundle,
  writeBundle,
} from './bundle-write.ts'
export type { BundleProblem, BundleProblemCode } from './bundle-problems.ts'
export { type BundleReport, type VerifyBundleOptions, verifyBundle } from './bundle-verify.ts'
export type { DocumentVerdict } from './verify-documents.ts'
