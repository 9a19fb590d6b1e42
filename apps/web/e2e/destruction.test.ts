import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { readZip, verifyDestructionProof } from '@yinxin/evidence'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { drawSampleContract } from '../../server/src/sandbox/sample-contract.ts'
import { buildWeb } from '../../server/src/web/web.ts'
import { twoOperators } from '../../../testing/operators.ts'
import { openStage, type Stage, type StageCompany } from '../../../testing/stage.ts'
import { findChromium, launch, visit } from './browser.ts'
import { enterCode, logIn } from './story.ts'

const chromium = findChromium()
if (!chromium && process.env.CI === 'true') throw new Error('chromium is not installed')
if (!chromium) console.warn('chromium is not installed: the pages of destruction were not tried')

/** Pictures for the eye, when somebody asks for them. */
async function shot(page: Page, name: string): Promise<void> {
  const folder = process.env.YINXIN_SHOTS
  if (folder !== undefined) await page.screenshot({ path: join(folder, `${name}.png`), fullPage: true })
}

describe.skipIf(!chromium)('destruction on screen', () => {
  let stage: Stage
  let corp: StageCompany
  let browser: Browser
  let offsetMs = 0

  beforeAll(async () => {
    const clock = { now: () => new Date(Date.now() + offsetMs) }
    stage = await openStage({ webDir: await buildWeb(), clock })
    corp = await stage.company('示例科技有限公司')
    browser = await launch(chromium ?? '')
  })
  afterAll(async () => {
    await browser?.close()
    await stage?.close()
  })

  async function finished(mobile: string): Promise<string> {
    const pdf = await drawSampleContract({
      corpName: corp.name,
      personName: '张三',
      number: 'YX-2026-0009',
      date: '2026年1月1日',
    })
    const made = await stage.createTask(corp.token, {
      title: '保密协议',
      documents: [{ ref: 'd', fileId: await stage.upload(corp.token, pdf) }],
      actors: [
        {
          ref: 'corp',
          kind: 'corp',
          role: 'sign',
          name: corp.name,
          subjectId: corp.corpId,
          freeSignBusinessId: corp.businessId,
        },
        { ref: 'person', kind: 'person', role: 'sign', name: '张三', mobile, order: 2 },
      ],
      autoStart: true,
    })
    await stage.until(corp.token, made.id, (task) => task.actors[1]?.status === 'ready')
    const visitor = await stage.visit(await stage.link(corp.token, made, 'person'), mobile, '张三')
    expect((await stage.sign(visitor, mobile)).status).toBe(200)
    await stage.until(corp.token, made.id, (task) => task.status === 'finished')
    return made.id
  }

  for (const device of ['desktop', 'phone'] as const) {
    it(`is asked for, done and certified (${device})`, { timeout: 120_000 }, async () => {
      const mobile = device === 'phone' ? '13512340001' : '13512340002'
      const taskId = await finished(mobile)
      offsetMs += 61_000
      const { page, context, faults } = await visit(browser, stage.url, { device })
      await logIn(page, stage.url, mobile)

      await page.goto(`/tasks/${taskId}`)
      await page.getByRole('tab', { name: '销毁' }).click()
      await page.getByRole('heading', { name: '各方一致销毁合同' }).waitFor()
      await shot(page, `destruction-choices-${device}`)

      // With all parties: an agreement goes out, and it can be called off.
      offsetMs += 61_000
      await page.getByRole('button', { name: '申请销毁 · 各方一致销毁合同' }).click()
      await enterCode(page, stage.url, mobile)
      await shot(page, `destruction-sheet-${device}`)
      await page.getByRole('dialog').getByRole('button', { name: '确认销毁' }).click()
      await page.getByText('等待各方签署协议').waitFor()
      await page.getByRole('link', { name: '查看销毁协议' }).waitFor()
      await shot(page, `destruction-consent-${device}`)
      await page.getByRole('button', { name: '撤销申请' }).click()
      await page.locator('article').getByText('已撤销').waitFor()

      // The own access: at once, with a certificate in the end.
      offsetMs += 61_000
      await page.getByRole('button', { name: '申请销毁 · 销毁我方的访问' }).click()
      await enterCode(page, stage.url, mobile)
      await page.getByRole('dialog').getByRole('button', { name: '确认销毁' }).click()
      await stage.server().app.destruction.advanceAll()
      await page.goto(`/tasks/${taskId}`)
      await page.getByRole('heading', { name: '我方对此合同的访问已销毁' }).waitFor()
      const button = page.getByRole('button', { name: '下载证明包（离线核验）' })
      await button.waitFor()
      await shot(page, `destruction-done-${device}`)
      const [download] = await Promise.all([page.waitForEvent('download'), button.click()])
      const zip = readZip(await readFile(await download.path()))
      const json = zip.entries.find((one) => one.name === 'destruction-proof.json')?.content
      const pdf = zip.entries.find((one) => one.name === 'certificate.pdf')?.content
      const report = verifyDestructionProof(JSON.parse(Buffer.from(json ?? []).toString('utf8')), {
        logKeys: [stage.server().app.evidence.log.vkey],
        ...(pdf === undefined ? {} : { pdf }),
      })
      expect(report).toMatchObject({ ok: true, problems: [], logVerified: true })
      // Refusals are answers here: the page asked for a contract that is gone.
      expect(faults.filter((fault) => !fault.includes('410'))).toEqual([])
      await context.close()
    })
  }

  it('shows the countdown, and a legal hold', { timeout: 120_000 }, async () => {
    const mobile = '13512340003'
    const taskId = await finished(mobile)
    offsetMs += 61_000
    const { page, context } = await visit(browser, stage.url, { device: 'phone', language: 'en-US' })
    await logIn(page, stage.url, mobile)
    offsetMs += 61_000
    const token = await stage.signIn(mobile)
    offsetMs += 61_000
    const path = `/api/v1/sign-tasks/${taskId}/destruction`
    const code = await stage.codeBy(mobile, () => stage.ok('POST', `${path}/code`, { token }))
    const at = new Date(Date.now() + offsetMs + 5 * 86_400_000).toISOString()
    await stage.ok('POST', path, { token, body: { basis: 'own', code, at } })
    const { app } = stage.server()
    const [by] = await twoOperators(app)
    await app.destruction.holds.place({ taskId, basis: 'court', reference: '(2026) 1', by })
    await page.goto(`/tasks/${taskId}`)
    await page.getByRole('tab', { name: 'Destruction' }).click()
    await page.getByRole('timer').waitFor()
    await page.getByText('under a legal hold').waitFor()
    await shot(page, 'destruction-hold-phone')
    await context.close()
  })
})
