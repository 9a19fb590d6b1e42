import { defineRefusals } from '#src/errors.ts'

export const refuse = defineRefusals({
  sla_report_not_found: {
    kind: 'not_found',
    zh: '没有 {month} 的可用性报告：报告在该月关闭后（月末后 3 天）生成。',
    en: 'There is no service level report of {month}: reports are made when a month is closed, three days after its end.',
  },
  sla_month_unreadable: {
    kind: 'invalid',
    zh: '月份应写成 YYYY-MM，例如 2026-11。',
    en: 'A month is written YYYY-MM, such as 2026-11.',
  },
  sla_month_not_measured: {
    kind: 'not_found',
    zh: '这个月没有测量数据；测量自 {since} 起。',
    en: 'Nothing was measured in this month; measuring began {since}.',
  },
  sla_revision_not_found: {
    kind: 'not_found',
    zh: '这个月没有第 {revision} 次修订。',
    en: 'This month has no revision {revision}.',
  },
  sla_minute_unreadable: {
    kind: 'invalid',
    zh: '分钟应为 UTC 整分钟，例如 2026-11-24T08:05Z。',
    en: 'A minute is a whole minute in UTC, such as 2026-11-24T08:05Z.',
  },
  sla_range_unreadable: {
    kind: 'invalid',
    zh: '结束时间必须晚于开始时间。',
    en: 'The end must come after the beginning.',
  },
  maintenance_notice_short: {
    kind: 'invalid',
    zh: '计划维护须提前至少 24 小时公告；未提前公告的维护计入不可用时间。',
    en: 'Maintenance must be announced at least 24 hours before it begins. What was not counts as downtime.',
  },
  maintenance_not_found: {
    kind: 'not_found',
    zh: '没有这次维护，或者它已撤回或结束。',
    en: 'There is no such maintenance, or it was withdrawn or is over.',
  },
  sla_correction_incomplete: {
    kind: 'invalid',
    zh: '更正须写明服务、时段、数量（0 ≤ ok ≤ valid）、理由、证据和责任人。',
    en: 'A correction names service, range, counts (0 ≤ ok ≤ valid), reason, evidence and who made it.',
  },
  sla_nothing_to_revise: {
    kind: 'conflict',
    zh: '该月尚未关闭（月末后 3 天），或上次修订之后没有新的数据或更正。',
    en: 'The month is not closed yet (three days after its end), or nothing new came since its last revision.',
  },
  probe_report_from_future: {
    kind: 'invalid',
    zh: '探测结果的时间超前或早于 7 天，请校准探测端的时钟。',
    en: 'A probe result lies in the future or more than 7 days back. Set the clock of the probe.',
  },
})
