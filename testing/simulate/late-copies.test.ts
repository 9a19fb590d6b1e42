import { expect, test } from 'vitest'
import { contentOf, filesBelow } from './media.ts'
import { createStage, scopeIds, type Stage, tenantId } from './stage.ts'

/** Runs the world until a piece of work has its outcome. */
async function through<T>({ world }: Stage, work: Promise<T>): Promise<T> {
  let isDone = false
  const noted = work.finally(() => {
    isDone = true
  })
  noted.catch(() => undefined)
  await world.settle()
  await world.until(() => isDone, 'the work')
  return await noted
}

/** Where bytes with this end still lie. */
const remains = (stage: Stage, probe: Buffer) =>
  Array.from(stage.volumes.values()).flatMap((volume) =>
    Array.from(filesBelow(volume.root))
      .filter(([, file]) => contentOf(file).includes(probe))
      .map(([path]) => `${volume.name}/${path}`),
  )

/** One replica comes so late that repair makes it, too; the object is destroyed at any moment of that. */
async function destroyAmongLateCopies(seed: number): Promise<{ copies: number; found: string[] }> {
  const stage = createStage({ seed, tell: () => undefined })
  const { chance } = stage.world
  const core = stage.core()
  const slow = chance.pick(Array.from(stage.volumes.values()))
  slow.slowness = 5_000
  const stored = await through(
    stage,
    core.put({ tenantId, scopeId: scopeIds[0]!, class: 'signed', content: chance.bytes(900) }),
  )
  const probe = Buffer.from(stage.ledger.bytesAt(stored.replicas[0]!)!.subarray(-16))
  await through(
    stage,
    stage.transact((tx) => core.record(tx, stored)),
  )
  const repair = core.repairDue({ hasten: true }).catch(() => undefined)
  const moment = chance.below(120)
  for (let n = 0; n < moment; n += 1) await stage.world.step()
  slow.slowness = chance.pick([1, 5_000])
  await through(stage, core.destroy(undefined, [stored.id], 'asked'))
  // Whenever it is called complete, nothing is left; and it gets there.
  const found: string[] = []
  const { copies } = await watch()
  await through(stage, repair)
  return { copies, found }

  async function watch() {
    let most = 0
    for (let n = 0; n < 5_000; n += 1) {
      const report = await through(stage, core.destroyed(stored.id))
      const left = remains(stage, probe)
      most = Math.max(most, left.length)
      if (report?.complete === true) {
        found.push(...left)
        // Long enough for anything that is still on its way.
        await stage.world.pass(5 * 60_000)
        found.push(...remains(stage, probe))
        return { copies: most }
      }
      if (!(await stage.world.step())) await through(stage, core.removeDue({ hasten: true }))
    }
    throw new Error(`seed ${seed}: the destruction is never complete`)
  }
}

test('a destruction that is called complete leaves no copy that came late or was made twice', async () => {
  const left: string[] = []
  for (let seed = 1; seed <= 60; seed += 1) {
    const { found } = await destroyAmongLateCopies(seed)
    if (found.length > 0) left.push(`seed ${seed}: ${found.join(' ')}`)
  }
  expect(left).toEqual([])
}, 60_000)
