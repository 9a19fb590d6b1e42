import { defineRefusals } from '#src/errors.ts'

export const refuse = defineRefusals({
  id_number_shape: {
    kind: 'invalid',
    zh: '身份证号应为 18 位：17 位数字加 1 位数字或 X。',
    en: 'An identity number has 18 characters: 17 digits and a digit or X.',
  },
  id_number_region: {
    kind: 'invalid',
    zh: '身份证号的地区代码不存在，请核对前 6 位。',
    en: 'The region of the identity number does not exist. Check its first 6 digits.',
  },
  id_number_birth_date: {
    kind: 'invalid',
    zh: '身份证号中的出生日期有误，请核对第 7 至 14 位。',
    en: 'The birth date in the identity number cannot be. Check digits 7 to 14.',
  },
  id_number_checksum: {
    kind: 'invalid',
    zh: '身份证号校验位不符，请逐位核对。',
    en: 'The check character of the identity number does not fit. Compare it digit by digit.',
  },
  credit_code_shape: {
    kind: 'invalid',
    zh: '统一社会信用代码应为 18 位数字或大写字母（不含 I、O、S、V、Z）。',
    en: 'A credit code has 18 digits or capital letters (no I, O, S, V, Z).',
  },
  credit_code_organisation_code: {
    kind: 'invalid',
    zh: '统一社会信用代码中的组织机构代码校验位不符，请核对第 9 至 17 位。',
    en: 'The organisation code inside the credit code does not fit. Check characters 9 to 17.',
  },
  credit_code_checksum: {
    kind: 'invalid',
    zh: '统一社会信用代码校验位不符，请对照营业执照逐位核对。',
    en: 'The check character of the credit code does not fit. Compare it with the business licence.',
  },
  mobile_invalid: {
    kind: 'invalid',
    zh: '请输入有效的手机号。',
    en: 'Enter a valid mobile number.',
  },
  identity_unproven: {
    kind: 'forbidden',
    zh: '请先完成个人实名认证，再进行该操作。',
    en: 'Prove your own identity first.',
  },
  identity_attempts_exceeded: {
    kind: 'limited',
    zh: '实名认证失败次数过多，请 24 小时后再试。',
    en: 'Too many identity checks failed. Try again in 24 hours.',
  },
  identity_in_use: {
    kind: 'conflict',
    zh: '您已以另一个身份完成实名认证，账号不能更换实名主体。',
    en: 'This account is bound to another proven identity, and it cannot change to a different person.',
  },
  corp_identity_failed: {
    kind: 'invalid',
    zh: '企业信息核验未通过：{reason}。请核对企业名称、统一社会信用代码与法定代表人。',
    en: 'The company could not be confirmed: {reason}. Check its name, credit code and legal representative.',
  },
  identity_provider_unavailable: {
    kind: 'unavailable',
    zh: '实名核验服务暂时不可用，请稍后再试。',
    en: 'The identity check service does not answer at the moment. Try again later.',
  },
  sign_code_recently_sent: {
    kind: 'limited',
    zh: '验证码刚刚发送过，请 {seconds} 秒后再获取。',
    en: 'A code was sent just now. Ask for another in {seconds} seconds.',
  },
  sign_code_too_many: {
    kind: 'limited',
    zh: '今日获取签署验证码次数过多，请稍后再试。',
    en: 'Too many signing codes were asked for. Try again later.',
  },
  sign_code_wrong: {
    kind: 'invalid',
    zh: '签署验证码不正确或已过期，请核对最近一条消息，或重新获取。',
    en: 'The signing code is wrong or no longer valid. Check the latest message or ask for a new code.',
  },
  sign_code_used: {
    kind: 'conflict',
    zh: '此验证码已经使用：签署可能正在另一个窗口进行，请稍候查看结果；仍未签署时请重新获取验证码。',
    en: 'This code was used already: your signature may be under way in another window. Wait a moment and look; if nothing was signed, ask for a new code.',
  },
  sign_code_tried_too_often: {
    kind: 'limited',
    zh: '签署验证码输错次数过多，已作废，请重新获取。',
    en: 'The signing code was tried too often and is void. Ask for a new one.',
  },
})
