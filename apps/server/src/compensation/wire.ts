/** The shapes of claims on the wire. Amounts are whole fen; minutes are ISO in UTC. */
import { excludedCauses, slaServices } from '@yinxin/sla'
import { z } from 'zod'

const service = z.enum(slaServices)
const count = z.int().nonnegative()
const when = z.iso.datetime()
const state = z.enum([
  'drafted',
  'submitted',
  'in_review',
  'proof_wanted',
  'offered',
  'refused',
  'appealed',
  'accepted',
  'settled',
  'withdrawn',
])
const action = z.enum([
  'submit',
  'review',
  'want_proof',
  'offer',
  'refuse',
  'appeal',
  'accept',
  'settle',
  'withdraw',
])

export const claimBrief = z.object({
  id: z.uuid(),
  month: z.string(),
  state,
  origin: z.enum(['platform', 'company']),
  awardFen: count.nullable(),
  createdAt: when,
  changedAt: when,
})

export const claim = claimBrief.extend({
  /** What the acting subject may do now. */
  actions: z.array(action),
  measuredAt: when,
  agreement: z.object({ number: z.string(), amountFen: count }).nullable(),
  /** Numbers of incidents that touched it. */
  incidents: z.array(count),
  down: z.array(z.object({ service, from: z.string(), to: z.string(), minutes: count })),
  minutes: z.object({ eligible: count, excluded: count }),
  causes: z.array(
    z.object({
      services: z.array(service),
      from: z.string(),
      to: z.string(),
      cause: z.enum([...excludedCauses, 'platform', 'unknown']),
      evidence: z.array(z.string()),
      decidedAt: when,
    }),
  ),
  failures: z.array(z.object({ service, minute: z.string(), valid: count, failed: count })),
  losses: z.array(
    z.object({
      id: z.uuid(),
      description: z.string(),
      claimedFen: count,
      minute: z.string().nullable(),
      verifiedFen: count.nullable(),
      direct: z.boolean().nullable(),
      note: z.string().nullable(),
      proofs: z.array(
        z.object({
          id: z.uuid(),
          name: z.string(),
          mediaType: z.string(),
          sizeBytes: count,
          sha256: z.string(),
        }),
      ),
    }),
  ),
  /** Of the offer that stands. */
  lossFen: count.nullable(),
  limitFen: count.nullable(),
  settlement: z
    .object({
      payableFen: count,
      method: z.enum(['cash', 'credit']),
      reference: z.string(),
      settledAt: when,
    })
    .nullable(),
  steps: z.array(
    z.object({
      at: when,
      action: z.union([action, z.literal('draft')]),
      by: z.enum(['company', 'platform']),
      words: z.string().nullable(),
    }),
  ),
})

export const lossInput = z.object({
  description: z.string().trim().min(1).max(500),
  claimedFen: z.int().min(1).max(1_000_000_000_000_000),
  /** Of the failed operation; without it the loss belongs to the whole downtime. */
  minute: z.iso
    .datetime()
    .refine((text) => Date.parse(text) % 60_000 === 0, { error: 'not a whole minute' })
    .optional(),
})
