/** What every command shares: language, options, usage errors with their exit code. */
import { type ParseArgsConfig, type ParseArgsOptionsConfig, parseArgs } from 'node:util'

export type Lang = 'zh' | 'en'

/** Exit codes; `losses` is a data export that is good and names what it lacks, 64 wrong usage as in sysexits.h. */
export const EXIT = { good: 0, bad: 1, unreadable: 2, losses: 3, usage: 64 } as const

/** The command was called wrongly: its message and the usage are shown. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

/** Something asked for cannot be read or is refused; `code` is stable. */
export class Unreadable extends Error {
  override readonly name = 'Unreadable'
  readonly code: string

  constructor(code: string, message: string) {
    super(message)
    this.code = code
  }
}

export interface Usage {
  zh: string
  en: string
}

/** Options that every command understands beside its own. */
const COMMON = { lang: { type: 'string' }, help: { type: 'boolean', short: 'h' } } as const

/** Chinese first: English only where the environment or `--lang` asks for it. */
export function languageOf(args: readonly string[], environment: NodeJS.ProcessEnv = process.env): Lang {
  const at = args.findIndex((arg) => arg === '--lang' || arg.startsWith('--lang='))
  const given = at < 0 ? undefined : args[at]?.includes('=') ? args[at]?.slice(7) : args[at + 1]
  const wanted = given ?? environment.LC_ALL ?? environment.LC_MESSAGES ?? environment.LANG ?? ''
  return wanted.toLowerCase().startsWith('en') ? 'en' : 'zh'
}

/** Wraps the body of a command: help, wrong usage and refusals end the same way everywhere. */
export function command(usage: Usage, body: (args: string[], lang: Lang) => Promise<number>) {
  return async (args: string[]): Promise<number> => {
    const lang = languageOf(args)
    const optionsEnd = args.indexOf('--')
    if ((optionsEnd < 0 ? args : args.slice(0, optionsEnd)).some((arg) => arg === '--help' || arg === '-h')) {
      process.stdout.write(`${usage[lang]}\n`)
      return EXIT.good
    }
    try {
      return await body(args, lang)
    } catch (error) {
      if (error instanceof UsageError) {
        process.stderr.write(`${error.message}\n\n${usage[lang]}\n`)
        return EXIT.usage
      }
      if (error instanceof Unreadable) {
        process.stderr.write(`${error.message}\n`)
        return EXIT.unreadable
      }
      throw error
    }
  }
}

/** Parses options and a fixed number of plain arguments, their names in `positionals`. @throws UsageError */
export function readArguments<T extends ParseArgsOptionsConfig>(
  args: string[],
  lang: Lang,
  options: T,
  positionals: readonly string[],
) {
  const config = {
    args,
    options: { ...options, ...COMMON } as T & typeof COMMON,
    allowPositionals: true,
  } satisfies ParseArgsConfig
  let parsed: ReturnType<typeof parseArgs<typeof config>>
  try {
    parsed = parseArgs<typeof config>(config)
  } catch (error) {
    throw new UsageError(wrongOption(error, lang))
  }
  const values = parsed.values as ReturnType<typeof parseArgs<{ options: T }>>['values']
  const asked = (parsed.values as { lang?: string }).lang
  if (asked !== undefined && asked !== 'zh' && asked !== 'en')
    throw new UsageError(lang === 'zh' ? '--lang 只能是 zh 或 en' : '--lang takes zh or en')
  const given = parsed.positionals
  const missing = positionals[given.length]
  if (missing !== undefined)
    throw new UsageError(lang === 'zh' ? `缺少参数 ${missing}` : `${missing} is missing`)
  const extra = given[positionals.length]
  if (extra !== undefined)
    throw new UsageError(lang === 'zh' ? `多余的参数：${extra}` : `unexpected argument: ${extra}`)
  return { values, positionals: given }
}

/** What Node says of options in English only, in the language asked for. */
function wrongOption(error: unknown, lang: Lang): string {
  const { code, message } = error as NodeJS.ErrnoException
  const name = /'(-[^' ]*)/.exec(message)?.[1]
  if (name === undefined) return message
  if (code === 'ERR_PARSE_ARGS_UNKNOWN_OPTION')
    return lang === 'zh' ? `没有选项 ${name}` : `no such option: ${name}`
  if (message.includes('does not take')) return lang === 'zh' ? `${name} 不带值` : `${name} takes no value`
  return lang === 'zh'
    ? `${name} 缺少值；以 - 开头的值写作 ${name}=-…`
    : `${name} needs a value; one that begins with - is written ${name}=-…`
}

/** One JSON object on standard output and nothing else. */
export function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`)
}

/** Pads to a width in terminal columns, in which a Chinese character takes two. */
export function pad(text: string, columns: number): string {
  let width = 0
  for (const character of text)
    width +=
      /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe4f\uff00-\uff60\uffe0-\uffe6]/.test(
        character,
      )
        ? 2
        : 1
  return text + ' '.repeat(Math.max(0, columns - width))
}
