/** `yinxin verify`: judges every signature of a PDF, offline. */
import { basename } from 'node:path'
import { PdfRefusal, type PdfVerification, type SignatureReport, verifyPdf } from '@yinxin/pades'
import { command, EXIT, type Lang, pad, printJson, readArguments, Unreadable } from './command.ts'
import { openInput } from './large-files.ts'
import { comparedWords, comparePagesInto } from './pades-compare.ts'
import { readAnchors, readInput } from './reading.ts'

const usage = {
  zh: `用法：yinxin verify FILE.pdf [--trust CERT.pem]… [--compare DIR] [--json] [--lang zh|en]

离线验证 PDF 中的每个签名，以及签署之后文件是否被改动。

  --trust CERT.pem   信任的根证书（可重复；不给则只判断完整性，不判断身份）
  --compare DIR      把签署之后被改动的页面画成前后对照（PNG 与 index.html）写入目录
  --json             只输出一个 JSON 对象

退出码：0 全部有效且未被改动 · 1 有问题或没有签名 · 2 无法读取 · 64 用法错误`,
  en: `usage: yinxin verify FILE.pdf [--trust CERT.pem]… [--compare DIR] [--json] [--lang zh|en]

Verifies every signature of a PDF and what happened to the file afterwards, offline.

  --trust CERT.pem   trusted root certificate (repeatable; without it only integrity is judged, not identity)
  --compare DIR      draw the pages changed after signing, before and after (PNG and index.html), into a folder
  --json             print one JSON object and nothing else

Exit code: 0 all valid and unchanged · 1 not, or no signature · 2 unreadable · 64 wrong usage`,
}

export const run = command(usage, verify)

/** Shared with `yinxin pades verify`. */
export async function verify(args: string[], lang: Lang): Promise<number> {
  const { values, positionals } = readArguments(
    args,
    lang,
    { trust: { type: 'string', multiple: true }, json: { type: 'boolean' }, compare: { type: 'string' } },
    ['FILE.pdf'],
  )
  const path = positionals[0] as string
  const trust = await readAnchors(values.trust, lang)
  let sha256: string
  let report: PdfVerification
  try {
    const opened = await openInput(path, lang)
    try {
      report = verifyPdf(opened.pdf, trust === undefined ? {} : { trust })
      sha256 = values.json ? opened.sha256() : ''
    } finally {
      opened.close()
    }
  } catch (error) {
    const refusal = refusalOf(error, lang)
    if (refusal === undefined) throw error
    if (values.json) printJson({ ok: false, signatures: [], error: refusal })
    else process.stderr.write(`✗ ${basename(path)}: ${refusal.message}\n`)
    return EXIT.unreadable
  }
  const compared =
    values.compare === undefined
      ? undefined
      : await comparePagesInto(values.compare, await readInput(path, lang), path, lang)
  if (values.json) printJson({ ...verificationJson(report, sha256, lang), ...(compared ? { compared } : {}) })
  else {
    process.stdout.write(readable(report, basename(path), lang))
    if (compared) process.stdout.write(comparedWords(compared, lang))
  }
  return report.ok ? EXIT.good : EXIT.bad
}

/** Stable code and text of what kept a file from being read; undefined for a fault of ours. */
export function refusalOf(error: unknown, lang: Lang): { code: string; message: string } | undefined {
  if (error instanceof PdfRefusal) return { code: error.code, message: error[lang] }
  return error instanceof Unreadable ? { code: error.code, message: error.message } : undefined
}

/** The report as scripts read it. */
function verificationJson(report: PdfVerification, sha256: string, lang: Lang) {
  return {
    ok: report.ok,
    sha256,
    signatures: report.signatures.map((one) => signatureJson(one, lang)),
    documentTimestamps: report.documentTimestamps.map((one) => signatureJson(one, lang)),
    unsignedFields: report.unsignedFields,
  }
}

function signatureJson(one: SignatureReport, lang: Lang) {
  return {
    status: one.status,
    signer: one.signer,
    signedAt: one.signedAt,
    timestamp: one.timestamp,
    level: one.level,
    coversWholeDocument: one.coversWholeDocument,
    // Later signatures, timestamps and validation data are what signing in turn is, and no changes.
    changesAfter: one.changesAfter === 'signatures' ? 'none' : one.changesAfter,
    trusted: one.trusted,
    fieldName: one.fieldName,
    pages: one.pages.map((page) => page + 1),
    certificate: one.certificate,
    problems: one.problems.map(({ code, severity, message, zh }) => ({
      code,
      severity,
      message: lang === 'zh' ? zh : message,
    })),
  }
}

const words = {
  zh: {
    status: { valid: '有效', invalid: '无效', indeterminate: '无法判断' },
    changes: {
      none: '签署后未被改动',
      signatures: '其后只有后续签署',
      form: '其后填写过表单',
      annotations: '其后有批注变动（认证允许）',
      other: '签署后内容被改动',
    },
    trust: { true: '通向给定的根证书', false: '不通向给定的根证书', null: '未判断（用 --trust 给出根证书）' },
    labels: {
      status: '结论',
      signed: '签署时间',
      stamp: '时间戳',
      level: '级别',
      after: '之后',
      trust: '信任',
      problem: '问题',
    },
    none: '无',
    stamp: '文件时间戳',
    claimed: '（签署者自称）',
  },
  en: {
    status: { valid: 'valid', invalid: 'invalid', indeterminate: 'indeterminate' },
    changes: {
      none: 'nothing changed afterwards',
      signatures: 'only further signatures afterwards',
      form: 'form fields were filled in afterwards',
      annotations: 'annotations came or went afterwards, as the certification permits',
      other: 'changed afterwards',
    },
    trust: {
      true: 'leads to a given root',
      false: 'does not lead to a given root',
      null: 'not judged (give a root with --trust)',
    },
    labels: {
      status: 'result',
      signed: 'signed',
      stamp: 'timestamp',
      level: 'level',
      after: 'after',
      trust: 'trust',
      problem: 'problem',
    },
    none: 'none',
    stamp: 'document timestamp',
    claimed: ' (claimed by the signer)',
  },
} as const

function readable(report: PdfVerification, name: string, lang: Lang): string {
  const all = [...report.signatures, ...report.documentTimestamps]
  const lines = [`${report.ok ? '✓' : '✗'} ${name}  ${verdict(report, lang)}`]
  for (const [index, one] of all.entries()) lines.push('', ...signatureLines(one, index, lang))
  const waiting = report.unsignedFields.join(lang === 'zh' ? '、' : ', ')
  if (waiting !== '')
    lines.push('', lang === 'zh' ? `  待签的签名域：${waiting}` : `  fields not signed: ${waiting}`)
  return `${lines.join('\n')}\n`
}

function verdict(report: PdfVerification, lang: Lang): string {
  const count = report.signatures.length
  if (count === 0) return lang === 'zh' ? '没有签名' : 'no signature'
  if (report.ok) {
    return lang === 'zh'
      ? `${count} 个签名全部有效，签署后未被改动`
      : `${count} valid signature(s), nothing changed afterwards`
  }
  const all = [...report.signatures, ...report.documentTimestamps]
  const bad = all.filter((one) => one.status !== 'valid' || one.trusted === false).length
  if (bad === 0)
    return lang === 'zh'
      ? `${count} 个签名有效，但其后文件有许可范围内的改动`
      : `${count} valid signature(s), but what they permit was changed afterwards`
  return lang === 'zh'
    ? `未通过：${all.length} 个签名和时间戳中 ${bad} 个有问题或文件被改动`
    : `not good: ${bad} of ${all.length} signatures and timestamps have problems, or the file was changed`
}

function signatureLines(one: SignatureReport, index: number, lang: Lang): string[] {
  const { status, changes, trust, labels, none, stamp, claimed } = words[lang]
  const line = (label: string, text: string) => `     ${pad(label, 10)}${text}`
  const title = one.subFilter === 'ETSI.RFC3161' ? `${one.signer} · ${stamp}` : one.signer
  return [
    `  ${index + 1}  ${title}`,
    line(labels.status, status[one.status]),
    line(
      labels.signed,
      one.signedAt === null ? none : `${instant(one.signedAt)}${one.timestamp === null ? claimed : ''}`,
    ),
    line(labels.stamp, one.timestamp === null ? none : instant(one.timestamp)),
    line(labels.level, one.level ?? none),
    line(labels.after, changes[one.changesAfter]),
    line(labels.trust, trust[`${one.trusted}`]),
    ...one.problems.map((problem) =>
      line(labels.problem, `${lang === 'zh' ? problem.zh : problem.message} [${problem.code}]`),
    ),
  ]
}

/** Seconds are what people compare; the JSON keeps the milliseconds. */
function instant(iso: string): string {
  return `${iso.slice(0, 19).replace('T', ' ')} UTC`
}
