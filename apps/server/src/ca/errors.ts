import { defineRefusals } from '#src/errors.ts'

export const refuse = defineRefusals({
  ca_keys_do_not_fit: {
    kind: 'unavailable',
    zh: '签发证书的密钥与数据库中保存的 CA 证书（{name}）不匹配。请检查密钥目录、密钥数据库与主数据库是否属于同一套部署。',
    en: 'The key does not belong to the CA certificate ({name}) in the database. Check that key folder, keys database and main database belong to the same installation.',
  },
  ca_was_founded_otherwise: {
    kind: 'unavailable',
    zh: '本部署已有一个{existing} CA，不能改用其他名称或性质；请使用新的数据目录。',
    en: 'This installation already has a {existing} CA and cannot turn into another one; use a new data folder.',
  },
  certificate_not_found: {
    kind: 'not_found',
    zh: '找不到序列号为 {serial} 的证书。',
    en: 'There is no certificate with the serial number {serial}.',
  },
  certificate_name_unfit: {
    kind: 'invalid',
    zh: '姓名或企业名称无法写入证书（{reason}）。名称应为 1 至 64 个字符，请更正后重试。',
    en: 'The name cannot be written into a certificate ({reason}). It must have 1 to 64 characters; correct it and try again.',
  },
})
