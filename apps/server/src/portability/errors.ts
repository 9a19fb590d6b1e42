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
  import_not_found: {
    kind: 'not_found',
    zh: '没有这次导入。',
    en: 'There is no such import.',
  },
  import_running: {
    kind: 'conflict',
    zh: '已有一次导入正在进行，请等它完成或取消它。',
    en: 'An import is under way. Wait for its end, or cancel it.',
  },
  import_too_large: {
    kind: 'too_large',
    zh: '导出包超过本平台的上限（{limitBytes} 字节）。请在原平台分次导出（--since），或请运维人员在本机导入。',
    en: 'The bundle is larger than the limit of {limitBytes} bytes. Export it in steps (--since), or have an operator import it on the machine.',
  },
  import_entry_large: {
    kind: 'invalid',
    zh: '导出包中的 {path} 超过上限 {limit}，没有导入任何内容。',
    en: '{path} in the bundle is over the limit of {limit}, and nothing was imported.',
  },
  import_part_unknown: {
    kind: 'not_found',
    zh: '没有这个分块；这次导入共 {parts} 块。',
    en: 'There is no such part; this import has {parts}.',
  },
  import_part_size: {
    kind: 'invalid',
    zh: '第 {number} 块应为 {sizeBytes} 字节，请重新上传这一块。',
    en: 'Part {number} must have {sizeBytes} bytes. Send it again.',
  },
  import_not_receiving: {
    kind: 'conflict',
    zh: '这次导入不再接收内容，当前状态：{status}。',
    en: 'This import takes no more content; its state is {status}.',
  },
  import_incomplete: {
    kind: 'conflict',
    zh: '还没有收齐：共 {parts} 块，已收到 {received} 块。请上传其余分块后再开始。',
    en: 'Not everything is there: {received} of {parts} parts. Send the rest, then begin.',
  },
  import_anchor_bad: {
    kind: 'invalid',
    zh: '给出的根证书或日志公钥无法识别（{what}）。',
    en: 'The root certificate or log key that was given is not readable ({what}).',
  },
  import_failed: {
    kind: 'unavailable',
    zh: '导入多次失败，已放弃；已完整导入的合同保留。请再次导入，已有的内容不会重复。',
    en: 'The import failed many times and was given up; contracts that were taken whole stay. Import it again: what is here already is not taken twice.',
  },
  import_conflict: {
    kind: 'conflict',
    zh: '本平台已有同号但不同的内容，没有导入任何内容：{ids}',
    en: 'This installation has other content under the same ids, and nothing was imported: {ids}',
  },
})
