import { createHash, timingSafeEqual } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { z } from 'zod'
import type { Http } from '#src/http/http.ts'
import { refuse } from './errors.ts'
import { type AlertRow, isRule, type Monitoring, ruleOf } from './monitoring.ts'

export interface MonitoringRoutesDeps {
  http: Http
  monitoring: Monitoring
  /** Of whoever may read the metrics; without one they are not served. */
  metricsToken: string | undefined
}

const tokenParams = z.object({ token: z.string().min(20).max(100) })
const runbooks = new URL('../../../../docs/runbooks/', import.meta.url)
const pace = { max: 60, perMs: 60_000 }

/** Metrics for a scraper with its token, the page behind the link of an alert, and the runbooks. */
export function addMonitoringRoutes({ http, monitoring, metricsToken }: MonitoringRoutesDeps): void {
  const { route } = http

  route({
    method: 'GET',
    url: '/metrics',
    summary: 'Gives figures in the text format of Prometheus, for the bearer of the metrics token.',
    access: 'public',
    answer: 'raw',
    produces: ['text/plain'],
    handle: async ({ request }) => {
      if (metricsToken === undefined) throw refuse('metrics_off')
      if (!isSame(request.headers.authorization ?? '', `Bearer ${metricsToken}`))
        throw refuse('metrics_forbidden')
      return {
        contentType: 'text/plain; version=0.0.4; charset=utf-8',
        body: await monitoring.metrics.text(),
      }
    },
  })

  // Programs open links to preview them: looking acknowledges nothing, pressing the button does.
  route({
    method: 'GET',
    url: '/api/v1/alert-acks/:token',
    summary: 'Shows an alert to whoever got its link, with a button that acknowledges it.',
    access: 'public',
    rateLimit: pace,
    params: tokenParams,
    answer: 'raw',
    produces: ['text/html'],
    handle: async ({ params }) => {
      const alert = await monitoring.byToken(params.token)
      if (alert === undefined) throw refuse('alert_not_found')
      return { contentType: 'text/html; charset=utf-8', body: alertPage(alert) }
    },
  })

  route({
    method: 'POST',
    url: '/api/v1/alert-acks/:token/acknowledgement',
    summary: 'Acknowledges an alert for whoever got its link: nobody else is woken.',
    access: 'public',
    rateLimit: pace,
    params: tokenParams,
    body: z.object({ by: z.string().trim().min(1).max(60) }),
    answer: z.object({
      acknowledgedBy: z.string().nullable(),
      state: z.enum(['pending', 'firing', 'resolved']),
    }),
    handle: async ({ params, body }) => {
      const alert = await monitoring.acknowledge({ token: params.token }, body.by)
      if (alert === undefined) throw refuse('alert_not_found')
      return { acknowledgedBy: alert.acknowledged_by, state: alert.state }
    },
  })

  route({
    method: 'GET',
    url: '/api/v1/alert-acks/page.js',
    summary: 'The script of the page that acknowledges an alert.',
    access: 'public',
    answer: 'raw',
    produces: ['text/javascript'],
    handle: async () => ({ contentType: 'text/javascript; charset=utf-8', body: pageScript }),
  })

  route({
    method: 'GET',
    url: '/api/v1/runbooks/:rule',
    summary: 'Gives the runbook of an alert, in Markdown.',
    access: 'public',
    rateLimit: pace,
    params: z.object({ rule: z.string().max(60) }),
    answer: 'raw',
    produces: ['text/markdown'],
    handle: async ({ params }) => {
      if (!isRule(params.rule)) throw refuse('runbook_not_found')
      const body = await readFile(new URL(`${params.rule}.md`, runbooks), 'utf8')
      return { contentType: 'text/markdown; charset=utf-8', body }
    },
  })
}

function isSame(given: string, wanted: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(given), digest(wanted))
}

const pageScript = `const form = document.querySelector('form')
form?.addEventListener('submit', async (event) => {
  event.preventDefault()
  const by = new FormData(form).get('by')
  const answer = await fetch(location.pathname.replace(/\\/$/, '') + '/acknowledgement', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ by }),
  })
  if (answer.ok) location.reload()
  else document.querySelector('output').textContent = (await answer.json()).detail
})
`

function alertPage(alert: AlertRow): string {
  const rule = isRule(alert.rule) ? ruleOf(alert.rule) : { zh: alert.rule, en: alert.rule }
  const state =
    alert.state === 'resolved'
      ? `已恢复 · resolved ${alert.resolved_at?.toISOString() ?? ''}`
      : alert.acknowledged_at === null
        ? '无人认领 · nobody has answered yet'
        : `${alert.acknowledged_by ?? ''} 已认领 · acknowledged ${alert.acknowledged_at.toISOString()}`
  const form =
    alert.state === 'firing' && alert.acknowledged_at === null
      ? `<form><label>姓名 · name <input name="by" required maxlength="60" autocomplete="name"></label> <button>认领 · acknowledge</button></form><output></output><script src="/api/v1/alert-acks/page.js" defer></script>`
      : ''
  return `<!doctype html><html lang="zh"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><meta name="robots" content="noindex"><title>${escapeHtml(alert.severity)} ${escapeHtml(rule.zh)}</title><style>body{font:16px/1.6 system-ui;max-width:40rem;margin:2rem auto;padding:0 1rem}input,button{font:inherit;padding:.5rem}</style><h1>${escapeHtml(alert.severity)} ${escapeHtml(rule.zh)} · ${escapeHtml(rule.en)}</h1><p>${escapeHtml(alert.detail_zh)}</p><p lang="en">${escapeHtml(alert.detail_en)}</p><p>${escapeHtml(state)}</p>${form}<p><a href="/api/v1/runbooks/${escapeHtml(alert.rule)}">处置手册 · runbook</a></p></html>`
}

const escapeHtml = (text: string) => text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
