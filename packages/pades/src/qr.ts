import qrcode from 'qrcode-generator'
import type { Drawing, PathCommand } from './drawing.ts'

export interface QrOptions {
  /** Side of the square, the quiet zone included. */
  readonly sizePt: number
  /** Share of the code that may be unreadable: L 7 %, M 15 %, Q 25 %, H 30 %. M when left out. */
  readonly errorCorrection?: 'L' | 'M' | 'Q' | 'H'
  /** `#rrggbb`; dark enough to be read on white. */
  readonly color?: string
}

/** ISO/IEC 18004 asks for four modules of white on every side. */
const quietModules = 4

/**
 * A QR code (ISO/IEC 18004) of a text in UTF-8, for instance the address where a contract can be verified. Modules
 * that touch in a row are one rectangle, on a white square that keeps the page behind it out.
 * @throws RangeError when the text is empty or longer than a code can hold (2,331 bytes at M)
 */
export function drawQr(text: string, options: QrOptions): Drawing {
  if (text === '') throw new RangeError('a QR code needs a text')
  const code = qrcode(0, options.errorCorrection ?? 'M')
  // The library takes one byte from each character: it is handed the bytes of UTF-8, whatever it is set to elsewhere.
  const bytes = new TextEncoder().encode(text)
  if (bytes.length > 2_953) throw new RangeError('the text is longer than a QR code can hold')
  code.addData(String.fromCharCode(...bytes), 'Byte')
  try {
    code.make()
  } catch (cause) {
    throw new RangeError('the text is longer than a QR code can hold', { cause })
  }
  const modules = code.getModuleCount()
  const { sizePt } = options
  const module = sizePt / (modules + 2 * quietModules)
  const path: PathCommand[] = []
  for (let row = 0; row < modules; row++) {
    for (let column = 0; column < modules; column++) {
      if (!code.isDark(row, column)) continue
      const from = column
      while (column + 1 < modules && code.isDark(row, column + 1)) column++
      // Rows are counted from the top, points from the bottom.
      const bottom = (quietModules + modules - 1 - row) * module
      path.push(...rectangle((quietModules + from) * module, bottom, (column + 1 - from) * module, module))
    }
  }
  return {
    widthPt: sizePt,
    heightPt: sizePt,
    items: [
      { path: rectangle(0, 0, sizePt, sizePt), fill: '#ffffff' },
      { path, fill: options.color ?? '#1c1b19' },
    ],
  }
}

const rectangle = (x: number, y: number, width: number, height: number): PathCommand[] => [
  ['M', x, y],
  ['L', x + width, y],
  ['L', x + width, y + height],
  ['L', x, y + height],
  ['Z'],
]
