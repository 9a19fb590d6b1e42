import {
  CHECKPOINT,
  CHECKPOINT_TIMESTAMP,
  DISCLOSURES,
  EVENTS,
  MANIFEST,
  MANIFEST_PROOF,
  README,
  type Manifest,
  parseManifest,
} from './bundle-layout.ts'
import { type ProblemList, reasonOf } from './bundle-problems.ts'
import { sha256Hex } from './bytes.ts'
import { readZip } from './zip-read.ts'

/** The contents of a package by name; a damaged one is there too and already reported. */
export type Entries = ReadonlyMap<string, Uint8Array>

/**
 * Opens a package and compares it with its manifest: framing byte for byte, then every entry's presence, place,
 * size and hash. The manifest is null when there is none to compare with.
 */
export function verifyEntries(
  zip: Uint8Array,
  problems: ProblemList,
): { entries: Entries; manifest: Manifest | null } {
  const archive = readZip(zip)
  for (const { entry, code, offset } of archive.problems) problems.add(entry, code, `@${offset}`)
  const entries = new Map(archive.entries.map(({ name, content }) => [name, content]))
  const bytes = entries.get(MANIFEST)
  if (bytes === undefined) {
    if (archive.entries.length > 0) problems.add(MANIFEST, 'entry_missing')
    return { entries, manifest: null }
  }
  let manifest: Manifest
  try {
    manifest = parseManifest(bytes)
  } catch (error) {
    problems.add(MANIFEST, 'manifest_invalid', reasonOf(error))
    return { entries, manifest: null }
  }
  const expected = [MANIFEST, MANIFEST_PROOF, ...manifest.entries.map(({ path }) => path)]
  compareNames(
    expected,
    archive.entries.map(({ name }) => name),
    problems,
  )
  for (const { path, sha256, sizeBytes } of manifest.entries) {
    const content = entries.get(path)
    if (content === undefined) continue
    if (content.length !== sizeBytes || sha256Hex(content) !== sha256) problems.add(path, 'entry_changed')
  }
  checkManifestTables(manifest, problems)
  return { entries, manifest }
}

function compareNames(expected: readonly string[], found: readonly string[], problems: ProblemList): void {
  const missing = expected.filter((name) => !found.includes(name))
  const added = found.filter((name) => !expected.includes(name))
  for (const name of missing) problems.add(name, 'entry_missing')
  for (const name of added) problems.add(name, 'entry_added')
  if (missing.length > 0 || added.length > 0) return
  const at = expected.findIndex((name, index) => found[index] !== name)
  if (at >= 0) problems.add(found[at] as string, 'entry_order')
}

/** Within the manifest: entries sorted and single, and the documents the same as the entries of that role. */
function checkManifestTables(manifest: Manifest, problems: ProblemList): void {
  const paths = manifest.entries.map(({ path }) => path)
  if (paths.some((path, index) => index > 0 && path <= (paths[index - 1] as string))) {
    problems.add(MANIFEST, 'manifest_invalid', 'entries are not sorted')
  }
  for (const path of [README, EVENTS, DISCLOSURES, CHECKPOINT, CHECKPOINT_TIMESTAMP]) {
    if (!paths.includes(path)) problems.add(MANIFEST, 'manifest_invalid', `${path} is not listed`)
  }
  const listed = manifest.entries.filter(({ role }) => role === 'document')
  const told = [...manifest.documents].sort((a, b) => (a.path < b.path ? -1 : 1))
  const same =
    listed.length === told.length &&
    listed.every((entry, index) => {
      const document = told[index]
      return (
        document?.path === entry.path &&
        document.sha256 === entry.sha256 &&
        document.sizeBytes === entry.sizeBytes
      )
    })
  const ids = new Set(manifest.documents.map(({ documentId }) => documentId))
  if (!same || ids.size !== manifest.documents.length) {
    problems.add(MANIFEST, 'manifest_invalid', 'documents and entries do not agree')
  }
}
