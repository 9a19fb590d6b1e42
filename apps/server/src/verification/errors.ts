import { defineRefusals } from '#src/errors.ts'

export const refuse = defineRefusals({
  verification_unreadable: {
    kind: 'invalid',
    zh: '无法验签：{reason}。',
    en: 'The file cannot be verified: {reason}.',
  },
  verification_no_picture: {
    kind: 'not_found',
    zh: '没有这张对比图：该页没有这样的变化。',
    en: 'There is no such picture: the page did not change like that.',
  },
  verification_busy: {
    kind: 'unavailable',
    zh: '正在验签的文件较多，请稍后重试。',
    en: 'Many files are being verified at this moment. Try again shortly.',
  },
  verification_too_many: {
    kind: 'limited',
    zh: '同一地址最多同时验签 {limit} 个文件，请等前面的完成。',
    en: 'One address may verify {limit} files at a time. Wait for the earlier ones.',
  },
  verification_too_slow: {
    kind: 'invalid',
    zh: '文件传输过慢，已中止，请检查网络后重试。',
    en: 'The file arrived too slowly and was given up. Check the line and try again.',
  },
  verification_too_complex: {
    kind: 'invalid',
    zh: '文件结构过于复杂，无法验签。',
    en: 'The file is too complex to be verified.',
  },
  verification_too_long: {
    kind: 'invalid',
    zh: '文件结构过于复杂，未能在 {seconds} 秒内完成验签。',
    en: 'The file is too complex: verification did not end within {seconds} seconds.',
  },
})
