/** Prints what the package costs: `node packages/evidence/bench.ts`. */
import { createSamplePlatform, logPackage, samplePackage, signSampleTask } from './testing/sample-platform.ts'
import { verifyBundle } from './src/bundle-verify.ts'
import { prepareBundle, writeBundle } from './src/bundle-write.ts'
import { utf8 } from './src/bytes.ts'
import { crc32 } from './src/crc32.ts'
import { appendEvent, type ChainHead } from './src/event-chain.ts'
import { appendLeaves, inclusionProof, leafHash, verifyInclusion } from './src/merkle.ts'
import { collectBytes } from './src/zip-write.ts'

function measure(name: string, rounds: number, work: (round: number) => unknown): void {
  for (let round = 0; round < Math.min(rounds, 20); round++) work(round)
  const started = performance.now()
  for (let round = 0; round < rounds; round++) work(round)
  const each = (performance.now() - started) / rounds
  console.log(`${name.padEnd(44)} ${each < 1 ? `${(each * 1000).toFixed(1)} µs` : `${each.toFixed(2)} ms`}`)
}

const platform = createSamplePlatform()
const input = await signSampleTask(platform)
const zip = await samplePackage(platform, input)
const anchors = { trust: [platform.root.certificate.der], logKeys: [platform.vkey] }

let head: ChainHead | null = null
const fields = { taskId: 't', type: 'document.viewed', actor: { kind: 'person', id: 'p' }, data: { page: 1 } }
measure('append an event to a chain', 20_000, (round) => {
  head = appendEvent(head, { ...fields, at: new Date(round) }).head
})

const nodes = new Map<string, Uint8Array>()
const read = (level: number, index: number) => nodes.get(`${level}/${index}`) as Uint8Array
const leaf = leafHash(utf8('leaf'))
const size = 100_000
const whole = appendLeaves(0, new Array<Uint8Array>(size).fill(leaf), read)
const { root } = whole
for (const node of whole.nodes) nodes.set(`${node.level}/${node.index}`, node.hash)
measure('append a leaf to a log of 100,000', 5000, () => appendLeaves(size, [leaf], read))
measure('append 64 leaves at once', 500, () => appendLeaves(size, new Array<Uint8Array>(64).fill(leaf), read))
measure('make an inclusion proof', 5000, (round) => inclusionProof(round, size, read))
const proof = inclusionProof(77, size, read)
measure('verify an inclusion proof', 5000, () => verifyInclusion(leaf, 77, size, root, proof))

measure('prepare a package (2 signatures, 6 events)', 200, () => prepareBundle(input))
measure('verify it without anchors', 100, () => verifyBundle(zip))
measure('verify it with anchors', 100, () => verifyBundle(zip, anchors))
const large = new Uint8Array(20_000_000).fill(65)
measure('CRC-32 of 20 MB', 5, () => crc32(large))
const prepared = prepareBundle(input)
const logged = logPackage(platform, prepared)
const started = performance.now()
for (let round = 0; round < 50; round++) await collectBytes(writeBundle(prepared, logged))
console.log(`${'write the package'.padEnd(44)} ${((performance.now() - started) / 50).toFixed(2)} ms`)
