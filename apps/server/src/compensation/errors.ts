import { defineRefusals } from '#src/errors.ts'

export const refuse = defineRefusals({
  claim_not_found: { kind: 'not_found', zh: '没有这项赔偿申请。', en: 'There is no such claim.' },
  claim_not_allowed: {
    kind: 'forbidden',
    zh: '赔偿申请须由企业管理员（或个人本人）登录办理。',
    en: 'Claims are made by an administrator of the company, or a person for itself, who is logged in.',
  },
  claim_exists: {
    kind: 'conflict',
    zh: '{month} 已有赔偿申请，请在该申请中补充损失。',
    en: 'There is a claim for {month} already. Add the loss to it.',
  },
  claim_state: {
    kind: 'conflict',
    zh: '申请当前状态（{state}）不允许这样做。',
    en: 'The state of the claim ({state}) does not allow this.',
  },
  claim_without_loss: {
    kind: 'conflict',
    zh: '请先写明至少一项损失，并为每一项上传证明，再提交。',
    en: 'Name at least one loss and upload proof of each before the claim is submitted.',
  },
  claim_reason_missing: {
    kind: 'invalid',
    zh: '请写明理由（至多 2000 字）。',
    en: 'Give the reason, in up to 2,000 characters.',
  },
  claim_item_not_found: { kind: 'not_found', zh: '没有这项损失。', en: 'There is no such loss.' },
  claim_items_full: {
    kind: 'conflict',
    zh: '一项申请至多 {max} 项损失，每项至多 {proofs} 份证明。',
    en: 'A claim holds at most {max} losses, each with at most {proofs} proofs.',
  },
  claim_proof_not_found: { kind: 'not_found', zh: '没有这份证明。', en: 'There is no such proof.' },
  claim_proof_kind: {
    kind: 'invalid',
    zh: '证明须为 PDF、PNG 或 JPEG 文件。',
    en: 'A proof is a PDF, PNG or JPEG file.',
  },
  claim_agreement_missing: {
    kind: 'conflict',
    zh: '没有登记停机当时有效的服务协议，无法确定赔偿上限。请先登记协议（compensation agreement）。',
    en: 'No agreement in force at the downtime is recorded, so there is no limit to go by. Record it first (compensation agreement).',
  },
  claim_not_verified: {
    kind: 'conflict',
    zh: '尚有未核定的损失，请先逐项核定。',
    en: 'Some losses are not verified yet. Verify each of them first.',
  },
  claim_verified_amount: {
    kind: 'invalid',
    zh: '核定金额须为整数分，且不超过申请金额。',
    en: 'What is verified is whole fen and no more than was claimed.',
  },
  claim_award_changed: {
    kind: 'conflict',
    zh: '应赔金额为 {awardFen} 分，与提议不符。请重新核对并提出。',
    en: 'The award is {awardFen} fen, not what was proposed. Look again and propose anew.',
  },
  claim_award_zero: {
    kind: 'conflict',
    zh: '应赔金额为零，不能提出赔偿；请说明理由并拒绝。',
    en: 'The award is zero, which is no offer. Refuse the claim with the reason.',
  },
  claim_same_decider: {
    kind: 'conflict',
    zh: '申诉须由未参与先前决定的运营人员提出新的决定。',
    en: 'After an appeal the new decision is proposed by an operator who had no part in the earlier one.',
  },
  cause_incomplete: {
    kind: 'invalid',
    zh: '原因认定须写明服务、起止分钟、原因；排除须有证据；客户原因须指明企业。',
    en: 'A cause names services, minutes from and to, and what it was; an exclusion has evidence, and one of a customer names it.',
  },
  agreement_unreadable: {
    kind: 'invalid',
    zh: '协议须写明企业、编号、整数分的金额与起始时间，结束须晚于起始。',
    en: 'An agreement names company, number, amount in whole fen and its beginning, and ends after it.',
  },
  agreement_overlaps: {
    kind: 'conflict',
    zh: '该企业同一编号或同一时期已有协议。',
    en: 'The company has an agreement of that number, or one of the same time, already.',
  },
})
