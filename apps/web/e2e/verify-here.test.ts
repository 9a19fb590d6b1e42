import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { toPem } from '@yinxin/pki'
import { readZip } from '@yinxin/evidence'
import { fastify, type FastifyInstance } from 'fastify'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  createSamplePlatform,
  samplePackage,
  type SamplePlatform,
  signSampleTask,
} from '../../../packages/evidence/testing/sample-platform.ts'
import { addWeb, buildWeb } from '../../server/src/web/web.ts'
import { findChromium, launch, visit } from './browser.ts'

const executable = findChromium()
if (executable === null && process.env.CI === 'true') throw new Error('no Chromium')
if (executable === null) console.warn('SKIPPED: no Chromium')

let folder: string
let app: FastifyInstance
let url: string
let browser: Browser
let platform: SamplePlatform
let zip: Uint8Array
let pdf: Uint8Array
/** Everything that was asked of the server and might carry a file. */
const posted: string[] = []

/** The pages as they are served, and what the platform publishes; nothing else of the server is needed. */
beforeAll(async () => {
  if (executable === null) return
  folder = await mkdtemp(join(tmpdir(), 'yinxin-verify-'))
  const directory = await buildWeb()
  platform = createSamplePlatform()
  zip = await samplePackage(platform, await signSampleTask(platform))
  const entry = readZip(zip).entries.find(({ name }) => name.startsWith('documents/1-'))
  if (!entry) throw new Error('the package has no document')
  pdf = entry.content
  app = fastify()
  app.addHook('onRequest', async (request) => {
    if (request.method !== 'GET') posted.push(request.url)
  })
  app.addContentTypeParser('application/pdf', { parseAs: 'buffer' }, async () => ({}))
  app.get('/api/v1/environment', async () => ({ mode: 'production', developmentCa: false, simulators: [] }))
  app.get('/ca/root.pem', async () => toPem(platform.root.certificate.der, 'CERTIFICATE'))
  app.get('/log/vkey', async () => `${platform.vkey}\n`)
  app.post('/api/v1/verifications', async () => ({
    ok: true,
    fileName: 'a.pdf',
    sha256: '00',
    knownHere: true,
    signatures: [],
    pageChanges: [],
  }))
  await addWeb({ app, directory })
  url = await app.listen({ host: '127.0.0.1', port: 0 })
  browser = await launch(executable)
})
afterAll(async () => {
  await browser?.close()
  await app?.close()
  if (folder) await rm(folder, { recursive: true, force: true })
})

const altered = (bytes: Uint8Array, place: number): Buffer => {
  const changed = Buffer.from(bytes)
  changed[place] = (changed[place] ?? 0) ^ 1
  return changed
}
const give = (page: Page, name: string, content: Uint8Array, mimeType = 'application/pdf') =>
  page.locator('input[type=file]').setInputFiles({ name, mimeType, buffer: Buffer.from(content) })

/** For looking at: `YINXIN_PICTURES=DIR npx vitest run apps/web/e2e/verify-here.test.ts`. */
async function picture(page: Page, name: string): Promise<void> {
  const place = process.env.YINXIN_PICTURES
  if (place) await page.screenshot({ path: join(place, `${name}.png`), fullPage: true })
}

describe.skipIf(executable === null)('the verification page', () => {
  it.each([
    ['phone', 'zh-CN', '文件不离开您的设备', '没有上传'],
    ['desktop', 'en-US', 'does not leave your device', 'nothing was uploaded'],
  ] as const)('on a %s in %s verifies without sending the file', async (device, language, promise, done) => {
    const { page, context, faults } = await visit(browser, url, { device, language })
    await page.goto('/verify')
    await page.getByText(promise).waitFor()
    await picture(page, `verify-empty-${device}`)
    await give(page, '采购合同.pdf', pdf)
    await page.locator('.verdict.good').waitFor()
    const text = await page.locator('main').innerText()
    expect(text).toContain('示例科技有限公司')
    expect(text).toContain(done)
    await picture(page, `verify-good-${device}`)
    expect(posted).toEqual([])
    expect(faults).toEqual([])
    await context.close()
  })

  it('says of an altered file that it cannot be relied on, and of one from elsewhere that its signer is not known', async () => {
    const { page, context, faults } = await visit(browser, url, { device: 'desktop' })
    await page.goto('/verify')
    await give(page, '改过.pdf', altered(pdf, 200))
    await page.locator('.verdict.bad').waitFor()
    await picture(page, 'verify-bad-desktop')
    await page.getByRole('button', { name: '再验一份' }).click()
    const stranger = createSamplePlatform()
    const foreign = readZip(await samplePackage(stranger, await signSampleTask(stranger)))
    const other = foreign.entries.find(({ name }) => name.startsWith('documents/1-'))
    await give(page, '别处.pdf', other?.content ?? new Uint8Array(0))
    await page.locator('.verdict.bad').waitFor()
    expect(await page.locator('main').innerText()).toContain('证书链未到达受信任的根')
    expect(posted).toEqual([])
    expect(faults).toEqual([])
    await context.close()
  })

  it('verifies evidence packages against what the platform publishes', async () => {
    const { page, context, faults } = await visit(browser, url, { device: 'phone' })
    await page.goto('/verify')
    await give(page, '存证包.zip', zip, 'application/zip')
    await page.locator('.verdict.good').waitFor()
    expect(await page.locator('main').innerText()).toContain('采购合同')
    await picture(page, 'verify-evidence-phone')
    await page.getByRole('button', { name: '再验一份' }).click()
    await give(page, '存证包.zip', altered(zip, Math.floor(zip.length / 2)), 'application/zip')
    await page.locator('.verdict.bad').waitFor()
    await picture(page, 'verify-evidence-bad-phone')
    expect(posted).toEqual([])
    expect(faults).toEqual([])
    await context.close()
  })

  it('sends the file only when told to, for what the platform alone can tell', async () => {
    const { page, context } = await visit(browser, url, { device: 'desktop' })
    await page.goto('/verify')
    await give(page, '采购合同.pdf', pdf)
    await page.locator('.verdict.good').waitFor()
    expect(posted).toEqual([])
    await page.getByRole('button', { name: '上传核验' }).click()
    await page.getByText('由本平台签出').waitFor()
    expect(posted).toEqual(['/api/v1/verifications'])
    await context.close()
  })
})

describe.skipIf(executable === null)('the offline verifier', () => {
  let address: string
  beforeAll(async () => {
    const response = await app.inject({ url: '/offline/yinxin-verify.html' })
    expect(response.headers['content-disposition']).toBe('attachment')
    expect(response.body.length).toBeLessThan(1_500_000)
    const path = join(folder, 'yinxin-verify.html')
    await writeFile(path, response.body)
    address = pathToFileURL(path).href
    console.log(`offline verifier: ${response.body.length} bytes`)
  })

  it.each(['phone', 'desktop'] as const)(
    'on a %s opens from a file without network and judges what is dropped on it',
    async (device) => {
      const { page, context, faults } = await visit(browser, url, { device })
      await context.setOffline(true)
      await page.goto(address)
      const give = (...files: [string, Uint8Array][]) =>
        page.locator('input[type=file]').setInputFiles(
          files.map(([name, content]) => ({
            name,
            mimeType: 'application/octet-stream',
            buffer: Buffer.from(content),
          })),
        )
      await give(['合同.pdf', pdf], ['存证包.zip', zip])
      await page.getByText('签署者的身份未核对').waitFor()
      await page.getByText('来源未核对').waitFor()
      await picture(page, `offline-open-${device}`)
      await give(
        ['root.pem', Buffer.from(toPem(platform.root.certificate.der, 'CERTIFICATE'))],
        ['log.vkey', Buffer.from(`${platform.vkey}\n`)],
      )
      await page.getByText('全部签名有效，签后没有改动').waitFor()
      await page.getByText('存证包完整，没有改动').waitFor()
      await picture(page, `offline-good-${device}`)
      await give(['合同.pdf', altered(pdf, 200)], ['存证包.zip', altered(zip, Math.floor(zip.length / 2))])
      await page.getByText('这份文件不能信赖').nth(1).waitFor()
      expect(await page.locator('.card.good').count()).toBe(0)
      await page.getByRole('button', { name: 'English' }).click()
      await page.getByText('This file cannot be relied on').first().waitFor()
      await picture(page, `offline-bad-${device}`)
      expect(faults).toEqual([])
      await context.close()
    },
  )
})
