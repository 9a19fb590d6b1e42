/**
 * `node testing/durability/strace/strace.ts [--record FOLDER]`: the proof from outside, as a command. Traces the whole
 * platform and the storage room at work, then the room with something broken, which must be found.
 */
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { outsideSites } from '../../simulate/mutants.ts'
import { playApp } from './app-scene.ts'
import { type Proof, prove } from './proof.ts'
import { record } from './record.ts'
import { openRoomStage, type Scene } from './room-scene.ts'
import { whyNotTraceable } from './tracing.ts'

const { values } = parseArgs({ options: { record: { type: 'string' } } })
const reason = whyNotTraceable()
if (reason !== undefined) {
  console.error(reason)
  process.exit(2)
}

let failed = 0

function tell(title: string, proof: Proof, isBroken = false): void {
  const small = proof.objects.filter(({ kind }) => kind === 'small').length
  console.log(
    `${title}: ${small} small and ${proof.objects.length - small} large objects, ${proof.replicas} replicas, ` +
      `${proof.removals} removals, ${proof.commits} commits (${proof.commitsInBothSites} in both sites), ` +
      `${proof.answers} answers; acknowledged too early: ${proof.findings.length}`,
  )
  for (const { of, missing } of proof.findings.slice(0, isBroken ? 2 : 20))
    console.log(`  ${of} lacks ${missing}`)
  if (isBroken === (proof.findings.length === 0)) failed += 1
}

async function keep(name: string, scene: Scene, root: string, until?: string): Promise<void> {
  if (values.record === undefined) return
  const { log, plan } = record(scene, root, until)
  await mkdir(values.record, { recursive: true })
  await writeFile(join(values.record, `${name}.strace`), log, 'latin1')
  await writeFile(join(values.record, `${name}.json`), `${JSON.stringify(plan, null, 2)}\n`)
}

const folder = await mkdtemp(join(tmpdir(), 'yinxin-strace-'))
// PostgreSQL must be able to enter.
await chmod(folder, 0o711)
try {
  const [appRoot, roomRoot] = [join(folder, 'app'), join(folder, 'room')]
  for (const root of [appRoot, roomRoot]) await mkdir(root)
  const app = await playApp(appRoot)
  tell('the whole platform', prove(app.calls, app.plan))
  await keep('uploads', app, appRoot, app.plan.answers[1]?.mark)
  const stage = await openRoomStage(roomRoot)
  try {
    const whole = await stage.play()
    tell('the storage room', prove(whole.calls, whole.plan))
    await keep('removals', whole, roomRoot)
    for (const site of outsideSites()) {
      const { calls, plan } = await stage.play(site)
      tell(`without ${site.text} of ${site.file}`, prove(calls, plan), true)
    }
    await stage.setDatabaseSync(false)
    const { calls, plan } = await stage.play()
    tell('PostgreSQL with fsync = off', prove(calls, plan), true)
  } finally {
    await stage.close()
  }
} finally {
  await rm(folder, { recursive: true, force: true })
}
process.exit(failed === 0 ? 0 : 1)
