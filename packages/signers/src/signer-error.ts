/** Why a key that lives elsewhere could not be used. Stable: callers branch on it. */
export type SignerErrorCode =
  | 'library_missing'
  | 'module_missing'
  | 'module_broken'
  | 'token_missing'
  | 'token_ambiguous'
  | 'pin_wrong'
  | 'pin_locked'
  | 'pin_expired'
  | 'key_missing'
  | 'key_ambiguous'
  | 'key_exists'
  | 'key_unusable'
  | 'public_key_missing'
  | 'mechanism_missing'
  | 'device_removed'
  | 'device_error'
  | 'decrypt_failed'
  | 'closed'
  | 'signature_wrong'
  | 'certificate_wrong'
  | 'certificate_missing'
  | 'algorithm_unsupported'
  | 'service_unavailable'
  | 'service_error'
  | 'answer_invalid'
  | 'invalid_request'
  | 'access_denied'
  | 'invalid_token'
  | 'authorization_refused'
  | 'otp_wrong'
  | 'sad_invalid'
  | 'sad_expired'
  | 'hash_not_authorized'
  | 'credential_unknown'
  | 'credential_unusable'
  | 'pending_too_long'
  | 'outcome_unknown'

const TEXTS: Record<SignerErrorCode, readonly [zh: string, en: string]> = {
  library_missing: [
    '未安装 pkcs11js，无法使用 PKCS#11 设备（npm install pkcs11js）',
    'pkcs11js is not installed, so no PKCS#11 device can be used (npm install pkcs11js)',
  ],
  module_missing: ['找不到 PKCS#11 模块', 'The PKCS#11 module cannot be loaded'],
  module_broken: ['PKCS#11 模块无法初始化', 'The PKCS#11 module does not initialise'],
  token_missing: ['没有这个令牌', 'There is no such token'],
  token_ambiguous: ['有多个令牌符合，请指明', 'Several tokens match; name one'],
  pin_wrong: ['PIN 不正确', 'The PIN is wrong'],
  pin_locked: ['PIN 已锁定，须由管理员解锁', 'The PIN is locked; its administrator has to unlock it'],
  pin_expired: ['PIN 已过期，须先更改', 'The PIN has expired and has to be changed first'],
  key_missing: ['令牌中没有这把密钥', 'The token has no such key'],
  key_ambiguous: ['有多把密钥符合，请用标签和 ID 指明', 'Several keys match; name one by label and id'],
  key_exists: ['令牌中已有同名密钥', 'The token has a key of this name already'],
  key_unusable: ['这把密钥不允许此用途', 'The key may not be used for this'],
  public_key_missing: ['令牌中没有这把密钥的公钥或证书', 'The token has neither public key nor certificate'],
  mechanism_missing: ['令牌不支持所需的算法', 'The token does not offer the mechanism'],
  device_removed: ['设备已拔出或失去连接', 'The device was removed or lost its connection'],
  device_error: ['设备报告错误', 'The device reports an error'],
  decrypt_failed: ['密文无法解开', 'The ciphertext does not open'],
  closed: ['连接已关闭', 'It has been closed'],
  signature_wrong: ['得到的签名与公钥不符，已丢弃', 'The signature does not verify and was thrown away'],
  certificate_wrong: ['证书与密钥不匹配', 'The certificate does not belong to the key'],
  certificate_missing: ['没有证书', 'There is no certificate'],
  algorithm_unsupported: ['不支持这种签名算法', 'The signature algorithm is not supported'],
  service_unavailable: ['远程签名服务没有应答', 'The remote signing service did not answer'],
  service_error: ['远程签名服务报告错误', 'The remote signing service reports an error'],
  answer_invalid: [
    '远程签名服务的应答不合规范',
    'The answer of the remote signing service breaks the protocol',
  ],
  invalid_request: ['远程签名服务不接受请求', 'The remote signing service does not accept the request'],
  access_denied: ['远程签名服务拒绝访问', 'The remote signing service denies access'],
  invalid_token: ['访问令牌无效或已过期', 'The access token is invalid or has expired'],
  authorization_refused: ['签署授权被拒绝', 'The authorisation to sign was refused'],
  otp_wrong: ['一次性口令不正确或已过期', 'The one-time password is wrong or has expired'],
  sad_invalid: ['签名激活数据无效或已使用', 'The signature activation data is invalid or was used'],
  sad_expired: ['签名激活数据已过期', 'The signature activation data has expired'],
  hash_not_authorized: ['摘要未获授权', 'The hash was not authorised'],
  credential_unknown: ['没有这个签名凭证', 'There is no such credential'],
  credential_unusable: ['签名凭证已停用、吊销或过期', 'The credential is disabled, revoked or expired'],
  pending_too_long: ['在期限内未得到签名结果', 'No signature came within the time allowed'],
  outcome_unknown: [
    '请求可能已被执行但结果未知；未自动重试，以免重复签署',
    'The request may have been carried out; it was not repeated, so that nothing is signed twice',
  ],
}

/** The one error of this package: a stable code, both texts, and what was found. */
export class SignerError extends Error {
  readonly code: SignerErrorCode
  readonly zh: string
  readonly en: string
  readonly detail: string

  constructor(code: SignerErrorCode, detail = '', options: ErrorOptions = {}) {
    const [zh, en] = TEXTS[code]
    super(detail === '' ? en : `${en}: ${detail}`, options)
    this.name = 'SignerError'
    this.code = code
    this.detail = detail
    this.zh = detail === '' ? zh : `${zh}：${detail}`
    this.en = this.message
  }
}
