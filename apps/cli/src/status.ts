/** `yinxin status export DIR`: the status page as files, for a web server that answers when the platform does not. */
import { mkdir, rename, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { command, EXIT, printJson, readArguments, UsageError } from './command.ts'
import { askInstallation, operating } from './operator-command.ts'

const usage = {
  zh: `用法：yinxin status export DIR [--lang zh|en]

将状态页写入 DIR（index.html、en.html、status.json），供平台之外的网页服务器展示；可由 cron 每分钟执行。
平台不应答时以 2 退出，已有文件不动，页面上写明数据截至何时。`,
  en: `usage: yinxin status export DIR [--lang zh|en]

Writes the status page to DIR (index.html, en.html, status.json) for a web server elsewhere; cron may run it every
minute. When the platform does not answer it ends with 2 and leaves the files, which say as of when they are true.`,
}

export const run = command(usage, async (args, lang) => {
  const [verb = '', ...rest] = args
  if (verb !== 'export')
    throw new UsageError(lang === 'zh' ? `没有子命令：${verb}` : `no such subcommand: ${verb}`)
  const { positionals } = readArguments(rest, lang, {}, ['DIR'])
  const { files } = (await askInstallation(lang, 'status-files')) as { files: Record<string, string> }
  const folder = resolve(positionals[0] ?? '')
  await operating(lang, () => writeStatus(folder, files))
  printJson({ folder, files: Object.keys(files) })
  return EXIT.good
})

/** Each file is replaced whole: whoever reads in between sees the old one or the new one. */
export async function writeStatus(folder: string, files: Record<string, string>): Promise<void> {
  await mkdir(folder, { recursive: true })
  for (const [name, content] of Object.entries(files)) {
    if (!/^[a-z]+\.(html|json)$/.test(name)) throw new Error(`no file of a status page: ${name}`)
    const unfinished = join(folder, `.${name}.${process.pid}`)
    await writeFile(unfinished, content)
    await rename(unfinished, join(folder, name))
  }
}
