/** Stable codes of everything this engine refuses. */
export type PdfRefusalCode =
  | 'not_a_pdf'
  | 'empty'
  | 'truncated'
  | 'encrypted'
  | 'no_pages'
  | 'damaged'
  | 'too_complex'
  | 'page_out_of_range'
  | 'rect_outside_page'
  | 'missing_glyph'
  | 'certified_no_changes'
  | 'certify_not_first'
  | 'field_name_taken'
  | 'field_locked'
  | 'field_not_visible'
  | 'seed_value_violated'
  | 'timestamp_needed'
  | 'validation_data_missing'
  | 'nothing_to_extend'
  | 'already_signed'
  | 'contents_too_small'
  | 'bad_font'
  | 'bad_image'
  | 'svg_unsupported'
  | 'bad_drawing'

const TEXTS: Record<PdfRefusalCode, readonly [zh: string, en: string]> = {
  not_a_pdf: ['这不是 PDF 文件', 'This is not a PDF file'],
  empty: ['文件是空的', 'The file is empty'],
  truncated: ['PDF 不完整，文件可能没有传完', 'The PDF is cut off; the upload may not have finished'],
  encrypted: ['PDF 已加密，请先去掉密码再上传', 'The PDF is encrypted; remove its password first'],
  no_pages: ['PDF 没有页面', 'The PDF has no pages'],
  damaged: ['PDF 已损坏，请重新导出后再试', 'The PDF is damaged; export it again and retry'],
  too_complex: ['PDF 结构过于复杂，超出处理上限', 'The PDF exceeds the limits on depth, count or size'],
  page_out_of_range: ['页码超出范围', 'The page does not exist'],
  rect_outside_page: ['签名位置超出页面', 'The signature lies outside the page'],
  missing_glyph: ['字体中没有这个字', 'The font has no glyph for this character'],
  certified_no_changes: [
    '文件的认证签名不允许再作任何更改',
    'A certification on this file forbids any change',
  ],
  certify_not_first: ['认证签名必须是第一个签名', 'A certification must be the first signature'],
  field_name_taken: ['签名域名称已被占用或不可用', 'The signature field name is taken or cannot be used'],
  field_locked: ['签名域已被先前的签名锁定', 'An earlier signature has locked this signature field'],
  field_not_visible: ['签名域没有可绘制的位置', 'The signature field has no place to draw in'],
  seed_value_violated: ['签名不符合签名域的要求', 'The signature field asks for something else'],
  timestamp_needed: ['该级别需要时间戳', 'This level needs a timestamp'],
  validation_data_missing: ['缺少长期验证所需的数据', 'Data needed for long-term validation is missing'],
  already_signed: ['文件已有签名，不能重写', 'The file carries a signature and must not be rewritten'],
  nothing_to_extend: ['文件没有可延长的签名', 'The file has no signature to extend'],
  contents_too_small: ['预留给签名的空间不足', 'The space reserved for the signature is too small'],
  bad_font: ['字体文件无法使用', 'The font file cannot be used'],
  bad_image: ['图片无法使用', 'The image cannot be used'],
  svg_unsupported: ['SVG 含有不支持的内容', 'The SVG holds something that is not drawn'],
  bad_drawing: ['无法绘制：参数不合要求', 'The drawing cannot be made from these values'],
}

/** The one typed refusal of the engine: a stable code, a text in Chinese and in English, and what was found. */
export class PdfRefusal extends Error {
  readonly code: PdfRefusalCode
  readonly zh: string
  readonly en: string
  readonly detail: string

  constructor(code: PdfRefusalCode, detail = '') {
    const [zh, en] = TEXTS[code]
    super(detail === '' ? en : `${en}: ${detail}`)
    this.name = 'PdfRefusal'
    this.code = code
    this.detail = detail
    this.zh = detail === '' ? zh : `${zh}：${detail}`
    this.en = this.message
  }
}
