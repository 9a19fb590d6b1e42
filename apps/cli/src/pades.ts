/** `yinxin pades`: the engine by hand, on files: sign, verify, inspect. */
import { basename } from 'node:path'
import { inspectPdf } from '@yinxin/pades'
import { command, EXIT, type Lang, pad, printJson, readArguments, UsageError } from './command.ts'
import { signFile } from './pades-sign.ts'
import { readInput } from './reading.ts'
import { refusalOf, verify } from './verify.ts'

const usage = {
  zh: `用法：
  yinxin pades sign IN.pdf OUT.pdf --key KEY.pem --cert CERT.pem [选项]
  yinxin pades verify FILE.pdf [--trust CERT.pem]… [--json]
  yinxin pades inspect FILE.pdf [--json]

签署选项：
  --key KEY.pem        私钥（PKCS#8 PEM，未加密）
  --cert CERT.pem      证书，可附上级证书
  --level B-B|B-T      级别，默认 B-B；B-T 需要 --tsa
  --tsa URL            RFC 3161 时间戳服务
  --page N             可见签名所在页，从 1 起，默认 1
  --rect X,Y,W,H       可见签名的位置：从显示页面左下角起的点数（1/72 英寸）；不给则签名不可见
  --image FILE.png     位置内的图片（按比例居中）；不给则写签署人与日期
  --reason 文字        签署原因
  --certify            认证签名：其后只允许填表和签名（必须是第一个签名）

退出码：0 成功 · 1 验证未通过 · 2 无法读取或被拒绝 · 64 用法错误`,
  en: `usage:
  yinxin pades sign IN.pdf OUT.pdf --key KEY.pem --cert CERT.pem [OPTIONS]
  yinxin pades verify FILE.pdf [--trust CERT.pem]… [--json]
  yinxin pades inspect FILE.pdf [--json]

options of sign:
  --key KEY.pem        private key (PKCS#8 PEM, not encrypted)
  --cert CERT.pem      certificate, with those above it if wanted
  --level B-B|B-T      level, B-B by default; B-T needs --tsa
  --tsa URL            RFC 3161 timestamp authority
  --page N             page of the visible signature, from 1; 1 by default
  --rect X,Y,W,H       its place in points from the lower left corner of the page as displayed; invisible without
  --image FILE.png     picture inside the place, in proportion and centred; signer and date are written without
  --reason TEXT        why it is signed
  --certify            certify: only forms and signatures may follow (must be the first signature)

Exit code: 0 done · 1 not verified · 2 unreadable or refused · 64 wrong usage`,
}

export const run = command(usage, async (args, lang) => {
  const [verb, ...rest] = args
  switch (verb) {
    case 'sign':
      return await signFile(rest, lang)
    case 'verify':
      return await verify(rest, lang)
    case 'inspect':
      return await inspect(rest, lang)
    default:
      throw new UsageError(lang === 'zh' ? `没有子命令：${verb ?? ''}` : `no such subcommand: ${verb ?? ''}`)
  }
})

async function inspect(args: string[], lang: Lang): Promise<number> {
  const { values, positionals } = readArguments(args, lang, { json: { type: 'boolean' } }, ['FILE.pdf'])
  const path = positionals[0] as string
  try {
    const info = inspectPdf(await readInput(path, lang))
    if (values.json) printJson({ ok: true, ...info })
    else process.stdout.write(readable(info, basename(path), lang))
    return EXIT.good
  } catch (error) {
    const refusal = refusalOf(error, lang)
    if (refusal === undefined) throw error
    if (values.json) printJson({ ok: false, error: refusal })
    else process.stderr.write(`✗ ${basename(path)}: ${refusal.message}\n`)
    return EXIT.unreadable
  }
}

function readable(info: ReturnType<typeof inspectPdf>, name: string, lang: Lang): string {
  const zh = lang === 'zh'
  const round = (points: number) => Math.round(points * 100) / 100
  const sizes = new Map<string, number>()
  for (const { widthPt, heightPt } of info.pages) {
    const size = `${round(widthPt)} × ${round(heightPt)} pt`
    sizes.set(size, (sizes.get(size) ?? 0) + 1)
  }
  const active = info.activeContent.map(({ kind, object }) => `${kind} (${object})`)
  const rows: [string, string][] = [
    [zh ? '版本' : 'version', info.version],
    [
      zh ? '页数' : 'pages',
      `${info.pageCount}  ${[...sizes].map(([size, count]) => `${count} × [${size}]`).join(', ')}`,
    ],
    [zh ? '签名' : 'signatures', String(info.signatures)],
    [zh ? '修订' : 'revisions', String(info.revisions)],
    [
      zh ? '交叉引用' : 'xref',
      info.repaired ? `${info.xrefForm} ${zh ? '（已重建）' : '(rebuilt)'}` : info.xrefForm,
    ],
    [zh ? '活动内容' : 'active', active.length === 0 ? (zh ? '无' : 'none') : active.join(', ')],
  ]
  return `${name}\n${rows.map(([label, value]) => `  ${pad(label, 12)}${value}`).join('\n')}\n`
}
