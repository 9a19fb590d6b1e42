import { createHash, createSecretKey } from 'node:crypto'
import type { Catalogue } from '../../apps/server/src/storage/catalogue.ts'
import { createStorageCore, type ObjectKeys, type StorageCore } from '../../apps/server/src/storage/core.ts'
import type { Domain, SiteName } from '../../apps/server/src/storage/domain.ts'
import { createFolderDomain } from '../../apps/server/src/storage/folder-domain.ts'
import { createMemoryCatalogue, type MemoryTx } from '../../apps/server/src/storage/memory-catalogue.ts'
import { type Broken, createLedger, domainFolder, type Ledger } from './ledger.ts'
import { losePower } from './media.ts'
import { createSimCatalogue, type DatabaseWeather } from './sim-catalogue.ts'
import { createSimDisk, newVolume, type Volume } from './sim-disk.ts'
import { createWorld, type Life, type World } from './world.ts'

/** An object as the reference model knows it. */
export interface ModelObject {
  content: Buffer
  sha256: string
  class: 'draft' | 'signed'
  id?: string
  /** Unsure: the process died, or the database broke, before the answer came. */
  state: 'writing' | 'living' | 'unsure' | 'destroying' | 'destroyed' | 'refused'
  /** Some bytes of the ciphertext, by which leftovers are found. */
  probe?: Buffer
  /** Of the process that works on it. */
  life: Life
}

/** A process over the volumes and the tables: the server as a whole, or one of its roles beside another. */
export interface Process {
  readonly role: 'only' | 'api' | 'worker'
  readonly life: Life
  readonly core: StorageCore<MemoryTx>
  readonly domains: readonly Domain[]
  /** A transaction of whoever uses storage. */
  transact<R>(work: (tx: MemoryTx) => Promise<R>): Promise<R>
}

/** What became of an object whose operation ended without an answer: the tables know. */
export async function settle(stage: Stage, object: ModelObject): Promise<void> {
  if (!['writing', 'unsure', 'destroying'].includes(object.state)) return
  const found = object.id === undefined ? undefined : await stage.tables.findObject(object.id)
  if (found === undefined) object.state = 'refused'
  else object.state = found.destroyedAt === undefined ? 'living' : 'destroyed'
}

/** The stage of a run: the world, what survives in it, and the processes that live now. */
export interface Stage {
  readonly world: World
  readonly volumes: ReadonlyMap<string, Volume>
  readonly tables: Catalogue<MemoryTx>
  readonly ledger: Ledger
  readonly weather: DatabaseWeather
  readonly model: Set<ModelObject>
  /** Operations that have begun and not ended; a crash forgets those of its process. */
  readonly underWay: Map<number, { work: string; life: Life }>
  /** Grows with everything that excuses an operation that was under way. */
  disturbances: number
  /** How many operations were begun so far. */
  begun: number
  broken: Broken | undefined
  /** Power is about to be lost, at the moment when a promise has just been made. */
  isPowerFailing: boolean
  readonly tell: (line: string) => void
  processes(): readonly Process[]
  /** The one that does the upkeep. */
  worker(): Process
  core(): StorageCore<MemoryTx>
  transact<R>(work: (tx: MemoryTx) => Promise<R>): Promise<R>
  /** The nightly sweep of what dead writers left. */
  sweep(): Promise<void>
  /** SIGKILL and a new start, of all processes or of one: what the kernel has taken stays. */
  kill(one?: Process): Promise<void>
  /** Power is lost everywhere, or on one disk alone, and comes back. */
  losePower(volume?: Volume): Promise<void>
}

export interface StageOptions {
  seed: number
  tell: (line: string) => void
  /** Two: one that serves and one that does the upkeep besides, over the same volumes and tables. */
  processes?: 1 | 2
}

export function createStage({ seed, tell, processes: count = 1 }: StageOptions): Stage {
  const world = createWorld(seed)
  const { chance } = world
  const tables = createMemoryCatalogue()
  const perSite = chance.hits(0.25) ? 4 : 3
  const names = (['primary', 'recovery'] as const).flatMap((site) =>
    Array.from({ length: perSite }, (_, n) => ({ site, name: `${site}-${n + 1}` })),
  )
  const volumes = new Map(names.map(({ site, name }) => [name, newVolume(name, site === 'recovery')]))
  const segmentBytes = 8_000 + chance.below(60_000)
  const roles: readonly Process['role'][] = count === 1 ? ['only'] : ['api', 'worker']
  let processes: Process[] = []
  const worker = () => processes.at(-1)!

  const stage: Stage = {
    world,
    volumes,
    tables,
    ledger: createLedger(volumes, {
      async isNeeded(objectId, placement) {
        const found = await tables.findObject(objectId)
        return (
          found !== undefined &&
          found.destroyedAt === undefined &&
          found.replicas.some(
            (one) =>
              one.domain === placement.domain &&
              one.holder === placement.holder &&
              one.position === placement.position,
          )
        )
      },
      tell,
      onPromise(kind) {
        if (chance.hits(failsAfter[kind])) stage.isPowerFailing = true
      },
      onBroken: (broken) => {
        stage.broken ??= broken
      },
    }),
    weather: { failures: 0 },
    model: new Set(),
    underWay: new Map(),
    disturbances: 0,
    begun: 0,
    broken: undefined,
    isPowerFailing: false,
    tell,
    processes: () => processes,
    worker,
    core: () => worker().core,
    transact: (work) => worker().transact(work),
    async sweep() {
      for (const domain of worker().domains) await domain.sweep(new Date(world.nowMs() - leftoverAgeMs))
    },
    async kill(one) {
      await restart(one === undefined ? processes : [one], () => undefined)
    },
    async losePower(one) {
      stage.isPowerFailing = false
      const hit = one === undefined ? Array.from(volumes.values()) : [one]
      const cut = () => {
        for (const volume of hit) losePower(volume.root, chance)
        stage.ledger.requireProven(hit.map((volume) => volume.name))
      }
      if (one === undefined) return await restart(processes, cut)
      for (const { life } of processes) one.strandedLives.add(life)
      cut()
    },
  }

  /** Ends processes, lets happen what happens while they are gone, and begins them anew. */
  async function restart(ending: readonly Process[], meanwhile: () => void): Promise<void> {
    const over = new Set(ending.map(({ life }) => life))
    for (const life of over) life.isOver = true
    stage.disturbances += 1
    for (const [number, { life }] of stage.underWay) if (over.has(life)) stage.underWay.delete(number)
    meanwhile()
    processes = processes.map((one) => (over.has(one.life) ? begin(one.role) : one))
    for (const object of stage.model) if (over.has(object.life)) await settle(stage, object)
  }

  function begin(role: Process['role']): Process {
    const life: Life = { isOver: false }
    const disk = createSimDisk(world, life, volumes)
    const newId = (nowMs: number) => uuid7(nowMs, chance.bytes(10))
    const say = (line: string) => tell(role === 'only' ? line : `${role}: ${line}`)
    const domains = names.map(({ site, name }: { site: SiteName; name: string }) =>
      stage.ledger.watch(
        createFolderDomain({
          name,
          site,
          folder: `/${name}/${domainFolder}`,
          disk,
          clock: world.clock,
          newName: () => newId(world.nowMs()),
          segmentBytes,
          onQuarantine: (status) => {
            stage.ledger.quarantined(name)
            say(`${name} is quarantined: ${status.reason}`)
          },
        }),
      ),
    )
    const catalogue = createSimCatalogue(world, life, tables, stage.weather)
    const core = createStorageCore<MemoryTx>({
      catalogue,
      domains,
      keys: simulatedKeys,
      clock: world.clock,
      timers: world.timers(life),
      newId,
      random: (sizeBytes) => chance.bytes(sizeBytes),
      log: {
        warn: (facts: object, text?: string) => say(`  warn ${text} ${briefly(facts)}`),
        error: (facts: object, text?: string) => say(`  error ${text} ${briefly(facts)}`),
      } as never,
    })
    return { role, life, core, domains, transact: (work) => catalogue.transact(work) }
  }

  processes = roles.map(begin)
  return stage
}

/** How often the power fails at the very moment when it hurts most. */
const failsAfter = { stored: 0.001, removed: 0.005, dropped: 0.02, readmitted: 0.3 }
const leftoverAgeMs = 24 * 60 * 60_000

/** A few owners, so that scopes hold many objects. */
export const tenantId = '018f0000-0000-7000-8000-00000000aaaa'
export const scopeIds = Array.from({ length: 5 }, (_, n) => `018f0000-0000-7000-8000-00000000bb0${n}`)

/** Keys are not what is tried here: each follows from the object's name, and none is ever lost. */
const simulatedKeys: ObjectKeys = {
  newObjectKey: async ({ objectId }) => ({ key: keyFor(objectId), wrapped: wrappedFor(objectId) }),
  openObjectKey: async ({ objectId }) => keyFor(objectId),
}
const digestOf = (text: string) => createHash('sha512').update(text).digest()
const keyFor = (objectId: string) => createSecretKey(digestOf(`key ${objectId}`).subarray(0, 32))
const wrappedFor = (objectId: string) => Buffer.from(digestOf(`wrapped ${objectId}`).subarray(0, 60))

function uuid7(nowMs: number, random: Buffer): string {
  const bytes = Buffer.alloc(16)
  bytes.writeUIntBE(Math.floor(nowMs), 0, 6)
  random.copy(bytes, 6)
  bytes[6] = (bytes[6]! & 0x0f) | 0x70
  bytes[8] = (bytes[8]! & 0x3f) | 0x80
  const hex = bytes.toString('hex')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}

const briefly = (facts: object) =>
  Object.values(facts)
    .map((one) => (one instanceof Error ? one.message : typeof one === 'string' ? one : JSON.stringify(one)))
    .join(' ')
