import { entryOf, fetchObject, type PdfView, resolve } from './file.ts'
import { dictOf, isStream, isString, nameOf, type PdfDict, type PdfValue, stringBytes } from './objects.ts'
import { PdfRefusal } from './refusal.ts'
import { numbersOf, type Revision } from './revisions.ts'

/** Content that acts, fetches or hides: what a contract should not carry. */
export type ActiveContentKind =
  | 'javascript'
  | 'launch'
  | 'submit-form'
  | 'import-data'
  | 'remote-go-to'
  | 'file-uri'
  | 'automatic-action'
  | 'embedded-file'
  | 'rich-media'
  | 'xfa'
  | 'external-stream'

export interface ActiveContent {
  readonly kind: ActiveContentKind
  /** Object number it was found in, 0 for a trailer. */
  readonly object: number
}

const MAX_VALUES = 20_000_000

/** Action types by /S (ISO 32000-2 §12.6.4). */
const ACTIONS: Record<string, ActiveContentKind> = {
  JavaScript: 'javascript',
  Launch: 'launch',
  SubmitForm: 'submit-form',
  ImportData: 'import-data',
  GoToR: 'remote-go-to',
  GoToE: 'remote-go-to',
  Rendition: 'rich-media',
  Movie: 'rich-media',
  Sound: 'rich-media',
  RichMediaExecute: 'rich-media',
  GoTo3DView: 'rich-media',
}

const SUBTYPES: Record<string, ActiveContentKind> = {
  RichMedia: 'rich-media',
  Movie: 'rich-media',
  Sound: 'rich-media',
  Screen: 'rich-media',
  '3D': 'rich-media',
  FileAttachment: 'embedded-file',
}

/**
 * Looks at every object of every revision, referenced or not: names are decoded and object streams opened first,
 * so neither `#`-escapes nor compression hides anything.
 */
export function scanActiveContent(revisions: readonly Revision[]): ActiveContent[] {
  const found = new Map<string, ActiveContent>()
  const state = {
    left: MAX_VALUES,
    note: (kind: ActiveContentKind, object: number) => {
      found.set(`${kind} ${object}`, { kind, object })
    },
  }
  const seen = new Set<string>()
  for (const revision of revisions) {
    for (const num of numbersOf(revision)) {
      const entry = entryOf(revision.view, num)
      const key = entry?.type === 'offset' ? `o${entry.offset}` : `${revision.index} ${num}`
      if (seen.has(key)) continue
      seen.add(key)
      inspectValue(revision.view, fetchObject(revision.view, num), num, state)
    }
    inspectValue(revision.view, revision.view.trailer, 0, state)
  }
  return [...found.values()].sort((a, b) => a.object - b.object || a.kind.localeCompare(b.kind))
}

interface State {
  left: number
  readonly note: (kind: ActiveContentKind, object: number) => void
}

function inspectValue(view: PdfView, value: PdfValue, object: number, state: State): void {
  if (--state.left < 0) throw new PdfRefusal('too_complex', 'value count')
  if (Array.isArray(value)) {
    for (const item of value) inspectValue(view, item, object, state)
    return
  }
  const dict = dictOf(value)
  if (!dict) return
  inspectDict(view, dict, isStream(value), object, state)
  for (const item of dict.values()) inspectValue(view, item, object, state)
}

function inspectDict(view: PdfView, dict: PdfDict, stream: boolean, object: number, state: State): void {
  const { note } = state
  const action = nameOf(resolve(view, dict.get('S')))
  const kind = action === undefined ? undefined : ACTIONS[action]
  // `Movie` and `Sound` are also structure types; an action carries one of its own keys.
  if (kind !== undefined) note(kind, object)
  if (action === 'URI' && isFileUri(view, dict.get('URI'))) note('file-uri', object)
  if (dict.has('JS') || dict.has('JavaScript')) note('javascript', object)
  const subtype = nameOf(resolve(view, dict.get('Subtype')))
  const media = subtype === undefined ? undefined : SUBTYPES[subtype]
  if (media !== undefined) note(media, object)
  if (dict.has('XFA')) note('xfa', object)
  if (dict.has('AA')) note('automatic-action', object)
  if (dict.has('OpenAction') && !isGoTo(view, dict.get('OpenAction'))) note('automatic-action', object)
  if (dict.has('EmbeddedFiles') || nameOf(dict.get('Type')) === 'EmbeddedFile') note('embedded-file', object)
  // A file specification that carries its file, or an association with one (ISO 32000-2 §7.11.4, §14.13).
  if (dict.has('EF') || Array.isArray(resolve(view, dict.get('AF')))) note('embedded-file', object)
  if (stream && dict.has('F')) note('external-stream', object)
}

/** An opening action that only chooses the view is a destination or a GoTo without a successor. */
function isGoTo(view: PdfView, value: PdfValue | undefined): boolean {
  const action = resolve(view, value)
  if (Array.isArray(action) || isString(action) || nameOf(action) !== undefined) return true
  const dict = dictOf(action)
  if (!dict) return action === null
  return nameOf(resolve(view, dict.get('S'))) === 'GoTo' && !dict.has('Next')
}

function isFileUri(view: PdfView, value: PdfValue | undefined): boolean {
  const uri = resolve(view, value)
  if (!isString(uri)) return false
  let text = ''
  for (const byte of stringBytes(uri).subarray(0, 16)) text += String.fromCharCode(byte)
  return text.trimStart().toLowerCase().startsWith('file:')
}
