/**
 * Plays the whole story in a real browser against a private platform and keeps a picture of every step:
 *
 *     node scripts/tour.ts            writes docs/tour/*.png and docs/tour/README.md
 *
 * Nothing is drawn by hand: what the pictures show is what a newcomer sees.
 */
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Page } from 'playwright-core'
import { readConfig } from '../apps/server/src/config.ts'
import { drawSampleContract } from '../apps/server/src/sandbox/sample-contract.ts'
import { startServer } from '../apps/server/src/server.ts'
import { buildWeb } from '../apps/server/src/web/web.ts'
import { findChromium, launch, visit } from '../apps/web/e2e/browser.ts'
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
} from '../apps/web/e2e/story.ts'
import { recompressPng } from './png.ts'

/** A picture heavier than this is too much for a page of documentation. */
const limitBytes = 150_000
const target = fileURLToPath(new URL('../docs/tour/', import.meta.url))

/** The steps in the order of the story: file name, Chinese, English. */
const captions = {
  login: ['登录：验证码或密码，首次登录即注册', 'Log in with a code or a password; the first time registers'],
  'new-seal': [
    '创建公章：边填边看，服务器按 40 mm 真实尺寸绘制',
    'A seal is drawn at its true 40 mm while the form is filled',
  ],
  seals: ['印章列表', 'The seals of the company'],
  'wizard-upload': ['发起：上传文件，先检查再接收', 'A new task: the file is checked before it is taken'],
  'wizard-parties': ['写上签署方与联系方式', 'Who signs, and where the link goes'],
  'wizard-fields': [
    '在真实页面上拖放签署位置，每方一色',
    'Fields are dragged onto the real page, one colour for each party',
  ],
  'wizard-check': ['核对后发送', 'Check and send'],
  'task-running': [
    '任务页：左边文件，右边各方与进展',
    'The task: the document left, parties and progress right',
  ],
  'company-reading': [
    '企业盖章：印章预览在约定位置',
    'The company seals: the seal stands in its place before it signs',
  ],
  'phone-arrive': [
    '手机打开链接：谁请你签什么、到何时',
    'The link on a phone: who asks you to sign what, until when',
  ],
  'phone-identity': ['实名核验，模拟环境看得见', 'Proof of identity; a simulator says that it is one'],
  'phone-read': ['逐页阅读', 'Reading'],
  'phone-draw': ['把手机横过来签名', 'The name is written with the phone held sideways'],
  'phone-preview': ['签名预览在页面上', 'The signature in its place on the page'],
  'phone-confirm': ['最后一步：文件指纹、同意、验证码', 'Last step: fingerprint, consent, code'],
  'phone-done': ['完成：立即拿到签署件与存证', 'Done: the signed copy and the evidence at once'],
  'task-finished': ['全部完成', 'Everyone has signed'],
  evidence: ['存证：每个事件的哈希与日志位置', 'Evidence: the hash of each event and its place in the log'],
  verify: ['验签：任何人都能核对', 'Verification, open to anyone'],
  'home-dark': ['首页（深色）', 'Home, dark'],
  'home-en': ['首页（英文）', 'Home, in English'],
} as const satisfies Record<string, readonly [string, string]>
type Name = keyof typeof captions

const chromium = findChromium()
if (!chromium) {
  console.error('没有找到 Chromium · Chromium is not installed')
  process.exit(1)
}

const folder = await mkdtemp(join(tmpdir(), 'yinxin-tour-'))
const server = await startServer(
  readConfig({
    YINXIN_MODE: 'sandbox',
    YINXIN_PORT: '0',
    YINXIN_DATA_DIR: join(folder, 'data'),
    YINXIN_KEY_DIR: join(folder, 'keys'),
    YINXIN_LOG_LEVEL: 'warn',
  }),
  { webDir: await buildWeb(), durableDatabase: false },
)
const browser = await launch(chromium)
try {
  await mkdir(target, { recursive: true })
  for (const name of await readdir(target)) if (name.endsWith('.png')) await rm(join(target, name))
  await play()
  await writeIndex()
} finally {
  await browser.close()
  await server.stop()
  await rm(folder, { recursive: true, force: true })
}

async function play(): Promise<void> {
  const { url } = server
  const desk = await visit(browser, url, { device: 'desktop' })
  await logIn(desk.page, url, admin.login, shot)
  await foundCompany(desk.page)
  await createSeal(desk.page, shot)
  await keep(desk.page, 'seals')
  const pdf = await drawSampleContract({
    corpName: corp.name,
    personName: signer.name,
    number: 'YX-2026-0001',
    date: '2026年11月24日',
  })
  const taskId = await sendTask(desk.page, pdf, shot)
  await desk.page.locator('.page[data-drawn]').first().waitFor()
  await keep(desk.page, 'task-running')
  await signAsCompany(desk.page, url, shot)

  const phone = await visit(browser, url, { device: 'phone' })
  await arriveAsPerson(phone.page, url, (page, name) => keep(page, `phone-${name}` as Name))
  await phone.page.locator('.reading-bar .button.primary').click()
  await draw(phone.page)
  await keep(phone.page, 'phone-draw')
  await phone.page.locator('.drawing header .primary').click()
  await phone.page.locator('.reading-bar .button').nth(1).click()
  await keep(phone.page, 'phone-preview')
  await phone.page.locator('.reading-bar .button.primary').click()
  await phone.page.locator('.consent input').check()
  await enterCode(phone.page, url, signer.login)
  await keep(phone.page, 'phone-confirm')
  await phone.page.locator('dialog footer button').click()
  await phone.page.locator('.stamp').waitFor()
  await keep(phone.page, 'phone-done')
  const [download] = await Promise.all([
    phone.page.waitForEvent('download'),
    phone.page.locator('.done a.button.primary').first().click(),
  ])

  await desk.page.goto(`/tasks/${taskId}`)
  await desk.page.locator('.page[data-drawn]').first().waitFor()
  // The last page, with the seal and the signature on it.
  await desk.page.locator('.pane-pages').evaluate((pages) => pages.scrollTo(0, pages.scrollHeight * 0.5))
  await keep(desk.page, 'task-finished')
  // Opening the evidence downloads it, which brings the last events into the log.
  await Promise.all([
    desk.page.waitForEvent('download'),
    desk.page.getByRole('button', { name: '下载存证包' }).click(),
  ])
  await desk.page.locator('#tab-evidence').click()
  await desk.page.locator('.evidence-list .badge.good').first().waitFor()
  await desk.page.locator('.evidence-list summary').last().click()
  await keep(desk.page, 'evidence')

  await desk.page.goto('/verify')
  await desk.page.locator('input[type=file]').setInputFiles({
    name: download.suggestedFilename(),
    mimeType: 'application/pdf',
    buffer: await readFile(await download.path()),
  })
  await desk.page.locator('.verdict').waitFor()
  await desk.page.locator('details').first().click()
  await keep(desk.page, 'verify')

  for (const [name, options] of [
    ['home-dark', { device: 'desktop', dark: true }],
    ['home-en', { device: 'desktop', language: 'en-US' }],
  ] as const) {
    const other = await visit(browser, url, options)
    await other.context.addCookies(await desk.context.cookies())
    await other.page.goto('/')
    await other.page.locator('.home-lists').waitFor()
    await keep(other.page, name)
  }
}

function shot(page: Page, name: string): Promise<void> {
  return keep(page, name as Name)
}

/** Takes a picture once the page has come to rest. */
async function keep(page: Page, name: Name): Promise<void> {
  if (!(name in captions)) throw new Error(`the picture ${name} has no caption`)
  await page.waitForLoadState('networkidle')
  await page.waitForTimeout(700)
  const png = recompressPng(await page.screenshot())
  if (png.length > limitBytes) throw new Error(`${name}.png has ${png.length} bytes, more than ${limitBytes}`)
  await writeFile(join(target, `${name}.png`), png)
  console.log(`${name}.png ${Math.round(png.length / 1024)} KB`)
}

async function writeIndex(): Promise<void> {
  const steps = Object.entries<readonly [string, string]>(captions).map(([name, [zh, en]], index) => {
    const width = name.startsWith('phone-') ? 260 : 720
    return `### ${index + 1}. ${zh}\n\n${en}\n\n<img src="${name}.png" width="${width}" alt="${zh}">\n`
  })
  const head = `# 界面导览 · A tour of the pages

以下截图由 \`node scripts/tour.ts\` 在真实浏览器里、对着真实平台走完一份合同时拍下。
These pictures were taken by \`node scripts/tour.ts\` in a real browser while a contract was signed on a real platform.
`
  await writeFile(join(target, 'README.md'), `${head}\n${steps.join('\n')}`)
}
