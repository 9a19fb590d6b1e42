/** `yinxin probe`: a vantage point of the meter. Runs anywhere, needs nothing but an app of a company with a seal. */
import { readFile } from 'node:fs/promises'
import { setTimeout as wait } from 'node:timers/promises'
import { createClient, type SlaProbeAnswer, type SlaProbeReport } from '@yinxin/sdk'
import { command, EXIT, type Lang, printJson, readArguments, Unreadable, UsageError } from './command.ts'
import { createTransactions, type StepResult } from './probe-transaction.ts'
import { readAnchors, reason } from './reading.ts'

const usage = {
  zh: `用法：yinxin probe --url URL --app-key APPID --app-secret-file FILE --business-id ID --vantage NAME
       [--every 30] [--busy-every 300] [--trust CERT.pem]… [--once] [--json] [--lang zh|en]

从此处走完一笔真实交易（打开页面、上传、发起、免验证签、下载、验签）并向平台报告每一步（SLA 3.8）。
没有用户流量时每分钟至少两次；在两个不同的网络位置各运行一个，--vantage 为位置名称。

  --app-secret-file   应用密钥所在文件
  --business-id       企业印章免验证签的场景码
  --every             两次之间的秒数（有用户流量时用 --busy-every）
  --trust             平台根证书；不给则向平台索取，此时只能证明前后一致
  --once              只走一次，打印各步结果；退出码 0 全部正常 · 1 有失败 · 2 无法读取 · 64 用法错误

平台不可达期间的结果保留在内存中，恢复后补报。`,
  en: `usage: yinxin probe --url URL --app-key APPID --app-secret-file FILE --business-id ID --vantage NAME
       [--every 30] [--busy-every 300] [--trust CERT.pem]… [--once] [--json] [--lang zh|en]

Carries out a real transaction from here (page, upload, task, free signature, download, verification) and reports each
step to the platform (clause 3.8). At least twice a minute where people send nothing; run one at each of two places
in the network and name them with --vantage.

  --app-secret-file   file that holds the secret of the app
  --business-id       scene in which the company's seal signs without a code
  --every             seconds between two (--busy-every while people use every service)
  --trust             root certificate of the platform; fetched from it when not given, which proves consistency only
  --once              one transaction, its steps printed; exit code 0 all well · 1 a step failed · 2 unreadable · 64 usage

Results from while the platform is out of reach are kept in memory and reported afterwards.`,
}

const text = { type: 'string' } as const
/** Of a day without an answer, at full pace. */
const keptResults = 20_000
const reportedAtOnce = 500

export const run = command(usage, async (args, lang) => {
  const { values } = readArguments(
    args,
    lang,
    {
      url: text,
      'app-key': text,
      'app-secret-file': text,
      'business-id': text,
      vantage: text,
      every: text,
      'busy-every': text,
      trust: { type: 'string', multiple: true },
      once: { type: 'boolean' },
      json: { type: 'boolean' },
    },
    [],
  )
  const needed = (name: 'url' | 'app-key' | 'app-secret-file' | 'business-id' | 'vantage'): string => {
    const given = values[name]
    if (given === undefined) throw new UsageError(lang === 'zh' ? `缺少 --${name}` : `--${name} is missing`)
    return given
  }
  const baseUrl = needed('url').replace(/\/+$/, '')
  const credential = {
    appId: needed('app-key'),
    appSecret: await readSecret(needed('app-secret-file'), lang),
  }
  const trust = await readAnchors(values.trust, lang)
  const transact = createTransactions({
    baseUrl,
    credential,
    businessId: needed('business-id'),
    ...(trust === undefined ? {} : { trust }),
  })
  const reporter = createReporter({ baseUrl, credential, vantage: needed('vantage') })
  const show = (results: StepResult[]) =>
    values.json
      ? printJson({ results })
      : process.stdout.write(`${results.map((one) => readable(one, lang)).join('\n')}\n`)
  if (values.once === true) {
    const results = await transact()
    show(results)
    await reporter.report(results)
    return reporter.problem() === null && results.every(({ ok }) => ok) ? EXIT.good : EXIT.bad
  }
  await repeat({
    everyMs: readSeconds(values.every ?? '30', lang),
    busyMs: readSeconds(values['busy-every'] ?? '300', lang),
    async round() {
      const results = await transact()
      const quiet = await reporter.report(results)
      const failed = results.filter(({ ok }) => !ok)
      if (failed.length > 0 || values.json) show(values.json ? results : failed)
      const problem = reporter.problem()
      if (problem !== null) process.stderr.write(`${problem}\n`)
      return { quiet }
    },
  })
  return EXIT.good
})

/** Until a signal ends it; rounds keep their pace from beginning to beginning. */
async function repeat({
  everyMs,
  busyMs,
  round,
}: {
  everyMs: number
  busyMs: number
  round: () => Promise<{ quiet: boolean }>
}): Promise<void> {
  const ending = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => ending.abort())
  while (!ending.signal.aborted) {
    const startMs = performance.now()
    const { quiet } = await round()
    const restMs = (quiet ? everyMs : busyMs) - (performance.now() - startMs)
    await wait(Math.max(0, restMs), undefined, { signal: ending.signal }).catch(() => undefined)
  }
}

function createReporter(target: {
  baseUrl: string
  credential: { appId: string; appSecret: string }
  vantage: string
}) {
  const client = createClient(target)
  let waiting: StepResult[] = []
  let problem: string | null = null
  return {
    problem: () => problem,
    /** Reports what is new and what waits. Says whether probes are needed; they are while nobody can say. */
    async report(results: StepResult[]): Promise<boolean> {
      waiting = [...waiting, ...results].slice(-keptResults)
      let quiet = true
      problem = null
      try {
        while (waiting.length > 0) {
          const sending = waiting.slice(0, reportedAtOnce)
          const report: SlaProbeReport = {
            vantage: target.vantage,
            sentAt: new Date().toISOString(),
            results: sending,
          }
          const answer: SlaProbeAnswer = await client.reportProbe(report)
          waiting = waiting.slice(sending.length)
          quiet = answer.quiet.length > 0
          if (!answer.accepted)
            problem = '探测端时钟有误，结果未被采纳 · the clock is off; the results do not count'
        }
      } catch (error) {
        problem = `未能报告 · not reported: ${error instanceof Error ? error.message : String(error)}`
      }
      return quiet
    },
  }
}

async function readSecret(path: string, lang: Lang): Promise<string> {
  try {
    return (await readFile(path, 'utf8')).trim()
  } catch (error) {
    throw new Unreadable('file_unreadable', `${path}: ${reason(error, lang)}`)
  }
}

function readSeconds(given: string, lang: Lang): number {
  const seconds = Number(given)
  if (!(seconds >= 1 && seconds <= 3600))
    throw new UsageError(lang === 'zh' ? '间隔为 1 至 3600 秒' : 'intervals are 1 to 3600 seconds')
  return seconds * 1000
}

function readable({ service, ok, latencyMs, at, detail }: StepResult, lang: Lang): string {
  const names: Record<string, string> = {
    frontend: '前端',
    backend: '后端',
    upload: '上传',
    signing: '签署',
    certificate: '证书签发',
  }
  const name = lang === 'zh' ? (names[service] ?? service) : service
  return `${ok ? '✓' : '✗'} ${at} ${name} ${latencyMs} ms${detail === undefined ? '' : `  ${detail}`}`
}
