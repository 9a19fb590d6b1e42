/** `yinxin evidence verify`: judges an evidence package offline, against anchors given from outside. */
import { readFile } from 'node:fs/promises'
import { basename } from 'node:path'
import { type BundleReport, type NoteKey, parseVkeys, verifyBundle } from '@yinxin/evidence'
import { command, EXIT, type Lang, pad, printJson, readArguments, Unreadable, UsageError } from './command.ts'
import { readAnchors, readInput, reason } from './reading.ts'

const usage = {
  zh: `用法：yinxin evidence verify FILE.zip [--trust ROOT.pem]… [--log-key LOG.vkey] [--json] [--lang zh|en]

离线验证证据包：改动、缺失或多出任何一个字节的条目都会被指名。

  --trust ROOT.pem     信任的根证书（可重复）
  --log-key LOG.vkey   存证日志（及见证人）的公钥文件
  --json               只输出一个 JSON 对象

根证书和日志公钥须从证据包之外取得；不给则只能判断包内是否自洽。
退出码：0 通过 · 1 有问题 · 2 无法读取 · 64 用法错误`,
  en: `usage: yinxin evidence verify FILE.zip [--trust ROOT.pem]… [--log-key LOG.vkey] [--json] [--lang zh|en]

Verifies an evidence package offline and names every entry that was changed, removed or added.

  --trust ROOT.pem     trusted root certificate (repeatable)
  --log-key LOG.vkey   file with the key of the log (and of its witnesses)
  --json               print one JSON object and nothing else

Take both from outside the package; without them only its inner consistency can be judged.
Exit code: 0 good · 1 not · 2 unreadable · 64 wrong usage`,
}

export const run = command(usage, async (args, lang) => {
  const [verb, ...rest] = args
  if (verb !== 'verify') {
    throw new UsageError(lang === 'zh' ? `没有子命令：${verb ?? ''}` : `no such subcommand: ${verb ?? ''}`)
  }
  return await verify(rest, lang)
})

async function verify(args: string[], lang: Lang): Promise<number> {
  const { values, positionals } = readArguments(
    args,
    lang,
    {
      trust: { type: 'string', multiple: true },
      'log-key': { type: 'string', multiple: true },
      json: { type: 'boolean' },
    },
    ['FILE.zip'],
  )
  const path = positionals[0] as string
  const trust = await readAnchors(values.trust, lang)
  const logKeys = await readLogKeys(values['log-key'], lang)
  let zip: Uint8Array
  try {
    zip = await readInput(path, lang)
  } catch (error) {
    if (!(error instanceof Unreadable)) throw error
    if (values.json) {
      printJson({ ok: false, problems: [], error: { code: error.code, message: error.message } })
    } else process.stderr.write(`✗ ${error.message}\n`)
    return EXIT.unreadable
  }
  const report = verifyBundle(zip, {
    ...(trust === undefined ? {} : { trust }),
    ...(logKeys === undefined ? {} : { logKeys }),
  })
  if (values.json) printJson(bundleJson(report, lang))
  else process.stdout.write(readable(report, basename(path), lang))
  return report.ok ? EXIT.good : EXIT.bad
}

/** Keys of logs and witnesses in files that options name. @throws UsageError */
export async function readLogKeys(
  paths: readonly string[] | undefined,
  lang: Lang,
): Promise<NoteKey[] | undefined> {
  if (paths === undefined) return undefined
  const keys: NoteKey[] = []
  for (const path of paths) {
    try {
      const found = parseVkeys(await readFile(path, 'utf8'))
      if (found.length === 0) throw new Error(lang === 'zh' ? '文件中没有公钥' : 'the file holds no key')
      keys.push(...found)
    } catch (error) {
      throw new UsageError(
        lang === 'zh'
          ? `--log-key ${path} 不是可用的日志公钥：${reason(error, lang)}`
          : `--log-key ${path} is no usable log key: ${reason(error, lang)}`,
      )
    }
  }
  return keys
}

function bundleJson(report: BundleReport, lang: Lang) {
  return {
    ok: report.ok,
    trusted: report.trusted,
    logVerified: report.logVerified,
    task: report.task,
    events: report.events,
    checkpoint: report.checkpoint,
    manifest: report.manifest,
    documents: report.documents.map(({ documentId, name, path, sha256, ok, trusted, signatures }) => ({
      documentId,
      name,
      path,
      sha256,
      ok,
      trusted,
      signatures: signatures.map(({ status, signer, signedAt, timestamp, level }) => ({
        status,
        signer,
        signedAt,
        timestamp,
        level,
      })),
    })),
    problems: report.problems.map(({ entry, code, message_zh, message_en }) => ({
      entry,
      code,
      message: lang === 'zh' ? message_zh : message_en,
    })),
  }
}

function readable(report: BundleReport, name: string, lang: Lang): string {
  const zh = lang === 'zh'
  const count = report.problems.length
  const verdict = report.ok
    ? zh
      ? '证据包完整，未被改动'
      : 'the package is complete and unchanged'
    : zh
      ? `未通过：${count} 个问题`
      : `not good: ${count} problem(s)`
  const line = (label: string, text: string) => `  ${pad(label, 12)}${text}`
  const lines = [`${report.ok ? '✓' : '✗'} ${name}  ${verdict}`, '']
  if (report.task !== null) {
    lines.push(line(zh ? '任务' : 'task', `${report.task.title ?? ''} ${report.task.taskId}`.trim()))
    lines.push(line(zh ? '事件' : 'events', String(report.events)))
  }
  for (const document of report.documents) {
    const signers = document.signatures.map((one) => one.signer).join(zh ? '、' : ', ')
    lines.push(
      line(
        zh ? '文件' : 'document',
        `${document.ok ? '✓' : '✗'} ${document.name}${zh ? '，签署人：' : ', signed by '}${signers}`,
      ),
    )
  }
  if (report.checkpoint !== null) {
    const { origin, size, timestamp } = report.checkpoint
    lines.push(line(zh ? '日志' : 'log', `${origin} · ${size}${timestamp === null ? '' : ` · ${timestamp}`}`))
  }
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
  if (count > 0) lines.push('')
  for (const problem of report.problems) {
    lines.push(`  ✗ ${zh ? problem.message_zh : problem.message_en} [${problem.code}]`)
  }
  return `${lines.join('\n')}\n`
}
