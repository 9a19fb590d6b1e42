/** What a person typed into the password sheet. */
export interface PasswordDraft {
  way: 'code' | 'old'
  code: string
  oldPassword: string
  password: string
  again: string
}

export type PasswordFlaw = 'short' | 'different' | 'proof-missing'

/** What keeps the draft from being sent; the server judges the rest. */
export function flawOf(draft: PasswordDraft): PasswordFlaw | null {
  const { length } = [...draft.password]
  if (length < 8) return 'short'
  if (draft.password !== draft.again) return 'different'
  const isProven = draft.way === 'code' ? /^\d{6}$/.test(draft.code) : draft.oldPassword !== ''
  return isProven ? null : 'proof-missing'
}

/** The body of the request: one proof and never both. */
export function changeOf(draft: PasswordDraft) {
  return draft.way === 'code'
    ? { password: draft.password, code: draft.code }
    : { password: draft.password, oldPassword: draft.oldPassword }
}
