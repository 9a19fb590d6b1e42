/** The platform on PostgreSQL 15 of somebody else's, and what `yinxin db check` says of it. */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { verifyBundle } from '@yinxin/evidence'
import { parsePem } from '@yinxin/pki'
import { drawSampleContract } from '@yinxin/server'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { checkOutside } from '../../apps/server/src/db/outside-check.ts'
import { outsideCopies } from '../../apps/server/src/db/outside-copies.ts'
import { migrateAll } from '../../apps/server/src/db/prepare.ts'
import { type DatabaseUrls, databaseUrls, provision } from '../../apps/server/src/db/provision.ts'
import { yinxin } from '../children/run-command.ts'
import { type DebianPostgres, hasDebianPostgres, startDebianPostgres } from '../debian-postgres.ts'
import { openStage } from '../stage.ts'

if (hasDebianPostgres()) {
  describe('an outside PostgreSQL 15', () => {
    let postgres: DebianPostgres
    let urls: DatabaseUrls
    beforeAll(async () => {
      postgres = await startDebianPostgres()
      const at = { host: '127.0.0.1', port: postgres.port, password: postgres.password }
      await provision(at, { main: 'yinxin', keys: 'yinxin_keys' })
      urls = databaseUrls(at, { main: 'yinxin', keys: 'yinxin_keys' })
    }, 120_000)
    afterAll(() => postgres?.stop())

    it('takes all migrations and carries a contract from upload to evidence', {
      timeout: 240_000,
    }, async () => {
      expect((await migrateAll(urls)).length).toBeGreaterThan(20)
      const stage = await openStage({ database: { ...urls, drop: async () => {} } })
      try {
        const corp = await stage.company('示例科技有限公司')
        const pdf = await drawSampleContract({
          corpName: corp.name,
          personName: '张三',
          number: 'YX-2026-0015',
          date: '2026年1月1日',
        })
        const mobile = '13800001500'
        const fileId = await stage.upload(corp.token, pdf)
        const task = await stage.createTask(corp.token, {
          documents: [{ ref: 'contract', fileId }],
          actors: [{ ref: 'person', kind: 'person', role: 'sign', name: '张三', mobile, order: 1 }],
          fields: [],
        })
        await stage.ok('POST', `/api/v1/sign-tasks/${task.id}/start`, { token: corp.token })
        const visitor = await stage.visit(await stage.link(corp.token, task, 'person'), mobile, '张三')
        expect((await stage.sign(visitor, mobile)).status).toBe(200)
        await stage.until(corp.token, task.id, (one) => one.status === 'finished', 60_000)
        const zip = await stage.download(`/api/v1/sign-tasks/${task.id}/evidence`, corp.token)
        const [root] = parsePem(Buffer.from(await stage.download('/ca/root.pem')).toString('utf8'))
        const vkey = Buffer.from(await stage.download('/log/vkey')).toString('utf8')
        expect(verifyBundle(zip, { trust: [root as Uint8Array], logKeys: [vkey.trim()] })).toMatchObject({
          ok: true,
        })
      } finally {
        await stage.close()
      }
    })

    it('is told what it lacks, and nothing once pgBackRest archives and a standby confirms', {
      timeout: 240_000,
    }, async (ctx) => {
      const environment = {
        YINXIN_DATABASE_URL: urls.url,
        YINXIN_DATABASE_OWNER_URL: urls.ownerUrl,
        YINXIN_KEYS_DATABASE_URL: urls.keysUrl,
        YINXIN_KEYS_DATABASE_OWNER_URL: urls.keysOwnerUrl,
      }
      const bare = await yinxin(['db', 'check', '--json'], environment)
      expect(bare.code, bare.stderr).toBe(1)
      const { findings } = JSON.parse(bare.stdout) as { findings: { database: string; code: string }[] }
      expect(findings.filter(({ database }) => database === 'main').map(({ code }) => code)).toEqual([
        'archive_off',
        'no_standby',
        'sync_names',
      ])
      expect(findings.map(({ code }) => code)).toContain('same_cluster')

      if (!existsSync('/usr/bin/pgbackrest')) {
        if (process.env.CI === 'true') throw new Error('pgBackRest is not installed')
        console.warn('pgBackRest is not installed: the second half is skipped')
        ctx.skip()
      }
      // As docs/operations/postgresql.md says.
      const repository = join(postgres.folder, 'repository')
      const configuration = join(postgres.folder, 'pgbackrest.conf')
      mkdirSync(repository, { mode: 0o777 })
      writeFileSync(
        configuration,
        `[global]\nrepo1-path=${repository}\nlog-path=${postgres.folder}\nlock-path=${postgres.folder}/lock\nspool-path=${postgres.folder}/spool\nlog-level-file=off\n[main]\npg1-path=${postgres.dataFolder}\npg1-port=${postgres.port}\npg1-socket-path=${postgres.folder}/socket\npg1-user=postgres\n`,
      )
      const backRest = (...args: string[]) =>
        execFileSync(
          'runuser',
          ['-u', 'postgres', '--', 'pgbackrest', `--config=${configuration}`, '--stanza=main', ...args],
          {
            env: { PATH: process.env.PATH ?? '', PGPASSWORD: postgres.password },
            cwd: postgres.folder,
          },
        ).toString()
      execFileSync('chown', ['-R', 'postgres:postgres', repository])
      backRest('stanza-create')
      await postgres.set({
        archive_mode: 'on',
        archive_command: `pgbackrest --config=${configuration} --stanza=main archive-push %p`,
      })
      backRest('backup')
      expect(backRest('info')).toContain('status: ok')
      const standby = await startDebianPostgres(postgres, 'gz1')
      try {
        await postgres.set({ synchronous_standby_names: 'ANY 1 (gz1)' })
        await expect
          .poll(async () => (await checkOutside(urls)).findings.map(({ code }) => code), { timeout: 60_000 })
          .toEqual(['same_cluster'])

        // That somebody follows anybody sees; who, and how far, is told to pg_monitor alone.
        const seen = async () => (await outsideCopies(urls)).filter(({ cluster }) => cluster === 'keys')
        const [primary, unnamed, ...more] = await seen()
        expect(primary).toMatchObject({ role: 'primary', state: 'running', site: 'unknown', lagBytes: 0 })
        expect([unnamed, more]).toMatchObject([{ role: 'standby', state: 'unknown', lagBytes: null }, []])
        await postgres.query('grant pg_monitor to yinxin_server')
        await expect
          .poll(async () => (await seen()).slice(1), { timeout: 30_000 })
          .toEqual([
            expect.objectContaining({
              name: 'gz1',
              state: 'streaming',
              sync: true,
              lagBytes: 0,
              deviceId: null,
            }),
          ])
      } finally {
        await postgres.query(`alter system set synchronous_standby_names = ''`)
        await postgres.query('select pg_reload_conf()')
        await standby.stop()
      }
    })
  })
} else {
  it('an outside PostgreSQL 15 (not installed here)', (ctx) => {
    if (process.env.CI === 'true') throw new Error('PostgreSQL 15 of Debian is not installed')
    console.warn('PostgreSQL 15 of Debian is not installed (or this is not root): skipped')
    ctx.skip()
  })
}
