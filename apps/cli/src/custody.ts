/** `yinxin custody`: what operators must know of the data; `yinxin custody report`: the durability report. */
import {
  commandInstallation,
  ConfigError,
  type CustodyOverview,
  type DurabilityAnswer,
  OperatorRefusal,
  readConfig,
} from '@yinxin/server'
import { command, EXIT, type Lang, pad, printJson, readArguments, Unreadable, UsageError } from './command.ts'

const usage = {
  zh: `用法：yinxin custody [status] [--json] [--lang zh|en]
     yinxin custody report [--month YYYY-MM] [--json] [--lang zh|en]

status  存储目录、最近校验、核对发现、被隔离的磁盘、待修复与待清除的数量、数据库副本、月度报告
report  按实测计算此刻的持久性；--month 为已结束的自然月出具新一版报告（旧版不改），签章并写入日志

设置与 yinxin up 相同；服务在运行则由它执行，否则临时打开其数据。
退出码：0 无问题（报告：满足承诺）· 1 有问题（报告：不满足）· 2 无法执行 · 64 用法错误`,
  en: `usage: yinxin custody [status] [--json] [--lang zh|en]
       yinxin custody report [--month YYYY-MM] [--json] [--lang zh|en]

status  failure domains, last scrubs, open findings, quarantined disks, what waits, database copies, reports
report  computes the durability of now from what was measured; --month makes a new revision of the report of a month
        that is over (the old one stays), sealed and entered into the log

Settings are those of yinxin up; a running server does the work, else its data is opened for it.
Exit code: 0 nothing wrong (report: promise met) · 1 something is (not met) · 2 could not be done · 64 wrong usage`,
}

export const run = command(usage, async (args, lang) => {
  const isNamed = args[0] !== undefined && !args[0].startsWith('-')
  const what = isNamed ? args[0] : 'status'
  const { values } = readArguments(
    isNamed ? args.slice(1) : args,
    lang,
    { json: { type: 'boolean' }, month: { type: 'string' } },
    [],
  )
  if (what !== 'status' && what !== 'report')
    throw new UsageError(lang === 'zh' ? `没有 custody ${what}` : `there is no custody ${what}`)
  const ending = new AbortController()
  process.once('SIGINT', () => ending.abort())
  const ask = async (name: string, options: Record<string, unknown>) => {
    try {
      const config = readConfig({ ...process.env, YINXIN_LOG_LEVEL: process.env.YINXIN_LOG_LEVEL ?? 'error' })
      return await commandInstallation(config, name, options, () => undefined, ending.signal)
    } catch (error) {
      if (error instanceof OperatorRefusal)
        throw new Unreadable(error.code ?? 'failed', lang === 'zh' ? error.zh : error.message)
      if (error instanceof ConfigError) throw new Unreadable('settings', error.message)
      throw new Unreadable('failed', error instanceof Error ? error.message : String(error))
    }
  }
  if (what === 'report') {
    const { month } = values
    const answer = (await ask('durability-report', month === undefined ? {} : { month })) as DurabilityAnswer
    if (values.json) printJson(answer)
    else process.stdout.write(`${showReport(answer, lang).join('\n')}\n`)
    return answer.report.verdict === 'met' ? EXIT.good : EXIT.bad
  }
  const overview = (await ask('custody', {})) as CustodyOverview
  if (values.json) printJson(overview)
  else process.stdout.write(`${showOverview(overview, lang).join('\n')}\n`)
  return isWell(overview) ? EXIT.good : EXIT.bad
})

const say = (lang: Lang, zh: string, en: string) => (lang === 'zh' ? zh : en)

function isWell({ domains, findings }: CustodyOverview): boolean {
  return (
    domains.every(({ state }) => state === 'ready') &&
    findings.every(({ severity }) => severity === 'warning')
  )
}

function showReport(answer: DurabilityAnswer, lang: Lang): string[] {
  const { figures, verdict, design, contract, reasons } = answer.report
  const line = (met: boolean) => say(lang, met ? '满足' : '不满足', met ? 'met' : 'not met')
  return [
    ...('revision' in answer
      ? [
          say(
            lang,
            `${answer.month} 第 ${answer.revision} 版`,
            `${answer.month}, revision ${answer.revision}`,
          ),
        ]
      : []),
    verdict === 'met'
      ? say(lang, '满足承诺', 'The promise is met')
      : say(lang, '此处不满足承诺', 'The promise is not met here'),
    say(
      lang,
      `每月丢失概率（模型）${figures.model.toExponential(2)}，即 ${figures.nines?.toFixed(2) ?? '∞'} 个 9`,
      `modelled loss per month ${figures.model.toExponential(2)}: ${figures.nines?.toFixed(2) ?? '∞'} nines`,
    ),
    `  1e-11: ${line(design.met)}`,
    `  1e-10: ${line(contract.met)}`,
    ...reasons.map((reason, index) => `${index + 1}. ${reason[lang]}`),
  ]
}

function showOverview(overview: CustodyOverview, lang: Lang): string[] {
  const { domains, findings, waiting, databases, reports } = overview
  const time = (at: unknown) => (at === undefined || at === null ? '–' : String(at).slice(0, 16))
  return [
    say(lang, '存储目录', 'Failure domains'),
    ...domains.map(
      ({ name, state, deviceId, scatterWidth, lastScrub, reason }) =>
        `  ${pad(name, 12)} ${pad(state === 'ready' ? say(lang, '正常', 'ready') : say(lang, '已隔离', 'quarantined'), 12)} ${say(lang, '设备', 'device')} ${deviceId ?? '?'}, w = ${scatterWidth}, ${say(lang, '校验', 'scrub')} ${time(lastScrub?.finishedAt)}${lastScrub && lastScrub.bad > 0 ? ` (${say(lang, '坏', 'bad')} ${lastScrub.bad})` : ''}${reason === undefined ? '' : ` – ${reason}`}`,
    ),
    say(
      lang,
      `待修复 ${waiting.repairs}，待清除 ${waiting.removals}；三十天内修复 ${overview.repairs.count} 次，p99 ${overview.repairs.p99Hours?.toFixed(2) ?? '–'} 小时`,
      `Waiting: ${waiting.repairs} repairs, ${waiting.removals} removals; ${overview.repairs.count} repairs in thirty days, p99 ${overview.repairs.p99Hours?.toFixed(2) ?? '–'} h`,
    ),
    say(lang, `核对发现 ${findings.length}`, `Open findings: ${findings.length}`),
    ...findings.map(
      ({ severity, class: kind, subjectId, domain, detail }) =>
        `  ${severity} ${kind} ${subjectId} ${domain} ${detail}`,
    ),
    ...overview.quarantines
      .filter(({ readmittedAt }) => readmittedAt === null)
      .map(
        ({ domain, since, reason }) =>
          `  ${say(lang, '隔离', 'quarantined')} ${domain} ${time(since)} ${reason}`,
      ),
    say(lang, '数据库副本', 'Copies of the databases'),
    ...databases.map(
      ({ name, site, state, lagBytes }) => `  ${pad(name, 22)} ${pad(site, 9)} ${state} ${lagBytes ?? '?'} B`,
    ),
    say(lang, '月度报告', 'Monthly reports'),
    ...reports.map(({ month, revision, verdict }) => `  ${month} r${revision} ${verdict}`),
  ]
}
