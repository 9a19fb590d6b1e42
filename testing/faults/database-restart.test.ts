import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { verifyPdf } from '@yinxin/pades'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createLog } from '../../apps/server/src/log.ts'
import { drawSampleContract } from '../../apps/server/src/sandbox/sample-contract.ts'
import { readConfig, type Server, startServer } from '../../apps/server/src/server.ts'
import { CRASH_POINTS, type CrashPoint } from '../../apps/server/src/signing/signing.ts'
import { openStage, type Stage, type StageCompany } from '../stage.ts'

let folder: string
let server: Server
let stage: Stage
let corp: StageCompany
let pdf: Uint8Array
/** At which step the database goes down next. */
let downAt: CrashPoint | null = null

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'yinxin-outage-'))
  const config = readConfig({
    YINXIN_MODE: 'sandbox',
    YINXIN_PORT: '0',
    YINXIN_TRUST_PROXY: '127.0.0.1',
    YINXIN_DATA_DIR: join(folder, 'data'),
  })
  server = await startServer(config, {
    log: createLog('silent'),
    durableDatabase: false,
    restartDelayMs: 500,
    faults: {
      async crash(point) {
        if (point !== downAt) return
        downAt = null
        await stopDatabase()
      },
    },
  })
  stage = await openStage({ at: server.url })
  corp = await stage.company('示例科技有限公司')
  pdf = await drawSampleContract({
    corpName: corp.name,
    personName: '张三',
    number: 'YX-2026-0010',
    date: '2026年1月1日',
  })
})
afterAll(async () => {
  await server?.stop()
  await rm(folder, { recursive: true, force: true })
})

/** Ends the postmaster and returns when it is gone; the server starts it again by itself. */
async function stopDatabase(): Promise<void> {
  const pid = server.postgres?.pid() as number
  process.kill(pid, 'SIGINT')
  for (;;) {
    try {
      process.kill(pid, 0)
    } catch {
      return
    }
    await wait(10)
  }
}

async function untilReady(): Promise<void> {
  for (let tries = 0; tries < 400; tries++) {
    const answer = await fetch(`${server.url}/readyz`)
    await answer.body?.cancel()
    if (answer.ok) return
    await wait(50)
  }
  throw new Error('the server did not become ready again')
}

describe('the database stops and starts again during a signing', () => {
  let contacts = 0

  for (const point of CRASH_POINTS) {
    it(`${point}: the signer is told, nothing is half signed, and the next try succeeds`, async () => {
      contacts += 1
      const contact = `1350000${String(contacts).padStart(4, '0')}`
      const fileId = await stage.upload(corp.token, pdf)
      const task = await stage.createTask(corp.token, {
        documents: [{ ref: 'd', fileId }],
        actors: [{ ref: 'person', kind: 'person', role: 'sign', name: '张三', mobile: contact }],
        autoStart: true,
      })
      const visitor = await stage.visit(await stage.link(corp.token, task, 'person'), contact, '张三')
      const code = await stage.signCode(visitor, contact)

      downAt = point
      const during = await stage.sign(visitor, contact, { code, handwriting: undefined })
      expect(downAt).toBeNull()
      await untilReady()
      const found = await stage.task(corp.token, task.id)
      if (point === 'signing.after-commit') {
        // The signature was true before the outage; the answer may have been lost, the signature may not.
        expect(found).toMatchObject({ status: 'finished', documents: [{ revision: 1 }] })
      } else {
        expect([during.status, (during.body as unknown as { code: string }).code]).toEqual([
          503,
          'database_unavailable',
        ])
        expect(found).toMatchObject({ status: 'signing', documents: [{ revision: 0 }] })
        const again = await stage.sign(visitor, contact, { handwriting: undefined })
        expect(again.status, JSON.stringify(again.body)).toBe(200)
      }
      const done = await stage.task(corp.token, task.id)
      expect(done).toMatchObject({ status: 'finished', documents: [{ revision: 1 }] })
      const file = await stage.download(
        `/api/v1/sign-tasks/${task.id}/documents/${done.documents[0]?.documentId}/content`,
        corp.token,
      )
      expect(verifyPdf(file)).toMatchObject({ ok: true, signatures: [{ status: 'valid' }] })
    })
  }
})
