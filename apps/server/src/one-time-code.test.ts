import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { judgeCode, type SentCode } from './one-time-code.ts'

const now = new Date('2026-11-24T10:00:00Z')
const hash = randomBytes(32)
const sent = (over: Partial<SentCode> = {}): SentCode => ({
  code_hash: hash,
  tries: 0,
  expires_at: new Date(now.getTime() + 1),
  used_at: null,
  ...over,
})

test('the right code is used up by being right', () => {
  expect(judgeCode(sent({ tries: 4 }), hash, now, 5)).toEqual({ verdict: 'right', change: { used_at: now } })
})

test('a wrong guess counts, and the last one allowed spends the code', () => {
  const guess = randomBytes(32)
  expect(judgeCode(sent({ tries: 3 }), guess, now, 5)).toEqual({ verdict: 'wrong', change: { tries: 4 } })
  expect(judgeCode(sent({ tries: 4 }), guess, now, 5)).toEqual({ verdict: 'spent', change: { tries: 5 } })
})

test('a spent code is not right any more, whatever is guessed', () => {
  expect(judgeCode(sent({ tries: 5 }), hash, now, 5)).toEqual({ verdict: 'spent', change: null })
})

test('a used one is known again by who has it, and by nobody else', () => {
  const used = sent({ used_at: now })
  expect(judgeCode(used, hash, now, 5)).toEqual({ verdict: 'used', change: null })
  expect(judgeCode(used, randomBytes(32), now, 5)).toEqual({ verdict: 'wrong', change: null })
})

test('no code and one at its end answer alike and change nothing', () => {
  for (const row of [undefined, sent({ expires_at: now })])
    expect(judgeCode(row, hash, now, 5)).toEqual({ verdict: 'wrong', change: null })
})
