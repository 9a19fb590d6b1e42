import type { Accounts, Caller } from '#src/accounts/accounts.ts'
import type { Audit } from '#src/audit/audit.ts'
import type { Clock } from '#src/clock.ts'
import type { Db, Tx } from '#src/db/db.ts'
import { newId } from '#src/ids.ts'
import { refuse } from './errors.ts'
import { type Mode, requireManager } from './authority.ts'
import * as store from './store.ts'
import type { SealKind } from './tables.ts'

export interface FreeSignScene {
  businessId: string
  sealId: string
  name: string
  expiresAt: Date | null
}

export interface SealGrant {
  personId: string
  expiresAt: Date | null
  grantedAt: Date
}

/** Who may use a company seal, and where it may sign without a code. Every method opens its own transaction. */
export interface Grants {
  /** Ids of the company's seals, active or not, that this member was granted; `all` for administrators. */
  grantedTo(corpId: string, personId: string): Promise<string[] | 'all'>
  /** Active seals of a company that this member may use now: all for administrators, granted ones for members. */
  usableBy(corpId: string, personId: string): Promise<{ id: string; name: string; kind: SealKind }[]>
  /** @throws Refusal `seal_not_usable` when {@link Grants.usableBy} does not name the seal. */
  requireUsable(corpId: string, personId: string, sealId: string): Promise<void>
  grants(caller: Caller, sealId: string): Promise<SealGrant[]>
  grant(
    caller: Caller,
    sealId: string,
    input: { personId: string; expiresAt?: Date | undefined },
  ): Promise<SealGrant>
  endGrant(caller: Caller, sealId: string, personId: string): Promise<void>
  /** The scene behind a code, when it holds now and its seal is active; null otherwise. */
  freeSignScene(corpId: string, businessId: string): Promise<FreeSignScene | null>
  addFreeSignScene(
    caller: Caller,
    sealId: string,
    input: { name: string; expiresAt?: Date | undefined },
    finish?: (tx: Tx, scene: FreeSignScene) => Promise<void>,
  ): Promise<FreeSignScene>
  endFreeSignScene(caller: Caller, sealId: string, businessId: string): Promise<void>
}

/** Later than any grant: of whoever is no member any more, nothing holds. */
const NEVER = new Date(8.64e15)

export function createGrants(deps: {
  db: Db
  clock: Clock
  audit: Audit
  accounts: Accounts
  mode: Mode
}): Grants {
  const { db, clock, audit, accounts, mode } = deps

  async function grantedTo(corpId: string, personId: string): Promise<string[] | 'all'> {
    const membership = await accounts.membership(corpId, personId)
    if (membership === null) return []
    if (membership.role === 'admin') return 'all'
    return db.askAs(corpId, (tx) => store.grantedSealIds(tx, corpId, personId, membership.since, clock.now()))
  }

  async function usableBy(corpId: string, personId: string) {
    const granted = await grantedTo(corpId, personId)
    if (granted.length === 0) return []
    const seals = await db.askAs(corpId, (tx) => store.activeSeals(tx, corpId))
    return seals
      .filter((seal) => granted === 'all' || granted.includes(seal.id))
      .map(({ id, name, kind }) => ({ id, name, kind }))
  }

  /** The seal that a manager wants to change, as that manager may see it. */
  async function managed(tx: Tx, caller: Caller, sealId: string): Promise<store.SealRow> {
    const row = await store.findSeal(tx, caller.subjectId, sealId)
    if (row === undefined) throw refuse('seal_not_found')
    requireManager(caller, mode)
    return row
  }

  const record = (tx: Tx, caller: Caller, sealId: string, action: string, data: Record<string, unknown>) =>
    audit.record(tx, {
      tenantId: caller.subjectId,
      caller,
      action,
      subjectKind: 'seal',
      subjectId: sealId,
      data,
    })

  function checkEnd(expiresAt: Date | undefined): Date | null {
    if (expiresAt !== undefined && expiresAt <= clock.now()) throw refuse('free_sign_expiry_past')
    return expiresAt ?? null
  }

  return {
    grantedTo,
    usableBy,

    async requireUsable(corpId, personId, sealId) {
      const usable = await usableBy(corpId, personId)
      if (!usable.some((seal) => seal.id === sealId)) throw refuse('seal_not_usable')
    },

    async grants(caller, sealId) {
      const rows = await db.as(caller.subjectId, async (tx) => {
        await managed(tx, caller, sealId)
        return await store.liveGrants(tx, sealId, clock.now())
      })
      const since = await Promise.all(
        rows.map(async (row) => (await accounts.membership(caller.subjectId, row.person_id))?.since),
      )
      return rows
        .filter((row, i) => row.granted_at >= (since[i] ?? NEVER))
        .map((row) => ({ personId: row.person_id, expiresAt: row.expires_at, grantedAt: row.granted_at }))
    },

    async grant(caller, sealId, input) {
      const expiresAt = checkEnd(input.expiresAt)
      const membership = await accounts.membership(caller.subjectId, input.personId)
      return db.as(caller.subjectId, async (tx) => {
        await managed(tx, caller, sealId)
        if (membership === null) throw refuse('seal_grantee_not_member')
        const grantedAt = clock.now()
        await store.putGrant(tx, {
          tenant_id: caller.subjectId,
          seal_id: sealId,
          person_id: input.personId,
          expires_at: expiresAt,
          granted_at: grantedAt,
          ended_at: null,
        })
        await record(tx, caller, sealId, 'seal.granted', { personId: input.personId, expiresAt })
        return { personId: input.personId, expiresAt, grantedAt }
      })
    },

    async endGrant(caller, sealId, personId) {
      await db.as(caller.subjectId, async (tx) => {
        await managed(tx, caller, sealId)
        if (!(await store.endGrant(tx, sealId, personId, clock.now()))) throw refuse('seal_grant_not_found')
        await record(tx, caller, sealId, 'seal.grant-ended', { personId })
      })
    },

    async freeSignScene(corpId, businessId) {
      const row = await db.askAs(corpId, (tx) => store.findScene(tx, corpId, businessId, clock.now()))
      return row === undefined
        ? null
        : { businessId: row.business_id, sealId: row.seal_id, name: row.name, expiresAt: row.expires_at }
    },

    async addFreeSignScene(caller, sealId, input, finish) {
      const expiresAt = checkEnd(input.expiresAt)
      return db.as(caller.subjectId, async (tx) => {
        const seal = await managed(tx, caller, sealId)
        if (seal.kind === 'personal') throw refuse('free_sign_for_companies')
        const scene = { businessId: newId().replaceAll('-', ''), sealId, name: input.name, expiresAt }
        await store.insertScene(tx, {
          business_id: scene.businessId,
          tenant_id: caller.subjectId,
          seal_id: sealId,
          name: scene.name,
          expires_at: expiresAt,
          created_at: clock.now(),
          ended_at: null,
        })
        await record(tx, caller, sealId, 'seal.free-sign-granted', { ...scene })
        await finish?.(tx, scene)
        return scene
      })
    },

    async endFreeSignScene(caller, sealId, businessId) {
      await db.as(caller.subjectId, async (tx) => {
        await managed(tx, caller, sealId)
        if (!(await store.endScene(tx, sealId, businessId, clock.now())))
          throw refuse('free_sign_scene_not_found')
        await record(tx, caller, sealId, 'seal.free-sign-ended', { businessId })
      })
    },
  }
}
