/** `yinxin export`: everything that a company owns, from the own installation or from a server far away. */
import { command, EXIT, type Lang, printJson, readArguments, Unreadable, UsageError } from './command.ts'
import { createExportApi, downloadExport } from './export-download.ts'
import { askInstallation, operating, operatorConfig } from './operator-command.ts'
import { readTexts } from './reading.ts'

const usage = {
  zh: `用法：yinxin export --corp ID|信用代码 (--to DIR | --archive FILE.tar) [--since 时间] [--json]
      yinxin export status|cancel 导出ID [--json]
      yinxin export resume 导出ID (--to DIR | --archive FILE.tar) [--json]

导出企业的全部数据：合同、证据、上传文件、印章、成员、审计、用量，附清单与证明。

  --to DIR              写成普通文件的文件夹（在本机的平台上）
  --archive FILE.tar    写成一个归档；中断后用 yinxin export resume 继续
  --since 时间          只导出此后变化的内容（上一次导出的截至时间）
  --json                标准输出只有一个 JSON 对象；导出编号在开始时即写到标准错误，一行 JSON

对远程平台，以上各条另加 --server URL --app-id ID --app-secret-file FILE（不用 --corp，只能 --archive）；
应用须由管理员授予导出权限。不加 --server 时设置与 yinxin up 相同，来自环境变量；服务在运行则由它执行。

退出码：0 完成 · 2 无法执行 · 3 完成，但有内容遗失（逐项列出） · 64 用法错误`,
  en: `usage: yinxin export --corp ID|CREDIT-CODE (--to DIR | --archive FILE.tar) [--since TIME] [--json]
       yinxin export status|cancel EXPORT-ID [--json]
       yinxin export resume EXPORT-ID (--to DIR | --archive FILE.tar) [--json]

Exports everything that a company owns: contracts, evidence, uploads, seals, members, audit, usage, with a manifest
and its proofs.

  --to DIR              a folder of plain files (on the machine of the installation)
  --archive FILE.tar    one archive; broken off, yinxin export resume goes on
  --since TIME          only what changed since (the moment of the last export)
  --json                one JSON object on standard output; the id of the export is told at its start already, as a
                        line of JSON on standard error

For an installation far away add --server URL --app-id ID --app-secret-file FILE to any of these (no --corp, and
--archive only); the app needs the right to export from an administrator. Without --server the settings are those of
yinxin up, from the environment; a running server does the work.

Exit code: 0 done · 2 could not be done · 3 done, with losses (each is named) · 64 wrong usage`,
}

const OPTIONS = {
  corp: { type: 'string' },
  to: { type: 'string' },
  archive: { type: 'string' },
  since: { type: 'string' },
  resume: { type: 'string' },
  server: { type: 'string' },
  'app-id': { type: 'string' },
  'app-secret-file': { type: 'string' },
  json: { type: 'boolean' },
} as const

const VERBS = ['status', 'cancel', 'resume'] as const

export const run = command(usage, async (args, lang) => {
  const verb = VERBS.find((one) => one === args[0])
  const rest = verb === undefined ? args : args.slice(1)
  const { values, positionals } = readArguments(
    rest,
    lang,
    OPTIONS,
    verb === undefined ? [] : [lang === 'zh' ? '导出ID' : 'EXPORT-ID'],
  )
  if (values.since !== undefined && Number.isNaN(Date.parse(values.since)))
    throw new UsageError(lang === 'zh' ? '--since 不是时间' : '--since is no time')
  const json = values.json === true
  const far = values.server === undefined ? undefined : await farAway(values, lang)

  if (verb === 'status' || verb === 'cancel') {
    const exportId = positionals[0] as string
    const shown = (
      far === undefined
        ? await askInstallation(lang, `export-${verb}`, { exportId })
        : await operatingFar(() =>
            verb === 'status'
              ? createExportApi(far).json('GET', `/api/v1/exports/${exportId}`)
              : createExportApi(far).json('POST', `/api/v1/exports/${exportId}/cancel`, {}),
          )
    ) as Shown
    if (json) printJson(shown)
    else process.stdout.write(readable(shown, lang))
    return EXIT.good
  }

  const exportId = verb === 'resume' ? positionals[0] : values.resume
  const facts = {
    ...(values.since === undefined ? {} : { since: new Date(values.since).toISOString() }),
    ...(exportId === undefined ? {} : { exportId }),
  }
  const tell = json ? announcing() : showProgress
  if (far !== undefined) {
    if (values.archive === undefined)
      throw new UsageError(lang === 'zh' ? '缺少 --archive' : '--archive is missing')
    const file = values.archive
    const done = await operatingFar(() => downloadExport({ ...far, file, ...facts }, tell))
    return finish(done, lang, json)
  }
  if (values.corp === undefined && exportId === undefined)
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
    ...facts,
  }
  const done = await operating(lang, () =>
    commandInstallation(operatorConfig(), 'export', options, tell, ending.signal),
  )
  return finish(done as Done, lang, json)
})

/** @throws UsageError, Unreadable */
async function farAway(
  values: { server?: string; 'app-id'?: string; 'app-secret-file'?: string },
  lang: Lang,
) {
  const missing = (['app-id', 'app-secret-file'] as const).find((name) => values[name] === undefined)
  if (missing !== undefined)
    throw new UsageError(lang === 'zh' ? `缺少 --${missing}` : `--${missing} is missing`)
  const [secret = ''] = (await readTexts([values['app-secret-file'] as string], lang)) ?? []
  return { server: values.server as string, appId: values['app-id'] as string, appSecret: secret.trim() }
}

async function operatingFar<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw new Unreadable('export_failed', error instanceof Error ? error.message : String(error))
  }
}

interface Loss {
  path: string
  reason: string
}

interface Shown {
  id: string
  status: string
  outcome: string | null
  snapshotAt: string | null
  sizeBytes: number
  progress: { items: number; settled: number }
  lossCount: number
  losses: Loss[]
}

interface Done {
  exportId: string
  to: string
  snapshotAt: string | null
  bytes: number
  lossCount: number
  losses: Loss[]
}

const STATES: Record<string, string> = {
  queued: '等待中',
  collecting: '导出中',
  ready: '已完成',
  failed: '失败',
  canceled: '已取消',
  expired: '已过期',
  voided: '因合同销毁而作废',
}
const REASONS: Record<string, { zh: string; en: string }> = {
  unreadable: { zh: '所有副本都读不出', en: 'no copy can be read' },
  damaged: { zh: '内容与记录的哈希不符', en: 'content does not have its recorded hash' },
  key_missing: { zh: '密钥不在', en: 'the key is not there' },
  failed: { zh: '无法生成', en: 'could not be made' },
}
const LOSSES_SHOWN = 20

function readable(shown: Shown, lang: Lang): string {
  const zh = lang === 'zh'
  const { id, status, progress, snapshotAt, sizeBytes } = shown
  const state = zh ? (STATES[status] ?? status) : status
  const parts = [
    ...(progress.items > 0 ? [`${progress.settled}/${progress.items}`] : []),
    ...(sizeBytes > 0 ? [`${sizeBytes} B`] : []),
    ...(snapshotAt === null ? [] : [`${zh ? '截至' : 'as of'} ${snapshotAt}`]),
  ]
  return `${id}  ${[state, ...parts].join(' · ')}\n${lossLines(shown, lang)}`
}

function lossLines({ lossCount, losses }: Pick<Shown, 'lossCount' | 'losses'>, lang: Lang): string {
  if (lossCount === 0) return ''
  const zh = lang === 'zh'
  const head = zh
    ? `! ${lossCount} 项遗失，已在清单中声明；其余完整：`
    : `! ${lossCount} lost and declared in the manifest; everything else is whole:`
  const named = losses
    .slice(0, LOSSES_SHOWN)
    .map(({ path, reason }) => `  - ${path}: ${REASONS[reason]?.[lang] ?? reason}`)
  if (lossCount > named.length) named.push(`  … ${lossCount - named.length}`)
  return `${[head, ...named].join('\n')}\n`
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
    process.stdout.write(lossLines(done, lang))
  }
  return done.lossCount > 0 ? EXIT.losses : EXIT.good
}

/** For programs: the id as soon as there is one, so that an export that is broken off can be resumed or canceled. */
function announcing(): (progress: unknown) => void {
  let isTold = false
  return (progress) => {
    const { exportId } = progress as { exportId?: string }
    if (isTold || exportId === undefined) return
    isTold = true
    process.stderr.write(`${JSON.stringify({ exportId })}\n`)
  }
}

let lastShownMs = 0

function showProgress(progress: unknown): void {
  const nowMs = performance.now()
  if (nowMs - lastShownMs < 200) return
  lastShownMs = nowMs
  const { exportId, step, items, settled, bytes } = progress as Record<string, unknown>
  const counted = items === undefined ? '' : ` ${String(settled)}/${String(items)}`
  // The id is what resume wants, should this be broken off.
  process.stderr.write(
    `\r${String(step)}${counted} ${String(bytes ?? '')} ${String(exportId ?? '')}`.padEnd(79),
  )
}
