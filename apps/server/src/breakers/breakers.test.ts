import { describe, expect, it } from 'vitest'
import { createBreakers } from './breakers.ts'
import { manualClock } from '#src/clock.ts'
import { defineRefusals } from '#src/errors.ts'
import { createLog } from '#src/log.ts'

const start = new Date('2026-11-24T08:00:00Z')
const tsa = { kind: 'tsa', name: 'tsa.example' } as const
const fine = async () => 'fine'
const broken = async () => {
  throw Object.assign(new Error('connect to 10.0.0.7 refused'), { code: 'ECONNREFUSED' })
}

function stage(rules = {}) {
  const clock = manualClock(start)
  const breakers = createBreakers({ clock, log: createLog('silent') })
  const breaker = breakers.add(tsa, rules)
  const run = (work: () => Promise<unknown>) =>
    breaker.run(work).catch((error: { code?: string }) => error.code)
  return { clock, breakers, breaker, run }
}

describe('a circuit', () => {
  it('opens when half of twenty calls in ten seconds failed, and not at fewer', async () => {
    const { run, breaker, clock } = stage({ failedInRow: 100 })
    for (let n = 0; n < 19; n++) {
      await run(n % 2 === 0 ? broken : fine)
      clock.advance(400)
    }
    expect(breaker.status().state).toBe('closed')
    await run(broken)
    expect(breaker.status()).toMatchObject({ state: 'open', calls: 20, failures: 11 })
    expect(await run(fine)).toBe('dependency_unavailable')
  })

  it('forgets what lies longer back than its window', async () => {
    const { run, breaker, clock } = stage({ failedInRow: 100 })
    for (let n = 0; n < 15; n++) await run(broken)
    clock.advance(10_001)
    for (let n = 0; n < 19; n++) await run(fine)
    await run(broken)
    expect(breaker.status().state).toBe('closed')
  })

  it('opens after five failures in a row, however slowly they came', async () => {
    const { run, breaker, clock } = stage()
    for (let n = 0; n < 5; n++) {
      expect(breaker.status().state).toBe('closed')
      await run(broken)
      clock.advance(60_000)
    }
    expect(breaker.status().state).toBe('open')
  })

  it('lets one call try after half a minute: its success closes, its failure opens anew', async () => {
    const { run, breaker, clock } = stage()
    for (let n = 0; n < 5; n++) await run(broken)
    clock.advance(29_999)
    expect(await run(fine)).toBe('dependency_unavailable')
    clock.advance(1)
    await run(broken)
    expect(breaker.status().state).toBe('open')
    clock.advance(30_000)
    let answer = (_: string) => {}
    const trying = run(() => new Promise((resolve) => (answer = resolve)))
    expect(breaker.status().state).toBe('half-open')
    expect(await run(fine)).toBe('dependency_unavailable')
    answer('fine')
    expect(await trying).toBe('fine')
    expect(breaker.status().state).toBe('closed')
    expect(await run(fine)).toBe('fine')
  })

  it('does not count what a request was refused for', async () => {
    const { breaker } = stage()
    const refuse = defineRefusals({ test_invalid: { kind: 'invalid', zh: '无效', en: 'Invalid' } })
    for (let n = 0; n < 30; n++)
      await breaker
        .run(async () => {
          throw refuse('test_invalid')
        })
        .catch(() => undefined)
    expect(breaker.status()).toMatchObject({ state: 'closed', calls: 30, failures: 0 })
  })

  it('takes no more calls at a time than it has places, and loses none of them', async () => {
    const { run, breaker } = stage({ maxUnderWay: 3 })
    const ends: ((value: string) => void)[] = []
    const hanging = [0, 1, 2].map(() => run(() => new Promise((resolve) => ends.push(resolve))))
    expect(await run(fine)).toBe('dependency_busy')
    expect(breaker.status()).toMatchObject({ underWay: 3, refused: 1 })
    for (const end of ends) end('late')
    expect(await Promise.all(hanging)).toEqual(['late', 'late', 'late'])
    expect(await run(fine)).toBe('fine')
    expect(breaker.status().underWay).toBe(0)
  })

  it('tells operators the kind of failure and never the text of an error', async () => {
    const { run, breakers } = stage()
    await run(broken)
    const [status] = breakers.list()
    expect(status?.lastFailure?.reason).toBe('ECONNREFUSED')
    expect(JSON.stringify(breakers.list())).not.toContain('10.0.0.7')
  })
})

it('of many receivers the one not asked for longest is forgotten', async () => {
  const { breakers } = stage()
  const one = breakers.among({ kind: 'receiver', name: 'a.example' })
  expect(breakers.among({ kind: 'receiver', name: 'a.example' })).toBe(one)
  for (let n = 0; n < 2000; n++) breakers.among({ kind: 'receiver', name: `${n}.example` })
  expect(breakers.among({ kind: 'receiver', name: 'a.example' })).not.toBe(one)
  expect(breakers.list().length).toBeLessThanOrEqual(2002)
})
