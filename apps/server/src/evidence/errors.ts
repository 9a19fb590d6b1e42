import { defineRefusals } from '#src/errors.ts'

export const refuse = defineRefusals({
  evidence_not_ready: {
    kind: 'conflict',
    zh: '存证尚未就绪：任务还没有进入可出证状态，或事件正在写入透明日志，请稍后重试。',
    en: 'The evidence is not ready: the task cannot be certified yet, or its events are still entering the transparency log. Try again shortly.',
  },
  log_fork: {
    kind: 'unavailable',
    zh: '透明日志此处有 {here} 条，而已公布的检查点为 {published} 条且不能由此延续：数据库可能恢复到了较早时刻。为不产生分叉，暂停出证；运维人员须执行 yinxin log continue 声明后继续。',
    en: 'The transparency log has {here} entries here, and does not lead to the published checkpoint of {published}: the database may have been restored to an earlier moment. No fork is signed; `yinxin log continue` declares what was lost and goes on.',
  },
  log_whole: {
    kind: 'conflict',
    zh: '透明日志与已公布的检查点一致，无须声明。',
    en: 'The transparency log continues what was published; there is nothing to declare.',
  },
  log_unpublished: {
    kind: 'unavailable',
    zh: '没有任何站点保存下透明日志的新检查点，请稍后重试。',
    en: 'No site kept the new checkpoint of the transparency log. Try again shortly.',
  },
  log_path_unknown: {
    kind: 'not_found',
    zh: '透明日志中没有这个地址。',
    en: 'The transparency log has nothing at this address.',
  },
})
