/** Which input case N of a seed is; the same in the thread that checks it and in the one that saves it. */
import { mutateBytes, mutateDer, mutatePdf, type Random, randomOf } from './mutate.ts'
import { appendRevision, type Expectation } from './revisions.ts'
import type { Sample, Samples, Target } from './samples.ts'

export interface Case {
  readonly sample: Sample
  readonly bytes: Uint8Array
  /** What a well-formed revision changed, and what must be said of it. */
  readonly revised?: Revision
}

export interface Revision {
  readonly expectation: Expectation
  readonly changes: readonly string[]
}

/** Half of the cases are whole files; of those the small ones of our own come up more often. */
// biome-ignore format: weights
const WEIGHTS: readonly Target[] = [
  'pdf', 'pdf', 'pdf', 'pdf', 'revision', 'revision', 'revision',
  'cms', 'certificate', 'timestamp', 'crl', 'ocsp', 'csr', 'est',
]

export function caseOf(samples: Samples, seed: number, index: number): Case {
  const random = randomOf(seed, index)
  const target = random.pick(WEIGHTS)
  const ownOnly = random.below(2) === 0
  const sample = random.pick(samples.list.filter((one) => one.target === target && (one.own || !ownOnly)))
  if (target === 'revision') return revisedCase(sample, random)
  const other = random.pick(samples.list.filter((one) => one.target === target)).bytes
  let { bytes } = sample
  for (let rounds = 1 + random.below(3); rounds > 0; rounds--) {
    if (target === 'pdf') bytes = mutateFile(bytes, random, other, samples)
    else if (target === 'est') bytes = mutateText(bytes, random, other)
    else bytes = mutateContainer(bytes, random, other)
  }
  return { sample, bytes }
}

const RANKS: readonly Expectation[] = ['same', 'form', 'annotations', 'other']

/** One to three correct revisions on top of each other; the worst of them decides what must be said. */
function revisedCase(sample: Sample, random: Random): Case {
  let { bytes } = sample
  let rank = 0
  const changes: string[] = []
  for (let rounds = 1 + random.below(3); rounds > 0; rounds--) {
    const revised = appendRevision(bytes, random)
    if (!revised) continue
    bytes = revised.bytes
    changes.push(revised.change)
    rank = Math.max(rank, RANKS.indexOf(revised.expectation))
  }
  return { sample, bytes, revised: { expectation: RANKS[rank] ?? 'same', changes } }
}

/** EST carries its DER as text: either of them is changed. */
function mutateText(bytes: Uint8Array, random: Random, other: Uint8Array): Uint8Array {
  if (random.below(4) === 0) return mutateBytes(bytes, random, other)
  const derOf = (text: Uint8Array) =>
    new Uint8Array(Buffer.from(Buffer.from(text).toString('latin1'), 'base64'))
  const der = derOf(bytes)
  if (der.length === 0) return other
  return new Uint8Array(
    Buffer.from(Buffer.from(mutateContainer(der, random, derOf(other))).toString('base64')),
  )
}

function mutateContainer(bytes: Uint8Array, random: Random, other: Uint8Array): Uint8Array {
  const tree = random.below(3) > 0 ? mutateDer(bytes, random, other) : undefined
  return tree ?? mutateBytes(bytes, random, other)
}

function mutateFile(bytes: Uint8Array, random: Random, other: Uint8Array, samples: Samples): Uint8Array {
  const kind = random.below(6)
  if (bytes.length === 0) return other
  if (kind < 2) return mutateBytes(bytes, random, other)
  if (kind < 5) return mutatePdf(bytes, random)
  return mutateContents(bytes, random, samples) ?? mutatePdf(bytes, random)
}

/** Changes the CMS inside a file's /Contents and keeps the length of the gap. */
function mutateContents(bytes: Uint8Array, random: Random, samples: Samples): Uint8Array | undefined {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  const gaps: [number, number][] = []
  for (let at = text.indexOf('/Contents<'); at !== -1; at = text.indexOf('/Contents<', at + 1)) {
    const from = at + '/Contents<'.length
    const to = text.indexOf('>', from)
    if (to - from > 200) gaps.push([from, to])
  }
  if (gaps.length === 0) return undefined
  const [from, to] = random.pick(gaps)
  const container = Buffer.from(text.subarray(from, to).toString('latin1'), 'hex')
  // Digits that were mutated before may say little.
  if (container.length < 4) return undefined
  const length = 4 + container.readUInt16BE(2)
  const foreign = random.pick(samples.list.filter(({ target }) => target === 'cms')).bytes
  const mutated = mutateContainer(new Uint8Array(container.subarray(0, length)), random, foreign)
  const digits = Buffer.from(mutated)
    .toString('hex')
    .slice(0, to - from)
    .padEnd(to - from, '0')
  const changed = Buffer.from(text)
  changed.write(digits, from, 'latin1')
  return new Uint8Array(changed)
}
