import { readFile } from 'node:fs/promises'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { drawSampleContract } from '../../server/src/sandbox/sample-contract.ts'
import { buildWeb } from '../../server/src/web/web.ts'
import { startTestApp, type TestApp } from '../../../testing/app.ts'
import { findChromium, launch, type Visitor, visit } from './browser.ts'
import {
  admin,
  arriveAsPerson,
  corp,
  createSeal,
  draw,
  enterCode,
  foundCompany,
  logIn,
  sendTask,
  signAsCompany,
  signer,
} from './story.ts'

const chromium = findChromium()
if (!chromium) {
  const words = 'chromium is not installed: the pages were not tried in a real browser'
  if (process.env.CI === 'true') throw new Error(words)
  console.warn(words)
}

// One story: every step builds on the one before it, so after a broken one the rest says nothing.
describe.skipIf(!chromium)('a contract, signed in a real browser', () => {
  let app: TestApp
  let browser: Browser
  let desk: Visitor
  let phone: Visitor
  let taskId: string
  let link: string
  let signed: Buffer
  let broken = false

  beforeEach((context) => {
    if (broken) context.skip('an earlier step of the story failed')
    context.onTestFailed(() => {
      broken = true
    })
  })

  beforeAll(async () => {
    app = await startTestApp({ webDir: await buildWeb() })
    browser = await launch(chromium ?? '')
    desk = await visit(browser, app.url, { device: 'desktop' })
    phone = await visit(browser, app.url, { device: 'phone' })
  })

  afterAll(async () => {
    await browser?.close()
    await app?.stop()
  })

  it('lets a newcomer log in with a code, found a company and draw its seal', async () => {
    await logIn(desk.page, app.url, admin.login)
    await foundCompany(desk.page)
    await createSeal(desk.page)
    // As text: the tests are checked as programs of Node, which has no document. A picture has its place on the page
    // before it has arrived; decode() waits for it, and fails when it does not come.
    const picture = await desk.page.evaluate<number>(
      "(async (seal) => { await seal.decode(); return seal.naturalWidth })(document.querySelector('.seal-card img'))",
    )
    expect(picture).toBeGreaterThan(0)
  })

  it('sends a contract with fields placed by keyword, by drag and by keys', async () => {
    const pdf = await drawSampleContract({
      corpName: corp.name,
      personName: signer.name,
      number: 'YX-2026-0001',
      date: '2026年11月24日',
    })
    taskId = await sendTask(desk.page, pdf)
    await desk.page.locator('.party-card').nth(1).waitFor()
    expect(await desk.page.locator('.field-mark.placed').count()).toBe(3)
    // A sent draft does not come back.
    await desk.page.goto('/tasks/new')
    await desk.page.locator('.drop-zone').waitFor()
    expect(await desk.page.locator('.file-list li').count()).toBe(0)
    await desk.page.goto(`/tasks/${taskId}`)
  })

  it('seals for the company after its code', async () => {
    await signAsCompany(desk.page, app.url)
    await desk.page.goto(`/tasks/${taskId}`)
    await desk.page.locator('.party-card.signed').waitFor()
  })

  it('brings the person from the message to the document', async () => {
    link = await arriveAsPerson(phone.page, app.url)
    expect(await phone.page.locator('.field-mark.mine').count()).toBe(2)
    const width = await phone.page.evaluate<number>('document.documentElement.scrollWidth')
    expect(width, 'nothing is wider than the phone').toBeLessThanOrEqual(390)
  })

  it('shows a stranger who is logged in that the document is not for them', async () => {
    const stranger = await visit(browser, app.url, { device: 'desktop' })
    await logIn(stranger.page, app.url, '13700137000')
    await stranger.page.goto(link)
    await stranger.page.getByRole('heading', { name: '当前登录的不是签署人' }).waitFor()
    expect(await stranger.page.locator('.page').count()).toBe(0)
    await stranger.context.close()
  })

  it('keeps the drawn signature through an interruption and shows it in place', async () => {
    const { page } = phone
    await page.locator('.reading-bar .button.primary').click()
    await draw(page)
    await page.locator('.drawing header .primary').click()
    await page.locator('.field-mark.mine img').first().waitFor()
    await page.reload()
    await page.locator('.page[data-drawn]').first().waitFor()
    await page.locator('.field-mark.mine img').first().waitFor()
  })

  it('refuses a wrong code at its field, and signs with the right one', async () => {
    const { page } = phone
    await page.locator('.reading-bar .button.primary').click()
    await page.locator('.consent input').check()
    await enterCode(page, app.url, signer.login)
    const right = await page.locator('input[name=one-time-code]').inputValue()
    await page.locator('input[name=one-time-code]').fill(right === '000000' ? '111111' : '000000')
    await page.locator('dialog footer button').click()
    await page.locator('.code-row .wrong').waitFor()
    await page.locator('input[name=one-time-code]').fill(right)
    await page.locator('dialog footer button').click()
    await page.locator('.stamp').waitFor()
  })

  it('hands over the signed copy, which the public page finds valid', async () => {
    const { page } = phone
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.locator('.done a.button.primary').first().click(),
    ])
    signed = await readFile(await download.path())
    expect(signed.subarray(0, 5).toString()).toBe('%PDF-')
    const stranger = await visit(browser, app.url, { device: 'desktop' })
    await stranger.page.goto('/verify')
    await stranger.page
      .locator('input[type=file]')
      .setInputFiles({ name: '已签.pdf', mimeType: 'application/pdf', buffer: signed })
    await stranger.page.locator('.verdict.good').waitFor()
    const report = await stranger.page.locator('main').innerText()
    expect(report).toContain(corp.name)
    expect(report).toContain(signer.name)
    expect(stranger.faults).toEqual([])
    await stranger.context.close()
  })

  it('says of an altered copy that it cannot be relied on', async () => {
    const altered = Buffer.from(signed)
    const at = Math.floor(altered.length / 4)
    altered[at] = (altered[at] ?? 0) ^ 1
    await desk.page.goto('/console/verify')
    await desk.page
      .locator('input[type=file]')
      .setInputFiles({ name: '改过.pdf', mimeType: 'application/pdf', buffer: altered })
    await desk.page.locator('.verdict.bad, .note.bad').first().waitFor()
    expect(await desk.page.locator('.verdict.good').count()).toBe(0)
  })

  it('shows the clerk the finished task with its evidence, and downloads the package', async () => {
    const { page } = desk
    await page.goto(`/tasks/${taskId}`)
    await page.locator('.task-side .badge.good').first().waitFor()
    await page.locator('#tab-evidence').click()
    expect(await page.locator('.evidence-list li').count()).toBeGreaterThan(6)
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('button', { name: '下载存证包' }).click(),
    ])
    const zip = await readFile(await download.path())
    expect(zip.subarray(0, 2).toString()).toBe('PK')
  })

  it('shows the person who comes back the end of the story, not the beginning', async () => {
    await phone.page.goto(link)
    await phone.page.locator('.stamp').waitFor()
  })

  it('changes the language when told to, and remembers it', async () => {
    const { page } = phone
    await page.getByRole('button', { name: 'English' }).click()
    await page.getByRole('heading', { name: 'Signed by everyone' }).waitFor()
    await page.reload()
    await page.getByRole('heading', { name: 'Signed by everyone' }).waitFor()
    await page.getByRole('button', { name: '中文' }).click()
    await page.getByRole('heading', { name: '全部签署完成' }).waitFor()
  })

  it('speaks English where the browser does', async () => {
    const guest = await visit(browser, app.url, { device: 'phone', language: 'en-US' })
    await guest.page.goto(link)
    await guest.page.getByRole('heading').first().waitFor()
    const words = await guest.page.locator('main').innerText()
    expect(words).toContain('Send the code')
    expect(await guest.page.locator('html').getAttribute('lang')).toBe('en')
    await guest.context.close()
  })

  it('ran without an exception, a blocked resource or a request to another site', () => {
    expect({ desk: desk.faults, phone: phone.faults }).toEqual({ desk: [], phone: [] })
  })
})
