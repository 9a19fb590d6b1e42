import { defineRefusals } from '#src/errors.ts'

export const refuse = defineRefusals({
  incident_not_found: { kind: 'not_found', zh: '没有这个故障。', en: 'There is no such incident.' },
  incident_incomplete: {
    kind: 'invalid',
    zh: '故障须写明中英文标题和责任人，起始时间不得在未来；内容须有中英文。',
    en: 'An incident names a title in Chinese and English and who opened it, and began in the past; notes have both languages.',
  },
  incident_state: {
    kind: 'conflict',
    zh: '故障当前的状态不允许这样做：已恢复的不再恢复，未恢复的不能结案。',
    en: 'The state of the incident does not allow this: what is resolved is not resolved again, and what is not is not closed.',
  },
  incident_alerts_firing: {
    kind: 'conflict',
    zh: '相关告警仍未恢复，故障会随告警自动恢复。',
    en: 'Its alerts still fire; the incident is resolved by itself when they end.',
  },
  postmortem_incomplete: {
    kind: 'conflict',
    zh: '结案前须写明原因（cause）；严重故障还须至少一项改进措施（action）。',
    en: 'Before it is closed its cause is written down; a severe incident also needs an action.',
  },
  diagnosis_empty: {
    kind: 'invalid',
    zh: '请提供错误码、请求号或签署链接之一。',
    en: 'Give an error code, a request id or a signing link.',
  },
})
