/** pyHanko as an outside judge, through its Python interface: one batch of files per call. */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'

interface Changes {
  /** How much of the file the signature covers, in pyHanko's words: `ENTIRE_FILE`, `ENTIRE_REVISION`… */
  coverage: string | null
  /** How far later revisions went: `NONE`, `LTA_UPDATES`, `FORM_FILLING`, `OTHER`; null where the digest fails. */
  changes: string | null
  /** What pyHanko found suspicious in a later revision. */
  suspicious: string | null
}

export interface PyhankoSignature extends Partial<Changes> {
  field: string
  /** Why pyHanko gave no verdict; then nothing else is there. */
  error?: string
  intact?: boolean
  valid?: boolean
  trusted?: boolean
  /** Intact, valid, trusted, and nothing forbidden came after it. */
  good?: boolean
  docmdpOk?: boolean
  timestamped?: boolean
  timestampTrusted?: boolean
}

export interface PyhankoTimestamp extends Partial<Changes> {
  field: string
  error?: string
  intact?: boolean
  valid?: boolean
  trusted?: boolean
  time?: string
}

export interface PyhankoVerdict {
  file: string
  error?: string
  signatures: PyhankoSignature[]
  documentTimestamps: PyhankoTimestamp[]
}

export interface PyhankoOptions {
  /** Files with trust anchors in PEM. */
  trust?: readonly string[]
  crls?: readonly string[]
  at?: Date
}

const script = join(import.meta.dirname, 'pyhanko_judge.py')
const RUN_LIMIT_MS = 300_000

/** Whether pyHanko can be asked. Says so loudly where it is missing, and fails there if CI=true. */
export function hasPyhanko(context: { skip(note?: string): void }): boolean {
  const { status, error } = spawnSync('python3', ['-c', 'import pyhanko, pyhanko_certvalidator'])
  if (!error && status === 0) return true
  if (process.env.CI === 'true') throw new Error('the judge pyHanko is missing')
  console.warn('SKIPPED: the judge pyHanko is missing')
  context.skip('missing: pyHanko')
  return false
}

/** Lets pyHanko validate files. Verdicts come in the order of the files. */
export function judgeWithPyhanko(files: readonly string[], options: PyhankoOptions = {}): PyhankoVerdict[] {
  const args = [
    ...(options.trust ?? []).flatMap((path) => ['--trust', path]),
    ...(options.crls ?? []).flatMap((path) => ['--crl', path]),
    ...(options.at ? ['--at', options.at.toISOString().replace('Z', '+00:00')] : []),
    ...files,
  ]
  const result = spawnSync('python3', [script, ...args], {
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
    timeout: RUN_LIMIT_MS,
    env: { ...process.env, PYTHONIOENCODING: 'utf-8' },
  })
  if (result.error) throw result.error
  if (result.status !== 0) throw new Error(`pyHanko ended with ${result.status}: ${result.stderr}`)
  const lines = result.stdout.trim().split('\n')
  if (lines.length !== files.length)
    throw new Error(`pyHanko answered for ${lines.length} of ${files.length} files`)
  return lines.map((line): PyhankoVerdict => JSON.parse(line))
}
