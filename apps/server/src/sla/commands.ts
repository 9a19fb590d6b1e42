/** What operators do about the service level, through their own door. */
import { type SlaService, slaServices } from '@yinxin/sla'
import type { Operators } from '#src/operators/operators.ts'
import { refuse } from './errors.ts'
import type { Correction } from './revisions.ts'
import type { Sla } from './sla.ts'

type Options = Record<string, unknown>

export function createSlaCommands(
  sla: Pick<Sla, 'maintenance' | 'revisions'>,
  { proposals }: Pick<Operators, 'proposals'>,
) {
  return {
    async announce(options: Options): Promise<{ id: string }> {
      return await sla.maintenance.announce({
        services: readServices(options.services),
        from: readMinute(options.from),
        to: readMinute(options.to),
        textZh: text(options.textZh),
        textEn: text(options.textEn),
        by: text(options.by),
      })
    },
    async withdraw(options: Options): Promise<{ withdrawn: true }> {
      await sla.maintenance.withdraw(text(options.id), text(options.by))
      return { withdrawn: true }
    },
    /** Closes what is due at once instead of within the hour. */
    close: async () => ({ made: await sla.revisions.closeDue() }),
    // It changes what customers are owed: one operator proposes it, another confirms it.
    correct: proposals.define('sla-correct', {
      check(options: Options): Correction {
        const correction = readCorrection(options)
        sla.revisions.checkCorrection(correction)
        return correction
      },
      async decide(tx, correction, { proposedBy, confirmedBy }) {
        const made = { ...correction, madeBy: `${proposedBy.name} + ${confirmedBy.name}` }
        await sla.revisions.recordCorrection(tx, made)
        return made
      },
      after: (_, made) => sla.revisions.reviseFor(made),
    }),
  }
}

function readCorrection(options: Options): Correction {
  const [service] = readServices([options.service])
  if (service === undefined) throw refuse('sla_correction_incomplete')
  return {
    service,
    from: readMinute(options.from),
    to: readMinute(options.to),
    valid: Number(options.valid),
    ok: Number(options.ok),
    reason: text(options.reason),
    evidence: text(options.evidence),
    madeBy: 'proposed',
  }
}

function readServices(given: unknown): SlaService[] {
  const names: unknown[] = Array.isArray(given) && given.length > 0 ? given : [...slaServices]
  const known = names.filter((name): name is SlaService => slaServices.some((one) => one === name))
  if (known.length !== names.length) throw refuse('sla_correction_incomplete')
  return known
}

/** The minute that an ISO time in UTC names. @throws `sla_minute_unreadable` */
export function readMinute(given: unknown): number {
  const form = typeof given === 'string' && /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:00)?Z$/.test(given)
  const atMs = form ? Date.parse(given.replace(/(T\d{2}:\d{2})Z$/, '$1:00Z')) : Number.NaN
  if (Number.isNaN(atMs)) throw refuse('sla_minute_unreadable')
  return atMs / 60_000
}

const text = (given: unknown) => (typeof given === 'string' ? given.trim() : '')
