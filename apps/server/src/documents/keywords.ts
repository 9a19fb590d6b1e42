import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { TextItem, TextStyle } from 'pdfjs-dist/types/src/display/api.js'
import type { PageViewport } from 'pdfjs-dist/types/src/display/page_viewport.js'
import { type FoundKeyword, foldText } from './keyword-text.ts'

const MOST_POSITIONS = 1000

/**
 * Every place where `keyword` stands in one line of the text, in the order of the text. Spaces and the width of
 * characters (full or half) do not matter; case does. `pages` are the sizes as displayed.
 */
export async function findKeyword(
  pdf: Uint8Array,
  keyword: string,
  pages: readonly { widthPt: number; heightPt: number }[],
): Promise<FoundKeyword[]> {
  const wanted = foldText(keyword)
  const { getDocument, VerbosityLevel } = await import('pdfjs-dist/legacy/build/pdf.mjs')
  const folder = dirname(createRequire(import.meta.url).resolve('pdfjs-dist/package.json'))
  const inFolder = (name: string) => `${pathToFileURL(join(folder, name)).href}/`.replace('file://', '')
  const task = getDocument({
    // pdf.js keeps what it is given, so it gets a copy.
    data: Uint8Array.from(pdf),
    verbosity: VerbosityLevel.ERRORS,
    // Character maps of Chinese fonts that carry no Unicode table of their own.
    cMapUrl: inFolder('cmaps'),
    cMapPacked: true,
    standardFontDataUrl: inFolder('standard_fonts'),
    disableFontFace: true,
    useSystemFonts: false,
    enableXfa: false,
  })
  try {
    const document = await task.promise
    const found: FoundKeyword[] = []
    for (let number = 1; number <= document.numPages && found.length < MOST_POSITIONS; number++) {
      const page = await document.getPage(number)
      const content = await page.getTextContent()
      const viewport = page.getViewport({ scale: 1 })
      const size = pages[number - 1]
      // A user unit other than 1/72 inch scales the display and not our coordinates.
      const ratio = size === undefined ? 1 : size.widthPt / viewport.width
      const items = content.items.filter((item): item is TextItem => 'str' in item)
      for (const line of linesOf(items, content.styles))
        for (const box of matches(line, wanted)) found.push({ page: number, ...onPage(box, viewport, ratio) })
      page.cleanup()
    }
    return found.slice(0, MOST_POSITIONS)
  } finally {
    await task.destroy()
  }
}

/** A character with the parallelogram it fills, in user space. */
interface PlacedChar {
  char: string
  /** Corners: start and end of the advance, at the foot and at the head. */
  corners: [number, number][]
}

/** Characters that stand beside each other without a gap worth a column. */
function linesOf(items: readonly TextItem[], styles: Record<string, TextStyle>): PlacedChar[][] {
  const lines: PlacedChar[][] = []
  let line: PlacedChar[] = []
  let last: { x: number; y: number; size: number } | null = null
  for (const item of items) {
    // pdf.js fills gaps with blanks as wide as they are; the distance to the next word decides instead.
    if (item.str.trim() === '') {
      if (item.hasEOL) last = null
      continue
    }
    const placed = placeChars(item, styles[item.fontName])
    if (last === null || !isBeside(last, placed.start, placed.size)) {
      if (line.length > 0) lines.push(line)
      line = []
    }
    line.push(...placed.chars)
    last = item.hasEOL ? null : { x: placed.end[0], y: placed.end[1], size: placed.size }
  }
  if (line.length > 0) lines.push(line)
  return lines
}

function isBeside(
  last: { x: number; y: number; size: number },
  start: [number, number],
  size: number,
): boolean {
  return Math.hypot(start[0] - last.x, start[1] - last.y) < 1.6 * Math.max(size, last.size)
}

function placeChars(item: TextItem, style: TextStyle | undefined) {
  const [a, b, c, d, e, f] = item.transform as [number, number, number, number, number, number]
  const size = Math.hypot(c, d) || Math.hypot(a, b) || 1
  const up: [number, number] = [c / size, d / size]
  const isVertical = style?.vertical === true
  const run = Math.hypot(a, b) || 1
  // Vertical writing runs down and is centred on its line.
  const along: [number, number] = isVertical ? [-up[0], -up[1]] : [a / run, b / run]
  const across: [number, number] = isVertical ? [a / run, b / run] : up
  const length = isVertical ? item.height : item.width
  const [foot, head] = isVertical ? [-0.5 * size, 0.5 * size] : inkHeights(style, size)
  const chars = [...item.str]
  const advances = advancesOf(chars, length, size)
  let done = 0
  const placed = chars.map((char, i): PlacedChar => {
    const from = done
    done += advances[i] ?? 0
    const to = done
    const corner = (at: number, height: number): [number, number] => [
      e + along[0] * at + across[0] * height,
      f + along[1] * at + across[1] * height,
    ]
    return { char, corners: [corner(from, foot), corner(to, foot), corner(from, head), corner(to, head)] }
  })
  const end: [number, number] = [e + along[0] * length, f + along[1] * length]
  return { chars: placed, start: [e, f] as [number, number], end, size }
}

function inkHeights(style: TextStyle | undefined, size: number): [number, number] {
  const ascent = style !== undefined && style.ascent > 0 ? style.ascent : 0.88
  const descent = style !== undefined && style.descent < 0 ? style.descent : -0.12
  return [Math.max(descent, -0.4) * size, Math.min(ascent, 1.2) * size]
}

/**
 * pdf.js tells the width of a run and not of its characters. Ideographs are one em wide; the rest is shared by the
 * others, of which punctuation that Chinese fonts draw wide gets twice as much as letters.
 */
function advancesOf(chars: readonly string[], length: number, size: number): number[] {
  const classes = chars.map((char) =>
    WIDE.test(char) ? 'wide' : AMBIGUOUS.test(char) ? 'ambiguous' : 'narrow',
  )
  const count = (wanted: string) => classes.filter((one) => one === wanted).length
  const shares = count('narrow') + 2 * count('ambiguous')
  const share = (length - count('wide') * size) / shares
  const isPlausible = shares > 0 && share > 0.15 * size && share < 1.1 * size
  // Stretched or spaced text: everything in proportion.
  const unit = isPlausible ? share : length / (shares + 2 * count('wide'))
  return classes.map((one) => (one === 'narrow' ? unit : one === 'wide' && isPlausible ? size : 2 * unit))
}

const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff01-\uff60\uffe0-\uffe6\u{20000}-\u{3fffd}]/u
const AMBIGUOUS = /[\u00b7\u2010-\u2027\u2030-\u203b\u2160-\u217f\u2460-\u24ff\u25a0-\u25ff]/u

function* matches(line: readonly PlacedChar[], wanted: string): Generator<PlacedChar[]> {
  // One folded character may come from half of an original one, or the other way round: keep the way back.
  let text = ''
  const origin: number[] = []
  line.forEach(({ char }, i) => {
    const folded = foldText(char)
    text += folded
    for (let k = 0; k < folded.length; k++) origin.push(i)
  })
  for (let at = text.indexOf(wanted); at >= 0; at = text.indexOf(wanted, at + wanted.length))
    yield line.slice(origin[at], (origin[at + wanted.length - 1] ?? 0) + 1)
}

function onPage(
  chars: readonly PlacedChar[],
  viewport: PageViewport,
  ratio: number,
): Omit<FoundKeyword, 'page'> {
  const points = chars
    .flatMap(({ corners }) => corners)
    .map(([x, y]) => viewport.convertToViewportPoint(x, y) as [number, number])
  const xs = points.map(([x]) => x * ratio)
  const ys = points.map(([, y]) => y * ratio)
  const [x, y] = [Math.min(...xs), Math.min(...ys)]
  return { x: tidy(x), y: tidy(y), width: tidy(Math.max(...xs) - x), height: tidy(Math.max(...ys) - y) }
}

/** Hundredths of a point. */
function tidy(value: number): number {
  return Math.round(value * 100) / 100
}
