/** `yinxin pades sign`: one signature, by a key in a file, on a token or with a remote service. */
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import {
  type Appearance,
  type Content,
  chineseDate,
  composeContent,
  drawPng,
  drawSvg,
  drawText,
  extendDelta,
  normalizePdf,
  PdfRefusal,
  type Placement,
  parseFont,
  prepareAppearance,
  type SignOptions,
  signDelta,
} from '@yinxin/pades'
import { type Certificate, nameValue, parseCertificate } from '@yinxin/pki'
import { EXIT, type Lang, printJson, readArguments, Unreadable, UsageError } from './command.ts'
import { openInput, withAppended, writeAppended } from './large-files.ts'
import { authority } from './pades-extend.ts'
import { refusedAsJson, writeOutput } from './pades-output.ts'
import { refusingRevoked, revocationSource } from './pades-revocation.ts'
import { type Identity, openIdentity, SIGNER_OPTIONS } from './pades-signer.ts'
import { readInput } from './reading.ts'

const OPTIONS = {
  ...SIGNER_OPTIONS,
  level: { type: 'string' },
  tsa: { type: 'string', multiple: true },
  page: { type: 'string' },
  rect: { type: 'string' },
  image: { type: 'string' },
  reason: { type: 'string' },
  field: { type: 'string' },
  certify: { type: 'string' },
  normalize: { type: 'boolean' },
  json: { type: 'boolean' },
  crl: { type: 'string', multiple: true },
} as const

type Values = {
  [Name in keyof typeof OPTIONS]?: Name extends 'normalize' | 'json'
    ? boolean
    : Name extends 'crl' | 'tsa'
      ? string[]
      : string
}
type Level = 'B-B' | 'B-T' | 'B-LT' | 'B-LTA'

interface Rect {
  x: number
  y: number
  width: number
  height: number
}

export async function signFile(args: string[], lang: Lang): Promise<number> {
  const { values, positionals } = readArguments(args, lang, OPTIONS, ['IN.pdf', 'OUT.pdf'])
  const [input, output] = positionals as [string, string]
  const level = readLevel(values, lang)
  try {
    const origin = await signInto(input, output, level, values, lang)
    if (values.json) printJson({ ok: true, output, level, signer: origin })
    else say(output, level, origin, lang)
    return EXIT.good
  } catch (error) {
    return refusedAsJson(error, values.json, lang)
  }
}

async function signInto(
  input: string,
  output: string,
  level: Level,
  values: Values,
  lang: Lang,
): Promise<Identity['origin']> {
  // 1. What is asked for.
  const certify = readCertify(values, lang)
  const place = readPlace(values, lang)
  const stamping = level === 'B-B' ? {} : authority(values.tsa, lang)
  const { signer, certificates, origin, close } = await openIdentity(values, lang)

  // 2. The signature, and what makes it last.
  try {
    const signingTime = new Date()
    const own = parseCertificate(certificates[0] as Uint8Array)
    refuseOutsideValidity(own, signingTime, lang)
    const opened = await openInput(input, lang)
    try {
      let pdf = values.normalize ? normalizePdf(await readInput(input, lang)) : opened.pdf
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
      const validationData = refusingRevoked(own, await revocationSource(values.crl, signingTime, lang), lang)
      let signature: Uint8Array
      try {
        signature = await signDelta(pdf, options)
      } catch (error) {
        // A broken cross-reference is mended only in memory; nothing was signed yet.
        const isMendable = error instanceof PdfRefusal && error.code === 'damaged'
        if (!isMendable || pdf instanceof Uint8Array) throw error
        pdf = await readInput(input, lang)
        signature = await signDelta(pdf, options)
      }
      const parts = [signature]
      if (level === 'B-LT' || level === 'B-LTA') {
        const lasting = { level, validationData, certificates, ...stamping }
        parts.push(await extendDelta(withAppended(pdf, signature), lasting))
      }
      const delta = Buffer.concat(parts)
      if (values.normalize) await writeOutput(output, Buffer.concat([pdf as Uint8Array, delta]), lang)
      else await writeAppended(opened, input, output, delta, lang)
    } finally {
      opened.close()
    }
  } finally {
    close()
  }
  return origin
}

/** A signature with such a certificate could never be valid. @throws Unreadable */
function refuseOutsideValidity({ notBefore, notAfter }: Certificate, now: Date, lang: Lang): void {
  const zh = lang === 'zh'
  if (notAfter < now)
    throw new Unreadable(
      'certificate_expired',
      zh
        ? `✗ 证书已于 ${notAfter.toISOString()} 过期`
        : `✗ the certificate expired on ${notAfter.toISOString()}`,
    )
  if (notBefore > now)
    throw new Unreadable(
      'certificate_not_yet_valid',
      zh
        ? `✗ 证书自 ${notBefore.toISOString()} 起才有效`
        : `✗ the certificate is not valid before ${notBefore.toISOString()}`,
    )
}

function say(output: string, level: Level, origin: Identity['origin'], lang: Lang): void {
  const zh = lang === 'zh'
  process.stdout.write(
    zh ? `✓ 已签署（PAdES ${level}）：${output}\n` : `✓ signed (PAdES ${level}): ${output}\n`,
  )
  if (!origin.simulator) return
  const what = origin.kind === 'csc' ? String(origin.service) : 'SoftHSM'
  process.stderr.write(
    zh
      ? `⚠ 密钥由模拟器（${what}）保管，此签名仅供测试\n`
      : `⚠ a simulator (${what}) holds the key: this signature is for testing only\n`,
  )
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
      : drawImage(await readInput(image, lang), Math.max(width, 1))
  return { page, rect, appearance: fitted(content, width, height) }
}

/** PNG by its signature; what starts like markup is SVG, and becomes vectors. */
function drawImage(bytes: Uint8Array, widthPt: number): Content {
  const start = bytes.findIndex((byte) => byte > 0x20 && byte !== 0xef && byte !== 0xbb && byte !== 0xbf)
  return bytes[start] === 0x3c ? drawSvg(bytes, widthPt) : drawPng(bytes, widthPt)
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
