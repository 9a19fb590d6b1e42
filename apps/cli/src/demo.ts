/** `yinxin demo`: one contract from upload to evidence on a platform of its own, over HTTP, and judged at the end. */
import { spawn } from 'node:child_process'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { verifyBundle } from '@yinxin/evidence'
import { verifyPdf } from '@yinxin/pades'
import { parsePem } from '@yinxin/pki'
import { seedDemo, serveUntilSignal } from '@yinxin/server'
import { command, EXIT, type Lang, pad, readArguments } from './command.ts'
import { type Outcome, playStory, type Step } from './demo-story.ts'
import { createThrowaway } from './throwaway.ts'

const usage = {
  zh: `用法：yinxin demo [--out DIR] [--lang zh|en]

在一次性的平台上走完一份合同：企业通过接口发起并盖章，个人通过链接实名、手写、验证码签署，
然后用库和全新的进程验证结果。目录中留下 contract.pdf、signed.pdf、evidence.zip、root.pem、log.vkey、summary.json。

  --out DIR   输出目录（默认 .cache/demo）

退出码：0 全部验证通过 · 1 没有 · 64 用法错误`,
  en: `usage: yinxin demo [--out DIR] [--lang zh|en]

Plays one contract on a throw-away platform: a company starts and seals it through the API, a person proves identity
and signs by hand and code through a link; then the library and fresh processes verify the result. Leaves contract.pdf,
signed.pdf, evidence.zip, root.pem, log.vkey and summary.json.

  --out DIR   where to leave them (.cache/demo by default)

Exit code: 0 all verified · 1 not · 64 wrong usage`,
}

const FILES = ['contract.pdf', 'signed.pdf', 'evidence.zip', 'root.pem', 'log.vkey', 'summary.json'] as const
const REPOSITORY = join(import.meta.dirname, '../../..')

export const run = command(usage, async (args, lang) => {
  const { values } = readArguments(args, lang, { out: { type: 'string' } }, [])
  const folder = resolve(values.out ?? join(REPOSITORY, '.cache/demo'))
  await mkdir(folder, { recursive: true })
  // What an earlier run left must not pass for the result of this one.
  for (const name of FILES) await rm(join(folder, name), { force: true })

  const log = createStepLog(lang)
  const say = (zh: string, en: string) => process.stdout.write(`${lang === 'zh' ? zh : en}\n`)
  say('\n  印信演示：一份合同从上传到证据\n', '\n  Yinxin demo: a contract from upload to evidence\n')
  const outcome = await onThrowawayPlatform(log)
  await writeFile(join(folder, 'contract.pdf'), outcome.contract)
  await writeFile(join(folder, 'signed.pdf'), outcome.signed)
  await writeFile(join(folder, 'evidence.zip'), outcome.evidence)
  await writeFile(join(folder, 'root.pem'), outcome.rootPem)
  await writeFile(join(folder, 'log.vkey'), outcome.logVkey)

  // The platform is gone by now: whatever verifies, verifies offline.
  const checks = {
    library: await log.step('用库验证', 'verify with the library', async () => verifyHere(outcome)),
    verify: await log.step('全新进程：yinxin verify', 'a fresh process: yinxin verify', () =>
      exitsWell(['verify', join(folder, 'signed.pdf'), '--trust', join(folder, 'root.pem'), '--json']),
    ),
    evidenceVerify: await log.step(
      '全新进程：yinxin evidence verify',
      'a fresh process: yinxin evidence verify',
      () =>
        exitsWell([
          ...['evidence', 'verify', join(folder, 'evidence.zip'), '--trust', join(folder, 'root.pem')],
          ...['--log-key', join(folder, 'log.vkey'), '--json'],
        ]),
    ),
  }
  const ok = Object.values(checks).every(Boolean)
  const summary = {
    ok,
    trust: 'root.pem',
    logKey: 'log.vkey',
    contract: 'contract.pdf',
    signed: 'signed.pdf',
    evidence: 'evidence.zip',
    taskId: outcome.taskId,
    signers: outcome.signers,
    checks,
    steps: log.steps,
    totalMs: log.totalMs(),
  }
  await writeFile(join(folder, 'summary.json'), `${JSON.stringify(summary, null, 2)}\n`)
  const seconds = (summary.totalMs / 1000).toFixed(1)
  if (ok)
    say(
      `\n  ✓ 全部验证通过，用时 ${seconds} 秒。文件在 ${folder}\n`,
      `\n  ✓ All verified, in ${seconds} s. The files are in ${folder}\n`,
    )
  else
    say(
      `\n  ✗ 验证未通过，见上。文件在 ${folder}\n`,
      `\n  ✗ Not verified, see above. The files are in ${folder}\n`,
    )
  return ok ? EXIT.good : EXIT.bad
})

/** Starts the platform, plays the story against its HTTP address, and removes everything again. */
async function onThrowawayPlatform(log: StepLog): Promise<Outcome> {
  const place = await createThrowaway('demo')
  let outcome: Outcome | undefined
  try {
    const started = log.begin('平台启动，演示企业就绪', 'the platform starts, the demo company is there')
    await serveUntilSignal(
      place.config,
      {},
      async (server) => {
        const demo = await seedDemo(server.app)
        if (demo === null) throw new Error('a fresh platform could not be furnished')
        started()
        outcome = await playStory({ baseUrl: server.url, demo, step: log.step })
      },
      Promise.resolve(),
    )
  } finally {
    await place.remove()
  }
  if (outcome === undefined) throw new Error('the story came to no end')
  return outcome
}

/** False, with each reason on standard error, unless all of it holds. */
function verifyHere({ signed, contract, evidence, rootPem, logVkey, signers }: Outcome): boolean {
  const trust = parsePem(rootPem, 'CERTIFICATE')
  const pdf = verifyPdf(signed, { trust })
  const bundle = verifyBundle(evidence, { trust, logKeys: [logVkey.trim()] })
  const found = pdf.signatures.map((one) => one.signer)
  const problems = [
    ...pdf.signatures.flatMap((one) =>
      one.problems.filter(({ severity }) => severity === 'error').map(({ message }) => message),
    ),
    ...(pdf.ok ? [] : ['the signed contract is not good']),
    ...bundle.problems.map((problem) => problem.message_en),
    ...(found.join() === signers.join() ? [] : [`signed by ${found.join()} instead of ${signers.join()}`]),
    ...(Buffer.compare(signed.subarray(0, contract.length), contract) === 0
      ? []
      : ['the contract is not the beginning of the signed file']),
  ]
  for (const problem of problems) process.stderr.write(`  ✗ ${problem}\n`)
  return problems.length === 0
}

/** Runs this very command anew; what it says is shown only when it complains. */
function exitsWell(args: string[]): Promise<boolean> {
  return new Promise((done, reject) => {
    const child = spawn(process.execPath, [join(import.meta.dirname, 'main.ts'), ...args], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let said = ''
    child.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()))
    child.once('error', reject)
    child.once('close', (code) => {
      if (code !== 0) process.stderr.write(said)
      done(code === 0)
    })
  })
}

type StepLog = ReturnType<typeof createStepLog>

/** Tells what happens and how long it took. A step that gives false is marked as failed. */
function createStepLog(lang: Lang) {
  const begunMs = performance.now()
  const steps: { step: string; ms: number }[] = []
  const begin = (zh: string, en: string) => {
    const fromMs = performance.now()
    return (good = true) => {
      const ms = Math.round(performance.now() - fromMs)
      steps.push({ step: en, ms })
      const mark = good ? ' ' : '✗'
      process.stdout.write(
        `  ${mark} ${String(steps.length).padStart(2)}  ${pad(lang === 'zh' ? zh : en, 52)}${ms.toLocaleString('en').padStart(7)} ms\n`,
      )
    }
  }
  const step: Step = async (zh, en, work) => {
    const end = begin(zh, en)
    const result = await work()
    end(result !== false)
    return result
  }
  return { begin, step, steps, totalMs: () => Math.round(performance.now() - begunMs) }
}
