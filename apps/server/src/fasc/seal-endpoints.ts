import { z } from 'zod'
import type { Accounts } from '#src/accounts/accounts.ts'
import type { SealKind, Seals, SealWithScenes } from '#src/seals/seals.ts'
import { endpoint, type Endpoints } from './endpoint.ts'
import { refuse } from './errors.ts'
import type { FascCaller } from './gate.ts'
import type { DownloadLinks } from './links.ts'
import { toOpenId } from './open-ids.ts'
import type { SealNumbers } from './seal-numbers.ts'
import { sealId, timeText } from './shapes.ts'
import { ownCorp } from './subject-endpoints.ts'

const CATEGORIES: Record<SealKind, string> = {
  official: 'official_seal',
  contract: 'contract_seal',
  finance: 'financial_seal',
  'legal-representative': 'legal_representative_seal',
  personal: 'other',
}

/** `/seal/…`: the company's seals, and where they sign without verification. */
export function sealEndpoints(deps: {
  accounts: Pick<Accounts, 'corp'>
  seals: Pick<Seals, 'list'>
  sealNumbers: SealNumbers
  links: DownloadLinks
}): Endpoints {
  async function allSeals(caller: FascCaller): Promise<SealWithScenes[]> {
    const all: SealWithScenes[] = []
    for (let after: string | null = null; ; ) {
      const { items, next }: { items: SealWithScenes[]; next: string | null } = await deps.seals.list(
        caller,
        {
          after,
          limit: 100,
        },
      )
      all.push(...items)
      if (next === null) return all
      after = next
    }
  }

  function view(caller: FascCaller, seal: SealWithScenes, number: number | undefined) {
    return {
      sealId: number,
      entityId: toOpenId(seal.subjectId),
      sealName: seal.name,
      createMethod: 'standard',
      categoryType: CATEGORIES[seal.kind],
      picFileUrl: deps.links.issue({ kind: 'seal', subjectId: caller.subjectId, sealId: seal.id }),
      sealWidth: seal.widthMm,
      sealHeight: seal.heightMm,
      sealStatus: seal.status === 'active' ? 'enable' : 'disable',
      createTime: timeText(seal.createdAt),
    }
  }

  return {
    '/seal/get-list': endpoint(
      z.object({
        openCorpId: z.string().max(64),
        grantFreeSign: z.enum(['free_sign', 'no_free_sign', 'both']).nullish(),
        listFilter: z.object({ categoryType: z.array(z.string()).nullish() }).nullish(),
      }),
      async (caller, input) => {
        await ownCorp(deps.accounts, caller, input.openCorpId)
        const wanted = input.grantFreeSign ?? 'both'
        const categories = input.listFilter?.categoryType ?? []
        const shown = (await allSeals(caller)).filter(
          (seal) =>
            (wanted === 'both' || seal.freeSignScenes.length > 0 === (wanted === 'free_sign')) &&
            (categories.length === 0 || categories.includes(CATEGORIES[seal.kind])),
        )
        const numbers = await deps.sealNumbers.numbers(
          caller.subjectId,
          shown.map((seal) => seal.id),
        )
        return { sealInfos: shown.map((seal) => view(caller, seal, numbers.get(seal.id))) }
      },
    ),

    '/seal/get-detail': endpoint(
      z.object({ openCorpId: z.string().max(64), sealId }),
      async (caller, input) => {
        await ownCorp(deps.accounts, caller, input.openCorpId)
        const found = await deps.sealNumbers.seal(caller.subjectId, input.sealId)
        const seal = (await allSeals(caller)).find((one) => one.id === found.id)
        if (seal === undefined) throw refuse('fasc_seal_unknown', { id: input.sealId })
        const numbers = await deps.sealNumbers.numbers(caller.subjectId, [seal.id])
        return {
          sealInfo: {
            ...view(caller, seal, numbers.get(seal.id)),
            sealUsers: [],
            freeSignInfo: seal.freeSignScenes.map((scene) => ({
              businessId: scene.businessId,
              businessScene: scene.name,
              expiresTime: timeText(scene.expiresAt),
            })),
          },
        }
      },
    ),
  }
}
