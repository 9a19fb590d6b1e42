/** Files that are too large to hold are read by ranges, and written by copying them and appending. */
import { createHash } from 'node:crypto'
import { closeSync, constants, fstatSync, openSync, readSync, statSync } from 'node:fs'
import { appendFile, copyFile, rm, truncate, writeFile } from 'node:fs/promises'
import type { PdfSource } from '@yinxin/pades'
import { type Lang, Unreadable } from './command.ts'
import { readInput, reason } from './reading.ts'

/** Below this a file is held in memory, where even a broken cross-reference can be mended. */
const HELD_BYTES = 64 * 1024 * 1024
const PIECE = 1 << 20

export interface OpenedInput {
  pdf: Uint8Array | PdfSource
  sha256(): string
  close(): void
}

/** @throws Unreadable, so that the exit code is 2 */
export async function openInput(path: string, lang: Lang): Promise<OpenedInput> {
  let handle: number
  try {
    handle = openSync(path, 'r')
  } catch (error) {
    throw unreadable(path, error, lang)
  }
  const facts = fstatSync(handle)
  if (!facts.isFile() || facts.size < HELD_BYTES) {
    closeSync(handle)
    const pdf = await readInput(path, lang)
    return { pdf, sha256: () => createHash('sha256').update(pdf).digest('hex'), close: () => undefined }
  }
  const room = new Uint8Array(PIECE)
  const source: PdfSource = {
    length: facts.size,
    read: (offset, length) => room.subarray(0, readSync(handle, room, 0, length, offset)),
  }
  return {
    pdf: source,
    sha256: () => {
      const hash = createHash('sha256')
      for (let at = 0; at < source.length; at += PIECE)
        hash.update(source.read(at, Math.min(PIECE, source.length - at)))
      return hash.digest('hex')
    },
    close: () => closeSync(handle),
  }
}

/** What was opened, with something appended that is held in memory. */
export function withAppended(pdf: Uint8Array | PdfSource, delta: Uint8Array): Uint8Array | PdfSource {
  if (pdf instanceof Uint8Array) return Buffer.concat([pdf, delta])
  const { length } = pdf
  return {
    length: length + delta.length,
    read: (offset, count) => {
      const end = Math.min(offset + count, length + delta.length)
      if (end <= length) return pdf.read(offset, end - offset)
      const tail = delta.subarray(Math.max(0, offset - length), end - length)
      return offset >= length ? tail : Buffer.concat([pdf.read(offset, length - offset), tail])
    },
  }
}

/**
 * Writes what was opened with something appended. A file cut off by a full disk does not stay; where input and
 * output are the same file, it is appended to, and is as it was if that fails.
 */
export async function writeAppended(
  { pdf }: OpenedInput,
  input: string,
  output: string,
  delta: Uint8Array,
  lang: Lang,
): Promise<void> {
  try {
    if (isSameFile(input, output)) {
      await appendOrRestore(output, delta, () => truncate(output, pdf.length))
      return
    }
    if (pdf instanceof Uint8Array) {
      await writeFile(output, Buffer.concat([pdf, delta]))
      return
    }
    await copyFile(input, output, constants.COPYFILE_FICLONE)
    await appendOrRestore(output, delta, () => rm(output, { force: true }))
  } catch (error) {
    const words = lang === 'zh' ? `✗ 无法写入 ${output}：` : `✗ cannot write ${output}: `
    throw new Unreadable('output_unwritable', `${words}${reason(error, lang)}`)
  }
}

async function appendOrRestore(path: string, delta: Uint8Array, restore: () => Promise<void>): Promise<void> {
  try {
    await appendFile(path, delta)
  } catch (error) {
    await restore()
    throw error
  }
}

function isSameFile(one: string, other: string): boolean {
  const [a, b] = [one, other].map((path) => statSync(path, { throwIfNoEntry: false }))
  return a !== undefined && b !== undefined && a.dev === b.dev && a.ino === b.ino
}

function unreadable(path: string, error: unknown, lang: Lang): Unreadable {
  const words = lang === 'zh' ? '无法读取' : 'cannot read'
  return new Unreadable('file_unreadable', `${words} ${path}: ${reason(error, lang)}`)
}
