import type { BundleProblem } from './bundle-problems.ts'

/** What an export can fail by beside its evidence packages; each code has one meaning and a text in both languages. */
const TEXTS = {
  archive_header: ['归档中的一个文件头被改动', 'a header in the archive was changed'],
  archive_padding: ['条目之后的填充被改动', 'padding behind the entry was changed'],
  archive_end: ['归档的结尾被改动，或其后还有数据', 'end of the archive was changed, or data follows it'],
  archive_truncated: ['归档在此处中断', 'the archive ends here, too early'],
  archive_time: ['条目的时间不是导出时刻', 'time of the entry is not the one of the export'],
  entry_twice: ['条目出现两次', 'entry occurs twice'],
  entry_missing: ['清单列出的条目缺失', 'entry of the list is missing'],
  entry_added: ['清单中没有这个条目', 'entry is not in the list'],
  entry_order: ['条目顺序与清单不符', 'entries are in another order than in the list'],
  entry_changed: [
    '内容与清单中的 SHA-256 或 SM3 不符',
    'content does not match its SHA-256 and SM3 in the list',
  ],
  entries_invalid: ['条目清单无法识别', 'list of entries is not readable'],
  manifest_invalid: ['总清单无法识别', 'manifest is not readable'],
  manifest_not_logged: [
    '总清单写入日志的证明不成立',
    'proof that the manifest stands in the log does not hold',
  ],
  log_key_unknown: ['不是由给定的日志公钥签署', 'not signed by the given log key'],
  timestamp_invalid: ['总清单的时间戳无效', 'timestamp of the manifest is not valid'],
  timestamp_untrusted: [
    '时间戳的证书不通向给定的根证书',
    'certificate of the timestamp does not lead to a given root',
  ],
  loss_present: ['声明为遗失的条目却在清单中', 'entry that is declared as lost stands in the list'],
  evidence_missing: ['合同没有证据', 'the contract has no evidence'],
} as const satisfies Record<string, readonly [zh: string, en: string]>

export type ExportProblemCode = keyof typeof TEXTS | BundleProblem['code']

export interface ExportProblem {
  /** Path in the export, or `(archive)` for what belongs to none. */
  entry: string
  code: ExportProblemCode
  message_zh: string
  message_en: string
}

export interface ExportProblemList {
  readonly all: ExportProblem[]
  add(entry: string, code: keyof typeof TEXTS, detail?: string): void
  /** A problem of a contract's evidence package, its entry named by the path in the export. */
  addEvidence(entry: string, problem: BundleProblem): void
}

export function createExportProblems(): ExportProblemList {
  const all: ExportProblem[] = []
  return {
    all,
    add(entry, code, detail) {
      const [zh, en] = TEXTS[code]
      all.push({
        entry,
        code,
        message_zh: detail === undefined ? `${entry}：${zh}` : `${entry}：${zh}（${detail}）`,
        message_en: detail === undefined ? `${entry}: ${en}` : `${entry}: ${en} (${detail})`,
      })
    },
    addEvidence(entry, { code, entry: inner, message_zh, message_en }) {
      const rest = (text: string) => (text.startsWith(inner) ? text.slice(inner.length) : text)
      all.push({
        entry,
        code,
        message_zh: `${entry}${rest(message_zh)}`,
        message_en: `${entry}${rest(message_en)}`,
      })
    },
  }
}
