/** What verification can find, each with a stable code and a text in both languages. */

/** Texts by code: 中文在前. Codes are stable; reports and translations key on them. */
export const problemTexts = {
  unreadable: { zh: '数据结构无法解析。', en: 'The structure cannot be read.' },
  'no-signer': { zh: '签名容器中没有签名者。', en: 'The container has no signer.' },
  'signer-certificate-missing': { zh: '找不到签名者的证书。', en: 'The signer’s certificate is not there.' },
  'unsupported-digest': { zh: '不支持该摘要算法。', en: 'The digest algorithm is not supported.' },
  'unsupported-signature': { zh: '不支持该签名算法。', en: 'The signature algorithm is not supported.' },
  'content-missing': { zh: '缺少被签名的内容。', en: 'The signed content was not supplied.' },
  'content-mismatch': {
    zh: '容器内的内容与给定内容不同。',
    en: 'The content carried inside is not the content supplied.',
  },
  'content-type-mismatch': {
    zh: '签名属性中的内容类型不符。',
    en: 'The content type in the signed attributes is another one.',
  },
  'message-digest-missing': {
    zh: '签名属性中没有内容摘要。',
    en: 'The signed attributes have no message digest.',
  },
  'signed-attributes-missing': { zh: '缺少必需的签名属性。', en: 'Required signed attributes are missing.' },
  'digest-mismatch': {
    zh: '内容摘要不一致：内容已被改动。',
    en: 'The digest differs: the content was changed.',
  },
  'signature-mismatch': {
    zh: '签名值与内容和公钥不符。',
    en: 'The signature does not match content and key.',
  },
  'ess-missing': {
    zh: '签名未绑定签名证书（ESS 属性缺失）。',
    en: 'The signature is not bound to its certificate (no ESS attribute).',
  },
  'ess-mismatch': {
    zh: '签名绑定的证书不是所用证书。',
    en: 'The signature is bound to another certificate.',
  },
  'weak-digest': {
    zh: '使用了已不安全的摘要算法。',
    en: 'A digest algorithm that is no longer safe is used.',
  },
  'weak-key': { zh: '密钥强度不足。', en: 'The key is too weak.' },
  'algorithm-mismatch': { zh: '算法标识相互矛盾。', en: 'The algorithm identifiers contradict each other.' },
  'attributes-order': { zh: '签名属性未按 DER 排序。', en: 'The signed attributes are not in DER order.' },
  'timestamp-imprint-mismatch': {
    zh: '时间戳不是针对该内容的。',
    en: 'The timestamp is not over this content.',
  },
  'timestamp-nonce-mismatch': {
    zh: '时间戳与请求的随机数不符。',
    en: 'The nonce of the timestamp is not the requested one.',
  },
  'timestamp-purpose': {
    zh: '时间戳证书的用途不合规（须仅含且关键标记时间戳用途）。',
    en: 'The timestamp certificate must have timestamping as its sole, critical purpose.',
  },
  untrusted: { zh: '证书链未到达受信任的根。', en: 'The chain does not reach a trusted root.' },
  'chain-signature': {
    zh: '证书的签名不是其颁发者所签。',
    en: 'A certificate was not signed by its issuer.',
  },
  'chain-too-complex': {
    zh: '证书链过于复杂，已停止查找。',
    en: 'The search for a chain was stopped: too many possibilities.',
  },
  expired: { zh: '证书当时已过期。', en: 'A certificate had expired at that time.' },
  'not-yet-valid': { zh: '证书当时尚未生效。', en: 'A certificate was not yet valid at that time.' },
  'not-a-ca': { zh: '颁发者不是 CA。', en: 'An issuer is no CA.' },
  'key-usage': { zh: '密钥用途不允许这样使用。', en: 'The key usage does not allow this use.' },
  'extended-key-usage': {
    zh: '扩展密钥用途不允许这样使用。',
    en: 'The extended key usage does not allow this use.',
  },
  'path-length': { zh: '证书链超过 CA 允许的长度。', en: 'The chain is longer than a CA allows.' },
  'critical-extension': {
    zh: '证书含有未知的关键扩展。',
    en: 'A certificate has a critical extension that is not known.',
  },
  'extension-malformed': {
    zh: '证书扩展无法解析或重复。',
    en: 'A certificate extension cannot be read or is repeated.',
  },
  'name-constraints': { zh: '证书名称超出 CA 的允许范围。', en: 'A name is outside what a CA may certify.' },
  policy: { zh: '证书策略不满足要求。', en: 'The certificate policies do not fit.' },
  revoked: { zh: '证书当时已被吊销。', en: 'A certificate was revoked at that time.' },
  'revocation-unknown': { zh: '没有可用的吊销信息。', en: 'There is no usable revocation information.' },
  'ocsp-unreadable': { zh: 'OCSP 响应无法解析。', en: 'An OCSP response cannot be read.' },
  'ocsp-refused': { zh: 'OCSP 服务拒绝了请求。', en: 'The OCSP responder refused the request.' },
  'ocsp-other-certificate': {
    zh: 'OCSP 响应不是针对该证书的。',
    en: 'The OCSP response is about other certificates.',
  },
  'ocsp-responder': {
    zh: 'OCSP 响应者无权为该颁发者作答。',
    en: 'The OCSP responder may not answer for this issuer.',
  },
  'ocsp-signature': { zh: 'OCSP 响应的签名无效。', en: 'The signature of the OCSP response is wrong.' },
  'ocsp-nonce-mismatch': {
    zh: 'OCSP 响应与请求的随机数不符。',
    en: 'The nonce of the OCSP response is not the requested one.',
  },
  'ocsp-nonce-missing': { zh: 'OCSP 响应没有随机数。', en: 'The OCSP response has no nonce.' },
  'ocsp-time': { zh: 'OCSP 响应在该时间不适用。', en: 'The OCSP response does not hold at that time.' },
  'crl-unreadable': { zh: '吊销列表无法解析。', en: 'A revocation list cannot be read.' },
} as const satisfies Record<string, { zh: string; en: string }>

export type ProblemCode = keyof typeof problemTexts

export interface PkiProblem {
  readonly code: ProblemCode
  /** An `error` makes the result not ok; a `warning` leaves the judgement to the caller. */
  readonly severity: 'error' | 'warning'
  /** English, with the particulars. */
  readonly message: string
  /** SHA-256 fingerprint of the certificate it is about. */
  readonly certificate?: string
}

/** A problem with its text and, after it, the particulars. */
export function problem(
  code: ProblemCode,
  severity: PkiProblem['severity'],
  particulars = '',
  certificate?: { readonly fingerprintSha256: string },
): PkiProblem {
  const message = particulars === '' ? problemTexts[code].en : `${problemTexts[code].en} (${particulars})`
  return {
    code,
    severity,
    message,
    ...(certificate === undefined ? {} : { certificate: certificate.fingerprintSha256 }),
  }
}

export const hasError = (problems: readonly PkiProblem[]): boolean =>
  problems.some(({ severity }) => severity === 'error')
