import { defineRefusals } from '#src/errors.ts'

export const refuse = defineRefusals({
  timestamp_unavailable: {
    kind: 'unavailable',
    zh: '时间戳服务暂时不可用（{reason}），未完成签署，请稍后重试。',
    en: 'No timestamp authority answered ({reason}). Nothing was signed; try again later.',
  },
})
