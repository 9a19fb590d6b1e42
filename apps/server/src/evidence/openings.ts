import type { Disclosure } from '@yinxin/evidence'
import type { Kms } from '#src/kms/kms.ts'

/** What the room asks of kms: sealing under a contract's key, which is made when an older contract has none yet. */
export type ContentKeys = Pick<Kms, 'sealForScope' | 'openForScope' | 'createScopeKey' | 'scopeKeyState'>

export interface SealedOpening {
  seq: number
  path: string
  sealed: Buffer
}

/**
 * Seals the openings of an event under its contract's key, so that they die with it. Once that key is destroyed
 * there is nothing to seal them under: what happens afterwards keeps its commitments, and nobody can open them.
 */
export async function sealOpenings(
  keys: ContentKeys,
  task: { taskId: string; tenantId: string },
  openings: readonly Disclosure[],
): Promise<SealedOpening[]> {
  if (openings.length === 0) return []
  const items = openings.map(({ seq, path, salt, value }) => ({
    label: label(seq, path),
    content: Buffer.from(JSON.stringify([salt, value]), 'utf8'),
  }))
  const scope = { tenantId: task.tenantId, scopeId: task.taskId, partyId: 'any' }
  const seal = async () => {
    const sealed = await keys.sealForScope(scope, items)
    return openings.map(({ seq, path }, at) => ({ seq, path, sealed: sealed[at] as Buffer }))
  }
  try {
    return await seal()
  } catch (error) {
    if ((error as { code?: string }).code !== 'content_key_missing') throw error
    const state = (await keys.scopeKeyState([task.taskId])).get(task.taskId)?.state
    if (state === 'destroyed') return []
    if (state === 'present') throw error
    // A draft from before openings were sealed.
    await keys.createScopeKey(task.tenantId, task.taskId)
    return await seal()
  }
}

export interface StoredOpening {
  seq: number
  path: string
  tenant_id: string
  salt: string | null
  value: string | null
  sealed: Buffer | null
}

/**
 * Opens what the contract's key still opens. After its destruction nothing does: the events stay, with commitments
 * that nobody can open.
 */
export async function openOpenings(
  keys: ContentKeys,
  taskId: string,
  rows: readonly StoredOpening[],
  partyId: string = 'any',
): Promise<Disclosure[]> {
  const sealed = rows.filter((row) => row.sealed !== null)
  const opened = new Map<StoredOpening, [salt: string, value: string]>()
  const tenantId = sealed[0]?.tenant_id
  if (tenantId !== undefined) {
    const items = sealed.map((row) => ({
      label: label(row.seq, row.path),
      sealed: row.sealed ?? Buffer.alloc(0),
    }))
    const contents = await keys
      .openForScope({ tenantId, scopeId: taskId, partyId }, items)
      .catch(async (error: unknown) => {
        if ((error as { code?: string }).code !== 'content_key_missing') throw error
        // Gone for good is an answer; a key that was never there is a fault.
        if ((await keys.scopeKeyState([taskId])).get(taskId)?.state !== 'destroyed') throw error
        return undefined
      })
    contents?.forEach((content, at) => {
      opened.set(sealed[at] as StoredOpening, JSON.parse(content.toString('utf8')) as [string, string])
    })
  }
  return rows.flatMap((row) => {
    const { seq, path, salt, value } = row
    if (salt !== null && value !== null) return [{ seq, path, salt, value }]
    const found = opened.get(row)
    return found === undefined ? [] : [{ seq, path, salt: found[0], value: found[1] }]
  })
}

const label = (seq: number, path: string) => `opening|${seq}|${path}`
