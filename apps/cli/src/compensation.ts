/** `yinxin compensation`: what companies are owed for service they did not get, decided by operators. */
import { writeFile } from 'node:fs/promises'
import { command, EXIT, printJson, readArguments, UsageError } from './command.ts'
import { askInstallation, operating } from './operator-command.ts'

const text = { type: 'string' } as const
const flag = { type: 'boolean' } as const
const list = { type: 'string', multiple: true } as const

interface Verb {
  needs?: readonly string[]
  options?: Record<string, typeof text | typeof flag | typeof list>
  /** Whether it is about one claim, loss or proof. */
  id?: true
}

const cause = {
  service: list,
  from: text,
  to: text,
  cause: text,
  evidence: list,
  company: text,
  incident: text,
}
const verbs: Record<string, Verb> = {
  list: { options: { all: flag } },
  show: { id: true },
  draft: {},
  agreement: {
    needs: ['company', 'number', 'fen', 'from'],
    options: { company: text, number: text, fen: text, from: text, until: text },
  },
  exclude: { needs: ['service', 'from', 'to', 'cause', 'evidence'], options: cause },
  burden: { needs: ['service', 'from', 'to', 'cause'], options: cause },
  review: { id: true },
  proof: { id: true, needs: ['to'], options: { to: text } },
  verify: { id: true, needs: ['fen'], options: { fen: text, indirect: flag, note: text } },
  'want-proof': { id: true, needs: ['reason'], options: { reason: text } },
  offer: { id: true, needs: ['fen', 'reason'], options: { fen: text, unlimited: flag, reason: text } },
  refuse: { id: true, needs: ['reason'], options: { reason: text } },
  settle: { id: true, needs: ['method', 'reference'], options: { method: text, reference: text } },
  settlements: {},
}

const usage = {
  zh: `用法：yinxin compensation list [--all] | show CLAIM | draft | settlements
      agreement --company 信用代码|ID --number 编号 --fen 分 --from T [--until T]
      exclude --service 服务… --from T --to T --cause 原因 --evidence 证据… [--company 企业] [--incident N]
      burden --service 服务… --from T --to T --cause platform|unknown
      review CLAIM | proof PROOF --to FILE | verify LOSS --fen 分 [--indirect] [--note 说明]
      want-proof CLAIM --reason 说明 | offer CLAIM --fen 分 --reason 理由 [--unlimited]
      refuse CLAIM --reason 理由 | settle CLAIM --method cash|credit --reference 凭证

赔偿（SLA 3.14）。以 YINXIN_OPERATOR_KEY_FILE 指明由谁执行；agreement、exclude、offer、refuse、settle 须两人：
先成为提议，由另一人 yinxin operator confirm。offer 的金额须等于 show 所示应赔金额（award）。
原因：announced_maintenance outside_network carrier attack force_majeure bank third_party customer not_platform。
时间写作 ISO，整分钟。输出为 JSON。退出码：0 完成 · 2 被拒绝 · 64 用法错误`,
  en: `usage: yinxin compensation list [--all] | show CLAIM | draft | settlements
       agreement --company CREDIT_CODE|ID --number NUMBER --fen FEN --from T [--until T]
       exclude --service SERVICE… --from T --to T --cause CAUSE --evidence TEXT… [--company C] [--incident N]
       burden --service SERVICE… --from T --to T --cause platform|unknown
       review CLAIM | proof PROOF --to FILE | verify LOSS --fen FEN [--indirect] [--note TEXT]
       want-proof CLAIM --reason TEXT | offer CLAIM --fen FEN --reason TEXT [--unlimited]
       refuse CLAIM --reason TEXT | settle CLAIM --method cash|credit --reference TEXT

Compensation (SLA 3.14). YINXIN_OPERATOR_KEY_FILE says who gives a command; agreement, exclude, offer, refuse and settle
take two: they become proposals, for another to yinxin operator confirm. An offer names the very award that show tells.
Causes: announced_maintenance outside_network carrier attack force_majeure bank third_party customer not_platform.
Times are ISO, whole minutes. Prints JSON. Exit code: 0 done · 2 refused · 64 wrong usage`,
}

export const run = command(usage, async (args, lang) => {
  const [name = 'list', ...rest] = args[0]?.startsWith('-') === true ? ['list', ...args] : args
  const verb = Object.hasOwn(verbs, name) ? verbs[name] : undefined
  if (verb === undefined)
    throw new UsageError(lang === 'zh' ? `没有子命令：${name}` : `no such subcommand: ${name}`)
  const read = readArguments(rest, lang, { ...verb.options }, verb.id ? ['ID'] : [])
  const values = read.values as Record<string, string | boolean | string[] | undefined>
  for (const need of verb.needs ?? []) {
    if (values[need] === undefined)
      throw new UsageError(lang === 'zh' ? `缺少 --${need}` : `--${need} is missing`)
  }
  const { service, to, fen, ...others } = values
  const answer = (await askInstallation(lang, `compensation-${name}`, {
    ...others,
    ...(service === undefined ? {} : { services: service }),
    ...(name === 'agreement' ? { amountFen: fen } : { fen }),
    ...(name === 'proof' ? {} : { to }),
    id: read.positionals[0],
  })) as Record<string, unknown>
  if (name === 'proof') {
    const { base64, ...told } = answer
    await operating(lang, () =>
      writeFile(String(to), Buffer.from(String(base64), 'base64'), { flag: 'wx', mode: 0o600 }),
    )
    printJson({ ...told, file: to })
  } else printJson(answer)
  return EXIT.good
})
