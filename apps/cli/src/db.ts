/** `yinxin db`: where the copies of the databases stand, and the change of the primary. */
import { checkOutside, type DatabaseStatus, planDatabases, promoteStopped } from '@yinxin/server'
import { command, EXIT, type Lang, pad, printJson, readArguments, UsageError } from './command.ts'
import { askInstallation, operating, operatorConfig } from './operator-command.ts'

const usage = {
  zh: `用法：yinxin db status [--json]
      yinxin db promote [--cluster main|keys] [--to NAME] [--accept-loss] [--stopped] [--json]
      yinxin db check [--json]

status    主库与密钥库的各副本：所在站点、状态、滞后、同步，及归档与备份
promote   使最新的副本成为主库，原主库停止后重建为副本；已确认的提交都在
          --to NAME       指定副本（落后者被拒绝）
          --accept-loss   即使有副本无法询问也继续（可能丢失已确认的提交）
          --stopped       服务未运行、主库已失时使用；下次启动时完成
check     外部 PostgreSQL：副本、同步与归档是否齐备

退出码：0 正常 · 1 有缺失（见输出）· 2 无法执行 · 64 用法错误`,
  en: `usage: yinxin db status [--json]
       yinxin db promote [--cluster main|keys] [--to NAME] [--accept-loss] [--stopped] [--json]
       yinxin db check [--json]

status    each copy of the main and the keys database: site, state, lag, sync; archives and backups
promote   makes the most advanced copy the primary; the old primary ends and is made anew as a copy
          --to NAME       this one, refused when another has more
          --accept-loss   goes on although a copy cannot be asked, and confirmed commits may be lost with it
          --stopped       while no server runs because its primary is lost; the next start completes it
check     an outside PostgreSQL: are copies, synchronous commits and the log archive in place

Exit code: 0 all right · 1 something is missing, see the output · 2 could not be done · 64 wrong usage`,
}

export const run = command(usage, async (args, lang) => {
  const [verb, ...rest] = args
  if (verb === 'status') return await status(rest, lang)
  if (verb === 'promote') return await promote(rest, lang)
  if (verb === 'check') return await check(rest, lang)
  throw new UsageError(lang === 'zh' ? `没有子命令：${verb ?? ''}` : `no such subcommand: ${verb ?? ''}`)
})

async function status(args: string[], lang: Lang): Promise<number> {
  const { values } = readArguments(args, lang, { json: { type: 'boolean' } }, [])
  const found = (await askInstallation(lang, 'db-status')) as DatabaseStatus
  const isWell =
    found.copies.every(({ state }) => ['running', 'streaming', 'catching-up'].includes(state)) &&
    found.clusters.every(({ degradedSince }) => degradedSince === null) &&
    found.backups.every(({ missing }) => missing.length === 0)
  if (values.json) printJson({ ok: isWell, ...found })
  else process.stdout.write(`${show(found, lang).join('\n')}\n`)
  return isWell ? EXIT.good : EXIT.bad
}

function show({ clusters, copies, backups }: DatabaseStatus, lang: Lang): string[] {
  const zh = lang === 'zh'
  const lines: string[] = []
  for (const { cluster, primary, term, timeline, degradedSince } of clusters) {
    lines.push(`${cluster}  ${zh ? '主库' : 'primary'} ${primary}  term ${term}  timeline ${timeline}`)
    if (degradedSince !== null)
      lines.push(
        `  ${zh ? '自此时起提交不等待另一站点' : 'commits go on without the other site since'} ${degradedSince}`,
      )
    for (const copy of copies.filter((one) => one.cluster === cluster)) {
      lines.push(
        `  ${pad(copy.name, 10)}${pad(copy.site, 10)}${pad(copy.role, 9)}${pad(copy.state, 13)}` +
          `${zh ? '滞后' : 'lag'} ${copy.lagBytes ?? '?'} B  ${zh ? '设备' : 'device'} ${copy.deviceId ?? '?'}${copy.sync ? (zh ? '  同步' : '  sync') : ''}`,
      )
    }
    for (const one of backups.filter((backup) => backup.cluster === cluster)) {
      lines.push(
        `  ${zh ? '备份' : 'backups'} ${one.site}: ${one.backups.length}  ${zh ? '归档至' : 'archived to'} ${one.archivedAt ?? '-'}` +
          (one.missing.length > 0 ? `  ${zh ? '缺失' : 'MISSING'} ${one.missing.join(' ')}` : ''),
      )
    }
  }
  return lines
}

async function promote(args: string[], lang: Lang): Promise<number> {
  const { values } = readArguments(
    args,
    lang,
    {
      cluster: { type: 'string' },
      to: { type: 'string' },
      'accept-loss': { type: 'boolean' },
      stopped: { type: 'boolean' },
      json: { type: 'boolean' },
    },
    [],
  )
  const cluster = values.cluster ?? 'main'
  if (cluster !== 'main' && cluster !== 'keys')
    throw new UsageError(lang === 'zh' ? '--cluster 只能是 main 或 keys' : '--cluster takes main or keys')
  const config = operatorConfig()
  const acceptLoss = values['accept-loss'] === true
  const to = values.to === undefined ? {} : { to: values.to }
  const done = (await (values.stopped
    ? operating(lang, () =>
        promoteStopped(planDatabases(config)[cluster], {
          ...to,
          acceptLoss,
          binDir: config.databaseCopies.binDir,
        }),
      )
    : askInstallation(lang, 'db-promote', { cluster, ...to, acceptLoss }, config))) as {
    from: string
    to: string
    term: number
    durationMs?: number
  }
  if (values.json) printJson(done)
  else {
    const took = done.durationMs === undefined ? '' : `  ${done.durationMs} ms`
    process.stdout.write(`${cluster}: ${done.from} → ${done.to}  term ${done.term}${took}\n`)
  }
  return EXIT.good
}

async function check(args: string[], lang: Lang): Promise<number> {
  const { values } = readArguments(args, lang, { json: { type: 'boolean' } }, [])
  const { databases } = operatorConfig()
  if (databases === undefined)
    throw new UsageError(
      lang === 'zh'
        ? '未设置外部数据库；内置数据库请用 yinxin db status'
        : 'no outside database is set; for the embedded one use yinxin db status',
    )
  const found = await operating(lang, () => checkOutside(databases))
  if (values.json) printJson(found)
  else {
    for (const one of found.databases)
      process.stdout.write(
        `${one.database}  PostgreSQL ${one.version}  standbys ${one.standbys.join(', ') || '-'}  sync ${one.syncNames || '-'}\n`,
      )
    for (const finding of found.findings) process.stdout.write(`✗ ${finding.database}: ${finding[lang]}\n`)
    if (found.ok) process.stdout.write(`${lang === 'zh' ? '✓ 齐备' : '✓ nothing is missing'}\n`)
  }
  return found.ok ? EXIT.good : EXIT.bad
}
