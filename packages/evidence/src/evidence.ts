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
export { documentPath } from './bundle-layout.ts'
export { parseManifest } from './bundle-layout.ts'
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
export {
  contractOfPath,
  contractPath,
  EXPORT_ENTRIES,
  EXPORT_MANIFEST,
  EXPORT_PROOF,
  EXPORT_TAIL,
  EXPORT_TIMESTAMP,
  type ExportEntry,
  type ExportLoss,
  type ExportLeaf,
  type ExportManifest,
  type ExportRole,
  evidenceRestPath,
  exportEntryLine,
  exportedFilePath,
  exportedSealPath,
  exportLeafBytes,
  parseExportLeaf,
  parseExportEntry,
  parseExportManifest,
  type LossReason,
} from './export-layout.ts'
export { joinEvidence } from './export-evidence.ts'
export type { ExportProblem, ExportProblemCode } from './export-problems.ts'
export {
  type ExportItem,
  type ExportReport,
  type VerifyExportOptions,
  verifyExport,
} from './export-verify.ts'
export {
  isSafePath,
  TAR_END_BYTES,
  type TarHead,
  tarEntryBytes,
  tarHead,
  tarPadding,
} from './tar-format.ts'
export { readTar, type TarDamage, type TarEntry } from './tar-read.ts'
export {
  type DestructionProof,
  type DestructionProofProblem,
  type DestructionProofReport,
  type VerifyDestructionOptions,
  verifyDestructionProof,
} from './destruction-proof.ts'
