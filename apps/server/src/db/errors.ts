import { defineRefusals } from '#src/errors.ts'

export const refuse = defineRefusals({
  database_unavailable: {
    kind: 'unavailable',
    zh: '数据库暂时不可用，请稍后重试；已完成的操作不会丢失。',
    en: 'The database is not available for the moment. Try again shortly; nothing already done is lost.',
  },
  text_not_storable: {
    kind: 'invalid',
    zh: '文字中含有无法保存的字符（空字符 U+0000），请删除后重试。',
    en: 'The text has a character that cannot be stored (the null character U+0000). Remove it and try again.',
  },
  database_busy: {
    kind: 'unavailable',
    zh: '数据库繁忙，操作超时，未做任何更改，请稍后重试。',
    en: 'The database is busy and the operation ran out of time. Nothing was changed; try again shortly.',
  },
  commit_unconfirmed: {
    kind: 'unavailable',
    zh: '操作已写入本站点，但另一站点的副本尚未确认，结果未定。请用同一幂等键重试以查询结果，不要换键重发。',
    en: 'The operation was written here, but no copy in the other site has confirmed it: its outcome is open. Repeat it with the same idempotency key to learn the result; do not send it anew under another key.',
  },
  restore_no_archive: {
    kind: 'conflict',
    zh: '{cluster} 数据库没有日志归档，无法恢复；归档目录见 yinxin backup list。',
    en: 'There is no log archive of the {cluster} database; yinxin backup list tells where it is looked for.',
  },
  restore_beyond_archive: {
    kind: 'conflict',
    zh: '{cluster} 数据库的日志归档止于 {end}，请给出不晚于此的时间。',
    en: 'The archive of the {cluster} database ends at {end}; give a moment no later than that.',
  },
  restore_no_backup: {
    kind: 'conflict',
    zh: '{moment} 之前没有 {cluster} 数据库的备份，请给出更晚的时间；各备份见 yinxin backup list。',
    en: 'There is no backup of the {cluster} database from before {moment}; give a later one, see yinxin backup list.',
  },
  restore_target_taken: {
    kind: 'conflict',
    zh: '{folder} 中已有数据库，请换一个新目录。',
    en: '{folder} holds a database already; name a fresh folder.',
  },
  restore_log_holes: {
    kind: 'conflict',
    zh: '日志归档有缺口：{segments}。请给出缺口之前的时间，或找回这些文件。',
    en: 'The log archive has holes: {segments}. Give a moment before them, or bring those files back.',
  },
  promotion_under_way: {
    kind: 'conflict',
    zh: '主库切换正在进行，请稍候。',
    en: 'A promotion is under way already; wait for its end.',
  },
  promotion_never_started: {
    kind: 'conflict',
    zh: '此处从未启动过平台，没有可切换的数据库；请核对 YINXIN_DATA_DIR。',
    en: 'This installation has no lease: it was never started. Check YINXIN_DATA_DIR.',
  },
  promotion_is_primary: {
    kind: 'conflict',
    zh: '{copy} 已是主库。',
    en: '{copy} is the primary already.',
  },
  promotion_no_such_copy: {
    kind: 'not_found',
    zh: '没有副本 {copy}；可选：{copies}。',
    en: 'There is no copy {copy}; there are {copies}.',
  },
  promotion_copies_silent: {
    kind: 'unavailable',
    zh: '{copies} 无法询问，其中可能有别处没有的已确认提交；请使其恢复，或以 --accept-loss 明确接受丢失。',
    en: '{copies} cannot be asked and may alone hold confirmed commits; bring it back, or accept the loss expressly (--accept-loss).',
  },
  promotion_no_standby: {
    kind: 'unavailable',
    zh: '没有一个副本应答，无法切换。',
    en: 'No standby answers.',
  },
  promotion_copy_silent: {
    kind: 'unavailable',
    zh: '{copy} 没有应答。',
    en: '{copy} does not answer.',
  },
  promotion_behind: {
    kind: 'conflict',
    zh: '{copy} 落后于 {best}，请切换到后者。',
    en: '{copy} is behind {best}; promote that one.',
  },
})
