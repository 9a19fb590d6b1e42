/** `yinxin pades extend`, `timestamp` and `renew`: what keeps a signature good for decades. */
import { extendDelta, type PdfSource, type TimestampOptions, timestampDelta } from '@yinxin/pades'
import { EXIT, type Lang, printJson, readArguments, UsageError } from './command.ts'
import { openInput, writeAppended } from './large-files.ts'
import { refusedAsJson } from './pades-output.ts'
import { revocationSource } from './pades-revocation.ts'
import { askTimestamp } from './pades-timestamp.ts'
import { readAnchors } from './reading.ts'

const OPTIONS = {
  level: { type: 'string' },
  tsa: { type: 'string', multiple: true },
  crl: { type: 'string', multiple: true },
  trust: { type: 'string', multiple: true },
  json: { type: 'boolean' },
} as const

/** Only the authority of the timestamp; nothing else of a file that is merely stamped is looked at. */
export async function timestampFile(args: string[], lang: Lang): Promise<number> {
  const { values, positionals } = readArguments(args, lang, { tsa: OPTIONS.tsa, json: OPTIONS.json }, [
    'IN.pdf',
    'OUT.pdf',
  ])
  const [input, output] = positionals as [string, string]
  const stamping = authority(values.tsa, lang)
  return await convert({ input, output, json: values.json }, lang, (pdf) => timestampDelta(pdf, stamping), {
    zh: '已加盖文件时间戳',
    en: 'timestamped',
  })
}

export async function extendFile(args: string[], lang: Lang): Promise<number> {
  const { values, positionals } = readArguments(args, lang, OPTIONS, ['IN.pdf', 'OUT.pdf'])
  const [input, output] = positionals as [string, string]
  const level = (values.level ?? 'B-LTA').toUpperCase()
  if (level !== 'B-T' && level !== 'B-LT' && level !== 'B-LTA')
    throw new UsageError(
      lang === 'zh' ? '--level 只能是 B-T、B-LT 或 B-LTA' : '--level takes B-T, B-LT or B-LTA',
    )
  if (level !== 'B-LT' && values.tsa === undefined) authority(undefined, lang)
  const options = {
    level,
    validationData: await revocationSource(values.crl, new Date(), lang),
    ...(values.tsa === undefined ? {} : authority(values.tsa, lang)),
    ...(await anchors(values.trust, lang)),
  } as const
  return await convert(
    { input, output, json: values.json, level },
    lang,
    (pdf) => extendDelta(pdf, options),
    {
      zh: `已提升到 ${level}`,
      en: `extended to ${level}`,
    },
  )
}

export async function renewFile(args: string[], lang: Lang): Promise<number> {
  const { tsa, crl, trust, json } = OPTIONS
  const { values, positionals } = readArguments(args, lang, { tsa, crl, trust, json }, ['IN.pdf', 'OUT.pdf'])
  const [input, output] = positionals as [string, string]
  const options = {
    level: 'B-LTA' as const,
    validationData: await revocationSource(values.crl, new Date(), lang),
    ...authority(values.tsa, lang),
    ...(await anchors(values.trust, lang)),
  }
  return await convert(
    { input, output, json: values.json, level: 'B-LTA' },
    lang,
    (pdf) => extendDelta(pdf, options),
    {
      zh: '已续期',
      en: 'renewed',
    },
  )
}

/** Authorities, asked in their order. @throws UsageError when none is named */
export function authority(tsa: readonly string[] | undefined, lang: Lang): TimestampOptions {
  if (tsa === undefined) throw new UsageError(lang === 'zh' ? '需要 --tsa URL' : '--tsa URL is needed')
  if (!tsa.every((url) => /^https?:\/\//.test(url) && URL.canParse(url)))
    throw new UsageError(
      lang === 'zh' ? '--tsa 须为 http:// 或 https:// 地址' : '--tsa takes an http:// or https:// address',
    )
  return { timestamp: (digest, algorithm) => askTimestamp(tsa, digest, algorithm, lang) }
}

async function anchors(paths: readonly string[] | undefined, lang: Lang): Promise<{ trust?: Uint8Array[] }> {
  const trust = await readAnchors(paths, lang)
  return trust === undefined ? {} : { trust }
}

interface Conversion {
  input: string
  output: string
  json: boolean | undefined
  level?: string
}

async function convert(
  { input, output, json, level }: Conversion,
  lang: Lang,
  act: (pdf: Uint8Array | PdfSource) => Promise<Uint8Array>,
  done: { zh: string; en: string },
): Promise<number> {
  try {
    const opened = await openInput(input, lang)
    try {
      await writeAppended(opened, input, output, await act(opened.pdf), lang)
    } finally {
      opened.close()
    }
  } catch (error) {
    return refusedAsJson(error, json, lang)
  }
  if (json) printJson({ ok: true, output, ...(level === undefined ? {} : { level }) })
  else process.stdout.write(lang === 'zh' ? `✓ ${done.zh}：${output}\n` : `✓ ${done.en}: ${output}\n`)
  return EXIT.good
}
