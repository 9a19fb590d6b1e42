/** `yinxin export`: everything that a company owns, from the own installation or from a server far away. */
import { Unreadable, command, EXIT, type Lang, printJson, readArguments, UsageError } from './command.ts'
import { downloadExport } from './export-download.ts'
import { operating, operatorConfig } from './operator-command.ts'
import { readTexts } from './reading.ts'

const usage = {
  zh: `用法：yinxin export --corp ID|信用代码 (--to DIR | --archive FILE.tar) [--since 时间] [--resume 导出ID] [--json]
      yinxin export --server URL --app-id ID --app-secret-file FILE --archive FILE.tar [--since 时间] [--resume 导出ID]

导出企业的全部数据：合同、证据、上传文件、印章、成员、审计、用量，附清单与证明。

  --to DIR              写成普通文件的文件夹（在本机的平台上）
  --archive FILE.tar    写成一个归档；中断后以同一命令加 --resume 继续
  --since 时间          只导出此后变化的内容（上一次导出的截至时间）
  --server URL          远程平台；应用须由管理员授予导出权限
  --json                只输出一个 JSON 对象

不加 --server 时设置与 yinxin up 相同，来自环境变量；服务在运行则由它执行。
退出码：0 完成 · 2 无法执行 · 64 用法错误`,
  en: `usage: yinxin export --corp ID|CREDIT-CODE (--to DIR | --archive FILE.tar) [--since TIME] [--resume EXPORT-ID] [--json]
       yinxin export --server URL --app-id ID --app-secret-file FILE --archive FILE.tar [--since TIME] [--resume EXPORT-ID]

Exports everything that a company owns: contracts, evidence, uploads, seals, members, audit, usage, with a manifest
and its proofs.

  --to DIR              a folder of plain files (on the machine of the installation)
  --archive FILE.tar    one archive; broken off, the same command with --resume goes on
  --since TIME          only what changed since (the moment of the last export)
  --server URL          an installation far away; the app needs the right to export from an administrator
  --json                print one JSON object and nothing else

Without --server the settings are those of yinxin up, from the environment; a running server does the work.
Exit code: 0 done · 2 could not be done · 64 wrong usage`,
}

export const run = command(usage, async (args, lang) => {
  const { values } = readArguments(
    args,
    lang,
    {
      corp: { type: 'string' },
      to: { type: 'string' },
      archive: { type: 'string' },
      since: { type: 'string' },
      resume: { type: 'string' },
      server: { type: 'string' },
      'app-id': { type: 'string' },
      'app-secret-file': { type: 'string' },
      json: { type: 'boolean' },
    },
    [],
  )
  if (values.since !== undefined && Number.isNaN(Date.parse(values.since)))
    throw new UsageError(lang === 'zh' ? '--since 不是时间' : '--since is no time')
  const since = values.since === undefined ? {} : { since: new Date(values.since).toISOString() }
  const resume = values.resume === undefined ? {} : { exportId: values.resume }
  const tell = values.json ? () => undefined : (progress: unknown) => showProgress(progress)

  if (values.server !== undefined) {
    const missing = (['app-id', 'app-secret-file', 'archive'] as const).find(
      (name) => values[name] === undefined,
    )
    if (missing !== undefined)
      throw new UsageError(lang === 'zh' ? `缺少 --${missing}` : `--${missing} is missing`)
    const [secret = ''] = (await readTexts([values['app-secret-file'] as string], lang)) ?? []
    const done = await downloadExport(
      {
        server: values.server,
        appId: values['app-id'] as string,
        appSecret: secret.trim(),
        file: values.archive as string,
        ...since,
        ...resume,
      },
      tell,
    ).catch((error: unknown) => {
      throw new Unreadable('export_failed', error instanceof Error ? error.message : String(error))
    })
    return finish(done, lang, values.json === true)
  }

  if (values.corp === undefined && values.resume === undefined)
    throw new UsageError(lang === 'zh' ? '缺少 --corp' : '--corp is missing')
  if ((values.to === undefined) === (values.archive === undefined))
    throw new UsageError(lang === 'zh' ? '给出 --to 或 --archive 之一' : 'give one of --to and --archive')
  const { commandInstallation } = await import('@yinxin/server')
  const { resolve } = await import('node:path')
  const ending = new AbortController()
  process.once('SIGINT', () => ending.abort())
  const options = {
    corp: values.corp ?? '',
    to: resolve(values.to ?? (values.archive as string)),
    form: values.to === undefined ? 'archive' : 'folder',
    lang,
    ...since,
    ...resume,
  }
  const done = await operating(lang, () =>
    commandInstallation(operatorConfig(), 'export', options, tell, ending.signal),
  )
  return finish(done as Done, lang, values.json === true)
})

interface Done {
  exportId: string
  to: string
  snapshotAt: string | null
  bytes: number
}

function finish(done: Done, lang: Lang, json: boolean): number {
  if (json) printJson(done)
  else {
    process.stderr.write('\n')
    process.stdout.write(
      lang === 'zh'
        ? `✓ ${done.to}  截至 ${done.snapshotAt ?? ''}，${done.bytes} 字节\n  导出 ${done.exportId}\n  验证：yinxin bundle verify ${done.to}\n`
        : `✓ ${done.to}  as of ${done.snapshotAt ?? ''}, ${done.bytes} bytes\n  export ${done.exportId}\n  verify: yinxin bundle verify ${done.to}\n`,
    )
  }
  return EXIT.good
}

let lastShownMs = 0

function showProgress(progress: unknown): void {
  const nowMs = performance.now()
  if (nowMs - lastShownMs < 200) return
  lastShownMs = nowMs
  const { exportId, step, items, settled, bytes } = progress as Record<string, unknown>
  const counted = items === undefined ? '' : ` ${String(settled)}/${String(items)}`
  // The id is what --resume wants, should this be broken off.
  process.stderr.write(
    `\r${String(step)}${counted} ${String(bytes ?? '')} ${String(exportId ?? '')}`.padEnd(79),
  )
}
