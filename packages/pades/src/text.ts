import type { Content } from './appearance.ts'
import { rgb } from './drawing.ts'
import { formatNumber } from './serialise.ts'
import { subsetFont } from './subset.ts'
import type { Font } from './truetype.ts'

export interface TextOptions {
  readonly font: Font
  readonly sizePt: number
  readonly color?: string
  readonly align?: 'left' | 'center' | 'right'
  /** 1.4 times the size by default. */
  readonly leadingPt?: number
  /** Wider than the widest line if wanted. */
  readonly widthPt?: number
}

/** Lines of text with their own embedded subset; selectable and searchable in viewers. */
export function drawText(lines: readonly string[], options: TextOptions): Content {
  const { font, sizePt } = options
  const subset = subsetFont(font, lines)
  const leading = options.leadingPt ?? sizePt * 1.4
  const widths = lines.map((line) => (subset.widthOf(line) / 1000) * sizePt)
  const widthPt = options.widthPt ?? Math.max(1, ...widths)
  const ascent = (font.capHeight / font.unitsPerEm) * sizePt * 1.15
  const heightPt = ascent + (lines.length - 1) * leading + sizePt * 0.25
  const operators = lines.map((line, i) => {
    const spare = widthPt - (widths[i] ?? 0)
    const x = options.align === 'right' ? spare : options.align === 'center' ? spare / 2 : 0
    const y = heightPt - ascent - i * leading
    return `1 0 0 1 ${formatNumber(x)} ${formatNumber(y)} Tm ${subset.encode(line)} Tj`
  })
  return {
    widthPt,
    heightPt,
    operators: `BT /F ${formatNumber(sizePt)} Tf ${rgb(options.color ?? '#1c1b19')} rg\n${operators.join('\n')}\nET`,
    resources: [{ category: 'Font', name: 'F', object: 0 }],
    objects: subset.objects,
  }
}

/** `2026年11月24日` in the given offset from UTC (Beijing by default). */
export function chineseDate(at: Date, offsetMinutes = 480): string {
  const local = new Date(at.getTime() + offsetMinutes * 60_000)
  return `${local.getUTCFullYear()}年${local.getUTCMonth() + 1}月${local.getUTCDate()}日`
}
