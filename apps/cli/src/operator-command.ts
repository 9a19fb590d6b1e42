/** What the commands of operators share: settings from the environment, and refusals as their own exit code. */
import {
  type Config,
  ConfigError,
  commandInstallation,
  OperatorRefusal,
  Refusal,
  readConfig,
} from '@yinxin/server'
import { type Lang, Unreadable } from './command.ts'

/** The settings of `yinxin up`, quieter. @throws Unreadable */
export function operatorConfig(): Config {
  try {
    return readConfig({ ...process.env, YINXIN_LOG_LEVEL: process.env.YINXIN_LOG_LEVEL ?? 'error' })
  } catch (error) {
    throw new Unreadable('settings', error instanceof ConfigError ? error.message : String(error))
  }
}

/** Anything that goes wrong becomes a readable end of the command. */
export async function operating<T>(lang: Lang, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof Unreadable) throw error
    if (error instanceof OperatorRefusal)
      throw new Unreadable(error.code ?? 'failed', lang === 'zh' ? error.zh : error.message)
    if (error instanceof Refusal) throw new Unreadable(error.code, lang === 'zh' ? error.zh : error.en)
    const told = error instanceof Error ? error.message : String(error)
    throw new Unreadable('failed', lang === 'zh' ? `无法执行：${told}` : told)
  }
}

/** Lets the running server do it, or opens the installation for this one command. */
export async function askInstallation(
  lang: Lang,
  name: string,
  options: Record<string, unknown> = {},
  config: Config = operatorConfig(),
): Promise<unknown> {
  const ending = new AbortController()
  process.once('SIGINT', () => ending.abort())
  return await operating(lang, () =>
    commandInstallation(config, name, options, () => undefined, ending.signal),
  )
}
