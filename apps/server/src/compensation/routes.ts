import { claimActions, claimActors, minuteText } from '@yinxin/sla'
import { z } from 'zod'
import {
  type ByteRange,
  decodeCursor,
  fileAnswer,
  type Http,
  pageFrom,
  pageOf,
  pageQuery,
} from '#src/http/http.ts'
import { type ClaimRow, type ClaimView, type Compensation, PROOF_BYTES_MAX } from './compensation.ts'
import * as wire from './wire.ts'

const idParams = z.object({ id: z.uuid() })
const pace = { max: 60, perMs: 60_000 }

/** For companies: their claims, losses and proofs. */
export function addCompensationRoutes({
  http,
  compensation,
}: {
  http: Http
  compensation: Compensation
}): void {
  const { route } = http

  route({
    method: 'GET',
    url: '/api/v1/compensation/claims',
    summary: 'Lists claims of the acting subject for service it did not get, newest first.',
    access: 'session',
    query: pageQuery,
    answer: pageOf(wire.claimBrief),
    handle: async ({ caller, query }) => {
      const position = decodeCursor(query.cursor, z.tuple([z.uuid()]))
      const found = await compensation.list(caller, {
        ...(position === undefined ? {} : { beforeId: position[0] }),
        limit: query.limit + 1,
      })
      return pageFrom(found, query.limit, (one) => [one.id], inBrief)
    },
  })

  route({
    method: 'POST',
    url: '/api/v1/compensation/claims',
    summary: 'Begins a claim for a month; most are drafted by the platform when the month is closed.',
    access: 'session',
    body: z.object({ month: z.string().regex(/^\d{4}-\d{2}$/) }),
    answer: wire.claim,
    status: 201,
    rateLimit: pace,
    handle: async ({ caller, body }) => {
      const id = await compensation.begin(caller, body.month)
      return toWire(await compensation.get(caller, id))
    },
  })

  route({
    method: 'GET',
    url: '/api/v1/compensation/claims/:id',
    summary: 'Shows a claim: minutes and their causes, failed operations, losses, steps, what is to be paid.',
    access: 'session',
    params: idParams,
    answer: wire.claim,
    handle: async ({ caller, params }) => toWire(await compensation.get(caller, params.id)),
  })

  route({
    method: 'POST',
    url: '/api/v1/compensation/claims/:id/losses',
    summary: 'Adds a loss to a claim that is drafted or lacks proof.',
    access: 'session',
    params: idParams,
    body: wire.lossInput,
    answer: wire.claim,
    status: 201,
    rateLimit: pace,
    handle: async ({ caller, params, body }) => {
      const minute = body.minute === undefined ? null : Date.parse(body.minute) / 60_000
      await compensation.addLoss(caller, params.id, {
        description: body.description,
        claimedFen: body.claimedFen,
        minute,
      })
      return toWire(await compensation.get(caller, params.id))
    },
  })

  route({
    method: 'DELETE',
    url: '/api/v1/compensation/losses/:id',
    summary: 'Takes a loss back; its proofs are destroyed.',
    access: 'session',
    params: idParams,
    answer: null,
    handle: ({ caller, params }) => compensation.removeLoss(caller, params.id),
  })

  route({
    method: 'POST',
    url: '/api/v1/compensation/losses/:id/proofs',
    summary:
      'Uploads a file that shows a loss (PDF, PNG or JPEG); it is encrypted under the key of the company.',
    access: 'session',
    params: idParams,
    body: 'stream',
    consumes: ['application/pdf', 'image/png', 'image/jpeg', 'application/octet-stream'],
    answer: z.object({ id: z.uuid() }),
    status: 201,
    rateLimit: pace,
    handle: async ({ caller, params, upload }) => {
      const content = upload(PROOF_BYTES_MAX)
      const name = (content.fileName ?? 'proof').slice(0, 200)
      return { id: await compensation.addProof(caller, params.id, { name, content }) }
    },
  })

  route({
    method: 'GET',
    url: '/api/v1/compensation/proofs/:id',
    summary: 'Downloads a proof.',
    access: 'session',
    params: idParams,
    answer: 'raw',
    produces: ['application/pdf', 'image/png', 'image/jpeg'],
    handle: async ({ caller, params, request }) => {
      const { proof, content } = await compensation.proof(caller, params.id)
      return fileAnswer({
        range: request.headers.range,
        sizeBytes: proof.size_bytes,
        sha256: proof.sha256,
        contentType: proof.media_type,
        fileName: proof.name,
        disposition: 'attachment',
        read: (range) => partOf(content, range),
      })
    },
  })

  for (const [action, summary] of [
    ['submit', 'Submits a claim; each loss has its proof.'],
    ['appeal', 'Disagrees with an offer or a refusal; somebody else decides anew.'],
    ['accept', 'Accepts what was offered.'],
    ['withdraw', 'Withdraws a claim.'],
  ] as const)
    route({
      method: 'POST',
      url: `/api/v1/compensation/claims/:id/${action}`,
      summary,
      access: 'session',
      params: idParams,
      body: z.object({ reason: z.string().trim().min(1).max(2000).optional() }),
      answer: wire.claim,
      rateLimit: pace,
      handle: async ({ caller, params, body }) => {
        await compensation.act(caller, params.id, action, body.reason)
        return toWire(await compensation.get(caller, params.id))
      },
    })
}

async function* partOf(content: Buffer, range?: ByteRange): AsyncGenerator<Uint8Array> {
  yield range === undefined ? content : content.subarray(range.start, range.end + 1)
}

const inBrief = (row: ClaimRow) => ({
  id: row.id,
  month: row.month,
  state: row.state,
  origin: row.origin,
  awardFen: row.award_fen,
  createdAt: row.created_at.toISOString(),
  changedAt: row.changed_at.toISOString(),
})

function toWire(view: ClaimView): z.input<typeof wire.claim> {
  const { claim, items, steps, agreement, settlement, minutes, incidents } = view
  return {
    ...inBrief(claim),
    actions: claimActions(claim.state).filter((action) => claimActors[action] === 'company'),
    measuredAt: claim.measured_at.toISOString(),
    agreement: agreement && { number: agreement.number, amountFen: agreement.amount_fen },
    incidents: incidents.map(({ number }) => number),
    down: claim.down.map(({ service, from, to }) => ({
      service,
      from: minuteText(from),
      to: minuteText(to),
      minutes: to - from,
    })),
    minutes: {
      eligible: minutes.filter(({ eligible }) => eligible).length,
      excluded: minutes.filter(({ eligible }) => !eligible).length,
    },
    causes: view.causes.map((row) => ({
      services: row.services,
      from: minuteText(row.from_minute),
      to: minuteText(row.to_minute),
      cause: row.cause,
      evidence: row.evidence,
      decidedAt: row.decided_at.toISOString(),
    })),
    failures: claim.failures.map((one) => ({ ...one, minute: minuteText(one.minute) })),
    losses: items.map((item) => ({
      id: item.id,
      description: item.description,
      claimedFen: item.claimed_fen,
      minute: item.minute === null ? null : minuteText(item.minute),
      verifiedFen: item.verified_fen,
      direct: item.direct,
      note: item.verified_note,
      proofs: item.proofs.map(({ id, name, media_type, size_bytes, sha256 }) => ({
        id,
        name,
        mediaType: media_type,
        sizeBytes: size_bytes,
        sha256,
      })),
    })),
    lossFen: claim.loss_fen,
    limitFen: claim.limit_fen,
    settlement: settlement && {
      payableFen: settlement.payable_fen,
      method: settlement.method,
      reference: settlement.reference,
      settledAt: settlement.settled_at.toISOString(),
    },
    steps: steps.map(({ at, action, by_kind, words }) => ({
      at: at.toISOString(),
      action,
      by: by_kind,
      words,
    })),
  }
}
