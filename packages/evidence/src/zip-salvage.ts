import { inflateRaw } from '@yinxin/pades'
import { fromUtf8 } from './bytes.ts'
import { CENTRAL_BYTES, CENTRAL_SIGNATURE, END_BYTES, END_SIGNATURE, LOCAL_BYTES } from './zip-format.ts'
import type { ZipEntry } from './zip-read.ts'

/** What salvaging may inflate in all; a package beyond it is refused by its form alone. */
const SALVAGE_LIMIT_BYTES = 256 * 1024 * 1024
const STORED = 0
const DEFLATED = 8

/**
 * Reads what an ordinary ZIP program would read, by the directory at the end. A package that was packed anew is
 * refused for its form; whoever packed it anew also changed something, and this finds out which entries to name.
 * Nothing read here ever makes a package good.
 */
export function salvageEntries(zip: Uint8Array): ZipEntry[] {
  const view = new DataView(zip.buffer, zip.byteOffset, zip.byteLength)
  const entries: ZipEntry[] = []
  const end = zip.length - END_BYTES
  if (end < 0 || view.getUint32(end, true) !== END_SIGNATURE) return entries
  let at = view.getUint32(end + 16, true)
  let budget = SALVAGE_LIMIT_BYTES
  while (at + CENTRAL_BYTES <= end && view.getUint32(at, true) === CENTRAL_SIGNATURE) {
    const nameEnd = at + CENTRAL_BYTES + view.getUint16(at + 28, true)
    const name = fromUtf8(zip.subarray(at + CENTRAL_BYTES, Math.min(nameEnd, end)))
    const content = contentAt(zip, view, at, budget)
    if (name && content !== null) {
      budget -= content.length
      entries.push({ name, content })
    }
    at = nameEnd + view.getUint16(at + 30, true) + view.getUint16(at + 32, true)
  }
  return entries
}

function contentAt(zip: Uint8Array, view: DataView, central: number, budget: number): Uint8Array | null {
  const method = view.getUint16(central + 10, true)
  const packedBytes = view.getUint32(central + 20, true)
  const sizeBytes = view.getUint32(central + 24, true)
  const local = view.getUint32(central + 42, true)
  if (local + LOCAL_BYTES > zip.length || sizeBytes > budget) return null
  const start = local + LOCAL_BYTES + view.getUint16(local + 26, true) + view.getUint16(local + 28, true)
  if (start + packedBytes > zip.length) return null
  const packed = zip.subarray(start, start + packedBytes)
  if (method === STORED) return packed
  if (method !== DEFLATED) return null
  // Damaged: without contents it is named as missing.
  return inflateRaw(packed, sizeBytes) ?? null
}
