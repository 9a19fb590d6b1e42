import { useQuery, useQueryClient } from '@tanstack/react-query'
import type { Environment, Me } from '@yinxin/sdk/wire'
import { ApiProblem, call } from './client.ts'

export function useEnvironment() {
  return useQuery({
    queryKey: ['environment'],
    queryFn: ({ signal }) => call<Environment>('GET', '/environment', { signal }),
    staleTime: Number.POSITIVE_INFINITY,
  })
}

/** Who is logged in; null when nobody is. */
export function useMe() {
  return useQuery({
    queryKey: ['me'],
    queryFn: async ({ signal }): Promise<Me | null> => {
      try {
        return await call<Me>('GET', '/me', { signal })
      } catch (error) {
        if (error instanceof ApiProblem && error.status === 401) return null
        throw error
      }
    },
    staleTime: 60_000,
  })
}

/** Ends the session and forgets all that was fetched under it. */
export function useLogOut() {
  const queries = useQueryClient()
  return async () => {
    await call('DELETE', '/sessions/current')
    queries.clear()
  }
}
