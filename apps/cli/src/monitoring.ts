/** `yinxin alerts | oncall | silence | incidents`: what operators do when something is wrong, and before it is. */
import { command, EXIT, type Lang, printJson, readArguments, UsageError } from './command.ts'
import { askInstallation } from './operator-command.ts'

const text = { type: 'string' } as const
const flag = { type: 'boolean' } as const
const list = { type: 'string', multiple: true } as const

interface Verb {
  needs?: readonly string[]
  options?: Record<string, typeof text | typeof flag | typeof list>
  /** Whether it is about one thing, named by its id. */
  id?: true
}

type Verbs = Record<string, Verb>

const by = { by: text }

const verbsOf = {
  alerts: {
    list: { options: { all: flag } },
    ack: { id: true, options: by },
    receipts: { id: true },
    channels: {},
    rules: {},
    test: {},
    metrics: {},
  },
  oncall: {
    list: { options: { from: text, to: text } },
    add: {
      needs: ['person', 'from', 'to'],
      options: {
        person: text,
        role: text,
        mobile: text,
        mail: text,
        words: text,
        from: text,
        to: text,
        ...by,
      },
    },
    remove: { id: true, options: by },
  },
  silence: {
    list: {},
    add: {
      needs: ['maintenance', 'from', 'to', 'reason'],
      options: { maintenance: text, rule: text, from: text, to: text, reason: text, ...by },
    },
    end: { id: true },
  },
  incidents: {
    list: { options: { all: flag } },
    show: { id: true },
    open: {
      needs: ['title-zh', 'title-en', 'began'],
      options: {
        'title-zh': text,
        'title-en': text,
        began: text,
        service: list,
        integrity: flag,
        internal: flag,
        ...by,
      },
    },
    note: {
      id: true,
      needs: ['text-zh', 'text-en'],
      options: { kind: text, 'text-zh': text, 'text-en': text, public: flag, ...by },
    },
    classify: { id: true, needs: ['class', 'reason'], options: { class: text, reason: text, ...by } },
    resolve: { id: true, options: by },
    close: { id: true, options: by },
    report: { id: true },
    means: { options: { days: text } },
  },
} as const satisfies Record<string, Verbs>

type Group = keyof typeof verbsOf

const tail = {
  zh: `--by 姓名：以操作员密钥执行时以密钥的姓名为准。时间写作 ISO，如 2026-11-24T08:00:00+08:00。
输出为 JSON。退出码：0 完成（alerts list：没有未恢复的告警）· 1 有未恢复的告警或通道测试失败 · 2 被拒绝 · 64 用法错误`,
  en: `--by NAME: with an operator's key its name is taken instead. Times are ISO, such as 2026-11-24T08:00:00+08:00.
Prints JSON. Exit code: 0 done (alerts list: nothing fires) · 1 an alert fires, or a channel failed its test · 2 refused · 64 wrong usage`,
}

const usages: Record<Group, { zh: string; en: string }> = {
  alerts: {
    zh: `用法：yinxin alerts list [--all] | ack ID --by 姓名 | receipts ID | channels | rules | test | metrics

list 未恢复的告警（--all 含历史）· ack 认领 · receipts 发往何处、回执 · channels 通道状态
rules 全部规则 · test 向每个通道发送测试消息 · metrics 本进程的 Prometheus 指标
${tail.zh}`,
    en: `usage: yinxin alerts list [--all] | ack ID --by NAME | receipts ID | channels | rules | test | metrics

list: what fires (--all: history too) · ack: acknowledge · receipts: where it went, what was answered
channels: how they do · rules: all of them · test: a message over every channel · metrics: as Prometheus reads them
${tail.en}`,
  },
  oncall: {
    zh: `用法：yinxin oncall list [--from T --to T] | add --person 姓名 --from T --to T (--mobile 号码 | --mail 邮箱)
       [--role primary|secondary|manager] [--words zh|en] --by 姓名 | remove ID --by 姓名

list 同时给出未来七天的空档。primary 最先收到；5 分钟无人认领通知 secondary，再 10 分钟通知 manager。
${tail.zh}`,
    en: `usage: yinxin oncall list [--from T --to T] | add --person NAME --from T --to T (--mobile NUMBER | --mail ADDRESS)
       [--role primary|secondary|manager] [--words zh|en] --by NAME | remove ID --by NAME

list tells the gaps of the coming week too. The primary is told first, the secondary after five minutes without an
answer, the manager after ten more.
${tail.en}`,
  },
  silence: {
    zh: `用法：yinxin silence list | add --maintenance ID --from T --to T --reason 理由 [--rule 规则] --by 姓名 | end ID

告警只能在已公告的计划维护（yinxin sla announce）时段内静默；涉及数据与密钥的告警从不静默。
${tail.zh}`,
    en: `usage: yinxin silence list | add --maintenance ID --from T --to T --reason WHY [--rule RULE] --by NAME | end ID

Alerts are silenced only inside announced maintenance (yinxin sla announce); those about data and keys never are.
${tail.en}`,
  },
  incidents: {
    zh: `用法：yinxin incidents list [--all] | show N | report N | means [--days 90]
     yinxin incidents open --title-zh T --title-en T --began T [--service S]… [--integrity] [--internal] --by 姓名
     yinxin incidents note N [--kind update|cause|action|lesson] --text-zh T --text-en T [--public] --by 姓名
     yinxin incidents classify N --class general|severe --reason 理由 --by 姓名 | resolve N --by 姓名 | close N --by 姓名

report 打印复盘文档（Markdown）· means 平均发现、认领、恢复时间 · --internal 不在状态页公布
${tail.zh}`,
    en: `usage: yinxin incidents list [--all] | show N | report N | means [--days 90]
       yinxin incidents open --title-zh T --title-en T --began T [--service S]… [--integrity] [--internal] --by NAME
       yinxin incidents note N [--kind update|cause|action|lesson] --text-zh T --text-en T [--public] --by NAME
       yinxin incidents classify N --class general|severe --reason WHY --by NAME | resolve N --by NAME | close N --by NAME

report prints the post-mortem (Markdown) · means: mean times to detect, acknowledge, resolve · --internal: not published
${tail.en}`,
  },
}

async function runVerb(group: Group, args: string[], lang: Lang): Promise<number> {
  const [name = 'list', ...rest] = args[0]?.startsWith('-') === true ? ['list', ...args] : args
  const verbs: Verbs = verbsOf[group]
  const verb = Object.hasOwn(verbs, name) ? verbs[name] : undefined
  if (verb === undefined)
    throw new UsageError(lang === 'zh' ? `没有 ${group} ${name}` : `there is no ${group} ${name}`)
  const read = readArguments(rest, lang, { ...verb.options }, verb.id ? ['ID'] : [])
  const values = read.values as Record<string, string | boolean | string[] | undefined>
  for (const need of verb.needs ?? []) {
    if (values[need] === undefined)
      throw new UsageError(lang === 'zh' ? `缺少 --${need}` : `--${need} is missing`)
  }
  const {
    'title-zh': titleZh,
    'title-en': titleEn,
    'text-zh': textZh,
    'text-en': textEn,
    service,
    words,
    ...others
  } = values
  const answer = (await askInstallation(lang, `${group}-${name}`, {
    ...others,
    titleZh,
    titleEn,
    textZh,
    textEn,
    services: service,
    id: read.positionals[0],
    // The language of whoever is called, or of the document.
    lang: words ?? lang,
  })) as Record<string, unknown>
  if (typeof answer.markdown === 'string') process.stdout.write(answer.markdown)
  else if (name === 'metrics') process.stdout.write(String(answer.text))
  else printJson(answer)
  return isWell(group, name, values, answer) ? EXIT.good : EXIT.bad
}

function isWell(
  group: Group,
  name: string,
  values: Record<string, unknown>,
  answer: Record<string, unknown>,
): boolean {
  if (group === 'alerts' && name === 'test')
    return (answer.answers as { ok: boolean }[]).every(({ ok }) => ok)
  if (group === 'alerts' && name === 'list' && values.all !== true)
    return (answer.alerts as unknown[]).length === 0
  return true
}

export const runAlerts = command(usages.alerts, (args, lang) => runVerb('alerts', args, lang))
export const runOnCall = command(usages.oncall, (args, lang) => runVerb('oncall', args, lang))
export const runSilence = command(usages.silence, (args, lang) => runVerb('silence', args, lang))
export const runIncidents = command(usages.incidents, (args, lang) => runVerb('incidents', args, lang))
