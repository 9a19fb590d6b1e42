/** What an alert says: a title, Markdown for a group, plain text for a mail, one line for a phone, facts for a program. */
import { ruleOf, type RuleName } from './rules.ts'
import type { AlertEvent, AlertRow, Severity } from './tables.ts'

export interface Worded {
  title: string
  markdown: string
  plain: string
  short: string
  link: string
  facts: AlertFacts[]
}

export interface AlertFacts {
  id: string
  key: string
  rule: string
  severity: Severity
  event: AlertEvent
  level: number
  service: string | null
  subject: string | null
  detailZh: string
  detailEn: string
  openedAt: string | null
  resolvedAt: string | null
  acknowledgedBy: string | null
  runbook: string
}

export interface ToldAlert {
  alert: AlertRow
  event: AlertEvent
  level: number
  ackUrl: string
}

const eventWords: Record<AlertEvent, [zh: string, en: string]> = {
  firing: ['告警', 'alert'],
  escalated: ['升级', 'escalated'],
  resolved: ['恢复', 'resolved'],
}

const shown = 20

/** @param told in the order in which they happened; more than one where a channel groups */
export function word(told: readonly ToldAlert[], lang: 'zh' | 'en', baseUrl: string): Worded {
  const [first] = told
  if (first === undefined) throw new Error('there is nothing to tell')
  const zh = lang === 'zh'
  const name = (alert: AlertRow) => ruleOf(alert.rule as RuleName)[lang]
  const about = (alert: AlertRow) => alert.service ?? alert.subject ?? ''
  const head = ({ alert, event }: ToldAlert) =>
    `${alert.severity} ${eventWords[event][zh ? 0 : 1]} ${name(alert)} ${about(alert)}`.trim()
  const detail = (alert: AlertRow) => (zh ? alert.detail_zh : alert.detail_en)
  const runbook = (alert: AlertRow) => `${baseUrl}/api/v1/runbooks/${alert.rule}`
  const title =
    told.length === 1
      ? head(first)
      : zh
        ? `${head(first)} 等 ${told.length} 条`
        : `${head(first)} and ${told.length - 1} more`
  const words = zh ? { ack: '认领', book: '处置手册' } : { ack: 'acknowledge', book: 'runbook' }
  const open = (one: ToldAlert) => one.event !== 'resolved' && one.alert.acknowledged_at === null
  const listed = told.slice(0, shown)
  const rest = told.length - listed.length
  const more = rest > 0 ? [zh ? `另有 ${rest} 条` : `and ${rest} more`] : []
  return {
    title,
    markdown: [
      ...listed.map((one) =>
        [
          `#### ${head(one)}`,
          escapeMarkdown(detail(one.alert)),
          [
            ...(open(one) ? [`[${words.ack}](${one.ackUrl})`] : []),
            `[${words.book}](${runbook(one.alert)})`,
          ].join(' · '),
        ].join('\n\n'),
      ),
      ...more,
    ].join('\n\n'),
    plain: [
      ...listed.map((one) =>
        [
          head(one),
          detail(one.alert),
          ...(open(one) ? [`${words.ack}: ${one.ackUrl}`] : []),
          `${words.book}: ${runbook(one.alert)}`,
        ].join('\n'),
      ),
      ...more,
    ].join('\n\n'),
    short: `${detail(first.alert)}${more.join('')}`.slice(0, 300),
    link: first.ackUrl,
    facts: told.map(({ alert, event, level }) => ({
      id: alert.id,
      key: alert.key,
      rule: alert.rule,
      severity: alert.severity,
      event,
      level,
      service: alert.service,
      subject: alert.subject,
      detailZh: alert.detail_zh,
      detailEn: alert.detail_en,
      openedAt: alert.opened_at?.toISOString() ?? null,
      resolvedAt: alert.resolved_at?.toISOString() ?? null,
      acknowledgedBy: alert.acknowledged_by,
      runbook: runbook(alert),
    })),
  }
}

/** A problem text may come from anywhere: it must not become a link or a picture. */
function escapeMarkdown(text: string): string {
  return text.replace(/[\\`*_[\]<>!#|]/g, '\\$&')
}
