/**
 * Pages for operators, on the loopback port of their door: to be looked at, never to change anything. A browser cannot
 * read the token in the data folder, and a cookie of 127.0.0.1 would go to every server of the machine; so a command
 * makes an address with a key of its own, which opens one page, for a while, and nothing else.
 */
import { randomBytes } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Clock } from './clock.ts'

export type PageLang = 'zh' | 'en'

/** Whole documents by name, without scripts and without anything from elsewhere. */
export type OperatorPages = Record<string, (lang: PageLang) => Promise<string>>

export interface OperatorPageServer {
  /** A path that opens a page; undefined for one that does not exist. */
  open(name: string): string | undefined
  /** Answers what belongs to the pages; false for everything else. */
  answer(incoming: IncomingMessage, outgoing: ServerResponse): Promise<boolean>
}

/** A page that stays open asks again every minute; an address that was left somewhere ends. */
const idleMs = 30 * 60_000
const longestMs = 12 * 60 * 60_000
const keysMax = 32

const headers = {
  'content-type': 'text/html; charset=utf-8',
  'cache-control': 'no-store',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'content-security-policy':
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
}

export function createOperatorPages(pages: OperatorPages, clock: Clock): OperatorPageServer {
  const keys = new Map<string, { name: string; madeMs: number; usedMs: number }>()
  const nowMs = () => clock.now().getTime()

  function clearAway(): void {
    const now = nowMs()
    for (const [key, { madeMs, usedMs }] of keys)
      if (now - usedMs > idleMs || now - madeMs > longestMs) keys.delete(key)
    for (const key of [...keys.keys()].slice(0, Math.max(0, keys.size - keysMax + 1))) keys.delete(key)
  }

  return {
    open(name) {
      if (!Object.hasOwn(pages, name)) return undefined
      clearAway()
      const key = randomBytes(24).toString('base64url')
      keys.set(key, { name, madeMs: nowMs(), usedMs: nowMs() })
      return `/pages/${name}/${key}`
    },

    async answer(incoming, outgoing) {
      // Another site whose name was pointed at this machine does not come in, whatever it guesses.
      const host = (incoming.headers.host ?? '').replace(/:\d+$/, '')
      if (incoming.method !== 'GET' || !['127.0.0.1', 'localhost', '[::1]'].includes(host)) return false
      const url = new URL(incoming.url ?? '', 'http://127.0.0.1')
      const [, area, name = '', key = ''] = url.pathname.split('/')
      if (area !== 'pages') return false
      const known = keys.get(key)
      const now = nowMs()
      const isOpen = known?.name === name && now - known.usedMs <= idleMs && now - known.madeMs <= longestMs
      const page = isOpen ? pages[name] : undefined
      if (known === undefined || page === undefined) {
        outgoing.writeHead(403, headers).end(endedPage)
        return true
      }
      known.usedMs = now
      const asked = url.searchParams.get('lang')
      const wanted = asked ?? (/^en\b/i.test(incoming.headers['accept-language'] ?? '') ? 'en' : 'zh')
      try {
        const html = await page(wanted === 'en' ? 'en' : 'zh')
        outgoing.writeHead(200, headers).end(html)
      } catch (error) {
        const { message } = error as Error
        outgoing.writeHead(500, { ...headers, 'content-type': 'text/plain; charset=utf-8' }).end(message)
      }
      return true
    },
  }
}

const endedPage = `<!doctype html><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>印信 Yinxin</title><p>此地址已失效：请在服务器上再次运行 yinxin custody page。</p>
<p lang="en">This address has ended: run yinxin custody page on the server again.</p>`
