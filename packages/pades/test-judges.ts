// Outside validators, for tests: pdfsig, mutool, qpdf, openssl, pyHanko.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface JudgeContext {
  skip(note?: string): void
}

const known = new Map<string, boolean>()

/** False, loudly, when a judge is missing; with CI=true a missing judge is a failure. */
export function hasJudge(
  context: JudgeContext,
  name: string,
  probe: readonly string[] = ['--version'],
): boolean {
  let present = known.get(name)
  if (present === undefined) {
    present = spawnSync(name, probe).error === undefined
    known.set(name, present)
  }
  if (present) return true
  if (process.env.CI === 'true') throw new Error(`judge ${name} is missing`)
  console.warn(`SKIPPED: ${name} is not installed`)
  context.skip(`${name} is not installed`)
  return false
}

/** Runs `use` with the bytes in a file of their own. */
export function withFile<T>(bytes: Uint8Array, use: (path: string, folder: string) => T): T {
  const folder = mkdtempSync(join(tmpdir(), 'yinxin-pades-'))
  try {
    const path = join(folder, 'file.pdf')
    writeFileSync(path, bytes)
    return use(path, folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

export function run(command: string, args: readonly string[]): { status: number | null; text: string } {
  const result = spawnSync(command, args, { encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 })
  return { status: result.status, text: `${result.stdout}\n${result.stderr}` }
}

export function countOf(text: string, word: string): number {
  return text.split(word).length - 1
}
