/** A whole platform over two sites of real object storage: upload, sign, download, evidence; and a site that is gone. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { verifyBundle } from '@yinxin/evidence'
import { verifyPdf } from '@yinxin/pades'
import { parsePem } from '@yinxin/pki'
import type { SignTask } from '@yinxin/sdk/wire'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { drawSampleContract } from '../../apps/server/src/sandbox/sample-contract.ts'
import { openStage, type Stage, type StageCompany } from '../stage.ts'
import { type SwiftSite, startSwift } from './swift.ts'
import { devicesHold, makeBucket, swiftClient } from './swift-bench.ts'
import { hasSwift } from './swift-gate.ts'

// Twenty processes in Python share the machine with the test.
vi.setConfig({ testTimeout: 180_000, hookTimeout: 600_000 })

if (hasSwift()) {
  describe('a platform over two sites of object storage', () => {
    const folder = mkdtempSync(join(tmpdir(), 'yinxin-s3-'))
    const starting: Promise<SwiftSite>[] = []
    let shanghai: SwiftSite
    let guangzhou: SwiftSite
    let stage: Stage
    let corp: StageCompany
    let pdf: Uint8Array
    let root: Uint8Array

    beforeAll(async () => {
      // 1. Two sites; three buckets in one of them, prefixes of one bucket in the other.
      starting.push(startSwift({ region: 'shanghai' }), startSwift({ region: 'guangzhou' }))
      ;[shanghai, guangzhou] = (await Promise.all(starting)) as [SwiftSite, SwiftSite]
      for (const name of ['contracts-1', 'contracts-2', 'contracts-3']) await makeBucket(shanghai, name)
      await makeBucket(guangzhou, 'contracts')
      // 2. A platform on them.
      stage = await openStage({
        environment: {
          YINXIN_STORAGE_DRIVER: 's3',
          ...siteSettings('PRIMARY', shanghai, 'contracts-1,contracts-2,contracts-3'),
          ...siteSettings('RECOVERY', guangzhou, 'contracts'),
          YINXIN_S3_RECOVERY_PREFIX: 'from/shanghai',
        },
      })
      corp = await stage.company('示例科技有限公司')
      pdf = await drawSampleContract({
        corpName: corp.name,
        personName: '张三',
        number: 'YX-2026-0004',
        date: '2026年1月1日',
      })
      const [der] = parsePem(Buffer.from(await stage.download('/ca/root.pem')).toString('utf8'))
      root = der as Uint8Array
    })
    afterAll(async () => {
      await stage?.close()
      // One that started is stopped also when the other did not.
      for (const one of await Promise.allSettled(starting))
        if (one.status === 'fulfilled') await one.value.stop()
      rmSync(folder, { recursive: true, force: true })
    })

    function siteSettings(name: 'PRIMARY' | 'RECOVERY', site: SwiftSite, buckets: string) {
      const secretFile = join(folder, name)
      writeFileSync(secretFile, `${site.secret}\n`)
      return {
        [`YINXIN_S3_${name}_ENDPOINT`]: site.endpoint,
        [`YINXIN_S3_${name}_REGION`]: site.region,
        [`YINXIN_S3_${name}_BUCKETS`]: buckets,
        [`YINXIN_S3_${name}_KEY_ID`]: site.keyId,
        [`YINXIN_S3_${name}_SECRET_FILE`]: secretFile,
        [`YINXIN_S3_${name}_PATH_STYLE`]: '1',
      }
    }

    function draft(fileId: string, mobile: string) {
      return stage.createTask(corp.token, {
        documents: [{ ref: 'contract', fileId }],
        actors: [{ ref: 'person', kind: 'person', role: 'sign', name: '张三', mobile, order: 1 }],
        fields: [],
      })
    }

    async function signAndVerify(task: SignTask, mobile: string): Promise<void> {
      const visitor = await stage.visit(await stage.link(corp.token, task, 'person'), mobile, '张三')
      const signed = await stage.sign(visitor, mobile)
      expect(signed.status, JSON.stringify(signed.body)).toBe(200)
      const done = await stage.until(corp.token, task.id, (one) => one.status === 'finished', 60_000)
      const path = `/api/v1/sign-tasks/${task.id}/documents/${done.documents[0]?.documentId}/content`
      const file = await stage.download(path, corp.token)
      expect(Buffer.from(file.subarray(0, pdf.length)).equals(Buffer.from(pdf))).toBe(true)
      const verdict = verifyPdf(file, { trust: [root] })
      expect(verdict.ok, JSON.stringify(verdict.signatures.map((one) => one.problems))).toBe(true)
      const zip = await stage.download(`/api/v1/sign-tasks/${task.id}/evidence`, corp.token)
      const vkey = Buffer.from(await stage.download('/log/vkey')).toString('utf8')
      expect(verifyBundle(zip, { trust: [root], logKeys: [vkey.trim()] })).toMatchObject({ ok: true })
    }

    /** Waits until every replica of everything is where it belongs. */
    async function healed(): Promise<void> {
      const { storage } = stage.server().app
      await expect
        .poll(
          async () => {
            await storage.repairDue({ hasten: true })
            return (await storage.waiting()).repairs
          },
          { timeout: 150_000, interval: 500 },
        )
        .toBe(0)
    }

    async function storedObjects(): Promise<{ id: string; class: string; replicas: number }[]> {
      const { db, storage } = stage.server().app
      const rows = await db.work((tx) =>
        tx
          .withTables<{ storage_objects: { id: string; class: string } }>()
          .selectFrom('storage_objects')
          .select(['id', 'class'])
          .execute(),
      )
      return await Promise.all(
        rows.map(async (row) => ({
          ...row,
          replicas: (await storage.replicasOf({ objectId: row.id })).filter((one) => one.state === 'good')
            .length,
        })),
      )
    }

    /** Where the replicas in the recovery site lie. */
    function placesOf(objectId: string) {
      return stage.server().app.db.work((tx) =>
        tx
          .withTables<{
            storage_replicas: { object_id: string; domain: string; holder: string; position: number }
          }>()
          .selectFrom('storage_replicas')
          .select(['domain', 'holder', 'position'])
          .where('object_id', '=', objectId)
          .where('domain', 'like', 'recovery-%')
          .execute(),
      )
    }

    test('a contract is uploaded, signed, downloaded and proven, with three replicas in each region', async () => {
      const mobile = '13700001001'
      const task = await draft(await stage.upload(corp.token, pdf), mobile)
      await stage.ok('POST', `/api/v1/sign-tasks/${task.id}/start`, { token: corp.token })
      await signAndVerify(task, mobile)
      await healed()
      const objects = await storedObjects()
      expect(objects.filter((one) => one.class === 'signed').length).toBeGreaterThanOrEqual(2)
      expect(objects.every((one) => one.replicas === 6)).toBe(true)
      const [one] = objects
      const replicas = await stage.server().app.storage.replicasOf({ objectId: one?.id ?? '' })
      expect(new Set(replicas.map((replica) => replica.deviceId))).toEqual(
        new Set([
          `s3 ${new URL(shanghai.endpoint).host} shanghai`,
          `s3 ${new URL(guangzhou.endpoint).host} guangzhou`,
        ]),
      )
    })

    test('with the recovery site gone drafts are taken and nothing is signed; when it is back everything heals', async () => {
      const mobile = '13700001002'
      await guangzhou.stopProxy()
      let task: SignTask
      try {
        task = await draft(await stage.upload(corp.token, pdf), mobile)
        const refused = await stage.call<{ error?: unknown }>('POST', `/api/v1/sign-tasks/${task.id}/start`, {
          token: corp.token,
        })
        expect(refused.status).toBe(503)
        expect(JSON.stringify(refused.body)).toContain('storage_unavailable')
        expect(JSON.stringify(refused.body)).toMatch(/primary [23]\/2, recovery 0\/1/)
        expect((await stage.task(corp.token, task.id)).status).toBe('draft')
      } finally {
        await guangzhou.startProxy()
      }
      await stage.ok('POST', `/api/v1/sign-tasks/${task.id}/start`, { token: corp.token })
      await signAndVerify(task, mobile)
      await healed()
      expect((await storedObjects()).every((one) => one.replicas === 6)).toBe(true)
    })

    test('with the primary site gone everything is still read from the other region', async () => {
      const { storage } = stage.server().app
      const [first] = (await storedObjects()).filter((one) => one.class === 'signed')
      const before = await storage.read(first?.id ?? '')
      await shanghai.stopProxy()
      try {
        expect((await storage.read(first?.id ?? '')).equals(before)).toBe(true)
        await expect(stage.upload(corp.token, pdf)).rejects.toThrow(/storage_unavailable/)
      } finally {
        await shanghai.startProxy()
      }
      await healed()
    })

    test('what is destroyed is on no device of either region', async () => {
      const { storage } = stage.server().app
      const fileId = await stage.upload(corp.token, pdf)
      const objects = await storedObjects()
      const last = objects.sort((a, b) => (a.id < b.id ? -1 : 1)).at(-1)
      await healed()
      const replicas = await storage.replicasOf({ objectId: last?.id ?? '' })
      expect(replicas, fileId).toHaveLength(6)
      // The ciphertext as it lies there: a part of it that is in no other object.
      const [place] = await placesOf(last?.id ?? '')
      const key = `from/shanghai/${'abc'[Number(place?.domain.at(-1)) - 1]}/${place?.holder}`
      const client = swiftClient(guangzhou, 'contracts')
      const from = Number(place?.position) + 300
      const secret = await client.get(key, { from, sizeBytes: 64 })
      client.close()
      for (const site of [shanghai, guangzhou]) expect(await devicesHold(site, secret)).toBe(true)
      await storage.destroy(undefined, [last?.id ?? ''], 'a test')
      await expect
        .poll(
          async () => {
            await storage.removeDue({ hasten: true })
            return (await storage.destroyed(last?.id ?? ''))?.complete
          },
          { timeout: 150_000, interval: 500 },
        )
        .toBe(true)
      // A second copy, made by a repair while the first was still on its way, is found by the walk over everything.
      await storage.reconcile()
      const report = await storage.destroyed(last?.id ?? '')
      expect(report?.domains.filter((one) => one.verifiedAbsentAt !== undefined)).toHaveLength(6)
      for (const site of [shanghai, guangzhou]) expect(await devicesHold(site, secret)).toBe(false)
      await expect(storage.read(last?.id ?? '')).rejects.toMatchObject({ code: 'object_destroyed' })
    })
  })
}
