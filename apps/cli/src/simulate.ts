/** `yinxin simulate durability`: disks that fail by chance, against the formula of clause 3.1. */
import { type DurabilityResult, simulateDurability } from '@yinxin/sla'
import { command, EXIT, type Lang, pad, printJson, readArguments, UsageError } from './command.ts'
import { readNumber } from './durability.ts'

const usage = {
  zh: `用法：yinxin simulate durability [选项]

让磁盘随机损坏、按时重建，数出丢失，与公式比较。为了看得到丢失，默认的损坏率远高于现实。

  --disks 60          磁盘数
  --n 3               副本数
  --mtbf 2000         平均多少小时坏一次
  --repair 20         发现并重建副本所需小时
  --months 20000      服务周期数（每个 730 小时）
  --placement WHERE   copysets（固定分组，默认）或对象个数（随机放置）
  --seed 1            同一种子结果相同
  --json              只输出一个 JSON 对象`,
  en: `usage: yinxin simulate durability [OPTIONS]

Disks fail by chance and are made again in time; counts what is lost and compares it with the formula. They fail far
more often than in reality unless told otherwise, so that losses are seen at all.

  --disks 60          disks
  --n 3               replicas
  --mtbf 2000         hours between failures of one disk
  --repair 20         hours to detect a failure and to make the copies again
  --months 20000      service periods of 730 hours
  --placement WHERE   copysets (fixed groups, the default) or a number of objects placed by chance
  --seed 1            the same seed gives the same result
  --json              print one JSON object and nothing else`,
}

const hoursPerMonth = 730

export const run = command(usage, async (args, lang) => {
  const [what, ...rest] = args
  if (what !== 'durability') {
    throw new UsageError(lang === 'zh' ? `没有子命令：${what ?? ''}` : `no such subcommand: ${what ?? ''}`)
  }
  const { values } = readArguments(
    rest,
    lang,
    {
      disks: { type: 'string', default: '60' },
      n: { type: 'string', default: '3' },
      mtbf: { type: 'string', default: '2000' },
      repair: { type: 'string', default: '20' },
      months: { type: 'string', default: '20000' },
      placement: { type: 'string', default: 'copysets' },
      seed: { type: 'string', default: '1' },
      json: { type: 'boolean' },
    },
    [],
  )
  const whole = (option: string, text: string, most: number) => {
    const value = readNumber(option, text, lang)
    if (Number.isSafeInteger(value) && value >= 1 && value <= most) return value
    throw new UsageError(
      lang === 'zh' ? `${option} 是 1 到 ${most} 的整数` : `${option} is a whole number from 1 to ${most}`,
    )
  }
  const positive = (option: string, text: string) => {
    const value = readNumber(option, text, lang)
    if (value > 0) return value
    throw new UsageError(lang === 'zh' ? `${option} 须大于 0` : `${option} must be more than 0`)
  }
  const experiment = {
    disks: whole('--disks', values.disks, 10_000),
    replicas: whole('--n', values.n, 12),
    failuresPerHour: 1 / positive('--mtbf', values.mtbf),
    repairHours: positive('--repair', values.repair),
    periodHours: hoursPerMonth,
    periods: whole('--months', values.months, 10_000_000),
    placement:
      values.placement === 'copysets'
        ? ('copysets' as const)
        : whole('--placement', values.placement, 100_000),
    seed: readNumber('--seed', values.seed, lang),
  }
  if (experiment.disks < experiment.replicas) {
    throw new UsageError(lang === 'zh' ? '磁盘数不能少于副本数' : 'there must be as many disks as replicas')
  }
  const result = simulateDurability(experiment)
  if (values.json) printJson({ ...experiment, ...result })
  else process.stdout.write(readable(result, lang))
  return EXIT.good
})

function readable(result: DurabilityResult, lang: Lang): string {
  const zh = lang === 'zh'
  const line = (label: string, value: string) => `  ${pad(label, 34)}${value}`
  const figure = (value: number) => value.toExponential(2)
  const ratio = result.formula === 0 ? '—' : (result.perDiskLoss / result.formula).toFixed(2)
  return [
    line(zh ? '散布宽度 w' : 'scatter width w', result.w.toFixed(1)),
    line(zh ? '丢失的对象' : 'objects lost', String(result.objectsLost)),
    line(zh ? '每盘每月丢失（模拟）' : 'loss per disk and month, counted', figure(result.perDiskLoss)),
    line(zh ? '每盘每月丢失（公式上界）' : 'loss per disk and month, formula', figure(result.formula)),
    line(zh ? '模拟 / 公式' : 'counted / formula', ratio),
    line(zh ? '每对象每月丢失（模拟）' : 'loss per object and month, counted', figure(result.perObjectLoss)),
    line(zh ? '每对象每月丢失（精确值）' : 'loss per object and month, exact', figure(result.exactPerObject)),
    '',
  ].join('\n')
}
