/** `yinxin custody`: what operators must know of the data, in words or as a page; the durability report and its check. */
import { writeFile } from 'node:fs/promises'
import type { CustodyOverview, DurabilityAnswer } from '@yinxin/server'
import { command, EXIT, type Lang, printJson, readArguments, Unreadable, UsageError } from './command.ts'
import { showOverview } from './custody-overview.ts'
import { runVerify } from './custody-verify.ts'
import { askInstallation } from './operator-command.ts'
import { reason } from './reading.ts'

const usage = {
  zh: `用法：yinxin custody [status] [--json] [--lang zh|en]
     yinxin custody page [--to FILE.html] [--json] [--lang zh|en]
     yinxin custody report [--month YYYY-MM] [--json] [--lang zh|en]
     yinxin custody verify FILE.pdf --log-key LOG.vkey [--trust ROOT.pem]… [--json] [--lang zh|en]

status  存储目录、最近校验、核对发现、隔离与退役的磁盘、待修复与待清除的数量、数据库副本与备份、恢复演练、
        销毁队列、月度报告
page    同样的内容，作为浏览器页面：打印一个只在本机有效的只读地址；--to 存为文件（服务未运行时亦可）
report  按实测计算此刻的持久性；--month 为已结束的自然月出具新一版报告（旧版不改），签章并写入日志
verify  离线核验一份报告的 PDF：签章、入链证明，并由所附实测值重算每个数值；LOG.vkey 取自 /log/vkey

status、page、report 的设置与 yinxin up 相同；服务在运行则由它执行，否则临时打开其数据。
退出码：0 无问题（报告：满足承诺；核验：通过）· 1 有问题（不满足；不通过）· 2 无法执行 · 64 用法错误`,
  en: `usage: yinxin custody [status] [--json] [--lang zh|en]
       yinxin custody page [--to FILE.html] [--json] [--lang zh|en]
       yinxin custody report [--month YYYY-MM] [--json] [--lang zh|en]
       yinxin custody verify FILE.pdf --log-key LOG.vkey [--trust ROOT.pem]… [--json] [--lang zh|en]

status  failure domains, last scrubs, open findings, quarantined and retired disks, what waits, copies and backups of
        the databases, restore drills, what is being destroyed, reports
page    the same for a browser: prints a read-only address of this machine; --to writes a file (also with no server)
report  computes the durability of now from what was measured; --month makes a new revision of the report of a month
        that is over (the old one stays), sealed and entered into the log
verify  judges the PDF of a report offline: seal, proof of inclusion, and every figure computed again from the
        measurements inside; LOG.vkey is what /log/vkey answers

status, page and report take the settings of yinxin up; a running server does the work, else its data is opened for it.
Exit code: 0 nothing wrong (report: met; verify: good) · 1 something is (not met; not good) · 2 could not be done ·
64 wrong usage`,
}

const json = { json: { type: 'boolean' } } as const
const verbs: Record<string, (args: string[], lang: Lang) => Promise<number>> = {
  status,
  page,
  report,
  verify: (args: string[], lang: Lang) => runVerify(args, lang, 'durability'),
}

export const run = command(usage, async (args, lang) => {
  const isNamed = args[0] !== undefined && !args[0].startsWith('-')
  const name = isNamed ? String(args[0]) : 'status'
  const verb = Object.hasOwn(verbs, name) ? verbs[name] : undefined
  if (verb === undefined)
    throw new UsageError(lang === 'zh' ? `没有 custody ${name}` : `there is no custody ${name}`)
  return await verb(isNamed ? args.slice(1) : args, lang)
})

async function status(args: string[], lang: Lang): Promise<number> {
  const { values } = readArguments(args, lang, json, [])
  const overview = (await askInstallation(lang, 'custody')) as CustodyOverview
  if (values.json) printJson(overview)
  else process.stdout.write(`${showOverview(overview, lang).join('\n')}\n`)
  return overview.concerns.length === 0 ? EXIT.good : EXIT.bad
}

async function page(args: string[], lang: Lang): Promise<number> {
  const { values } = readArguments(args, lang, { ...json, to: { type: 'string' } }, [])
  if (values.to === undefined) {
    const { url } = (await askInstallation(lang, 'page', { name: 'custody' })) as { url: string }
    const address = `${url}?lang=${lang}`
    if (values.json) printJson({ url: address })
    else process.stdout.write(`${address}\n`)
    return EXIT.good
  }
  const { html } = (await askInstallation(lang, 'custody-page', { lang })) as { html: string }
  try {
    // It tells of disks and requests: for whoever runs the command.
    await writeFile(values.to, html, { mode: 0o600 })
  } catch (error) {
    throw new Unreadable(
      'file_unwritable',
      `${lang === 'zh' ? '无法写入' : 'cannot write'} ${values.to}: ${reason(error, lang)}`,
    )
  }
  if (values.json) printJson({ file: values.to })
  else process.stdout.write(`${values.to}\n`)
  return EXIT.good
}

async function report(args: string[], lang: Lang): Promise<number> {
  const { values } = readArguments(args, lang, { ...json, month: { type: 'string' } }, [])
  const { month } = values
  if (month !== undefined && !/^\d{4}-(0[1-9]|1[0-2])$/.test(month))
    throw new UsageError(
      lang === 'zh'
        ? `--month 应为 YYYY-MM，如 2026-10：${month}`
        : `--month takes YYYY-MM, as in 2026-10: ${month}`,
    )
  const answer = (await askInstallation(
    lang,
    'durability-report',
    month === undefined ? {} : { month },
  )) as DurabilityAnswer
  if (values.json) printJson(answer)
  else process.stdout.write(`${showReport(answer, lang).join('\n')}\n`)
  return answer.report.verdict === 'met' ? EXIT.good : EXIT.bad
}

const say = (lang: Lang, zh: string, en: string) => (lang === 'zh' ? zh : en)

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
