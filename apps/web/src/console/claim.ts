/** What a claim looks like on the wire, and its amounts in the words of people. */
import type { Cause, ClaimAction, ClaimState } from '@yinxin/sla'

export type OwnAction = Extract<ClaimAction, 'submit' | 'accept' | 'appeal' | 'withdraw'>

export interface ClaimBrief {
  id: string
  month: string
  state: ClaimState
  awardFen: number | null
}

export interface Claim extends ClaimBrief {
  actions: OwnAction[]
  agreement: { number: string; amountFen: number } | null
  minutes: { eligible: number; excluded: number }
  causes: { from: string; to: string; cause: Cause; evidence: string[]; decidedAt: string }[]
  failures: { failed: number }[]
  losses: {
    id: string
    description: string
    claimedFen: number
    verifiedFen: number | null
    direct: boolean | null
    note: string | null
    proofs: { id: string; name: string }[]
  }[]
  limitFen: number | null
  settlement: { payableFen: number; method: 'cash' | 'credit' } | null
  steps: { at: string; action: ClaimAction | 'draft'; words: string | null }[]
}

export const tones: Record<ClaimState, string> = {
  drafted: '',
  submitted: 'wait',
  in_review: 'wait',
  proof_wanted: 'wait',
  offered: 'good',
  refused: 'bad',
  appealed: 'wait',
  accepted: 'good',
  settled: 'good',
  withdrawn: '',
}

/** `¥1,234.56`, exact in whole fen. */
export function yuan(fen: number): string {
  const whole = Math.floor(fen / 100)
    .toString()
    .replace(/\B(?=(\d{3})+$)/g, ',')
  return `¥${whole}.${String(fen % 100).padStart(2, '0')}`
}

/** Whole fen of what was typed; null for what is no amount above zero. */
export function fenOf(text: string): number | null {
  const found = /^(\d{1,13})(?:\.(\d{1,2}))?$/.exec(text.trim().replaceAll(',', ''))
  if (found === null) return null
  const fen = Number(found[1]) * 100 + Number((found[2] ?? '').padEnd(2, '0'))
  return fen > 0 ? fen : null
}
