import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  AmountError,
  type AttributedMinute,
  attributeMinutes,
  awardOf,
  type CauseDecision,
  type ClaimAction,
  type ClaimState,
  claimActions,
  claimAfter,
  excludedCauses,
  flawsOf,
} from './compensation.ts'

const decision = (from: number, to: number, change: Partial<CauseDecision> = {}): CauseDecision => ({
  from,
  to,
  cause: 'carrier',
  evidence: ['probe report of the line'],
  proposedBy: 'li',
  confirmedBy: 'wang',
  decidedAtMs: 1000,
  ...change,
})
const minutes = (from: number, to: number) => Array.from({ length: to - from }, (_, index) => from + index)
const all = (from: number, to: number): AttributedMinute[] => attributeMinutes(minutes(from, to), [])

describe('the cause of a minute', () => {
  it('counts against the platform until somebody decided otherwise', () => {
    expect(all(10, 12)).toEqual([
      { minute: 10, cause: 'unknown', eligible: true },
      { minute: 11, cause: 'unknown', eligible: true },
    ])
  })

  it.each(excludedCauses)('is excluded for %s, minute by minute, its end not included', (cause) => {
    const found = attributeMinutes(minutes(10, 14), [decision(11, 13, { cause })])
    expect(found.map(({ eligible }) => eligible)).toEqual([true, false, false, true])
  })

  it.each([
    ['evidence_missing', { evidence: [] }],
    ['second_person_missing', { confirmedBy: undefined }],
    ['same_person', { confirmedBy: 'li' }],
    ['range_empty', { to: 10 }],
  ] as const)('is not excluded by a decision with a flaw: %s', (flaw, change) => {
    const flawed = decision(10, 20, change)
    expect(flawsOf(flawed)).toEqual([flaw])
    expect(attributeMinutes([10], [flawed])[0]?.eligible).toBe(true)
  })

  it('follows the later decision, and nobody needs a second person to burden the platform', () => {
    const back = decision(10, 11, {
      cause: 'platform',
      evidence: [],
      confirmedBy: undefined,
      decidedAtMs: 2000,
    })
    const found = attributeMinutes([10, 11], [back, decision(10, 12)])
    expect(found.map(({ cause }) => cause)).toEqual(['platform', 'carrier'])
  })
})

describe('an award', () => {
  const terms = { agreementFen: 100_000, awardedFen: 0 }
  it('is the direct loss up to exactly twice the agreement', () => {
    const of = (fen: number) => awardOf([{ verifiedFen: fen, isDirect: true }], all(0, 5), terms)
    expect(of(200_000)).toMatchObject({ awardFen: 200_000, isLimited: false })
    expect(of(200_001)).toMatchObject({
      lossFen: 200_001,
      limitFen: 200_000,
      awardFen: 200_000,
      isLimited: true,
    })
    expect(of(0)).toMatchObject({ awardFen: 0, isLimited: false })
  })

  it('shares the limit with earlier awards of the same agreement, and is never negative', () => {
    const after = (awardedFen: number) =>
      awardOf([{ verifiedFen: 50_000, isDirect: true }], all(0, 5), { ...terms, awardedFen })
    expect(after(150_000).awardFen).toBe(50_000)
    expect(after(150_001)).toMatchObject({ awardFen: 49_999, leftFen: 49_999, isLimited: true })
    expect(after(200_000).awardFen).toBe(0)
    expect(after(300_000).awardFen).toBe(0)
  })

  it('pays no profit that was not made', () => {
    const items = [
      { verifiedFen: 700, isDirect: true },
      { verifiedFen: 9_000, isDirect: false },
    ]
    expect(awardOf(items, all(0, 5), terms).awardFen).toBe(700)
  })

  it('of an incident with several causes follows its minutes: a share of the whole, all or nothing of an operation', () => {
    const mixed = attributeMinutes(minutes(0, 10), [decision(0, 7)])
    const of = (minute?: number) =>
      awardOf(
        [{ verifiedFen: 1001, isDirect: true, ...(minute === undefined ? {} : { minute }) }],
        mixed,
        terms,
      )
    // 1001 × 3 / 10 is 300.3: the broken fen is the company's.
    expect(of().awardFen).toBe(301)
    expect(of(6).awardFen).toBe(0)
    expect(of(7).awardFen).toBe(1001)
    expect(of(99).awardFen).toBe(0)
  })

  it('has no limit where the limit is void', () => {
    const award = awardOf([{ verifiedFen: 900_000, isDirect: true }], all(0, 5), {
      ...terms,
      isUnlimited: true,
    })
    expect(award).toEqual({
      lossFen: 900_000,
      limitFen: null,
      leftFen: null,
      awardFen: 900_000,
      isLimited: false,
    })
  })

  it.each([-1, 0.5, Number.NaN, 2 ** 53])('refuses %s as an amount', (verifiedFen) => {
    expect(() => awardOf([{ verifiedFen, isDirect: true }], all(0, 5), terms)).toThrow(AmountError)
  })

  it('of claims one after another never exceeds the limit together, whatever is claimed', () => {
    const amount = fc.integer({ min: 0, max: 2 ** 40 })
    fc.assert(
      fc.property(
        amount,
        fc.array(fc.array(amount, { maxLength: 4 }), { maxLength: 8 }),
        (agreementFen, claims) => {
          let awardedFen = 0
          let lossFen = 0
          for (const claim of claims) {
            const items = claim.map((verifiedFen) => ({ verifiedFen, isDirect: true }))
            const award = awardOf(items, all(0, 5), { agreementFen, awardedFen })
            awardedFen += award.awardFen
            lossFen += award.lossFen
          }
          expect(awardedFen).toBe(Math.min(lossFen, 2 * agreementFen))
        },
      ),
    )
  })
})

describe('a claim', () => {
  const states: ClaimState[] = [
    'drafted',
    'submitted',
    'in_review',
    'proof_wanted',
    'offered',
    'refused',
    'appealed',
    'accepted',
  ]

  it('can be ended from everywhere but refusal, which can be appealed, and acceptance, which is paid', () => {
    for (const state of states)
      expect(
        claimActions(state).some((action) => ['withdraw', 'appeal', 'settle'].includes(action)),
        state,
      ).toBe(true)
  })

  it('is settled only after an offer that the company accepted, by whatever way', () => {
    const actions: ClaimAction[] = [
      'submit',
      'review',
      'want_proof',
      'offer',
      'refuse',
      'appeal',
      'accept',
      'settle',
      'withdraw',
    ]
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...actions), { maxLength: 40 }), (tried) => {
        let state: ClaimState = 'drafted'
        const done: ClaimAction[] = []
        for (const action of tried) {
          const next = claimAfter(state, action)
          if (next === undefined) continue
          state = next
          done.push(action)
        }
        if (state === 'settled') expect(done.slice(-3)).toEqual(['offer', 'accept', 'settle'])
        if (state === 'withdrawn' || state === 'settled') expect(claimActions(state)).toEqual([])
      }),
      { numRuns: 2000 },
    )
  })
})
