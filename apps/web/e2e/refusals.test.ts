import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { drawSampleContract } from '../../server/src/sandbox/sample-contract.ts'
import { buildWeb } from '../../server/src/web/web.ts'
import { openStage, type Stage, type StageCompany } from '../../../testing/stage.ts'
import { findChromium, launch, visit } from './browser.ts'
import { enterCode } from './story.ts'

const chromium = findChromium()
if (!chromium && process.env.CI === 'true') throw new Error('chromium is not installed')
if (!chromium) console.warn('chromium is not installed: the pages of refusals were not tried')

describe.skipIf(!chromium)('what a signer sees when it does not come to signing', () => {
  let stage: Stage
  let browser: Browser
  let company: StageCompany

  beforeAll(async () => {
    stage = await openStage({ webDir: await buildWeb() })
    browser = await launch(chromium ?? '')
    company = await stage.company('杭州印信示例科技有限公司')
  })

  afterAll(async () => {
    await browser?.close()
    await stage?.close()
  })

  /** A started task for one person, and the path of that person's link. */
  async function taskFor(name: string) {
    const person = await stage.person(name)
    const pdf = await drawSampleContract({
      corpName: company.name,
      personName: name,
      number: 'YX-2026-0002',
      date: '2026年11月24日',
    })
    const task = await stage.createTask(company.token, {
      title: '技术服务合同',
      documents: [{ ref: 'contract', fileId: await stage.upload(company.token, pdf) }],
      actors: [{ ref: 'person', kind: 'person', role: 'sign', name, mobile: person.login }],
      fields: [
        {
          documentRef: 'contract',
          actorRef: 'person',
          kind: 'signature',
          position: { page: 2, x: 340, y: 250, width: 120, height: 48 },
        },
      ],
      autoStart: true,
    })
    const link = await stage.link(company.token, task, 'person')
    return { person, task, path: `/s/${link}` }
  }

  async function open(path: string, login: string) {
    const phone = await visit(browser, stage.url, { device: 'phone' })
    await phone.page.goto(path)
    await enterCode(phone.page, stage.url, login)
    await phone.page.locator('form button[type=submit]').click()
    await phone.page.locator('.page[data-drawn]').first().waitFor()
    return phone
  }

  it('declines with a reason, which the initiator reads', async () => {
    const { person, task, path } = await taskFor('李雷')
    const { page, faults, context } = await open(path, person.login)
    await page.getByRole('button', { name: '拒签' }).click()
    await page.locator('dialog footer .danger').click()
    await page.getByText('请写明原因').waitFor()
    await page.getByRole('button', { name: '条款需要修改' }).click()
    await page.locator('dialog footer .danger').click()
    await page.getByRole('heading', { name: '已拒签' }).waitFor()
    const after = await stage.task(company.token, task.id)
    expect(after.status).toBe('rejected')
    expect(after.actorDetails[0]?.rejectReason).toBe('条款需要修改')
    expect(faults).toEqual([])
    await context.close()
  })

  it('says why a link no longer works after the task was canceled, also in the middle of reading', async () => {
    const { person, task, path } = await taskFor('韩梅梅')
    const { page, context } = await open(path, person.login)
    await stage.ok('POST', `/api/v1/sign-tasks/${task.id}/cancel`, {
      token: company.token,
      body: { reason: '条款有误' },
    })
    await page.reload()
    await page.getByRole('heading', { name: '链接已结束' }).waitFor()
    expect(await page.locator('main').innerText()).toContain('已撤销')
    expect(await page.locator('.page').count()).toBe(0)
    await context.close()
  })

  it('says of a link that was cut off that it is not known', async () => {
    const guest = await visit(browser, stage.url, { device: 'phone' })
    await guest.page.goto('/s/abcdefghijklmnopqrstuvwxyz0123456789')
    await guest.page.getByRole('heading', { name: '链接已结束' }).waitFor()
    await guest.context.close()
  })

  it('refuses an encrypted or broken upload in words, at the place where it was dropped', async () => {
    const desk = await visit(browser, stage.url, { device: 'desktop' })
    await desk.context.addCookies([
      { name: 'yx_session', value: company.token, url: stage.url, httpOnly: true, sameSite: 'Lax' },
    ])
    await desk.page.goto('/tasks/new')
    await desk.page
      .locator('input[type=file]')
      .setInputFiles({ name: '坏.pdf', mimeType: 'application/pdf', buffer: Buffer.from('not a pdf at all') })
    await desk.page.locator('.note.bad').waitFor()
    expect((await desk.page.locator('.note.bad').innerText()).length).toBeGreaterThan(8)
    expect(await desk.page.locator('.file-list li').count()).toBe(0)
    await desk.context.close()
  })

  it('keeps what was entered when the connection breaks, and goes on when it is back', async () => {
    const { person, path } = await taskFor('王小明')
    const { page, context } = await open(path, person.login)
    await page.getByRole('button', { name: '拒签' }).click()
    await page.locator('dialog textarea').fill('信息填写有误')
    await context.setOffline(true)
    await page.locator('dialog footer .danger').click()
    await page.getByText('网络中断').waitFor()
    await context.setOffline(false)
    await page.locator('dialog footer .danger').click()
    await page.getByRole('heading', { name: '已拒签' }).waitFor()
    await context.close()
  })
})
