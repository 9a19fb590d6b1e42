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
}

/** What became of an object whose operation ended without an answer: the tables know. */
export async function settle(stage: Stage, object: ModelObject): Promise<void> {
  if (!['writing', 'unsure', 'destroying'].includes(object.state)) return
  const found = object.id === undefined ? undefined : await stage.tables.findObject(object.id)
  if (found === undefined) object.state = 'refused'
  else object.state = found.destroyedAt === undefined ? 'living' : 'destroyed'
}

/** The stage of a run: the world, what survives in it, and the process that lives now. */
export interface Stage {
  readonly world: World
  readonly volumes: ReadonlyMap<string, Volume>
  readonly tables: Catalogue<MemoryTx>
  readonly ledger: Ledger
  readonly weather: DatabaseWeather
  readonly model: Set<ModelObject>
  /** Operations that have begun and not ended; a crash forgets them. */
  readonly underWay: Map<number, string>
  /** Grows with everything that excuses an operation that was under way. */
  disturbances: number
  /** How many operations were begun so far. */
  begun: number
  broken: Broken | undefined
  /** Power is about to be lost, at the moment when a promise has just been made. */
  isPowerFailing: boolean
  readonly tell: (line: string) => void
  life(): Life
  core(): StorageCore<MemoryTx>
  /** A transaction of whoever uses storage. */
  transact<R>(work: (tx: MemoryTx) => Promise<R>): Promise<R>
  /** The nightly sweep of what dead writers left. */
  sweep(): Promise<void>
  /** SIGKILL and a new start: what the kernel has taken stays. */
  kill(): Promise<void>
  /** Power is lost everywhere, or on one disk alone, and comes back. */
  losePower(volume?: Volume): Promise<void>
}

export interface StageOptions {
  seed: number
  tell: (line: string) => void
}

export function createStage({ seed, tell }: StageOptions): Stage {
  const world = createWorld(seed)
  const { chance } = world
  const tables = createMemoryCatalogue()
  const perSite = chance.hits(0.25) ? 4 : 3
  const names = (['primary', 'recovery'] as const).flatMap((site) =>
    Array.from({ length: perSite }, (_, n) => ({ site, name: `${site}-${n + 1}` })),
  )
  const volumes = new Map(names.map(({ site, name }) => [name, newVolume(name, site === 'recovery')]))
  const segmentBytes = 8_000 + chance.below(60_000)
  let life: Life = { isOver: false }
  let core: StorageCore<MemoryTx>
  let catalogue: Catalogue<MemoryTx>
  let domains: Domain[] = []

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
    life: () => life,
    core: () => core,
    transact: (work) => catalogue.transact(work),
    async sweep() {
      for (const domain of domains) await domain.sweep(new Date(world.nowMs() - leftoverAgeMs))
    },
    async kill() {
      end()
      begin()
      for (const object of stage.model) await settle(stage, object)
    },
    async losePower(one) {
      stage.isPowerFailing = false
      const hit = one === undefined ? Array.from(volumes.values()) : [one]
      if (one === undefined) end()
      for (const volume of hit) {
        losePower(volume.root, chance)
        if (one !== undefined) volume.strandedLife = life
      }
      stage.ledger.requireProven(hit.map((volume) => volume.name))
      if (one !== undefined) return
      begin()
      for (const object of stage.model) await settle(stage, object)
    },
  }

  function end(): void {
    life.isOver = true
    stage.disturbances += 1
    stage.underWay.clear()
  }

  function begin(): void {
    life = { isOver: false }
    const mine = life
    const disk = createSimDisk(world, mine, volumes)
    const newId = (nowMs: number) => uuid7(nowMs, chance.bytes(10))
    domains = names.map(({ site, name }: { site: SiteName; name: string }) =>
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
            tell(`${name} is quarantined: ${status.reason}`)
          },
        }),
      ),
    )
    catalogue = createSimCatalogue(world, mine, tables, stage.weather)
    core = createStorageCore<MemoryTx>({
      catalogue,
      domains,
      keys: simulatedKeys,
      clock: world.clock,
      timers: world.timers(mine),
      newId,
      random: (sizeBytes) => chance.bytes(sizeBytes),
      log: {
        warn: (facts: object, text?: string) => tell(`  warn ${text} ${briefly(facts)}`),
        error: (facts: object, text?: string) => tell(`  error ${text} ${briefly(facts)}`),
      } as never,
    })
  }

  begin()
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
