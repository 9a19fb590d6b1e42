import { defineRefusals } from '#src/errors.ts'

export const refuse = defineRefusals({
  file_not_found: { kind: 'not_found', zh: '文件不存在。', en: 'There is no such file.' },
  file_too_large: {
    kind: 'too_large',
    zh: '文件超过上限 {limitBytes} 字节，请压缩或拆分后再上传。',
    en: 'The file is larger than {limitBytes} bytes. Compress or split it and upload again.',
  },
  file_hash_mismatch: {
    kind: 'invalid',
    zh: '收到的文件与声明的 SHA-256 不一致，请重新上传。',
    en: 'The file received does not have the SHA-256 that was announced. Upload it again.',
  },
  file_not_pdf: {
    kind: 'invalid',
    zh: '这不是 PDF 文件。请先导出为 PDF 再上传。',
    en: 'This is not a PDF. Export it as PDF and upload that.',
  },
  file_empty: {
    kind: 'invalid',
    zh: '文件是空的，请重新选择。',
    en: 'The file is empty. Choose another one.',
  },
  file_truncated: {
    kind: 'invalid',
    zh: 'PDF 不完整，可能没有传完，请重新上传或重新导出。',
    en: 'The PDF is cut off. Upload it again, or export it again.',
  },
  file_encrypted: {
    kind: 'invalid',
    zh: 'PDF 已加密或设有密码，请先去掉密码保护。',
    en: 'The PDF is encrypted or has a password. Remove the protection first.',
  },
  file_no_pages: { kind: 'invalid', zh: 'PDF 没有页面。', en: 'The PDF has no pages.' },
  file_damaged: {
    kind: 'invalid',
    zh: 'PDF 已损坏，无法可靠读取，请重新导出。',
    en: 'The PDF is damaged and cannot be read reliably. Export it again.',
  },
  file_too_complex: {
    kind: 'invalid',
    zh: 'PDF 结构过于复杂，超出处理上限，请重新导出为普通 PDF。',
    en: 'The PDF is too complex to be processed. Export it as a plain PDF.',
  },
  file_too_many_pages: {
    kind: 'invalid',
    zh: 'PDF 共 {pages} 页，超过上限 {limit} 页，请拆分后再上传。',
    en: 'The PDF has {pages} pages, more than {limit}. Split it and upload the parts.',
  },
  file_active_content: {
    kind: 'invalid',
    zh: 'PDF 含有不允许出现在合同中的活动内容：{foundZh}。请去掉后重新导出。',
    en: 'The PDF carries active content that a contract must not have: {foundEn}. Remove it and export again.',
  },
  file_certified: {
    kind: 'invalid',
    zh: 'PDF 的认证签名不允许再作任何更改，因此无法再签署。请使用认证之前的文件。',
    en: 'A certification on the PDF forbids any change, so it cannot be signed. Use the file from before the certification.',
  },
  file_inspection_timeout: {
    kind: 'invalid',
    zh: 'PDF 检查超过 {seconds} 秒仍未完成，已放弃。请重新导出为普通 PDF。',
    en: 'The PDF could not be inspected within {seconds} seconds. Export it as a plain PDF.',
  },
  keyword_invalid: {
    kind: 'invalid',
    zh: '关键字不能为空，最长 50 个字。',
    en: 'A keyword has 1 to 50 characters besides spaces.',
  },
  keyword_search_timeout: {
    kind: 'unavailable',
    zh: '在 {seconds} 秒内未能查完全部页面，请改用坐标定位。',
    en: 'The pages could not be searched within {seconds} seconds. Place the field by coordinates.',
  },
})
