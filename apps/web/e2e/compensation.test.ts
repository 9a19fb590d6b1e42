import { randomUUID } from 'node:crypto'
import { sql } from 'kysely'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startTestApp, type TestApp } from '../../../testing/app.ts'
import { openStage, type Stage } from '../../../testing/stage.ts'
import { monthNameOf } from '../../server/src/sla/sla.ts'
import { buildWeb } from '../../server/src/web/web.ts'
import { findChromium, launch, visit } from './browser.ts'

const chromium = findChromium()
if (!chromium && process.env.CI === 'true') throw new Error('chromium is not installed')
if (!chromium) console.warn('chromium is not installed: the page of compensation was not tried')

/** Where the pictures of a run go, for people to look at; nowhere unless asked. */
const shots = process.env.YINXIN_SHOTS

describe.skipIf(!chromium)('the page of compensation', () => {
  let server: TestApp
  let stage: Stage
  let browser: Browser

  beforeAll(async () => {
    server = await startTestApp({ webDir: await buildWeb() })
    stage = await openStage({ at: server.url })
    browser = await launch(chromium ?? '')
  }, 90_000)
  afterAll(async () => {
    await browser?.close()
    await server?.stop()
  })

  async function shoot(page: Page, name: string) {
    if (shots) await page.screenshot({ path: `${shots}/compensation-${name}.png`, fullPage: true })
    const [width, shown] = await page.evaluate<number[]>('[document.documentElement.scrollWidth, innerWidth]')
    expect(width ?? Number.NaN).toBeLessThanOrEqual(shown ?? 0)
  }

  for (const [device, language, words] of [
    [
      'desktop',
      'zh-CN',
      {
        begin: '发起申请',
        month: '月份',
        add: '添加损失',
        what: '损失说明',
        amount: '金额（元）',
        submit: '提交',
        submitted: '已提交',
      },
    ],
    [
      'phone',
      'en-US',
      {
        begin: 'New claim',
        month: 'Month',
        add: 'Add a loss',
        what: 'What was lost',
        amount: 'Amount (CNY)',
        submit: 'Submit',
        submitted: 'Submitted',
      },
    ],
  ] as const)
    it(`on a ${device} in ${language}: begun, a loss with proof added, submitted`, async () => {
      const corp = await stage.company(`示例科技有限公司${device}`)
      const from = Math.floor(Date.now() / 60_000) - 30
      await failing(server, corp.corpId, from)
      const { page, context, faults } = await visit(browser, server.url, { device, language })
      await context.addCookies([{ name: 'yx_session', value: corp.token, url: server.url }])
      await page.goto('/compensation')
      await page.getByRole('button', { name: words.begin }).click()
      await page.getByLabel(words.month).fill(monthNameOf(from))
      await page.locator('dialog').getByRole('button', { name: words.begin }).click()
      await page.getByRole('button', { name: words.add }).click()
      await page.getByLabel(words.what).fill('人工补签 12 份合同')
      await page.getByLabel(words.amount).fill('1,234.5')
      await page.locator('dialog').getByRole('button', { name: words.add }).click()
      await page.getByText('¥1,234.50').waitFor()
      await page
        .locator('input[type=file]')
        .setInputFiles({ name: '发票.pdf', mimeType: 'application/pdf', buffer: Buffer.from('%PDF-1.7\n') })
      await page.getByRole('link', { name: '发票.pdf' }).waitFor()
      await shoot(page, `${device}-draft`)
      await page.getByRole('button', { name: words.submit, exact: true }).click()
      await page.locator('dialog').getByRole('button', { name: words.submit }).click()
      await page.getByText(words.submitted, { exact: true }).waitFor()
      await shoot(page, `${device}-submitted`)
      const { items } = await stage.ok<{ items: { state: string }[] }>('GET', '/api/v1/compensation/claims', {
        token: corp.token,
      })
      expect(items).toMatchObject([{ state: 'submitted' }])
      expect(faults).toEqual([])
      await context.close()
    }, 60_000)
})

/** Ten minutes in which nothing that a company asked for was signed. */
async function failing({ app }: TestApp, tenantId: string, from: number): Promise<void> {
  await app.db.work(async (tx) => {
    const source = randomUUID()
    await sql`insert into sla_flush (source_id, seq, from_minute, to_minute, received_at, clock_offset_ms, rejected)
      values (${source}, 1, ${from}, ${from + 10}, to_timestamp(${(from + 10) * 60}), 0, false)`.execute(tx)
    await sql`insert into sla_count (source_id, seq, service, minute, tenant_id, ok, errors, slow, broken, excluded,
        received_at, late, rejected)
      select ${source}::uuid, 1, 'signing', minute, ${tenantId}::uuid, 0, 3, 0, 0, 0,
        to_timestamp((minute + 1)::bigint * 60), false, false
      from generate_series(${from}::int, ${from + 9}::int) as minute`.execute(tx)
  })
}
