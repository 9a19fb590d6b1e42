import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startFakeS3 } from '../../../testing/fakes/s3.ts'
import { openStage, type Stage, type StageCompany } from '../../../testing/stage.ts'
import { drawSampleContract } from '../../server/src/sandbox/sample-contract.ts'
import { buildWeb } from '../../server/src/web/web.ts'
import { findChromium, launch, visit } from './browser.ts'
import { enterCode } from './story.ts'

const chromium = findChromium()
if (!chromium && process.env.CI === 'true') throw new Error('chromium is not installed')
if (!chromium) console.warn('chromium is not installed: the page of data imports was not tried')

/** Where the pictures of a run go, for people to look at; nowhere unless asked. */
const shots = process.env.YINXIN_SHOTS

describe.skipIf(!chromium)(
  'data that leaves one company for its bucket, and arrives at another platform',
  () => {
    let origin: Stage
    let target: Stage
    let browser: Browser
    let folder: string

    beforeAll(async () => {
      const webDir = await buildWeb()
      origin = await openStage({ webDir })
      target = await openStage({ webDir, environment: { YINXIN_EXPORT_PART_BYTES: '65536' } })
      browser = await launch(chromium ?? '')
      folder = await mkdtemp(join(tmpdir(), 'yinxin-imports-'))
    }, 120_000)
    afterAll(async () => {
      await browser?.close()
      await Promise.all([origin?.close(), target?.close()])
      await rm(folder, { recursive: true, force: true })
    })

    async function shoot(page: Page, name: string) {
      if (shots) await page.screenshot({ path: `${shots}/imports-${name}.png`, fullPage: true })
      const [width, shown] = await page.evaluate<number[]>(
        '[document.documentElement.scrollWidth, innerWidth]',
      )
      expect(width ?? Number.NaN).toBeLessThanOrEqual(shown ?? 0)
    }

    for (const [device, language, words] of [
      [
        'desktop',
        'zh-CN',
        {
          export: '新建导出',
          bucket: '同时写入我的存储桶（S3）',
          fields: ['服务地址', '区域', '存储桶名称', '访问密钥 ID'],
          secret: '访问密钥',
          key: '对象名（选填）',
          byPath: '路径风格访问',
          begin: '开始导出',
          ready: '已完成',
          import: '新建导入',
          file: '导出归档（.tar）',
          other: '归档属于另一家企业，仍导入本企业',
          members: '邀请归档中的成员',
          upload: '上传并导入',
          resume: '继续上传',
          done: '已完成',
          taken: '导入 1 · 未变 0',
        },
      ],
      [
        'phone',
        'en-US',
        {
          export: 'New export',
          bucket: 'Also put it into my own bucket (S3)',
          fields: ['Endpoint', 'Region', 'Name of the bucket', 'Access key id'],
          secret: 'Secret access key',
          key: 'Name of the object (optional)',
          byPath: 'Address by path',
          begin: 'Begin the export',
          ready: 'Ready',
          import: 'New import',
          file: 'Archive of the export (.tar)',
          other: 'The archive is of another company',
          members: 'Invite its members',
          upload: 'Upload and import',
          resume: 'Go on uploading',
          done: 'Done',
          taken: '1 imported · 0 unchanged',
        },
      ],
    ] as const)
      it(`on a ${device} in ${language}: ordered into the own bucket, uploaded, broken off, resumed and taken`, async () => {
        const corp: StageCompany = await origin.company(`示例科技有限公司${device}`)
        const taker: StageCompany = await target.company(`接收有限公司${device}`)
        const pdf = await drawSampleContract({
          corpName: corp.name,
          personName: '张三',
          number: 'YX-1',
          date: '2026-11-24',
        })
        await origin.upload(corp.token, pdf)

        // 1. Into the customer's bucket, from the page.
        const s3 = await startFakeS3()
        const key = `exports/${device}.tar`
        const out = await visit(browser, origin.url, { device, language })
        await out.context.addCookies([{ name: 'yx_session', value: corp.token, url: origin.url }])
        await out.page.goto('/exports')
        await out.page.getByRole('button', { name: words.export }).click()
        await out.page.getByLabel(words.bucket).check()
        const values = [s3.endpoint, 'r', s3.bucket, 'key']
        for (const [at, label] of words.fields.entries())
          await out.page.getByLabel(label, { exact: true }).fill(values[at] ?? '')
        await out.page.locator('dialog input[type=password]').fill('secret-of-the-bucket')
        await out.page.getByLabel(words.key).fill(key)
        await out.page.getByLabel(words.byPath).check()
        await shoot(out.page, `${device}-bucket`)
        await enterCode(out.page, origin.url, corp.admin.login)
        await out.page.getByRole('button', { name: words.begin }).click()
        await out.page.locator('.badge.good', { hasText: words.ready }).waitFor()
        for (let tries = 0; tries < 200 && s3.bytes(key) === undefined; tries++)
          await new Promise((resolve) => setTimeout(resolve, 50))
        const archive = s3.bytes(key) ?? Buffer.alloc(0)
        expect(archive.length).toBeGreaterThan(10_000)
        // Nothing of the way in comes back.
        const told = await origin.call('GET', '/api/v1/exports', { token: corp.token })
        expect(JSON.stringify(told.body)).not.toContain('secret-of-the-bucket')
        expect(await out.page.content()).not.toContain('secret-of-the-bucket')
        expect(out.faults).toEqual([])
        await out.context.close()
        await s3.close()

        // 2. To the other platform; the line breaks after the first part.
        const path = join(folder, `${device}.tar`)
        await writeFile(path, archive)
        const { page, context, faults } = await visit(browser, target.url, { device, language })
        await context.addCookies([{ name: 'yx_session', value: taker.token, url: target.url }])
        await page.goto('/imports')
        await page.getByRole('button', { name: words.import }).waitFor()
        await shoot(page, `${device}-empty`)
        await page.getByRole('button', { name: words.import }).click()
        await page.getByLabel(words.file).setInputFiles(path)
        await page.getByLabel(words.other).check()
        await page.getByLabel(words.members).check()
        await shoot(page, `${device}-order`)
        const sent: string[] = []
        let isBroken = true
        await page.route(/\/parts\/\d+$/, async (route) => {
          sent.push(route.request().url().split('/').at(-1) ?? '')
          if (isBroken && sent.length > 1)
            await route.fulfill({
              status: 409,
              contentType: 'application/problem+json',
              body: JSON.stringify({ code: 'import_not_receiving', detail: 'broken off' }),
            })
          else await route.continue()
        })
        await page.getByRole('button', { name: words.upload }).click()
        await page.getByText('broken off').waitFor()
        isBroken = false
        sent.length = 0
        faults.length = 0

        // 3. The page opened anew goes on with what is missing.
        await page.reload()
        await page.getByLabel(words.resume).waitFor()
        await shoot(page, `${device}-receiving`)
        await page.getByLabel(words.resume).setInputFiles(path)
        await page.locator('.badge.good', { hasText: words.done }).waitFor()
        expect(sent).not.toContain('1')
        expect(sent.length).toBeGreaterThan(0)
        await page.getByText(words.taken).waitFor()
        await page.locator('[data-history]').waitFor()
        await shoot(page, `${device}-done`)
        expect(faults).toEqual([])
        await context.close()
      }, 120_000)
  },
)
