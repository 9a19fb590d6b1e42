import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openStage, type Stage, type StageCompany } from '../../../testing/stage.ts'
import { manualClock } from '../../server/src/clock.ts'
import { drawSampleContract, sampleKeywords } from '../../server/src/sandbox/sample-contract.ts'
import { buildWeb } from '../../server/src/web/web.ts'
import { findChromium, launch, visit } from './browser.ts'

const chromium = findChromium()
if (!chromium && process.env.CI === 'true') throw new Error('chromium is not installed')
if (!chromium) console.warn('chromium is not installed: the pages of copies and durability were not tried')

/** Where the pictures of a run go, for people to look at; nowhere unless asked. */
const shots = process.env.YINXIN_SHOTS
const hour = 3_600_000

describe.skipIf(!chromium)('where the data is, on screen', () => {
  const clock = manualClock(new Date())
  let stage: Stage
  let corp: StageCompany
  let taskId: string
  let browser: Browser

  beforeAll(async () => {
    // Without the scheduler, so that nothing is verified but what the test asks for.
    stage = await openStage({ clock, roles: ['api', 'worker'], webDir: await buildWeb() })
    corp = await stage.company('示例科技有限公司')
    const pdf = await drawSampleContract({
      corpName: corp.name,
      personName: '张三',
      number: 'YX-1',
      date: '2026-11-24',
    })
    const fileId = await stage.upload(corp.token, pdf)
    const task = await stage.createTask(corp.token, {
      documents: [{ ref: 'contract', fileId }],
      actors: [{ ref: 'b', kind: 'person', role: 'sign', name: '张三', mobile: '13900009999' }],
      fields: [
        {
          documentRef: 'contract',
          actorRef: 'b',
          kind: 'signature',
          position: { keyword: sampleKeywords.person },
        },
      ],
      autoStart: true,
    })
    taskId = task.id
    await stage.server().app.storage.scrub({ fresh: true })
    await stage.server().app.storage.reconcile()
    browser = await launch(chromium ?? '')
  }, 90_000)
  afterAll(async () => {
    await browser?.close()
    await stage?.close()
  })

  async function open(device: 'phone' | 'desktop', language: 'zh-CN' | 'en-US') {
    const visitor = await visit(browser, stage.url, { device, language })
    await visitor.context.setExtraHTTPHeaders({ authorization: `Bearer ${corp.token}` })
    return visitor
  }

  for (const [device, language, missed, shared] of [
    ['desktop', 'zh-CN', '此处不满足', '两个站点的副本位于同一设备'],
    ['phone', 'en-US', 'The promise is not met here', 'here the two sites are really one'],
  ] as const)
    it(`says on a ${device} in ${language} where each copy is and that one device does not meet the promise`, async () => {
      const { page, context, faults } = await open(device, language)
      await page.goto('/custody')
      await page.waitForSelector('.verdict')
      expect(await page.locator('.site').count()).toBe(2)
      expect(await page.locator('.copy.fresh .mono').allTextContents()).toEqual(
        ['primary', 'recovery'].flatMap((site) => [1, 2, 3].map((n) => `${site}-${n}`)),
      )
      expect(await page.locator('.verdict').innerText()).toContain(missed)
      expect(await page.locator('.drift').first().innerText()).toContain(shared)
      if (shots) await page.screenshot({ path: `${shots}/custody-${device}.png`, fullPage: true })
      await page.goto(`/tasks/${taskId}`)
      await page.click('#tab-copies')
      await page.waitForSelector('.site')
      expect(await page.locator('.site').count()).toBe(2)
      if (shots) await page.screenshot({ path: `${shots}/copies-${device}.png` })
      const [width, shown] = await page.evaluate<number[]>(
        '[document.documentElement.scrollWidth, innerWidth]',
      )
      expect(width ?? Number.NaN).toBeLessThanOrEqual(shown ?? 0)
      expect(faults).toEqual([])
      await context.close()
    }, 60_000)

  it('shows as stale what was not verified in time', async () => {
    clock.advance(50 * hour)
    corp = { ...corp, token: await stage.signIn(corp.admin.login, corp.corpId) }
    const { page, context } = await open('desktop', 'zh-CN')
    await page.goto(`/tasks/${taskId}`)
    await page.click('#tab-copies')
    await page.waitForSelector('.copy.stale')
    expect(await page.locator('.copy.stale').count()).toBe(6)
    if (shots) await page.screenshot({ path: `${shots}/stale-desktop.png` })
    await page.goto('/custody')
    await page.waitForSelector('.copy.stale')
    expect(await page.locator('.copy.stale').count()).toBe(6)
    if (shots) await page.screenshot({ path: `${shots}/stale-custody-desktop.png`, fullPage: true })
    expect(await page.locator('.copy.fresh .mono').count()).toBe(0)
    // By the clock of the server, which is two days ahead of the browser's here.
    expect(await page.locator('.copy.stale').first().innerText()).toContain('前天校验')
    await context.close()
  }, 60_000)
})
