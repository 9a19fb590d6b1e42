import { readFileSync } from 'node:fs'
import { createCanvas, loadImage } from '@napi-rs/canvas'
import fc from 'fast-check'
import { chromium } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { findChromium } from '../../../apps/web/e2e/browser.ts'
import { appendUpdate, samplePdf } from '../test-files.ts'
import { hasJudge, run, withFile } from '../test-judges.ts'
import { createTestPki } from '../test-pki.ts'
import { composeContent, drawSvg, PdfRefusal, prepareAppearance, signPdf } from './pades.ts'
import { COLOUR_NAMES } from './svg-colour.ts'

const NS = 'xmlns="http://www.w3.org/2000/svg"'
const bytes = (text: string) => new TextEncoder().encode(text)
const draw = (body: string, root = 'viewBox="0 0 100 100"') =>
  drawSvg(bytes(`<svg ${NS} ${root}>${body}</svg>`), 100)

function refusal(act: () => unknown): string {
  try {
    act()
  } catch (error) {
    if (error instanceof PdfRefusal) return `${error.code} ${error.detail}`
    throw error
  }
  return 'drawn'
}

describe('an SVG picture', () => {
  it('becomes vector operators in points, y upward', () => {
    const { widthPt, heightPt, operators, objects } = draw(
      '<rect x="10" y="20" width="30" height="40"/>',
      'viewBox="0 0 100 50"',
    )
    expect({ widthPt, heightPt, objects }).toEqual({ widthPt: 100, heightPt: 50, objects: [] })
    expect(operators.split('\n')).toEqual([
      'q 0 0 100 50 re W n',
      'q 1 0 0 -1 0 50 cm',
      '0 0 0 rg',
      '10 20 m',
      '40 20 l',
      '40 60 l',
      '10 60 l',
      'h',
      'f',
      'Q',
      'Q',
    ])
  })

  it('takes its proportions from size or view box', () => {
    const height = (root: string) => draw('', root).heightPt
    expect(height('width="20mm" height="40mm"')).toBe(200)
    expect(height('viewBox="0 0 10 30"')).toBe(300)
    expect(height('width="10" viewBox="0 0 10 30"')).toBe(300)
    expect(height('width="100%" height="100%" viewBox="0 0 10 5"')).toBe(50)
  })

  it('may be composed with others, resources and all', () => {
    const half = draw('<g opacity=".5"><rect width="9" height="9"/><rect x="5" width="9" height="9"/></g>')
    const both = composeContent({ widthPt: 200, heightPt: 100 }, [
      { content: half, x: 0, y: 0 },
      { content: half, x: 100, y: 0 },
    ])
    const text = Buffer.concat(
      prepareAppearance(both)
        .objects.flat()
        .map((part) => (typeof part === 'number' ? Buffer.from(`#${part}#`) : part)),
    )
    expect(text.toString('latin1').match(/\/S\/Transparency/g)?.length).toBe(2)
    expect(both.operators).toContain('/P0G0 Do')
    expect(both.operators).toContain('/P1G0 Do')
  })
})

describe('refused by name', () => {
  const REFUSED: Record<string, [string, string]> = {
    text: ['<text>x</text>', '<text>'],
    'a filter': ['<filter id="f"/>', '<filter>'],
    'the use of a filter': ['<rect filter="url(#f)"/>', 'filter'],
    'a gradient': ['<rect fill="url(#g)"/>', 'fill: url()'],
    'a gradient in the style': ['<rect style="fill:url(http://x/y)"/>', 'fill: url()'],
    'a picture': ['<image href="http://x/y.png"/>', '<image>'],
    'a reference': ['<use href="#a"/>', '<use>'],
    'a link on a shape': ['<rect xmlns:xlink="http://www.w3.org/1999/xlink" xlink:href="#a"/>', 'href'],
    'a script': ['<script>alert(1)</script>', '<script>'],
    'an event handler': ['<rect onload="x()"/>', 'script (onload)'],
    'a style sheet': ['<style>rect{fill:red}</style>', '<style>'],
    'a foreign object': ['<foreignObject/>', '<foreignObject>'],
    'an animation': ['<rect><animate/></rect>', '<animate>'],
    'a clip path': ['<g clip-path="url(#c)"/>', 'clip-path'],
    'a mask': ['<g style="mask:url(#c)"/>', 'mask'],
    markers: ['<path d="M0 0L9 9" marker-end="url(#m)"/>', 'marker-end'],
    'a blend mode': ['<g style="mix-blend-mode:multiply"/>', 'mix-blend-mode'],
    'a nested picture': ['<svg/>', '<svg>'],
    'a unit that needs a font': ['<rect width="2em" height="2"/>', 'unit em'],
    'geometry in the style': ['<rect style="width:5px"/>', 'style width'],
    'a variable': ['<rect style="fill:var(--x)"/>', 'style fill: var(--x)'],
    'a colour it does not know': ['<rect width="1" height="1" fill="lab(1 2 3)"/>', 'colour lab(1 2 3)'],
  }
  for (const [name, [body, what]] of Object.entries(REFUSED)) {
    it(`is ${name}`, () => {
      expect(refusal(() => draw(body))).toBe(`svg_unsupported ${what}`)
    })
  }

  it('is what could reach outside or grow: DOCTYPE, entities, instructions, other encodings', () => {
    const file = (text: string) => refusal(() => drawSvg(bytes(text), 100))
    const bomb = '<!DOCTYPE svg [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>'
    expect(file(`${bomb}<svg ${NS} viewBox="0 0 1 1">&b;</svg>`)).toBe('svg_unsupported DOCTYPE')
    expect(file(`<svg ${NS} viewBox="0 0 1 1"><title>&b;</title></svg>`)).toMatch(/^bad_image/)
    expect(file(`<?xml-stylesheet href="x.css"?><svg ${NS} viewBox="0 0 1 1"/>`)).toBe(
      'svg_unsupported <?xml-stylesheet?>',
    )
    expect(file(`<?xml version="1.0" encoding="utf-7"?><svg ${NS} viewBox="0 0 1 1"/>`)).toBe(
      'svg_unsupported encoding utf-7',
    )
    expect(refusal(() => drawSvg(Uint8Array.of(0x3c, 0xff), 100))).toMatch(/^bad_image/)
  })

  it('is what is malformed or too large', () => {
    const body = (text: string) => refusal(() => draw(text))
    for (const text of [
      '<rect width="-1" height="1"/>',
      '<rect width="x" height="1"/>',
      '<path d="M0 0 L x"/>',
      '<path d="L 5 5"/>',
      '<path d="M0 0L1e9 5"/>',
      '<polygon points="1 2 3"/>',
      '<g transform="spin(3)"/>',
      '<g transform="scale(1e300)"/>',
      '<rect width="1" height="1" stroke-width="-2"/>',
      '<g',
      '<g></rect>',
      `${'<g>'.repeat(40)}${'</g>'.repeat(40)}`,
      '<g/>'.repeat(20_001),
      `<path d="M0 0${'h1v1'.repeat(120_000)}"/>`,
    ])
      expect(body(text), text.slice(0, 60)).toMatch(/^bad_image SVG/)
    expect(refusal(() => draw('', ''))).toMatch(/no size/)
    expect(refusal(() => draw('', 'viewBox="0 0 0 5"'))).toMatch(/viewBox/)
    expect(refusal(() => drawSvg(bytes('<html/>'), 9))).toMatch(/^bad_image/)
    expect(refusal(() => drawSvg(new Uint8Array(2_000_000), 9))).toMatch(/^bad_image/)
  })

  it('is nothing that merely describes', () => {
    const notes =
      '<title>印章</title><desc>x</desc><metadata><script xmlns="x"/></metadata><defs><filter/></defs>' +
      '<n:view xmlns:n="urn:n"><n:x/></n:view><g id="a" class="b" data-c="d" aria-label="e" font-family="f"/>'
    expect(refusal(() => draw(notes))).toBe('drawn')
  })
})

const number = fc.double({ min: -500, max: 500, noNaN: true }).map((value) => Math.round(value * 1000) / 1000)
const size = fc.double({ min: 0, max: 300, noNaN: true }).map((value) => Math.round(value * 1000) / 1000)
const colour = fc.constantFrom(
  'none',
  'red',
  '#0f08',
  'rgb(10% 20% 30% / .5)',
  'hsl(200 50% 40%)',
  'currentColor',
)
const attributes = fc
  .record({ fill: colour, stroke: colour, width: size, opacity: fc.constantFrom('1', '.4', '0', '50%') })
  .map(
    ({ fill, stroke, width, opacity }) =>
      `fill="${fill}" stroke="${stroke}" stroke-width="${width}" opacity="${opacity}"`,
  )
const shape = fc.oneof(
  fc
    .tuple(number, number, size, size, size, attributes)
    .map(([x, y, w, h, r, more]) => `<rect x="${x}" y="${y}" width="${w}" height="${h}" rx="${r}" ${more}/>`),
  fc
    .tuple(number, number, size, size, attributes)
    .map(([x, y, rx, ry, more]) => `<ellipse cx="${x}" cy="${y}" rx="${rx}" ry="${ry}" ${more}/>`),
  fc
    .tuple(number, number, number, number, size, fc.boolean(), attributes)
    .map(
      ([a, b, c, d, r, flag, more]) =>
        `<path d="M${a} ${b}q${c} ${d} 9 9t5 5A${r} ${r} 30 ${flag ? 1 : 0} 1 ${c},${d}s1 2 3 4z" ${more}/>`,
    ),
  fc
    .tuple(fc.array(number, { minLength: 2, maxLength: 8 }), attributes)
    .map(([list, more]) => `<polygon points="${list.slice(0, list.length & ~1).join(' ')}" ${more}/>`),
)

describe('any drawing of the subset', () => {
  it('gives balanced operators with finite numbers only', () => {
    const group = fc
      .tuple(fc.array(shape, { maxLength: 4 }), number, size, attributes)
      .map(
        ([shapes, turn, move, more]) =>
          `<g transform="rotate(${turn}) translate(${move})" ${more}>${shapes.join('')}</g>`,
      )
    fc.assert(
      fc.property(fc.array(fc.oneof(shape, group), { maxLength: 5 }), (parts) => {
        const content = draw(parts.join(''))
        const streams = [content.operators]
        for (const operators of streams) {
          const words = operators.split(/\s+/)
          expect(words.filter((word) => word === 'q').length).toBe(
            words.filter((word) => word === 'Q').length,
          )
          for (const word of words)
            expect(word).toMatch(/^(-?\d+(\.\d+)?|[a-zA-Z]+\*?|\/[SG]\d+|\[[\d.]*|[\d.]*\])$/)
        }
        prepareAppearance(content)
      }),
      { numRuns: 300 },
    )
  })

  it('with any bytes changed is drawn or refused, never anything else', () => {
    const sample = `<svg ${NS} viewBox="0 0 9 9"><g transform="rotate(9 1 2)" style="fill:#123;stroke-dasharray:1 2"><path d="M0 0a1 2 3 0 1 4 5z"/><rect rx="1" width="3" height="3"/></g></svg>`
    const mutation = fc.record({
      at: fc.nat(sample.length - 1),
      text: fc.string({ maxLength: 5 }),
      cut: fc.nat(6),
    })
    fc.assert(
      fc.property(fc.array(mutation, { minLength: 1, maxLength: 4 }), (mutations) => {
        let text = sample
        for (const { at, text: more, cut } of mutations)
          text = text.slice(0, at) + more + text.slice(at + cut)
        refusal(() => drawSvg(bytes(text), 50))
      }),
      { numRuns: 3000 },
    )
  })
})

/** Drawings that try each part of the subset, on a box of 200 by 200. */
const PICTURES: Record<string, string> = {
  shapes:
    '<rect x="10" y="10" width="60" height="40" rx="12" ry="6" fill="#c3272b"/><circle cx="120" cy="40" r="30" fill="none" stroke="teal" stroke-width="6"/><ellipse cx="60" cy="120" rx="50" ry="25" fill="gold" stroke="navy" stroke-width="3"/><line x1="110" y1="90" x2="190" y2="130" stroke="black" stroke-width="4"/><polyline points="110,180 130,140 150,180 170,140 190,180" fill="none" stroke="purple" stroke-width="3"/><polygon points="20,190 60,160 90,190" fill="green"/>',
  'a seal':
    '<g fill="none" stroke="#c3272b"><circle cx="100" cy="100" r="90" stroke-width="7"/><circle cx="100" cy="100" r="80" stroke-width="1.5"/></g><path fill="#c3272b" d="M100 60l9.4 28.8h30.3l-24.5 17.8 9.3 28.8L100 117.6l-24.5 17.8 9.3-28.8-24.5-17.8h30.3z"/>',
  'curves and arcs':
    '<path d="M20 60q30-50 60 0t60 0 40-20v60H20z" fill="skyblue" stroke="#036" stroke-width="2"/><path d="M30 150a40 20 30 1 1 60 30M110 170A30 30 0 0 0 180 140c0-30-40-10-60 0s20 10 5 25z" fill="rgb(250 200 60)" stroke="brown" stroke-width="3"/>',
  'fill rules':
    '<path fill-rule="evenodd" d="M100 10L160 190 10 75h180L40 190z" fill="crimson"/><path transform="translate(60 60) scale(.4)" d="M100 10L160 190 10 75h180L40 190z" fill="navy"/>',
  transforms:
    '<g transform="translate(100 100)"><g transform="rotate(30)"><rect x="-60" y="-20" width="120" height="40" fill="orange"/><g transform="skewX(20) scale(.5 1.5)"><rect x="-40" y="-40" width="80" height="80" fill="none" stroke="black" stroke-width="8"/></g></g></g><rect transform="matrix(.5 .3 -.2 .8 120 10)" width="60" height="60" fill="seagreen"/><rect transform="rotate(45 40 160) skewY(10)" x="20" y="140" width="40" height="40" fill="hsl(300 60% 40%)"/>',
  strokes:
    '<g fill="none" stroke="black" stroke-width="14"><path d="M20 50L60 20 100 50" stroke-linejoin="miter"/><path d="M20 100L60 70 100 100" stroke-linejoin="round" stroke-linecap="round"/><path d="M20 150L60 120 100 150" stroke-linejoin="bevel" stroke-linecap="square"/><path d="M120 30H190" stroke-dasharray="20 10 5" stroke-dashoffset="-7"/><path d="M120 70H190" stroke-dasharray="4 18" stroke-linecap="round"/><path d="M120 180L130 100 140 180" stroke-miterlimit="2"/><path d="M160 180L170 100 180 180" stroke-miterlimit="20" stroke-width="6"/></g>',
  opacity:
    '<rect width="200" height="100" fill="yellow"/><g opacity=".5"><circle cx="70" cy="100" r="50" fill="red"/><circle cx="110" cy="100" r="50" fill="blue"/></g><rect x="130" y="120" width="60" height="60" fill="green" fill-opacity=".4" stroke="red" stroke-width="16" stroke-opacity=".5"/><rect x="20" y="150" width="60" height="40" fill="#0008" stroke="#f00" stroke-width="8" opacity=".6"/>',
  'inheritance and styles':
    '<g style="fill:red;stroke:blue;stroke-width:4" color="teal"><rect x="10" y="10" width="50" height="50"/><rect x="80" y="10" width="50" height="50" fill="lime" style="stroke:currentColor"/><g fill="none"><circle cx="40" cy="120" r="30"/><circle cx="120" cy="120" r="30" visibility="hidden"/></g><rect x="150" y="10" width="40" height="40" style="display:none"/><rect x="140" y="140" width="40" height="40" style="fill: RGBA(0,0,0,.3) !important"/></g>',
}

const executablePath = findChromium()
if (!executablePath && process.env.CI === 'true') throw new Error('chromium is not installed')
if (!executablePath) console.warn('SKIPPED: chromium is not installed, no drawing was compared with it')

describe.skipIf(!executablePath)('drawn by MuPDF from our operators, and by Chromium from the SVG', () => {
  let page: import('playwright-core').Page
  let close: () => Promise<void>
  beforeAll(async () => {
    const browser = await chromium.launch({
      executablePath: executablePath ?? '',
      args: ['--no-sandbox', '--disable-gpu'],
    })
    page = await browser.newPage({ viewport: { width: 200, height: 200 }, deviceScaleFactor: 2 })
    close = () => browser.close()
  }, 60_000)
  afterAll(async () => close?.())

  async function theirs(svg: string) {
    await page.setContent(`<body style="margin:0;background:#fff">${svg}</body>`)
    return pixelsOf(await page.screenshot())
  }

  for (const [name, body] of Object.entries(PICTURES)) {
    it(`${name} look alike`, async (context) => {
      if (!hasJudge(context, 'mutool', ['-v'])) return
      const svg = `<svg ${NS} width="200" height="200" viewBox="0 0 200 200">${body}</svg>`
      expect(difference(await ours(svg), await theirs(svg))).toBeLessThan(0.012)
    })
  }

  it.each([
    'viewBox="50 20 100 50"',
    'viewBox="0 0 100 50" preserveAspectRatio="xMinYMax meet"',
    'viewBox="0 0 100 50" preserveAspectRatio="xMaxYMid slice"',
    'viewBox="-20 -20 240 240" preserveAspectRatio="none"',
  ])('view boxes are fitted alike: %s', async (box) => {
    const svg = `<svg ${NS} style="display:block" width="200" height="200" ${box}>${PICTURES.shapes}${PICTURES['a seal']}</svg>`
    expect(difference(await ours(svg), await theirs(svg))).toBeLessThan(0.012)
  })

  it('a wrong drawing would be noticed', async () => {
    const svg = (r: number) =>
      `<svg ${NS} width="200" height="200"><circle cx="100" cy="100" r="${r}"/></svg>`
    expect(difference(await ours(svg(80)), await theirs(svg(77)))).toBeGreaterThan(0.02)
  })

  it('names of colours mean the same', async () => {
    const names = [...COLOUR_NAMES.keys()]
    const found = await page.evaluate(`${JSON.stringify(names)}.map((name) => {
      const context = new OffscreenCanvas(1, 1).getContext('2d')
      context.fillStyle = name
      return context.fillStyle
    })`)
    expect(found).toEqual(names.map((name) => `#${COLOUR_NAMES.get(name)}`))
    expect(names.length).toBe(148)
  })
})

/** The picture on an empty page, as MuPDF shows it at two pixels a point. */
async function ours(svg: string) {
  const pki = createTestPki(new Date('2026-11-24T10:05:00Z'))
  const blank = appendUpdate(samplePdf({ mediaBox: '0 0 200 200' }), {
    4: '<</Length 0>>\nstream\n\nendstream',
  })
  const appearance = prepareAppearance(drawSvg(bytes(svg), 200))
  const placements = [{ page: 0, rect: { x: 0, y: 0, width: 200, height: 200 }, appearance }]
  const pdf = await signPdf(blank, { ...pki.p256, placements, signingTime: new Date('2026-11-24T10:05:00Z') })
  const png = withFile(pdf, (path, folder) => {
    const out = `${folder}/page.png`
    const ran = run('mutool', ['draw', '-q', '-r', '144', '-o', out, path])
    if (ran.status !== 0) throw new Error(ran.text)
    return readFileSync(out)
  })
  return pixelsOf(png)
}

async function pixelsOf(png: Uint8Array): Promise<Uint8ClampedArray> {
  const image = await loadImage(Buffer.from(png))
  expect([image.width, image.height]).toEqual([400, 400])
  const context = createCanvas(400, 400).getContext('2d')
  context.drawImage(image, 0, 0)
  return context.getImageData(0, 0, 400, 400).data
}

/** Share of pixels that differ by more than what smoothing of edges explains. */
function difference(one: Uint8ClampedArray, other: Uint8ClampedArray): number {
  let count = 0
  for (let i = 0; i < one.length; i += 4) {
    const gap = Math.max(
      ...[0, 1, 2].map((channel) => Math.abs((one[i + channel] ?? 0) - (other[i + channel] ?? 0))),
    )
    if (gap > 64) count++
  }
  return count / (one.length / 4)
}
