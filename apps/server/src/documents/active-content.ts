import type { ActiveContentKind } from '@yinxin/pades'

const WORDS: Record<ActiveContentKind, readonly [zh: string, en: string]> = {
  javascript: ['脚本', 'JavaScript'],
  launch: ['启动程序动作', 'launch action'],
  'submit-form': ['提交表单动作', 'form submission'],
  'import-data': ['导入数据动作', 'data import'],
  'remote-go-to': ['跳转到外部文件', 'link into another file'],
  'file-uri': ['本地文件链接', 'file address'],
  'automatic-action': ['自动执行动作', 'automatic action'],
  'embedded-file': ['内嵌文件', 'embedded file'],
  'rich-media': ['富媒体', 'rich media'],
  xfa: ['XFA 动态表单', 'XFA form'],
  'external-stream': ['外部数据流', 'external stream'],
}

/** What was found, each kind once, in both languages. */
export function nameActiveContent(found: readonly { kind: ActiveContentKind }[]): {
  foundZh: string
  foundEn: string
} {
  const kinds = [...new Set(found.map(({ kind }) => kind))]
  return {
    foundZh: kinds.map((kind) => WORDS[kind][0]).join('、'),
    foundEn: kinds.map((kind) => WORDS[kind][1]).join(', '),
  }
}
