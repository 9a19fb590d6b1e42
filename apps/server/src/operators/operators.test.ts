import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sql } from 'kysely'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { createTestDatabase, type TestDatabase } from '../../../../testing/database.ts'
import { createAudit } from '../audit/audit.ts'
import { manualClock } from '../clock.ts'
import { type Db, openDb } from '../db/db.ts'
import { createLog } from '../log.ts'
import { askOperator, type OperatorDoor, openOperatorDoor } from '../operator-door.ts'
import { createOperatorCommands, createOperators, type Operators } from './operators.ts'

const HOUR_MS = 3_600_000
let database: TestDatabase
let db: Db
let folder: string
let door: OperatorDoor
let operators: Operators
let clock: ReturnType<typeof manualClock>
/** What the command that takes two has done. */
let done: { amount: number; by: [string, string] }[]

beforeEach(async () => {
  database = await createTestDatabase()
  db = openDb({ url: database.url })
  folder = await mkdtemp(join(tmpdir(), 'yinxin-operators-'))
  clock = manualClock(new Date('2026-11-24T12:00:00Z'))
  operators = createOperators({ db, clock, log: createLog('silent'), audit: createAudit({ clock }) })
  done = []
  const commands = operators.guard(
    {
      ...createOperatorCommands(operators),
      who: async (_options, { operator }) => ({ who: operator?.name ?? null }),
      fail: async () => {
        throw Object.assign(new Error('no'), { code: 'not_now', zh: '现在不行', en: 'not now' })
      },
      pay: operators.proposals.define('pay', {
        check: (options) => z.object({ amount: z.number().positive() }).parse(options),
        async decide(_tx, { amount }, { proposedBy, confirmedBy }) {
          if (amount === 13) throw Object.assign(new Error('no'), { code: 'unlucky', zh: '不', en: 'no' })
          done.push({ amount, by: [proposedBy.name, confirmedBy.name] })
          return amount
        },
        after: async (_input, amount) => ({ paid: amount }),
      }),
      mend: async () => 'mended',
    },
    new Set(['mend']),
  )
  door = await openOperatorDoor(folder, commands)
})
afterEach(async () => {
  await door.close()
  await db.close()
  await database.drop()
  await rm(folder, { recursive: true, force: true })
})

const give = <T = Record<string, unknown>>(
  name: string,
  options: Record<string, unknown> = {},
  key?: string,
) => askOperator(folder, name, options, () => undefined, undefined, key) as Promise<T>
const add = async (name: string, key?: string) =>
  (await give<{ key: string }>('operator-add', { name }, key)).key
const records = async () =>
  (await operators.history(100)).map((one) => [one.action, one.data.operator, one.callerId === null])

describe('operators', () => {
  it('are known by their key, which is kept as a digest alone; the token of the folder is nobody', async () => {
    const key = await add('苏荷')
    expect(await give('who')).toEqual({ who: null })
    expect(await give('who', {}, key)).toEqual({ who: '苏荷' })
    await expect(give('who', {}, `${key}x`)).rejects.toMatchObject({ code: 'operator_key_unknown' })
    const { rows } = await db.work((tx) =>
      sql<{ row: string }>`select t::text as row from operator t`.execute(tx),
    )
    expect(rows).toHaveLength(1)
    expect(JSON.stringify(rows)).not.toContain(key.slice(4))
    await expect(give('operator-add', { name: '苏荷' })).rejects.toMatchObject({
      code: 'operator_name_taken',
    })
    await give('operator-revoke', { name: '苏荷' })
    await expect(give('who', {}, key)).rejects.toMatchObject({ code: 'operator_key_unknown' })
    await expect(give('operator-revoke', { name: '苏荷' })).rejects.toMatchObject({
      code: 'operator_not_found',
    })
    // The name stays taken, so that the record keeps its meaning.
    await expect(add('苏荷')).rejects.toMatchObject({ code: 'operator_name_taken' })
  })

  it('stand in the record with every command, before it runs, and with every refusal; secrets do not', async () => {
    const key = await add('苏荷')
    await give('who', { bucket: 'b', secretKey: 'hidden', taskId: 't' }, key)
    await expect(give('fail', {}, key)).rejects.toMatchObject({ code: 'not_now' })
    await give('who')
    // Within one millisecond the order is not kept.
    expect((await records()).map((one) => one.join(' ')).sort()).toEqual([
      'operator.added  true',
      'operator.fail 苏荷 false',
      'operator.operator-add  true',
      'operator.refused 苏荷 false',
      'operator.who  true',
      'operator.who 苏荷 false',
    ])
    const told = (await operators.history(100)).find(
      (one) => one.action === 'operator.who' && one.callerId !== null,
    )
    expect(told?.data).toEqual({ operator: '苏荷', options: { bucket: 'b', secretKey: '…', taskId: 't' } })
    await expect(db.work((tx) => sql`delete from audit_record`.execute(tx))).rejects.toThrow()
  })

  it('take two keys for what takes two: the same person is no second one, and one word does nothing', async () => {
    const [first, second] = [await add('苏荷'), await add('陈墨')]
    await expect(give('pay', { amount: 5 })).rejects.toMatchObject({ code: 'operator_needed' })
    await expect(give('pay', { amount: -5 }, first)).rejects.toThrow()
    const { proposalId: id } = await give<{ proposalId: string }>('pay', { amount: 5 }, first)
    expect(done).toEqual([])
    expect(await give('operator-list')).toMatchObject({
      proposals: [{ id, command: 'pay', proposedBy: '苏荷' }],
    })
    await expect(give('operator-confirm', { id })).rejects.toMatchObject({ code: 'operator_needed' })
    await expect(give('operator-confirm', { id }, first)).rejects.toMatchObject({
      code: 'operator_second_person',
    })
    expect(await give('operator-confirm', { id }, second)).toEqual({ paid: 5 })
    expect(done).toEqual([{ amount: 5, by: ['苏荷', '陈墨'] }])
    await expect(give('operator-confirm', { id }, second)).rejects.toMatchObject({
      code: 'proposal_not_found',
    })
    expect(done).toHaveLength(1)
    expect((await records()).map(([action]) => action)).toEqual(
      expect.arrayContaining(['operator.proposed', 'operator.confirmed']),
    )
    // Whatever the code believes, the database refuses one person twice.
    const open = await give<{ proposalId: string }>('pay', { amount: 6 }, first)
    await expect(
      db.work((tx) =>
        sql`update operator_proposal set outcome = 'confirmed', decided_by = proposed_by, decided_at = ${clock.now()}
          where id = ${open.proposalId}`.execute(tx),
      ),
    ).rejects.toThrow(/check/)
  })

  it('confirm nothing that expired, was withdrawn, or was proposed by somebody revoked; a refusal leaves it open', async () => {
    const [first, second] = [await add('苏荷'), await add('陈墨')]
    const propose = async (amount: number) =>
      (await give<{ proposalId: string }>('pay', { amount }, first)).proposalId
    const unlucky = await propose(13)
    for (let i = 0; i < 2; i++)
      await expect(give('operator-confirm', { id: unlucky }, second)).rejects.toMatchObject({
        code: 'unlucky',
      })
    const withdrawn = await propose(1)
    await give('operator-withdraw', { id: withdrawn }, first)
    await expect(give('operator-confirm', { id: withdrawn }, second)).rejects.toMatchObject({
      code: 'proposal_not_found',
    })
    const late = await propose(2)
    clock.advance(7 * 24 * HOUR_MS)
    await expect(give('operator-confirm', { id: late }, second)).rejects.toMatchObject({
      code: 'proposal_expired',
    })
    expect(await give('operator-list')).toMatchObject({ proposals: [] })
    const orphan = await propose(3)
    await give('operator-revoke', { name: '苏荷' }, second)
    await expect(give('operator-confirm', { id: orphan }, second)).rejects.toMatchObject({
      code: 'proposal_not_found',
    })
    expect(done).toEqual([])
  })

  it('cannot be multiplied by one person: whoever is added later waits three days, or for another operator', async () => {
    const [first, second] = [await add('苏荷'), await add('陈墨')]
    const third = await add('分身', first)
    await expect(give('pay', { amount: 5 }, third)).rejects.toMatchObject({
      code: 'operator_not_counting_yet',
    })
    const { proposalId: id } = await give<{ proposalId: string }>('pay', { amount: 5 }, first)
    await expect(give('operator-confirm', { id }, third)).rejects.toMatchObject({
      code: 'operator_not_counting_yet',
    })
    // Not by who added it, not by itself, not by the token alone.
    await expect(give('operator-vouch', { name: '分身' }, first)).rejects.toMatchObject({
      code: 'operator_second_person',
    })
    await expect(give('operator-vouch', { name: '分身' }, third)).rejects.toMatchObject({
      code: 'operator_not_counting_yet',
    })
    await expect(give('operator-vouch', { name: '分身' })).rejects.toMatchObject({ code: 'operator_needed' })
    expect(await give('operator-vouch', { name: '分身' }, second)).toMatchObject({ vouchedBy: '陈墨' })
    expect(await give('operator-confirm', { id }, third)).toEqual({ paid: 5 })
    // Revoking everybody opens no way around it either.
    for (const name of ['苏荷', '陈墨', '分身']) await give('operator-revoke', { name })
    const later = await add('后来')
    await expect(give('pay', { amount: 5 }, later)).rejects.toMatchObject({
      code: 'operator_not_counting_yet',
    })
    clock.advance(72 * HOUR_MS)
    expect(await give('pay', { amount: 5 }, later)).toMatchObject({ command: 'pay' })
  })

  it('may mend a database that takes no record, and nothing else meanwhile', async () => {
    const key = await add('苏荷')
    await db.close()
    expect(await give('mend')).toBe('mended')
    expect(await give('mend', {}, key)).toBe('mended')
    await expect(give('who')).rejects.toThrow()
  })
})
