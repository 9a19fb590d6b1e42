import { byPath, documentEntryPath, MANIFEST, MANIFEST_PROOF } from './bundle-layout.ts'
import { readZip, type ZipProblem } from './zip-read.ts'
import { collectBytes, writeZip } from './zip-write.ts'

/**
 * Puts an evidence package together again from what an export keeps of it: the ZIP without the documents, and the
 * documents beside it. ZIP has one form here, so these are the bytes of the package as it was issued.
 */
export async function joinEvidence(
  rest: Uint8Array,
  documents: ReadonlyMap<string, Uint8Array>,
): Promise<{ zip: Uint8Array; problems: ZipProblem[] }> {
  const { entries, problems } = readZip(rest)
  const first = [MANIFEST, MANIFEST_PROOF]
  const head = first.flatMap((name) => entries.filter((entry) => entry.name === name))
  const files = [
    ...entries
      .filter(({ name }) => !first.includes(name))
      .map(({ name, content }) => ({ path: name, content })),
    ...[...documents]
      .filter(([path]) => documentEntryPath.test(path))
      .map(([path, content]) => ({ path, content })),
  ].sort(byPath)
  const inputs = [...head, ...files.map(({ path, content }) => ({ name: path, content }))]
  const seen = new Set<string>()
  const single = inputs.filter(({ name }) => !seen.has(name.toLowerCase()) && seen.add(name.toLowerCase()))
  return { zip: await collectBytes(writeZip(single)), problems }
}
