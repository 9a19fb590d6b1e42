import { createHash } from 'node:crypto'
import type { BundleInput } from '../src/bundle-write.ts'
import { appendEvent, type ChainHead, type EvidenceEvent, eventBytes } from '../src/event-chain.ts'
import { readZip } from '../src/zip-read.ts'
import { collectBytes, writeZip, type ZipInput } from '../src/zip-write.ts'
import { type SamplePlatform, SIGNED_AT } from './sample-platform.ts'

/** A package with its entries changed and its framing and checksums made to fit again. */
export function withEntries(
  zip: Uint8Array,
  change: (entries: ZipInput[]) => ZipInput[],
): Promise<Uint8Array> {
  return collectBytes(writeZip(change(readZip(zip).entries)))
}

/** The same input with another history, chained and logged anew as a platform that lies would do. */
export function rewriteEvents(
  platform: SamplePlatform,
  input: BundleInput,
  change: (events: EvidenceEvent[]) => EvidenceEvent[],
): BundleInput {
  let head: ChainHead | null = null
  const events = change(structuredClone([...input.events])).map(({ type, at, actor, data }) => {
    const appended = appendEvent(head, { taskId: input.taskId, type, at: new Date(at), actor, data })
    head = appended.head
    return appended.event
  })
  const { from, root } = platform.append(events.map(eventBytes))
  const checkpoint = platform.checkpoint(root)
  const digest = new Uint8Array(createHash('sha256').update(checkpoint).digest())
  return {
    ...input,
    events,
    disclosures: [],
    log: {
      keys: input.log.keys,
      checkpoint,
      timestampToken: platform.stamp(digest, SIGNED_AT + 4000_000),
      proofs: events.map((_, seq) => platform.proofOf(from + seq)),
    },
  }
}
