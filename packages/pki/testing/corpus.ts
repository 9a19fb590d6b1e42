/** Signature containers from real PDFs. For tests only: finds them by /ByteRange, without a PDF parser. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'

export interface FoundSignature {
  readonly file: string
  /** Content of /Contents, padding included. */
  readonly container: Uint8Array
  /** The two ranges that are signed. */
  readonly content: readonly Uint8Array[]
}

/** Folder of signed PDFs, or undefined (with a warning) when the corpus is not here. */
export function signedCorpus(): string | undefined {
  const root = process.env.YINXIN_CORPUS ?? resolve(import.meta.dirname, '../../../../shared/corpus')
  const folder = join(root, 'signed')
  if (existsSync(folder)) return folder
  console.warn('SKIPPED: no corpus of signed PDFs (set YINXIN_CORPUS)')
  return undefined
}

/** Every signature whose /Contents lies in the gap of its /ByteRange as hexadecimal. */
export function* signaturesIn(folder: string): Generator<FoundSignature> {
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.pdf'),
  )
  for (const file of files.sort()) {
    const bytes = readFileSync(join(folder, file))
    for (const match of bytes
      .toString('latin1')
      .matchAll(/\/ByteRange\s*\[\s*(\d+)\s+(\d+)\s+(\d+)\s+(\d+)\s*\]/g)) {
      const [start, length, second, rest] = match.slice(1).map(Number) as [number, number, number, number]
      const gap = bytes.toString('latin1', start + length, second)
      const hex = /^\s*<([0-9a-fA-F\s]*)>\s*$/.exec(gap)?.[1]?.replace(/\s/g, '')
      if (hex === undefined) continue
      const content = [bytes.subarray(start, start + length), bytes.subarray(second, second + rest)]
      yield { file, container: new Uint8Array(Buffer.from(hex, 'hex')), content }
    }
  }
}
