/** `yinxin sla compute`: recomputes a month's availability from its published minutes, so that nobody must believe us. */
import { basename } from 'node:path'
import {
  CalendarError,
  type MinuteCount,
  MinutesCsvError,
  type MinuteRange,
  type MonthVerdict,
  minuteText,
  monthMinutes,
  monthVerdict,
  parseMinutesCsv,
} from '@yinxin/sla'
import { command, EXIT, type Lang, pad, printJson, readArguments, Unreadable, UsageError } from './command.ts'
import { runVerify } from './custody-verify.ts'
import { readInput } from './reading.ts'
import { isOperatorVerb, runOperatorVerb } from './sla-operator.ts'

const usage = {
  zh: `用法：yinxin sla compute MINUTES.csv --month YYYY-MM [--tz Asia/Shanghai] [--json] [--lang zh|en]
      yinxin sla verify REPORT.pdf --log-key LOG.vkey [--trust ROOT.pem]… [--json]
      yinxin sla announce --from UTC --to UTC --text-zh 文字 --text-en TEXT --by NAME [--service NAME]…
      yinxin sla withdraw ID --by NAME
      yinxin sla correct --service NAME --from UTC --to UTC --valid N --ok N --reason TEXT --evidence TEXT
      yinxin sla close

verify     离线核验月度报告的 PDF：签章、入链证明、数值；LOG.vkey 取自 /log/vkey
announce   公告计划维护，须提前至少 24 小时；withdraw 撤回
correct    更正某时段每分钟的数量，须附理由与证据；已关闭的月份随即产生下一次修订，原修订不变
close      立即关闭到期的月份（月末后 3 天），否则每小时自动进行
时间写作 2026-11-24T08:05Z；服务为 frontend、backend、upload、signing、certificate。
以上由运营者在平台所在机器上执行，设置与 yinxin up 相同。

compute    由公布的每分钟记录重算一个自然月的可用性（服务等级协议 3.8）。

  MINUTES.csv    首行 minute,valid,ok,maintenance；minute 为 UTC 的 ISO 时间，maintenance 为 0 或 1
                 首末两行之间缺失的分钟视为无流量且无探测（计为不可用）；月外的行只作上下文
  --month        要计算的月份
  --tz           月份所在时区，默认 Asia/Shanghai
  --json         只输出一个 JSON 对象

算出结果即退出码 0（是否达标见 pass）· 2 无法读取 · 64 用法错误`,
  en: `usage: yinxin sla compute MINUTES.csv --month YYYY-MM [--tz Asia/Shanghai] [--json] [--lang zh|en]
       yinxin sla verify REPORT.pdf --log-key LOG.vkey [--trust ROOT.pem]… [--json]
       yinxin sla announce --from UTC --to UTC --text-zh TEXT --text-en TEXT --by NAME [--service NAME]…
       yinxin sla withdraw ID --by NAME
       yinxin sla correct --service NAME --from UTC --to UTC --valid N --ok N --reason TEXT --evidence TEXT
       yinxin sla close

verify     checks the PDF of a monthly report offline: seal, proof of inclusion, figures; LOG.vkey is from /log/vkey
announce   announces planned maintenance, at least 24 hours before; withdraw takes it back
correct    replaces the counts of every minute in a range, with reason and evidence; a closed month gets its next
           revision at once, and the earlier ones stay
close      closes the months that are due (three days after their end); else that happens within the hour
Times are written 2026-11-24T08:05Z; services are frontend, backend, upload, signing and certificate. The operator runs
these on the machine of the platform, with the settings of yinxin up.

compute    recomputes the availability of a calendar month from published minutes (clause 3.8 of the agreement).

  MINUTES.csv    first line minute,valid,ok,maintenance; minute is ISO time in UTC, maintenance 0 or 1
                 a minute missing between the first row and the last had neither traffic nor a probe (bad);
                 rows outside of the month are context
  --month        the month to compute
  --tz           the time zone of the month, Asia/Shanghai unless given
  --json         print one JSON object and nothing else

Exit code: 0 computed (whether the promise was met is in pass) · 2 unreadable · 64 wrong usage`,
}

export const run = command(usage, async (args, lang) => {
  const [verb = '', ...rest] = args
  if (isOperatorVerb(verb)) return await runOperatorVerb(verb, rest, lang)
  if (verb === 'verify') return await runVerify(rest, lang, 'sla')
  if (verb !== 'compute') {
    throw new UsageError(lang === 'zh' ? `没有子命令：${verb}` : `no such subcommand: ${verb}`)
  }
  const { values, positionals } = readArguments(
    rest,
    lang,
    { month: { type: 'string' }, tz: { type: 'string' }, json: { type: 'boolean' } },
    ['MINUTES.csv'],
  )
  const { month, tz = 'Asia/Shanghai' } = values
  if (month === undefined) throw new UsageError(lang === 'zh' ? '缺少 --month' : '--month is missing')
  const range = readMonth(month, tz, lang)
  const path = positionals[0] as string
  const verdict = monthVerdict(await readMinutes(path, lang), range)
  if (values.json) printJson(verdictJson(verdict))
  else process.stdout.write(readable(verdict, `${basename(path)} · ${month} · ${tz}`, lang))
  return EXIT.good
})

function readMonth(month: string, tz: string, lang: Lang): MinuteRange {
  try {
    return monthMinutes(month, tz)
  } catch (error) {
    if (!(error instanceof CalendarError)) throw error
    if (lang === 'en') throw new UsageError(error.message)
    throw new UsageError(
      error.code === 'zone_unknown' ? `没有时区 ${tz}` : `${month} 不是月份，请写成 YYYY-MM`,
    )
  }
}

async function readMinutes(path: string, lang: Lang): Promise<MinuteCount[]> {
  const text = Buffer.from(await readInput(path, lang)).toString('utf8')
  try {
    return parseMinutesCsv(text)
  } catch (error) {
    if (!(error instanceof MinutesCsvError)) throw error
    const where = lang === 'zh' ? `${path} 第 ${error.line} 行无法读取` : `${path}, line ${error.line}`
    throw new Unreadable(error.code, `${where}: ${error.message}`)
  }
}

const verdictJson = ({ runs, ...verdict }: MonthVerdict) => ({
  ...verdict,
  runs: runs.map(({ from, to, minutes }) => ({ from: minuteText(from), to: minuteText(to), minutes })),
})

function readable(verdict: MonthVerdict, name: string, lang: Lang): string {
  const zh = lang === 'zh'
  const line = (label: string, text: string) => `  ${pad(label, 12)}${text}`
  const { availability } = verdict
  const share = availability === null ? '—' : `${(availability * 100).toFixed(4)} %`
  return [
    `${verdict.pass ? '✓' : '✗'} ${name}`,
    '',
    line(zh ? '可用性' : 'availability', `${share}  ${zh ? '（承诺 ≥ 99.95 %）' : '(promised ≥ 99.95 %)'}`),
    line(
      zh ? '宕机' : 'down',
      zh ? `${verdict.downMinutes} 分钟（承诺 ≤ 21.6）` : `${verdict.downMinutes} minutes (promised ≤ 21.6)`,
    ),
    line(zh ? '计划维护' : 'maintenance', `${verdict.maintenanceMinutes} ${zh ? '分钟' : 'minutes'}`),
    line(zh ? '全月' : 'month', `${verdict.totalMinutes} ${zh ? '分钟' : 'minutes'}`),
    ...verdict.runs.map(({ from, to, minutes }) =>
      line(
        zh ? '宕机时段' : 'downtime',
        `${minuteText(from)} – ${minuteText(to)}  ${minutes} ${zh ? '分钟' : 'minutes'}`,
      ),
    ),
    '',
  ].join('\n')
}
