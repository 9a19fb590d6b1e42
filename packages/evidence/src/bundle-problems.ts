/** What a package can fail by; each code has one meaning and a text in both languages. */
const TEXTS = {
  not_a_zip: ['不是 ZIP 文件', 'not a ZIP file'],
  zip64: ['使用了 zip64，证据包不允许', 'uses zip64, which a package never does'],
  header_changed: ['文件头被改动', 'header of the entry was changed'],
  directory_changed: ['压缩包目录中的记录被改动', 'record in the archive directory was changed'],
  end_changed: ['压缩包结尾记录被改动', 'end record of the archive was changed'],
  trailing_data: ['压缩包之后有多余数据', 'data follows after the archive'],
  content_damaged: ['内容与校验和不符', 'content does not match its checksum'],
  unsafe_name: ['文件名不安全', 'name is unsafe'],
  duplicate_name: ['文件名重复', 'name occurs twice'],
  entry_missing: ['清单列出的文件缺失', 'entry of the manifest is missing'],
  entry_added: ['清单中没有这个文件', 'entry is not in the manifest'],
  entry_order: ['文件顺序与清单不符', 'entries are in another order than in the manifest'],
  entry_changed: ['内容与清单中的哈希不符', 'content does not match its hash in the manifest'],
  manifest_invalid: ['清单无法识别', 'manifest is not readable'],
  manifest_changed: ['清单不是写入日志的那一份', 'manifest is not the one that was logged'],
  manifest_not_logged: [
    '没有清单已写入日志的证明，或证明不成立',
    'proof that the manifest stands in the log does not hold',
  ],
  history_broken: ['两个检查点不属于同一份日志历史', 'the two checkpoints are not of one history of the log'],
  log_key_unknown: [
    '不是由给定的日志公钥签署（可能是用其他密钥重做的包）',
    'not signed by the given log key (the package may be rebuilt under other keys)',
  ],
  log_signature_unknown: ['含有无法核对的签名行', 'holds a signature line that no listed key explains'],
  witness_missing: ['缺少给定见证人的联署', 'cosignature of a given witness is missing'],
  checkpoint_invalid: ['日志检查点无效', 'checkpoint of the log is not valid'],
  timestamp_invalid: ['检查点的时间戳无效', 'timestamp of the checkpoint is not valid'],
  timestamp_untrusted: [
    '时间戳的证书不通向给定的根证书',
    'certificate of the timestamp does not lead to a given root',
  ],
  event_invalid: ['事件无法识别', 'event is not readable'],
  chain_broken: ['事件链断裂', 'chain of events is broken'],
  disclosure_invalid: ['披露的内容与承诺值不符', 'disclosure does not open its commitment'],
  proof_invalid: ['事件的日志证明不成立', 'proof that the event stands in the log does not hold'],
  certificate_invalid: [
    '证书无法识别或与文件名不符',
    'certificate is not readable or not the one its name says',
  ],
  certificate_missing: ['缺少事件所述的签名证书', 'certificate that an event names is missing'],
  certificate_revoked: ['签名证书在签署前已被吊销', 'certificate was revoked before the signature'],
  crl_invalid: ['吊销列表无效', 'revocation list is not valid'],
  document_missing: ['事件中的文件不在包内', 'document of the events is not in the package'],
  document_unreadable: ['PDF 无法读取', 'PDF is not readable'],
  document_invalid: [
    'PDF 签名无效或签署后被改动',
    'PDF has an invalid signature or was changed after signing',
  ],
  document_untrusted: [
    '签名证书不通向给定的根证书',
    'certificate of a signature does not lead to a given root',
  ],
  document_hash: ['文件与事件记录的哈希不符', 'document is not the one the events record'],
  signature_without_event: ['签名没有对应的事件', 'signature has no event'],
  event_without_signature: ['事件没有对应的签名', 'event has no signature'],
  time_mismatch: ['事件与时间戳的时间不一致', 'times of event and timestamp do not agree'],
} as const satisfies Record<string, readonly [zh: string, en: string]>

export type BundleProblemCode = keyof typeof TEXTS

export interface BundleProblem {
  /** Entry of the archive, or `(archive)` for what belongs to none. */
  entry: string
  code: BundleProblemCode
  message_zh: string
  message_en: string
}

/** Collects problems in the order in which they were found; the same one is kept once. */
export interface ProblemList {
  readonly all: BundleProblem[]
  add(entry: string, code: BundleProblemCode, detail?: string): void
}

export function createProblemList(): ProblemList {
  const all: BundleProblem[] = []
  return {
    all,
    add(entry, code, detail) {
      const [zh, en] = TEXTS[code]
      const problem: BundleProblem = {
        entry,
        code,
        message_zh: detail === undefined ? `${entry}：${zh}` : `${entry}：${zh}（${detail}）`,
        message_en: detail === undefined ? `${entry}: ${en}` : `${entry}: ${en} (${detail})`,
      }
      if (!all.some((one) => one.entry === entry && one.message_en === problem.message_en)) all.push(problem)
    },
  }
}

/** The reason an error gives, for the detail of a problem. */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
