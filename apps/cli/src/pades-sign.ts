/** `yinxin pades sign`: one signature by a key and certificate in files. */
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import {
  type Appearance,
  type Content,
  chineseDate,
  composeContent,
  drawPng,
  drawText,
  extendPdf,
  normalizePdf,
  type Placement,
  parseFont,
  prepareAppearance,
  type SignOptions,
  signPdf,
} from '@yinxin/pades'
import { nameValue, parseCertificate, type Signer, signerFromPem } from '@yinxin/pki'
import { EXIT, type Lang, readArguments, UsageError } from './command.ts'
import { authority } from './pades-extend.ts'
import { asUnreadable, writeOutput } from './pades-output.ts'
import { revocationSource } from './pades-revocation.ts'
import { readCertificates, readInput, reason } from './reading.ts'

const OPTIONS = {
  key: { type: 'string' },
  cert: { type: 'string' },
  level: { type: 'string' },
  tsa: { type: 'string' },
  page: { type: 'string' },
  rect: { type: 'string' },
  image: { type: 'string' },
  reason: { type: 'string' },
  field: { type: 'string' },
  certify: { type: 'string' },
  normalize: { type: 'boolean' },
  crl: { type: 'string', multiple: true },
} as const

type Values = {
  [Name in keyof typeof OPTIONS]?: Name extends 'normalize' ? boolean : Name extends 'crl' ? string[] : string
}
type Level = 'B-B' | 'B-T' | 'B-LT' | 'B-LTA'

interface Rect {
  x: number
  y: number
  width: number
  height: number
}

export async function signFile(args: string[], lang: Lang): Promise<number> {
  // 1. What is asked for.
  const { values, positionals } = readArguments(args, lang, OPTIONS, ['IN.pdf', 'OUT.pdf'])
  const [input, output] = positionals as [string, string]
  const level = readLevel(values, lang)
  const certify = readCertify(values, lang)
  const place = readPlace(values, lang)
  const { signer, certificates } = await readIdentity(values, lang)

  // 2. The signature.
  const given = await readInput(input, lang)
  const signingTime = new Date()
  const stamping = level === 'B-B' ? {} : authority(values.tsa, lang)
  const validationData = await revocationSource(values.crl, signingTime, lang)
  try {
    const pdf = values.normalize ? normalizePdf(given) : given
    const placements =
      place === undefined ? [] : [await placementOf(place, values, certificates, signingTime, lang)]
    const options: SignOptions = {
      signer,
      certificates,
      placements,
      signingTime,
      ...(values.reason === undefined ? {} : { reason: values.reason }),
      ...(values.field === undefined ? {} : { fieldName: values.field }),
      ...(certify === undefined ? {} : { certify }),
      ...stamping,
    }
    const signed = await signPdf(pdf, options)
    const lasting = level === 'B-LT' || level === 'B-LTA'
    const finished = lasting
      ? await extendPdf(signed, { level, validationData, certificates, ...stamping })
      : signed
    await writeOutput(output, finished, lang)
  } catch (error) {
    throw asUnreadable(error, lang)
  }
  process.stdout.write(
    lang === 'zh' ? `✓ 已签署（PAdES ${level}）：${output}\n` : `✓ signed (PAdES ${level}): ${output}\n`,
  )
  return EXIT.good
}

/** The level asked for. An authority without a level means B-T. */
function readLevel({ level, tsa }: Values, lang: Lang): Level {
  const zh = lang === 'zh'
  const wanted = (level ?? (tsa === undefined ? 'B-B' : 'B-T')).toUpperCase()
  if (wanted !== 'B-B' && wanted !== 'B-T' && wanted !== 'B-LT' && wanted !== 'B-LTA')
    throw new UsageError(
      zh ? '--level 只能是 B-B、B-T、B-LT 或 B-LTA' : '--level takes B-B, B-T, B-LT or B-LTA',
    )
  if (wanted !== 'B-B' && tsa === undefined)
    throw new UsageError(zh ? `${wanted} 需要 --tsa URL` : `${wanted} needs --tsa URL`)
  if (wanted === 'B-B' && tsa !== undefined)
    throw new UsageError(zh ? 'B-B 不含时间戳，不能用 --tsa' : 'B-B has no timestamp; leave --tsa out')
  if (tsa !== undefined) authority(tsa, lang)
  return wanted
}

function readCertify({ certify }: Values, lang: Lang): 1 | 2 | 3 | undefined {
  if (certify === undefined) return undefined
  if (certify !== '1' && certify !== '2' && certify !== '3')
    throw new UsageError(lang === 'zh' ? '--certify 只能是 1、2 或 3' : '--certify takes 1, 2 or 3')
  return Number(certify) as 1 | 2 | 3
}

function readPlace({ page, rect, image }: Values, lang: Lang): { page: number; rect: Rect } | undefined {
  const zh = lang === 'zh'
  if (rect === undefined) {
    if (page !== undefined || image !== undefined)
      throw new UsageError(zh ? '--page 和 --image 需要 --rect' : '--page and --image need --rect')
    return undefined
  }
  const numbers = rect.split(',').map((part) => (part.trim() === '' ? Number.NaN : Number(part)))
  const [x = 0, y = 0, width = 0, height = 0] = numbers
  if (numbers.length !== 4 || !numbers.every(Number.isFinite))
    throw new UsageError(zh ? '--rect 须为 X,Y,W,H 四个数' : '--rect takes four numbers X,Y,W,H')
  if (page !== undefined && !/^[1-9]\d*$/.test(page))
    throw new UsageError(zh ? '--page 从 1 起' : '--page counts from 1')
  return { page: Number(page ?? 1) - 1, rect: { x, y, width, height } }
}

async function readIdentity(
  { key, cert }: Values,
  lang: Lang,
): Promise<{ signer: Signer; certificates: Uint8Array[] }> {
  if (key === undefined || cert === undefined)
    throw new UsageError(lang === 'zh' ? '需要 --key 和 --cert' : '--key and --cert are needed')
  const certificates = await readCertificates(cert, '--cert', lang)
  let signer: Signer
  try {
    signer = signerFromPem(await readFile(key, 'utf8'))
  } catch (error) {
    throw new UsageError(
      lang === 'zh'
        ? `--key ${key} 不是可用的私钥：${reason(error, lang)}`
        : `--key ${key} is no usable private key: ${reason(error, lang)}`,
    )
  }
  // Files list certificates in any order; the signer's own comes first in the signature.
  const isOwn = (der: Uint8Array) => Buffer.compare(parseCertificate(der).spki, signer.spki) === 0
  const own = certificates.find(isOwn)
  if (own === undefined)
    throw new UsageError(lang === 'zh' ? '私钥与证书不匹配' : 'the key does not belong to the certificate')
  return { signer, certificates: [own, ...certificates.filter((der) => der !== own)] }
}

async function placementOf(
  { page, rect }: { page: number; rect: Rect },
  { image }: Values,
  certificates: readonly Uint8Array[],
  at: Date,
  lang: Lang,
): Promise<Placement> {
  const { width, height } = rect
  const content =
    image === undefined
      ? await nameAndDate(certificates, at)
      : drawPng(await readInput(image, lang), Math.max(width, 1))
  return { page, rect, appearance: fitted(content, width, height) }
}

/** Scaled in proportion and centred in the box. A box without extent is left to the engine to refuse. */
function fitted(content: Content, width: number, height: number): Appearance {
  const [widthPt, heightPt] = [Math.max(width, 1), Math.max(height, 1)]
  const scale = Math.min(widthPt / content.widthPt, heightPt / content.heightPt)
  const x = (widthPt - content.widthPt * scale) / 2
  const y = (heightPt - content.heightPt * scale) / 2
  return prepareAppearance(composeContent({ widthPt, heightPt }, [{ content, x, y, scale }]))
}

async function nameAndDate(certificates: readonly Uint8Array[], at: Date): Promise<Content> {
  const subject = parseCertificate(certificates[0] as Uint8Array).subject
  const name = nameValue(subject, 'CN') ?? nameValue(subject, 'O') ?? subject.text
  // The font is the server's: its seals are cut from it.
  const require = createRequire(createRequire(import.meta.url).resolve('@yinxin/server'))
  const path = require.resolve('@expo-google-fonts/noto-serif-sc/600SemiBold/NotoSerifSC_600SemiBold.ttf')
  return drawText([name, chineseDate(at)], {
    font: parseFont(await readFile(path)),
    sizePt: 12,
    align: 'center',
  })
}
