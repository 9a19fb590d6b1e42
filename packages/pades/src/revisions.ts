import { entryOf, fetchObject, newestSectionOffset, type PdfFile, type PdfView, viewAt } from './file.ts'
import { eachRef } from './objects.ts'
import { findAscii, isSpace, matchesAt } from './syntax.ts'

/** One state of the file: what an incremental update (or the original) left. Index 0 is the newest. */
export interface Revision {
  readonly index: number
  readonly view: PdfView
  /** How many sections of the chain belong to it: two in a linearized file. */
  readonly sectionCount: number
  /** Offset of the section its `startxref` names. */
  readonly offset: number
}

/** The revisions of a file, newest first. */
export function revisionsOf(file: PdfFile): Revision[] {
  const revisions: Revision[] = []
  const { sections } = file
  for (let i = 0; i < sections.length; ) {
    let count = 1
    // A first-page section of a linearized file stands before the main one it points to: one revision.
    while ((sections[i + count]?.offset ?? -1) > (sections[i + count - 1]?.offset ?? 0)) count++
    revisions.push({
      index: revisions.length,
      view: viewAt(file, i),
      sectionCount: count,
      offset: sections[i]?.offset ?? -1,
    })
    i += count
  }
  return revisions
}

/** The revision that bytes `[0, end)` end with, or undefined if they are no complete revision of this file. */
export function revisionEndingAt(
  file: PdfFile,
  revisions: readonly Revision[],
  end: number,
): Revision | undefined {
  file.load(end - 4096, end)
  if (!endsWithMarker(file.bytes, end)) return undefined
  const offset = newestSectionOffset(file.bytes.subarray(0, end), file.bias, file.load)
  return offset === undefined ? undefined : revisions.find((revision) => revision.offset === offset)
}

/** Where a revision ends in the file: behind the end-of-file marker of its cross-reference section. */
export function revisionEnd(file: PdfFile, revisions: readonly Revision[], index: number): number {
  const revision = revisions[index]
  if (index === 0 || !revision) return file.bytes.length
  const own = revision.view.sections.slice(0, revision.sectionCount)
  const last = Math.max(...own.map(({ offset }) => offset))
  const named = findAscii(file.bytes, 'startxref', last)
  const marker = named === -1 ? -1 : findAscii(file.bytes, '%%EOF', named)
  if (marker === -1) return file.bytes.length
  let end = marker + 5
  if (file.bytes[end] === 0x0d) end++
  if (file.bytes[end] === 0x0a) end++
  return end
}

function endsWithMarker(bytes: Uint8Array, end: number): boolean {
  let last = end
  while (last > 0 && isSpace(bytes[last - 1])) last--
  return matchesAt(bytes, last - 5, '%%EOF')
}

/** Object numbers the sections of one revision speak of. */
export function numbersOf(revision: Revision): Set<number> {
  const numbers = new Set<number>()
  for (const section of revision.view.sections.slice(0, revision.sectionCount)) {
    for (const num of section.numbers()) numbers.add(num)
  }
  return numbers
}

/** What has been learnt about object numbers on the way from the oldest revision to the newest. */
export interface Presence {
  /** References that name nothing: a later object could slip in there. */
  readonly dangling: Set<number>
  /** Numbers known to name something, until a revision speaks of them again. */
  readonly present: Set<number>
}

/** Notes references in a revision's own objects that name nothing in its view. */
export function noteDangling(revision: Revision, numbers: ReadonlySet<number>, presence: Presence): void {
  const { view } = revision
  const { dangling, present } = presence
  for (const num of numbers) present.delete(num)
  for (const num of numbers) {
    eachRef(fetchObject(view, num), (ref) => {
      // Lists of fields grow with every signature: what was looked up for one revision is not for the next.
      if (present.has(ref.num) || dangling.has(ref.num)) return
      const entry = entryOf(view, ref.num)
      if (entry === undefined || entry.type === 'free') dangling.add(ref.num)
      else present.add(ref.num)
    })
  }
}
