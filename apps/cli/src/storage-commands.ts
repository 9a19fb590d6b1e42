/** `yinxin fsck`, `scrub` and `repair`: the upkeep of storage by hand, on a running installation or a stopped one. */
import {
  commandInstallation,
  ConfigError,
  findingDetail,
  type FsckReport,
  OperatorRefusal,
  operatorWord,
  readConfig,
  type RepairReport,
  type ScrubReport,
} from '@yinxin/server'
import { command, EXIT, type Lang, pad, printJson, readArguments, Unreadable } from './command.ts'

const tail = {
  zh: `
  --json      标准输出只有一个 JSON 对象，进度写到标准错误

设置与 yinxin up 相同，来自环境变量；服务在运行则由它执行，否则临时打开其数据。
退出码：0 无问题 · 1 有问题（见输出）· 2 无法执行 · 64 用法错误`,
  en: `
  --json      one JSON object on standard output; progress goes to standard error

Settings are those of yinxin up, from the environment; a running server does the work, else its data is opened for it.
Exit code: 0 nothing wrong · 1 something is, see the output · 2 could not be done · 64 wrong usage`,
}

const texts = {
  fsck: {
    zh: `用法：yinxin fsck [--json] [--lang zh|en]

逐一清点所有存储目录，与数据库和密钥核对（六类），缺失或损坏的副本立即安排修复。
${tail.zh}`,
    en: `usage: yinxin fsck [--json] [--lang zh|en]

Walks every failure domain and compares it with database and keys in six classes; what is missing or bad is repaired.
${tail.en}`,
  },
  scrub: {
    zh: `用法：yinxin scrub [--json] [--lang zh|en]

完整读取每一个副本并校验 SHA-256；坏的立即修复。读取速度见 YINXIN_SCRUB_BYTES_PER_SECOND。
${tail.zh}`,
    en: `usage: yinxin scrub [--json] [--lang zh|en]

Reads every replica fully and verifies its SHA-256; bad ones are made again. Pace: YINXIN_SCRUB_BYTES_PER_SECOND.
${tail.en}`,
  },
  repair: {
    zh: `用法：yinxin repair [--readmit NAME] [--json] [--lang zh|en]

立即重建所有缺失或损坏的副本，立即清除所有待销毁的副本，不等下一次重试。

  --readmit NAME  先完整校验被隔离的存储目录（如 primary-2），再允许写入
${tail.zh}`,
    en: `usage: yinxin repair [--readmit NAME] [--json] [--lang zh|en]

Makes every missing or bad replica again and removes what waits to be destroyed, now instead of at the next try.

  --readmit NAME  first reads everything in a quarantined failure domain (primary-2), then lets it take writes again
${tail.en}`,
  },
}

export const runFsck = upkeep<FsckReport>('fsck', {}, showFsck)
export const runScrub = upkeep<ScrubReport>('scrub', {}, showScrub)
export const runRepair = upkeep<RepairReport>('repair', { readmit: { type: 'string' } }, showRepair)

function upkeep<Report extends { clean: boolean }>(
  name: keyof typeof texts,
  options: Record<string, { type: 'string' }>,
  show: (report: Report, lang: Lang) => string[],
) {
  return command(texts[name], async (args, lang) => {
    const { values } = readArguments(args, lang, { json: { type: 'boolean' }, ...options }, [])
    const { json, ...given } = values as Record<string, unknown>
    const ending = new AbortController()
    process.once('SIGINT', () => ending.abort())
    let report: Report
    try {
      const config = readConfig({ ...process.env, YINXIN_LOG_LEVEL: process.env.YINXIN_LOG_LEVEL ?? 'error' })
      const { lang: _, help: __, ...asked } = given
      const answer = await commandInstallation(config, name, asked, createProgress(lang), ending.signal)
      report = answer as Report
    } catch (error) {
      if (error instanceof OperatorRefusal)
        throw new Unreadable(error.code ?? 'failed', lang === 'zh' ? error.zh : error.message)
      if (error instanceof ConfigError) throw new Unreadable('settings', error.message)
      throw new Unreadable('failed', error instanceof Error ? error.message : String(error))
    }
    if (json === true) printJson(report)
    else process.stdout.write(`${show(report, lang).join('\n')}\n`)
    return report.clean ? EXIT.good : EXIT.bad
  })
}

/** One line per step; at a terminal the line of a domain is written over. */
function createProgress(lang: Lang): (progress: unknown) => void {
  let before = ''
  return (progress) => {
    const { domain, checked, replicas, bad } = progress as Record<string, unknown>
    const isSame = before === domain && process.stderr.isTTY
    before = String(domain)
    const line = say(
      lang,
      `${domain}：已核对 ${checked ?? replicas}，坏 ${bad}`,
      `${domain}: ${checked ?? replicas}, ${bad} bad`,
    )
    process.stderr.write(`${isSame ? '\u001b[1A\u001b[2K' : ''}  ${line}\n`)
  }
}

const say = (lang: Lang, zh: string, en: string) => (lang === 'zh' ? zh : en)

function showFsck(report: FsckReport, lang: Lang): string[] {
  const lines = [say(lang, '存储目录', 'failure domains')]
  for (const { name, state, reason, deviceId, freeBytes, scatterWidth, lastScrub } of report.domains) {
    const found = report.inventories.find((one) => one.domain === name)
    lines.push(
      `  ${pad(name, 14)}${pad(stateText(state, lang), 12)}${say(lang, '副本', 'replicas')} ${found?.replicas ?? '?'}  ` +
        `${say(lang, '坏', 'bad')} ${found?.bad ?? '?'}  ${say(lang, '设备', 'device')} ${deviceId ?? '?'}  ` +
        `${say(lang, '空闲', 'free')} ${freeBytes === undefined ? '?' : `${(freeBytes / 2 ** 30).toFixed(1)} GiB`}  w ${scatterWidth}  ` +
        `${say(lang, '上次校验', 'scrubbed')} ${lastScrub?.finishedAt ?? say(lang, '未完成', 'not yet')}`,
    )
    if (reason !== undefined) lines.push(`    ${reason}`)
  }
  for (const { domain, reason } of report.unanswered)
    lines.push(`  ${domain}: ${say(lang, '无应答', 'no answer')}: ${reason}`)
  const { primary, recovery } = report.devices
  if (primary < 3 || recovery < 3)
    lines.push(
      say(
        lang,
        `注意：主站副本位于 ${primary} 个物理设备，灾备站 ${recovery} 个；同一设备上的副本会一起损坏。`,
        `note: the replicas of the primary site are on ${primary} device(s), of the recovery site on ${recovery}; those on one device fail together.`,
      ),
    )
  for (const finding of report.findings)
    lines.push(
      `  [${operatorWord(`severity_${finding.severity}`, lang)}] ${operatorWord(`class_${finding.class}`, lang)} ${finding.subjectId} ${finding.domain} ${findingDetail(finding.detail, lang)}`.replace(
        / +/g,
        ' ',
      ),
    )
  const { contracts, accesses, held, failed } = report.destroyedAgain ?? noneAgain
  if (contracts + accesses > 0)
    lines.push(
      say(
        lang,
        `恢复前已销毁、现已再次销毁：合同 ${contracts} 份，单方访问 ${accesses} 项`,
        `destroyed before the restore, and destroyed again now: ${contracts} contract(s), ${accesses} access(es)`,
      ),
    )
  for (const id of held)
    lines.push(
      say(
        lang,
        `${id}：密钥已销毁，但恢复的数据库中仍有法律保留；解除后才会清除其文字`,
        `${id}: its key is destroyed, but the restored database has a legal hold on it; its words go when that is released`,
      ),
    )
  for (const id of failed)
    lines.push(
      say(lang, `${id}：再次销毁失败，见服务日志`, `${id}: could not be destroyed again, see the log`),
    )
  lines.push(waitingText(report, lang), verdictText(report.clean, lang))
  return lines
}

const noneAgain = { contracts: 0, accesses: 0, held: [], failed: [] }

function showScrub(report: ScrubReport, lang: Lang): string[] {
  const lines = report.passes.map(
    ({ domain, checked, bad, bytes, finishedAt }) =>
      `  ${pad(domain, 14)}${say(lang, '已校验', 'verified')} ${checked}  ${say(lang, '坏', 'bad')} ${bad}  ` +
      `${(bytes / 2 ** 20).toFixed(1)} MiB  ${finishedAt === undefined ? say(lang, '未完成', 'not finished') : ''}`,
  )
  lines.push(say(lang, `已修复 ${report.repaired}`, `repaired ${report.repaired}`))
  return [...lines, waitingText(report, lang), verdictText(report.clean, lang)]
}

function showRepair(report: RepairReport, lang: Lang): string[] {
  const lines = [
    say(
      lang,
      `重建 ${report.repaired} · 清除 ${report.removed} · 未成 ${report.failed}`,
      `made again ${report.repaired} · removed ${report.removed} · failed ${report.failed}`,
    ),
  ]
  if (report.readmitted !== undefined)
    lines.unshift(say(lang, `已恢复写入：${report.readmitted}`, `takes writes again: ${report.readmitted}`))
  return [...lines, waitingText(report, lang), verdictText(report.clean, lang)]
}

const stateText = (state: string, lang: Lang) =>
  state === 'ready' ? say(lang, '正常', 'ready') : say(lang, '已隔离', 'quarantined')

function waitingText({ waiting }: { waiting: { repairs: number; removals: number } }, lang: Lang): string {
  return say(
    lang,
    `等待修复 ${waiting.repairs} · 等待清除 ${waiting.removals}`,
    `waiting for repair ${waiting.repairs} · for removal ${waiting.removals}`,
  )
}

const verdictText = (clean: boolean, lang: Lang) =>
  clean ? say(lang, '无问题', 'nothing wrong') : say(lang, '有问题，见上', 'something is wrong, see above')
