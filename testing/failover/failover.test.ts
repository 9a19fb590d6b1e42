/** The primary's node is lost under load: a copy takes over by itself, and nothing that was acknowledged is missing. */
import { drawSampleContract } from '@yinxin/server'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { provision } from '../../apps/server/src/db/provision.ts'
import { type Fleet, startFleet } from '../cluster/fleet.ts'
import { sha256, startLoad } from '../cluster/load.ts'
import { openStage } from '../stage.ts'
import { type FourNodes, hasPatroni, startPatroni } from './patroni.ts'
import { severalHosts } from './several-hosts.ts'

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

if (hasPatroni()) {
  describe('four nodes of two sites', () => {
    let nodes: FourNodes
    let fleet: Fleet | undefined
    beforeAll(async () => {
      nodes = await startPatroni()
    }, 180_000)
    afterAll(async () => {
      await fleet?.close()
      await nodes?.close()
    }, 60_000)

    it('lose their primary under load without losing a commit', { timeout: 240_000 }, async () => {
      // 1. A platform on an address of four hosts.
      const old = await nodes.leader()
      const urls = await provision(
        { host: '127.0.0.1', port: old.port, password: nodes.password },
        { main: 'yinxin', keys: 'yinxin_keys' },
      )
      fleet = await startFleet({ api: 1, worker: 1, database: severalHosts(urls, nodes.hosts) })
      // Past the balancer, which would take an API without its database out of turn: here its own words count.
      const stage = await openStage({ at: fleet.members.find(({ role }) => role === 'api')?.url ?? '' })
      const corp = await stage.company('示例科技有限公司')
      const pdf = await drawSampleContract({
        corpName: corp.name,
        personName: '张三',
        number: 'YX-2026-0052',
        date: '2026年1月1日',
      })

      // 2. Every commit waits for two copies: one of them is in the other site.
      const sync = (await nodes.members()).filter(({ role }) => role === 'sync_standby')
      const siteOf = (name: string) => nodes.nodes.find((node) => node.name === name)?.site
      expect(sync.length).toBe(2)
      expect(sync.some(({ name }) => siteOf(name) !== old.site)).toBe(true)

      // 3. The node dies as by a pulled plug, in the middle of the load.
      const load = startLoad(stage, corp, pdf, { lanes: 3 })
      for (const endMs = performance.now() + 60_000; load.writtenAt.length < 12; await pause(20))
        expect(performance.now()).toBeLessThan(endMs)
      const killedAt = performance.now()
      await nodes.kill(old.name)
      const next = await nodes.leader()
      const takenOverMs = performance.now() - killedAt
      expect(next.name).not.toBe(old.name)
      expect(sync.map(({ name }) => name)).toContain(next.name)
      while (!load.writtenAt.some((at) => at > killedAt + takenOverMs)) {
        expect(performance.now() - killedAt).toBeLessThan(120_000)
        await pause(50)
      }
      await pause(2000)
      await load.stop()
      const before = load.writtenAt.filter((at) => at <= killedAt)
      const after = load.writtenAt.filter((at) => at > killedAt)
      const inFlight = after.filter((at) => at < killedAt + 1000)
      const resumedAt = after.find((at) => at >= killedAt + 1000) ?? Number.POSITIVE_INFINITY
      const lastBefore = Math.max(...before, ...inFlight)
      expect(before.length).toBeGreaterThan(5)
      expect(resumedAt - lastBefore).toBeLessThan(90_000)

      // 4. Nothing acknowledged is missing, and what was begun is brought to its end.
      for (const [fileId, hash] of load.files)
        expect(sha256(await stage.download(`/api/v1/files/${fileId}/content`, corp.token))).toBe(hash)
      for (const taskId of load.started)
        await stage.until(corp.token, taskId, (task) => task.status === 'finished', 60_000)
      // What was refused meanwhile was refused by name.
      const refused = load.failures.filter(({ status }) => status !== 503 && status !== 409)
      expect(refused).toEqual([])

      // 5. The old one comes back as a copy of the new one, and takes no writes.
      await nodes.revive(old.name)
      await nodes.settled(3, 2)
      expect((await nodes.leader()).name).toBe(next.name)
      await expect(writeTo(old.port)).rejects.toThrow(/read-only/)

      console.info(
        `failover: primary ${old.name} (site ${old.site}) killed under load, ${next.name} (site ${next.site}) took over after ` +
          `${(takenOverMs / 1000).toFixed(1)} s; writes acknowledged again ${((resumedAt - lastBefore) / 1000).toFixed(1)} s after the last one; ` +
          `${load.files.size} files and ${load.started.size} contracts acknowledged, 0 lost; ${load.failures.length} requests refused meanwhile`,
      )
    })

    async function writeTo(port: number): Promise<void> {
      const client = new pg.Client({
        connectionString: `postgres://postgres:${nodes.password}@127.0.0.1:${port}/postgres`,
      })
      client.on('error', () => undefined)
      await client.connect()
      try {
        await client.query('create table split_brain (one int)')
      } finally {
        await client.end()
      }
    }
  })
} else {
  it('four nodes under Patroni', (ctx) => {
    const missing =
      'failover is not tested: it needs patroni, etcd-server and postgresql-15 from Debian, and root'
    if (process.env.CI === 'true') throw new Error(missing)
    console.warn(missing)
    ctx.skip()
  })
}
