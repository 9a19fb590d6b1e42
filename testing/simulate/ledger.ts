import { createHash } from 'node:crypto'
import { decodeRecordHeader, recordHeaderBytes } from '../../apps/server/src/storage/journal-record.ts'
import type { Domain, Placement } from '../../apps/server/src/storage/domain.ts'
import { contentOf, type MediumFile, type MediumFolder } from './media.ts'
import type { Volume } from './sim-disk.ts'

/** A promise of the real code was broken: the run ends, and its seed shows it again. */
export class Broken extends Error {
  override readonly name = 'Broken'
}

/** A replica that its domain acknowledged as durable. */
export interface Vouched {
  objectId: string
  placement: Placement
  sha256: string
  /** The world damaged it; nobody promised anything for it any more. */
  isDamaged: boolean
  /** Its removal was asked for. */
  isLeaving: boolean
}

/** What a domain says with its answer: this is durable, this is gone, this takes writes again. */
export type PromiseKind = 'stored' | 'removed' | 'dropped' | 'readmitted'

/** Told of what the core does to domains, where the ledger cannot judge by itself. */
export interface LedgerQuestions {
  /** Whether a living object is read from this place as far as the database knows. */
  isNeeded(objectId: string, placement: Placement): Promise<boolean>
  /** Told of a breach that the core's own handling of errors would swallow. */
  onBroken(broken: Broken): void
  tell(line: string): void
  /** Told of every promise that a domain has just made. */
  onPromise(kind: PromiseKind): void
}

const keyOf = ({ domain, holder, position }: Placement) => `${domain}/${holder}@${position}`
/** Where a domain keeps its things on its volume. */
export const domainFolder = 'yinxin'

/**
 * What every single domain has acknowledged, against the bytes that really lie on its medium. Domains are held to the
 * letter of their interface: durable on return, destroyed on return.
 */
export function createLedger(volumes: ReadonlyMap<string, Volume>, questions: LedgerQuestions) {
  const vouched = new Map<string, Vouched>()
  const removed = new Map<string, { objectId: string; placement: Placement; sha256: string | undefined }>()
  const dropped = new Set<string>()
  const readmitted = new Set<string>()
  /** What the next loss of power has to prove; what survived one is safe from the next. */
  const unproven = new Set<string>()

  function broken(message: string): Broken {
    const error = new Broken(message)
    questions.onBroken(error)
    return error
  }

  function fileOf(path: string): MediumFile | undefined {
    const [domain = '', ...rest] = path.split('/')
    let node: MediumFolder | MediumFile | undefined = volumes.get(domain)?.root
    for (const part of [domainFolder, ...rest]) {
      if (node?.kind !== 'folder') return undefined
      node = node.entries.get(part)
    }
    return node?.kind === 'file' ? node : undefined
  }

  /** The replica's bytes as they lie there. */
  function bytesAt(placement: Placement): Buffer | undefined {
    const file = fileOf(`${placement.domain}/${placement.holder}`)
    if (file === undefined) return undefined
    const offset = placement.holder.startsWith('journal/') ? placement.position + recordHeaderBytes : 0
    const bytes = contentOf(file).subarray(offset, offset + placement.sizeBytes)
    return bytes.length === placement.sizeBytes ? bytes : undefined
  }

  function isWhole({ objectId, placement, sha256 }: Vouched): boolean {
    const bytes = bytesAt(placement)
    if (bytes === undefined || hashOf(bytes) !== sha256) return false
    if (!placement.holder.startsWith('journal/')) return true
    const file = fileOf(`${placement.domain}/${placement.holder}`)!
    const header = decodeRecordHeader(contentOf(file).subarray(placement.position))
    return header?.objectId === objectId && !header.erased
  }

  /** For the report: what stands in the place of an acknowledged replica. */
  function whatIs({ placement }: Vouched): string {
    const file = fileOf(`${placement.domain}/${placement.holder}`)
    if (file === undefined) return 'no such file'
    const bytes = bytesAt(placement)
    if (bytes === undefined) return `the file has ${file.sizeBytes} bytes`
    return `${bytes.filter((one) => one === 0).length} of ${bytes.length} bytes are zero`
  }

  function vouch(objectId: string, placement: Placement, sha256: string): void {
    const key = keyOf(placement)
    const file = fileOf(`${placement.domain}/${placement.holder}`)
    const isDamaged = file?.flips.some((offset) => covers(placement, offset)) ?? false
    vouched.set(key, { objectId, placement, sha256, isDamaged, isLeaving: false })
    removed.delete(key)
    unproven.add(key)
    questions.onPromise('stored')
  }

  /** A domain under observation. */
  function watch(domain: Domain): Domain {
    const packs = domain.packs
    if (packs === undefined) throw new Error('a simulated domain has packs')
    return {
      ...domain,
      async append(objectId, body, bodySha256, header) {
        questions.tell(`append ${objectId} to ${domain.name}`)
        const placement = await domain.append(objectId, body, bodySha256, header)
        vouch(objectId, placement, bodySha256)
        return placement
      },
      async begin(objectId) {
        const writer = await domain.begin(objectId)
        const hash = createHash('sha256')
        return {
          async write(parts) {
            await writer.write(parts)
            for (const part of parts) hash.update(part)
          },
          async finish(replace) {
            const place = { domain: domain.name, holder: fileHolder(objectId), position: 0, sizeBytes: 0 }
            removed.delete(keyOf(place))
            const placement = await writer.finish(replace)
            vouch(objectId, placement, hash.digest('hex'))
            return placement
          },
          abort: () => writer.abort(),
        }
      },
      async remove(objectId, placement) {
        const key = keyOf(placement)
        const mine = vouched.get(key)
        const isOurs = mine?.objectId === objectId
        if (isOurs && !mine.isDamaged && (await questions.isNeeded(objectId, placement)))
          throw broken(`${key}: a replica of the living object ${objectId} is removed`)
        if (isOurs) mine.isLeaving = true
        const done = await domain.remove(objectId, placement)
        questions.tell(`remove ${objectId} from ${key}: ${done}`)
        if (isOurs) {
          removed.set(key, { objectId, placement, sha256: mine.sha256 })
          unproven.add(key)
          questions.onPromise('removed')
        }
        return done
      },
      async readmit() {
        await domain.readmit()
        readmitted.add(domain.name)
        questions.onPromise('readmitted')
      },
      packs: {
        ...packs,
        async drop(holder) {
          const prefix = `${domain.name}/${holder}@`
          for (const [key, one] of vouched) {
            if (!key.startsWith(prefix)) continue
            if (!one.isDamaged && !one.isLeaving && (await questions.isNeeded(one.objectId, one.placement)))
              throw broken(`${key}: dropped with the living object ${one.objectId} in it`)
            one.isLeaving = true
          }
          await packs.drop(holder)
          dropped.add(`${domain.name}/${holder}`)
          questions.onPromise('dropped')
        },
      },
    }
  }

  /** Called when the power has come back. */
  function requireProven(domains: readonly string[]): void {
    const isMeant = (path: string) => domains.includes(path.slice(0, path.indexOf('/')))
    for (const key of unproven) {
      if (!isMeant(key)) continue
      const gone = removed.get(key)
      if (gone !== undefined) requireGone(key, gone)
      else requireThere(key)
      unproven.delete(key)
    }
    for (const holder of dropped) {
      if (!isMeant(holder)) continue
      if (fileOf(holder) !== undefined) throw broken(`${holder} was dropped and is there again`)
      dropped.delete(holder)
    }
    for (const domain of readmitted) {
      if (!domains.includes(domain)) continue
      if (fileOf(`${domain}/QUARANTINED`) !== undefined)
        throw broken(`${domain} was readmitted and carries its mark again`)
      readmitted.delete(domain)
    }
  }

  function requireThere(key: string): void {
    const one = vouched.get(key)
    if (one === undefined || one.isDamaged || one.isLeaving) return
    if (!isWhole(one))
      throw broken(
        `${key}: the replica of ${one.objectId} was acknowledged and is not there (${whatIs(one)})`,
      )
  }

  function requireGone(
    key: string,
    { objectId, placement, sha256 }: { objectId: string; placement: Placement; sha256: string | undefined },
  ): void {
    const file = fileOf(`${placement.domain}/${placement.holder}`)
    if (file === undefined) return
    if (!placement.holder.startsWith('journal/'))
      throw broken(`${key}: the file of ${objectId} was removed and is there again`)
    const header = decodeRecordHeader(contentOf(file).subarray(placement.position))
    if (header?.objectId === objectId && !header.erased)
      throw broken(`${key}: the record of ${objectId} was removed and stands again`)
    const bytes = bytesAt(placement)
    if (bytes !== undefined && hashOf(bytes) === sha256)
      throw broken(`${key}: the record of ${objectId} was removed and its bytes are there`)
  }

  return {
    watch,
    bytesAt,
    /** The good replicas that this place in the database's mind really has. */
    isGood(objectId: string, placement: Placement): boolean {
      const one = vouched.get(keyOf(placement))
      return one !== undefined && one.objectId === objectId && !one.isDamaged && !one.isLeaving
    },
    isVouched: (objectId: string, placement: Placement) =>
      vouched.get(keyOf(placement))?.objectId === objectId,
    requireProven,
    /** Everything, whether a loss of power has proven it already or not. */
    requireAll(): void {
      for (const key of vouched.keys()) requireThere(key)
      for (const [key, gone] of removed) requireGone(key, gone)
    },
    /** What one flipped bit or a lost disk takes from the promises. */
    hitBy(volume: string, below = '', offset?: number): Vouched[] {
      return Array.from(vouched.values()).filter(
        ({ placement, isDamaged, isLeaving }) =>
          placement.domain === volume &&
          !isDamaged &&
          !isLeaving &&
          placement.holder.startsWith(below) &&
          (offset === undefined || covers(placement, offset)),
      )
    },
    /** What nothing has happened to, by object. */
    goodByObject(): Map<string, Vouched[]> {
      const found = new Map<string, Vouched[]>()
      for (const one of vouched.values()) {
        if (one.isDamaged || one.isLeaving) continue
        const of = found.get(one.objectId) ?? []
        found.set(one.objectId, of)
        of.push(one)
      }
      return found
    },
    /** What lay below this path is gone, by no fault of the core. */
    forget(volume: string, below = ''): void {
      const prefix = `${volume}/${below}`
      for (const key of vouched.keys()) if (key.startsWith(prefix)) vouched.delete(key)
      for (const key of removed.keys()) if (key.startsWith(prefix)) removed.delete(key)
      for (const holder of dropped) if (holder.startsWith(prefix)) dropped.delete(holder)
      if (below === '') readmitted.delete(volume)
    },
    quarantined: (volume: string) => void readmitted.delete(volume),
  }
}

export type Ledger = ReturnType<typeof createLedger>

/** Whether a byte of a holder belongs to a replica in it, with the record's header. */
function covers({ holder, position, sizeBytes }: Placement, offset: number): boolean {
  const headerBytes = holder.startsWith('journal/') ? recordHeaderBytes : 0
  return offset >= position && offset < position + headerBytes + sizeBytes
}

const fileHolder = (objectId: string) => `objects/${objectId.slice(-2)}/${objectId}`
const hashOf = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')
