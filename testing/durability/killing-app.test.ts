import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buildWeb, removeInstallation } from '@yinxin/server'
import { expect, onTestFinished, test } from 'vitest'
import { killAppUnderLoad } from './killing-app.ts'

test('the whole platform, killed under load alone and with all of its databases, keeps what it promised', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'yinxin-killing-'))
  // PostgreSQL, which does not run as root, must be able to pass.
  await chmod(folder, 0o711)
  onTestFinished(async () => {
    await removeInstallation({ dataDir: join(folder, 'data'), keyDir: join(folder, 'keys') })
    await rm(folder, { recursive: true, force: true })
  })
  // Built by the first start otherwise, which then takes its time.
  await buildWeb()
  // What goes on by itself takes minutes; the long trial waits for it.
  const report = await killAppUnderLoad(folder, 2, { settlesWithinMs: 0 })
  expect(report).toMatchObject({
    kills: 2,
    ways: { server: 1, everything: 1 },
    lost: [],
    undead: [],
    unclean: [],
    faults: [],
  })
  expect(report.finished + report.drafts + report.destroyed).toBeGreaterThan(0)
  expect(report.compared).toBeGreaterThan(0)
}, 240_000)
