/** `yinxin pades`: the engine by hand, on files: sign, extend, timestamp, renew, verify, inspect. */
import { basename } from 'node:path'
import { inspectPdf } from '@yinxin/pades'
import { command, EXIT, type Lang, pad, printJson, readArguments, UsageError } from './command.ts'
import { extendFile, renewFile, timestampFile } from './pades-extend.ts'
import { asksForReport, reportOn } from './pades-report.ts'
import { signFile } from './pades-sign.ts'
import { readInput } from './reading.ts'
import { refusalOf, verify } from './verify.ts'

const usage = {
  zh: `用法：
  yinxin pades sign IN.pdf OUT.pdf (--key KEY.pem --cert CERT.pem | --pkcs11 … | --csc …) [选项]
  yinxin pades extend IN.pdf OUT.pdf [--level B-T|B-LT|B-LTA] [--tsa URL]… [--crl FILE]… [--trust CERT.pem]… [--json]
  yinxin pades timestamp IN.pdf OUT.pdf --tsa URL [--json]
  yinxin pades renew IN.pdf OUT.pdf --tsa URL [--crl FILE]… [--trust CERT.pem]… [--json]
  yinxin pades verify FILE.pdf [--trust CERT.pem]… [--compare DIR] [--at TIME] [--report simple|detailed] [--json]
  yinxin pades inspect FILE.pdf [--json]

签署选项：
  --key KEY.pem        私钥（PKCS#8 PEM，未加密）
  --cert CERT.pem      证书，可附上级证书
  --level LEVEL        B-B（默认）、B-T、B-LT 或 B-LTA；B-T 起需要 --tsa
  --tsa URL            RFC 3161 时间戳服务（可重复，依次尝试）
  --page N             可见签名所在页，从 1 起，默认 1
  --rect X,Y,W,H       可见签名的位置：从显示页面左下角起的点数（1/72 英寸）；不给则签名不可见
  --image FILE         位置内的图片（PNG 或 SVG，按比例居中；SVG 保持矢量）；不给则写签署人与日期
  --reason 文字        签署原因
  --field 名称         在已有的空签名域中签署，或为新签名域命名
  --certify 1|2|3      认证签名：其后不允许任何更改、只允许填表和签名、还允许批注（必须是第一个签名）
  --normalize          签署前重写文件，修复无法仅靠追加修复的结构（仅限没有签名的文件）
  --json               输出 JSON：结果、由谁签署、是否为模拟器

密钥在令牌中（PKCS#11）：
  --pkcs11 MODULE      模块，如 /usr/lib/softhsm/libsofthsm2.so
  --token 标签         令牌，或用 --slot N
  --key-label 标签     密钥，或用 --key-id 十六进制
  --cert CERT.pem      证书；不给则用令牌中的证书
  PIN                  由 YINXIN_PKCS11_PIN 或 --pin-file FILE 给出

密钥在远程签名服务中（CSC API v2）：
  --csc URL            服务地址，如 https://service.example/csc/v2
  --credential ID      签名凭证
  --csc-client ID      OAuth 2.0 客户端；密钥由 YINXIN_CSC_SECRET 或 --csc-secret-file FILE 给出
  访问令牌             也可由 YINXIN_CSC_TOKEN 或 --csc-token-file FILE 直接给出
  PIN、一次性口令      YINXIN_CSC_PIN 或 --pin-file；YINXIN_CSC_OTP 或 --otp-file（口令发出后才读取）；否则在终端询问

长期保存：
  --crl FILE           吊销列表（可重复）；不给则按证书内的地址查询
  extend               把所有签名提升到某一级别，默认 B-LTA
  renew                在最后一个时间戳失效之前再续一个

验签对照：
  --compare DIR        把签署之后被改动的页面画成前后对照（PNG 与 index.html）写入目录

按 EN 319 102-1 判定：
  --report KIND        simple 一句话结论，detailed 逐步判定；不给 --trust 则不判断身份
  --at TIME            判定所依据的时刻（ISO 8601），默认现在

退出码：0 成功 · 1 验证未通过 · 2 无法读取或被拒绝 · 64 用法错误`,
  en: `usage:
  yinxin pades sign IN.pdf OUT.pdf (--key KEY.pem --cert CERT.pem | --pkcs11 … | --csc …) [OPTIONS]
  yinxin pades extend IN.pdf OUT.pdf [--level B-T|B-LT|B-LTA] [--tsa URL]… [--crl FILE]… [--trust CERT.pem]… [--json]
  yinxin pades timestamp IN.pdf OUT.pdf --tsa URL [--json]
  yinxin pades renew IN.pdf OUT.pdf --tsa URL [--crl FILE]… [--trust CERT.pem]… [--json]
  yinxin pades verify FILE.pdf [--trust CERT.pem]… [--compare DIR] [--at TIME] [--report simple|detailed] [--json]
  yinxin pades inspect FILE.pdf [--json]

options of sign:
  --key KEY.pem        private key (PKCS#8 PEM, not encrypted)
  --cert CERT.pem      certificate, with those above it if wanted
  --level LEVEL        B-B (the default), B-T, B-LT or B-LTA; from B-T on --tsa is needed
  --tsa URL            RFC 3161 timestamp authority (repeatable: asked in their order)
  --page N             page of the visible signature, from 1; 1 by default
  --rect X,Y,W,H       its place in points from the lower left corner of the page as displayed; invisible without
  --image FILE         picture inside the place, PNG or SVG (kept as vectors), in proportion and centred; signer and
                       date are written without
  --reason TEXT        why it is signed
  --field NAME         an empty signature field to sign in, or the name of a new one
  --certify 1|2|3      certify: nothing, forms and signatures, or also annotations may follow (first signature only)
  --normalize          rewrite the file first, where appending cannot mend it (only without signatures)
  --json               print JSON: the result, who signed, whether it was a simulator

a key on a token (PKCS#11):
  --pkcs11 MODULE      the module, such as /usr/lib/softhsm/libsofthsm2.so
  --token LABEL        the token; or --slot N
  --key-label LABEL    the key; or --key-id HEX
  --cert CERT.pem      certificate; the token's own without
  PIN                  from YINXIN_PKCS11_PIN or --pin-file FILE

a key with a remote signing service (CSC API v2):
  --csc URL            the service, such as https://service.example/csc/v2
  --credential ID      the credential
  --csc-client ID      OAuth 2.0 client; its secret from YINXIN_CSC_SECRET or --csc-secret-file FILE
  access token         or ready-made from YINXIN_CSC_TOKEN or --csc-token-file FILE
  PIN, one-time code   YINXIN_CSC_PIN or --pin-file; YINXIN_CSC_OTP or --otp-file (read after the code is sent);
                       asked for at the terminal otherwise

for the long term:
  --crl FILE           revocation list (repeatable); without, the addresses in the certificates are asked
  extend               raises all signatures to a level, B-LTA by default
  renew                adds the next timestamp before the last one weakens

pictures of changes:
  --compare DIR        draw the pages changed after signing, before and after (PNG and index.html), into a folder

judging by EN 319 102-1:
  --report KIND        simple, a sentence each, or detailed, step by step; without --trust who signed is not judged
  --at TIME            the moment to judge at (ISO 8601), now by default

Exit code: 0 done · 1 not verified · 2 unreadable or refused · 64 wrong usage`,
}

export const run = command(usage, async (args, lang) => {
  const [verb, ...rest] = args
  switch (verb) {
    case 'sign':
      return await signFile(rest, lang)
    case 'verify':
      return await (asksForReport(rest) ? reportOn(rest, lang) : verify(rest, lang))
    case 'extend':
      return await extendFile(rest, lang)
    case 'timestamp':
      return await timestampFile(rest, lang)
    case 'renew':
      return await renewFile(rest, lang)
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
