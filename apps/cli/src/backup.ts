/** `yinxin backup`, `yinxin restore` and `yinxin drill`: the way back, taken, listed, read and rehearsed. */
import { resolve } from 'node:path'
import { type BackupStatus, type DrillReport, restoreInstallation } from '@yinxin/server'
import { command, EXIT, type Lang, printJson, readArguments, UsageError } from './command.ts'
import { askInstallation, operating, operatorConfig } from './operator-command.ts'

const usages = {
  backup: {
    zh: `用法：yinxin backup now|list|verify [--json]

now      立即为主库与密钥库各做一次基础备份，写入两个站点
list     各站点的备份与日志归档
verify   完整读取每一个备份并核对每个文件的散列，检查日志有无缺口

退出码：0 正常 · 1 有损坏或缺口 · 2 无法执行 · 64 用法错误`,
    en: `usage: yinxin backup now|list|verify [--json]

now      takes a base backup of the main and the keys database into both sites
list     backups and log archive of each site
verify   reads every backup fully against the hash of every file, and looks for holes in the log

Exit code: 0 all right · 1 damage or holes · 2 could not be done · 64 wrong usage`,
  },
  restore: {
    zh: `用法：yinxin restore [--at TIME] [--keys-at TIME] --to DIR [--json]

由备份与日志归档把主库恢复到某一时刻（默认归档末尾），密钥库恢复到归档末尾（此后销毁的密钥不会复活），
写入新目录，并给出以之启动的设置。合同密文仍在原存储目录，不被改动。

  --at TIME   ISO 8601 时间，如 2026-11-24T12:00:00+08:00`,
    en: `usage: yinxin restore [--at TIME] [--keys-at TIME] --to DIR [--json]

Restores the main database as it was at a moment (the end of the archive unless given) and the keys as they were at
the end of theirs, so that what was destroyed since stays destroyed, into a fresh folder; prints the settings to start
it with. The encrypted contracts stay where they are and are not touched.

  --at TIME   ISO 8601, as in 2026-11-24T12:00:00+08:00`,
  },
  drill: {
    zh: `用法：yinxin drill [--json]

恢复演练：恢复到临时目录、启动、解密抽样对象、离线验证抽样合同的签名与存证，测量 RPO 与 RTO 并存档。

退出码：0 正常 · 1 失败，或没有可核验的合同（nothing_to_check） · 2 无法执行 · 64 用法错误`,
    en: `usage: yinxin drill [--json]

Restore drill: restores into a scratch folder, starts, decrypts a sample of objects, judges signatures and evidence of
a sample of contracts offline, measures RPO and RTO and files the report.

Exit code: 0 all right · 1 failed, or no contract to check (nothing_to_check) · 2 could not be done · 64 wrong usage`,
  },
}

export const run = command(usages.backup, async (args, lang) => {
  const [verb, ...rest] = args
  const { values } = readArguments(rest, lang, { json: { type: 'boolean' } }, [])
  if (verb !== 'now' && verb !== 'list' && verb !== 'verify')
    throw new UsageError(lang === 'zh' ? `没有子命令：${verb ?? ''}` : `no such subcommand: ${verb ?? ''}`)
  const found = (await askInstallation(lang, `backup-${verb}`)) as Record<string, unknown>
  if (values.json) printJson(found)
  else process.stdout.write(`${show(found, lang).join('\n')}\n`)
  if (verb === 'verify') return found.clean === true ? EXIT.good : EXIT.bad
  const archives = (found.archives ?? []) as BackupStatus[]
  return archives.every(({ missing }) => missing.length === 0) ? EXIT.good : EXIT.bad
})

function show(found: Record<string, unknown>, lang: Lang): string[] {
  const zh = lang === 'zh'
  const { made, archives, verdicts, gaps } = found as {
    made?: { cluster: string; id: string; archiveBytes: number }[]
    archives?: BackupStatus[]
    verdicts?: { cluster: string; site: string; id: string; problems: string[] }[]
    gaps?: BackupStatus[]
  }
  const lines = (made ?? []).map((one) => `✓ ${one.cluster}  ${one.id}  ${one.archiveBytes} B`)
  for (const one of archives ?? []) {
    lines.push(
      `${one.cluster}  ${one.site}  ${one.folder}  ${zh ? '归档至' : 'archived to'} ${one.archivedAt ?? '-'}`,
    )
    for (const backup of one.backups)
      lines.push(`  ${backup.id}  ${backup.endedAt}  ${backup.archiveBytes} B`)
    if (one.missing.length > 0)
      lines.push(`  ✗ ${zh ? '日志缺口' : 'holes in the log'}: ${one.missing.join(' ')}`)
  }
  for (const one of verdicts ?? []) {
    lines.push(
      `${one.problems.length === 0 ? '✓' : '✗'} ${one.cluster}  ${one.site}  ${one.id}`,
      ...one.problems.map((text) => `  ${text}`),
    )
  }
  for (const one of gaps ?? [])
    lines.push(
      `✗ ${one.cluster}  ${one.site}  ${zh ? '日志缺口' : 'holes in the log'}: ${one.missing.join(' ')}`,
    )
  return lines
}

export const runRestore = command(usages.restore, async (args, lang) => {
  const { values } = readArguments(
    args,
    lang,
    {
      at: { type: 'string' },
      'keys-at': { type: 'string' },
      to: { type: 'string' },
      json: { type: 'boolean' },
    },
    [],
  )
  if (values.to === undefined) throw new UsageError(lang === 'zh' ? '缺少 --to DIR' : '--to DIR is missing')
  const moment = (text: string | undefined, name: string) => {
    if (text === undefined) return undefined
    const at = new Date(text)
    // Without a zone the same text means other moments on other machines.
    if (Number.isNaN(at.getTime()) || !/(Z|[+-]\d\d:?\d\d)$/.test(text))
      throw new UsageError(lang === 'zh' ? `${name} 须为带时区的时间` : `${name} takes a time with its zone`)
    return at
  }
  const [at, keysAt] = [moment(values.at, '--at'), moment(values['keys-at'], '--keys-at')]
  const to = resolve(values.to)
  const done = await operating(lang, () =>
    restoreInstallation(operatorConfig(), { to, ...(at ? { at } : {}), ...(keysAt ? { keysAt } : {}) }),
  )
  if (values.json) printJson(done)
  else {
    for (const one of done.restores) {
      process.stdout.write(
        `✓ ${one.cluster}  ${one.backup} + ${one.segments} WAL  → ${one.reachedAt}  (${one.durationMs} ms)\n`,
      )
    }
    process.stdout.write(
      lang === 'zh' ? '\n先停止原平台，再以下列设置启动：\n' : '\nStop the old platform, then start with:\n',
    )
    const settings = Object.entries(done.environment).map(([name, value]) => `  ${name}='${value}' \\`)
    process.stdout.write(`${settings.join('\n')}\n  yinxin up\n`)
  }
  return EXIT.good
})

export const runDrill = command(usages.drill, async (args, lang) => {
  const { values } = readArguments(args, lang, { json: { type: 'boolean' } }, [])
  const report = (await askInstallation(lang, 'drill')) as DrillReport
  if (values.json) printJson(report)
  else {
    const zh = lang === 'zh'
    const mark = { ok: '✓', failed: '✗', nothing_to_check: '?' }[report.outcome]
    process.stdout.write(
      `${mark} RPO ${report.rpoMs ?? '?'} ms  RTO ${report.rtoMs} ms  ` +
        `${zh ? '对象' : 'objects'} ${report.objects.read}/${report.objects.asked}  ${zh ? '合同' : 'contracts'} ${report.packages.verified}/${report.packages.asked}\n`,
    )
    if (report.outcome === 'nothing_to_check')
      process.stdout.write(
        zh
          ? '  已恢复，但没有对象或已完成的合同可供核验\n'
          : '  restored, but there is no object or no finished contract to check\n',
      )
    for (const problem of report.problems) process.stdout.write(`  ${problem}\n`)
  }
  return report.ok ? EXIT.good : EXIT.bad
})
