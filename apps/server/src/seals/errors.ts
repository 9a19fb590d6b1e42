import { defineRefusals } from '#src/errors.ts'

export const refuse = defineRefusals({
  seal_not_found: { kind: 'not_found', zh: '印章或签名不存在。', en: 'There is no such seal or signature.' },
  seal_not_usable: {
    kind: 'forbidden',
    zh: '该印章已停用，或您没有被授权使用它，请联系企业管理员。',
    en: 'This seal is disabled, or you were not granted its use. Ask an administrator of the company.',
  },
  seal_kind_not_yours: {
    kind: 'invalid',
    zh: '企业印章须以企业身份创建，个人签名须以个人身份创建，请先切换主体。',
    en: 'A company seal is made by a company and a personal one by a person. Switch whom you act for.',
  },
  seal_text_not_own_name: {
    kind: 'invalid',
    zh: '个人名章只能使用本人已实名的姓名。',
    en: 'A personal name seal carries the proven name of its owner and no other.',
  },
  seal_unfit: {
    kind: 'invalid',
    zh: '无法按这些文字绘制印章：{reason}。企业名称须为 4 至 28 个字，姓名须为 2 至 6 个字。',
    en: 'No seal can be drawn from this text: {reason}. A company name has 4 to 28 characters, a personal name 2 to 6.',
  },
  seal_glyph_missing: {
    kind: 'invalid',
    zh: '印章字体中没有这个字：{character}。请联系管理员补充字体。',
    en: 'The seal font has no glyph for: {character}. Ask the operator for a larger font.',
  },
  handwriting_unfit: {
    kind: 'invalid',
    zh: '手写签名过于简单或过于复杂，请重新书写。',
    en: 'The handwriting is too short or too complex. Write it again.',
  },
  seal_limit: {
    kind: 'conflict',
    zh: '最多保存 {limit} 个印章或签名，请先停用并复用已有的。',
    en: 'At most {limit} seals or signatures are kept. Reuse one of them.',
  },
  seal_grantee_not_member: {
    kind: 'invalid',
    zh: '只能授权给企业的在职成员。',
    en: 'The use of a seal is granted to active members of the company only.',
  },
  seal_grant_not_found: { kind: 'not_found', zh: '没有这项用印授权。', en: 'There is no such grant.' },
  free_sign_scene_not_found: {
    kind: 'not_found',
    zh: '免验证签场景不存在。',
    en: 'There is no such free-sign scene.',
  },
  free_sign_expiry_past: {
    kind: 'invalid',
    zh: '截止时间须晚于现在。',
    en: 'The end must lie in the future.',
  },
  free_sign_for_companies: {
    kind: 'invalid',
    zh: '只有企业印章可以设置免验证签。',
    en: 'Only a company seal can sign freely.',
  },
  seal_manager_required: {
    kind: 'forbidden',
    zh: '只有企业管理员可以管理印章与免验证签（正式环境的应用凭证不可用）。',
    en: 'Only an administrator of the company manages seals and free signing (no app credential of the production environment).',
  },
})
