import { catalogOf, type PdfView, resolve, resolveDict, withRepair } from './file.ts'
import { decodeStream } from './filters.ts'
import { isStream, type PdfDict, type PdfValue, textOf } from './objects.ts'

/** A file that travels inside a document. */
export interface AttachedFile {
  readonly name: string
  readonly content: Uint8Array
}

/** A name tree deeper than this, or with more names, was not made to be read (ISO 32000-2 §7.9.6). */
const depthMax = 16
const filesMax = 1000

/** The files attached to a document as a whole (ISO 32000-2 §7.11.4), in the order of their names. @throws PdfRefusal */
export function attachedFiles(pdf: Uint8Array): AttachedFile[] {
  return withRepair(pdf, (view) => {
    const names = resolveDict(view, catalogOf(view).dict.get('Names'))
    const root = resolveDict(view, names?.get('EmbeddedFiles'))
    const found: AttachedFile[] = []
    if (root !== undefined) collect(view, root, found, 0)
    return found
  })
}

function collect(view: PdfView, node: PdfDict, found: AttachedFile[], depth: number): void {
  if (depth > depthMax) return
  const pairs = resolve(view, node.get('Names'))
  if (Array.isArray(pairs))
    for (let at = 0; at + 1 < pairs.length && found.length < filesMax; at += 2) {
      const file = fileOf(view, pairs[at], pairs[at + 1])
      if (file !== undefined) found.push(file)
    }
  const kids = resolve(view, node.get('Kids'))
  if (!Array.isArray(kids)) return
  for (const kid of kids) {
    const below = resolveDict(view, kid)
    if (below !== undefined && found.length < filesMax) collect(view, below, found, depth + 1)
  }
}

function fileOf(
  view: PdfView,
  key: PdfValue | undefined,
  value: PdfValue | undefined,
): AttachedFile | undefined {
  const spec = resolveDict(view, value)
  const embedded = resolveDict(view, spec?.get('EF'))
  const stream = resolve(view, embedded?.get('UF') ?? embedded?.get('F'))
  if (spec === undefined || !isStream(stream)) return undefined
  const name = [spec.get('UF'), spec.get('F'), key]
    .map((one) => textOf(resolve(view, one)))
    .find((text) => text !== undefined && text !== '')
  return name === undefined
    ? undefined
    : { name, content: decodeStream(stream, (inner) => resolve(view, inner)) }
}
