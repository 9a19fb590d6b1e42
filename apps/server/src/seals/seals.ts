import type { Appearance, Font } from '@yinxin/pades'
import type { Accounts, Caller } from '#src/accounts/accounts.ts'
import type { Audit, AuditCaller } from '#src/audit/audit.ts'
import type { Clock } from '#src/clock.ts'
import type { Db, Tx } from '#src/db/db.ts'
import { newId } from '#src/ids.ts'
import type { Kms } from '#src/kms/kms.ts'
import {
  createSealFont,
  type Drawn,
  drawCompany,
  drawNameSeal,
  drawSignature,
  type Handwriting,
  packAppearance,
  unpackAppearance,
} from './drawings.ts'
import { refuse } from './errors.ts'
import { createGrants, type Grants } from './grants.ts'
import { type Mode, requireManager } from './authority.ts'
import * as store from './store.ts'
import type { SealKind } from './tables.ts'

export { createSealFont, type Drawn, drawSignature, type Handwriting } from './drawings.ts'
export type { FreeSignScene } from './grants.ts'
export type { SealKind } from './tables.ts'

export interface SealDetails {
  id: string
  subjectId: string
  kind: SealKind
  form: 'drawn' | 'handwritten'
  name: string
  status: 'active' | 'disabled'
  widthMm: number
  heightMm: number
  createdAt: Date
}

export interface SealWithScenes extends SealDetails {
  freeSignScenes: { businessId: string; name: string; expiresAt: Date | null }[]
}

export type SealInput =
  | {
      kind: 'official' | 'contract' | 'finance' | 'legal-representative'
      name: string
      centerText?: string | undefined
      number?: string | undefined
    }
  | { kind: 'personal'; name?: string | undefined; handwriting: Handwriting }
  | { kind: 'personal'; name?: string | undefined; text: string }

/** One use of a seal or stored signature, for the audit. */
export interface SealUse {
  subjectId: string
  sealId: string
  caller: AuditCaller
  taskId: string
  actorId: string
  /** The scene, when the seal signed without a code. */
  businessId?: string
}

/** Methods open their own transaction unless they take `tx`. */
export interface Seals extends Grants {
  /** Seals of the subject the caller acts for, newest first; plain members see those granted to them. */
  list(caller: Caller, page: store.Page): Promise<{ items: SealWithScenes[]; next: string | null }>
  /** Draws and keeps a seal. `finish` runs in the transaction that makes it exist. */
  create(
    caller: Caller,
    input: SealInput,
    finish?: (tx: Tx, seal: SealWithScenes) => Promise<void>,
  ): Promise<SealWithScenes>
  setStatus(caller: Caller, sealId: string, status: 'active' | 'disabled'): Promise<SealWithScenes>
  /** The picture as SVG for its owner's own export; the caller has checked who asks. */
  pictureOf(tx: Tx, tenantId: string, sealId: string): Promise<string | undefined>
  /** The picture as SVG, for those who may use the seal. */
  svg(caller: Caller, sealId: string): Promise<string>
  /** A seal by its owner; for rooms that hold the owner's right already. */
  seal(subjectId: string, sealId: string): Promise<SealDetails | null>
  /** What is drawn on the page: prepared once, kept in memory afterwards. @throws Refusal `seal_not_found` */
  appearance(subjectId: string, sealId: string): Promise<Appearance>
  /** A picture of handwriting that is used once and not kept. @throws Refusal `handwriting_unfit` */
  drawSignature(handwriting: Handwriting): Drawn
  /** Keeps a drawn signature for its person, in place of the oldest one when too many are kept, in the caller's transaction; returns its id. Any role that acts for the person, or the worker. */
  keepSignature(tx: Tx, personId: string, drawn: Drawn): Promise<string>
  /** Stored signatures and name seals of a person, newest first. */
  signaturesOf(personId: string): Promise<{ id: string; svg: string }[]>
  /**
   * Writes down a use, in the transaction that makes the signature exist (worker role). The seal must still be
   * active then: a seal that was disabled a moment ago signs nothing.
   */
  recordUse(tx: Tx, use: SealUse): Promise<void>
}

export interface SealsDeps {
  db: Db
  clock: Clock
  kms: Kms
  audit: Audit
  accounts: Accounts
  mode: Mode
  /** TrueType font to cut seals in; the Song face that comes with the platform when not said. */
  fontPath?: string
  /** The same font already opened, to be shared with other rooms. */
  font?: () => Promise<Font>
}

const ACTIVE_LIMIT = 50
const SIGNATURES_SHOWN = 10
const CACHED_APPEARANCES = 500

export function createSeals(deps: SealsDeps): Seals {
  const { db, clock, kms, audit, accounts, mode } = deps
  const sealFont = deps.font ?? createSealFont(deps.fontPath)
  const appearances = new Map<string, Appearance>()

  async function draw(
    caller: Caller,
    input: SealInput,
  ): Promise<{ drawn: Drawn; form: SealDetails['form']; name: string }> {
    const isCompany = caller.kind === 'app' || caller.role !== 'self'
    if (isCompany !== (input.kind !== 'personal')) throw refuse('seal_kind_not_yours')
    if (input.kind !== 'personal') {
      const corp = await accounts.corp(caller.subjectId)
      if (corp === null) throw refuse('seal_kind_not_yours')
      const font = await sealFont()
      // The names are those that were confirmed: nobody cuts another company's seal.
      const drawn =
        input.kind === 'legal-representative'
          ? drawNameSeal(font, corp.legalRepresentative)
          : drawCompany(font, {
              kind: input.kind,
              corpName: corp.name,
              centerText: input.centerText,
              number: input.number,
            })
      return { drawn, form: 'drawn', name: input.name }
    }
    if ('handwriting' in input)
      return { drawn: drawSignature(input.handwriting), form: 'handwritten', name: input.name ?? '手写签名' }
    const person = await accounts.person(caller.subjectId)
    if (person === null || !person.identity.verified || person.name !== input.text.trim())
      throw refuse('seal_text_not_own_name')
    return {
      drawn: drawNameSeal(await sealFont(), person.name),
      form: 'drawn',
      name: input.name ?? person.name,
    }
  }

  async function insert(
    tx: Tx,
    subjectId: string,
    facts: { kind: SealKind; form: SealDetails['form']; name: string; drawn: Drawn },
  ): Promise<SealDetails> {
    const id = newId()
    const seal: SealDetails = {
      id,
      subjectId,
      kind: facts.kind,
      form: facts.form,
      name: facts.name,
      status: 'active',
      widthMm: round(facts.drawn.widthMm),
      heightMm: round(facts.drawn.heightMm),
      createdAt: clock.now(),
    }
    await store.insertSeal(tx, {
      id,
      tenant_id: subjectId,
      kind: seal.kind,
      form: seal.form,
      name: seal.name,
      status: seal.status,
      width_mm: seal.widthMm,
      height_mm: seal.heightMm,
      svg_sealed: kms.sealSecret(svgLabel(id), Buffer.from(facts.drawn.svg, 'utf8')),
      appearance_sealed: kms.sealSecret(appearanceLabel(id), packAppearance(facts.drawn.appearance)),
      created_at: seal.createdAt,
    })
    return seal
  }

  async function withScenes(tx: Tx, rows: readonly store.SealRow[]): Promise<SealWithScenes[]> {
    const scenes = await store.liveScenes(
      tx,
      rows.map((row) => row.id),
    )
    return rows.map((row) => ({
      ...toSeal(row),
      freeSignScenes: scenes
        .filter((scene) => scene.seal_id === row.id)
        .map((scene) => ({ businessId: scene.business_id, name: scene.name, expiresAt: scene.expires_at })),
    }))
  }

  const grants = createGrants({ db, clock, audit, accounts, mode })

  /** Seals that the caller may see; null for all of the subject. Plain members see what they may use. */
  async function seenBy(caller: Caller): Promise<string[] | null> {
    if (caller.kind === 'app' || caller.role !== 'member') return null
    const granted = await grants.grantedTo(caller.subjectId, caller.personId)
    return granted === 'all' ? null : granted
  }

  return {
    ...grants,

    async list(caller, page) {
      const seen = await seenBy(caller)
      return db.as(caller.subjectId, async (tx) => {
        const rows = await store.listSeals(tx, caller.subjectId, page, seen)
        const items = await withScenes(tx, rows.slice(0, page.limit))
        return { items, next: rows.length > page.limit ? (items.at(-1)?.id ?? null) : null }
      })
    },

    async create(caller, input, finish) {
      if (input.kind !== 'personal') requireManager(caller, mode)
      const { drawn, form, name } = await draw(caller, input)
      return db.as(caller.subjectId, async (tx) => {
        if ((await store.countSeals(tx, caller.subjectId)) >= ACTIVE_LIMIT)
          throw refuse('seal_limit', { limit: ACTIVE_LIMIT })
        const seal = await insert(tx, caller.subjectId, { kind: input.kind, form, name, drawn })
        await audit.record(tx, {
          tenantId: caller.subjectId,
          caller,
          action: 'seal.created',
          subjectKind: 'seal',
          subjectId: seal.id,
          data: { kind: seal.kind, form: seal.form, name: seal.name },
        })
        const made = { ...seal, freeSignScenes: [] }
        await finish?.(tx, made)
        return made
      })
    },

    async setStatus(caller, sealId, status) {
      return db.as(caller.subjectId, async (tx) => {
        const row = await store.findSeal(tx, caller.subjectId, sealId)
        if (row === undefined) throw refuse('seal_not_found')
        if (row.kind !== 'personal') requireManager(caller, mode)
        await store.updateStatus(tx, sealId, status)
        await audit.record(tx, {
          tenantId: caller.subjectId,
          caller,
          action: status === 'active' ? 'seal.enabled' : 'seal.disabled',
          subjectKind: 'seal',
          subjectId: sealId,
        })
        const [seal] = await withScenes(tx, [{ ...row, status }])
        if (seal === undefined) throw refuse('seal_not_found')
        return seal
      })
    },

    async pictureOf(tx, tenantId, sealId) {
      const row = await store.sealedPictures(tx, tenantId, sealId)
      return row && kms.openSecret(svgLabel(row.id), row.svg_sealed).toString('utf8')
    },

    async svg(caller, sealId) {
      const row = await db.as(caller.subjectId, (tx) => store.sealedPictures(tx, caller.subjectId, sealId))
      if (row === undefined) throw refuse('seal_not_found')
      // Whoever may not use a seal gets no picture of it to paste somewhere.
      if ((await seenBy(caller))?.includes(row.id) === false) throw refuse('seal_not_usable')
      return kms.openSecret(svgLabel(row.id), row.svg_sealed).toString('utf8')
    },

    async seal(subjectId, sealId) {
      const row = await db.as(subjectId, (tx) => store.findSeal(tx, subjectId, sealId))
      return row === undefined ? null : toSeal(row)
    },

    async appearance(subjectId, sealId) {
      const key = `${subjectId}:${sealId}`
      const cached = appearances.get(key)
      if (cached !== undefined) return cached
      const row = await db.as(subjectId, (tx) => store.sealedPictures(tx, subjectId, sealId))
      if (row === undefined) throw refuse('seal_not_found')
      const appearance = unpackAppearance(kms.openSecret(appearanceLabel(row.id), row.appearance_sealed))
      // Drawings never change, so the oldest entry may go and no entry is ever wrong.
      if (appearances.size >= CACHED_APPEARANCES) appearances.delete(appearances.keys().next().value ?? '')
      appearances.set(key, appearance)
      return appearance
    },

    drawSignature,

    async keepSignature(tx, personId, drawn) {
      // A full shelf must not undo the signing that this belongs to: the oldest handwriting makes room.
      if ((await store.countSeals(tx, personId)) >= ACTIVE_LIMIT)
        await store.disableOldestHandwriting(tx, personId)
      const seal = await insert(tx, personId, {
        kind: 'personal',
        form: 'handwritten',
        name: '手写签名',
        drawn,
      })
      return seal.id
    },

    async signaturesOf(personId) {
      const rows = await db.as(personId, (tx) => store.newestHandwriting(tx, personId, SIGNATURES_SHOWN))
      return rows.map((row) => ({
        id: row.id,
        svg: kms.openSecret(svgLabel(row.id), row.svg_sealed).toString('utf8'),
      }))
    },

    async recordUse(tx, use) {
      const row = await store.holdSeal(tx, use.subjectId, use.sealId)
      if (row === undefined) throw refuse('seal_not_found')
      if (row.status !== 'active') throw refuse('seal_not_usable')
      await audit.record(tx, {
        tenantId: use.subjectId,
        caller: use.caller,
        action: 'seal.used',
        subjectKind: 'seal',
        subjectId: use.sealId,
        data: { taskId: use.taskId, actorId: use.actorId, businessId: use.businessId ?? null },
      })
    },
  }
}

function toSeal(row: store.SealRow): SealDetails {
  return {
    id: row.id,
    subjectId: row.tenant_id,
    kind: row.kind,
    form: row.form,
    name: row.name,
    status: row.status,
    widthMm: row.width_mm,
    heightMm: row.height_mm,
    createdAt: row.created_at,
  }
}

function round(mm: number): number {
  return Math.round(mm * 100) / 100
}

const svgLabel = (sealId: string) => `seal:${sealId}:svg`
const appearanceLabel = (sealId: string) => `seal:${sealId}:appearance`
