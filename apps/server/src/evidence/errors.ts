import { defineRefusals } from '#src/errors.ts'

export const refuse = defineRefusals({
  evidence_not_ready: {
    kind: 'conflict',
    zh: '存证尚未就绪：任务还没有进入可出证状态，或事件正在写入透明日志，请稍后重试。',
    en: 'The evidence is not ready: the task cannot be certified yet, or its events are still entering the transparency log. Try again shortly.',
  },
  log_path_unknown: {
    kind: 'not_found',
    zh: '透明日志中没有这个地址。',
    en: 'The transparency log has nothing at this address.',
  },
})
