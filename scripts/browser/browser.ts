/**
 * The packages in a real browser: bundled as any page would bundle them, run in Chromium without network.
 * `npx vitest run scripts/browser` prints the size of the bundle and compares every report with Node's.
 */
import { join } from 'node:path'
import { brotliCompressSync } from 'node:zlib'
import type { Browser, Page } from 'playwright-core'
import { build } from 'vite'
import { findChromium, launch } from '../../apps/web/e2e/browser.ts'
import type { Question } from './reports.ts'

export interface Bundle {
  readonly code: string
  readonly bytes: number
  readonly brotliBytes: number
}

/** One script with everything in it. @throws Error when something of Node is left in it */
export async function bundle(entry = join(import.meta.dirname, 'page.ts')): Promise<Bundle> {
  const complaints: string[] = []
  const result = await build({
    configFile: false,
    logLevel: 'silent',
    build: {
      write: false,
      target: 'es2022',
      lib: { entry, formats: ['iife'], name: 'bundled', fileName: 'page' },
      rolldownOptions: { onLog: (_level, log) => void complaints.push(log.message) },
    },
  })
  const outputs = Array.isArray(result) ? result : [result]
  const chunks = outputs.flatMap((one) => ('output' in one ? one.output : []))
  const code = chunks.map((chunk) => (chunk.type === 'chunk' ? chunk.code : '')).join('\n')
  const foreign = /node:[a-z]+|__vite-browser-external|\bBuffer\.(from|concat|alloc)/.exec(code)
  if (foreign) throw new Error(`something of Node is in the bundle: ${foreign[0]}`)
  if (complaints.length > 0) throw new Error(complaints.join('\n'))
  return { code, bytes: Buffer.byteLength(code), brotliBytes: brotliCompressSync(code).length }
}

export interface OpenPage {
  readonly page: Page
  /** Exceptions, refused resources, requests. */
  readonly faults: string[]
  reportsOn(question: Question): Promise<string>
  close(): Promise<void>
}

const ORIGIN = 'https://verify.example'
/** Nothing may be fetched from anywhere. */
const POLICY = "default-src 'none'; img-src data:; script-src 'unsafe-inline'"

/** Opens the bundle in the Chromium of this machine; undefined when there is none. */
export async function openPage({ code }: Bundle): Promise<OpenPage | undefined> {
  const executable = findChromium()
  if (executable === null) return undefined
  const browser: Browser = await launch(executable)
  const page = await browser.newPage()
  const faults: string[] = []
  page.on('pageerror', (error) => faults.push(error.message))
  page.on('console', (message) => message.type() === 'error' && faults.push(message.text()))
  await page.route('**', (route) => {
    if (route.request().url() !== `${ORIGIN}/`) {
      faults.push(`request to ${route.request().url()}`)
      return route.abort()
    }
    const body = `<!doctype html><link rel="icon" href="data:,"><script>${code.replaceAll('</script', '<\\/script')}</script>`
    const headers = { 'content-type': 'text/html; charset=utf-8', 'content-security-policy': POLICY }
    return route.fulfill({ body, headers })
  })
  await page.goto(`${ORIGIN}/`)
  return {
    page,
    faults,
    reportsOn: ({ bytes, trust, logKeys, ...rest }) =>
      page.evaluate((ask) => globalThis.yinxin.reportsOn(ask), {
        ...rest,
        bytes: base64(bytes),
        trust: trust.map(base64),
        logKeys: [...logKeys],
      }),
    close: () => browser.close(),
  }
}

export const base64 = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64')
