import { fromBase64, toBase64 } from './bytes.ts'
import { EvidenceError } from './evidence-error.ts'
import { leafHash, verifyInclusion } from './merkle.ts'
import { type NoteKey, type OpenedCheckpoint, openCheckpoint } from './note.ts'

const HEADER = 'c2sp.org/tlog-proof@v1'
const PROOF_HASHES_MAX = 63

/** A proof that an entry stands in a log (C2SP tlog-proof), verifiable with the public keys alone. */
export interface TlogProof {
  /** Opaque and not covered by the proof itself. */
  extra?: Uint8Array
  index: number
  hashes: Uint8Array[]
  /** The signed checkpoint, verbatim. */
  checkpoint: string
}

/** Writes the text of a `.tlog-proof` file. @throws EvidenceError `bad_proof` */
export function encodeTlogProof(proof: TlogProof): string {
  if (!Number.isSafeInteger(proof.index) || proof.index < 0)
    throw new EvidenceError('bad_proof', 'index is not a count')
  if (proof.hashes.some((hash) => hash.length !== 32))
    throw new EvidenceError('bad_proof', 'a hash has 32 bytes')
  const lines = [HEADER]
  if (proof.extra !== undefined) lines.push(`extra ${toBase64(proof.extra)}`)
  lines.push(`index ${proof.index}`, ...proof.hashes.map(toBase64), '', proof.checkpoint)
  return lines.join('\n')
}

/** Reads a `.tlog-proof` file, strictly. @throws EvidenceError `bad_proof` */
export function parseTlogProof(text: string): TlogProof {
  const cut = text.indexOf('\n\n')
  if (cut < 0) throw new EvidenceError('bad_proof', 'proof has no checkpoint')
  const lines = text.slice(0, cut).split('\n')
  if (lines.shift() !== HEADER) throw new EvidenceError('bad_proof', 'not a tlog-proof@v1')
  let extra: Uint8Array | undefined
  if (lines[0]?.startsWith('extra ')) {
    const decoded = fromBase64((lines.shift() as string).slice('extra '.length))
    if (decoded === null) throw new EvidenceError('bad_proof', 'extra data is not base64')
    extra = decoded
  }
  const index = /^index (0|[1-9]\d*)$/.exec(lines.shift() ?? '')?.[1]
  if (index === undefined || !Number.isSafeInteger(Number(index)))
    throw new EvidenceError('bad_proof', 'proof has no index')
  if (lines.length > PROOF_HASHES_MAX) throw new EvidenceError('bad_proof', 'proof has too many hashes')
  const hashes = lines.map((line) => {
    const hash = fromBase64(line)
    if (hash === null || hash.length !== 32) throw new EvidenceError('bad_proof', 'proof line is no hash')
    return hash
  })
  const proof: TlogProof = { index: Number(index), hashes, checkpoint: text.slice(cut + 2) }
  if (extra !== undefined) proof.extra = extra
  return proof
}

/**
 * Checks that an entry stands in the log whose keys are given, and returns the opened checkpoint.
 *
 * @throws EvidenceError `bad_note` for the checkpoint, `bad_proof` when the hashes do not lead to its root
 */
export function verifyTlogProof(
  proof: TlogProof,
  entry: Uint8Array,
  keys: readonly (NoteKey | string)[],
): OpenedCheckpoint {
  const opened = openCheckpoint(proof.checkpoint, keys)
  const { size, root } = opened.checkpoint
  if (!verifyInclusion(leafHash(entry), proof.index, size, root, proof.hashes)) {
    throw new EvidenceError('bad_proof', `entry is not leaf ${proof.index} of the checkpointed tree`)
  }
  return opened
}
