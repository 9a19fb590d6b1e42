/** Long trials: `npm run soak -- kill [--kills N]` kills the storage server under load, 50 times unless told otherwise. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { createTestDatabase, startTestCluster } from '../testing/database.ts'
import { killUnderLoad } from '../testing/durability/killing.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { kills: { type: 'string', default: '50' } },
})
if (positionals[0] !== 'kill') {
  process.stderr.write('usage: npm run soak -- kill [--kills N]\n')
  process.exit(2)
}
const { cluster, stop } = await startTestCluster()
const root = await mkdtemp(join(tmpdir(), 'yinxin-soak-'))
const database = await createTestDatabase(cluster)
try {
  const report = await killUnderLoad({ root, database }, Number(values.kills), (one) => {
    console.log(
      `kill ${one.kills}: ${one.acknowledged} acknowledged, ${one.destroyed} destroyed, ${one.unanswered} without an answer, ${one.lost.length} lost, ${one.undead.length} readable after destruction, ${one.unclean.length} checks not clean`,
    )
  })
  console.log(JSON.stringify(report))
  process.exitCode = report.lost.length + report.undead.length + report.unclean.length === 0 ? 0 : 1
} finally {
  await database.drop()
  await stop()
  await rm(root, { recursive: true, force: true })
}
