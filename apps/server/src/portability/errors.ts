import { defineRefusals } from '#src/errors.ts'

export const refuse = defineRefusals({
  export_not_found: {
    kind: 'not_found',
    zh: '没有这次导出。',
    en: 'There is no such export.',
  },
  export_corp_unknown: {
    kind: 'not_found',
    zh: '没有这家企业：{corp}。',
    en: 'There is no company {corp}.',
  },
  export_not_allowed: {
    kind: 'forbidden',
    zh: '只有企业管理员、个人本人，或管理员授予了导出权限的应用可以导出数据。',
    en: 'Only an administrator of the company, a person for itself, or an app that was given the right may export data.',
  },
  export_needs_code: {
    kind: 'invalid',
    zh: '导出前需要再次验证身份：请先获取验证码，再提交。',
    en: 'An export needs a fresh proof of who you are: ask for a code first, then send it along.',
  },
  export_running: {
    kind: 'conflict',
    zh: '已有一次导出正在进行，请等它完成或取消它。',
    en: 'An export is under way. Wait for its end, or cancel it.',
  },
  export_not_ready: {
    kind: 'conflict',
    zh: '导出尚未完成，当前状态：{status}。',
    en: 'The export is not ready; its state is {status}.',
  },
  export_over: {
    kind: 'gone',
    zh: '这次导出已结束（{status}），归档不再可读。请重新导出。',
    en: 'This export is over ({status}) and its archive cannot be read any more. Make a new one.',
  },
  export_part_unknown: {
    kind: 'not_found',
    zh: '没有这个分块。',
    en: 'There is no such part.',
  },
  export_bucket_failed: {
    kind: 'invalid',
    zh: '无法写入存储桶：{problem}。',
    en: 'The bucket cannot be written to: {problem}.',
  },
  import_unreadable: {
    kind: 'invalid',
    zh: '无法读取 {path}：{problem}。',
    en: '{path} cannot be read: {problem}.',
  },
  import_bundle_bad: {
    kind: 'invalid',
    zh: '导出包未通过验证，没有导入任何内容：{problem}',
    en: 'The bundle did not pass verification, and nothing was imported: {problem}',
  },
  import_corp_unknown: {
    kind: 'not_found',
    zh: '没有这家企业：{corp}。请先在本平台建立它。',
    en: 'There is no company {corp}. Make it on this installation first.',
  },
  import_other_company: {
    kind: 'conflict',
    zh: '导出包属于{source}（{sourceCode}），不是{target}（{targetCode}）。确要导入请加 --into-other。',
    en: 'The bundle is of {source} ({sourceCode}), not of {target} ({targetCode}). Add --into-other if that is meant.',
  },
  import_conflict: {
    kind: 'conflict',
    zh: '本平台已有同号但不同的内容，没有导入任何内容：{ids}',
    en: 'This installation has other content under the same ids, and nothing was imported: {ids}',
  },
})
