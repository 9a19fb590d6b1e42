/** What is read of every room once a minute and at every scrape. A measure that cannot be read is named, not left out. */
import type { DbCopy } from '#src/db/db.ts'
import type { QueueState } from '#src/jobs/jobs.ts'
import type { DomainStatus } from '#src/storage/storage.ts'

export interface Measures {
  storage: {
    domains: DomainStatus[]
    writable: Record<string, boolean>
    repairs: number
    removals: number
    freeBytes: { domain: string; bytes: number | undefined }[]
  }
  databaseCopies: DbCopy[]
  /** Resolves when the key store answers. */
  keyStore: true
  certificates: { name: string; notAfter: Date }[]
  /** The newest of each cluster; null when somebody else keeps them. */
  backups: { cluster: string; newestAt: Date | null; everyMs: number }[] | null
  queue: QueueState[]
  pools: PoolState[]
}

export interface PoolState {
  database: 'main' | 'keys'
  role: string
  max: number
  total: number
  idle: number
  waiting: number
}

export type MeasureName = keyof Measures
export type MeasureSources = { [Name in MeasureName]: () => Promise<Measures[Name]> | Measures[Name] }

export interface Gathered {
  values: Partial<Measures>
  /** Those that could not be read, and why. */
  failed: { name: MeasureName; problem: string }[]
}

/** A room that hangs must not hold up the others. */
const patienceMs = 10_000

export async function gather(sources: MeasureSources): Promise<Gathered> {
  const gathered: Gathered = { values: {}, failed: [] }
  await Promise.all(
    (Object.keys(sources) as MeasureName[]).map(async (name) => {
      try {
        Object.assign(gathered.values, { [name]: await inTime(Promise.resolve(sources[name]())) })
      } catch (error) {
        gathered.failed.push({ name, problem: error instanceof Error ? error.message : String(error) })
      }
    }),
  )
  return gathered
}

async function inTime<T>(work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  try {
    return await Promise.race([
      work,
      new Promise<never>((_resolve, reject) => {
        timer = setTimeout(() => reject(new Error('no answer within ten seconds')), patienceMs)
      }),
    ])
  } finally {
    clearTimeout(timer)
  }
}
