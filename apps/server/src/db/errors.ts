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
})
