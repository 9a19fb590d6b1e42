import { defineRefusals } from '#src/errors.ts'

export const refuse = defineRefusals({
  login_invalid: {
    kind: 'invalid',
    zh: '请输入有效的手机号或邮箱地址。',
    en: 'Enter a valid mobile number or mail address.',
  },
  login_failed: {
    kind: 'unauthenticated',
    zh: '账号或密码不正确。可改用验证码登录。',
    en: 'The login or the password is wrong. You may log in with a code instead.',
  },
  login_locked: {
    kind: 'limited',
    zh: '密码错误次数过多，请 {seconds} 秒后再试，或改用验证码登录。',
    en: 'Too many wrong passwords. Try again in {seconds} seconds, or log in with a code.',
  },
  login_code_recently_sent: {
    kind: 'limited',
    zh: '验证码刚刚发送过，请 {seconds} 秒后再获取。',
    en: 'A code was sent just now. Ask for another in {seconds} seconds.',
  },
  login_code_too_many: {
    kind: 'limited',
    zh: '今日获取验证码次数过多，请稍后再试。',
    en: 'Too many codes were asked for. Try again later.',
  },
  login_code_address_budget: {
    kind: 'limited',
    zh: '您所在的网络近一小时获取验证码过多，请稍后再试，或改用密码登录。',
    en: 'Too many codes were asked for from your network within an hour. Try again later, or log in with your password.',
  },
  login_code_budget: {
    kind: 'limited',
    zh: '近一小时的验证码发送量已达上限，请稍后再试，或改用密码登录。',
    en: 'Too many codes were asked for within an hour. Try again later, or log in with your password.',
  },
  login_code_wrong: {
    kind: 'unauthenticated',
    zh: '验证码不正确或已过期，请核对最近一条消息，或重新获取。',
    en: 'The code is wrong or no longer valid. Check the latest message or ask for a new code.',
  },
  login_code_tried_too_often: {
    kind: 'limited',
    zh: '验证码输错次数过多，已作废，请重新获取。',
    en: 'The code was tried too often and is void. Ask for a new one.',
  },
  login_taken: {
    kind: 'conflict',
    zh: '该账号已注册，请直接登录。',
    en: 'This login is registered already. Log in instead.',
  },
  old_password_wrong: {
    kind: 'forbidden',
    zh: '原密码不正确。忘记密码可改用验证码设置。',
    en: 'The old password is wrong. If you forgot it, set a new one with a code.',
  },
  password_weak: {
    kind: 'invalid',
    zh: '密码至少 8 位，不能只有数字或单一字符，也不能包含账号。',
    en: 'A password needs at least 8 characters, not only digits or one character, and must not contain the login.',
  },
  acting_subject_not_found: {
    kind: 'not_found',
    zh: '您不是该企业的成员，或该主体不存在。',
    en: 'You are not a member of this company, or it does not exist.',
  },
  admin_required: {
    kind: 'forbidden',
    zh: '该操作需要企业管理员，请切换到您管理的企业或联系管理员。',
    en: 'This needs an administrator of the company. Switch to a company you manage, or ask its administrator.',
  },
  person_required: {
    kind: 'forbidden',
    zh: '该操作只能由登录的用户进行，应用凭证不可用。',
    en: 'Only a logged-in person may do this; an app credential may not.',
  },
  corp_not_found: { kind: 'not_found', zh: '企业不存在。', en: 'There is no such company.' },
  corp_exists: {
    kind: 'conflict',
    zh: '该统一社会信用代码已注册，请联系该企业管理员将您添加为成员。',
    en: 'A company with this credit code is registered already. Ask its administrator to add you as a member.',
  },
  member_not_found: { kind: 'not_found', zh: '成员不存在。', en: 'There is no such member.' },
  last_admin: {
    kind: 'conflict',
    zh: '企业至少需要一名管理员，请先指定另一名管理员。',
    en: 'A company needs at least one administrator. Name another one first.',
  },
  app_not_found: { kind: 'not_found', zh: '应用不存在。', en: 'There is no such app.' },
  app_limit: {
    kind: 'conflict',
    zh: '一个企业最多创建 {limit} 个应用，请停用并复用已有应用。',
    en: 'A company may have at most {limit} apps. Reuse one of them.',
  },
  callback_url_invalid: {
    kind: 'invalid',
    zh: '回调地址须为 http 或 https 网址；正式环境须为 https，且不得含账号信息。',
    en: 'The callback address must be an http or https URL without credentials; in production, https.',
  },
})
