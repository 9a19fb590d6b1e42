import { sameBytes, sha256 } from './bytes.ts'
import { EvidenceError } from './evidence-error.ts'

/**
 * A complete subtree of the log: `level` 0 is a leaf, and node (level, index) covers the leaves
 * [index·2^level, (index+1)·2^level). Such a node never changes once its leaves exist, so a database can keep
 * it in an append-only table with (level, index) as its key.
 */
export interface MerkleNode {
  level: number
  index: number
}

export interface StoredNode extends MerkleNode {
  hash: Uint8Array
}

/** Gives the stored hash of a complete subtree. Fetch what the `…Nodes` functions name in one query, then read from it. */
export type HashReader = (level: number, index: number) => Uint8Array

const LEAF = Uint8Array.of(0)
const NODE = Uint8Array.of(1)
const HASH_BYTES = 32

/** Hash of a leaf (RFC 6962 §2.1): SHA-256(0x00 ‖ entry). */
export function leafHash(entry: Uint8Array): Uint8Array {
  return sha256(LEAF, entry)
}

/** Hash of an inner node (RFC 6962 §2.1): SHA-256(0x01 ‖ left ‖ right). */
export function nodeHash(left: Uint8Array, right: Uint8Array): Uint8Array {
  return sha256(NODE, left, right)
}

/** Root of the tree without leaves: SHA-256 of nothing. */
export function emptyRoot(): Uint8Array {
  return sha256()
}

/** The complete subtrees that together make a tree of this size, from left to right; at most log2(size)+1. */
export function frontierNodes(size: number): MerkleNode[] {
  checkCount(size, 'size')
  return rangeNodes(0, size)
}

/** Root of the tree of a size from its stored subtrees. */
export function treeRoot(size: number, read: HashReader): Uint8Array {
  checkCount(size, 'size')
  return size === 0 ? emptyRoot() : fold(frontierNodes(size), read)
}

/**
 * Adds leaves to a tree of `size` leaves and returns the nodes to store and the new root. Reads only the
 * frontier ({@link frontierNodes}) of the old tree.
 */
export function appendLeaves(
  size: number,
  leafHashes: readonly Uint8Array[],
  read: HashReader,
): { size: number; root: Uint8Array; nodes: StoredNode[] } {
  // `edge` holds the complete subtrees not yet merged, largest first: the compact range of the tree.
  const edge: StoredNode[] = frontierNodes(size).map((node) => ({
    ...node,
    hash: read(node.level, node.index),
  }))
  const nodes: StoredNode[] = []
  let next = size
  for (const hash of leafHashes) {
    if (hash.length !== HASH_BYTES) throw new EvidenceError('bad_range', 'a leaf hash has 32 bytes')
    let node: StoredNode = { level: 0, index: next, hash }
    nodes.push(node)
    next += 1
    for (let left = edge.at(-1); left !== undefined && left.level === node.level; left = edge.at(-1)) {
      edge.pop()
      node = { level: node.level + 1, index: left.index / 2, hash: nodeHash(left.hash, node.hash) }
      nodes.push(node)
    }
    edge.push(node)
  }
  const root =
    edge.length === 0
      ? emptyRoot()
      : edge.map((node) => node.hash).reduceRight((right, left) => nodeHash(left, right))
  return { size: next, root, nodes }
}

/** The stored nodes an inclusion proof is made of; O(log size). */
export function inclusionNodes(index: number, size: number): MerkleNode[] {
  return inclusionRanges(index, size).flatMap(([from, to]) => rangeNodes(from, to))
}

/** Inclusion proof (RFC 6962 §2.1.1) of the leaf at `index` in the tree of `size` leaves, from the leaf upwards. */
export function inclusionProof(index: number, size: number, read: HashReader): Uint8Array[] {
  return inclusionRanges(index, size).map(([from, to]) => fold(rangeNodes(from, to), read))
}

/** The stored nodes a consistency proof is made of; O(log size). */
export function consistencyNodes(oldSize: number, size: number): MerkleNode[] {
  return consistencyRanges(oldSize, size).flatMap(([from, to]) => rangeNodes(from, to))
}

/** Consistency proof (RFC 6962 §2.1.2) that the tree of `oldSize` leaves is the beginning of the one of `size`. */
export function consistencyProof(oldSize: number, size: number, read: HashReader): Uint8Array[] {
  return consistencyRanges(oldSize, size).map(([from, to]) => fold(rangeNodes(from, to), read))
}

/** Whether a proof shows the leaf at `index` in the tree with this root (RFC 9162 §2.1.3.2). */
export function verifyInclusion(
  leaf: Uint8Array,
  index: number,
  size: number,
  root: Uint8Array,
  proof: readonly Uint8Array[],
): boolean {
  if (!isCount(index) || !isCount(size) || index >= size || !areHashes(proof)) return false
  let fn = index
  let sn = size - 1
  let hash = leaf
  for (const sibling of proof) {
    if (sn === 0) return false
    if (fn % 2 === 1 || fn === sn) {
      hash = nodeHash(sibling, hash)
      while (fn % 2 === 0 && fn !== 0) {
        fn /= 2
        sn = half(sn)
      }
    } else {
      hash = nodeHash(hash, sibling)
    }
    fn = half(fn)
    sn = half(sn)
  }
  return sn === 0 && sameBytes(hash, root)
}

/** Whether a proof shows that the old tree is the beginning of the new one (RFC 9162 §2.1.4.2). */
export function verifyConsistency(
  oldSize: number,
  size: number,
  oldRoot: Uint8Array,
  root: Uint8Array,
  proof: readonly Uint8Array[],
): boolean {
  if (!isCount(oldSize) || !isCount(size) || oldSize > size || !areHashes(proof)) return false
  if (oldSize === size) return proof.length === 0 && sameBytes(oldRoot, root)
  // Every tree begins with the empty one; nothing is left to prove.
  if (oldSize === 0) return proof.length === 0 && sameBytes(oldRoot, emptyRoot())
  const path = isPowerOfTwo(oldSize) ? [oldRoot, ...proof] : [...proof]
  const first = path.shift()
  if (first === undefined) return false
  let fn = oldSize - 1
  let sn = size - 1
  while (fn % 2 === 1) {
    fn = half(fn)
    sn = half(sn)
  }
  let oldHash = first
  let newHash = first
  for (const sibling of path) {
    if (sn === 0) return false
    if (fn % 2 === 1 || fn === sn) {
      oldHash = nodeHash(sibling, oldHash)
      newHash = nodeHash(sibling, newHash)
      while (fn % 2 === 0 && fn !== 0) {
        fn /= 2
        sn = half(sn)
      }
    } else {
      newHash = nodeHash(newHash, sibling)
    }
    fn = half(fn)
    sn = half(sn)
  }
  return sn === 0 && sameBytes(oldHash, oldRoot) && sameBytes(newHash, root)
}

type Range = [from: number, to: number]

/** PATH(m, D[n]) as leaf ranges, the leaf's sibling first. */
function inclusionRanges(index: number, size: number): Range[] {
  checkCount(index, 'index')
  checkCount(size, 'size')
  if (index >= size) throw new EvidenceError('bad_range', `leaf ${index} is not in a tree of ${size}`)
  const ranges: Range[] = []
  let from = 0
  let to = size
  while (to - from > 1) {
    const middle = from + splitPoint(to - from)
    if (index < middle) {
      ranges.push([middle, to])
      to = middle
    } else {
      ranges.push([from, middle])
      from = middle
    }
  }
  return ranges.reverse()
}

/** PROOF(m, D[n]) as leaf ranges, in the order of RFC 6962. */
function consistencyRanges(oldSize: number, size: number): Range[] {
  checkCount(oldSize, 'oldSize')
  checkCount(size, 'size')
  if (oldSize > size) throw new EvidenceError('bad_range', `tree of ${size} is smaller than ${oldSize}`)
  if (oldSize === 0 || oldSize === size) return []
  const ranges: Range[] = []
  let from = 0
  let to = size
  while (to !== oldSize) {
    const middle = from + splitPoint(to - from)
    if (oldSize <= middle) {
      ranges.push([middle, to])
      to = middle
    } else {
      ranges.push([from, middle])
      from = middle
    }
  }
  // The old tree itself is known to the verifier when it is one complete subtree from the left edge.
  if (from !== 0) ranges.push([from, to])
  return ranges.reverse()
}

/** Complete subtrees of [from, to), largest first. `from` is aligned wherever this file calls it. */
function rangeNodes(from: number, to: number): MerkleNode[] {
  const nodes: MerkleNode[] = []
  let at = from
  while (at < to) {
    let level = 0
    let width = 1
    while (at + width * 2 <= to && at % (width * 2) === 0) {
      width *= 2
      level += 1
    }
    nodes.push({ level, index: at / width })
    at += width
  }
  return nodes
}

function fold(nodes: readonly MerkleNode[], read: HashReader): Uint8Array {
  return nodes.map((node) => read(node.level, node.index)).reduceRight((right, left) => nodeHash(left, right))
}

/** The largest power of two smaller than n (n > 1). */
function splitPoint(n: number): number {
  let k = 1
  while (k * 2 < n) k *= 2
  return k
}

// Sizes go beyond 32 bits, so plain arithmetic stands where one would expect shifts.
function half(n: number): number {
  return Math.floor(n / 2)
}

function isPowerOfTwo(n: number): boolean {
  let rest = n
  while (rest % 2 === 0) rest /= 2
  return rest === 1
}

function isCount(n: number): boolean {
  return Number.isSafeInteger(n) && n >= 0
}

function checkCount(n: number, name: string): void {
  if (!isCount(n)) throw new EvidenceError('bad_range', `${name} is not a count`)
}

function areHashes(proof: readonly Uint8Array[]): boolean {
  return proof.every((hash) => hash.length === HASH_BYTES)
}
