import type { ChangeLevel } from './step.ts'

export type SignatureStatus = 'valid' | 'invalid' | 'indeterminate'

/**
 * What happened to the file after a signature. Later signatures, timestamps and validation data are
 * `signatures`; `annotations` are comments that a certification of level 3 permits.
 */
export type ChangesAfter = 'none' | 'signatures' | 'form' | 'annotations' | 'other'

export interface Problem {
  readonly code: string
  /** An `error` keeps the report from being ok; a `warning` does not. */
  readonly severity: 'error' | 'warning'
  readonly message: string
  readonly zh: string
}

export interface CertificateFacts {
  readonly subject: string
  readonly issuer: string
  readonly serialHex: string
  readonly notBefore: string
  readonly notAfter: string
  readonly fingerprintSha256: string
}

export interface SignatureReport {
  readonly status: SignatureStatus
  /** Common name of the signer, or the best the certificate offers. */
  readonly signer: string
  /** The time the signer claims. */
  readonly signedAt: string | null
  /** The time a verified timestamp proves. */
  readonly timestamp: string | null
  readonly level: 'B-B' | 'B-T' | 'PKCS7-B' | 'PKCS7-T' | null
  readonly coversWholeDocument: boolean
  readonly changesAfter: ChangesAfter
  readonly problems: readonly Problem[]
  /** Null when no anchors were given. */
  readonly trusted: boolean | null
  readonly fieldName: string
  /** Zero-based pages that show the signature. */
  readonly pages: readonly number[]
  readonly reason: string | null
  readonly location: string | null
  readonly subFilter: string | null
  readonly byteRange: readonly number[]
  /** DocMDP level if this signature certifies the document. */
  readonly certifies: 1 | 2 | 3 | null
  readonly digestAlgorithm: string | null
  readonly signatureAlgorithm: string | null
  readonly certificate: CertificateFacts | null
  /** DER of the certificates carried along, the signer's first. */
  readonly certificates: readonly Uint8Array[]
}

export interface PdfVerification {
  /** There is a signature, all are valid (and trusted, when anchors were given), and nothing changed after them. */
  readonly ok: boolean
  readonly signatures: SignatureReport[]
  /** Document timestamps (ETSI.RFC3161). */
  readonly documentTimestamps: SignatureReport[]
  /** Names of signature fields that wait for a signature, or were prepared for one and never signed. */
  readonly unsignedFields: readonly string[]
  readonly revisions: number
  /** True when the cross-reference had to be rebuilt to read the file. */
  readonly repaired: boolean
  /** Every change beyond validation data, newest revision first (revision 0). */
  readonly changes: readonly { revision: number; object: number; level: ChangeLevel; rule: string }[]
}

const TEXTS: Record<string, readonly [zh: string, en: string]> = {
  byterange_malformed: ['签名的字节范围格式错误', 'The signed byte range is malformed'],
  byterange_not_from_start: [
    '签名没有从文件开头起算',
    'The signature does not cover the file from its start',
  ],
  byterange_outside_file: ['签名的字节范围超出文件', 'The signed byte range leaves the file'],
  byterange_gap_is_not_contents: [
    '签名范围的空隙不只是签名值本身',
    'The gap in the signed range is not exactly the signature value',
  ],
  contents_not_hexadecimal: [
    '签名值中混有其他内容',
    'The signature value holds something other than hexadecimal digits',
  ],
  contents_missing: ['没有签名值', 'There is no signature value'],
  cms_unreadable: ['签名数据无法解析', 'The signature container cannot be read'],
  several_signers: ['签名数据含有多个签名者', 'The container holds several signers'],
  subfilter_unsupported: ['不支持的签名格式', 'The signature format is not supported'],
  signature_removed: ['签名已被移出文件的签名域', 'The signature was removed from the form'],
  not_a_revision: [
    '签名没有覆盖一个完整的版本',
    'The signature does not cover a complete revision of the file',
  ],
  revision_bypassed: ['签署的版本已被绕过', 'The signed revision is bypassed by the file’s cross-reference'],
  entry_beyond_signature: [
    '签署时的内容引用了签名之后的字节',
    'The signed revision points to bytes behind its own end',
  ],
  trailing_bytes: ['签名之后有无法解释的字节', 'There are unexplained bytes after the last revision'],
  changed_after_signing: ['签署之后文件内容被更改', 'The document was changed after signing'],
  form_changed_after_signing: ['签署之后填写过表单', 'Form fields were filled in after signing'],
  annotated_after_signing: [
    '签署之后添加、修改或删除过批注',
    'Annotations were added, changed or removed after signing',
  ],
  annotation_covers_content: [
    '签署之后的批注可能遮住页面内容',
    'A later annotation may cover what was signed',
  ],
  annotation_covers_field: ['签署之后的批注遮住了表单域', 'A later annotation covers a form field'],
  annotation_hidden: [
    '签署之后的批注在屏幕或打印时不显示',
    'A later annotation is hidden on screen or in print',
  ],
  docmdp_violation: ['更改超出认证签名允许的范围', 'The changes go beyond what the certification permits'],
  fieldmdp_violation: [
    '签名锁定的表单域在签署后被更改',
    'A form field that the signature locks was changed afterwards',
  ],
  structure_repaired: [
    '文件结构有损坏，已重建后读取',
    'The structure is damaged and was rebuilt for reading',
  ],
  timestamp_invalid: ['时间戳无效，不能证明签署时间', 'A timestamp is not valid and proves no time'],
  timestamp_untrusted: [
    '时间戳证书不受信任，不能证明签署时间',
    'A timestamp’s certificate is not trusted, so it proves no time',
  ],
  revoked: ['作出签名时证书已被吊销', 'A certificate had been revoked when this was signed'],
  revoked_unproven: [
    '证书已被吊销，且没有时间戳证明签名在吊销之前作出',
    'A certificate was revoked, and no timestamp proves that the signature is older than that',
  ],
  content_hash_mismatch: ['文件内容与签名不符', 'The document does not match the signature'],
}

/** A problem of the PDF layer by its code. */
export function pdfProblem(code: string, severity: Problem['severity'] = 'error', particulars = ''): Problem {
  const [zh, en] = TEXTS[code] ?? [code, code]
  return particulars === ''
    ? { code, severity, message: en, zh }
    : { code, severity, message: `${en} (${particulars})`, zh: `${zh}（${particulars}）` }
}
