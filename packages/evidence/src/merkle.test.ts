import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fromHex, sha256, toHex, utf8 } from './bytes.ts'
import {
  appendLeaves,
  consistencyNodes,
  consistencyProof,
  emptyRoot,
  frontierNodes,
  type HashReader,
  inclusionNodes,
  inclusionProof,
  leafHash,
  treeRoot,
  verifyConsistency,
  verifyInclusion,
} from './merkle.ts'

// The definitions of RFC 6962 §2.1, word for word, on whole lists of entries.
function split(n: number): number {
  let k = 1
  while (k * 2 < n) k *= 2
  return k
}
function mth(entries: Uint8Array[]): Uint8Array {
  if (entries.length === 0) return sha256()
  if (entries.length === 1) return sha256(Uint8Array.of(0), entries[0] as Uint8Array)
  const k = split(entries.length)
  return sha256(Uint8Array.of(1), mth(entries.slice(0, k)), mth(entries.slice(k)))
}
function path(m: number, entries: Uint8Array[]): Uint8Array[] {
  if (entries.length === 1) return []
  const k = split(entries.length)
  return m < k
    ? [...path(m, entries.slice(0, k)), mth(entries.slice(k))]
    : [...path(m - k, entries.slice(k)), mth(entries.slice(0, k))]
}
function subproof(m: number, entries: Uint8Array[], whole: boolean): Uint8Array[] {
  if (m === entries.length) return whole ? [] : [mth(entries)]
  const k = split(entries.length)
  return m <= k
    ? [...subproof(m, entries.slice(0, k), whole), mth(entries.slice(k))]
    : [...subproof(m - k, entries.slice(k), false), mth(entries.slice(0, k))]
}

/** A store of nodes that counts its reads and knows only what was stored. */
function store() {
  const nodes = new Map<string, Uint8Array>()
  let reads = 0
  const read: HashReader = (level, index) => {
    reads += 1
    const hash = nodes.get(`${level}/${index}`)
    if (hash === undefined) throw new Error(`node ${level}/${index} was never stored`)
    return hash
  }
  return {
    read,
    takeReads: () => {
      const taken = reads
      reads = 0
      return taken
    },
    append(size: number, entries: Uint8Array[]) {
      const grown = appendLeaves(size, entries.map(leafHash), read)
      for (const node of grown.nodes) {
        const key = `${node.level}/${node.index}`
        // Append-only: no node is ever written twice.
        expect(nodes.has(key)).toBe(false)
        nodes.set(key, node.hash)
      }
      return grown
    },
  }
}

const entry = (i: number) => utf8(`entry ${i}`)

describe('Merkle tree', () => {
  it('has the roots of the Certificate Transparency reference vectors', () => {
    const leaves = [
      '',
      '00',
      '10',
      '2021',
      '3031',
      '40414243',
      '5051525354555657',
      '606162636465666768696a6b6c6d6e6f',
    ]
    const roots = [
      '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
      'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
      'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
      'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
      '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
      '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
      'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
      '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
    ]
    expect(toHex(emptyRoot())).toBe('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855')
    const tree = store()
    leaves.forEach((leaf, i) => {
      expect(toHex(tree.append(i, [fromHex(leaf) as Uint8Array]).root)).toBe(roots[i])
    })
  })

  it('agrees with the definitions of RFC 6962 for every proof of every size up to 40', () => {
    const tree = store()
    const entries: Uint8Array[] = []
    const roots: Uint8Array[] = [emptyRoot()]
    for (let size = 1; size <= 40; size++) {
      entries.push(entry(size - 1))
      const { root } = tree.append(size - 1, [entry(size - 1)])
      roots.push(root)
      expect(root).toEqual(mth(entries))
      expect(treeRoot(size, tree.read)).toEqual(root)
      for (let i = 0; i < size; i++) {
        const proof = inclusionProof(i, size, tree.read)
        expect(proof).toEqual(path(i, entries))
        expect(verifyInclusion(leafHash(entry(i)), i, size, root, proof)).toBe(true)
      }
      for (let old = 0; old <= size; old++) {
        const proof = consistencyProof(old, size, tree.read)
        if (old > 0) expect(proof).toEqual(subproof(old, entries, true))
        expect(verifyConsistency(old, size, roots[old] as Uint8Array, root, proof)).toBe(true)
      }
    }
  })

  it('grows in batches of any size to the same root', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 30 }), { maxLength: 8 }), (batches) => {
        const tree = store()
        let size = 0
        for (const batch of batches) {
          const grown = tree.append(
            size,
            Array.from({ length: batch }, (_, i) => entry(size + i)),
          )
          size = grown.size
          expect(grown.root).toEqual(mth(Array.from({ length: size }, (_, i) => entry(i))))
        }
      }),
    )
  })

  it('reads O(log n) nodes, and exactly those it names beforehand', () => {
    const tree = store()
    const size = 10_000
    tree.append(
      0,
      Array.from({ length: size }, (_, i) => entry(i)),
    )
    tree.takeReads()
    const bound = Math.ceil(Math.log2(size))
    for (const i of [0, 1, 4095, 4096, 8191, 9999]) {
      inclusionProof(i, size, tree.read)
      const reads = tree.takeReads()
      expect(reads).toBe(inclusionNodes(i, size).length)
      expect(reads).toBeLessThanOrEqual(2 * bound)
    }
    for (const old of [1, 4095, 4096, 9999]) {
      consistencyProof(old, size, tree.read)
      const reads = tree.takeReads()
      expect(reads).toBe(consistencyNodes(old, size).length)
      expect(reads).toBeLessThanOrEqual(2 * bound)
    }
    tree.append(size, [entry(size)])
    expect(tree.takeReads()).toBe(frontierNodes(size).length)
  })

  it('counts beyond 32 bits', () => {
    const size = 2 ** 40 + 3
    expect(frontierNodes(size)).toEqual([
      { level: 40, index: 0 },
      { level: 1, index: 2 ** 39 },
      { level: 0, index: 2 ** 40 + 2 },
    ])
    const read: HashReader = (level, index) => sha256(utf8(`${level}/${index}`))
    const leaf = read(0, 2 ** 40 + 1)
    // The two-leaf subtree must really be made of its leaves for the proof to lead to the root.
    const honest: HashReader = (level, index) =>
      level === 1 && index === 2 ** 39 ? sha256(Uint8Array.of(1), read(0, 2 ** 40), leaf) : read(level, index)
    const proof = inclusionProof(2 ** 40 + 1, size, honest)
    expect(verifyInclusion(leaf, 2 ** 40 + 1, size, treeRoot(size, honest), proof)).toBe(true)
  })

  it('refuses every proof that was bent', () => {
    const tree = store()
    const size = 23
    const { root }: { root: Uint8Array } = tree.append(
      0,
      Array.from({ length: size }, (_, i) => entry(i)),
    )
    fc.assert(
      fc.property(
        fc.nat({ max: size - 1 }),
        fc.nat(),
        fc.nat({ max: 31 }),
        fc.integer({ min: 0, max: 3 }),
        (i, pick, byte, kind) => {
          const proof: Uint8Array[] = inclusionProof(i, size, tree.read).map((hash) => hash.slice())
          const at = pick % proof.length
          if (kind === 0) (proof[at] as Uint8Array)[byte] = ((proof[at] as Uint8Array)[byte] as number) ^ 1
          if (kind === 1) proof.splice(at, 1)
          if (kind === 2) proof.push(proof[at] as Uint8Array)
          const index = kind === 3 ? (i + 1) % size : i
          // The size is bound by the checkpoint's signature, not by this proof.
          expect(verifyInclusion(leafHash(entry(i)), index, size, root, proof)).toBe(false)
          expect(verifyInclusion(leafHash(entry(size)), i, size, root, proof)).toBe(false)
        },
      ),
    )
    for (let old = 1; old < size; old++) {
      const oldRoot = treeRoot(old, tree.read)
      const proof = consistencyProof(old, size, tree.read)
      expect(verifyConsistency(old, size, root, root, proof)).toBe(false)
      expect(verifyConsistency(old, size, oldRoot, oldRoot, proof)).toBe(false)
      expect(verifyConsistency(old, size, oldRoot, root, proof.slice(1))).toBe(false)
      expect(verifyConsistency(old, size, oldRoot, root, [...proof, root])).toBe(false)
      expect(verifyConsistency(size, old, oldRoot, root, proof)).toBe(false)
    }
    expect(() => inclusionProof(size, size, tree.read)).toThrow(
      expect.objectContaining({ code: 'bad_range' }),
    )
    expect(() => consistencyProof(5, 4, tree.read)).toThrow(expect.objectContaining({ code: 'bad_range' }))
  })
})
