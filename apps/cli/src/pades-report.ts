/** `yinxin pades verify --report`: the validation process of EN 319 102-1 at a moment. */
import { basename } from 'node:path'
import { type PdfValidation, validatePdf, verifyPdf } from '@yinxin/pades'
import { EXIT, type Lang, pad, printJson, readArguments, UsageError } from './command.ts'
import { openInput } from './large-files.ts'
import { readAnchors } from './reading.ts'
import { refusalOf } from './verify.ts'

const OPTIONS = {
  trust: { type: 'string', multiple: true },
  at: { type: 'string' },
  report: { type: 'string' },
  json: { type: 'boolean' },
} as const

/** Whether the arguments ask for the process rather than for the plain verification. */
export const asksForReport = (args: readonly string[]): boolean =>
  args.some((arg) => /^--(report|at)(=|$)/.test(arg))

export async function reportOn(args: string[], lang: Lang): Promise<number> {
  const zh = lang === 'zh'
  const { values, positionals } = readArguments(args, lang, OPTIONS, ['FILE.pdf'])
  const path = positionals[0] as string
  const kind = values.report ?? 'simple'
  if (kind !== 'simple' && kind !== 'detailed')
    throw new UsageError(zh ? '--report 只能是 simple 或 detailed' : '--report takes simple or detailed')
  const at = values.at === undefined ? new Date() : new Date(values.at)
  if (Number.isNaN(at.getTime()))
    throw new UsageError(zh ? '--at 须为 ISO 8601 时间' : '--at takes a time in ISO 8601')
  const trust = await readAnchors(values.trust, lang)
  let found: PdfValidation
  let intact = false
  try {
    const opened = await openInput(path, lang)
    try {
      found = validatePdf(opened.pdf, { trust: trust ?? [], at })
      // Without anchors the process cannot pass, and the exit code judges integrity alone, as `verify` does.
      if (trust === undefined) intact = verifyPdf(opened.pdf).ok
    } finally {
      opened.close()
    }
  } catch (error) {
    const refusal = refusalOf(error, lang)
    if (refusal === undefined) throw error
    if (values.json) printJson({ ok: false, error: refusal })
    else process.stderr.write(`✗ ${basename(path)}: ${refusal.message}\n`)
    return EXIT.unreadable
  }
  const ok = trust === undefined ? intact : found.indication === 'TOTAL_PASSED'
  const anchored = trust === undefined ? { trusted: null } : {}
  if (values.json) printJson({ ok, ...anchored, ...asJson(found, kind, lang) })
  else {
    process.stdout.write(asText(found, basename(path), kind, lang))
    if (trust === undefined) process.stdout.write(`\n  ${withoutAnchors[lang]}\n`)
  }
  return ok ? EXIT.good : EXIT.bad
}

const withoutAnchors = {
  zh: '没有给出信任的根（--trust），因此未判断签署人身份；退出码只反映内容是否完整',
  en: 'no trusted root was given (--trust), so who signed is not judged; the exit code tells of integrity alone',
}

function asJson(
  { indication, signatures, diagnostic }: PdfValidation,
  kind: 'simple' | 'detailed',
  lang: Lang,
) {
  const { validatedAt, store, timestamps } = diagnostic
  return {
    indication,
    validatedAt,
    signatures: signatures.map(({ blocks, conclusion, ...one }) => ({
      ...one,
      conclusion: conclusion[lang],
      ...(kind === 'detailed' ? { blocks } : {}),
    })),
    ...(kind === 'detailed' ? { store, timestamps } : {}),
  }
}

function asText(found: PdfValidation, name: string, kind: 'simple' | 'detailed', lang: Lang): string {
  const zh = lang === 'zh'
  const sign = { TOTAL_PASSED: '✓', TOTAL_FAILED: '✗', INDETERMINATE: '?' }
  const lines = [`${sign[found.indication]} ${name}  ${found.indication}`]
  if (found.signatures.length === 0) lines.push(`  ${zh ? '没有签名' : 'no signature'}`)
  for (const [index, one] of found.signatures.entries()) {
    const verdict = [one.indication, one.subIndication, one.level].filter((word) => word !== null).join(' · ')
    lines.push('', `  ${index + 1}  ${one.conclusion[lang]}`, `     ${verdict}`)
    if (kind === 'simple') continue
    for (const { block, indication, subIndication, at, problems } of one.blocks) {
      const result = [indication, subIndication, at].filter((word) => word !== undefined).join(' · ')
      lines.push(`     ${pad(block, 16)}${result}`)
      for (const problem of problems)
        lines.push(`       ${zh ? problem.zh : problem.message} [${problem.code}]`)
    }
  }
  if (kind === 'detailed') {
    const { certificates, crls, ocsps } = found.diagnostic.store
    lines.push('', `  DSS  ${certificates} certificates · ${crls} CRLs · ${ocsps} OCSP`)
    for (const { over, time, authority } of found.diagnostic.timestamps)
      lines.push(`  TST  ${time} · ${authority} · ${over}`)
  }
  return `${lines.join('\n')}\n`
}
