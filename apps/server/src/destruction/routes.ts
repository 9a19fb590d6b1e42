import type { Destruction as WireDestruction, RetiredMedium } from '@yinxin/sdk/wire'
import { z } from 'zod'
import type { Http } from '#src/http/http.ts'
import { plain } from '#src/http/plain.ts'
import type { Destruction } from './destruction.ts'
import { isCancellable } from './lifecycle.ts'
import { recordOf } from './record.ts'
import type { CertificateRow, DestructionRow, MediumRow } from './store.ts'
import * as wire from './wire.ts'

const taskParams = z.object({ id: z.uuid() })
const requestParams = taskParams.extend({ requestId: z.uuid() })

export function addDestructionRoutes({ http, destruction }: { http: Http; destruction: Destruction }): void {
  const { route } = http

  route({
    method: 'GET',
    url: '/api/v1/sign-tasks/:id/destruction',
    summary:
      'Shows the requests to destroy a contract that the acting subject may see, and legal holds on it.',
    access: 'caller',
    params: taskParams,
    answer: wire.destructionOverview,
    handle: async ({ caller, params }) => {
      const { requests, holds, termEndedAt } = await destruction.overview(caller, params.id)
      return {
        requests: requests.map((one) => view(one.row, one.certificates, caller.subjectId)),
        holds: holds.map((one) => ({ basis: one.basis, placedAt: one.placed_at.toISOString() })),
        termEndedAt: iso(termEndedAt),
        coolingOffDays: destruction.coolingOffDays,
      }
    },
  })

  route({
    method: 'POST',
    url: '/api/v1/sign-tasks/:id/destruction/code',
    summary: 'Sends the one-time code that a request for destruction needs to the login of the session.',
    access: 'session',
    params: taskParams,
    answer: wire.sentCode,
    handle: async ({ caller, params, lang }) => {
      const { sentTo, expiresAt } = await destruction.sendCode(caller, params.id, lang)
      return { sentTo, expiresAt: expiresAt.toISOString() }
    },
  })

  route({
    method: 'POST',
    url: '/api/v1/sign-tasks/:id/destruction',
    summary:
      'Asks for destruction: of the own access at once, of the contract after consent of all or at the end of the service.',
    access: 'session',
    params: taskParams,
    body: wire.destructionInput,
    answer: wire.destruction,
    status: 201,
    example: { body: { basis: 'own', code: '123456' } },
    handle: async ({ caller, params, body }) => {
      const { at, ...rest } = plain(body)
      const row = await destruction.request(caller, params.id, {
        ...rest,
        ...(at === undefined ? {} : { at: new Date(at) }),
      })
      return view(row, [], caller.subjectId)
    },
  })

  route({
    method: 'POST',
    url: '/api/v1/sign-tasks/:id/destruction/:requestId/cancel',
    summary: 'Calls a destruction off, as long as it has not begun.',
    access: 'session',
    params: requestParams,
    answer: wire.destruction,
    handle: async ({ caller, params }) =>
      view(await destruction.cancel(caller, params.id, params.requestId), [], caller.subjectId),
  })

  route({
    method: 'GET',
    url: '/api/v1/sign-tasks/:id/destruction/:requestId/certificate',
    summary: 'Downloads the certificate of destruction: JSON with its proofs, sealed PDF, or both in a ZIP.',
    access: 'caller',
    params: requestParams,
    query: z.object({ form: z.enum(['json', 'pdf', 'zip']).default('pdf'), stage: wire.stage.optional() }),
    answer: 'raw',
    produces: ['application/json', 'application/pdf', 'application/zip'],
    handle: async ({ caller, params, query }) => {
      const { made, proof, zip } = await destruction.certificate(
        caller,
        params.id,
        params.requestId,
        query.stage,
      )
      const headers = { 'content-disposition': `attachment; filename="${made.number}.${query.form}"` }
      if (query.form === 'json')
        return {
          contentType: 'application/json; charset=utf-8',
          body: `${JSON.stringify(proof, undefined, 2)}\n`,
          headers,
        }
      if (query.form === 'zip') return { contentType: 'application/zip', body: zip(), headers }
      return { contentType: 'application/pdf', body: made.pdf ?? new Uint8Array(), headers }
    },
  })

  route({
    method: 'GET',
    url: '/api/v1/destructions',
    summary:
      'Lists the destructions the acting subject asked for, newest first; also of contracts it no longer sees.',
    access: 'caller',
    answer: z.object({ items: z.array(wire.destruction) }),
    handle: async ({ caller }) => ({
      items: (await destruction.list(caller)).map((row) => view(row, [], caller.subjectId)),
    }),
  })

  route({
    method: 'GET',
    url: '/api/v1/retired-media',
    summary: 'The register of retired storage media: which, how sanitised, and the digest of the proof.',
    access: 'caller',
    answer: z.object({ items: z.array(wire.retiredMedium) }),
    handle: async () => ({ items: (await destruction.media.list()).map(mediumView) }),
  })
}

function view(
  row: DestructionRow,
  certificates: readonly CertificateRow[],
  viewerId: string,
): WireDestruction {
  const mine = row.tenant_id === viewerId
  return {
    id: row.id,
    taskId: row.task_id,
    basis: row.basis,
    extent: row.extent,
    state: row.state,
    mine,
    cancellable: mine && isCancellable(row.state),
    requestedAt: row.requested_at.toISOString(),
    approvedAt: iso(row.approved_at),
    dueAt: iso(row.due_at),
    promisedAt: iso(row.promised_at),
    agreementTaskId: row.agreement_task_id,
    shreddedAt: iso(row.shredded_at),
    provisionalAt: iso(row.provisional_at),
    finalAt: iso(row.final_at),
    problem: row.problem,
    attempts: row.attempts,
    nextTryAt: iso(row.next_try_at),
    history: recordOf(row).history,
    certificates: certificates.map((one) => ({
      stage: one.stage,
      number: one.number,
      sha256: one.sha256,
      ready: one.pdf !== null,
    })),
  }
}

/** Who did it stays with the operator; what was done and its proof are for everybody. */
function mediumView(row: MediumRow): RetiredMedium {
  return {
    id: row.id,
    device: row.device,
    serial: row.serial,
    domain: row.domain,
    method: row.method,
    standard: row.standard,
    proofName: row.proof_name,
    proofSha256: row.proof_sha256,
    retiredAt: row.retired_at.toISOString(),
    recordedAt: row.recorded_at.toISOString(),
  }
}

const iso = (at: Date | null): string | null => at?.toISOString() ?? null
