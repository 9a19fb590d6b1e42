import { defineRefusals } from '#src/errors.ts'

export const refuse = defineRefusals({
  verification_unreadable: {
    kind: 'invalid',
    zh: '无法验签：{reason}。',
    en: 'The file cannot be verified: {reason}.',
  },
  verification_busy: {
    kind: 'unavailable',
    zh: '正在验签的文件较多，请稍后重试。',
    en: 'Many files are being verified at this moment. Try again shortly.',
  },
  verification_too_long: {
    kind: 'invalid',
    zh: '文件结构过于复杂，未能在 {seconds} 秒内完成验签。',
    en: 'The file is too complex: verification did not end within {seconds} seconds.',
  },
})
