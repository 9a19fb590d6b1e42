/**
 * EU DSS as an outside judge: a small Java program, built once by Maven into `.cache`, called per batch of files.
 * DSS is LGPL and runs as a program of its own; nothing of it is shipped.
 *
 *   node testing/judges/dss.ts --build
 *   node testing/judges/dss.ts [--trust ANCHORS.pem] [--crl LIST.der] [--at TIME] FILE.pdf…
 */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { delimiter, join } from 'node:path'

export interface DssRevision {
  fields: string[]
  byteRange: number[]
  byteRangeValid: boolean
  /** False where the signature dictionary of the last revision is not the one that was signed. */
  dictionaryConsistent: boolean
  modified: boolean
  /** Changed objects as paths from the catalogue, sorted by what DSS takes them for. */
  extension: string[]
  signatureOrForm: string[]
  annotation: string[]
  undefined: string[]
  annotationOverlapPages: number[]
  visualDifferencePages: number[]
  pageDifferencePages: number[]
}

export interface DssTimestamp {
  type: string
  time: string
  intact: boolean
  indication: string
  subIndication: string | null
  revision: DssRevision | null
}

export interface DssSignature {
  signedBy: string
  /** Such as `PAdES-BASELINE-T` or `PDF-NOT-ETSI`. */
  level: string
  /** `TOTAL_PASSED`, `INDETERMINATE` or `TOTAL_FAILED` (EN 319 102-1). */
  indication: string
  subIndication: string | null
  /** The digests of everything that is signed match. */
  dataIntact: boolean
  signatureIntact: boolean
  errors: string[]
  revision: DssRevision
  timestamps: DssTimestamp[]
}

export interface DssVerdict {
  file: string
  /** Why DSS could say nothing at all. */
  error?: string
  signatures: DssSignature[]
  documentTimestamps: DssTimestamp[]
}

export interface DssOptions {
  /** Files with trust anchors in PEM. */
  trust?: readonly string[]
  /** Revocation lists in DER that the files do not carry themselves. */
  crls?: readonly string[]
  /** Validation time; now by default. */
  at?: Date
}

const source = join(import.meta.dirname, 'dss')
const cache = join(import.meta.dirname, '../../.cache/judges')
const BUILD_LIMIT_MS = 540_000
const RUN_LIMIT_MS = 500_000

/** Whether DSS can be asked. Says so loudly where Java or Maven is missing, and fails there if CI=true. */
export function hasDss(context: { skip(note?: string): void }): boolean {
  // Maven is needed only until the program is built.
  const tools = existsSync(builtFolder()) ? ['java'] : ['java', 'mvn']
  const missing = tools.filter((tool) => spawnSync(tool, ['-version']).error)
  if (missing.length === 0) return true
  if (process.env.CI === 'true') throw new Error(`the judge DSS needs ${missing.join(' and ')}`)
  console.warn(`SKIPPED: the judge DSS needs ${missing.join(' and ')}`)
  context.skip(`missing: ${missing.join(', ')}`)
  return false
}

/** Lets DSS validate files with the policy it ships, without the network. Verdicts come in the order of the files. */
export function judgeWithDss(files: readonly string[], options: DssOptions = {}): DssVerdict[] {
  const args = [
    ...(options.trust ?? []).flatMap((path) => ['--trust', path]),
    ...(options.crls ?? []).flatMap((path) => ['--crl', path]),
    ...(options.at ? ['--at', options.at.toISOString()] : []),
    ...files,
  ]
  const lines = callJudge(args).trim().split('\n')
  if (lines.length !== files.length)
    throw new Error(`DSS answered for ${lines.length} of ${files.length} files`)
  return lines.map((line) => ({ signatures: [], documentTimestamps: [], ...JSON.parse(line) }))
}

function callJudge(args: readonly string[]): string {
  const folder = buildDss()
  const classpath = [join(folder, 'classes'), join(folder, 'lib', '*')].join(delimiter)
  const machine = [
    '-XX:+UseSerialGC',
    '-XX:TieredStopAtLevel=1',
    '-Djava.awt.headless=true',
    '-Dfile.encoding=UTF-8',
  ]
  const result = spawnSync('java', [...machine, '-cp', classpath, 'cn.yinxin.judges.DssJudge', ...args], {
    encoding: 'utf8',
    maxBuffer: 256 * 1024 * 1024,
    timeout: RUN_LIMIT_MS,
  })
  if (result.error) throw result.error
  if (result.status !== 0) throw new Error(`DSS ended with ${result.status}: ${result.stderr}`)
  return result.stdout
}

/** Where the program stands once built: another source or version is another folder. */
function builtFolder(): string {
  const hash = createHash('sha256')
  for (const entry of readdirSync(source, { recursive: true, withFileTypes: true })
    .filter((one) => one.isFile() && /\.(java|xml)$/.test(one.name))
    .map((one) => join(one.parentPath, one.name))
    .sort()) {
    hash.update(readFileSync(entry)).update('\0')
  }
  return join(cache, `dss-${hash.digest('hex').slice(0, 16)}`)
}

/** Builds the program unless it is there. Two builders at once do not disturb each other: the first to finish stays. */
export function buildDss(): string {
  const folder = builtFolder()
  if (existsSync(folder)) return folder
  mkdirSync(cache, { recursive: true })
  const work = mkdtempSync(join(cache, 'dss-build-'))
  try {
    const args = [
      '-q',
      '-B',
      '-f',
      join(source, 'pom.xml'),
      `-Djudge.output=${join(work, 'out')}`,
      'process-classes',
    ]
    const result = spawnSync('mvn', args, { encoding: 'utf8', timeout: BUILD_LIMIT_MS })
    if (result.error) throw result.error
    if (result.status !== 0)
      throw new Error(`Maven could not build the judge DSS:\n${result.stdout}${result.stderr}`)
    try {
      renameSync(join(work, 'out'), folder)
    } catch (fault) {
      if (!existsSync(folder)) throw fault
    }
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
  return folder
}

if (import.meta.main) {
  const args = process.argv.slice(2)
  if (args[0] === '--build') console.log(buildDss())
  else process.stdout.write(callJudge(args))
}
