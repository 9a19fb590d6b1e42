import { concatBytes } from './bytes.ts'
import { crc32 } from './crc32.ts'
import { EvidenceError } from './evidence-error.ts'
import {
  encodeCentralHeader,
  encodeEnd,
  encodeLocalHeader,
  ENTRIES_MAX,
  isSafeName,
  SIZE_MAX,
  type ZipHeader,
} from './zip-format.ts'

/** Content of an entry: bytes, or a function that gives the same bytes again each time it is called. */
export type ZipContent = Uint8Array | (() => AsyncIterable<Uint8Array>)

export interface ZipInput {
  name: string
  content: ZipContent
}

/**
 * Writes a ZIP in the one form of zip-format.ts, as a stream. The header comes before the content and names
 * its CRC, so a streamed content is read twice; if the second reading differs, the stream fails.
 *
 * @throws EvidenceError `bad_zip_input` for unsafe or double names and for sizes that would need zip64
 */
export function writeZip(entries: Iterable<ZipInput>): AsyncIterable<Uint8Array> {
  return inLargerChunks(writeEntries(entries))
}

async function* writeEntries(entries: Iterable<ZipInput>): AsyncGenerator<Uint8Array> {
  const written: { header: ZipHeader; offset: number }[] = []
  const names = new Set<string>()
  let offset = 0
  for (const { name, content } of entries) {
    if (!isSafeName(name))
      throw new EvidenceError('bad_zip_input', `name of entry is not allowed: ${JSON.stringify(name)}`)
    // Two names that differ in case only would overwrite each other on many desktops.
    if (names.has(name.toLowerCase()))
      throw new EvidenceError('bad_zip_input', `two entries are named ${name}`)
    names.add(name.toLowerCase())
    if (names.size > ENTRIES_MAX) throw new EvidenceError('bad_zip_input', 'too many entries')
    const measured = await measure(content)
    const header = { name, ...measured }
    const local = encodeLocalHeader(header)
    written.push({ header, offset })
    offset += local.length + header.sizeBytes
    if (offset > SIZE_MAX) throw new EvidenceError('bad_zip_input', 'archive would be 4 GB or larger')
    yield local
    yield* checked(header, content)
  }
  const central = concatBytes(written.map((entry) => encodeCentralHeader(entry.header, entry.offset)))
  if (offset + central.length > SIZE_MAX)
    throw new EvidenceError('bad_zip_input', 'archive would be 4 GB or larger')
  yield central
  yield encodeEnd(written.length, central.length, offset)
}

const CHUNK_BYTES = 64 * 1024

/** An archive of many small entries would otherwise cost whoever sends it a write for each of them. */
async function* inLargerChunks(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let gathered: Uint8Array[] = []
  let gatheredBytes = 0
  for await (const chunk of chunks) {
    gathered.push(chunk)
    gatheredBytes += chunk.length
    if (gatheredBytes < CHUNK_BYTES) continue
    yield concatBytes(gathered)
    gathered = []
    gatheredBytes = 0
  }
  if (gatheredBytes > 0) yield concatBytes(gathered)
}

/** Gathers a stream of chunks into one array. */
export async function collectBytes(chunks: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  for await (const chunk of chunks) parts.push(chunk)
  return concatBytes(parts)
}

async function measure(content: ZipContent): Promise<{ crc: number; sizeBytes: number }> {
  if (content instanceof Uint8Array) return { crc: crc32(content), sizeBytes: content.length }
  let crc = 0
  let sizeBytes = 0
  for await (const chunk of content()) {
    crc = crc32(chunk, crc)
    sizeBytes += chunk.length
  }
  return { crc, sizeBytes }
}

async function* checked(header: ZipHeader, content: ZipContent): AsyncGenerator<Uint8Array> {
  if (content instanceof Uint8Array) {
    yield content
    return
  }
  let crc = 0
  let sizeBytes = 0
  for await (const chunk of content()) {
    crc = crc32(chunk, crc)
    sizeBytes += chunk.length
    yield chunk
  }
  if (crc !== header.crc || sizeBytes !== header.sizeBytes) {
    throw new EvidenceError('bad_zip_input', `content of ${header.name} changed between its two readings`)
  }
}
