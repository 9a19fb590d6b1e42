import { defineRefusals } from '#src/errors.ts'

export const refuse = defineRefusals({
  sign_task_not_found: {
    kind: 'not_found',
    zh: '没有这个签署任务，或您不是它的参与方。',
    en: 'There is no such sign task, or you are not a party to it.',
  },
  task_document_not_found: {
    kind: 'not_found',
    zh: '任务中没有这份文档或这个版本。',
    en: 'The task has no such document or revision.',
  },
  actor_unknown: { kind: 'not_found', zh: '任务中没有这个参与方。', en: 'The task has no such actor.' },
  link_unknown: {
    kind: 'not_found',
    zh: '签署链接无效，请核对地址是否完整。',
    en: 'This signing link is not known. Check that the address is complete.',
  },
  link_ended: {
    kind: 'gone',
    zh: '签署链接已失效：任务已撤销、被拒签、已过期，或链接已满一年。如需继续，请联系发起方。',
    en: 'This signing link has ended: the task was canceled, rejected or has expired, or the link is a year old. Ask the initiator if it should go on.',
  },
  task_not_draft: {
    kind: 'conflict',
    zh: '任务已经发起，不能再修改；如需修改请撤销后重新创建。',
    en: 'The task has started and cannot be changed. Cancel it and create a new one.',
  },
  task_not_signing: {
    kind: 'conflict',
    zh: '任务不在签署中，不能执行此操作。',
    en: 'The task is not being signed, so this cannot be done.',
  },
  task_without_documents: {
    kind: 'invalid',
    zh: '任务没有文档，请至少添加一份。',
    en: 'The task has no document. Add at least one.',
  },
  task_without_signers: {
    kind: 'invalid',
    zh: '任务没有签署方，请至少添加一个。',
    en: 'The task has nobody who signs. Add at least one signer.',
  },
  deadline_passed: {
    kind: 'conflict',
    zh: '已超过签署截止时间。',
    en: 'The deadline for signing has passed.',
  },
  deadline_not_reached: {
    kind: 'conflict',
    zh: '尚未到签署截止时间。',
    en: 'The deadline has not been reached.',
  },
  actor_does_not_sign: {
    kind: 'conflict',
    zh: '抄送方无需签署。',
    en: 'A copy recipient does not sign.',
  },
  not_your_turn: {
    kind: 'conflict',
    zh: '还没有轮到您签署，前一位完成后会通知您。',
    en: 'It is not your turn yet. You will be told when those before you have signed.',
  },
  already_signed: { kind: 'conflict', zh: '您已经签署过了。', en: 'You have already signed.' },
  signing_in_progress: {
    kind: 'conflict',
    zh: '您的签署正在另一个窗口进行，请稍候查看结果。',
    en: 'Your signature is being made in another window. Wait a moment and look at the result.',
  },
  nobody_to_urge: {
    kind: 'conflict',
    zh: '没有待签署的参与方可以催办。',
    en: 'Nobody is waiting to sign, so there is nobody to remind.',
  },
  urged_too_often: {
    kind: 'limited',
    zh: '催办过于频繁：每天最多 2 次，间隔至少 2 小时。',
    en: 'Reminded too often: at most twice a day, two hours apart.',
  },
  duplicate_ref: {
    kind: 'invalid',
    zh: '编号 {ref} 出现了两次，同一任务中每个编号只能用一次。',
    en: 'The ref {ref} is used twice. Each ref may stand once in a task.',
  },
  unknown_ref: {
    kind: 'invalid',
    zh: '控件引用了不存在的编号 {ref}。',
    en: 'A field names {ref}, which is no document or actor of this task.',
  },
  actor_contact_missing: {
    kind: 'invalid',
    zh: '参与方 {ref} 缺少手机号或邮箱，无法送达签署链接和验证码。',
    en: 'Actor {ref} needs a mobile number or a mail address for the link and the codes.',
  },
  actor_contact_invalid: {
    kind: 'invalid',
    zh: '参与方 {ref} 的手机号或邮箱格式不正确。',
    en: 'The mobile number or mail address of actor {ref} is malformed.',
  },
  actor_subject_unknown: {
    kind: 'invalid',
    zh: '参与方 {ref} 的 subjectId 不存在，或与其类型不符。',
    en: 'The subjectId of actor {ref} is not known, or is of another kind.',
  },
  copy_has_field: {
    kind: 'invalid',
    zh: '抄送方 {ref} 不能有签署控件。',
    en: 'Actor {ref} only receives a copy and cannot have fields.',
  },
  field_kind_mismatch: {
    kind: 'invalid',
    zh: '参与方 {ref} 不能使用 {kind} 控件：企业用印章，个人用签名。',
    en: 'Actor {ref} cannot fill a {kind} field: companies seal, persons sign.',
  },
  field_outside_page: {
    kind: 'invalid',
    zh: '控件超出第 {page} 页的范围。',
    en: 'A field lies outside page {page}.',
  },
  field_page_unknown: {
    kind: 'invalid',
    zh: '文档没有第 {page} 页。',
    en: 'The document has no page {page}.',
  },
  keyword_not_found: {
    kind: 'invalid',
    zh: '文档中找不到关键字“{keyword}”（第 {occurrence} 处）。',
    en: 'The document does not contain the keyword “{keyword}” (occurrence {occurrence}).',
  },
  free_sign_not_granted: {
    kind: 'forbidden',
    zh: '场景码 {businessId} 未获企业授权免验证签，或已失效。',
    en: 'The company has not granted free sign for the scene {businessId}, or the grant has ended.',
  },
  free_sign_seal_not_yours: {
    kind: 'forbidden',
    zh: '您没有被授权使用场景码 {businessId} 的印章，请联系企业管理员授权，或由其发起。',
    en: 'You were not granted the use of the seal of the scene {businessId}. Ask an administrator for it, or to start the task.',
  },
  identity_needed: {
    kind: 'forbidden',
    zh: '请先完成实名认证，再阅读和签署。',
    en: 'Prove your identity before you read and sign.',
  },
  not_this_actor: {
    kind: 'forbidden',
    zh: '当前登录人与指定的签署人不一致：请使用收到链接的手机号或邮箱登录，姓名须与实名信息一致；代表企业签署须为该企业成员。',
    en: 'You are not the person named to sign. Log in with the mobile number or mail address that got the link, under your proven name; to sign for a company you must be its member.',
  },
  actor_unreachable: {
    kind: 'conflict',
    zh: '没有可用的手机号或邮箱，无法发送验证码，请联系发起方。',
    en: 'There is no mobile number or mail address for a code. Ask the initiator.',
  },
  document_changed: {
    kind: 'conflict',
    zh: '文档在您阅读后有了新的版本（其他参与方已签署），请刷新后再签署。',
    en: 'The document has a newer revision since you read it (another party has signed). Reload it and sign then.',
  },
  deadline_in_past: {
    kind: 'invalid',
    zh: '截止时间必须在将来。',
    en: 'The deadline must lie in the future.',
  },
  document_damaged: {
    kind: 'unavailable',
    zh: '文档内容与记录的指纹不符，已停止读取并告警。',
    en: 'The content of the document does not match its recorded fingerprint. Reading was stopped.',
  },
})
