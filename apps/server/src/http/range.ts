import { refuse } from './errors.ts'
import type { RawAnswer } from './route.ts'

export interface ByteRange {
  start: number
  /** Inclusive. */
  end: number
}

/** One byte range (RFC 9110 §14.2). Several ranges and other units are answered with the whole, as allowed there. */
export function parseRange(header: string | undefined, sizeBytes: number): ByteRange | undefined {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header?.trim() ?? '')
  if (!match || (match[1] === '' && match[2] === '')) return undefined
  const start = match[1] === '' ? Math.max(sizeBytes - Number(match[2]), 0) : Number(match[1])
  const end = match[1] === '' || match[2] === '' ? sizeBytes - 1 : Math.min(Number(match[2]), sizeBytes - 1)
  if (start > end || start >= sizeBytes) throw refuse('range_not_satisfiable')
  return { start, end }
}

/** Answers a file, whole or in part; immutable content is named by its hash as ETag. */
export function fileAnswer(file: {
  range: string | undefined
  sizeBytes: number
  sha256: string
  contentType: string
  fileName: string
  /** `inline` is shown, `attachment` is saved. */
  disposition?: 'inline' | 'attachment'
  read(range: ByteRange | undefined): AsyncIterable<Uint8Array>
}): RawAnswer {
  const range = parseRange(file.range, file.sizeBytes)
  const length = range ? range.end - range.start + 1 : file.sizeBytes
  return {
    status: range ? 206 : 200,
    contentType: file.contentType,
    body: file.read(range),
    headers: {
      'content-length': String(length),
      'accept-ranges': 'bytes',
      etag: `"${file.sha256}"`,
      'content-disposition': contentDisposition(file.disposition ?? 'inline', file.fileName),
      ...(range ? { 'content-range': `bytes ${range.start}-${range.end}/${file.sizeBytes}` } : {}),
    },
  }
}

/** RFC 6266 with the real name in RFC 8187 form, for Chinese file names. */
export function contentDisposition(kind: 'inline' | 'attachment', fileName: string): string {
  const ascii = fileName.replace(/[^\x20-\x7e]|["\\%]/g, '_')
  const encoded = encodeURIComponent(fileName).replace(
    /['()*]/g,
    (char) => `%${char.charCodeAt(0).toString(16)}`,
  )
  return `${kind}; filename="${ascii}"; filename*=UTF-8''${encoded}`
}
