/** `yinxin log`: the transparency log as operators see it, and how it goes on after a loss. */
import type { LogStatus } from '@yinxin/server'
import { command, EXIT, printJson, readArguments, UsageError } from './command.ts'
import { askInstallation } from './operator-command.ts'

const usage = {
  zh: `用法：yinxin log status [--json] [--lang zh|en]
      yinxin log continue --reason TEXT [--json]

status    透明日志的名称、条数与各代，以及它是否延续站点中已公布的检查点
continue  数据库恢复到较早时刻后：以新名称继续，首条声明承接何处、何者已公布而不复存在、原因

经 yinxin restore 恢复的平台首次启动时自动声明；其他方式须由人声明，此前不出证。
设置与 yinxin up 相同，来自环境变量。
退出码：0 完成，且日志连续 · 1 日志不连续 · 2 无法执行 · 64 用法错误`,
  en: `usage: yinxin log status [--json] [--lang zh|en]
       yinxin log continue --reason TEXT [--json]

status    name, entries and generations of the transparency log, and whether it leads to the checkpoint in the sites
continue  after the database fell back: goes on under a new name; its first entry says from where, what had been
          published and is lost, and why

A platform restored by yinxin restore declares it at its first start; anything else waits for a person, and certifies
nothing until then. Settings are those of yinxin up, from the environment.
Exit code: 0 done, the log is continuous · 1 it is not · 2 could not be done · 64 wrong usage`,
}

export const run = command(usage, async (args, lang) => {
  const [verb = 'status', ...rest] = args[0]?.startsWith('-') ? ['status', ...args] : args
  const zh = lang === 'zh'
  if (verb === 'status') {
    const { values } = readArguments(rest, lang, { json: { type: 'boolean' } }, [])
    const status = (await askInstallation(lang, 'log-status')) as LogStatus
    if (values.json) printJson(status)
    else {
      const lines = [
        `${status.origin}  ${status.size} ${zh ? '条' : 'entries'}`,
        ...status.generations.map(
          (one) => `  ${one.generation}  ${zh ? '自' : 'from'} ${one.from}  ${one.vkey}  ${one.reason ?? ''}`,
        ),
        status.fork === null
          ? zh
            ? '✓ 延续已公布的检查点'
            : '✓ leads to what was published'
          : zh
            ? `✗ 此处 ${status.fork.here} 条，已公布 ${status.fork.published} 条：暂停出证，待 yinxin log continue`
            : `✗ ${status.fork.here} entries here, ${status.fork.published} published: nothing is certified until yinxin log continue`,
      ]
      process.stdout.write(`${lines.join('\n')}\n`)
    }
    return status.fork === null ? EXIT.good : EXIT.bad
  }
  if (verb === 'continue') {
    const { values } = readArguments(
      rest,
      lang,
      { reason: { type: 'string' }, json: { type: 'boolean' } },
      [],
    )
    if (!values.reason) throw new UsageError(zh ? '缺少 --reason TEXT' : '--reason TEXT is missing')
    const made = (await askInstallation(lang, 'log-continue', { reason: values.reason })) as {
      generation: number
      from: number
      vkey: string
    }
    if (values.json) printJson(made)
    else
      process.stdout.write(
        zh
          ? `第 ${made.generation} 代，自第 ${made.from} 条起；公钥 ${made.vkey}\n`
          : `generation ${made.generation} from entry ${made.from}; key ${made.vkey}\n`,
      )
    return EXIT.good
  }
  throw new UsageError(zh ? `没有子命令：${verb}` : `no such subcommand: ${verb}`)
})
