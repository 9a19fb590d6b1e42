/**
 * Long trials, 50 kills unless told otherwise: `npm run soak -- kill-app [--kills N]` kills the whole platform under
 * load over its public API, with its own PostgreSQL; `npm run soak -- kill [--kills N]` the storage room alone.
 */
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { removeInstallation } from '@yinxin/server'
import { createTestDatabase, startTestCluster } from '../testing/database.ts'
import { killUnderLoad } from '../testing/durability/killing.ts'
import {
  type AppKillReport,
  isKept,
  killAppUnderLoad,
  settlesWithinMs,
} from '../testing/durability/killing-app.ts'
import { readCount, readOptions } from './options.ts'

const usage = 'npm run soak -- kill-app|kill [--kills N]'
const { values, positionals } = readOptions(
  { allowPositionals: true, options: { kills: { type: 'string', default: '50' } } },
  usage,
)
const trials: Record<string, (root: string, kills: number) => Promise<boolean>> = {
  kill: killStorage,
  'kill-app': killApp,
}
const trial = trials[positionals[0] ?? '']
if (trial === undefined) {
  process.stderr.write(`usage: ${usage}\n`)
  process.exit(2)
}
const kills = readCount('kills', values.kills, 1, usage)
const root = await mkdtemp(join(tmpdir(), 'yinxin-soak-'))
try {
  process.exitCode = (await trial(root, kills)) ? 0 : 1
} finally {
  await rm(root, { recursive: true, force: true })
}

async function killStorage(folder: string, kills: number): Promise<boolean> {
  const { cluster, stop } = await startTestCluster()
  const database = await createTestDatabase(cluster)
  try {
    const report = await killUnderLoad({ root: folder, database }, kills, (one) => {
      console.log(
        `kill ${one.kills}: ${one.acknowledged} acknowledged, ${one.destroyed} destroyed, ${one.unanswered} without an answer, ${one.lost.length} lost, ${one.undead.length} readable after destruction, ${one.unclean.length} checks not clean`,
      )
    })
    console.log(JSON.stringify(report))
    return report.lost.length + report.undead.length + report.unclean.length === 0
  } finally {
    await database.drop()
    await stop()
  }
}

async function killApp(folder: string, kills: number): Promise<boolean> {
  // PostgreSQL, which does not run as root, must be able to pass.
  await chmod(folder, 0o711)
  const beganMs = performance.now()
  try {
    const onKill = (one: AppKillReport) => {
      console.log(
        `kill ${one.kills}, ${Math.round((performance.now() - beganMs) / 1000)} s: ${one.files} files, ${one.drafts} drafts, ${one.finished} signed, ${one.destroyed} destroyed, ${one.unanswered} without an answer, ${one.compared} compared, ${one.lost.length} lost, ${one.undead.length} readable after destruction, ${one.unclean.length} checks not clean, ${one.stuck.length} stuck, ${one.faults.length} errors, started in ${one.startMs.at(-1)} ms`,
      )
    }
    const report = await killAppUnderLoad(folder, kills, { settlesWithinMs, onKill })
    console.log(JSON.stringify(report))
    return isKept(report)
  } finally {
    await removeInstallation({ dataDir: join(folder, 'data'), keyDir: join(folder, 'keys') })
  }
}
