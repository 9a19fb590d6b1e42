/** `yinxin import`: takes an export of another installation into this one. */
import { resolve } from 'node:path'
import type { ImportReport } from '@yinxin/server'
import { command, EXIT, type Lang, printJson, readArguments, UsageError } from './command.ts'
import { operating, operatorConfig } from './operator-command.ts'
import { readTexts } from './reading.ts'

const usage = {
  zh: `用法：yinxin import DIR|FILE.tar --corp ID|信用代码 [--into-other] [--members] [--trust ROOT.pem]… [--log-key LOG.vkey]… [--json]

把另一平台的导出导入本平台的一家企业。先整体验证，再逐份导入；每份要么完整导入，要么不导入。
重复执行不会改变任何内容，中断后再次执行即可继续。导入的合同仍由原平台的存证日志证明。

  --into-other         导出属于另一家企业时也导入
  --members            邀请归档中的成员：均为普通成员，本人登录并选择本企业后生效
  --trust, --log-key   原平台的根证书与日志公钥；给出后一并核对

原平台的操作记录另存为只读历史。应用、印章与授权不导入（谁能代表企业行事，由本平台重新决定）；未结束的合同留在原平台。
退出码：0 完成 · 2 无法执行 · 64 用法错误`,
  en: `usage: yinxin import DIR|FILE.tar --corp ID|CREDIT-CODE [--into-other] [--members] [--trust ROOT.pem]… [--log-key LOG.vkey]… [--json]

Takes an export of another installation into a company of this one. It is verified as a whole first; then each
contract is taken whole or not at all. Done again it changes nothing, and after a break it goes on. Imported
contracts stay proven by the log of their origin.

  --into-other         also when the export is of another company
  --members            invite its members: as plain ones, once each has logged in and chosen the company
  --trust, --log-key   root and log key of the origin; checked when given

The record of actions of the origin is kept apart, read only. Apps, seals and grants are not imported (who may act is
decided here anew); contracts that are not over stay.
Exit code: 0 done · 2 could not be done · 64 wrong usage`,
}

export const run = command(usage, async (args, lang) => {
  const { values, positionals } = readArguments(
    args,
    lang,
    {
      corp: { type: 'string' },
      'into-other': { type: 'boolean' },
      members: { type: 'boolean' },
      trust: { type: 'string', multiple: true },
      'log-key': { type: 'string', multiple: true },
      json: { type: 'boolean' },
    },
    ['DIR|FILE.tar'],
  )
  if (values.corp === undefined) throw new UsageError(lang === 'zh' ? '缺少 --corp' : '--corp is missing')
  const trustPem = await readTexts(values.trust, lang)
  const keyFiles = await readTexts(values['log-key'], lang)
  const logKeys = keyFiles?.flatMap((text) => text.split(/\s+/).filter((line) => line !== ''))
  const { commandInstallation } = await import('@yinxin/server')
  const ending = new AbortController()
  process.once('SIGINT', () => ending.abort())
  const options = {
    path: resolve(positionals[0] as string),
    corp: values.corp,
    ...(values['into-other'] === true ? { intoOther: true } : {}),
    ...(values.members === true ? { members: true } : {}),
    ...(trustPem === undefined ? {} : { trustPem }),
    ...(logKeys === undefined ? {} : { logKeys }),
  }
  const report = (await operating(lang, () =>
    commandInstallation(operatorConfig(), 'import', options, () => undefined, ending.signal),
  )) as ImportReport
  if (values.json) printJson(report)
  else process.stdout.write(readable(report, lang))
  return EXIT.good
})

const REASONS = {
  not_over: { zh: '尚未结束，留在原平台', en: 'not over; it stays at its origin' },
  destroyed_here: { zh: '已在本平台销毁', en: 'was destroyed here' },
  lost_at_origin: { zh: '原平台导出时已无法读取', en: 'could not be read at its origin any more' },
  gone_at_origin: { zh: '导出前已在原平台销毁', en: 'was destroyed at its origin' },
}

function readable(report: ImportReport, lang: Lang): string {
  const { source, contracts, files, members, skipped } = report
  const zh = lang === 'zh'
  const head = zh
    ? `✓ 来自 ${source.name}（${source.origin}）：合同导入 ${contracts.imported}、未变 ${contracts.unchanged}；文件导入 ${files.imported}、未变 ${files.unchanged}`
    : `✓ from ${source.name} (${source.origin}): contracts imported ${contracts.imported}, unchanged ${contracts.unchanged}; files imported ${files.imported}, unchanged ${files.unchanged}`
  const left = skipped.map(({ id, title, reason }) => `  - ${title} ${id}: ${REASONS[reason][lang]}`)
  const invited =
    members === null
      ? []
      : [
          zh
            ? `  成员邀请 ${members.invited}、已在 ${members.present}`
            : `  members invited ${members.invited}, present ${members.present}`,
        ]
  return `${[head, ...invited, ...left].join('\n')}\n`
}
