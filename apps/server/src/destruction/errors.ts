import { defineRefusals } from '#src/errors.ts'

export const refuse = defineRefusals({
  destruction_not_found: {
    kind: 'not_found',
    zh: '没有这项销毁申请，或您无权查看。',
    en: 'There is no such request for destruction, or it is not yours to see.',
  },
  destruction_under_way: {
    kind: 'conflict',
    zh: '您对此合同已有一项进行中的销毁申请；请先撤销它或等它结束。',
    en: 'A request of yours for this contract is under way. Cancel it first, or wait for its end.',
  },
  destruction_not_possible_now: {
    kind: 'conflict',
    zh: '当前状态下不能执行此操作。',
    en: 'This cannot be done in the present state.',
  },
  destruction_not_cancellable: {
    kind: 'conflict',
    zh: '销毁已经开始执行，无法撤销。',
    en: 'The destruction has begun and cannot be cancelled.',
  },
  destruction_too_early: {
    kind: 'conflict',
    zh: '尚未到约定的销毁时间。',
    en: 'The agreed time has not come yet.',
  },
  destruction_task_is_signed_now: {
    kind: 'conflict',
    zh: '合同正在签署中，请先撤销签署任务。',
    en: 'The contract is being signed. Cancel the sign task first.',
  },
  destruction_date_unfit: {
    kind: 'invalid',
    zh: '约定日期必须在将来，且不早于 {earliest}。',
    en: 'The agreed date must lie in the future and not before {earliest}.',
  },
  destruction_needs_parties: {
    kind: 'conflict',
    zh: '此合同没有其他签署方，请直接申请销毁。',
    en: 'The contract has no other signing party. Ask for its destruction directly.',
  },
  destruction_party_unreachable: {
    kind: 'conflict',
    zh: '签署方“{name}”没有可用的账号或联系方式，无法发起销毁协议。',
    en: 'The signing party “{name}” has neither an account nor a contact, so the agreement cannot be sent.',
  },
  service_term_not_over: {
    kind: 'conflict',
    zh: '贵公司的服务期尚未届满；服务期内销毁整份合同需各方一致同意。',
    en: 'The service term of your company is not over. Until then, destroying a whole contract takes the consent of all parties.',
  },
  legal_hold_active: {
    kind: 'conflict',
    zh: '此合同处于法律保留中，不能销毁。',
    en: 'The contract is under a legal hold and cannot be destroyed.',
  },
  legal_hold_not_found: {
    kind: 'not_found',
    zh: '没有这项法律保留。',
    en: 'There is no such legal hold.',
  },
  legal_hold_second_person: {
    kind: 'conflict',
    zh: '设置与解除法律保留均须两个不同的人。',
    en: 'Placing and releasing a legal hold each take two different people.',
  },
  legal_hold_too_late: {
    kind: 'conflict',
    zh: '此合同已开始销毁或已销毁，无法设置法律保留。',
    en: 'The destruction of the contract has begun or is done, so it can no longer be held.',
  },
  legal_hold_not_now: {
    kind: 'conflict',
    zh: '此刻正在销毁一方对此合同的访问，请一分钟后重试。',
    en: 'At this moment the access of a party to the contract is being destroyed. Try again in a minute.',
  },
  destruction_certificate_not_ready: {
    kind: 'conflict',
    zh: '证明尚未生成，请稍后再试。',
    en: 'The certificate is not made yet. Try again later.',
  },
  medium_two_people: {
    kind: 'invalid',
    zh: '介质处置须由两个不同的人执行与见证。',
    en: 'Disposing of a medium takes two different people: one who does it and one who witnesses.',
  },
  medium_registered: {
    kind: 'conflict',
    zh: '该序列号的介质已经登记。',
    en: 'A medium with this serial number is on record already.',
  },
})
