import { defineRefusals } from '#src/errors.ts'

export const refuse = defineRefusals({
  fasc_header_missing: {
    kind: 'unauthenticated',
    zh: '缺少请求头 {name}。',
    en: 'The header {name} is missing.',
  },
  fasc_header_invalid: {
    kind: 'unauthenticated',
    zh: '请求头 {name} 的值不正确。',
    en: 'The value of the header {name} is not usable.',
  },
  fasc_timestamp_stale: {
    kind: 'unauthenticated',
    zh: '请求时间戳与服务器时间相差超过 5 分钟，请校准时钟。',
    en: 'The timestamp of the request is more than 5 minutes away from the server time. Check the clock.',
  },
  fasc_nonce_used: {
    kind: 'unauthenticated',
    zh: '此 X-FASC-Nonce 在 10 分钟内已使用过，每次请求都须使用新的随机数。',
    en: 'This X-FASC-Nonce was used within 10 minutes; every request needs a new one.',
  },
  fasc_signature_invalid: {
    kind: 'unauthenticated',
    zh: '签名不正确：请检查 AppId、AppSecret 与签名算法。',
    en: 'The signature is not valid: check the app id, its secret and how the request is signed.',
  },
  fasc_token_invalid: {
    kind: 'unauthenticated',
    zh: 'accessToken 无效或已过期，请重新获取。',
    en: 'The accessToken is not valid or has ended. Get a new one.',
  },
  fasc_form_invalid: {
    kind: 'invalid',
    zh: '请求体须为 application/x-www-form-urlencoded，且只含一个 bizContent 字段。',
    en: 'The body must be application/x-www-form-urlencoded with one field bizContent.',
  },
  fasc_content_invalid: {
    kind: 'invalid',
    zh: 'bizContent 不是有效的 JSON 对象。',
    en: 'bizContent is not a valid JSON object.',
  },
  fasc_input_invalid: {
    kind: 'invalid',
    zh: '参数有误：{first}',
    en: 'A parameter is not usable: {first}',
  },
  fasc_not_implemented: {
    kind: 'invalid',
    zh: '该接口本平台尚未实现：{path}',
    en: 'This platform does not implement the interface {path} yet.',
  },
  fasc_path_unknown: { kind: 'not_found', zh: '没有这个接口：{path}', en: 'There is no interface {path}.' },
  fasc_unsupported: {
    kind: 'invalid',
    zh: '本平台尚不支持参数 {name}，请求未执行，以免您以为它已生效。',
    en: 'This platform does not support {name} yet. Nothing was done, so that you do not rely on it.',
  },
  fasc_corp_unknown: {
    kind: 'not_found',
    zh: '企业不存在，或不属于本应用：{id}',
    en: 'There is no such company, or it does not belong to this app: {id}',
  },
  fasc_user_unknown: { kind: 'not_found', zh: '个人用户不存在：{id}', en: 'There is no such user: {id}' },
  fasc_scope_missing: {
    kind: 'forbidden',
    zh: '该用户未授权本应用查看其身份信息。',
    en: 'The user has not let this app see the identity.',
  },
  fasc_initiator_foreign: {
    kind: 'invalid',
    zh: '发起方必须是本应用所属的企业。',
    en: 'The initiator must be the company that this app belongs to.',
  },
  fasc_too_fast: {
    kind: 'limited',
    zh: '调用过于频繁：每个应用对每个接口每秒最多 {limit} 次，请稍后重试。',
    en: 'Too many calls: an app may call an interface {limit} times per second. Try again shortly.',
  },
  fasc_upload_unknown: {
    kind: 'not_found',
    zh: 'fddFileUrl 不存在：{url}',
    en: 'There is no such fddFileUrl: {url}',
  },
  fasc_upload_pending: {
    kind: 'conflict',
    zh: '文件尚未上传完成：请先以 PUT 上传到 uploadUrl。',
    en: 'The file has not arrived: PUT it to the uploadUrl first.',
  },
  fasc_upload_ended: {
    kind: 'gone',
    zh: '上传地址已使用过或已满 30 分钟，请重新获取。',
    en: 'This upload address was used or is older than 30 minutes. Get a new one.',
  },
  fasc_fetch_failed: {
    kind: 'invalid',
    zh: '文件地址返回了状态码 {status}，需要 200。',
    en: 'The address of the file answered {status}; 200 is needed.',
  },
  fasc_file_too_large: {
    kind: 'invalid',
    zh: '文件超过上限 {limitBytes} 字节，请压缩或拆分后再上传。',
    en: 'The file is larger than {limitBytes} bytes. Compress or split it and send it again.',
  },
  fasc_link_ended: {
    kind: 'gone',
    zh: '链接无效或已满 1 小时，请重新获取。',
    en: 'This link is not valid or is older than an hour. Get a new one.',
  },
  fasc_not_downloadable: {
    kind: 'conflict',
    zh: '签署任务尚未提交，没有可下载的文件。',
    en: 'The sign task has not started, so there is nothing to download.',
  },
  fasc_seal_unknown: { kind: 'not_found', zh: '印章不存在：{id}', en: 'There is no such seal: {id}' },
  fasc_actor_invalid: {
    kind: 'invalid',
    zh: '参与方 {ref} 有误：{reasonZh}',
    en: 'Actor {ref} is not usable: {reasonEn}',
  },
  fasc_scene_missing: {
    kind: 'invalid',
    zh: '参与方 {ref} 请求免验证签，但未传入免验证签场景码 businessId。',
    en: 'Actor {ref} is to sign without verification, but no businessId was given.',
  },
  fasc_field_type: {
    kind: 'invalid',
    zh: '控件 {id} 的类型 {type} 本平台尚不支持；支持 corp_seal、person_sign、date_sign。',
    en: 'Field {id} is of type {type}, which is not supported; supported are corp_seal, person_sign, date_sign.',
  },
  fasc_field_position: {
    kind: 'invalid',
    zh: '控件 {id} 的位置有误：{reasonZh}',
    en: 'The position of field {id} is not usable: {reasonEn}',
  },
  fasc_field_unknown: {
    kind: 'invalid',
    zh: '参与方 {ref} 引用了不存在的控件 {id}。',
    en: 'Actor {ref} names the field {id}, which does not exist.',
  },
  fasc_field_double: {
    kind: 'invalid',
    zh: '控件 {id} 重复，或已关联其他参与方。',
    en: 'Field {id} stands twice, or belongs to another actor already.',
  },
  fasc_field_owner: {
    kind: 'invalid',
    zh: '控件 {id} 与参与方 {ref} 不符：企业用 corp_seal，个人用 person_sign。',
    en: 'Field {id} does not fit actor {ref}: companies use corp_seal, persons person_sign.',
  },
  fasc_field_unbound: {
    kind: 'conflict',
    zh: '控件 {id} 未关联参与方，不能提交签署任务。',
    en: 'Field {id} belongs to no actor, so the sign task cannot start.',
  },
  fasc_document_unknown: {
    kind: 'not_found',
    zh: '签署任务中没有文档 {id}。',
    en: 'The sign task has no document {id}.',
  },
})
