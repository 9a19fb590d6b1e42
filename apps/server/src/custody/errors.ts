import { defineRefusals } from '#src/errors.ts'

export const refuse = defineRefusals({
  durability_report_not_found: {
    kind: 'not_found',
    zh: '没有 {month} 的持久性报告：报告在自然月结束后生成。',
    en: 'There is no durability report of {month}: reports are made when a calendar month has ended.',
  },
  durability_month_not_over: {
    kind: 'conflict',
    zh: '{month} 尚未结束，不能出具该月的报告；当前数值见 GET /api/v1/durability。',
    en: '{month} is not over, so its report cannot be made yet; see GET /api/v1/durability for the figure of now.',
  },
  durability_month_not_seen: {
    kind: 'not_found',
    zh: '{month} 没有任何采样记录，无法出具报告。',
    en: 'Nothing was sampled in {month}, so there is nothing to report on.',
  },
})
