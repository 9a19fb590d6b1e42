/** What a contract costs in calls to object storage, counted over a whole story; `npm run test:s3` prints it. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { drawSampleContract } from '../../apps/server/src/sandbox/sample-contract.ts'
import { type FakeS3, startFakeS3 } from '../fakes/s3.ts'
import { openStage, type Stage, type StageCompany } from '../stage.ts'

const folder = mkdtempSync(join(tmpdir(), 'yinxin-s3-calls-'))
let sites: FakeS3[]
let stage: Stage
let corp: StageCompany
let pdf: Uint8Array

beforeAll(async () => {
  sites = await Promise.all([startFakeS3(), startFakeS3()])
  const secretFile = join(folder, 'secret')
  writeFileSync(secretFile, 'secret')
  const settings = ['PRIMARY', 'RECOVERY'].map((name, at) => ({
    [`YINXIN_S3_${name}_ENDPOINT`]: sites[at]?.endpoint,
    [`YINXIN_S3_${name}_REGION`]: name.toLowerCase(),
    [`YINXIN_S3_${name}_BUCKETS`]: 'yinxin',
    [`YINXIN_S3_${name}_KEY_ID`]: 'key',
    [`YINXIN_S3_${name}_SECRET_FILE`]: secretFile,
    [`YINXIN_S3_${name}_PATH_STYLE`]: '1',
  }))
  stage = await openStage({
    environment: Object.assign({ YINXIN_STORAGE_DRIVER: 's3' }, ...settings) as Record<string, string>,
  })
  corp = await stage.company('示例科技有限公司')
  pdf = await drawSampleContract({
    corpName: corp.name,
    personName: '张三',
    number: 'YX-2026-0005',
    date: '2026年1月1日',
  })
  // Every bucket has been asked what it can do before anything is counted.
  await contract('13700002000')
}, 120_000)
afterAll(async () => {
  await stage?.close()
  await Promise.all((sites ?? []).map((site) => site.close()))
  rmSync(folder, { recursive: true, force: true })
})

/** Uploaded, sealed by the company, signed by a person, downloaded with its evidence. */
async function contract(mobile: string): Promise<void> {
  const fileId = await stage.upload(corp.token, pdf)
  const task = await stage.createTask(corp.token, {
    documents: [{ ref: 'contract', fileId }],
    actors: [
      {
        ref: 'corp',
        kind: 'corp',
        role: 'sign',
        name: corp.name,
        subjectId: corp.corpId,
        order: 1,
        freeSignBusinessId: corp.businessId,
      },
      { ref: 'person', kind: 'person', role: 'sign', name: '张三', mobile, order: 2 },
    ],
    fields: [],
    autoStart: true,
  })
  await stage.until(corp.token, task.id, (one) => one.actors[0]?.status === 'signed')
  const visitor = await stage.visit(await stage.link(corp.token, task, 'person'), mobile, '张三')
  expect((await stage.sign(visitor, mobile)).status).toBe(200)
  const done = await stage.until(corp.token, task.id, (one) => one.status === 'finished')
  const path = `/api/v1/sign-tasks/${task.id}/documents/${done.documents[0]?.documentId}/content`
  await stage.download(path, corp.token)
  await stage.download(`/api/v1/sign-tasks/${task.id}/evidence`, corp.token)
}

test('a contract of two signatures costs this many calls', async () => {
  for (const site of sites) site.calls.splice(0)
  await contract('13700002001')
  const counted: Record<string, number> = {}
  let notes = 0
  for (const call of sites.flatMap((site) => site.calls)) {
    // The newest checkpoint of the log, in each site: as often as one is made, whatever a contract has.
    if (call.key.startsWith('notes/')) notes += 1
    else counted[call.name] = (counted[call.name] ?? 0) + 1
  }
  console.info(
    `calls of one contract with two signatures, both sites: ${JSON.stringify(counted)}, beside ${notes} for checkpoints`,
  )
  // Upload, frozen base, two signatures: each six replicas, a PUT and a HEAD for each at most.
  expect(counted.put).toBeLessThanOrEqual(24)
  expect(counted.head).toBeLessThanOrEqual(24)
  expect(counted.put).toBeGreaterThanOrEqual(18)
  expect(notes).toBeGreaterThan(0)
  // Not one for each event of a contract: those of a moment share a checkpoint.
  expect(notes).toBeLessThanOrEqual(12)
  // Reading takes the nearest replica, once for each object that is read.
  expect(counted.get).toBeLessThanOrEqual(24)
})
