import { defineRefusals } from '#src/errors.ts'

export const refuse = defineRefusals({
  input_invalid: {
    kind: 'invalid',
    zh: '请求参数不符合要求：{first}',
    en: 'The request does not have the expected shape: {first}',
  },
  body_unreadable: {
    kind: 'invalid',
    zh: '请求体不是有效的 JSON。',
    en: 'The request body is not valid JSON.',
  },
  request_unreadable: {
    kind: 'invalid',
    zh: '收到的内容不是有效的 HTTP 请求。',
    en: 'What arrived is not a valid HTTP request.',
  },
  headers_too_large: {
    kind: 'too_large',
    zh: '请求头超过允许的大小。',
    en: 'The headers of the request are larger than allowed.',
  },
  request_too_slow: {
    kind: 'invalid',
    zh: '请求传输过慢，已中止，请检查网络后重试。',
    en: 'The request arrived too slowly and was given up. Check the line and try again.',
  },
  media_type_unsupported: {
    kind: 'invalid',
    zh: '不支持这种 Content-Type，请参阅接口文档。',
    en: 'This Content-Type is not accepted here; see the API reference.',
  },
  body_too_large: {
    kind: 'too_large',
    zh: '请求体超过允许的大小。',
    en: 'The request body is larger than allowed.',
  },
  upload_too_large: {
    kind: 'too_large',
    zh: '文件超过上限 {limitBytes} 字节，请压缩或拆分后再上传。',
    en: 'The file is larger than the limit of {limitBytes} bytes. Compress or split it and upload again.',
  },
  upload_hash_mismatch: {
    kind: 'invalid',
    zh: '收到的内容与 Content-SHA256 不一致，请重新上传。',
    en: 'What arrived does not match Content-SHA256. Upload the file again.',
  },
  upload_incomplete: {
    kind: 'invalid',
    zh: '上传在完成前中断，请重新上传。',
    en: 'The upload broke off before its end. Upload the file again.',
  },
  route_unknown: {
    kind: 'not_found',
    zh: '没有这个地址。',
    en: 'There is nothing at this address.',
  },
  not_signed_in: {
    kind: 'unauthenticated',
    zh: '请先登录，或使用应用凭证签名请求。',
    en: 'Log in first, or sign the request with an app credential.',
  },
  session_required: {
    kind: 'forbidden',
    zh: '此操作需要由登录的个人完成，不能使用应用凭证。',
    en: 'This is done by a person who is logged in, not with an app credential.',
  },
  app_required: {
    kind: 'forbidden',
    zh: '此操作需要使用应用凭证。',
    en: 'This needs an app credential.',
  },
  csrf_header_missing: {
    kind: 'forbidden',
    zh: '使用 Cookie 登录的修改请求必须带有 X-Yinxin-Request: 1 请求头。',
    en: 'A request that changes something with a cookie log-in must carry the header X-Yinxin-Request: 1.',
  },
  app_signature_invalid: {
    kind: 'unauthenticated',
    zh: '应用签名无效：请检查 AppId、密钥与签名算法。',
    en: 'The app signature is not valid: check the app id, its secret and how the request is signed.',
  },
  app_signature_needs_hash: {
    kind: 'invalid',
    zh: '以应用凭证上传文件时必须给出 Content-SHA256 请求头（十六进制）。',
    en: 'An upload with an app credential must carry the header Content-SHA256 (hex).',
  },
  app_timestamp_stale: {
    kind: 'unauthenticated',
    zh: '请求时间戳与服务器时间相差超过 5 分钟，请校准时钟。',
    en: 'The timestamp of the request is more than 5 minutes away from the server time. Check the clock.',
  },
  app_nonce_used: {
    kind: 'unauthenticated',
    zh: '此 nonce 已经使用过，每次请求都须使用新的 nonce。',
    en: 'This nonce was used before; every request needs a new one.',
  },
  idempotency_key_invalid: {
    kind: 'invalid',
    zh: 'Idempotency-Key 应为 1 至 128 个可见的 ASCII 字符。',
    en: 'Idempotency-Key must be 1 to 128 visible ASCII characters.',
  },
  idempotency_key_reused: {
    kind: 'conflict',
    zh: '此 Idempotency-Key 已用于另一个不同的请求，请换一个新的。',
    en: 'This Idempotency-Key was used for a different request. Choose a new one.',
  },
  idempotency_in_progress: {
    kind: 'conflict',
    zh: '同一个请求正在处理中，请稍后再试。',
    en: 'The same request is still being worked on. Try again shortly.',
  },
  idempotency_needs_hash: {
    kind: 'invalid',
    zh: '上传文件时使用 Idempotency-Key，须同时给出 Content-SHA256 请求头。',
    en: 'An upload with an Idempotency-Key must carry the header Content-SHA256 as well.',
  },
  cursor_invalid: {
    kind: 'invalid',
    zh: 'cursor 无效，请使用上一页返回的 nextCursor。',
    en: 'The cursor is not one that was given out; use nextCursor of the page before.',
  },
  range_not_satisfiable: {
    kind: 'invalid',
    zh: '请求的字节范围超出文件。',
    en: 'The byte range asked for lies outside the file.',
  },
  too_many_requests: {
    kind: 'limited',
    zh: '请求过于频繁，请在 {seconds} 秒后重试。',
    en: 'Too many requests. Try again in {seconds} seconds.',
  },
  shutting_down: {
    kind: 'unavailable',
    zh: '服务正在停止，请稍后重试。',
    en: 'The server is shutting down. Try again shortly.',
  },
})
