import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core'

/** The Chromium of this machine, or null when there is none. */
export function findChromium(): string | null {
  const names = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable']
  const folders = (process.env.PATH ?? '').split(delimiter)
  const places = [
    process.env.YINXIN_CHROMIUM ?? '',
    ...folders.flatMap((folder) => names.map((name) => join(folder, name))),
    '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  ]
  return places.find(isExecutable) ?? null
}

export function launch(executablePath: string): Promise<Browser> {
  return chromium.launch({
    executablePath,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  })
}

export interface Visitor {
  page: Page
  context: BrowserContext
  /** Faults the page must never show: exceptions, refused resources, requests to other sites. */
  faults: string[]
}

/** A person with a device of their own: phone in the hand or a desktop. */
export async function visit(
  browser: Browser,
  url: string,
  options: { device: 'phone' | 'desktop'; language?: 'zh-CN' | 'en-US'; dark?: boolean },
): Promise<Visitor> {
  const phone = options.device === 'phone'
  const context = await browser.newContext({
    baseURL: url,
    viewport: phone ? { width: 390, height: 844 } : { width: 1280, height: 800 },
    deviceScaleFactor: phone ? 2 : 1,
    isMobile: phone,
    hasTouch: phone,
    locale: options.language ?? 'zh-CN',
    colorScheme: options.dark ? 'dark' : 'light',
    timezoneId: 'Asia/Shanghai',
    acceptDownloads: true,
  })
  const page = await context.newPage()
  page.setDefaultTimeout(15_000)
  const faults: string[] = []
  page.on('pageerror', (error) => faults.push(`exception: ${error.message}`))
  page.on('console', (message) => {
    // Refusals are part of the story (401 before logging in, 400 for a wrong code); the rest are faults.
    const refused = /status of (401|404|409|410|429)/.test(message.text())
    const wrongCode = /status of 400/.test(message.text()) && message.location().url.endsWith('/sign')
    if (message.type() === 'error' && !refused && !wrongCode) {
      faults.push(`console: ${message.text()}`)
    }
  })
  page.on('request', (request) => {
    const target = new URL(request.url())
    if (/^https?:$/.test(target.protocol) && target.origin !== new URL(url).origin) {
      faults.push(`request to another site: ${request.url()}`)
    }
  })
  return { page, context, faults }
}

function isExecutable(path: string): boolean {
  if (!path) return false
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
