import { deflate } from '#flate'
import { formatNumber, type Sink } from './serialise.ts'

/**
 * Objects prepared once and written into any file: parts are bytes, numbers are references
 * to another prepared object by its index.
 */
export type PreparedObject = readonly (Uint8Array | number)[]

/** A drawing ready to be placed: a form XObject (object 0) and what it needs. Plain data, reusable and clonable. */
export interface Appearance {
  readonly kind: 'form'
  readonly widthPt: number
  readonly heightPt: number
  readonly objects: readonly PreparedObject[]
}

/** A piece of page content with the resources it names, in a box from (0, 0). */
export interface Content {
  readonly widthPt: number
  readonly heightPt: number
  /** PDF content operators. */
  readonly operators: string
  /** Resource entries such as `XObject` → `Im0` → index into `objects`. */
  readonly resources: readonly {
    readonly category: 'XObject' | 'Font' | 'ExtGState'
    readonly name: string
    readonly object: number
  }[]
  /** Objects behind the resources; indices inside them count within this list. */
  readonly objects: readonly PreparedObject[]
}

const ENCODER = new TextEncoder()

export function ascii(text: string): Uint8Array {
  return ENCODER.encode(text)
}

/** Builds the form XObject of a content; its stream is deflated here, once. */
export function prepareAppearance(content: Content): Appearance {
  const body = deflate(ascii(content.operators))
  const head = `<</Type/XObject/Subtype/Form/BBox[0 0 ${formatNumber(content.widthPt)} ${formatNumber(content.heightPt)}]`
  const parts: (Uint8Array | number)[] = [ascii(`${head}/Resources<<`)]
  for (const category of ['XObject', 'Font', 'ExtGState'] as const) {
    const entries = content.resources.filter((entry) => entry.category === category)
    if (entries.length === 0) continue
    parts.push(ascii(`/${category}<<`))
    // The form itself becomes object 0, so its resources move by one.
    for (const entry of entries) parts.push(ascii(`/${entry.name} `), entry.object + 1)
    parts.push(ascii('>>'))
  }
  parts.push(ascii(`>>/Filter/FlateDecode/Length ${body.length}>>\nstream\n`), body, ascii('\nendstream'))
  const moved = content.objects.map((object) =>
    object.map((part) => (typeof part === 'number' ? part + 1 : part)),
  )
  return { kind: 'form', widthPt: content.widthPt, heightPt: content.heightPt, objects: [parts, ...moved] }
}

/** A stream object from its dictionary entries and data. */
export function streamObject(entries: string, data: Uint8Array, compress = true): Uint8Array[] {
  const body = compress ? deflate(data) : data
  const filter = compress ? '/Filter/FlateDecode' : ''
  return [ascii(`<<${entries}${filter}/Length ${body.length}>>\nstream\n`), body, ascii('\nendstream')]
}

/** Writes a prepared object whose references count from object number `base`. */
export function writePrepared(sink: Sink, object: PreparedObject, base: number): void {
  for (const part of object) {
    if (typeof part === 'number') sink.ascii(`${base + part} 0 R`)
    else sink.raw(part)
  }
}

/** Places several contents in one box; each at its offset and scale, in order. */
export function composeContent(
  size: { readonly widthPt: number; readonly heightPt: number },
  parts: readonly {
    readonly content: Content
    readonly x: number
    readonly y: number
    readonly scale?: number
  }[],
): Content {
  let operators = ''
  const resources: { category: 'XObject' | 'Font' | 'ExtGState'; name: string; object: number }[] = []
  const objects: PreparedObject[] = []
  parts.forEach(({ content, x, y, scale = 1 }, i) => {
    const base = objects.length
    const prefix = `P${i}`
    let inner = content.operators
    for (const entry of content.resources) {
      // Resource names are ours and unique per content, so a whole-token replacement is exact.
      inner = inner.replaceAll(new RegExp(`/${entry.name}(?=\\s)`, 'g'), `/${prefix}${entry.name}`)
      resources.push({ ...entry, name: `${prefix}${entry.name}`, object: entry.object + base })
    }
    for (const object of content.objects)
      objects.push(object.map((part) => (typeof part === 'number' ? part + base : part)))
    const s = formatNumber(scale)
    operators += `q ${s} 0 0 ${s} ${formatNumber(x)} ${formatNumber(y)} cm\n${inner}\nQ\n`
  })
  return { ...size, operators, resources, objects }
}
