import type { Catalogue } from '../../apps/server/src/storage/catalogue.ts'
import type { MemoryTx } from '../../apps/server/src/storage/memory-catalogue.ts'
import type { Life, World } from './world.ts'

/** How often the way to the database breaks; before the database did its work, or after. */
export interface DatabaseWeather {
  failures: number
}

export class DatabaseGone extends Error {
  override readonly name = 'DatabaseGone'
}

/**
 * The database as one life of the process sees it: each question takes its time, the answer can be lost, a crash comes
 * before or after the commit. The tables themselves survive every crash.
 */
export function createSimCatalogue(
  world: World,
  life: Life,
  tables: Catalogue<MemoryTx>,
  weather: DatabaseWeather,
): Catalogue<MemoryTx> {
  async function ask<T>(question: () => Promise<T>): Promise<T> {
    await world.happen(life, world.chance.next() * 3, () => {
      if (world.chance.hits(weather.failures)) throw new DatabaseGone('connection lost before the question')
    })
    const answer = await question()
    if (world.chance.hits(0.3)) await world.happen(life, world.chance.next() * 3, () => undefined)
    if (world.chance.hits(weather.failures)) throw new DatabaseGone('connection lost before the answer')
    return answer
  }

  /** Within a transaction nothing is true before its end, which `transact` waits for. */
  const inTransaction = new Set(['insertObjects', 'destroy'])

  return new Proxy(tables, {
    get(target, name: keyof Catalogue<MemoryTx>) {
      const method = target[name] as (...args: unknown[]) => Promise<unknown>
      if (inTransaction.has(name)) return method
      return (...args: unknown[]) => ask(() => method(...args))
    },
  })
}
