import { defineRefusals } from '#src/errors.ts'

export const refuse = defineRefusals({
  storage_unavailable: {
    kind: 'unavailable',
    zh: '存储暂时无法写入足够的副本（{reason}），内容未被接受，请稍后重试。',
    en: 'Storage cannot write enough copies for the moment ({reason}). Nothing was accepted; try again later.',
  },
  content_hash_mismatch: {
    kind: 'invalid',
    zh: '收到的内容与声明的 SHA-256 不一致，可能在传输中损坏，请重新上传。',
    en: 'The content received does not have the SHA-256 that was announced; it may have been damaged on the way. Send it again.',
  },
  object_not_found: {
    kind: 'not_found',
    zh: '找不到该存储对象。',
    en: 'There is no such stored object.',
  },
  object_destroyed: {
    kind: 'gone',
    zh: '该内容已按销毁流程永久销毁，无法恢复。',
    en: 'This content was destroyed for good and cannot be brought back.',
  },
  domain_unknown: {
    kind: 'not_found',
    zh: '没有名为 {domain} 的存储目录或桶，请用 yinxin fsck 查看名称。',
    en: 'There is no failure domain {domain}; yinxin fsck shows the names.',
  },
  domain_not_verified: {
    kind: 'conflict',
    zh: '{domain} 中有 {bad} 个副本读不出来，或校验未完成，暂不能恢复写入；请先更换或修复磁盘。',
    en: '{bad} replicas in {domain} gave no answer, or the check did not end, so it takes no writes yet; replace or mend the disk first.',
  },
  content_unreadable: {
    kind: 'unavailable',
    zh: '内容 {objectId} 的所有副本当前都无法读取，已通知运维，请稍后重试。',
    en: 'No copy of the content {objectId} can be read at the moment. Operations have been told; try again later.',
  },
  stored_range_outside: {
    kind: 'invalid',
    zh: '请求的字节范围超出了文件大小。',
    en: 'The requested range of bytes lies outside the file.',
  },
})
