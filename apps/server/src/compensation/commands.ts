/** `yinxin compensation …` on a running server. */
import { excludedCauses, minuteText, slaServices } from '@yinxin/sla'
import { z } from 'zod'
import type { Accounts } from '#src/accounts/accounts.ts'
import type { OperatorCall, OperatorCommands } from '#src/operator-door.ts'
import type { Operators } from '#src/operators/operators.ts'
import type { ClaimView, Compensation } from './compensation.ts'
import { checkCause } from './deciding.ts'
import { refuse } from './errors.ts'
import type { ClaimRow } from './tables.ts'

const fen = z.coerce.number().int().nonnegative()
const words = z.string().trim().min(1).max(2000)
const instant = z.iso.datetime({ offset: true }).transform((text) => new Date(text))
const wholeMinute = instant.transform((at) => at.getTime() / 60_000).pipe(z.int())
const one = z.object({ id: z.uuid() })
const causeInput = z.object({
  services: z.array(z.enum(slaServices)).min(1),
  from: wholeMinute,
  to: wholeMinute,
  cause: z.enum([...excludedCauses, 'platform', 'unknown']),
  evidence: z.array(z.string().trim().min(1).max(500)).max(50).default([]),
  tenantId: z.uuid().nullable().default(null),
  incident: z.coerce.number().int().positive().nullable().default(null),
})
const agreementInput = z.object({
  tenantId: z.uuid(),
  number: z.string().trim().min(1).max(100),
  amountFen: fen,
  from: instant,
  until: instant.nullable().default(null),
})
const verifyInput = one.extend({
  fen,
  indirect: z.boolean().default(false),
  note: z.string().trim().max(2000).default(''),
})
const offerInput = one.extend({ fen, unlimited: z.boolean().default(false), reason: words })
const settleInput = one.extend({
  method: z.enum(['cash', 'credit']),
  reference: z.string().trim().min(1).max(200),
})

/** Options that cannot be read are told by a code of this room. */
function read<S extends z.ZodType>(
  schema: S,
  options: unknown,
  code: 'cause_incomplete' | 'agreement_unreadable' | 'claim_reason_missing' | 'claim_verified_amount',
): z.output<S> {
  const found = schema.safeParse(options)
  if (!found.success) throw refuse(code, {}, found.error)
  return found.data
}

export interface CompensationCommandDeps {
  compensation: Pick<Compensation, 'operating' | 'draftDue'>
  operators: Pick<Operators, 'requireOperator' | 'proposals' | 'list'>
  accounts: Pick<Accounts, 'corp' | 'corpByCreditCode'>
}

export function createCompensationCommands(deps: CompensationCommandDeps): OperatorCommands {
  const { compensation, operators, accounts } = deps
  const { operating } = compensation
  const { requireOperator, proposals } = operators

  /** A company by its credit code, or any subject by its id. */
  async function tenantOf(given: unknown): Promise<string | undefined> {
    if (typeof given !== 'string' || given === '') return undefined
    const corp = await accounts.corpByCreditCode(given)
    return corp?.id ?? (z.uuid().safeParse(given).success ? given : undefined)
  }
  /** The proposal holds the id, so that what is confirmed is what was meant. */
  const withTenant =
    (command: OperatorCommands[string]): OperatorCommands[string] =>
    async ({ company, ...options }, call: OperatorCall) => {
      const tenantId = await tenantOf(company)
      return await command({ ...options, ...(tenantId === undefined ? {} : { tenantId }) }, call)
    }

  const readCause = (options: unknown) => {
    const cause = read(causeInput, options, 'cause_incomplete')
    checkCause(cause)
    return cause
  }

  return {
    'compensation-list': async ({ all }) => ({
      claims: (await operating.queue(all === true)).map(inBrief),
    }),
    'compensation-show': async (options) => {
      const names = new Map((await operators.list()).map(({ id, name }) => [id, name]))
      return toShow(await operating.show(one.parse(options).id), names)
    },
    'compensation-draft': async () => {
      await compensation.draftDue()
      return { queued: true }
    },
    'compensation-agreement': withTenant(
      proposals.define('compensation-agreement', {
        check(options) {
          const given = read(agreementInput, options, 'agreement_unreadable')
          if (given.until !== null && given.until <= given.from) throw refuse('agreement_unreadable')
          return given
        },
        decide: (tx, given, by) => operating.recordAgreement(tx, given, by),
      }),
    ),
    'compensation-exclude': withTenant(
      proposals.define('compensation-exclude', {
        check: readCause,
        decide: (tx, given, by) => operating.recordCause(tx, given, by),
      }),
    ),
    // What burdens the platform needs neither proof nor second person.
    'compensation-burden': withTenant(async (options, call) => {
      const proposedBy = requireOperator(call)
      const given = readCause(options)
      return await operating.burden(given, proposedBy)
    }),
    'compensation-review': async (options, call) =>
      inBrief(await operating.review(one.parse(options).id, requireOperator(call))),
    'compensation-verify': async (options, call) => {
      const operator = requireOperator(call)
      const { id, fen: verifiedFen, indirect, note } = read(verifyInput, options, 'claim_verified_amount')
      await operating.verify(id, { verifiedFen, isDirect: !indirect, note }, operator)
      return { verified: true }
    },
    'compensation-want-proof': async (options, call) => {
      const operator = requireOperator(call)
      const given = read(one.extend({ reason: words }), options, 'claim_reason_missing')
      return inBrief(await operating.wantProof(given.id, given.reason, operator))
    },
    'compensation-proof': async (options, call) => {
      const { proof, content } = await operating.proof(one.parse(options).id, requireOperator(call))
      const { name, media_type: mediaType, sha256 } = proof
      return { name, mediaType, sha256, base64: content.toString('base64') }
    },
    'compensation-offer': proposals.define('compensation-offer', {
      check: (options) => read(offerInput, options, 'claim_reason_missing'),
      decide: async (tx, { id, fen: awardFen, unlimited, reason }, by) =>
        inBrief(await operating.offer(tx, { id, awardFen, isUnlimited: unlimited, words: reason }, by)),
    }),
    'compensation-refuse': proposals.define('compensation-refuse', {
      check: (options) => read(one.extend({ reason: words }), options, 'claim_reason_missing'),
      decide: async (tx, { id, reason }, by) =>
        inBrief(await operating.refuseClaim(tx, { id, words: reason }, by)),
    }),
    'compensation-settle': proposals.define('compensation-settle', {
      check: (options) => settleInput.parse(options),
      decide: async (tx, given, by) => inBrief(await operating.settle(tx, given, by)),
    }),
    'compensation-settlements': async () => ({ settlements: await operating.settlements() }),
  }
}

const inBrief = (row: ClaimRow) => ({
  id: row.id,
  tenantId: row.tenant_id,
  month: row.month,
  state: row.state,
  origin: row.origin,
  awardFen: row.award_fen,
  changedAt: row.changed_at,
})

function toShow(
  { claim, items, steps, agreement, settlement, minutes, award, incidents }: ClaimView,
  names: Map<string, string>,
) {
  return {
    ...inBrief(claim),
    agreement,
    incidents,
    down: claim.down.map(({ service, from, to }) => ({
      service,
      from: minuteText(from),
      to: minuteText(to),
    })),
    failures: claim.failures.map((each) => ({ ...each, minute: minuteText(each.minute) })),
    minutes: minutes.map((each) => ({ ...each, minute: minuteText(each.minute) })),
    losses: items.map(({ minute, ...item }) => ({
      ...item,
      minute: minute === null ? null : minuteText(minute),
    })),
    /** What would be offered now. */
    award,
    steps: steps.map(({ operator_ids, ...step }) => ({
      ...step,
      operators: operator_ids.map((id) => names.get(id) ?? id),
    })),
    settlement,
  }
}
