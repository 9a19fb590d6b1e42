import type { Vouched } from './ledger.ts'
import { domainFolder } from './ledger.ts'
import { filesBelow, type MediumFolder, newFolder, setEntry, syncFolder } from './media.ts'
import type { Volume } from './sim-disk.ts'
import type { Stage } from './stage.ts'

/** What can go wrong in the world. */
export type Fault =
  | 'kill'
  | 'powerLoss'
  | 'powerLossOfOne'
  | 'rot'
  | 'loseDisk'
  | 'loseSite'
  | 'deleteFolder'
  | 'replaceDisks'
  | 'failSync'
  | 'fill'
  | 'partition'
  | 'hang'
  | 'slow'
  | 'readErrors'
  | 'databaseErrors'
  | 'resend'
  | 'mend'

const sites = ['primary', 'recovery'] as const

export async function strike(stage: Stage, fault: Fault): Promise<void> {
  const { chance } = stage.world
  const volumes = Array.from(stage.volumes.values())
  const one = chance.pick(volumes)
  stage.disturbances += 1
  stage.tell(`${fault} ${one.name}`)
  switch (fault) {
    case 'kill': {
      const processes = stage.processes()
      return await stage.kill(processes.length > 1 ? chance.pick(processes) : undefined)
    }
    case 'powerLoss':
      return await stage.losePower()
    case 'powerLossOfOne':
      return await stage.losePower(one)
    case 'rot':
      return await rot(stage, one)
    case 'loseDisk':
      return await lose(stage, [one])
    case 'loseSite': {
      const site = chance.pick(sites)
      return await lose(
        stage,
        volumes.filter((volume) => volume.name.startsWith(site)),
      )
    }
    case 'deleteFolder':
      return await deleteFolder(stage, one, chance.pick(['journal', 'objects', 'incoming', '']))
    case 'replaceDisks':
      return replaceDisks(stage)
    case 'failSync':
      one.failingSyncs = 1
      return
    case 'fill':
      one.isFull = true
      return
    case 'partition': {
      const site = chance.hits(0.8) ? 'recovery' : 'primary'
      for (const volume of volumes) if (volume.name.startsWith(site)) volume.isPartitioned = true
      return
    }
    case 'hang':
      one.isHanging = true
      return
    case 'slow':
      one.slowness = chance.pick([20, 1_000, 20_000])
      return
    case 'readErrors':
      one.readErrors = chance.pick([0.05, 0.5])
      return
    case 'resend':
      for (const volume of volumes) volume.resending = volume.isRemote ? 0.05 : 0
      return
    case 'databaseErrors':
      stage.weather.failures = chance.pick([0.01, 0.1])
      return
    case 'mend':
      mend(stage)
  }
}

/** Whatever passes by itself passes; what is destroyed stays destroyed. */
export function mend(stage: Stage): void {
  stage.weather.failures = 0
  stage.disturbances += 1
  for (const volume of stage.volumes.values()) {
    volume.isFull = false
    volume.isPartitioned = false
    volume.isHanging = false
    volume.slowness = 1
    volume.readErrors = 0
    volume.resending = 0
    volume.failingSyncs = 0
  }
}

/**
 * The rule for the adversary: it may destroy anything but the last good replica that the database knows of an object.
 * That is what the classes promise, and nothing less: whatever leaves one acknowledged copy loses nothing.
 */
async function isAllowed(stage: Stage, hit: readonly Vouched[]): Promise<boolean> {
  const good = stage.ledger.goodByObject()
  const lost = new Set(hit)
  for (const objectId of new Set(hit.map((one) => one.objectId))) {
    const found = await stage.tables.findObject(objectId)
    if (found?.destroyedAt !== undefined) continue
    const left = (good.get(objectId) ?? []).filter((one) => !lost.has(one))
    const known =
      found === undefined
        ? left
        : left.filter(({ placement }) =>
            found.replicas.some(
              (row) =>
                row.domain === placement.domain &&
                row.holder === placement.holder &&
                row.position === placement.position,
            ),
          )
    if (known.length === 0) return false
  }
  return true
}

async function rot(stage: Stage, volume: Volume): Promise<void> {
  const { chance } = stage.world
  // What is not synced yet has not reached the medium that rots.
  const files = Array.from(filesBelow(volume.root)).filter(
    ([path, file]) => file.sizeBytes > 0 && file.unsynced.length === 0 && !path.includes('/incoming/'),
  )
  if (files.length === 0) return
  const [path, file] = chance.pick(files)
  // The first bytes of a segment name its format, the next its first record.
  const zone = chance.pick([8, 80, file.sizeBytes, file.sizeBytes, file.sizeBytes])
  const offset = chance.below(Math.min(zone, file.sizeBytes))
  const holder = path.slice(domainFolder.length + 1)
  const hit = stage.ledger.hitBy(volume.name, holder, offset)
  if (!(await isAllowed(stage, hit))) return
  for (const one of hit) one.isDamaged = true
  file.flips.push(offset)
  file.bytes[offset] = file.bytes[offset]! ^ (1 << chance.below(8))
  stage.tell(`  ${path} at ${offset}, ${hit.map((one) => one.objectId).join(' ') || 'nothing of worth'}`)
}

async function lose(stage: Stage, volumes: readonly Volume[]): Promise<void> {
  if (
    !(await isAllowed(
      stage,
      volumes.flatMap((volume) => stage.ledger.hitBy(volume.name)),
    ))
  )
    return
  for (const volume of volumes) {
    forgetNames(volume.root)
    volume.root = newFolder()
    volume.isFailed = true
    volume.generation += 1
    stage.ledger.forget(volume.name)
    stage.tell(`  ${volume.name} is lost`)
  }
}

/** New, empty disks for those that failed, with the folder that the setting names: a missing one means a disk that is away. */
export function replaceDisks(stage: Stage): void {
  for (const volume of stage.volumes.values()) {
    volume.isFailed = false
    if (volume.root.entries.has(domainFolder)) continue
    setEntry(volume.root, domainFolder, newFolder())
    syncFolder(volume.root)
  }
}

/** Somebody deletes a folder of a domain, or all of it, under the running process. */
async function deleteFolder(stage: Stage, volume: Volume, below: string): Promise<void> {
  if (!(await isAllowed(stage, stage.ledger.hitBy(volume.name, below)))) return
  const domain = volume.root.entries.get(domainFolder)
  if (domain?.kind !== 'folder') return
  const [parent, name]: [MediumFolder, string] = below === '' ? [volume.root, domainFolder] : [domain, below]
  const target = parent.entries.get(name)
  if (target?.kind !== 'folder') return
  forgetNames(target)
  setEntry(parent, name, undefined)
  syncFolder(parent)
  volume.generation += 1
  stage.ledger.forget(volume.name, below)
  stage.tell(`  ${volume.name}/${below} is deleted`)
}

/** An open file whose name is gone knows that it has none. */
function forgetNames(folder: MediumFolder): void {
  for (const [, file] of filesBelow(folder)) file.names = 0
}
