import { z } from 'zod'
import type { Accounts } from '#src/accounts/accounts.ts'
import { endpoint, type Endpoints } from './endpoint.ts'
import { refuse } from './errors.ts'
import type { FascCaller } from './gate.ts'
import { readOpenId, toOpenId } from './open-ids.ts'
import { text, timeText } from './shapes.ts'

type People = Pick<Accounts, 'corp' | 'corpByCreditCode' | 'person' | 'membership'>

/** What an app may do for its own company: all that this platform offers. */
const CORP_SCOPES = ['ident_info', 'seal_info', 'signtask_init', 'signtask_info', 'signtask_file']

/** `/corp/…` and `/user/…`: who somebody is, as far as the app may know. */
export function subjectEndpoints(accounts: People): Endpoints {
  return {
    '/corp/get': endpoint(
      z.object({ openCorpId: text(64), clientCorpId: text(64), corpIdentNo: text(50) }),
      async (caller, input) => {
        if (input.clientCorpId !== undefined) throw refuse('fasc_unsupported', { name: 'clientCorpId' })
        const corp =
          input.corpIdentNo === undefined
            ? await ownCorp(accounts, caller, input.openCorpId ?? '')
            : await accounts.corpByCreditCode(input.corpIdentNo)
        if (corp === null) throw refuse('fasc_corp_unknown', { id: input.corpIdentNo ?? '' })
        // Of another company an app learns only that it is here.
        const isOwn = corp.id === caller.subjectId
        return {
          clientCorpId: null,
          openCorpId: isOwn ? toOpenId(corp.id) : null,
          bindingStatus: isOwn ? 'authorized' : 'unauthorized',
          authScope: isOwn ? CORP_SCOPES : [],
          identStatus: corp.identity.verified ? 'identified' : 'unidentified',
          availableStatus: 'enable',
        }
      },
    ),

    '/corp/get-identity-info': endpoint(
      z.object({ openCorpId: z.string().max(64) }),
      async (caller, input) => {
        const corp = await ownCorp(accounts, caller, input.openCorpId)
        return {
          openCorpId: toOpenId(corp.id),
          corpIdentStatus: corp.identity.verified ? 'identified' : 'unidentified',
          corpIdentInfo: {
            corpName: corp.name,
            corpIdentType: 'corp',
            corpIdentNo: corp.creditCode,
            legalRepName: corp.legalRepresentative,
          },
          corpIdentMethod: corp.identity.method,
          identSuccessTime: timeText(corp.identity.verifiedAt),
        }
      },
    ),

    '/user/get': endpoint(
      z.object({ openUserId: text(64), clientUserId: text(64) }),
      async (caller, input) => {
        if (input.openUserId === undefined) throw refuse('fasc_unsupported', { name: 'clientUserId' })
        const person = await personOf(accounts, input.openUserId)
        const isMember = (await accounts.membership(caller.subjectId, person.id)) !== null
        return {
          clientUserId: null,
          openUserId: toOpenId(person.id),
          bindingStatus: isMember ? 'authorized' : 'unauthorized',
          authScope: isMember ? ['ident_info'] : [],
          identStatus: person.identity.verified ? 'identified' : 'unidentified',
          availableStatus: 'enable',
        }
      },
    ),

    '/user/get-identity-info': endpoint(
      z.object({ openUserId: z.string().max(64) }),
      async (caller, input) => {
        const person = await personOf(accounts, input.openUserId)
        // A name is personal: an app learns that of its own company's members, and nobody's number.
        if ((await accounts.membership(caller.subjectId, person.id)) === null)
          throw refuse('fasc_scope_missing')
        return {
          openUserId: toOpenId(person.id),
          identStatus: person.identity.verified ? 'identified' : 'unidentified',
          userIdentInfo: { userName: person.name, identType: 'id_card' },
          identMethod: person.identity.method,
          identSuccessTime: timeText(person.identity.verifiedAt),
        }
      },
    ),
  }
}

/** The app's company, by its id. @throws `fasc_corp_unknown` for any other */
export async function ownCorp(accounts: Pick<Accounts, 'corp'>, caller: FascCaller, id: string) {
  const corp = readOpenId(id) === caller.subjectId ? await accounts.corp(caller.subjectId) : null
  if (corp === null) throw refuse('fasc_corp_unknown', { id: id.slice(0, 64) })
  return corp
}

async function personOf(accounts: Pick<Accounts, 'person'>, id: string) {
  const personId = readOpenId(id)
  const person = personId === null ? null : await accounts.person(personId)
  if (person === null) throw refuse('fasc_user_unknown', { id: id.slice(0, 64) })
  return person
}
