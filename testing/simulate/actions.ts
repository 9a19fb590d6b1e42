import { createHash } from 'node:crypto'
import { Refusal } from '../../apps/server/src/errors.ts'
import type { StoredObject } from '../../apps/server/src/storage/catalogue.ts'
import { isQuorum, quorums } from '../../apps/server/src/storage/quorum.ts'
import { Broken } from './ledger.ts'
import { type ModelObject, type Process, type Stage, scopeIds, settle, tenantId } from './stage.ts'
import { isTroubled } from './sim-disk.ts'

/** What the users of storage and its own schedule do. */
export type Work = 'put' | 'read' | 'stream' | 'destroy' | Upkeep
export type Upkeep =
  | 'repair'
  | 'removal'
  | 'scrub'
  | 'antiEntropy'
  | 'reconcile'
  | 'compact'
  | 'readmit'
  | 'sweep'

/** Begins a piece of work and lets it run beside the others. */
export function begin(stage: Stage, work: Work): Promise<void> {
  stage.begun += 1
  const number = stage.begun
  const process = whoDoes(stage, work)
  const { life } = process
  stage.underWay.set(number, { work, life })
  return perform(stage, process, work)
    .catch((error: unknown) => {
      stage.tell(`#${number} ${work}: ${String(error)}`)
      if (error instanceof Broken) stage.broken ??= error
      else if (!isExcusable(error)) stage.broken ??= new Broken(`${work} failed: ${(error as Error).stack}`)
    })
    .finally(() => {
      if (!life.isOver) stage.underWay.delete(number)
    })
}

/** That a disk or the database was away may be said; an error of the program itself is a bug wherever it shows. */
function isExcusable(error: unknown): boolean {
  if (error instanceof AggregateError) return error.errors.every(isExcusable)
  return !['TypeError', 'RangeError', 'ReferenceError', 'SyntaxError'].includes((error as Error).name)
}

/** Upkeep is for one of the processes, in a worker's jobs there is work of users too. */
function whoDoes(stage: Stage, work: Work): Process {
  const processes = stage.processes()
  const isOfUsers = work === 'put' || work === 'read' || work === 'stream' || work === 'destroy'
  return processes.length > 1 && isOfUsers ? stage.world.chance.pick(processes) : stage.worker()
}

async function perform(stage: Stage, process: Process, work: Work): Promise<void> {
  const { core } = process
  switch (work) {
    case 'put':
      return await put(stage, process)
    case 'read':
    case 'stream':
      return await read(stage, process, work)
    case 'destroy':
      return await destroy(stage, process)
    case 'repair':
      return void (await core.repairDue({ hasten: stage.world.chance.hits(0.3) }))
    case 'removal':
      return void (await core.removeDue({ hasten: stage.world.chance.hits(0.3) }))
    case 'scrub':
      return void (await core.scrub({ fresh: stage.world.chance.hits(0.7) }))
    case 'antiEntropy':
      return void (await core.antiEntropy())
    case 'reconcile':
      return void (await core.reconcile())
    case 'compact':
      return void (await core.compact())
    case 'sweep':
      return await stage.sweep()
    case 'readmit': {
      const quarantined = core.status().domains.filter((domain) => domain.state === 'quarantined')
      if (quarantined.length > 0) await core.readmit(stage.world.chance.pick(quarantined).name)
    }
  }
}

/** Contents around the sizes where the code changes its ways; large ones are dear and rare. */
function newContent({ world: { chance } }: Stage): Buffer {
  const fate = chance.next()
  if (fate < 0.05) return Buffer.alloc(0)
  if (fate < 0.08) return chance.bytes(262_000 + chance.below(20_000))
  if (fate < 0.12) return chance.bytes(16_384 * (1 + chance.below(2)) + chance.below(3) - 1)
  return chance.bytes(1 + chance.below(1_500))
}

async function* inPieces(content: Buffer): AsyncGenerator<Buffer> {
  for (let at = 0; at < content.length; at += 100_000) yield content.subarray(at, at + 100_000)
}

async function put(stage: Stage, { core, life, transact }: Process): Promise<void> {
  const { chance } = stage.world
  const content = newContent(stage)
  const object: ModelObject = {
    content,
    sha256: sha256(content),
    class: chance.hits(0.7) ? 'signed' : 'draft',
    state: 'writing',
    life,
  }
  stage.model.add(object)
  const { disturbances } = stage
  try {
    const stored = await core.put({
      tenantId,
      scopeId: chance.pick(scopeIds),
      class: object.class,
      content: content.length > 200_000 || chance.hits(0.2) ? inPieces(content) : content,
    })
    object.id = stored.id
    // The acknowledgement: so many domains have said that they hold it.
    const vouching = stored.replicas.filter(
      (one) => stage.disturbances !== disturbances || stage.ledger.isGood(stored.id, one),
    )
    const sites = vouching.map((one) => (one.domain.startsWith('primary') ? 'primary' : 'recovery'))
    if (!isQuorum(quorums[object.class], sites))
      throw new Broken(`${stored.id} was accepted without its quorum: ${sites.join(' ')}`)
    const probe = probeOf(stage, stored)
    if (probe !== undefined) object.probe = probe
    if (chance.hits(0.06)) {
      // Written and never recorded: an upload that nobody finished.
      object.state = 'refused'
      return
    }
    object.state = 'unsure'
    await transact((tx) => core.record(tx, stored))
    object.state = 'living'
    stage.tell(`${stored.id} lives, ${object.class}, ${content.length} bytes`)
  } catch (error) {
    await settle(stage, object)
    throw error
  }
}

/** The end of the ciphertext is an authentication tag: random, whatever the content is. */
function probeOf(stage: Stage, { id, replicas }: StoredObject): Buffer | undefined {
  const good = replicas.find((one) => stage.ledger.isGood(id, one))
  const bytes = good && stage.ledger.bytesAt(good)
  return bytes === undefined ? undefined : Buffer.from(bytes.subarray(-16))
}

/** Whether the world is such that an object with a good replica must be readable at once. */
const isCalm = (stage: Stage, { life }: Process) =>
  stage.weather.failures === 0 &&
  Array.from(stage.volumes.values()).every((volume) => !isTroubled(volume) && !volume.strandedLives.has(life))

async function read(stage: Stage, process: Process, how: 'read' | 'stream'): Promise<void> {
  const candidates = Array.from(stage.model).filter((one) => one.id !== undefined && one.state !== 'refused')
  if (candidates.length > 0) await readObject(stage, stage.world.chance.pick(candidates), how, process)
}

export async function readObject(
  stage: Stage,
  object: ModelObject,
  how: 'read' | 'stream',
  process: Process = stage.worker(),
): Promise<void> {
  const { chance } = stage.world
  const before = { state: object.state, disturbances: stage.disturbances, isCalm: isCalm(stage, process) }
  const id = object.id!
  const { length } = object.content
  const start = length === 0 ? 0 : chance.below(length)
  const range =
    how === 'stream' && length > 0 && chance.hits(0.7)
      ? { start, end: start + chance.below(length - start) }
      : undefined
  try {
    const parts: Buffer[] = []
    if (how === 'read') parts.push(await process.core.read(id))
    else for await (const part of process.core.stream(id, range)) parts.push(part)
    const wanted = range === undefined ? object.content : object.content.subarray(range.start, range.end + 1)
    if (!Buffer.concat(parts).equals(wanted)) throw new Broken(`${id} was read with other bytes`)
    if (before.state === 'destroyed') throw new Broken(`${id} was read after its destruction`)
  } catch (error) {
    if (error instanceof Broken) throw error
    const wasDisturbed =
      !before.isCalm || !isCalm(stage, process) || stage.disturbances !== before.disturbances
    if (before.state !== 'living' || object.state !== 'living') return
    const code = error instanceof Refusal ? error.code : String(error)
    if (code === 'object_destroyed' || code === 'object_not_found')
      throw new Broken(`${id} was acknowledged and is answered with ${code}`)
    if (!wasDisturbed) throw new Broken(`${id} was acknowledged and cannot be read: ${code}`)
  }
}

async function destroy(stage: Stage, { core, life, transact }: Process): Promise<void> {
  const { chance } = stage.world
  const living = Array.from(stage.model).filter((one) => one.state === 'living')
  if (living.length < 3) return
  const chosen = Array.from({ length: 1 + chance.below(3) }, () => chance.pick(living))
  for (const object of chosen) {
    object.state = 'destroying'
    object.life = life
  }
  const ids = chosen.map((one) => one.id!)
  try {
    if (chance.hits(0.5)) await core.destroy(undefined, ids, 'simulated')
    else await transact((tx) => core.destroy(tx, ids, 'simulated'))
  } catch (error) {
    for (const object of chosen) await settle(stage, object)
    throw error
  }
  for (const object of chosen) object.state = 'destroyed'
  stage.tell(`${ids.join(' ')} destroyed`)
}

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')
