/**
 * Circuit breakers and bulkheads, one per dependency: what does not answer is left alone for a while instead of being
 * waited for by everybody, and takes no more calls at a time than are set aside for it.
 */
import type { Clock } from '#src/clock.ts'
import { Refusal } from '#src/errors.ts'
import type { Log } from '#src/log.ts'
import { refuse } from './errors.ts'

/** What a breaker protects from; its state is public by this word, never by an address. */
export type DependencyKind = 'tsa' | 'mail' | 'sms' | 'identity' | 'database' | 'receiver'

export interface BreakerRules {
  /** Calls at a time; one more is refused. */
  maxUnderWay: number
  /** Opens when at least so many calls ended within the window and this share of them failed … */
  minCalls: number
  failedShare: number
  windowMs: number
  /** … or when so many failed in a row, however long that took. */
  failedInRow: number
  /** How long it stays open before one call may try. */
  openMs: number
}

/** At half of twenty calls in ten seconds; tried again after half a minute. */
const usual: BreakerRules = {
  maxUnderWay: 50,
  minCalls: 20,
  failedShare: 0.5,
  windowMs: 10_000,
  failedInRow: 5,
  openMs: 30_000,
}

export interface BreakerStatus {
  kind: DependencyKind
  /** Which one of its kind; for operators. */
  name: string
  /** `half-open`: one call is trying, the others are refused. */
  state: 'closed' | 'open' | 'half-open'
  since: Date
  underWay: number
  /** Since the start of the process. */
  calls: number
  failures: number
  /** Refused without a call: while open, or for want of a place. */
  refused: number
  lastFailure: { at: Date; reason: string } | null
}

export interface Breaker {
  /**
   * Does the work, or refuses to begin it.
   * @throws Refusal `dependency_unavailable`, `dependency_busy`, and whatever the work throws
   */
  run<T>(work: () => Promise<T>): Promise<T>
  /** Whether work would be begun now. */
  admits(): boolean
  status(): BreakerStatus
}

export interface BreakerDeps {
  clock: Clock
  log: Log
}

/** @param isFailure what counts against the dependency; refusals that are no outage do not */
export function createBreaker(
  { clock, log }: BreakerDeps,
  { kind, name }: { kind: DependencyKind; name: string },
  given: Partial<BreakerRules> = {},
  isFailure: (error: unknown) => boolean = isOutage,
): Breaker {
  const rules = { ...usual, ...given }
  let state: BreakerStatus['state'] = 'closed'
  let since = clock.now()
  let underWay = 0
  let inRow = 0
  let recent: { atMs: number; failed: boolean }[] = []
  let lastFailure: BreakerStatus['lastFailure'] = null
  const totals = { calls: 0, failures: 0, refused: 0 }

  function become(next: BreakerStatus['state']): void {
    if (next === state) return
    if (next === 'open') log.warn({ kind, name, reason: lastFailure?.reason }, 'circuit opened')
    if (next === 'closed') log.info({ kind, name }, 'circuit closed')
    state = next
    since = clock.now()
  }

  function admit(): void {
    if (state === 'open') {
      const leftMs = since.getTime() + rules.openMs - clock.now().getTime()
      if (leftMs > 0) {
        totals.refused += 1
        throw refuse('dependency_unavailable', { dependency: kind, seconds: Math.ceil(leftMs / 1000) })
      }
      become('half-open')
      return
    }
    if (state === 'half-open') {
      totals.refused += 1
      throw refuse('dependency_unavailable', { dependency: kind, seconds: 1 })
    }
    if (underWay >= rules.maxUnderWay) {
      totals.refused += 1
      throw refuse('dependency_busy', { dependency: kind })
    }
  }

  function note(failed: boolean, error: unknown): void {
    const now = clock.now()
    totals.calls += 1
    inRow = failed ? inRow + 1 : 0
    if (failed) {
      totals.failures += 1
      lastFailure = { at: now, reason: reasonOf(error) }
    }
    // A call from before the circuit opened says nothing about now.
    if (state === 'open') return
    if (state === 'half-open') {
      recent = []
      become(failed ? 'open' : 'closed')
      return
    }
    if (inRow >= rules.failedInRow) {
      become('open')
      return
    }
    if (!Number.isFinite(rules.minCalls)) return
    recent = recent.filter(({ atMs }) => atMs > now.getTime() - rules.windowMs).slice(-999)
    recent.push({ atMs: now.getTime(), failed })
    const failures = recent.filter((one) => one.failed).length
    const isMany = recent.length >= rules.minCalls && failures >= recent.length * rules.failedShare
    if (isMany) become('open')
  }

  return {
    async run(work) {
      admit()
      underWay += 1
      try {
        const result = await work()
        note(false, null)
        return result
      } catch (error) {
        note(isFailure(error), error)
        throw error
      } finally {
        underWay -= 1
      }
    },
    admits: () =>
      state === 'closed'
        ? underWay < rules.maxUnderWay
        : state === 'open' && clock.now().getTime() >= since.getTime() + rules.openMs,
    status: () => ({ kind, name, state, since, underWay, ...totals, lastFailure }),
  }
}

export interface Breakers {
  /** Makes one that stands in the list for as long as the process lives. */
  add(
    one: { kind: DependencyKind; name: string },
    rules?: Partial<BreakerRules>,
    isFailure?: (error: unknown) => boolean,
  ): Breaker
  /** One of many of a kind, forgotten when it was not asked for a long time. */
  among(
    one: { kind: DependencyKind; name: string },
    rules?: Partial<BreakerRules>,
    isFailure?: (error: unknown) => boolean,
  ): Breaker
  /** All there are, for metrics and operators. */
  list(): BreakerStatus[]
}

/** Of those that come and go, so many are remembered. */
const AMONG_MAX = 2000

export function createBreakers(deps: BreakerDeps): Breakers {
  const fixed: Breaker[] = []
  const passing = new Map<string, Breaker>()
  return {
    add(one, rules, isFailure) {
      const breaker = createBreaker(deps, one, rules, isFailure)
      fixed.push(breaker)
      return breaker
    },
    among(one, rules, isFailure) {
      const key = `${one.kind} ${one.name}`
      const breaker = passing.get(key) ?? createBreaker(deps, one, rules, isFailure)
      // The last asked for stands last; the first is the one that is forgotten.
      passing.delete(key)
      passing.set(key, breaker)
      const [oldest] = passing.keys()
      if (passing.size > AMONG_MAX && oldest !== undefined) passing.delete(oldest)
      return breaker
    },
    list: () => [...fixed, ...passing.values()].map((breaker) => breaker.status()),
  }
}

/** A refusal speaks about the request, unless it says that something is away. */
export function isOutage(error: unknown): boolean {
  return !(error instanceof Refusal) || error.kind === 'unavailable'
}

/** Of an error only its kind: its text may hold addresses or content. */
function reasonOf(error: unknown): string {
  if (error instanceof Refusal) return error.code
  const code = (error as { code?: unknown } | null)?.code
  if (typeof code === 'string' && /^\w{2,40}$/.test(code)) return code
  return error instanceof Error ? error.name : 'error'
}
