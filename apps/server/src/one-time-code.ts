import { timingSafeEqual } from 'node:crypto'

/** What is kept of a code that was sent; never the code itself. */
export interface SentCode {
  code_hash: Uint8Array
  tries: number
  expires_at: Date
  used_at: Date | null
}

/**
 * `spent` is told apart from `wrong`, because only a new code helps then; `used` is the right one a second time, which
 * only somebody who has it can send: the first time may still be at work, in this process or another.
 */
export interface CodeJudgement {
  verdict: 'right' | 'wrong' | 'spent' | 'used'
  /** To be written to the row, under the lock it was read with; null when a guess at it changes nothing. */
  change: { used_at: Date } | { tries: number } | null
}

/**
 * Judges one guess at the newest code of somebody, for logging in and for signing alike. The caller reads the
 * row for update, so that guesses made at once are judged one after the other.
 */
export function judgeCode(
  row: SentCode | undefined,
  givenHash: Uint8Array,
  now: Date,
  maxTries: number,
): CodeJudgement {
  if (row === undefined || row.expires_at <= now) return { verdict: 'wrong', change: null }
  if (row.used_at !== null) {
    return { verdict: timingSafeEqual(givenHash, row.code_hash) ? 'used' : 'wrong', change: null }
  }
  if (row.tries >= maxTries) return { verdict: 'spent', change: null }
  if (timingSafeEqual(givenHash, row.code_hash)) return { verdict: 'right', change: { used_at: now } }
  const tries = row.tries + 1
  return { verdict: tries >= maxTries ? 'spent' : 'wrong', change: { tries } }
}
