/** What a company says it lost, and the files that show it. */
import { createHash } from 'node:crypto'
import { type Caller, requireSession, type SessionCaller } from '#src/accounts/accounts.ts'
import type { Audit, AuditCaller } from '#src/audit/audit.ts'
import type { Clock } from '#src/clock.ts'
import type { Db, Tx } from '#src/db/db.ts'
import { newId } from '#src/ids.ts'
import type { Kms } from '#src/kms/kms.ts'
import type { Storage } from '#src/storage/storage.ts'
import { refuse } from './errors.ts'
import {
  deleteItem,
  findClaim,
  findItem,
  findProof,
  insertItem,
  insertProof,
  itemsOf,
  proofsOf,
} from './store.ts'
import type { ClaimRow, ItemRow, MediaType, ProofRow } from './tables.ts'

export const PROOF_BYTES_MAX = 10 * 1024 * 1024
const ITEMS_MAX = 50
const PROOFS_MAX = 10

export interface LossesDeps {
  db: Db
  clock: Clock
  audit: Audit
  kms: Pick<Kms, 'createScopeKey' | 'destroyScopeKey'>
  storage: Pick<Storage, 'put' | 'record' | 'read' | 'destroy'>
}

export interface NewLoss {
  description: string
  claimedFen: number
  /** Since 1970, of the failed operation. */
  minute: number | null
}

/** A person who may speak for the company, or for itself. */
export function requireClaimant(caller: Caller): SessionCaller {
  if (caller.kind !== 'session') throw refuse('claim_not_allowed')
  const session = requireSession(caller)
  if (session.role === 'member') throw refuse('claim_not_allowed')
  return session
}

export function createLosses({ db, clock, audit, kms, storage }: LossesDeps) {
  /** The claim, locked, while the company may still change what it says. */
  async function openClaim(tx: Tx, id: string, tenantId: string): Promise<ClaimRow> {
    const claim = await findClaim(tx, id, { lock: true, tenantId })
    if (claim === undefined) throw refuse('claim_not_found')
    if (claim.state !== 'drafted' && claim.state !== 'proof_wanted')
      throw refuse('claim_state', { state: claim.state })
    return claim
  }

  async function openItem(tx: Tx, itemId: string, tenantId: string): Promise<ItemRow> {
    const item = await findItem(tx, itemId)
    if (item?.tenant_id !== tenantId) throw refuse('claim_item_not_found')
    await openClaim(tx, item.claim_id, tenantId)
    return item
  }

  const record = (
    tx: Tx,
    caller: AuditCaller,
    item: Pick<ItemRow, 'claim_id' | 'tenant_id' | 'id'>,
    action: string,
    data: object = {},
  ) =>
    audit.record(tx, {
      tenantId: item.tenant_id,
      caller,
      action: `compensation.${action}`,
      subjectKind: 'compensation-claim',
      subjectId: item.claim_id,
      data: { itemId: item.id, ...data },
    })

  return {
    async add(caller: Caller, claimId: string, loss: NewLoss): Promise<string> {
      const session = requireClaimant(caller)
      const tenantId = session.subjectId
      return await db.work(async (tx) => {
        const claim = await openClaim(tx, claimId, tenantId)
        if ((await itemsOf(tx, claim.id)).length >= ITEMS_MAX)
          throw refuse('claim_items_full', { max: ITEMS_MAX, proofs: PROOFS_MAX })
        const item: ItemRow = {
          id: newId(),
          claim_id: claim.id,
          tenant_id: tenantId,
          description: loss.description,
          claimed_fen: loss.claimedFen,
          minute: loss.minute,
          verified_fen: null,
          direct: null,
          verified_note: null,
          added_at: clock.now(),
        }
        await insertItem(tx, item)
        await record(tx, session, item, 'loss-added', { claimedFen: loss.claimedFen })
        return item.id
      })
    },

    /** Takes a loss back; its proofs are destroyed. */
    async remove(caller: Caller, itemId: string): Promise<void> {
      const session = requireClaimant(caller)
      const proofs = await db.work(async (tx) => {
        const item = await openItem(tx, itemId, session.subjectId)
        const mine = (await proofsOf(tx, item.claim_id)).filter((one) => one.item_id === itemId)
        const objects = mine.map((one) => one.object_id)
        if (objects.length > 0) await storage.destroy(tx, objects, 'compensation.loss-removed')
        await deleteItem(tx, itemId)
        await record(tx, session, item, 'loss-removed')
        return mine
      })
      for (const { id } of proofs) await kms.destroyScopeKey(id)
    },

    /** Takes a proof and stores it under a key of its own, which the company's key wraps. */
    async addProof(
      caller: Caller,
      itemId: string,
      given: { name: string; content: AsyncIterable<Uint8Array> },
    ): Promise<string> {
      const session = requireClaimant(caller)
      const tenantId = session.subjectId
      await db.work((tx) => openItem(tx, itemId, tenantId))
      // 1. Take it in whole: it is small, and its kind shows in its first bytes.
      const parts: Uint8Array[] = []
      for await (const part of given.content) parts.push(part)
      const content = Buffer.concat(parts)
      const mediaType = mediaTypeOf(content)
      const sha256 = createHash('sha256').update(content).digest('hex')
      // 2. Store it before anybody hears of it.
      const id = newId()
      await kms.createScopeKey(tenantId, id)
      const stored = await storage.put({
        tenantId,
        scopeId: id,
        class: 'draft',
        content,
        expectedSha256: sha256,
      })
      // 3. Make it exist, unless the same file is there already.
      return await db.work(async (tx) => {
        const item = await openItem(tx, itemId, tenantId)
        const there = (await proofsOf(tx, item.claim_id)).filter((one) => one.item_id === itemId)
        const same = there.find((one) => one.sha256 === sha256)
        if (same !== undefined) return same.id
        if (there.length >= PROOFS_MAX)
          throw refuse('claim_items_full', { max: ITEMS_MAX, proofs: PROOFS_MAX })
        await storage.record(tx, stored)
        await insertProof(tx, {
          id,
          item_id: itemId,
          tenant_id: tenantId,
          object_id: stored.id,
          name: given.name,
          media_type: mediaType,
          size_bytes: content.length,
          sha256,
          added_at: clock.now(),
        })
        await record(tx, session, item, 'proof-added', { proofId: id, sha256 })
        return id
      })
    },

    /** A proof, for the company or, recorded in its affairs, for an operator who reviews the claim. */
    async proof(
      id: string,
      by: { caller: Caller } | { operatorId: string },
    ): Promise<{ proof: ProofRow; content: Buffer }> {
      const tenantId = 'caller' in by ? requireClaimant(by.caller).subjectId : undefined
      const proof = await db.work(async (tx) => {
        const found = await findProof(tx, id)
        if (found === undefined || (tenantId ?? found.tenant_id) !== found.tenant_id)
          throw refuse('claim_proof_not_found')
        if ('operatorId' in by) {
          // Before the company submitted it, it is nobody's business.
          const claim = await findClaim(tx, found.claim_id)
          if (claim === undefined || claim.state === 'drafted') throw refuse('claim_proof_not_found')
          const caller = { kind: 'operator', operatorId: by.operatorId } as const
          const item = { id: found.item_id, claim_id: found.claim_id, tenant_id: found.tenant_id }
          await record(tx, caller, item, 'proof-read', { proofId: id })
        }
        return found
      })
      return { proof, content: await storage.read(proof.object_id) }
    },
  }
}

function mediaTypeOf(content: Buffer): MediaType {
  if (content.subarray(0, 5).toString('latin1') === '%PDF-') return 'application/pdf'
  if (content.subarray(0, 8).equals(Buffer.from('89504e470d0a1a0a', 'hex'))) return 'image/png'
  if (content.subarray(0, 3).equals(Buffer.from('ffd8ff', 'hex'))) return 'image/jpeg'
  throw refuse('claim_proof_kind')
}
