import { readFile } from 'node:fs/promises'
import { readTar, type TarDamage, verifyExport } from '@yinxin/evidence'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openStage, type Stage, type StageCompany } from '../../../testing/stage.ts'
import { drawSampleContract } from '../../server/src/sandbox/sample-contract.ts'
import { buildWeb } from '../../server/src/web/web.ts'
import { findChromium, launch, visit } from './browser.ts'
import { enterCode } from './story.ts'

const chromium = findChromium()
if (!chromium && process.env.CI === 'true') throw new Error('chromium is not installed')
if (!chromium) console.warn('chromium is not installed: the page of data exports was not tried')

/** Where the pictures of a run go, for people to look at; nowhere unless asked. */
const shots = process.env.YINXIN_SHOTS

describe.skipIf(!chromium)('the page of data exports', () => {
  let stage: Stage
  let browser: Browser

  beforeAll(async () => {
    stage = await openStage({ webDir: await buildWeb() })
    browser = await launch(chromium ?? '')
  }, 90_000)
  afterAll(async () => {
    await browser?.close()
    await stage?.close()
  })

  async function shoot(page: Page, name: string) {
    if (shots) await page.screenshot({ path: `${shots}/exports-${name}.png` })
    const [width, shown] = await page.evaluate<number[]>('[document.documentElement.scrollWidth, innerWidth]')
    expect(width ?? Number.NaN).toBeLessThanOrEqual(shown ?? 0)
  }

  for (const [device, language, words] of [
    [
      'desktop',
      'zh-CN',
      {
        order: '新建导出',
        begin: '开始导出',
        ready: '已完成',
        running: '导出中',
        cancel: '取消导出',
        destroy: '销毁归档',
        canceled: '已取消',
      },
    ],
    [
      'phone',
      'en-US',
      {
        order: 'New export',
        begin: 'Begin the export',
        ready: 'Ready',
        running: 'Under way',
        cancel: 'Cancel the export',
        destroy: 'Destroy the archive',
        canceled: 'Canceled',
      },
    ],
  ] as const)
    it(`on a ${device} in ${language}: ordered with a fresh code, watched, downloaded whole, destroyed`, async () => {
      const corp: StageCompany = await stage.company(
        `示例科技有限公司${device}`,
        await stage.person('王小明'),
      )
      const pdf = await drawSampleContract({
        corpName: corp.name,
        personName: '张三',
        number: 'YX-1',
        date: '2026-11-24',
      })
      await stage.upload(corp.token, pdf)
      const { page, context, faults } = await visit(browser, stage.url, { device, language })
      // As after a log-in: a download of the browser carries the cookie and nothing else.
      await context.addCookies([{ name: 'yx_session', value: corp.token, url: stage.url }])
      await page.goto('/exports')
      const orderButton = page.getByRole('button', { name: words.order })
      await orderButton.waitFor()
      await shoot(page, `${device}-empty`)

      // 1. Not without a code.
      await orderButton.click()
      const begin = page.getByRole('button', { name: words.begin })
      expect(await begin.isDisabled()).toBe(true)
      await enterCode(page, stage.url, corp.admin.login)
      await shoot(page, `${device}-order`)

      // 2. Progress, as a server with much to do tells it.
      let isHeld = true
      await page.route(/\/api\/v1\/exports\?/, async (route) => {
        const answer = await route.fetch()
        const body = (await answer.json()) as { items: Record<string, unknown>[] }
        if (isHeld)
          for (const one of body.items)
            Object.assign(one, { status: 'collecting', progress: { items: 8, settled: 3 } })
        await route.fulfill({ response: answer, json: body })
      })
      await begin.click()
      const bar = page.locator('progress')
      await bar.waitFor()
      expect([await bar.getAttribute('value'), await bar.getAttribute('max')]).toEqual(['3', '8'])
      await page.getByText(words.running).waitFor()
      expect(await page.getByRole('button', { name: words.cancel }).count()).toBe(1)
      // One at a time.
      expect(await orderButton.count()).toBe(0)
      await shoot(page, `${device}-running`)
      isHeld = false
      await page.locator('.badge.good', { hasText: words.ready }).waitFor()
      await shoot(page, `${device}-ready`)

      // 3. The download is the archive.
      const downloading = page.waitForEvent('download')
      await page.locator('a[download]').click()
      const whole = await readFile(await (await downloading).path())
      const damage: TarDamage[] = []
      async function* once() {
        yield new Uint8Array(whole)
      }
      const report = await verifyExport(
        readTar(once(), (one) => void damage.push(one)),
        { ordered: true },
        damage,
      )
      expect(report.problems).toEqual([])
      expect(report.manifest?.tenant.name).toBe(corp.name)
      expect(report.manifest?.counts.files).toBe(1)

      // 4. Destroying it takes a second look.
      await page.getByRole('button', { name: words.destroy }).click()
      await page.locator('dialog').waitFor()
      await shoot(page, `${device}-ending`)
      await page.locator('dialog footer button').click()
      await page.locator('.badge', { hasText: words.canceled }).waitFor()
      expect(await page.locator('a[download]').count()).toBe(0)
      await shoot(page, `${device}-canceled`)
      expect(faults).toEqual([])
      await context.close()
    }, 90_000)
})
