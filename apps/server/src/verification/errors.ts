import { defineRefusals } from '#src/errors.ts'

export const refuse = defineRefusals({
  verification_unreadable: {
    kind: 'invalid',
    zh: '无法验签：{reason}。',
    en: 'The file cannot be verified: {reason}.',
  },
  verification_too_long: {
    kind: 'invalid',
    zh: '文件结构过于复杂，未能在 {seconds} 秒内完成验签。',
    en: 'The file is too complex: verification did not end within {seconds} seconds.',
  },
})
