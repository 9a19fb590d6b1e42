/** The steps of the whole story, as people take them with fingers and keyboards. Used by the test and by the tour. */
import type { OutboxMessage } from '@yinxin/sdk/wire'
import type { Page } from 'playwright-core'

export const admin = { name: '韩梅梅', login: '13800138000', idNumber: '11010519491231002X' }
export const signer = { name: '李雷', login: '13900139000', idNumber: '440524188001010014' }
export const corp = { name: '杭州印信示例科技有限公司', creditCode: '91330106MA2CFLDQ68', legal: '韩梅梅' }

export type Shot = (page: Page, name: string, options?: { fullPage?: boolean }) => Promise<void>

/** What the simulated phone network delivered last to a number, after a moment. */
export async function newestMessage(
  url: string,
  to: string,
  fits: (message: OutboxMessage) => boolean,
  after: string | null = null,
): Promise<OutboxMessage> {
  for (let tries = 0; tries < 200; tries++) {
    const answer = await fetch(`${url}/sandbox/outbox?to=${encodeURIComponent(to)}`)
    const { messages } = (await answer.json()) as { messages: OutboxMessage[] }
    // Newest first: as long as the one known before is the first that fits, nothing new has come.
    const newest = messages.find(fits)
    if (newest && newest.id !== after) return newest
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  throw new Error(`no such message came to ${to}`)
}

/** Asks for a code on the page and types what arrives. */
export async function enterCode(page: Page, url: string, login: string): Promise<void> {
  const before = await newestCodeId(url, login)
  await page.locator('.code-row button').click()
  const { code } = await newestMessage(url, login, (message) => message.code !== null, before)
  await page.locator('input[name=one-time-code]').fill(code ?? '')
}

async function newestCodeId(url: string, login: string): Promise<string | null> {
  const answer = await fetch(`${url}/sandbox/outbox?to=${encodeURIComponent(login)}`)
  const { messages } = (await answer.json()) as { messages: OutboxMessage[] }
  return messages.find((message) => message.code !== null)?.id ?? null
}

export async function logIn(page: Page, url: string, login: string, shot?: Shot): Promise<void> {
  await page.goto('/')
  await page.waitForURL(/\/login/)
  await page.locator('input[name=username]').fill(login)
  await shot?.(page, 'login')
  await enterCode(page, url, login)
  await page.locator('form button[type=submit]').click()
  await page.waitForURL((address) => address.pathname === '/')
  await page.locator('.page-head').waitFor()
}

export async function proveIdentity(page: Page, person: { name: string; idNumber: string }): Promise<void> {
  await page.locator('input[name=name]').fill(person.name)
  await page.locator('input[name=id-number]').fill(person.idNumber)
  await page.locator('form button[type=submit]').click()
}

export async function foundCompany(page: Page): Promise<void> {
  await page.goto('/corp')
  await proveIdentity(page, admin)
  await page.locator('.page-head .button.primary').click()
  const form = page.locator('#register-corp input')
  await form.nth(0).fill(corp.name)
  await form.nth(1).fill(corp.creditCode)
  await form.nth(2).fill(corp.legal)
  await page.locator('dialog footer button').click()
  await page.getByRole('heading', { name: corp.name }).waitFor()
}

export async function createSeal(page: Page, shot?: Shot): Promise<void> {
  await page.goto('/seals')
  await page.locator('.page-head .button.primary').click()
  await page.locator('dialog input').nth(2).fill('3301060012345')
  await shot?.(page, 'new-seal')
  await page.locator('dialog footer .primary').click()
  await page.locator('.seal-card img').waitFor()
}

/** Upload, parties, fields by drag and by keyword, check, send; ends on the task's page. */
export async function sendTask(page: Page, pdf: Buffer, shot?: Shot): Promise<string> {
  await page.goto('/tasks/new')
  await page
    .locator('input[type=file]')
    .setInputFiles({ name: '技术服务合同.pdf', mimeType: 'application/pdf', buffer: pdf })
  await page.locator('.file-list li').waitFor()
  await shot?.(page, 'wizard-upload')
  await page.locator('.wizard-foot .primary').click()

  await page.locator('.wizard-body .row .button').first().click()
  await page.locator('.wizard-body .row .button').first().click()
  const person = page.locator('.party-form').nth(1).locator('input')
  await person.nth(0).fill(signer.name)
  await person.nth(1).fill(signer.login)
  await page.locator('.check input').check()
  await shot?.(page, 'wizard-parties')
  await page.locator('.wizard-foot .primary').click()

  await page.locator('.page[data-drawn]').first().waitFor()
  // The company's seal by keyword, so that it lies over its words on the last page…
  await page.locator('.keyword summary').click()
  await page.locator('.keyword input').fill('甲方（盖章）')
  await page.locator('.keyword button').click()
  await page.locator('.placed').first().waitFor()
  // …and the person's fields by hand: one dragged, one clicked and moved by the keyboard.
  await page.locator('.party-chip').nth(1).click()
  await page.locator('.placed').first().scrollIntoViewIfNeeded()
  const seal = await box(page, '.placed >> nth=0')
  const tile = await box(page, '.tile >> nth=0')
  await page.mouse.move(tile.x + tile.width / 2, tile.y + tile.height / 2)
  await page.mouse.down()
  await page.mouse.move(seal.x + seal.width + 300, seal.y + seal.height / 2 + 30, { steps: 8 })
  await page.mouse.up()
  await page.locator('.tile').nth(1).click()
  const date = page.locator('.placed.selected button').first()
  await date.focus()
  const signature = await box(page, '.placed >> nth=1')
  await dragTo(page, '.placed >> nth=2', {
    x: signature.x + signature.width / 2,
    y: signature.y + signature.height + 22,
  })
  await page.keyboard.press('ArrowDown')
  await shot?.(page, 'wizard-fields')
  await page.locator('.wizard-foot .primary').click()
  await shot?.(page, 'wizard-check')
  await page.locator('.wizard-body .button.primary').click()
  await page.waitForURL(/\/tasks\/[0-9a-f-]{36}$/)
  return new URL(page.url()).pathname.split('/').at(-1) ?? ''
}

/** Chooses the company's seal and signs with the code. */
export async function signAsCompany(page: Page, url: string, shot?: Shot): Promise<void> {
  await page.locator('.task-side .button.primary').click()
  await page.locator('.page[data-drawn]').first().waitFor()
  await page.locator('.reading-bar .button.primary').click()
  await page.locator('.mark-choice').first().click()
  await page.locator('.reading-bar .button').nth(1).click()
  await page.waitForTimeout(600)
  await shot?.(page, 'company-reading')
  await page.locator('.reading-bar .button.primary').click()
  await page.locator('.consent input').check()
  await enterCode(page, url, admin.login)
  await page.locator('dialog footer button').click()
  await page.locator('.stamp').waitFor()
}

/** From the message on the phone to the place where the name is written. */
export async function arriveAsPerson(page: Page, url: string, shot?: Shot): Promise<string> {
  const invitation = await newestMessage(url, signer.login, (message) => message.link !== null)
  const path = new URL(invitation.link ?? '').pathname
  await page.goto(path)
  await page.locator('.letter').waitFor()
  await shot?.(page, 'arrive')
  await enterCode(page, url, signer.login)
  await page.locator('form button[type=submit]').click()
  await page.locator('input[name=id-number]').waitFor()
  await shot?.(page, 'identity')
  await proveIdentity(page, signer)
  await page.locator('.page[data-drawn]').first().waitFor()
  await shot?.(page, 'read')
  return path
}

/** 李雷 in strokes, each point in shares of the pad as the writer sees it. */
const strokes: [number, number][][] = [
  [
    [0.14, 0.27],
    [0.28, 0.25],
    [0.42, 0.24],
  ],
  [
    [0.29, 0.12],
    [0.29, 0.3],
    [0.28, 0.5],
  ],
  [
    [0.28, 0.28],
    [0.23, 0.38],
    [0.14, 0.47],
  ],
  [
    [0.3, 0.28],
    [0.36, 0.38],
    [0.45, 0.46],
  ],
  [
    [0.2, 0.55],
    [0.38, 0.53],
    [0.3, 0.63],
  ],
  [
    [0.3, 0.62],
    [0.32, 0.75],
    [0.29, 0.88],
    [0.25, 0.84],
  ],
  [
    [0.13, 0.72],
    [0.3, 0.7],
    [0.46, 0.68],
  ],
  [
    [0.6, 0.2],
    [0.72, 0.19],
    [0.84, 0.18],
  ],
  [
    [0.55, 0.3],
    [0.55, 0.42],
  ],
  [
    [0.55, 0.31],
    [0.72, 0.3],
    [0.9, 0.29],
    [0.87, 0.4],
  ],
  [
    [0.72, 0.18],
    [0.72, 0.35],
    [0.72, 0.5],
  ],
  [
    [0.62, 0.38],
    [0.66, 0.4],
  ],
  [
    [0.79, 0.37],
    [0.83, 0.39],
  ],
  [
    [0.6, 0.57],
    [0.6, 0.72],
    [0.61, 0.86],
  ],
  [
    [0.6, 0.57],
    [0.72, 0.56],
    [0.85, 0.55],
    [0.84, 0.7],
    [0.83, 0.86],
  ],
  [
    [0.61, 0.71],
    [0.72, 0.7],
    [0.83, 0.7],
  ],
  [
    [0.61, 0.85],
    [0.72, 0.85],
    [0.83, 0.84],
  ],
  [
    [0.72, 0.56],
    [0.72, 0.7],
    [0.72, 0.85],
  ],
]

/** Writes on the turned pad of a phone held upright. */
export async function draw(page: Page): Promise<void> {
  await page.locator('.drawing > canvas').waitFor()
  const pad = await box(page, '.drawing > canvas')
  const turned = (await page.locator('.drawing-stage.turned').count()) > 0
  const at = ([x, y]: [number, number]): [number, number] =>
    turned
      ? [pad.x + pad.width * (1 - y), pad.y + pad.height * x]
      : [pad.x + pad.width * x, pad.y + pad.height * y]
  for (const [first, ...rest] of strokes) {
    if (!first) continue
    await page.mouse.move(...at(first))
    await page.mouse.down()
    for (const point of rest) await page.mouse.move(...at(point), { steps: 7 })
    await page.mouse.up()
  }
}

async function dragTo(page: Page, selector: string, to: { x: number; y: number }): Promise<void> {
  const from = await box(page, selector)
  await page.mouse.move(from.x + from.width / 2, from.y + from.height / 2)
  await page.mouse.down()
  await page.mouse.move(to.x, to.y, { steps: 8 })
  await page.mouse.up()
}

async function box(page: Page, selector: string) {
  const found = await page.locator(selector).boundingBox()
  if (!found) throw new Error(`${selector} is not on the page`)
  return found
}
