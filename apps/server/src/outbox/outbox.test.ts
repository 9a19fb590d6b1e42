import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { manualClock } from '#src/clock.ts'
import { newId } from '#src/ids.ts'
import { createJobs, type Jobs } from '#src/jobs/jobs.ts'
import { createLog } from '#src/log.ts'
import { createTestDatabase, type TestDatabase } from '../../../../testing/database.ts'
import { type Db, openDb } from '../db/db.ts'
import { createOutbox, type Fact, type Outbox } from './outbox.ts'

let database: TestDatabase
let db: Db
let jobs: Jobs
let outbox: Outbox
const clock = manualClock(new Date('2026-05-01T00:00:00Z'))
const heard: Record<string, Fact[]> = { all: [], started: [], clumsy: [] }
let clumsyFails = true

beforeAll(async () => {
  database = await createTestDatabase()
  db = openDb({ url: database.url })
  jobs = createJobs({ url: database.url, log: createLog('silent') })
  outbox = createOutbox({ db, clock, jobs })
  outbox.subscribe('*', 'all', async (fact) => void heard.all?.push(fact))
  outbox.subscribe(['task.started'], 'started', async (fact) => void heard.started?.push(fact))
  outbox.subscribe(['task.clumsy'], 'clumsy', async (fact, tx) => {
    await outbox.append(tx, { type: 'task.echo', tenantId: fact.tenantId, subjectKey: 'x', payload: {} })
    if (clumsyFails) throw new Error('after its write')
    heard.clumsy?.push(fact)
  })
})
afterAll(async () => {
  await jobs.close()
  await db.close()
  await database.drop()
})

describe('facts', () => {
  it('reach exactly those who listen, once, after the commit', async () => {
    const tenantId = newId()
    await db.as(tenantId, (tx) =>
      outbox.append(tx, { type: 'task.started', tenantId, subjectKey: 'task-1', payload: { n: 1 } }),
    )
    await db.as(tenantId, (tx) =>
      outbox.append(tx, { type: 'task.ended', tenantId, subjectKey: 'task-1', payload: {} }),
    )
    await expect(
      db.as(tenantId, async (tx) => {
        await outbox.append(tx, { type: 'task.started', tenantId, subjectKey: 'task-2', payload: {} })
        throw new Error('midway')
      }),
    ).rejects.toThrow('midway')
    expect(heard.all).toEqual([])
    expect(await jobs.drain()).toEqual([])
    expect(heard.all?.map((fact) => fact.type).sort()).toEqual(['task.ended', 'task.started'])
    expect(heard.started).toMatchObject([
      { type: 'task.started', tenantId, subjectKey: 'task-1', payload: { n: 1 }, at: clock.now() },
    ])
  })

  it('are delivered twice without effect', async () => {
    const before = heard.started?.length
    const factId = heard.started?.[0]?.id
    await db.work((tx) => jobs.enqueue(tx, 'outbox.deliver', { factId, subscriber: 'started' }))
    expect(await jobs.drain()).toEqual([])
    expect(heard.started?.length).toBe(before)
  })

  it('come again to a subscriber that failed, whose own writes were taken back', async () => {
    const tenantId = newId()
    await db.as(tenantId, (tx) =>
      outbox.append(tx, { type: 'task.clumsy', tenantId, subjectKey: 'x', payload: {} }),
    )
    expect(await jobs.drain()).toHaveLength(1)
    expect(heard.all?.filter((fact) => fact.type === 'task.echo')).toEqual([])
    clumsyFails = false
    const factId = heard.all?.find((fact) => fact.type === 'task.clumsy')?.id
    await db.work((tx) => jobs.enqueue(tx, 'outbox.deliver', { factId, subscriber: 'clumsy' }))
    expect(await jobs.drain()).toEqual([])
    expect(heard.clumsy).toHaveLength(1)
    expect(heard.all?.filter((fact) => fact.type === 'task.echo')).toHaveLength(1)
  })

  it('of one change arrive in their order, and are of one tenant', async () => {
    const tenantId = newId()
    const fact = (type: string) => ({ type, tenantId, subjectKey: 'order', payload: {} })
    await db.as(tenantId, (tx) => outbox.append(tx, [fact('task.b'), fact('task.started'), fact('task.a')]))
    expect(await jobs.drain()).toEqual([])
    const ofOrder = (facts: Fact[] | undefined) =>
      facts?.filter((one) => one.subjectKey === 'order').map((one) => one.type)
    expect(ofOrder(heard.all)).toEqual(['task.b', 'task.started', 'task.a'])
    expect(ofOrder(heard.started)).toEqual(['task.started'])
    await expect(
      db.work((tx) => outbox.append(tx, [fact('task.a'), { ...fact('task.a'), tenantId: newId() }])),
    ).rejects.toThrow('one tenant')
  })

  it('cannot be written in the name of another tenant', async () => {
    await expect(
      db.as(newId(), (tx) =>
        outbox.append(tx, { type: 'task.started', tenantId: newId(), subjectKey: 'x', payload: {} }),
      ),
    ).rejects.toThrow(/row-level security/)
  })
})
