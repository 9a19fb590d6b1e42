import { useQuery } from '@tanstack/react-query'
import type { Ceremony, Me } from '@yinxin/sdk/wire'
import { call } from '../api/client.ts'

/**
 * Lets the session act for the party of this ceremony. A log-in by link acts for the person; seals and
 * signed copies of a company are shown only to a session that acts for it (and the other way round).
 */
export function useActing(ceremony: Ceremony | null) {
  const inside = ceremony !== null && (ceremony.step === 'read-and-sign' || ceremony.step === 'done')
  const kind = ceremony?.cover.actor.kind
  const name = ceremony?.task?.actors.find((actor) => actor.mine)?.name ?? ''
  return useQuery({
    queryKey: ['acting', kind, name, ceremony?.me?.personId],
    queryFn: async () => {
      const me = await call<Me>('GET', '/me')
      const wanted =
        kind === 'person'
          ? me.person.id
          : me.memberships.find((membership) => plain(membership.corpName) === plain(name))?.corpId
      if (wanted && wanted !== me.acting.subjectId) {
        await call<Me>('PUT', '/me/acting', { body: { subjectId: wanted } })
      }
      return wanted ?? null
    },
    enabled: inside,
    staleTime: 0,
  })
}

/** As the server compares names: without width variants and spaces. */
function plain(name: string): string {
  return name.normalize('NFKC').replace(/\s+/gu, '')
}
