import { defineRefusals } from '#src/errors.ts'

export const refuse = defineRefusals({
  documents_not_confirmed: {
    kind: 'invalid',
    zh: '请确认要签署的全部文档：缺少文档 {documentId} 的指纹。',
    en: 'Confirm every document that gets signed: the fingerprint of {documentId} is missing.',
  },
  signature_drawing_missing: {
    kind: 'invalid',
    zh: '请先手写签名，或选择已保存的签名。',
    en: 'Draw your signature first, or choose a stored one.',
  },
  seal_not_chosen: {
    kind: 'invalid',
    zh: '请选择要使用的印章。',
    en: 'Choose the seal to use.',
  },
  signing_contended: {
    kind: 'unavailable',
    zh: '其他参与方正在同时签署，请稍后重试；您的签署尚未生效。',
    en: 'Other parties are signing at this moment. Try again shortly; your signature has not been made.',
  },
  signing_taken_over: {
    kind: 'conflict',
    zh: '本次签署耗时过长，已由另一次签署接替。',
    en: 'This attempt took too long and another has taken its place.',
  },
  document_cannot_be_signed: {
    kind: 'conflict',
    zh: '文档无法签署（{reason}），请联系发起方更换文件。',
    en: 'The document cannot be signed ({reason}). Ask the initiator for another file.',
  },
})
