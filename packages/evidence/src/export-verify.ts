/** Judges an export without the installation that made it or the one that shall take it. */
import {
  type Certificate,
  digest,
  parseCertificate,
  parseTimestampResponse,
  parseTimestampToken,
  startDigest,
  verifyTimestampToken,
} from '@yinxin/pki'
import { reasonOf } from './bundle-problems.ts'
import { type BundleReport, verifyBundle } from './bundle-verify.ts'
import { concatBytes, fromUtf8, sha256Hex, toHex } from './bytes.ts'
import { joinEvidence } from './export-evidence.ts'
import {
  contractOfPath,
  contractPath,
  EXPORT_ENTRIES,
  EXPORT_MANIFEST,
  EXPORT_PROOF,
  EXPORT_TAIL,
  EXPORT_TIMESTAMP,
  type ExportEntry,
  type ExportLoss,
  type ExportManifest,
  evidenceRestPath,
  parseExportEntry,
  parseExportLeaf,
  parseExportManifest,
} from './export-layout.ts'
import { createExportProblems, type ExportProblem, type ExportProblemList } from './export-problems.ts'
import { type NoteKey, openCheckpoint, parseVkey } from './note.ts'
import type { TarDamage } from './tar-read.ts'
import { parseTlogProof, verifyTlogProof } from './tlog-proof.ts'
import { ARCHIVE } from './zip-read.ts'

/** An entry as a source gives it; its content is read once, to its end. */
export interface ExportItem {
  path: string
  content: AsyncIterable<Uint8Array>
  /** Of an archive; a folder has none. */
  mtimeS?: number
}

export interface VerifyExportOptions {
  /** DER of trusted root certificates. */
  trust?: readonly Uint8Array[]
  logKeys?: readonly (string | NoteKey)[]
  /** The items come in the order in which they were written, as from an archive. */
  ordered?: boolean
  onProgress?: (progress: { entries: number; bytes: number }) => void
  /** Told of each contract as it was verified, with the package put together again. */
  onContract?: (contract: { taskId: string; report: BundleReport; zip: Uint8Array }) => void | Promise<void>
}

export interface ExportReport {
  ok: boolean
  problems: ExportProblem[]
  /** What the export itself declares as lost, under the signature of its log; no problem of the export. */
  lost: ExportLoss[]
  manifest: ExportManifest | null
  manifestSha256: string | null
  logIndex: number | null
  /** When an authority saw the manifest. */
  timestamp: string | null
  entries: number
  sizeBytes: number
  contracts: number
  /** Whether timestamp and every signature lead to a given root; null when none was given. */
  trusted: boolean | null
  /** Whether the given log key vouches for export and evidence; null when none was given. */
  logVerified: boolean | null
}

interface Seen {
  sizeBytes: number
  sha256: string
  sm3: string
}

/** A tail is text of moderate size; the list of entries grows with the export and is read line by line. */
const TAIL_BYTES_MAX = 16 << 20

/**
 * Verifies an export in one pass: memory holds one contract at a time, and a line for each entry. Never throws on a
 * bad export. `damage` collects what the archive's reader met on the way.
 * @throws PkiError or EvidenceError when an anchor itself is not readable
 */
export async function verifyExport(
  items: AsyncIterable<ExportItem>,
  options: VerifyExportOptions = {},
  damage: readonly TarDamage[] = [],
): Promise<ExportReport> {
  const trust = options.trust === undefined || options.trust.length === 0 ? undefined : options.trust
  const anchors = trust?.map(parseCertificate)
  const logKeys = (options.logKeys ?? []).map((key) => (typeof key === 'string' ? parseVkey(key) : key))
  const problems = createExportProblems()
  const seen = new Map<string, Seen>()
  const order: string[] = []
  const tail = new Map<string, Uint8Array>()
  const listed: ExportEntry[] = []
  const times = new Map<number, string>()
  const contract = createContractReader(problems, { trust, logKeys }, options.onContract)
  let sizeBytes = 0

  // 1. Every entry once: hashed, and contracts judged as they pass.
  for await (const { path, content, mtimeS } of items) {
    if (seen.has(path)) problems.add(path, 'entry_twice')
    if (mtimeS !== undefined && !times.has(mtimeS)) times.set(mtimeS, path)
    const kept = EXPORT_TAIL.includes(path) || contract.wants(path) ? ([] as Uint8Array[]) : null
    const hashes = { sha256: startDigest('sha256'), sm3: startDigest('sm3') }
    let length = 0
    for await (const chunk of content) {
      hashes.sha256.update(chunk)
      hashes.sm3.update(chunk)
      length += chunk.length
      kept?.push(new Uint8Array(chunk))
    }
    sizeBytes += length
    seen.set(path, {
      sizeBytes: length,
      sha256: toHex(hashes.sha256.digest()),
      sm3: toHex(hashes.sm3.digest()),
    })
    order.push(path)
    if (kept !== null) {
      const bytes = concatBytes(kept)
      if (path === EXPORT_ENTRIES) readEntries(bytes, listed, problems)
      else if (EXPORT_TAIL.includes(path)) {
        if (bytes.length <= TAIL_BYTES_MAX) tail.set(path, bytes)
      } else await contract.take(path, bytes)
    }
    options.onProgress?.({ entries: seen.size, bytes: sizeBytes })
  }
  await contract.end()

  // 2. What the archive's own reader met.
  for (const { offset, after, what } of damage) {
    const place = after === null ? `@${offset}` : `@${offset}, after ${after}`
    if (what === 'header') problems.add(ARCHIVE, 'archive_header', place)
    else if (what === 'padding') problems.add(after ?? ARCHIVE, 'archive_padding', `@${offset}`)
    else if (what === 'end') problems.add(ARCHIVE, 'archive_end', place)
    else problems.add(after ?? ARCHIVE, 'archive_truncated', `@${offset}`)
  }

  // 3. The tables against what was there, and the manifest against log and time.
  const manifestBytes = tail.get(EXPORT_MANIFEST)
  const manifest = readManifest(manifestBytes, problems)
  compareEntries(listed, seen, order, manifest, options.ordered === true, problems)
  if (manifest !== null) {
    const seconds = Math.floor(Date.parse(manifest.snapshotAt) / 1000)
    for (const [time, path] of times) if (time !== seconds) problems.add(path, 'archive_time')
    for (const entry of listed) {
      const inner = contractOfPath(entry.path)
      if (inner !== null && !contract.judged.has(inner.taskId)) {
        contract.judged.add(inner.taskId)
        problems.add(evidenceRestPath(inner.taskId), 'evidence_missing')
      }
    }
    for (const { path } of manifest.lost ?? [])
      if (listed.some((entry) => entry.path === path)) problems.add(path, 'loss_present')
  }
  const logged = manifest && verifyLogged(manifest, manifestBytes as Uint8Array, tail, logKeys, problems)
  const stamped = verifyStamp(manifestBytes, tail.get(EXPORT_TIMESTAMP), anchors, problems)
  // Log and time vouch for it independently: when neither knows these bytes, it is they that were changed.
  const isKnown = logged !== null || stamped.genTime !== null || !tail.has(EXPORT_TIMESTAMP)
  if (manifest !== null && !isKnown && !problems.all.some(({ entry }) => entry === EXPORT_MANIFEST))
    problems.add(EXPORT_MANIFEST, 'entry_changed')
  // What follows from a declared loss alone is the loss, not a problem besides; the log vouches for the declaration.
  const lost = logged === null ? [] : (manifest?.lost ?? [])
  const found = problems.all.filter((one) => !followsFrom(lost, one))
  return {
    ok: found.length === 0,
    problems: found,
    lost: [...lost],
    manifest,
    manifestSha256: manifestBytes === undefined ? null : sha256Hex(manifestBytes),
    logIndex: logged?.index ?? null,
    timestamp: stamped.genTime,
    entries: seen.size,
    sizeBytes,
    contracts: contract.count(),
    trusted: trust === undefined ? null : stamped.trusted && contract.trusted(),
    logVerified: logKeys.length === 0 ? null : logged?.verified === true && contract.logVerified(),
  }
}

/** A document that is declared as lost is missing in its package, and evidence that is lost is not there. */
function followsFrom(lost: readonly ExportLoss[], { entry, code }: ExportProblem): boolean {
  if (code !== 'entry_missing' && code !== 'evidence_missing') return false
  return lost.some(({ path }) => path === entry)
}

function readEntries(bytes: Uint8Array, listed: ExportEntry[], problems: ExportProblemList): void {
  let at = 0
  while (at < bytes.length) {
    const end = bytes.indexOf(0x0a, at)
    const line = end < 0 ? null : fromUtf8(bytes.subarray(at, end))
    try {
      if (line === null) throw new Error('a line has no end or is not UTF-8')
      listed.push(parseExportEntry(line))
    } catch (error) {
      problems.add(EXPORT_ENTRIES, 'entries_invalid', `${listed.length + 1}: ${reasonOf(error)}`)
      return
    }
    at = end + 1
  }
}

function readManifest(bytes: Uint8Array | undefined, problems: ExportProblemList): ExportManifest | null {
  if (bytes === undefined) return null
  try {
    return parseExportManifest(bytes)
  } catch (error) {
    problems.add(EXPORT_MANIFEST, 'manifest_invalid', reasonOf(error))
    return null
  }
}

function compareEntries(
  listed: readonly ExportEntry[],
  seen: ReadonlyMap<string, Seen>,
  order: readonly string[],
  manifest: ExportManifest | null,
  ordered: boolean,
  problems: ExportProblemList,
): void {
  const expected = new Set([...listed.map(({ path }) => path), ...EXPORT_TAIL])
  if (expected.size !== listed.length + EXPORT_TAIL.length)
    problems.add(EXPORT_ENTRIES, 'entries_invalid', 'a path occurs twice')
  for (const path of expected) if (!seen.has(path)) problems.add(path, 'entry_missing')
  for (const path of seen.keys()) if (!expected.has(path)) problems.add(path, 'entry_added')
  for (const entry of listed) {
    const found = seen.get(entry.path)
    if (found === undefined) continue
    if (found.sizeBytes !== entry.sizeBytes || found.sha256 !== entry.sha256 || found.sm3 !== entry.sm3)
      problems.add(entry.path, 'entry_changed')
  }
  const table = seen.get(EXPORT_ENTRIES)
  if (manifest !== null && table !== undefined) {
    const { count, sizeBytes, sha256, sm3 } = manifest.entries
    const sum = listed.reduce((all, entry) => all + entry.sizeBytes, 0)
    if (table.sha256 !== sha256 || table.sm3 !== sm3 || count !== listed.length || sizeBytes !== sum)
      problems.add(EXPORT_ENTRIES, 'entry_changed')
  }
  if (!ordered) return
  const wanted = [...listed.map(({ path }) => path), ...EXPORT_TAIL].filter((path) => seen.has(path))
  const found = order.filter((path) => expected.has(path))
  const at = wanted.findIndex((path, index) => found[index] !== path)
  if (at >= 0) problems.add(found[at] ?? (wanted[at] as string), 'entry_order')
}

function verifyLogged(
  manifest: ExportManifest,
  bytes: Uint8Array,
  tail: ReadonlyMap<string, Uint8Array>,
  logKeys: readonly NoteKey[],
  problems: ExportProblemList,
): { index: number; verified: boolean | null } | null {
  const text = fromUtf8(tail.get(EXPORT_PROOF) ?? new Uint8Array())
  try {
    if (text === null || text === '') throw new Error('no proof')
    const proof = parseTlogProof(text)
    if (proof.extra === undefined) throw new Error('the leaf is missing')
    const leaf = parseExportLeaf(proof.extra)
    const opened = verifyTlogProof(proof, proof.extra, manifest.log.keys)
    if (opened.checkpoint.origin !== manifest.log.origin)
      throw new Error('origin is not the one of the manifest')
    // A line that nobody can check could be bent at will.
    if (opened.unknown.length > 0) throw new Error('holds a signature line that no listed key explains')
    // A leaf that is in the log but tells of other bytes convicts these, not the proof.
    const stamp = tail.get(EXPORT_TIMESTAMP)
    if (stamp !== undefined && leaf.timestampSha256 !== sha256Hex(stamp))
      problems.add(EXPORT_TIMESTAMP, 'entry_changed')
    const isOfManifest =
      leaf.manifestSha256 === sha256Hex(bytes) &&
      leaf.exportId === manifest.exportId &&
      leaf.tenantId === manifest.tenant.id &&
      leaf.at === manifest.createdAt
    if (!isOfManifest) {
      problems.add(EXPORT_MANIFEST, 'entry_changed')
      return null
    }
    let verified: boolean | null = null
    if (logKeys.length > 0) {
      try {
        openCheckpoint(proof.checkpoint, logKeys)
        verified = true
      } catch (error) {
        verified = false
        problems.add(EXPORT_PROOF, 'log_key_unknown', reasonOf(error))
      }
    }
    return { index: proof.index, verified }
  } catch (error) {
    problems.add(EXPORT_PROOF, 'manifest_not_logged', reasonOf(error))
    return null
  }
}

function verifyStamp(
  manifest: Uint8Array | undefined,
  response: Uint8Array | undefined,
  anchors: readonly Certificate[] | undefined,
  problems: ExportProblemList,
): { genTime: string | null; trusted: boolean } {
  if (manifest === undefined || response === undefined) return { genTime: null, trusted: false }
  try {
    const { token } = parseTimestampResponse(response)
    if (token === undefined) throw new Error('no token')
    const { messageImprint, genTime } = parseTimestampToken(token)
    const { algorithm } = messageImprint
    const imprint = { digest: digest(algorithm, manifest), digestAlgorithm: algorithm }
    const integrity = verifyTimestampToken(token, imprint)
    if (!integrity.ok) throw new Error(integrity.problems.map(({ code }) => code).join(' '))
    const trusted = anchors !== undefined && verifyTimestampToken(token, imprint, { anchors }).ok
    if (anchors !== undefined && !trusted) problems.add(EXPORT_TIMESTAMP, 'timestamp_untrusted')
    return { genTime: genTime.toISOString(), trusted }
  } catch (error) {
    problems.add(EXPORT_TIMESTAMP, 'timestamp_invalid', reasonOf(error))
    return { genTime: null, trusted: false }
  }
}

/** Gathers the entries of one contract at a time; they stand together in every export. */
function createContractReader(
  problems: ExportProblemList,
  anchors: { trust: readonly Uint8Array[] | undefined; logKeys: readonly NoteKey[] },
  onContract: VerifyExportOptions['onContract'],
) {
  let current: { taskId: string; rest: Uint8Array | null; documents: Map<string, Uint8Array> } | null = null
  const judged = new Set<string>()
  let count = 0
  let allTrusted = true
  let allLogged = true

  async function judge(): Promise<void> {
    if (current === null) return
    const { taskId, rest, documents } = current
    current = null
    judged.add(taskId)
    if (rest === null) {
      problems.add(evidenceRestPath(taskId), 'evidence_missing')
      return
    }
    const joined = await joinEvidence(rest, documents)
    const place = (entry: string) =>
      documents.has(entry) || entry.startsWith('documents/')
        ? contractPath(taskId, entry)
        : `${evidenceRestPath(taskId)}!${entry}`
    for (const { entry, code, offset } of joined.problems)
      problems.addEvidence(place(entry), { entry, code, message_zh: `@${offset}`, message_en: `@${offset}` })
    const report = verifyBundle(joined.zip, {
      ...(anchors.trust === undefined ? {} : { trust: anchors.trust }),
      logKeys: anchors.logKeys,
    })
    for (const problem of report.problems) problems.addEvidence(place(problem.entry), problem)
    if (report.task !== null && report.task.taskId !== taskId)
      problems.add(evidenceRestPath(taskId), 'entry_changed', 'evidence of another contract')
    count += 1
    allTrusted &&= report.trusted === true
    allLogged &&= report.logVerified === true
    await onContract?.({ taskId, report, zip: joined.zip })
  }

  return {
    judged,
    count: () => count,
    trusted: () => allTrusted,
    logVerified: () => allLogged,
    wants: (path: string) => contractOfPath(path) !== null,
    async take(path: string, bytes: Uint8Array): Promise<void> {
      const { taskId, inner } = contractOfPath(path) as { taskId: string; inner: string }
      if (current !== null && current.taskId !== taskId) await judge()
      current ??= { taskId, rest: null, documents: new Map() }
      if (path === evidenceRestPath(taskId)) current.rest = bytes
      else current.documents.set(inner, bytes)
    },
    end: judge,
  }
}
