import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { deflateSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { samplePdf } from '../test-files.ts'
import { hasJudge, run, withFile } from '../test-judges.ts'
import { pathBounds } from './outline.ts'
import {
  type Appearance,
  chineseDate,
  composeContent,
  decodePng,
  drawCompanySeal,
  drawHandwriting,
  drawingContent,
  drawingSvg,
  drawPng,
  drawSquareSeal,
  drawText,
  MM,
  PdfRefusal,
  parseFont,
  prepareAppearance,
  prepareSignature,
  subsetFont,
} from './pades.ts'

const require = createRequire(import.meta.url)
const fontFile = (path: string) => readFileSync(require.resolve(`@expo-google-fonts/noto-serif-sc/${path}`))
const regular = parseFont(fontFile('400Regular/NotoSerifSC_400Regular.ttf'))
const semibold = parseFont(fontFile('600SemiBold/NotoSerifSC_600SemiBold.ttf'))
const at = new Date('2026-11-24T10:05:00Z')

/** Places appearances on an empty A4 page. */
function pageWith(...placed: [appearance: Appearance, x: number, y: number][]): Uint8Array {
  const pdf = samplePdf({ mediaBox: '0 0 595 842' })
  const placements = placed.map(([appearance, x, y]) => ({
    page: 0,
    rect: { x, y, width: appearance.widthPt, height: appearance.heightPt },
    appearance,
  }))
  return Buffer.concat([pdf, prepareSignature(pdf, { placements, signingTime: at }).delta])
}

/** Pixels of a rendered page: width, height, rgb. */
function render(pdf: Uint8Array, dpi = 72): { width: number; height: number; rgb: Uint8Array } {
  return withFile(pdf, (path, folder) => {
    run('pdftoppm', ['-r', String(dpi), '-png', '-singlefile', path, join(folder, 'page')])
    return decodePng(readFileSync(join(folder, 'page.png')))
  })
}

describe('the round company seal', () => {
  const names = [
    '印信科技',
    '北京印信科技有限公司',
    '内蒙古自治区呼和浩特市赛罕区印信电子合同服务有限责任公司',
  ]

  it('has its true size, ring and star, and everything inside the ring', () => {
    for (const name of names) {
      const seal = drawCompanySeal({ name, font: semibold, kind: 'contract', bottomText: '1101080012345' })
      expect(seal.widthPt).toBeCloseTo(40 * MM, 6)
      expect(seal.items[0]?.strokeWidth).toBeCloseTo(1.1 * MM, 6)
      const [ring, ink] = seal.items
      const outer = pathBounds(ring?.path ?? [])
      expect(outer?.x1).toBeCloseTo(40 * MM - 0.55 * MM, 3)
      const centre = 20 * MM
      for (const command of ink?.path ?? []) {
        for (let i = 1; i + 1 < command.length; i += 2) {
          const distance = Math.hypot((command[i] as number) - centre, (command[i + 1] as number) - centre)
          expect(distance).toBeLessThan(18.9 * MM)
        }
      }
    }
  })

  it('spreads the name evenly and symmetrically about the top', () => {
    // The same character everywhere makes the geometry mirror-symmetric up to the glyph itself.
    for (const count of [4, 9, 28]) {
      const seal = drawCompanySeal({ name: '一'.repeat(count), font: semibold })
      const star = 11
      const glyphs = splitContours(seal.items[1]?.path.slice(star) ?? [])
      expect(glyphs.length).toBe(count)
      const angles = glyphs.map(({ x, y }) => Math.atan2(x - 20 * MM, y - 20 * MM))
      const step = (angles.at(-1) ?? 0) - (angles[0] ?? 0)
      angles.forEach((angle, i) => {
        expect(angle - (angles[0] ?? 0)).toBeCloseTo((step * i) / (count - 1), 2)
        expect(angle + (angles[count - 1 - i] ?? 0)).toBeCloseTo((angles[0] ?? 0) + (angles.at(-1) ?? 0), 2)
      })
    }
  })

  it('refuses names that fit no seal, characters without a glyph, and sizes beyond the rule', () => {
    expect(codeOf(() => drawCompanySeal({ name: '三字名', font: semibold }))).toBe('bad_drawing')
    expect(codeOf(() => drawCompanySeal({ name: '字'.repeat(29), font: semibold }))).toBe('bad_drawing')
    expect(codeOf(() => drawCompanySeal({ name: '印信科技', font: semibold, diameterMm: 46 }))).toBe(
      'bad_drawing',
    )
    expect(() => drawCompanySeal({ name: '印信科\u{1F600}技', font: semibold })).toThrow(/U\+1F600/)
  })

  it('is the same in SVG', () => {
    const svg = drawingSvg(drawCompanySeal({ name: '印信科技', font: semibold }))
    expect(svg).toMatch(
      /^<svg xmlns="http:\/\/www.w3.org\/2000\/svg" width="40mm" height="40mm" viewBox="0 0 113.386 113.386">/,
    )
    expect(svg.match(/<path /g)?.length).toBe(2)
    expect(() => drawCompanySeal({ name: '印信科技', font: semibold, color: '"><script>' })).toThrow(
      RangeError,
    )
  })

  it('renders red where ink is and leaves the rest of the page alone', (context) => {
    if (!hasJudge(context, 'pdftoppm', ['-v'])) return
    const seal = prepareAppearance(
      drawingContent(drawCompanySeal({ name: '北京印信科技有限公司', font: semibold })),
    )
    const { width, rgb } = render(pageWith([seal, 200, 300]))
    const pixel = (x: number, y: number) => [...rgb.subarray((y * width + x) * 3, (y * width + x) * 3 + 3)]
    const centre = [200 + 20 * MM, 842 - (300 + 20 * MM)].map(Math.round) as [number, number]
    expect(pixel(...centre)).toEqual([0xc3, 0x27, 0x2b])
    expect(pixel(centre[0], centre[1] + 30)).toEqual([255, 255, 255])
    expect(pixel(190, centre[1])).toEqual([255, 255, 255])
  })
})

/** Centres of the closed contours of a path. */
function splitContours(path: readonly (readonly (string | number)[])[]): { x: number; y: number }[] {
  const out: { x: number; y: number }[] = []
  let xs: number[] = []
  let ys: number[] = []
  for (const command of path) {
    for (let i = 1; i + 1 < command.length; i += 2) {
      xs.push(command[i] as number)
      ys.push(command[i + 1] as number)
    }
    if (command[0] !== 'Z') continue
    const mean = (list: number[]) => list.reduce((sum, n) => sum + n, 0) / list.length
    out.push({ x: mean(xs), y: mean(ys) })
    xs = []
    ys = []
  }
  return out
}

describe('the square seal', () => {
  it('stays inside its square and refuses names it has no form for', () => {
    for (const name of ['张三', '王小明', '欧阳建国']) {
      const seal = drawSquareSeal({ name, font: semibold })
      const bounds = pathBounds(seal.items[1]?.path ?? [])
      expect(bounds?.x0).toBeGreaterThan(0)
      expect(bounds?.x1).toBeLessThan(18 * MM)
      expect(bounds?.y1).toBeLessThan(18 * MM)
    }
    expect(codeOf(() => drawSquareSeal({ name: '王', font: semibold }))).toBe('bad_drawing')
  })
})

describe('text', () => {
  it('is embedded as a subset that viewers can read back', (context) => {
    const lines = [`签署日期 ${chineseDate(at)}`, 'Signed by Café Ltd. (UTC+8) \\ end']
    const content = drawText(lines, { font: regular, sizePt: 12 })
    const pdf = pageWith([prepareAppearance(content), 40, 400])
    if (!hasJudge(context, 'pdftotext', ['-v'])) return
    withFile(pdf, (path) => {
      const text = run('pdftotext', ['-layout', path, '-']).text
      for (const line of lines) expect(text).toContain(line)
      const fonts = run('pdffonts', [path]).text
      expect(fonts).toMatch(/[A-Z]{6}\+NotoSerifSC\S*\s+CID TrueType\s+Identity-H\s+yes yes yes/)
    })
  })

  it('refuses a character the font lacks, naming it', () => {
    expect(() => drawText(['好\u{20BB7}\u{1F600}'], { font: regular, sizePt: 12 })).toThrow(/U\+1F600/)
    expect(codeOf(() => drawText(['\u{1F600}'], { font: regular, sizePt: 12 }))).toBe('missing_glyph')
  })

  it('gets a font program of some kilobytes, not megabytes', () => {
    const subset = subsetFont(regular, ['北京印信科技有限公司'])
    const size = subset.objects
      .flat()
      .reduce<number>((sum, part) => sum + (typeof part === 'number' ? 0 : part.length), 0)
    expect(size).toBeLessThan(12_000)
    expect(subset.widthOf('一一')).toBe(2000)
  })

  it('is dated in Beijing time', () => {
    expect(chineseDate(new Date('2026-12-31T16:00:00Z'))).toBe('2027年1月1日')
  })

  it('needs a usable font', () => {
    expect(codeOf(() => parseFont(new Uint8Array(4)))).toBe('bad_font')
    expect(codeOf(() => parseFont(new TextEncoder().encode('OTTO and nothing that follows')))).toBe(
      'bad_font',
    )
    const cut = fontFile('400Regular/NotoSerifSC_400Regular.ttf').subarray(0, 5000)
    expect(codeOf(() => parseFont(cut))).toBe('bad_font')
  })
})

describe('handwriting', () => {
  const stroke = (points: [number, number][]) => ({
    points: points.map(([x, y], i) => ({ x, y, t: i * 10 })),
  })

  it('keeps its proportions inside the box and its ends round', () => {
    const drawing = drawHandwriting(
      [
        stroke([
          [0, 0],
          [50, 10],
          [100, 0],
        ]),
        stroke([
          [50, -20],
          [50, 40],
        ]),
      ],
      {
        widthPt: 120,
        heightPt: 60,
      },
    )
    const bounds = pathBounds(drawing.items[0]?.path ?? [])
    expect(bounds?.x0).toBeGreaterThanOrEqual(-0.01)
    expect(bounds?.x1).toBeLessThanOrEqual(120.01)
    expect(bounds?.y0).toBeGreaterThanOrEqual(-0.01)
    expect(bounds?.y1).toBeLessThanOrEqual(60.01)
  })

  it('draws a dot for a tap and refuses what is no writing', () => {
    expect(drawHandwriting([stroke([[5, 5]])], { widthPt: 50, heightPt: 20 }).items[0]?.path.length).toBe(6)
    expect(codeOf(() => drawHandwriting([], { widthPt: 50, heightPt: 20 }))).toBe('bad_drawing')
    expect(codeOf(() => drawHandwriting([stroke([[Number.NaN, 0]])], { widthPt: 50, heightPt: 20 }))).toBe(
      'bad_drawing',
    )
  })

  it('leaves no holes where strokes turn sharply or cross', (context) => {
    if (!hasJudge(context, 'pdftoppm', ['-v'])) return
    // Without times the pen keeps its full width, which is more than the pitch of the zigzag.
    const zigzag = { points: Array.from({ length: 30 }, (_, i) => ({ x: i * 3, y: i % 2 === 0 ? 0 : 8 })) }
    const drawing = drawHandwriting([zigzag], { widthPt: 200, heightPt: 40, penPt: 8, color: '#000000' })
    const { width, rgb } = render(pageWith([prepareAppearance(drawingContent(drawing)), 100, 400]), 144)
    const y = Math.round((842 - 420) * 2)
    for (let x = 2 * 112; x < 2 * 288; x++) expect(rgb[(y * width + x) * 3]).toBeLessThan(40)
  })
})

describe('PNG pictures', () => {
  it('of every colour type decode to the same pixels', () => {
    const grey = Uint8Array.of(0, 85, 170, 255)
    const expected = [...grey].flatMap((value) => [value, value, value])
    const rows = (channels: number, value: (i: number) => number[]) =>
      Uint8Array.from(
        [0, 1].flatMap((row) => [
          0,
          ...[0, 1].flatMap((column) => value(row * 2 + column).slice(0, channels)),
        ]),
      )
    const v = (i: number) => grey[i] ?? 0
    const cases: [number, Uint8Array, Uint8Array | undefined][] = [
      [0, rows(1, (i) => [v(i)]), undefined],
      [2, rows(3, (i) => [v(i), v(i), v(i)]), undefined],
      [3, rows(1, (i) => [i]), Uint8Array.from(expected)],
      [4, rows(2, (i) => [v(i), 9]), undefined],
      [6, rows(4, (i) => [v(i), v(i), v(i), 9]), undefined],
    ]
    for (const [type, data, palette] of cases) {
      const pixels = decodePng(png(2, 2, type, data, palette))
      expect([...pixels.rgb]).toEqual(expected)
      expect(pixels.alpha ? [...pixels.alpha] : undefined).toEqual(type >= 4 ? [9, 9, 9, 9] : undefined)
    }
  })

  it('keep their transparency on the page', (context) => {
    if (!hasJudge(context, 'pdftoppm', ['-v'])) return
    const data = Uint8Array.of(0, 255, 0, 0, 255, 255, 0, 0, 0)
    const picture = prepareAppearance(drawPng(png(2, 1, 6, data), 100))
    const { width, rgb } = render(pageWith([picture, 100, 400]))
    const at2 = (x: number) => [
      ...rgb.subarray(((842 - 425) * width + x) * 3, ((842 - 425) * width + x) * 3 + 3),
    ]
    expect(at2(120)).toEqual([255, 0, 0])
    expect(at2(180)).toEqual([255, 255, 255])
  })

  it('are refused when cut off, interlaced, too large or something else', () => {
    const good = png(2, 2, 0, Uint8Array.of(0, 1, 2, 0, 3, 4))
    expect(codeOf(() => decodePng(good.subarray(0, 50)))).toBe('bad_image')
    expect(codeOf(() => decodePng(new TextEncoder().encode('GIF89a and so on and so on and so on')))).toBe(
      'bad_image',
    )
    expect(codeOf(() => decodePng(png(100_000, 2, 0, Uint8Array.of(0))))).toBe('bad_image')
    const interlaced = good.slice()
    interlaced[28] = 1
    expect(codeOf(() => decodePng(interlaced))).toBe('bad_image')
  })
})

function png(
  width: number,
  height: number,
  type: number,
  rows: Uint8Array,
  palette?: Uint8Array,
): Uint8Array {
  const chunk = (name: string, data: Uint8Array) => {
    const head = Buffer.alloc(8)
    head.writeUInt32BE(data.length)
    head.write(name, 4, 'latin1')
    return Buffer.concat([head, data, Buffer.alloc(4)])
  }
  const header = Buffer.alloc(13)
  header.writeUInt32BE(width)
  header.writeUInt32BE(height, 4)
  header[8] = 8
  header[9] = type
  const signature = Buffer.from('89504e470d0a1a0a', 'hex')
  const colours = palette ? [chunk('PLTE', palette)] : []
  return Buffer.concat([
    signature,
    chunk('IHDR', header),
    ...colours,
    chunk('IDAT', deflateSync(rows)),
    chunk('IEND', Buffer.alloc(0)),
  ])
}

describe('a composed appearance', () => {
  it('holds seal and date side by side with fonts of their own', (context) => {
    const seal = drawingContent(drawCompanySeal({ name: '北京印信科技有限公司', font: semibold }))
    const date = drawText([chineseDate(at)], { font: regular, sizePt: 11 })
    const name = drawText(['（签章）'], { font: regular, sizePt: 11 })
    const parts = [
      { content: seal, x: 10, y: 30 },
      { content: date, x: 20, y: 5 },
      { content: name, x: 90, y: 5, scale: 0.8 },
    ]
    const pdf = pageWith([prepareAppearance(composeContent({ widthPt: 150, heightPt: 150 }, parts)), 50, 50])
    if (!hasJudge(context, 'pdftotext', ['-v'])) return
    withFile(pdf, (path) => {
      const { text } = run('pdftotext', [path, '-'])
      expect(text).toContain('2026年11月24日')
      expect(text).toContain('（签章）')
    })
  })
})

function codeOf(act: () => unknown): string {
  try {
    act()
  } catch (fault) {
    if (fault instanceof PdfRefusal) return fault.code
    throw fault
  }
  return 'accepted'
}
