import { defineRefusals } from '#src/errors.ts'

export const refuse = defineRefusals({
  operator_key_unknown: {
    kind: 'forbidden',
    zh: '运营人员密钥无效或已吊销。',
    en: 'This key of an operator is unknown or was revoked.',
  },
  operator_needed: {
    kind: 'forbidden',
    zh: '此命令须以运营人员身份执行：请设置 YINXIN_OPERATOR_KEY_FILE（由 yinxin operator add 签发）。',
    en: 'This command needs a known operator: set YINXIN_OPERATOR_KEY_FILE to a key that yinxin operator add issued.',
  },
  operator_not_counting_yet: {
    kind: 'forbidden',
    zh: '该运营人员由一人添加，{from} 起（或经另一名运营人员 operator vouch 之后）才能参与双人操作。',
    en: 'One person alone added this operator, whose word counts from {from} on, or once another operator ran operator vouch.',
  },
  operator_second_person: {
    kind: 'conflict',
    zh: '须由另一名运营人员确认。',
    en: 'This takes another operator than the one who asked.',
  },
  operator_name_taken: {
    kind: 'conflict',
    zh: '已有（或曾有）同名运营人员。',
    en: 'There is or was an operator of this name.',
  },
  operator_not_found: {
    kind: 'not_found',
    zh: '没有这名运营人员，或已吊销。',
    en: 'There is no such operator, or it was revoked.',
  },
  proposal_not_found: {
    kind: 'not_found',
    zh: '没有这项待确认的提议，或已有结果。',
    en: 'There is no such proposal, or it was decided already.',
  },
  proposal_expired: {
    kind: 'conflict',
    zh: '该提议已于 {at} 过期，请重新提出。',
    en: 'The proposal expired at {at}. Propose it again.',
  },
})
