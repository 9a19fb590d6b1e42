/** The numbers under which clients of this protocol know a refusal, and the HTTP status they come with. */
import type { Refusal, RefusalKind } from '#src/errors.ts'

export const SUCCESS = '100000'
export const FAILURE = '100001'

const BY_REFUSAL: Record<string, string> = {
  fasc_token_invalid: '100002',
  fasc_signature_invalid: '100003',
  fasc_timestamp_stale: '100003',
  fasc_nonce_used: '100003',
  fasc_header_invalid: '100003',
  too_many_requests: '100004',
  fasc_too_fast: '100004',
  fasc_not_implemented: '100008',
  fasc_path_unknown: '100008',
  fasc_header_missing: '100012',
  fasc_corp_unknown: '210001',
  fasc_user_unknown: '210001',
  fasc_initiator_foreign: '210001',
  fasc_scope_missing: '213001',
  sign_task_not_found: '211001',
  fasc_document_unknown: '211001',
  task_document_not_found: '211001',
  task_not_draft: '211055',
  task_without_documents: '211056',
  fasc_actor_invalid: '211066',
  actor_unknown: '211066',
  actor_contact_missing: '211066',
  actor_contact_invalid: '211066',
  actor_subject_unknown: '211066',
  copy_has_field: '211066',
  link_ended: '211126',
  fasc_upload_unknown: '211100',
  fasc_upload_pending: '211100',
  fasc_upload_ended: '211100',
  file_not_found: '211096',
  fasc_scene_missing: '211118',
  free_sign_not_granted: '211118',
  task_not_signing: '211126',
  duplicate_ref: '211132',
  unknown_ref: '211132',
  keyword_not_found: '211132',
  fasc_field_unbound: '211154',
  task_without_signers: '211161',
}

/** Refusals that have a number of their own. */
export const NAMED_REFUSALS: readonly string[] = Object.keys(BY_REFUSAL)

/** Whole families that have one number. */
const BY_PREFIX: [string, string][] = [
  ['file_', '211099'],
  ['outside_', '211099'],
  ['fasc_fetch_', '211099'],
  ['fasc_file_', '211099'],
  ['fasc_field_', '211132'],
  ['field_', '211132'],
]

/** Every number that an answer may carry. */
export function codesGiven(): string[] {
  return [...new Set([SUCCESS, FAILURE, ...Object.values(BY_REFUSAL), ...BY_PREFIX.map(([, code]) => code)])]
}

/** What is wrong with a request in itself travels as 200, as the clients expect; the code says what it is. */
const STATUS: Partial<Record<RefusalKind, number>> = {
  unauthenticated: 401,
  unavailable: 503,
}

export interface Failure {
  status: number
  code: string
}

export function failureOf(refusal: Refusal): Failure {
  const known = BY_REFUSAL[refusal.code] ?? BY_PREFIX.find(([prefix]) => refusal.code.startsWith(prefix))?.[1]
  const code = known ?? FAILURE
  if (code.startsWith('213')) return { status: 401, code }
  if (code === '100004') return { status: 403, code }
  if (refusal.code === 'fasc_path_unknown') return { status: 404, code }
  return { status: STATUS[refusal.kind] ?? 200, code }
}
