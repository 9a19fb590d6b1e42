/** `yinxin custody verify` and `yinxin sla verify`: a monthly report checked offline, from its PDF alone. */
import { isDeepStrictEqual } from 'node:util'
import { EvidenceError, type NoteKey, parseTlogProof, parseVkeys, verifyTlogProof } from '@yinxin/evidence'
import { attachedFiles, PdfRefusal, verifyPdf } from '@yinxin/pades'
import { type DurabilityMeasurements, durabilityReport, meetsPromise, slaServices } from '@yinxin/sla'
import { EXIT, type Lang, printJson, readArguments, UsageError } from './command.ts'
import { readAnchors, readInput, readTexts, reason } from './reading.ts'

export interface ReportVerification {
  ok: boolean
  month: string | null
  revision: number | null
  verdict: 'met' | 'not_met' | 'no_service_period' | null
  /** Signature of the platform: its signer and time; whether its root was judged depends on `trust`. */
  seal: { signer: string; signedAt: string | null; trusted: boolean | null } | null
  log: { origin: string; index: number; size: number } | null
  problems: { code: string; zh: string; en: string }[]
}

interface Published {
  type?: unknown
  month?: unknown
  revision?: unknown
  report?: { measurements?: unknown; verdict?: unknown }
  verdict?: 'met' | 'not_met' | 'no_service_period'
  services?: {
    totalMinutes: number
    maintenanceMinutes: number
    downMinutes: number
    availability: number | null
    pass: boolean
  }[]
}

/** Availability and verdicts follow from the minutes (SLA 3.8); the minutes themselves are published and signed apart. */
function agreesWithItself({ type, verdict, services = [] }: Published): boolean {
  if (type !== 'report.sla' || services.length !== slaServices.length) return false
  const follow = services.every((one) => {
    const counted = one.totalMinutes - one.maintenanceMinutes
    const up = counted - one.downMinutes
    const isKept = meetsPromise(counted, one.downMinutes)
    return one.availability === (counted === 0 ? null : up / counted) && one.pass === isKept
  })
  const isMet = services.every(({ pass }) => pass)
  return follow && (verdict === 'no_service_period' || verdict === (isMet ? 'met' : 'not_met'))
}

/** Attachments by kind of report. */
const kinds = {
  durability: { json: 'durability-report.json', proof: 'durability-report.tlog-proof' },
  sla: { json: 'sla-report.json', proof: 'sla-report.tlog-proof' },
}

export interface ReportKeys {
  trust?: Uint8Array[]
  logKeys: readonly NoteKey[]
  /** Which report it must be. */
  kind?: keyof typeof kinds
}

/** Seal, attachments, proof of inclusion, and every figure computed again. Never throws on a bad file. */
export function verifyReport(
  pdf: Uint8Array,
  { trust, logKeys, kind = 'durability' }: ReportKeys,
): ReportVerification {
  const found: ReportVerification = {
    ok: false,
    month: null,
    revision: null,
    verdict: null,
    seal: null,
    log: null,
    problems: [],
  }
  const problem = (code: string, zh: string, en: string) => found.problems.push({ code, zh, en })
  const done = () => ({ ...found, ok: found.problems.length === 0 })

  // 1. The seal, over the whole file, with the attachments inside.
  let files: ReturnType<typeof attachedFiles>
  try {
    const { signatures } = verifyPdf(pdf, trust === undefined ? {} : { trust })
    const [seal] = signatures
    files = attachedFiles(pdf)
    if (seal === undefined || signatures.length !== 1)
      problem('seal_missing', '报告应恰有一个签章', 'A report carries exactly one seal')
    else {
      found.seal = { signer: seal.signer, signedAt: seal.signedAt, trusted: seal.trusted }
      if (seal.status !== 'valid' || !seal.coversWholeDocument || seal.changesAfter !== 'none')
        problem(
          'seal_invalid',
          '签章无效，或文件在签章后被改动',
          'The seal is not valid, or the file was changed after it',
        )
      if (seal.trusted === false)
        problem('seal_not_trusted', '签章不通向给定的根证书', 'The seal does not lead to a given root')
    }
  } catch (error) {
    const known = error instanceof PdfRefusal ? error : undefined
    problem('unreadable', known?.zh ?? '不是可读的 PDF', known?.en ?? 'It is no PDF that can be read')
    return done()
  }
  const names = kinds[kind]
  const of = (name: string) => files.find((file) => file.name === name)?.content
  const [json, proof] = [of(names.json), of(names.proof)]
  if (json === undefined || proof === undefined) {
    problem(
      'attachments_missing',
      `缺少附件 ${names.json} 或 ${names.proof}`,
      `The attachment ${names.json} or ${names.proof} is missing`,
    )
    return done()
  }

  // 2. It stands in the log.
  try {
    const parsed = parseTlogProof(Buffer.from(proof).toString('utf8'))
    const { checkpoint } = verifyTlogProof(parsed, json, logKeys)
    found.log = { origin: checkpoint.origin, index: parsed.index, size: checkpoint.size }
  } catch (error) {
    if (!(error instanceof EvidenceError)) throw error
    problem(
      'log_proof',
      `入链证明不成立：${error.code}`,
      `The proof of inclusion does not hold: ${error.message}`,
    )
  }

  // 3. Every figure follows from what was measured.
  try {
    const published = JSON.parse(Buffer.from(json).toString('utf8')) as Published
    if (kind === 'sla') {
      found.month = String(published.month)
      found.revision = Number(published.revision)
      found.verdict = published.verdict ?? null
      if (!agreesWithItself(published))
        problem(
          'figures_differ',
          '报告的数值前后不一致',
          'The figures of the report do not follow from each other',
        )
      return done()
    }
    const { report, month, revision } = published
    if (published.type !== 'report.durability') throw new Error('another type')
    found.month = String(month)
    found.revision = Number(revision)
    found.verdict = report?.verdict === 'met' ? 'met' : 'not_met'
    const again: unknown = JSON.parse(
      JSON.stringify(durabilityReport(report?.measurements as DurabilityMeasurements)),
    )
    if (!isDeepStrictEqual(again, report))
      problem(
        'figures_differ',
        '由实测值重算的数值与报告不同',
        'What follows from the measurements differs from what the report says',
      )
  } catch {
    problem('report_unreadable', '附件不是这种报告', 'The attachment is no report of this kind')
  }
  return done()
}

/** @throws UsageError for what is no key */
export function readLogKeys(text: string, lang: Lang): NoteKey[] {
  try {
    return parseVkeys(text)
  } catch (error) {
    throw new UsageError(
      lang === 'zh'
        ? `日志公钥文件无法使用：${reason(error, lang)}`
        : `the log key cannot be used: ${reason(error, lang)}`,
    )
  }
}

export function showVerification(found: ReportVerification, lang: Lang): string[] {
  const say = (zh: string, en: string) => (lang === 'zh' ? zh : en)
  const { seal, log, month, revision, verdict } = found
  const trusted =
    seal?.trusted === true
      ? say('通向给定的根证书', 'leads to a given root')
      : seal?.trusted === false
        ? say('不通向给定的根证书', 'does not lead to a given root')
        : say('根证书未判断（用 --trust 给出）', 'root not judged (give one with --trust)')
  return [
    found.ok
      ? say(
          '✓ 报告完整，与日志和实测值一致',
          '✓ The report is whole, and agrees with the log and its measurements',
        )
      : say('✗ 报告有问题', '✗ The report does not hold'),
    ...found.problems.map((one) => `  ✗ ${one[lang]} [${one.code}]`),
    ...(month === null
      ? []
      : [
          `${say('报告', 'report')}: ${month} r${revision} · ${verdict === 'met' ? say('满足承诺', 'the promise is met') : verdict === 'no_service_period' ? say('不构成服务周期', 'no service period') : say('此处不满足承诺', 'the promise is not met here')}`,
        ]),
    `${say('签章', 'seal')}: ${seal === null ? '–' : `${seal.signer} · ${seal.signedAt ?? '–'} · ${trusted}`}`,
    `${say('日志', 'log')}: ${log === null ? '–' : `${log.origin} #${log.index} / ${log.size}`}`,
  ]
}

/** The command, for one kind of report. */
export async function runVerify(args: string[], lang: Lang, kind: keyof typeof kinds): Promise<number> {
  const options = {
    json: { type: 'boolean' },
    'log-key': { type: 'string' },
    trust: { type: 'string', multiple: true },
  } as const
  const { values, positionals } = readArguments(args, lang, options, ['FILE.pdf'])
  const keyFile = values['log-key']
  if (keyFile === undefined)
    throw new UsageError(lang === 'zh' ? '缺少 --log-key LOG.vkey' : '--log-key LOG.vkey is missing')
  const [keys = ''] = (await readTexts([keyFile], lang)) ?? []
  const trust = await readAnchors(values.trust, lang)
  const found = verifyReport(await readInput(positionals[0] ?? '', lang), {
    kind,
    logKeys: readLogKeys(keys, lang),
    ...(trust === undefined ? {} : { trust }),
  })
  if (values.json) printJson(found)
  else process.stdout.write(`${showVerification(found, lang).join('\n')}\n`)
  return found.ok ? EXIT.good : EXIT.bad
}
