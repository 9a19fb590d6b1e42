/** `yinxin bundle verify`: judges an export without the installation that made it or the one that shall take it. */
import { basename } from 'node:path'
import { type ExportReport, type TarDamage, verifyExport } from '@yinxin/evidence'
import { command, EXIT, type Lang, pad, printJson, readArguments, Unreadable, UsageError } from './command.ts'
import { readLogKeys } from './evidence.ts'
import { readAnchors, reason } from './reading.ts'

const usage = {
  zh: `用法：yinxin bundle verify DIR|FILE.tar [--trust ROOT.pem]… [--log-key LOG.vkey]… [--json] [--lang zh|en]

离线验证数据导出：改动、缺失或多出任何一个字节的条目都会被指名；每份合同的签名与证据逐一验证。

  --trust ROOT.pem     信任的根证书（可重复）
  --log-key LOG.vkey   存证日志的公钥文件（可重复；含导入自他处的合同时，需同时给出原日志的公钥）
  --json               只输出一个 JSON 对象

根证书和日志公钥须从导出之外取得；不给则只能判断是否自洽。
退出码：0 通过 · 1 有问题 · 2 无法读取 · 3 通过，但导出自身声明有内容遗失（逐项列出） · 64 用法错误`,
  en: `usage: yinxin bundle verify DIR|FILE.tar [--trust ROOT.pem]… [--log-key LOG.vkey]… [--json] [--lang zh|en]

Verifies a data export offline and names every entry that was changed, removed or added; the signatures and the
evidence of each contract are verified one by one.

  --trust ROOT.pem     trusted root certificate (repeatable)
  --log-key LOG.vkey   file with the key of the log (repeatable; contracts that were imported need that of their origin)
  --json               print one JSON object and nothing else

Take both from outside the export; without them only its inner consistency can be judged.
Exit code: 0 good · 1 not · 2 unreadable · 3 good, but the export itself declares losses (each is named) · 64 wrong usage`,
}

export const run = command(usage, async (args, lang) => {
  const [verb, ...rest] = args
  if (verb !== 'verify')
    throw new UsageError(lang === 'zh' ? `没有子命令：${verb ?? ''}` : `no such subcommand: ${verb ?? ''}`)
  const { values, positionals } = readArguments(
    rest,
    lang,
    {
      trust: { type: 'string', multiple: true },
      'log-key': { type: 'string', multiple: true },
      json: { type: 'boolean' },
    },
    ['DIR|FILE.tar'],
  )
  const path = positionals[0] as string
  const trust = await readAnchors(values.trust, lang)
  const logKeys = await readLogKeys(values['log-key'], lang)
  let report: ExportReport
  try {
    // Loaded when it is needed: a wrong call is answered at once.
    const { openBundle } = await import('@yinxin/server')
    const source = await openBundle(path)
    const damage: TarDamage[] = []
    report = await verifyExport(
      source.items(damage),
      {
        ordered: source.ordered,
        ...(trust === undefined ? {} : { trust }),
        ...(logKeys === undefined ? {} : { logKeys }),
      },
      damage,
    )
  } catch (error) {
    const message = `${lang === 'zh' ? '无法读取' : 'cannot read'} ${path}: ${reason(error, lang)}`
    if (!values.json) throw new Unreadable('bundle_unreadable', message)
    printJson({ ok: false, problems: [], error: { code: 'bundle_unreadable', message } })
    return EXIT.unreadable
  }
  if (values.json) printJson(bundleJson(report, lang))
  else process.stdout.write(readable(report, basename(path), lang))
  if (!report.ok) return EXIT.bad
  return report.lost.length > 0 ? EXIT.losses : EXIT.good
})

/** An export as a machine reads it. */
function bundleJson(report: ExportReport, lang: Lang) {
  const { manifest, problems, ...rest } = report
  return {
    ...rest,
    exportId: manifest?.exportId ?? null,
    tenant: manifest?.tenant ?? null,
    snapshotAt: manifest?.snapshotAt ?? null,
    since: manifest?.since ?? null,
    counts: manifest?.counts ?? null,
    gone: manifest?.gone ?? null,
    problems: problems.map(({ entry, code, message_zh, message_en }) => ({
      entry,
      code,
      message: lang === 'zh' ? message_zh : message_en,
    })),
  }
}

const SHOWN_MAX = 50

function readable(report: ExportReport, name: string, lang: Lang): string {
  const zh = lang === 'zh'
  const count = report.problems.length
  const verdict = report.ok
    ? report.lost.length > 0
      ? zh
        ? `未被改动；导出时已有 ${report.lost.length} 项遗失，如下声明`
        : `the export is unchanged; ${report.lost.length} lost at its making, as declared below`
      : zh
        ? '导出完整，未被改动'
        : 'the export is complete and unchanged'
    : zh
      ? `未通过：${count} 个问题`
      : `not good: ${count} problem(s)`
  const line = (label: string, text: string) => `  ${pad(label, 12)}${text}`
  const lines = [`${report.ok ? '✓' : '✗'} ${name}  ${verdict}`, '']
  if (report.manifest !== null) {
    const { tenant, snapshotAt, since, gone } = report.manifest
    lines.push(line(zh ? '属于' : 'of', `${tenant.name} ${tenant.creditCode ?? tenant.id}`))
    lines.push(
      line(
        zh ? '截至' : 'as of',
        `${snapshotAt}${since === null ? '' : ` (${zh ? '自' : 'since'} ${since})`}`,
      ),
    )
    if (gone.length > 0) lines.push(line(zh ? '已销毁' : 'destroyed', gone.join(' ')))
  }
  if (report.lost.length > 0) lines.push(line(zh ? '声明遗失' : 'lost', String(report.lost.length)))
  lines.push(line(zh ? '条目' : 'entries', `${report.entries} · ${report.sizeBytes} B`))
  lines.push(line(zh ? '合同' : 'contracts', String(report.contracts)))
  if (report.timestamp !== null) lines.push(line(zh ? '时间戳' : 'timestamp', report.timestamp))
  const judged = (value: boolean | null, option: string) =>
    value === null
      ? zh
        ? `未判断（用 ${option} 给出）`
        : `not judged (give ${option})`
      : value
        ? zh
          ? '成立'
          : 'holds'
        : zh
          ? '不成立'
          : 'does not hold'
  lines.push(line(zh ? '根证书' : 'trust', judged(report.trusted, '--trust')))
  lines.push(line(zh ? '日志公钥' : 'log key', judged(report.logVerified, '--log-key')))
  if (count + report.lost.length > 0) lines.push('')
  for (const { path, reason } of report.lost.slice(0, SHOWN_MAX))
    lines.push(`  ! ${path}: ${zh ? '声明遗失' : 'declared as lost'} [${reason}]`)
  for (const problem of report.problems.slice(0, SHOWN_MAX))
    lines.push(`  ✗ ${zh ? problem.message_zh : problem.message_en} [${problem.code}]`)
  if (count > SHOWN_MAX) lines.push(`  … ${count - SHOWN_MAX}`)
  return `${lines.join('\n')}\n`
}
