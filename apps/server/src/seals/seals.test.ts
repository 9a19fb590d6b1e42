import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { AppCaller, SessionCaller } from '#src/accounts/accounts.ts'
import { newId } from '#src/ids.ts'
import { openPeople, type People } from '../../../../testing/people.ts'
import { packAppearance, unpackAppearance } from './drawings.ts'
import { createSeals, type Handwriting, type Seals } from './seals.ts'

let house: People
let seals: Seals
let admin: SessionCaller
let member: SessionCaller
let person: SessionCaller
let rival: SessionCaller

const handwriting: Handwriting = {
  width: 600,
  height: 200,
  strokes: [
    {
      points: Array.from({ length: 40 }, (_, i) => ({
        x: 50 + i * 8,
        y: 100 + 60 * Math.sin(i / 4),
        t: i * 8,
        pressure: 0.5,
      })),
    },
    {
      points: Array.from({ length: 20 }, (_, i) => ({
        x: 420 + i * 4,
        y: 40 + i * 6,
        t: 400 + i * 8,
        pressure: 0.3 + i / 40,
      })),
    },
  ],
}

beforeAll(async () => {
  house = await openPeople()
  seals = createSeals({ ...house, mode: 'sandbox' })
  person = await house.register('13800000001', '张三', '11010519491231002X')
  const founder = await house.register('13800000002', '李四', '440524188001010014')
  admin = await house.found(founder, '福州示例科技有限公司', '91350100M000100Y43')
  await house.accounts.members.add(admin, admin.subjectId, { login: '13800000001', role: 'member' })
  member = await house.accounts.actAs(person, admin.subjectId)
  rival = await house.found(
    await house.register('13800000003', '王五', '11010519491231002X'),
    '别家科技有限公司',
    '91110000802100433B',
  )
})
afterAll(() => house.close())

const contractSeal = (caller = admin) =>
  seals.create(caller, { kind: 'contract', name: '合同专用章', number: '3501000012345' })

describe('company seals', () => {
  it.each([
    ['official', 40, 40],
    ['contract', 40, 40],
    ['finance', 40, 40],
    ['legal-representative', 18, 18],
  ] as const)('%s is drawn at true size for web and page', async (kind, widthMm, heightMm) => {
    const seal = await seals.create(admin, { kind, name: '章' })
    expect(seal).toMatchObject({ kind, status: 'active', widthMm, heightMm, freeSignScenes: [] })
    const svg = await seals.svg(admin, seal.id)
    expect(svg).toMatch(new RegExp(`^<svg [^>]*width="${widthMm}(mm|\\.\\d+mm)"`))
    expect(svg).not.toMatch(/<script|<text|href/)
    const appearance = await seals.appearance(admin.subjectId, seal.id)
    expect(appearance.widthPt).toBeCloseTo((widthMm * 72) / 25.4, 3)
    expect(await seals.appearance(admin.subjectId, seal.id)).toBe(appearance)
  })

  it('have the same picture after a restart', async () => {
    const seal = await contractSeal()
    const before = await seals.appearance(admin.subjectId, seal.id)
    expect(await createSeals({ ...house, mode: 'sandbox' }).appearance(admin.subjectId, seal.id)).toEqual(
      before,
    )
    expect(unpackAppearance(packAppearance(before))).toEqual(before)
  })

  it('are made and disabled by administrators alone', async () => {
    const seal = await contractSeal()
    await expect(contractSeal(member)).rejects.toThrow('seal_manager_required')
    await expect(seals.setStatus(member, seal.id, 'disabled')).rejects.toThrow('seal_manager_required')
    const sandboxApp: AppCaller = {
      kind: 'app',
      appId: '12345678',
      subjectId: admin.subjectId,
      environment: 'sandbox',
    }
    expect(await seals.create(sandboxApp, { kind: 'finance', name: '财务' })).toMatchObject({
      kind: 'finance',
    })
    await expect(
      seals.create({ ...sandboxApp, environment: 'production' }, { kind: 'finance', name: 'x' }),
    ).rejects.toThrow('seal_manager_required')
  })

  it('of a production installation are out of reach of every app, whatever the app calls itself', async () => {
    const real = createSeals({ ...house, mode: 'production' })
    const app: AppCaller = {
      kind: 'app',
      appId: '12345678',
      subjectId: admin.subjectId,
      environment: 'sandbox',
    }
    const seal = await real.create(admin, { kind: 'contract', name: '合同专用章' })
    for (const attempt of [
      () => real.create(app, { kind: 'finance', name: '财务' }),
      () => real.setStatus(app, seal.id, 'disabled'),
      () => real.addFreeSignScene(app, seal.id, { name: 'x' }),
      () => real.grant(app, seal.id, { personId: person.personId }),
    ])
      await expect(attempt()).rejects.toThrow('seal_manager_required')
  })

  it('are found by their id however it is written', async () => {
    const seal = await contractSeal()
    expect(await seals.svg(admin, seal.id.toUpperCase())).toContain('<svg')
    expect(await seals.appearance(admin.subjectId, seal.id.toUpperCase())).toBeDefined()
  })

  it('are drawn for companies and personal ones for people', async () => {
    const self = await house.accounts.actAs(admin, admin.personId)
    await expect(seals.create({ ...self, role: 'admin' }, { kind: 'official', name: 'x' })).rejects.toThrow(
      'seal_kind_not_yours',
    )
    await expect(seals.create(admin, { kind: 'personal', handwriting })).rejects.toThrow(
      'seal_kind_not_yours',
    )
    await house.accounts.actAs(admin, admin.subjectId)
  })

  it('name a character that the font cannot cut', async () => {
    await expect(
      seals.create(admin, { kind: 'contract', name: 'x', centerText: '🀄专用' }),
    ).rejects.toMatchObject({
      code: 'seal_glyph_missing',
      params: { character: expect.stringContaining('🀄') },
    })
  })

  it('page newest first', async () => {
    const first = await seals.list(admin, { after: null, limit: 2 })
    expect(first.items).toHaveLength(2)
    const second = await seals.list(admin, { after: first.next, limit: 2 })
    const times = [...first.items, ...second.items].map((seal) => seal.id)
    expect(times).toEqual([...times].sort().reverse())
    expect(new Set(times).size).toBe(4)
  })
})

describe('personal signatures', () => {
  it('keep handwriting as a vector, newest first', async () => {
    const self = await house.accounts.actAs(person, person.personId)
    const one = await seals.create(self, { kind: 'personal', handwriting })
    const drawn = seals.drawSignature(handwriting)
    const two = await house.db.as(self.subjectId, (tx) => seals.keepSignature(tx, self.subjectId, drawn))
    const stored = await seals.signaturesOf(self.personId)
    expect(stored.map((signature) => signature.id)).toEqual([two, one.id])
    expect(stored[0]?.svg).toBe(drawn.svg)
    expect(drawn.svg).toContain('<path')
    await seals.setStatus(self, one.id, 'disabled')
    expect((await seals.signaturesOf(self.personId)).map((signature) => signature.id)).toEqual([two])
  })

  it('make room for a new one at the limit, so that no signing fails for it', async () => {
    const writer = await house.register('13800000010', '赵六')
    const drawn = seals.drawSignature(handwriting)
    const kept: string[] = []
    for (let i = 0; i < 52; i++)
      kept.push(await house.db.work((tx) => seals.keepSignature(tx, writer.personId, drawn)))
    const { items } = await seals.list(writer, { after: null, limit: 100 })
    const active = items.filter((seal) => seal.status === 'active').map((seal) => seal.id)
    expect(active).toHaveLength(50)
    expect(active).toContain(kept.at(-1))
    // By hand, the limit is told.
    await expect(seals.create(writer, { kind: 'personal', handwriting })).rejects.toThrow('seal_limit')
  })

  it('cut a name seal with the proven name only', async () => {
    const self = await house.accounts.actAs(person, person.personId)
    expect(await seals.create(self, { kind: 'personal', text: '张三' })).toMatchObject({
      form: 'drawn',
      widthMm: 18,
    })
    await expect(seals.create(self, { kind: 'personal', text: '李四' })).rejects.toThrow(
      'seal_text_not_own_name',
    )
    const unproven = await house.register('13800000009', '张三')
    await expect(seals.create(unproven, { kind: 'personal', text: '张三' })).rejects.toThrow(
      'seal_text_not_own_name',
    )
  })

  it.each([
    ['no ink', { width: 100, height: 50, strokes: [{ points: [] }] }],
    ['a dot', { width: 100, height: 50, strokes: [{ points: [{ x: 1, y: 1, t: 0, pressure: 1 }] }] }],
    [
      'too many points',
      {
        width: 100,
        height: 50,
        strokes: Array.from({ length: 100 }, () => ({
          points: Array.from({ length: 300 }, (_, i) => ({ x: i, y: i, t: i, pressure: 0.5 })),
        })),
      },
    ],
  ])('refuse %s', (_what, input) => {
    expect(() => seals.drawSignature(input)).toThrow('handwriting_unfit')
  })
})

describe('the use of seals', () => {
  it('is open to administrators, and to members when granted, until the grant or the membership ends', async () => {
    const seal = await contractSeal()
    const usable = async (personId: string) =>
      (await seals.usableBy(admin.subjectId, personId)).some((one) => one.id === seal.id)
    expect(await usable(admin.personId)).toBe(true)
    expect(await usable(member.personId)).toBe(false)
    await expect(seals.requireUsable(admin.subjectId, member.personId, seal.id)).rejects.toThrow(
      'seal_not_usable',
    )

    const expiresAt = new Date(house.clock.now().getTime() + 3_600_000)
    await seals.grant(admin, seal.id, { personId: member.personId, expiresAt })
    expect(await usable(member.personId)).toBe(true)
    expect(await seals.grants(admin, seal.id)).toMatchObject([{ personId: member.personId, expiresAt }])
    house.clock.advance(3_600_001)
    expect(await usable(member.personId)).toBe(false)

    await seals.grant(admin, seal.id, { personId: member.personId })
    expect(await usable(member.personId)).toBe(true)
    await seals.endGrant(admin, seal.id, member.personId)
    expect(await usable(member.personId)).toBe(false)
    await expect(seals.endGrant(admin, seal.id, member.personId)).rejects.toThrow('seal_grant_not_found')

    await expect(seals.grant(admin, seal.id, { personId: rival.personId })).rejects.toThrow(
      'seal_grantee_not_member',
    )
    await expect(seals.grant(member, seal.id, { personId: member.personId })).rejects.toThrow(
      'seal_manager_required',
    )
    expect(await seals.usableBy(admin.subjectId, rival.personId)).toEqual([])
  })

  it('granted to a member ends with the membership, also when it is added again', async () => {
    const seal = await contractSeal()
    const login = '13800000019'
    const guest = await house.register(login, '赵六')
    const { members } = house.accounts
    await members.add(admin, admin.subjectId, { login, role: 'member' })
    await seals.grant(admin, seal.id, { personId: guest.personId })
    const usable = () => seals.usableBy(admin.subjectId, guest.personId)
    const granted = () => seals.grants(admin, seal.id)
    // A change of the role is no end.
    house.clock.advance(1000)
    await members.add(admin, admin.subjectId, { login, role: 'member' })
    expect(await usable()).toMatchObject([{ id: seal.id }])
    await members.remove(admin, admin.subjectId, guest.personId)
    expect([await usable(), await granted()]).toEqual([[], []])
    house.clock.advance(1000)
    await members.add(admin, admin.subjectId, { login, role: 'member' })
    expect([await usable(), await granted()]).toEqual([[], []])
    await seals.grant(admin, seal.id, { personId: guest.personId })
    expect(await usable()).toMatchObject([{ id: seal.id }])
    expect(await granted()).toMatchObject([{ personId: guest.personId }])
  })

  it('shows its picture to members who may use it, and to no others', async () => {
    const seal = await contractSeal()
    const listed = async () =>
      (await seals.list(member, { after: null, limit: 100 })).items.some((one) => one.id === seal.id)
    expect(await listed()).toBe(false)
    await expect(seals.svg(member, seal.id)).rejects.toThrow('seal_not_usable')
    await seals.grant(admin, seal.id, { personId: member.personId })
    expect(await seals.svg(member, seal.id)).toContain('<svg')
    expect(await listed()).toBe(true)
  })

  it('is recorded, and refused for a seal disabled in the meantime', async () => {
    const seal = await contractSeal()
    const use = {
      subjectId: admin.subjectId,
      sealId: seal.id,
      caller: admin,
      taskId: newId(),
      actorId: newId(),
    }
    await house.db.work((tx) => seals.recordUse(tx, use))
    await seals.setStatus(admin, seal.id, 'disabled')
    await expect(house.db.work((tx) => seals.recordUse(tx, use))).rejects.toThrow('seal_not_usable')
    const records = await house.db.as(admin.subjectId, (tx) => house.audit.about(tx, 'seal', seal.id))
    expect(records.map((record) => record.action)).toEqual(['seal.disabled', 'seal.used', 'seal.created'])
    expect(records[1]).toMatchObject({
      callerId: admin.personId,
      data: { taskId: use.taskId, actorId: use.actorId },
    })
  })
})

describe('free-sign scenes', () => {
  it('hold for their company, their time and an active seal', async () => {
    const seal = await contractSeal()
    const expiresAt = new Date(house.clock.now().getTime() + 3_600_000)
    const scene = await seals.addFreeSignScene(admin, seal.id, { name: '采购', expiresAt })
    expect(scene.businessId).toMatch(/^[0-9a-f]{32}$/)
    const found = () => seals.freeSignScene(admin.subjectId, scene.businessId)
    expect(await found()).toEqual({ businessId: scene.businessId, sealId: seal.id, name: '采购', expiresAt })
    expect(await seals.freeSignScene(rival.subjectId, scene.businessId)).toBeNull()
    await seals.setStatus(admin, seal.id, 'disabled')
    expect(await found()).toBeNull()
    expect(await seals.setStatus(admin, seal.id, 'active')).toMatchObject({
      freeSignScenes: [{ name: '采购' }],
    })
    expect(await found()).not.toBeNull()
    house.clock.advance(3_600_001)
    expect(await found()).toBeNull()
  })

  it('end when told, and are granted by managers for company seals only', async () => {
    const seal = await contractSeal()
    const scene = await seals.addFreeSignScene(admin, seal.id, { name: '采购' })
    await seals.endFreeSignScene(admin, seal.id, scene.businessId)
    expect(await seals.freeSignScene(admin.subjectId, scene.businessId)).toBeNull()
    await expect(seals.endFreeSignScene(admin, seal.id, scene.businessId)).rejects.toThrow(
      'free_sign_scene_not_found',
    )
    await expect(seals.addFreeSignScene(member, seal.id, { name: 'x' })).rejects.toThrow(
      'seal_manager_required',
    )
    await expect(
      seals.addFreeSignScene(admin, seal.id, { name: 'x', expiresAt: house.clock.now() }),
    ).rejects.toThrow('free_sign_expiry_past')
    const self = await house.accounts.actAs(person, person.personId)
    const own = await seals.create(self, { kind: 'personal', handwriting })
    await expect(seals.addFreeSignScene(self, own.id, { name: 'x' })).rejects.toThrow(
      /seal_manager_required|free_sign_for_companies/,
    )
  })
})

describe('another tenant', () => {
  it('finds none of it', async () => {
    const seal = await contractSeal()
    const scene = await seals.addFreeSignScene(admin, seal.id, { name: 'x' })
    await expect(seals.svg(rival, seal.id)).rejects.toThrow('seal_not_found')
    await expect(seals.setStatus(rival, seal.id, 'disabled')).rejects.toThrow('seal_not_found')
    await expect(seals.appearance(rival.subjectId, seal.id)).rejects.toThrow('seal_not_found')
    await expect(seals.grants(rival, seal.id)).rejects.toThrow('seal_not_found')
    await expect(seals.grant(rival, seal.id, { personId: rival.personId })).rejects.toThrow('seal_not_found')
    await expect(seals.endGrant(rival, seal.id, rival.personId)).rejects.toThrow('seal_not_found')
    await expect(seals.addFreeSignScene(rival, seal.id, { name: 'x' })).rejects.toThrow('seal_not_found')
    await expect(seals.endFreeSignScene(rival, seal.id, scene.businessId)).rejects.toThrow('seal_not_found')
    expect(await seals.seal(rival.subjectId, seal.id)).toBeNull()
    expect((await seals.list(rival, { after: null, limit: 100 })).items).toEqual([])
  })

  it('cannot take a picture out of the database, nor change one', async () => {
    const seal = await contractSeal()
    const { rows } = await house.db.work((tx) =>
      sql<{
        svg_sealed: Buffer
        appearance_sealed: Buffer
      }>`select svg_sealed, appearance_sealed from seal where id = ${seal.id}`.execute(tx),
    )
    expect(rows[0]?.svg_sealed.includes('svg')).toBe(false)
    expect(rows[0]?.appearance_sealed.includes('XObject')).toBe(false)
    await expect(
      house.db.work((tx) => sql`update seal set svg_sealed = '' where id = ${seal.id}`.execute(tx)),
    ).rejects.toThrow('permission denied')
  })
})
