import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { twoOperators } from '../../../testing/operators.ts'
import { openStage, type Stage } from '../../../testing/stage.ts'
import { manualClock } from '../../server/src/clock.ts'
import { recordDrill } from '../../server/src/drill.ts'
import { askOperator } from '../../server/src/operator-door.ts'
import { findChromium, launch, visit } from './browser.ts'

const chromium = findChromium()
if (!chromium && process.env.CI === 'true') throw new Error('chromium is not installed')
if (!chromium) console.warn('chromium is not installed: the page of operators was not tried')

/** Where the pictures of a run go, for people to look at; nowhere unless asked. */
const shots = process.env.YINXIN_SHOTS
const hour = 3_600_000

describe.skipIf(!chromium)('the page of operators', () => {
  const clock = manualClock(new Date())
  let stage: Stage
  let browser: Browser

  beforeAll(async () => {
    stage = await openStage({ clock, roles: ['api', 'worker'] })
    const { app } = stage.server()
    await stage.company('示例科技有限公司')
    await app.storage.scrub({ fresh: true })
    browser = await launch(chromium ?? '')
  }, 90_000)
  afterAll(async () => {
    await browser?.close()
    await stage?.close()
  })

  /** As `yinxin custody page` does. */
  async function address(): Promise<string> {
    const { dataDir } = stage.server().config
    return ((await askOperator(dataDir, 'page', { name: 'custody' }, () => undefined)) as { url: string }).url
  }

  async function look(device: 'phone' | 'desktop', language: 'zh-CN' | 'en-US', name: string) {
    const url = await address()
    const { page, context, faults } = await visit(browser, new URL(url).origin, { device, language })
    await page.goto(url)
    const text = await page.locator('body').innerText()
    if (shots) await page.screenshot({ path: `${shots}/operator-${name}-${device}.png`, fullPage: true })
    const [width, shown] = await page.evaluate<number[]>('[document.documentElement.scrollWidth, innerWidth]')
    expect(width ?? Number.NaN).toBeLessThanOrEqual(shown ?? 0)
    expect(faults).toEqual([])
    const other = language === 'zh-CN' ? 'English' : '中文'
    await page.click(`nav a:has-text("${other}")`)
    expect(await page.locator('nav strong').innerText()).toBe(other)
    await context.close()
    return text
  }

  it('says that all is well, in both languages, on a desk and on a phone', async () => {
    const zh = await look('desktop', 'zh-CN', 'well')
    for (const text of ['一切正常', '主站点', 'recovery-3', '尚未演练', '没有进行中的销毁', '无登记'])
      expect(zh).toContain(text)
    const en = await look('phone', 'en-US', 'well')
    for (const text of ['All is well', 'Primary site', 'Nothing is being destroyed'])
      expect(en).toContain(text)
  }, 60_000)

  it('puts first what people have to look at, and greys what was not verified in time', async () => {
    const { app } = stage.server()
    const [by, witness] = await twoOperators(app)
    const disk = {
      device: 'Seagate Exos X18, rack 3',
      serial: 'ZC10A1B2',
      domain: 'primary-2',
      method: 'purge-cryptographic-erase',
      proofName: 'erase.log',
      proofSha256: 'ab'.repeat(32),
      retiredAt: clock.now(),
      by,
      witness,
    } as const
    await app.db.work((tx) => app.destruction.media.retire(tx, disk))
    const at = clock.now().toISOString()
    const sample = { objects: { asked: 20, read: 20 }, packages: { asked: 5, verified: 5 } }
    const drill = { begunAt: at, endedAt: at, restores: [], migrations: [], logSize: 12, ...sample }
    await recordDrill(app.db, {
      ...drill,
      id: '019ac000-0000-7000-8000-000000000001',
      outcome: 'ok',
      ok: true,
      rpoMs: 1500,
      rtoMs: 61_000,
      problems: [],
    })
    clock.advance(hour)
    const later = clock.now().toISOString()
    await recordDrill(app.db, {
      ...drill,
      begunAt: later,
      endedAt: later,
      id: '019ac000-0000-7000-8000-000000000002',
      outcome: 'failed',
      ok: false,
      rpoMs: 900,
      rtoMs: 75_000,
      objects: { asked: 20, read: 19 },
      problems: ['an object could not be opened'],
    })
    clock.advance(50 * hour)
    const zh = await look('desktop', 'zh-CN', 'concerns')
    for (const text of ['需要处理', '校验逾期', '最近一次恢复演练失败', 'ZC10A1B2', '甲 / 乙'])
      expect(zh).toContain(text)
    const en = await look('phone', 'en-US', 'concerns')
    for (const text of ['To be looked at', 'scrub overdue', 'an object could not be opened'])
      expect(en).toContain(text)
  }, 60_000)
})
