/** `yinxin keys`: root and epoch keys by hand, on a running installation or a stopped one. */
import {
  type AdvanceReport,
  type Attestation,
  commandInstallation,
  ConfigError,
  type KeyStatus,
  OperatorRefusal,
  readConfig,
} from '@yinxin/server'
import { command, EXIT, type Lang, pad, printJson, readArguments, Unreadable, UsageError } from './command.ts'

const usage = {
  zh: `用法：yinxin keys status [--json] [--lang zh|en]
      yinxin keys rotate epoch|root [--json]
      yinxin keys advance [--json]
      yinxin keys move [--json]
      yinxin keys attest epoch|root [VERSION] [--json]

status   根密钥与期密钥的各个版本、各有多少内容在用、何时销毁
rotate   立即启用新版本；旧版本由后台重新包装、关闭，备份周期届满后销毁
advance  立即执行到期的重新包装、关闭与销毁，并说明在等什么
move     从 YINXIN_KEY_DRIVER_FROM 迁到 YINXIN_KEY_DRIVER：启用新保管方的版本并重新包装；旧密钥随后由原保管方销毁并出具回执
attest   密钥保管方对某一密钥的声明（缺省为当前版本）

设置与 yinxin up 相同，来自环境变量；服务在运行则由它执行，否则临时打开其数据。
退出码：0 完成 · 2 无法执行 · 64 用法错误`,
  en: `usage: yinxin keys status [--json] [--lang zh|en]
       yinxin keys rotate epoch|root [--json]
       yinxin keys advance [--json]
       yinxin keys move [--json]
       yinxin keys attest epoch|root [VERSION] [--json]

status   versions of root and epoch keys, what hangs on each, when each is destroyed
rotate   begins a new version now; the old one is re-wrapped, closed and, after a backup cycle, destroyed
advance  re-wraps, closes and destroys what is due now, and says what it waits for
move     from YINXIN_KEY_DRIVER_FROM to YINXIN_KEY_DRIVER: new versions there, everything re-wrapped; the old driver destroys the old keys later and gives receipts
attest   what the driver says about a key (the current version unless named)

Settings are those of yinxin up, from the environment; a running server does the work, else its data is opened for it.
Exit code: 0 done · 2 could not be done · 64 wrong usage`,
}

export const run = command(usage, async (args, lang) => {
  const [verb = 'status', ...rest] = args[0]?.startsWith('-') ? ['status', ...args] : args
  if (verb === 'status') return await finish<KeyStatus>(rest, lang, [], 'keys-status', showStatus)
  if (verb === 'advance') return await finish<AdvanceReport>(rest, lang, [], 'keys-advance', showAdvance)
  if (verb === 'move') return await finish<Moved>(rest, lang, [], 'keys-move', showMove)
  if (verb === 'rotate')
    return await finish<{ family: string; version: number }>(
      rest,
      lang,
      ['epoch|root'],
      'keys-rotate',
      (made) => [
        say(lang, `已启用 ${made.family} 第 ${made.version} 版`, `${made.family} ${made.version} begun`),
      ],
    )
  if (verb === 'attest') {
    const version = rest.find((one) => /^\d+$/.test(one))
    const others = rest.filter((one) => one !== version)
    return await finish<Attestation>(others, lang, ['epoch|root'], 'keys-attest', showAttestation, version)
  }
  throw new UsageError(say(lang, `没有子命令：${verb}`, `no such subcommand: ${verb}`))
})

async function finish<Answer>(
  args: string[],
  lang: Lang,
  positionals: string[],
  name: string,
  show: (answer: Answer, lang: Lang) => string[],
  version?: string,
): Promise<number> {
  const { values, positionals: given } = readArguments(args, lang, { json: { type: 'boolean' } }, positionals)
  const [family] = given
  if (family !== undefined && family !== 'epoch' && family !== 'root')
    throw new UsageError(say(lang, '只能是 epoch 或 root', 'it takes epoch or root'))
  const options = {
    ...(family === undefined ? {} : { family }),
    ...(version === undefined ? {} : { version: Number(version) }),
  }
  let answer: Answer
  try {
    const config = readConfig({ ...process.env, YINXIN_LOG_LEVEL: process.env.YINXIN_LOG_LEVEL ?? 'error' })
    const ending = new AbortController()
    process.once('SIGINT', () => ending.abort())
    answer = (await commandInstallation(config, name, options, () => undefined, ending.signal)) as Answer
  } catch (error) {
    if (error instanceof OperatorRefusal)
      throw new Unreadable(error.code ?? 'failed', lang === 'zh' ? error.zh : error.message)
    if (error instanceof ConfigError) throw new Unreadable('settings', error.message)
    throw new Unreadable('failed', error instanceof Error ? error.message : String(error))
  }
  if ((values as { json?: boolean }).json === true) printJson(answer)
  else process.stdout.write(`${show(answer, lang).join('\n')}\n`)
  return EXIT.good
}

const say = (lang: Lang, zh: string, en: string) => (lang === 'zh' ? zh : en)

function showStatus({ driver, versions }: KeyStatus, lang: Lang): string[] {
  const states: Record<string, string> = {
    current: say(lang, '当前', 'current'),
    retired: say(lang, '停用中', 'retired'),
    closed: say(lang, '待销毁', 'closed'),
    destroyed: say(lang, '已销毁', 'destroyed'),
  }
  const simulated = driver.simulated ? say(lang, '（模拟服务）', ' (a simulator)') : ''
  return [
    `${say(lang, '保管', 'driver')} ${driver.kind} · ${driver.place}${simulated}`,
    ...versions.map((one) => {
      const dies =
        one.destroyedAt ??
        (one.destroyAfter === null ? '' : `${say(lang, '最早', 'from')} ${one.destroyAfter}`)
      return `  ${pad(`${one.family} ${one.version}`, 12)}${pad(states[one.state] ?? one.state, 12)}${pad(
        `${one.rowsUnder} ${say(lang, '行', 'rows')}`,
        14,
      )}${one.createdAt}  ${dies}`
    }),
  ]
}

function showAdvance(report: AdvanceReport, lang: Lang): string[] {
  const list = (all: string[]) => (all.length === 0 ? '–' : all.join('; '))
  return [
    `${say(lang, '重新包装', 're-wrapped')} ${report.rewrapped}`,
    `${say(lang, '关闭', 'closed')} ${list(report.closed)}`,
    `${say(lang, '销毁', 'destroyed')} ${list(report.destroyed)}`,
    `${say(lang, '等待', 'waiting')} ${list(report.waiting)}`,
  ]
}

interface Moved {
  begun: string[]
  report: AdvanceReport
}

function showMove({ begun, report }: Moved, lang: Lang): string[] {
  const first =
    begun.length === 0
      ? say(lang, '新保管方已在用', 'the new driver is in use already')
      : `${say(lang, '新保管方启用', 'begun with the new driver')} ${begun.join('; ')}`
  return [first, ...showAdvance(report, lang)]
}

function showAttestation(one: Attestation, lang: Lang): string[] {
  return [
    `${one.key} · ${one.algorithm} · ${one.driver} · ${one.place}`,
    one.extractable
      ? say(lang, '密钥可从保管处取出', 'the key can leave its keeper')
      : say(lang, '密钥不可从保管处取出', 'the key cannot leave its keeper'),
    one.residual,
    ...(one.simulated ? [say(lang, '对方自称模拟服务', 'the other end says that it is a simulator')] : []),
  ]
}
