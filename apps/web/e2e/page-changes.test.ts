import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { prepareAppearance, signPdf } from '@yinxin/pades'
import fastify, { type FastifyInstance } from 'fastify'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { appendUpdate, samplePdf } from '../../../packages/pades/test-files.ts'
import { createTestPki } from '../../../packages/pades/test-pki.ts'
import { addWeb, buildWeb } from '../../server/src/web/web.ts'
import { findChromium, launch, visit } from './browser.ts'

const chromium = findChromium()
if (!chromium && process.env.CI === 'true') throw new Error('chromium is not installed')
if (!chromium) console.warn('chromium is not installed: the pictures of changed pages were not tried')

/** Where the pictures of a run go, for people to look at; nowhere unless asked. */
const shots = process.env.YINXIN_SHOTS

describe.skipIf(!chromium)('the verification page on a file that was changed after signing', () => {
  const folder = mkdtempSync(join(tmpdir(), 'yinxin-changes-'))
  const path = join(folder, '合同.pdf')
  let app: FastifyInstance
  let browser: Browser
  let url = ''

  beforeAll(async () => {
    const directory = await buildWeb()
    app = fastify()
    await addWeb({ app, directory })
    url = await app.listen({ host: '127.0.0.1', port: 0 })
    browser = await launch(chromium ?? '')
    writeFileSync(path, await changedFile())
  })

  afterAll(async () => {
    await browser?.close()
    await app?.close()
    rmSync(folder, { recursive: true, force: true })
  })

  for (const [device, language, words] of [
    [
      'desktop',
      'zh-CN',
      ['签署之后的页面变化', '第 1 页 · 内容被改动', '第 3 页 · 后来加入的页', '只加上了后续签名的页：1'],
    ],
    [
      'phone',
      'en-US',
      [
        'Pages changed after signing',
        'Page 1 · contents changed',
        'Page 3 · added later',
        'Pages that only gained later signatures: 1',
      ],
    ],
  ] as const) {
    it(`shows each page before and after, framed, on a ${device} in ${language}`, async () => {
      const { page, context, faults } = await visit(browser, url, { device, language })
      await page.goto('/verify')
      await page.locator('input[type=file]').setInputFiles(path)
      const changes = page.locator('.page-change')
      await changes.first().waitFor()
      for (const word of words) await page.getByText(word).first().waitFor()
      await page.locator('.page-change[data-state=drawn]').nth(1).waitFor()
      expect(await changes.count()).toBe(2)
      expect(await redPixels(page, 0)).toBeGreaterThan(200)
      // Side by side on a desk, one below the other on a phone; never wider than the screen.
      const [left, right] = await changes.first().locator('canvas').all()
      const [a, b] = [await left?.boundingBox(), await right?.boundingBox()]
      if (!a || !b) throw new Error('no canvas')
      expect(device === 'phone' ? b.y >= a.y + a.height : b.x >= a.x + a.width).toBe(true)
      expect(await page.evaluate('document.documentElement.scrollWidth <= innerWidth')).toBe(true)
      expect(faults).toEqual([])
      if (shots) await page.screenshot({ path: join(shots, `page-changes-${device}.png`), fullPage: true })
      await context.close()
    })
  }
})

/** Signed twice, once visibly; then the first page says something else, and a page comes on top. */
async function changedFile(): Promise<Uint8Array> {
  const at = new Date('2026-11-24T10:05:00Z')
  const pki = createTestPki(at)
  const appearance = prepareAppearance({
    widthPt: 60,
    heightPt: 30,
    operators: '0.8 0.1 0.1 RG 3 w 2 2 56 26 re S',
    resources: [],
    objects: [],
  })
  const signed = await signPdf(samplePdf({ pages: 2 }), { ...pki.p256, placements: [], signingTime: at })
  const placements = [{ page: 1, rect: { x: 20, y: 20, width: 60, height: 30 }, appearance }]
  const twice = await signPdf(signed, { ...pki.p256, placements, signingTime: at })
  const text = (words: string) => `<</Length ${words.length}>>\nstream\n${words}\nendstream`
  const page = (contents: number, more: string) =>
    `<</Type/Page/Parent 2 0 R/MediaBox[0 0 300 200]/Resources<</Font<</F1 6 0 R>>>>/Contents ${contents} 0 R${more}>>`
  return appendUpdate(twice, {
    3: page(90, ''),
    90: text('BT /F1 24 Tf 40 120 Td (Other deal) Tj ET'),
    2: '<</Type/Pages/Kids[3 0 R 101 0 R 91 0 R]/Count 3>>',
    91: page(92, ''),
    92: text('BT /F1 24 Tf 40 60 Td (Annex) Tj ET'),
  })
}

/** What of a canvas in the page is needed here. */
interface Canvas {
  width: number
  height: number
  getContext(kind: '2d'): {
    getImageData(x: number, y: number, width: number, height: number): { data: ArrayLike<number> }
  }
}

function redPixels(page: Page, index: number): Promise<number> {
  const canvas = page.locator('.page-change canvas').nth(index)
  return canvas.evaluate((element) => {
    const { width, height, getContext } = element as unknown as Canvas
    const { data } = getContext.call(element, '2d').getImageData(0, 0, width, height)
    let count = 0
    for (let i = 0; i < data.length; i += 4)
      if ((data[i] ?? 0) > 180 && (data[i + 1] ?? 255) < 90 && (data[i + 2] ?? 255) < 90) count++
    return count
  })
}
