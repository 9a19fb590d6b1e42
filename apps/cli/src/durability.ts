/** `yinxin durability`: the formula of clause 3.1 alone, so that a published figure can be computed again by hand. */
import { DurabilityError, durability } from '@yinxin/sla'
import { command, EXIT, type Lang, printJson, readArguments, UsageError } from './command.ts'

const usage = {
  zh: `用法：yinxin durability --u U --uprime V --w W --n N [--json] [--lang zh|en]

按服务等级协议 3.1 的公式 P ≥ 1 − u·{1−(1−u′)^w}^(n−1) 计算。

  --u        一块磁盘在一个服务周期（月）内损坏的概率
  --uprime   一块磁盘在修复窗口（发现 + 重建副本）内损坏的概率
  --w        与一块磁盘共有副本的其他磁盘数
  --n        副本数
  --json     只输出 {"loss","nines"}；没有可丢失的量时 nines 为 null`,
  en: `usage: yinxin durability --u U --uprime V --w W --n N [--json] [--lang zh|en]

Computes P ≥ 1 − u·{1−(1−u′)^w}^(n−1), the formula of clause 3.1.

  --u        probability that one disk fails in a service period (a month)
  --uprime   probability that one disk fails within the repair window (detection and making the copy again)
  --w        other disks that share replicas with one disk
  --n        replicas
  --json     print {"loss","nines"} and nothing else; nines is null when nothing can be lost`,
}

export const run = command(usage, async (args, lang) => {
  const { values } = readArguments(
    args,
    lang,
    {
      u: { type: 'string' },
      uprime: { type: 'string' },
      w: { type: 'string' },
      n: { type: 'string' },
      json: { type: 'boolean' },
    },
    [],
  )
  const inputs = {
    u: readNumber('--u', values.u, lang),
    uPrime: readNumber('--uprime', values.uprime, lang),
    w: readNumber('--w', values.w, lang),
    n: readNumber('--n', values.n, lang),
  }
  let result: ReturnType<typeof durability>
  try {
    result = durability(inputs)
  } catch (error) {
    if (!(error instanceof DurabilityError)) throw error
    throw new UsageError(lang === 'zh' ? inputRules[error.input] : error.message)
  }
  if (values.json) printJson({ loss: result.loss, nines: result.nines })
  else process.stdout.write(readable(result, lang))
  return EXIT.good
})

const inputRules = {
  u: '--u 是 0 到 1 的概率',
  uPrime: '--uprime 是 0 到 1 的概率',
  w: '--w 是不小于 0 的整数',
  n: '--n 是不小于 1 的整数',
}

/** @throws UsageError when the option is missing or is no number */
export function readNumber(option: string, text: string | undefined, lang: Lang): number {
  if (text === undefined) throw new UsageError(lang === 'zh' ? `缺少 ${option}` : `${option} is missing`)
  const value = text.trim() === '' ? Number.NaN : Number(text)
  if (!Number.isFinite(value)) {
    throw new UsageError(lang === 'zh' ? `${option} 不是数：${text}` : `${option} is no number: ${text}`)
  }
  return value
}

function readable({ loss, nines }: ReturnType<typeof durability>, lang: Lang): string {
  const count = nines === null ? '∞' : nines.toFixed(2)
  return lang === 'zh'
    ? `每月每盘丢失概率不超过 ${loss.toExponential(3)}，即 ${count} 个 9\n`
    : `loss per disk and month at most ${loss.toExponential(3)}: ${count} nines\n`
}
