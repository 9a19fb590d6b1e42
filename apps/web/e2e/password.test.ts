import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { buildWeb } from '../../server/src/web/web.ts'
import { openStage, type Stage } from '../../../testing/stage.ts'
import { findChromium, launch, visit } from './browser.ts'
import { enterCode, logIn } from './story.ts'

const chromium = findChromium()
if (!chromium && process.env.CI === 'true') throw new Error('chromium is not installed')
if (!chromium) console.warn('chromium is not installed: the password sheet was not tried')

describe.skipIf(!chromium)('a password', () => {
  let stage: Stage
  let browser: Browser

  beforeAll(async () => {
    stage = await openStage({ webDir: await buildWeb() })
    browser = await launch(chromium ?? '')
  })

  afterAll(async () => {
    await browser?.close()
    await stage?.close()
  })

  it('is set after a log-in by code, and opens the door the next time', async () => {
    const login = '13512345678'
    const password = '好记的密码 2026'
    const { page, context, faults } = await visit(browser, stage.url, { device: 'phone' })
    await logIn(page, stage.url, login)
    await page.getByRole('button', { name: '设置密码' }).click()
    const sheet = page.getByRole('dialog')
    await enterCode(page, stage.url, login)
    await sheet.getByLabel('新密码').fill(password)
    await sheet.getByLabel('再输一次').fill('另一个密码')
    await sheet.locator('button[type=submit]').click()
    await sheet.getByText('两次输入不一致').waitFor()
    await sheet.getByLabel('再输一次').fill(password)
    await sheet.locator('button[type=submit]').click()
    await sheet.getByRole('status').waitFor()
    await sheet.getByRole('button', { name: '关闭' }).last().click()
    await context.clearCookies()
    await page.goto('/login')
    await page.getByRole('button', { name: '密码登录' }).click()
    await page.locator('input[name=username]').fill(login)
    await page.locator('input[name=password]').fill(password)
    await page.locator('form button[type=submit]').click()
    await page.waitForURL((address) => address.pathname === '/')
    expect(faults).toEqual([])
    await context.close()
  })
})
