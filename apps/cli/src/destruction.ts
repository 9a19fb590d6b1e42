/** `yinxin destruction`: verifies certificates offline; holds, ends of service and retired media for operators. */
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import {
  type DestructionProofReport,
  type NoteKey,
  parseVkeys,
  readZip,
  verifyDestructionProof,
} from '@yinxin/evidence'
import { commandInstallation, ConfigError, OperatorRefusal, readConfig } from '@yinxin/server'
import { command, EXIT, type Lang, printJson, readArguments, Unreadable, UsageError } from './command.ts'
import { readAnchors, readInput, reason } from './reading.ts'

const usage = {
  zh: `用法：yinxin destruction verify FILE.json|zip [--log-key LOG.vkey] [--trust ROOT.pem]… [--pdf FILE.pdf] [--json]
      yinxin destruction hold-place --task ID --basis court|regulator|dispute --reference TEXT
      yinxin destruction hold-confirm|hold-release --id ID
      yinxin destruction hold-list
      yinxin destruction term-end --tenant ID --ended TIME
      yinxin destruction media-retire --device TEXT --serial TEXT --method METHOD --proof FILE --retired TIME
                                      [--domain NAME]
      yinxin destruction media-list
      yinxin destruction queue

verify 离线核验销毁证明；其余命令由运营方在服务器上执行，设置与 yinxin up 相同。
设置与解除法律保留、登记介质各须两名运营人员（YINXIN_OPERATOR_KEY_FILE，见 yinxin operator）：
hold-release 第一次为申请，七天内由另一人再次执行后生效；media-retire 由执行者提出，见证者以 yinxin operator confirm 确认。
退出码：0 通过/完成 · 1 有问题 · 2 无法读取或执行 · 64 用法错误`,
  en: `usage: yinxin destruction verify FILE.json|zip [--log-key LOG.vkey] [--trust ROOT.pem]… [--pdf FILE.pdf] [--json]
       yinxin destruction hold-place --task ID --basis court|regulator|dispute --reference TEXT
       yinxin destruction hold-confirm|hold-release --id ID
       yinxin destruction hold-list
       yinxin destruction term-end --tenant ID --ended TIME
       yinxin destruction media-retire --device TEXT --serial TEXT --method METHOD --proof FILE --retired TIME
                                       [--domain NAME]
       yinxin destruction media-list
       yinxin destruction queue

verify judges a certificate of destruction offline; the other commands are the operator's, with the settings of
yinxin up. Placing and releasing a hold and registering a medium each take two operators (YINXIN_OPERATOR_KEY_FILE,
see yinxin operator): hold-release asks first, and releases when another operator runs it again within seven days;
media-retire is proposed by who did it, and the witness runs yinxin operator confirm.
Exit code: 0 good/done · 1 not · 2 unreadable or could not be done · 64 wrong usage`,
}

const text = { type: 'string' } as const
/** Options of each operator command, and the names under which the server knows them. */
const operatorVerbs: Record<string, Record<string, string>> = {
  'hold-place': { task: 'taskId', basis: 'basis', reference: 'reference' },
  'hold-confirm': { id: 'id' },
  'hold-release': { id: 'id' },
  'hold-list': {},
  'term-end': { tenant: 'tenantId', ended: 'endedAt' },
  'media-retire': {
    device: 'device',
    serial: 'serial',
    method: 'method',
    proof: 'proof',
    retired: 'retiredAt',
    domain: 'domain',
  },
  'media-list': {},
  queue: {},
}
const OPTIONAL = new Set(['domain'])

export const run = command(usage, async (args, lang) => {
  const [verb = '', ...rest] = args
  if (verb === 'verify') return await verify(rest, lang)
  const options = operatorVerbs[verb]
  if (options === undefined)
    throw new UsageError(lang === 'zh' ? `没有子命令：${verb}` : `no such subcommand: ${verb}`)
  return await operate(verb, options, rest, lang)
})

async function verify(args: string[], lang: Lang): Promise<number> {
  const { values, positionals } = readArguments(
    args,
    lang,
    {
      'log-key': text,
      trust: { type: 'string', multiple: true },
      pdf: text,
      json: { type: 'boolean' },
    },
    ['FILE'],
  )
  const trust = values.trust === undefined ? undefined : await readAnchors(values.trust as string[], lang)
  const logKeys =
    values['log-key'] === undefined ? undefined : await readKeys(values['log-key'] as string, lang)
  const bytes = await readInput(positionals[0] ?? '', lang)
  const { proof, pdf: packed } = unpack(bytes)
  const pdf = values.pdf === undefined ? packed : await readInput(values.pdf as string, lang)
  const report = verifyDestructionProof(proof, {
    ...(trust === undefined ? {} : { trust }),
    ...(logKeys === undefined ? {} : { logKeys }),
    ...(pdf === undefined ? {} : { pdf }),
  })
  if (values.json) printJson(report)
  else process.stdout.write(`${tell(report, lang).join('\n')}\n`)
  return report.ok ? EXIT.good : EXIT.bad
}

/** A JSON file, or the archive that holds it with its PDF. */
function unpack(bytes: Uint8Array): { proof: unknown; pdf?: Uint8Array } {
  try {
    if (bytes[0] !== 0x50) return { proof: JSON.parse(Buffer.from(bytes).toString('utf8')) as unknown }
    const entry = (name: string) => readZip(bytes).entries.find((one) => one.name === name)?.content
    const json = entry('destruction-proof.json')
    const pdf = entry('certificate.pdf')
    const proof: unknown = json === undefined ? null : JSON.parse(Buffer.from(json).toString('utf8'))
    return { proof, ...(pdf === undefined ? {} : { pdf }) }
  } catch {
    return { proof: null }
  }
}

async function readKeys(path: string, lang: Lang): Promise<NoteKey[]> {
  try {
    return parseVkeys(await readFile(path, 'utf8'))
  } catch (error) {
    throw new UsageError(
      lang === 'zh'
        ? `日志公钥文件无法使用：${reason(error, lang)}`
        : `the log key cannot be used: ${reason(error, lang)}`,
    )
  }
}

function tell(report: DestructionProofReport, lang: Lang): string[] {
  const say = (zh: string, en: string) => (lang === 'zh' ? zh : en)
  const { certificate } = report
  const anchored = (value: boolean | null) =>
    value === null
      ? say('未提供，未判断', 'not given, not judged')
      : value
        ? say('通过', 'yes')
        : say('否', 'no')
  return [
    report.ok
      ? say('销毁证明完整且一致', 'The certificate of destruction is complete and consistent')
      : say('销毁证明有问题', 'The certificate of destruction does not hold'),
    ...report.problems.map((one) => `  ✗ ${one.code} ${one.detail}`),
    ...(certificate === null
      ? []
      : [
          `${say('编号', 'number')}: ${String(certificate.number)}`,
          `${say('合同', 'contract')}: ${String(certificate.contractId)}`,
          `${say('范围', 'extent')}: ${String(certificate.extent)} · ${String(certificate.stage)}`,
        ]),
    `${say('时间戳', 'timestamp')}: ${report.timestamp ?? '—'}`,
    `${say('存证日志', 'log')}: #${report.logIndex ?? '—'} · ${anchored(report.logVerified)}`,
    `${say('信任根', 'trusted root')}: ${anchored(report.trusted)}`,
  ]
}

async function operate(
  verb: string,
  options: Record<string, string>,
  args: string[],
  lang: Lang,
): Promise<number> {
  const { values } = readArguments(
    args,
    lang,
    { ...Object.fromEntries(Object.keys(options).map((name) => [name, text])), json: { type: 'boolean' } },
    [],
  )
  const input: Record<string, unknown> = {}
  for (const [name, key] of Object.entries(options)) {
    const value = (values as Record<string, string | undefined>)[name]
    if (value === undefined && !OPTIONAL.has(name))
      throw new UsageError(lang === 'zh' ? `缺少 --${name}` : `--${name} is missing`)
    if (value !== undefined) input[key] = value
  }
  if (typeof input.proof === 'string') {
    const bytes = await readInput(input.proof, lang)
    input.proofSha256 = createHash('sha256').update(bytes).digest('hex')
    input.proofName = input.proof.split('/').at(-1)
    delete input.proof
  }
  try {
    const config = readConfig({ ...process.env, YINXIN_LOG_LEVEL: process.env.YINXIN_LOG_LEVEL ?? 'error' })
    const ending = new AbortController()
    process.once('SIGINT', () => ending.abort())
    printJson(
      await commandInstallation(
        config,
        verb === 'queue' ? 'destruction-queue' : verb,
        input,
        () => undefined,
        ending.signal,
      ),
    )
    return EXIT.good
  } catch (error) {
    if (error instanceof OperatorRefusal)
      throw new Unreadable(error.code ?? 'failed', lang === 'zh' ? error.zh : error.message)
    if (error instanceof ConfigError) throw new Unreadable('settings', error.message)
    throw new Unreadable('failed', error instanceof Error ? error.message : String(error))
  }
}
