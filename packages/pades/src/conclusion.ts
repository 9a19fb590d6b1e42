import type { SubIndication, ValidatedSignature } from './validate.ts'

/** A sentence that needs no knowledge of signatures. */
export interface ConclusionText {
  readonly zh: string
  readonly en: string
}

const REASONS: Record<SubIndication, readonly [zh: string, en: string]> = {
  FORMAT_FAILURE: ['签名的结构有误', 'the signature is not built as it must be'],
  HASH_FAILURE: ['文件在签署之后被改动', 'the document was changed after it was signed'],
  SIG_CRYPTO_FAILURE: ['签名不是用该证书的私钥作出的', 'it was not made with the key of this certificate'],
  REVOKED: ['签署时证书已被吊销', 'the certificate had been revoked before it was signed'],
  EXPIRED: ['签署时证书已过期', 'the certificate had expired before it was signed'],
  NOT_YET_VALID: ['签署时证书尚未生效', 'the certificate was not yet valid when it was signed'],
  SIG_CONSTRAINTS_FAILURE: [
    '签署之后文件被追加了签名所不允许的更改',
    'changes were added afterwards that the signature does not allow',
  ],
  CHAIN_CONSTRAINTS_FAILURE: [
    '证书不符合电子签名的用途或限制',
    'a certificate is not meant for this use, or breaks a limit set for it',
  ],
  CERTIFICATE_CHAIN_GENERAL_FAILURE: ['证书链无法核实', 'the chain of certificates cannot be verified'],
  CRYPTO_CONSTRAINTS_FAILURE: [
    '使用了不支持或已不安全的算法',
    'an algorithm is used that is unknown or no longer safe',
  ],
  NO_SIGNING_CERTIFICATE_FOUND: ['找不到签名者的证书', 'the signer’s certificate is not there'],
  NO_CERTIFICATE_CHAIN_FOUND: [
    '签名者的证书不是由受信任的机构签发的',
    'the certificate does not come from an authority you trust',
  ],
  REVOKED_NO_POE: [
    '证书已被吊销，且没有证据表明签名在吊销之前作出',
    'the certificate was revoked, and nothing proves that the signature is older than that',
  ],
  REVOKED_CA_NO_POE: [
    '签发机构的证书已被吊销，且没有证据表明签名在吊销之前作出',
    'an authority’s certificate was revoked, and nothing proves that the signature is older than that',
  ],
  OUT_OF_BOUNDS_NO_POE: [
    '证书不在有效期内，且没有证据表明签名在有效期内作出',
    'the certificate is outside its validity, and nothing proves that the signature was made within it',
  ],
  TRY_LATER: [
    '没有可用的吊销信息，无法确认证书未被吊销',
    'nothing tells whether the certificate has been revoked',
  ],
}

type Concluded = Pick<
  ValidatedSignature,
  'kind' | 'signer' | 'indication' | 'subIndication' | 'provenAt' | 'blocks'
>

/** The conclusion on one signature in words, and what its timestamp is worth where that is nothing. */
export function conclusionText(one: Concluded): ConclusionText {
  const { zh, en } = verdictText(one)
  const stamp = timestampText(one.blocks)
  return stamp ? { zh: `${zh}${stamp.zh}`, en: `${en} ${stamp.en}` } : { zh, en }
}

/** On timestamps attached to a signature that do not hold; a good one beside them does not hide them. */
function timestampText(blocks: Concluded['blocks']): ConclusionText | undefined {
  // Where only revocation data is missing, the verdict on the signature says so already.
  const bad = blocks.filter(
    ({ block, indication, subIndication }) =>
      block === 'timestamp' && indication !== 'PASSED' && subIndication !== 'TRY_LATER',
  )
  if (bad.length === 0) return undefined
  if (bad.some(({ subIndication }) => subIndication === 'HASH_FAILURE'))
    return {
      zh: '附在其中的时间戳不是为它加盖的，不能证明签署时间。',
      en: 'A timestamp attached to it was made for something else and proves no time.',
    }
  return bad.some(({ indication }) => indication === 'FAILED')
    ? {
        zh: '附在其中的时间戳无效，不能证明签署时间。',
        en: 'A timestamp attached to it is not valid and proves no time.',
      }
    : {
        zh: '附在其中的时间戳无法核实，不能证明签署时间。',
        en: 'A timestamp attached to it cannot be verified and proves no time.',
      }
}

function verdictText(one: Concluded): ConclusionText {
  const { kind, indication, subIndication, provenAt } = one
  const signer =
    one.signer === '' ? { zh: '未知签名者', en: 'an unknown signer' } : { zh: one.signer, en: one.signer }
  const subject =
    kind === 'signature'
      ? { zh: `${signer.zh} 的签名`, en: `The signature of ${signer.en}` }
      : { zh: `${signer.zh} 的文件时间戳`, en: `The document timestamp of ${signer.en}` }
  if (indication === 'TOTAL_PASSED') {
    const day = provenAt === null ? undefined : `${provenAt.slice(0, 19).replace('T', ' ')} UTC`
    return day === undefined
      ? { zh: `${subject.zh}有效。`, en: `${subject.en} is valid.` }
      : {
          zh: `${subject.zh}有效，并可证明最迟于 ${day} 已经作出。`,
          en: `${subject.en} is valid, and is proven to have existed on ${day}.`,
        }
  }
  const [zh, en] = subIndication === null ? ['原因不明', 'the reason is not known'] : REASONS[subIndication]
  return indication === 'TOTAL_FAILED'
    ? { zh: `${subject.zh}无效：${zh}。`, en: `${subject.en} is not valid: ${en}.` }
    : { zh: `${subject.zh}无法判定：${zh}。`, en: `${subject.en} cannot be judged: ${en}.` }
}
