/** What an import takes at most: a bundle comes from outside, and everything in memory has a bound. */
import type { ExportItem, TarDamage } from '@yinxin/evidence'
import type { BundleSource } from './bundle-source.ts'
import { refuse } from './errors.ts'

export const IMPORT_LIMITS = {
  /** Of one contract, documents and evidence together: it is held in memory while it is verified. */
  contractBytes: 1 << 30,
  fileBytes: 512 << 20,
  /** Of a table, the list of entries and the manifest. */
  tableBytes: 256 << 20,
  otherBytes: 16 << 20,
  entries: 2_000_000,
  /** Invited at once: each becomes an account. */
  members: 10_000,
}

export type ImportLimits = typeof IMPORT_LIMITS

/** The same items, refused where one grows over its limit, before more of it is read. @throws `import_entry_large` */
export function limited(source: BundleSource, limits: ImportLimits = IMPORT_LIMITS): BundleSource {
  async function* items(damage: TarDamage[]): AsyncGenerator<ExportItem> {
    let entries = 0
    let contract = { id: '', bytes: 0 }
    for await (const item of source.items(damage)) {
      entries += 1
      if (entries > limits.entries)
        throw refuse('import_entry_large', { path: item.path, limit: limits.entries })
      const id = /^contracts\/([^/]+)\//.exec(item.path)?.[1]
      if (id !== undefined && id !== contract.id) contract = { id, bytes: 0 }
      const counted = id === undefined ? { id: '', bytes: 0 } : contract
      yield { ...item, content: bounded(item.path, item.content, limitOf(item.path, limits), counted) }
    }
  }
  return { ordered: source.ordered, items }
}

function limitOf(path: string, limits: ImportLimits): number {
  if (path.startsWith('contracts/')) return limits.contractBytes
  if (path.startsWith('files/')) return limits.fileBytes
  if (path.startsWith('tables/') || path === 'entries.jsonl' || path.startsWith('index.'))
    return limits.tableBytes
  return limits.otherBytes
}

async function* bounded(
  path: string,
  content: AsyncIterable<Uint8Array>,
  limit: number,
  counted: { bytes: number },
): AsyncGenerator<Uint8Array> {
  for await (const chunk of content) {
    counted.bytes += chunk.length
    if (counted.bytes > limit) throw refuse('import_entry_large', { path, limit })
    yield chunk
  }
}
