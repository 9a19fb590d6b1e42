/** Reads the files that commands are given. */
import { readFile } from 'node:fs/promises'
import { parseCertificate, parsePem } from '@yinxin/pki'
import { type Lang, Unreadable, UsageError } from './command.ts'

/** The file under test. @throws Unreadable, so that the exit code is 2 */
export async function readInput(path: string, lang: Lang): Promise<Uint8Array> {
  try {
    return await readFile(path)
  } catch (error) {
    throw new Unreadable(
      'file_unreadable',
      `${lang === 'zh' ? '无法读取' : 'cannot read'} ${path}: ${reason(error, lang)}`,
    )
  }
}

/** DER of the certificates in several files, each PEM (one or more) or DER; undefined when no file was named. */
export async function readAnchors(
  paths: readonly string[] | undefined,
  lang: Lang,
): Promise<Uint8Array[] | undefined> {
  if (paths === undefined || paths.length === 0) return undefined
  const all: Uint8Array[] = []
  for (const path of paths) all.push(...(await readCertificates(path, '--trust', lang)))
  return all
}

/** The certificates of one file that an option names. @throws UsageError */
export async function readCertificates(path: string, option: string, lang: Lang): Promise<Uint8Array[]> {
  try {
    const bytes = await readFile(path)
    const isDer = bytes[0] === 0x30
    const found = isDer ? [new Uint8Array(bytes)] : parsePem(bytes.toString('utf8'), 'CERTIFICATE')
    found.forEach(parseCertificate)
    return found
  } catch (error) {
    throw new UsageError(
      lang === 'zh'
        ? `${option} ${path} 不是可用的证书：${reason(error, lang)}`
        : `${option} ${path} is no usable certificate: ${reason(error, lang)}`,
    )
  }
}

/** What went wrong with a file, in a person's words where there are any. */
export function reason(error: unknown, lang: Lang): string {
  if (!(error instanceof Error)) return String(error)
  const { code } = error as NodeJS.ErrnoException
  if (code === 'ENOENT') return lang === 'zh' ? '文件不存在' : 'there is no such file'
  if (code === 'EISDIR') return lang === 'zh' ? '这是一个目录' : 'it is a folder'
  return error.message
}

/** The text of files that options name. @throws UsageError */
export async function readTexts(
  paths: readonly string[] | undefined,
  lang: Lang,
): Promise<string[] | undefined> {
  if (paths === undefined) return undefined
  return await Promise.all(
    paths.map((path) =>
      readFile(path, 'utf8').catch((error: unknown) => {
        throw new UsageError(`${path}: ${reason(error, lang)}`)
      }),
    ),
  )
}
