/** Every process is replaced under constant load, one after the other: no request fails (issue 5's bar). */
import { drawSampleContract } from '@yinxin/server'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { openStage, type Stage, type StageCompany } from '../stage.ts'
import { type Fleet, startFleet } from './fleet.ts'
import { quantile, sha256, startLoad } from './load.ts'

let fleet: Fleet
let stage: Stage
let corp: StageCompany
let pdf: Uint8Array

beforeAll(async () => {
  // The balancer looks ten times a second.
  fleet = await startFleet({ api: 2, worker: 1, environment: { YINXIN_DRAIN_SECONDS: '1' } })
  stage = await openStage({ at: fleet.url })
  corp = await stage.company('示例科技有限公司')
  pdf = await drawSampleContract({
    corpName: corp.name,
    personName: '张三',
    number: 'YX-2026-0051',
    date: '2026年1月1日',
  })
})
afterAll(() => fleet?.close())

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

it('replaces every process without a failed request', { timeout: 120_000 }, async () => {
  const begunMs = performance.now()
  const load = startLoad(stage, corp, pdf)
  await pause(1000)
  const first = [...fleet.members]
  const codes: (number | string | null)[] = []
  for (const old of first) {
    const successor = await fleet.start(old.role)
    if (old.role === 'api') await fleet.balancer.ready(3)
    else await pause(1500)
    codes.push(await fleet.end(old))
    if (old.role === 'api') await fleet.balancer.ready(2)
    expect(fleet.members).toContain(successor)
  }
  await pause(1000)
  await load.stop()

  expect(load.failures).toEqual([])
  expect(codes).toEqual([0, 0, 0])
  expect(load.answered).toBeGreaterThan(100)
  // The successors did the work: the first ones answer no more.
  const successors = fleet.members.filter(({ role }) => role === 'api').map(({ url }) => url)
  for (const url of successors) expect(fleet.balancer.answered.get(url)).toBeGreaterThan(10)

  // Nothing that was acknowledged is missing, and every started contract gets its signature.
  for (const [fileId, hash] of load.files)
    expect(sha256(await stage.download(`/api/v1/files/${fileId}/content`, corp.token))).toBe(hash)
  for (const taskId of load.started)
    await stage.until(corp.token, taskId, (task) => task.status === 'finished', 30_000)

  const seconds = (performance.now() - begunMs) / 1000
  console.info(
    `rolling restart of 2 api and 1 worker: ${load.answered} requests, 0 failed, p50 ${quantile(load.tookMs, 0.5).toFixed(0)} ms, ` +
      `p99 ${quantile(load.tookMs, 0.99).toFixed(0)} ms, max ${Math.max(...load.tookMs).toFixed(0)} ms, ${seconds.toFixed(0)} s`,
  )
})

it('answers on, unready and without kept connections, while it drains', async () => {
  const member = await fleet.start('api')
  await fleet.balancer.ready(3)
  const ended = fleet.end(member)
  const readiness = await until(async () => {
    const answer = await fetch(`${member.url}/readyz`)
    const body = (await answer.json()) as { ready: boolean; draining: boolean }
    return body.draining ? { status: answer.status, body } : null
  })
  expect(readiness).toMatchObject({ status: 503, body: { ready: false, draining: true } })
  const answer = await fetch(`${member.url}/api/v1/me`, {
    headers: { authorization: `Bearer ${corp.token}` },
  })
  expect(answer.status).toBe(200)
  expect(answer.headers.get('connection')).toBe('close')
  expect(await ended).toBe(0)
})

async function until<T>(look: () => Promise<T | null>): Promise<T> {
  for (const endMs = performance.now() + 5000; performance.now() < endMs; await pause(10)) {
    const found = await look()
    if (found !== null) return found
  }
  throw new Error('it did not come so far')
}
