import { z } from 'zod'
import type { Http } from './http.ts'

/** `closed`: answers; `open`: left alone after failures; `half-open`: being tried. */
export type DependencyState = 'closed' | 'open' | 'half-open'

export interface DependencyView {
  kind: string
  state: DependencyState
  since: Date | null
}

const dependency = z.object({
  kind: z.string(),
  state: z.enum(['closed', 'open', 'half-open']),
  since: z.iso.datetime().nullable(),
})

/** `/api/v1/status/dependencies`: what this process leaves alone at the moment, by kind and without any address. */
export function addDependencyRoute(http: Http, dependencies: () => DependencyView[]): void {
  http.route({
    method: 'GET',
    url: '/api/v1/status/dependencies',
    summary: 'Says which outside services the platform reaches and which it leaves alone at the moment.',
    access: 'public',
    answer: z.object({ dependencies: z.array(dependency) }),
    example: {
      answer: {
        dependencies: [
          { kind: 'database', state: 'closed', since: '2026-11-24T08:00:00.000Z' },
          { kind: 'tsa', state: 'open', since: '2026-11-24T09:30:00.000Z' },
        ],
      },
    },
    handle: async () => ({
      dependencies: worstByKind(dependencies()).map((one) => ({
        ...one,
        since: one.since?.toISOString() ?? null,
      })),
    }),
  })
}

const order: readonly DependencyState[] = ['closed', 'half-open', 'open']

/** One line per kind: the worst of its kind, and of those the one that is so for longest. */
export function worstByKind(all: readonly DependencyView[]): DependencyView[] {
  const worst = new Map<string, DependencyView>()
  for (const { kind, state, since } of all) {
    const known = worst.get(kind)
    const isWorse = known === undefined || order.indexOf(state) > order.indexOf(known.state)
    const isOlder = known?.state === state && since !== null && (known.since === null || since < known.since)
    if (isWorse || isOlder) worst.set(kind, { kind, state, since })
  }
  return [...worst.values()].sort((a, b) => a.kind.localeCompare(b.kind))
}
