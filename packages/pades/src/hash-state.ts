import { type RunningHash, startDigest } from '@yinxin/pki'

/**
 * The SHA-256 of a file's first `length` bytes, not yet closed. Kept in memory between signers, so that
 * signature N+1 hashes only what was appended. Not serialisable.
 */
export interface HashState {
  readonly hash: RunningHash
  readonly length: number
}

/** Hashes a whole file once. */
export function hashStateOf(bytes: Uint8Array): HashState {
  return { hash: startDigest('sha256').update(bytes), length: bytes.length }
}

/** The state after appending a finished delta; the given state stays usable. */
export function extendHashState(state: HashState, delta: Uint8Array): HashState {
  return { hash: state.hash.copy().update(delta), length: state.length + delta.length }
}

/** SHA-256 of the state's prefix followed by more ranges. */
export function digestAfter(state: HashState, ranges: readonly Uint8Array[]): Uint8Array {
  const hash = state.hash.copy()
  for (const range of ranges) hash.update(range)
  return hash.digest()
}
