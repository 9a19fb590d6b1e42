import { createHash } from 'node:crypto'
import { issuedLeafBytes, type Manifest } from '../src/bundle-layout.ts'
import { type BundleInput, type PreparedBundle, writeBundle } from '../src/bundle-write.ts'
import { sha256Hex } from '../src/bytes.ts'
import { canonicalBytes } from '../src/canonical-json.ts'
import { appendEvent, type ChainHead, type EvidenceEvent, eventBytes } from '../src/event-chain.ts'
import { readZip } from '../src/zip-read.ts'
import { collectBytes, writeZip, type ZipInput } from '../src/zip-write.ts'
import { logPackage, type SamplePlatform, SIGNED_AT } from './sample-platform.ts'

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

/** A package with another manifest or other files, properly listed and logged: what a platform could issue that does not keep to the form. */
export function reissue(
  platform: SamplePlatform,
  prepared: PreparedBundle,
  change: (manifest: Manifest) => Manifest,
  replaced: Readonly<Record<string, Uint8Array>> = {},
): Promise<Uint8Array> {
  const manifest = change(structuredClone(prepared.manifest))
  for (const entry of manifest.entries) {
    const content = replaced[entry.path]
    if (content !== undefined) Object.assign(entry, { sha256: sha256Hex(content), sizeBytes: content.length })
  }
  const manifestBytes = canonicalBytes(manifest)
  const { taskId, createdAt: at, events } = manifest
  const issuedLeaf = { ...prepared.issuedLeaf, taskId, at, events, manifestSha256: sha256Hex(manifestBytes) }
  const changed = {
    ...prepared,
    manifest,
    manifestBytes,
    issuedLeaf,
    issuedEntry: issuedLeafBytes(issuedLeaf),
  }
  const contentOf = ({ name, content }: ZipInput) => ({ name, content: replaced[name] ?? content })
  const listed = new Map(prepared.files.map((file) => [file.name, contentOf(file)]))
  const files = manifest.entries.flatMap(({ path }) => listed.get(path) ?? [])
  return collectBytes(writeBundle({ ...changed, files }, logPackage(platform, changed)))
}
