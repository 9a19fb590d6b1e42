/** How the writing subcommands of `yinxin pades` end. */
import { writeFile } from 'node:fs/promises'
import { PdfRefusal } from '@yinxin/pades'
import { PkiError } from '@yinxin/pki'
import { SignerError } from '@yinxin/signers'
import { EXIT, type Lang, printJson, Unreadable } from './command.ts'
import { reason } from './reading.ts'
import { refusalOf } from './verify.ts'

export async function writeOutput(path: string, bytes: Uint8Array, lang: Lang): Promise<void> {
  try {
    await writeFile(path, bytes)
  } catch (error) {
    const why = reason(error, lang)
    throw new Unreadable(
      'output_unwritable',
      lang === 'zh' ? `✗ 无法写入 ${path}：${why}` : `✗ cannot write ${path}: ${why}`,
    )
  }
}

/** A refusal of the engine or of a signer as the command's own; anything else stays what it is. */
export function asUnreadable(error: unknown, lang: Lang): unknown {
  if (error instanceof PdfRefusal) return new Unreadable(error.code, `✗ ${error[lang]}`)
  if (error instanceof SignerError) return new Unreadable(error.code, `✗ ${error[lang]}`)
  if (error instanceof PkiError) return new Unreadable(error.code, `✗ ${error.message}`)
  return error
}

/** The one JSON object that a refusal is, where JSON was asked for; anything else goes on its way. */
export function refusedAsJson(error: unknown, json: boolean | undefined, lang: Lang): number {
  const named = asUnreadable(error, lang)
  const refusal = refusalOf(named, lang)
  if (json !== true || refusal === undefined) throw named
  printJson({ ok: false, error: { ...refusal, message: refusal.message.replace(/^✗ /, '') } })
  return EXIT.unreadable
}
