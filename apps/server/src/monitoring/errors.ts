import { defineRefusals } from '#src/errors.ts'

export const refuse = defineRefusals({
  alert_not_found: { kind: 'not_found', zh: '没有这条告警。', en: 'There is no such alert.' },
  shift_unreadable: {
    kind: 'invalid',
    zh: '班次须写明姓名、角色（primary、secondary、manager）、手机或邮箱，以及起止时间（ISO，结束晚于开始）。',
    en: 'A shift names person, role (primary, secondary, manager), mobile or mail, and from and to in ISO form, in this order.',
  },
  shift_not_found: {
    kind: 'not_found',
    zh: '没有这个班次，或它已取消。',
    en: 'There is no such shift, or it was removed.',
  },
  silence_outside_maintenance: {
    kind: 'conflict',
    zh: '告警只能在已公告的计划维护时段内静默；该时段没有覆盖这段时间的维护公告。',
    en: 'Alerts are silenced only inside announced maintenance, and none covers this time.',
  },
  silence_unreadable: {
    kind: 'invalid',
    zh: '静默须写明维护公告编号、起止时间、理由和责任人；规则名须存在。',
    en: 'A silence names the maintenance, from and to, a reason and who made it; a rule must exist.',
  },
  silence_not_found: {
    kind: 'not_found',
    zh: '没有这个静默，或它已结束。',
    en: 'There is no such silence, or it has ended.',
  },
  no_alert_channel: {
    kind: 'conflict',
    zh: '没有配置任何告警通道（YINXIN_ALERT_…）。',
    en: 'No alert channel is set up (YINXIN_ALERT_…).',
  },
  metrics_forbidden: {
    kind: 'unauthenticated',
    zh: '读取指标需要 YINXIN_METRICS_TOKEN。',
    en: 'Metrics need YINXIN_METRICS_TOKEN as a bearer token.',
  },
  metrics_off: {
    kind: 'not_found',
    zh: '没有设置 YINXIN_METRICS_TOKEN，此处不提供指标；本机可用 yinxin alerts metrics。',
    en: 'Metrics are not served here without YINXIN_METRICS_TOKEN; on the machine itself there is `yinxin alerts metrics`.',
  },
  runbook_not_found: { kind: 'not_found', zh: '没有这份处置手册。', en: 'There is no such runbook.' },
})
