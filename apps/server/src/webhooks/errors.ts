import { defineRefusals } from '#src/errors.ts'

export const refuse = defineRefusals({
  callback_not_found: {
    kind: 'not_found',
    zh: '没有这条回调记录。',
    en: 'There is no such callback.',
  },
  outside_address_invalid: {
    kind: 'invalid',
    zh: '地址必须是 http:// 或 https:// 开头的完整网址，且不能带用户名和密码。',
    en: 'The address must be a complete http:// or https:// URL without user name and password.',
  },
  outside_address_forbidden: {
    kind: 'invalid',
    zh: '该地址指向本机或内部网络，不允许访问；只有沙箱应用可以使用内网地址。',
    en: 'The address leads to this machine or an internal network. Only sandbox apps may use such addresses.',
  },
  outside_unreachable: {
    kind: 'invalid',
    zh: '无法访问该地址：{problem}。',
    en: 'The address could not be reached: {problem}.',
  },
})
