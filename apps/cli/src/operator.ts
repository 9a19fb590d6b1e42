/** `yinxin operator`: who operates the platform, what waits for a second person, and what was done. */
import { writeFile } from 'node:fs/promises'
import { command, EXIT, type Lang, printJson, readArguments, UsageError } from './command.ts'
import { askInstallation, operating } from './operator-command.ts'

const usage = {
  zh: `用法：yinxin operator add NAME [--to FILE]
      yinxin operator vouch NAME
      yinxin operator revoke NAME
      yinxin operator list
      yinxin operator confirm|withdraw PROPOSAL
      yinxin operator log

在服务器上执行，设置与 yinxin up 相同。add 签发一把密钥：--to 写入文件（权限 0600），否则随结果显示一次。
以 YINXIN_OPERATOR_KEY_FILE 指明由谁执行。前两名运营人员立即生效；此后由一人添加的，经另一名运营人员 vouch，
或满三天，才能参与双人操作。须两人的命令先成为提议，七天内由另一人 confirm 后执行。
退出码：0 完成 · 2 无法执行 · 64 用法错误`,
  en: `usage: yinxin operator add NAME [--to FILE]
       yinxin operator vouch NAME
       yinxin operator revoke NAME
       yinxin operator list
       yinxin operator confirm|withdraw PROPOSAL
       yinxin operator log

Runs on the server, with the settings of yinxin up. add issues a key: --to writes it to a file (mode 0600), otherwise
it stands in the answer, once. YINXIN_OPERATOR_KEY_FILE says who gives a command. The first two operators count at
once; whoever one person adds later counts as a second person once another operator has run vouch, or after three
days. What takes two becomes a proposal, and is done when another operator runs confirm within seven days.
Exit code: 0 done · 2 could not be done · 64 wrong usage`,
}

const VERBS: Record<string, 'name' | 'id' | null> = {
  add: 'name',
  vouch: 'name',
  revoke: 'name',
  list: null,
  confirm: 'id',
  withdraw: 'id',
  log: null,
}

export const run = command(usage, async (args, lang) => {
  const [verb = '', ...rest] = args
  const subject = VERBS[verb]
  if (subject === undefined)
    throw new UsageError(lang === 'zh' ? `没有子命令：${verb}` : `no such subcommand: ${verb}`)
  const wanted = subject === null ? [] : [subject === 'name' ? 'NAME' : 'PROPOSAL']
  const { values, positionals } = readArguments(
    rest,
    lang,
    verb === 'add' ? { to: { type: 'string' } } : {},
    wanted,
  )
  const options = subject === null ? {} : { [subject]: positionals[0] }
  const answer = (await askInstallation(lang, `operator-${verb}`, options)) as Record<string, unknown>
  const { to } = values as { to?: string }
  printJson(to === undefined ? answer : await keep(answer, to, lang))
  return EXIT.good
})

/** The key goes to a file that nobody else may read; an older one is never written over. */
async function keep(
  { key, ...rest }: Record<string, unknown>,
  path: string,
  lang: Lang,
): Promise<Record<string, unknown>> {
  await operating(lang, () => writeFile(path, `${String(key)}\n`, { mode: 0o600, flag: 'wx' }))
  return { ...rest, keyFile: path }
}
