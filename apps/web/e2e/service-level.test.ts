import { randomUUID } from 'node:crypto'
import { slaServices } from '@yinxin/sla'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openStage, type Stage } from '../../../testing/stage.ts'
import { buildWeb } from '../../server/src/web/web.ts'
import { findChromium, launch, visit } from './browser.ts'

const chromium = findChromium()
if (!chromium && process.env.CI === 'true') throw new Error('chromium is not installed')
if (!chromium) console.warn('chromium is not installed: the page of availability was not tried')

describe.skipIf(!chromium)('the page of availability', () => {
  let stage: Stage
  let browser: Browser

  beforeAll(async () => {
    stage = await openStage({ webDir: await buildWeb() })
    browser = await launch(chromium ?? '')
    // A process that lived for half an hour. Its last minutes are not settled yet, so what an open month tells is the
    // part in which it saw nobody.
    const now = Math.floor(Date.now() / 60_000)
    const minutes = Array.from({ length: 9 }, (_, i) => now - 9 + i)
    await stage.server().app.sla.store.insertFlushes([
      {
        sourceId: randomUUID(),
        seq: 1,
        fromMinute: now - 30,
        toMinute: now,
        counts: minutes.flatMap((minute) =>
          slaServices.map((service) => ({
            minute,
            service,
            tenantId: '00000000-0000-0000-0000-000000000000',
            ok: 9,
            error: 1,
            slow: 0,
            broken: 0,
            excluded: 0,
          })),
        ),
      },
    ])
  })

  afterAll(async () => {
    await browser?.close()
    await stage?.close()
  })

  it('shows what was measured, recomputes it from signed minutes, and explains a minute', async () => {
    const { page, context, faults } = await visit(browser, stage.url, { device: 'phone' })
    await page.goto('/sla')
    await page.getByRole('heading', { name: '签署服务' }).waitFor()
    const card = page.locator('section.card', { has: page.getByRole('heading', { name: '签署服务' }) })
    await card.getByRole('button', { name: '在本机复算' }).click()
    await card.getByText('复算结果与公布一致').waitFor()
    await card.getByText('签名有效，SHA-256 一致').waitFor()
    await page.getByRole('button', { name: '查看' }).click()
    await page.getByText('既无用户请求也无探测，按不可用计').waitFor()
    await page.getByRole('button', { name: 'English' }).click()
    await page.getByRole('heading', { name: 'Availability' }).waitFor()
    expect(faults).toEqual([])
    await context.close()
  })
})
