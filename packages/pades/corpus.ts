/**
 * Signs every file of a corpus twice, or verifies it, each in a worker with a time limit, and prints a summary. Exits
 * with 1 when a bar is missed.
 *
 *   node packages/pades/corpus.ts plain|signed [--dir DIR] [--every N] [--judge] [--json]
 *
 * With `--judge`, pdfsig has to find both signatures valid and qpdf must not think worse of the file than before.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import type { CorpusAnswer } from './corpus-worker.ts'

/** Of computing for one file. */
const LIMIT_MS = 2000
/** Of waiting for one file, on a machine that does other things as well. */
const PATIENCE_MS = 20_000
/** Of the unencrypted files that qpdf opens. */
const SHARE_BAR = 0.98

/** Files of `corpus/signed` that were attacked or whose signature is broken: they must not be called good. */
export const ATTACKED = [
  'hide.pdf',
  'replace.pdf',
  'pdf-spoofing-attack.pdf',
  'pdf-byterange-overlap.pdf',
  'pdf-signed-out-of-byteRange.pdf',
  'pades-signed-annot-added.pdf',
  'pades-enveloping-empty-bytes-cms.pdf',
]
/** A timestamp taken from another signature: the signatures stand, and the time must not be believed. */
export const BORROWED_TIME = ['pades-two-sig-copied-tst.pdf']
/** Untouched originals of `corpus/signed`: a fault found in one is a false alarm. */
export const UNTOUCHED = [
  'pdf-signed-original.pdf',
  'certified-changes-permitted.pdf',
  'pades-ltv.pdf',
  'Signature-P-HU_POL-7.pdf',
  'pades-ocsp-sign-cert.pdf',
  'pkcs7.pdf',
  'pdf-with-eof-cr.pdf',
  'PAdESWithCrossCertificateOCSP.pdf',
]

export interface CorpusRow {
  readonly file: string
  /** `signed`, `verified`, a refusal code, `timeout`, or `failed: …`. */
  readonly outcome: string
  /** Of computing. */
  readonly ms: number
  readonly detail: string
  readonly judge?: string
}

export function corpusFolder(): string {
  return process.env.YINXIN_CORPUS ?? join(dirname(fileURLToPath(import.meta.url)), '../../../shared/corpus')
}

export function pdfFiles(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.toLowerCase().endsWith('.pdf'))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
}

/** Runs all files through one worker; a file that exceeds the limit costs the worker its life, not the run. */
export async function runCorpus(
  files: readonly string[],
  task: 'sign' | 'verify',
  judge: boolean,
): Promise<CorpusRow[]> {
  const folder = mkdtempSync(join(tmpdir(), 'yinxin-corpus-'))
  const rows: CorpusRow[] = []
  let worker = startWorker()
  // The first task pays for loading and compiling; it is not the first file's time.
  await worker.ask({ task: 'warm', file: '' })
  try {
    for (const file of files) {
      const answer = await worker.ask({ task, file })
      if (answer === undefined) {
        worker.stop()
        worker = startWorker()
        await worker.ask({ task: 'warm', file: '' })
        rows.push({ file, outcome: 'timeout', ms: PATIENCE_MS, detail: '' })
        continue
      }
      const { outcome, ms, detail, output } = answer
      const verdict = judge && output ? judgeFile(file, output, folder) : undefined
      rows.push({ file, outcome, ms, detail, ...(verdict === undefined ? {} : { judge: verdict }) })
    }
  } finally {
    worker.stop()
    rmSync(folder, { recursive: true, force: true })
  }
  return rows
}

function startWorker() {
  const worker = new Worker(new URL('./corpus-worker.ts', import.meta.url))
  return {
    ask: (question: { task: string; file: string }) =>
      new Promise<CorpusAnswer | undefined>((resolve, reject) => {
        const limit = question.task === 'warm' ? 30_000 : PATIENCE_MS
        const timer = setTimeout(() => finish(undefined), limit)
        const finish = (answer: CorpusAnswer | undefined) => {
          clearTimeout(timer)
          worker.off('message', finish)
          worker.off('error', reject)
          resolve(answer)
        }
        worker.on('message', finish)
        worker.on('error', reject)
        worker.postMessage(question)
      }),
    stop: () => void worker.terminate(),
  }
}

/** qpdf exits with 0 for good, 3 for warnings, 2 for errors. */
function badness(status: number | null): number {
  return status === 0 ? 0 : status === 3 ? 1 : 2
}

/** pdfsig must find both signatures valid; qpdf must not think worse of the file than before. */
function judgeFile(original: string, signed: Uint8Array, folder: string): string {
  const path = join(folder, 'signed.pdf')
  writeFileSync(path, signed)
  const valid = (file: string) =>
    (spawnSync('pdfsig', [file], { encoding: 'utf8' }).stdout.match(/Signature is Valid/g) ?? []).length
  const before = spawnSync('qpdf', ['--check', original], { encoding: 'utf8' })
  const after = spawnSync('qpdf', ['--check', path], { encoding: 'utf8' })
  const words: string[] = []
  const found = valid(path) - valid(original)
  if (found !== 2) words.push(`pdfsig finds ${found} of 2`)
  if (badness(after.status) > badness(before.status)) words.push(`qpdf ${before.status} → ${after.status}`)
  return words.length === 0 ? 'good' : words.join(', ')
}

/** Which of these files qpdf can open without a password. */
function qpdfOpens(file: string): boolean {
  const status = spawnSync('qpdf', ['--show-npages', file], { encoding: 'utf8' }).status
  return status === 0 || status === 3
}

interface Bar {
  readonly name: string
  readonly value: string
  readonly reached: boolean
}

/** What the issue asks of a run, and whether it was reached. */
function barsOf(rows: readonly CorpusRow[], task: 'sign' | 'verify', judged: boolean): Bar[] {
  const failed = rows.filter(({ outcome }) => outcome === 'timeout' || outcome.startsWith('failed'))
  const slowest = rows.reduce((worst, row) => (row.ms > worst.ms ? row : worst))
  const bars: Bar[] = [
    { name: 'no crash, no hang', value: String(failed.length), reached: failed.length === 0 },
    {
      name: `slowest file, at most ${LIMIT_MS} ms of computing`,
      value: `${slowest.ms.toFixed(0)} ms (${basename(slowest.file)})`,
      reached: slowest.ms <= LIMIT_MS,
    },
  ]
  if (task === 'verify') {
    const verdicts = new Map(rows.map(({ file, detail }) => [basename(file), detail.startsWith('true')]))
    const details = new Map(rows.map(({ file, detail }) => [basename(file), detail]))
    const believed = BORROWED_TIME.filter(
      (name) => details.get(name)?.includes('timestamp_invalid') === false,
    )
    const missed = [...ATTACKED.filter((name) => verdicts.get(name) === true), ...believed]
    const attacks = ATTACKED.length + BORROWED_TIME.length
    const alarms = UNTOUCHED.filter((name) => verdicts.get(name) === false)
    const named = (names: readonly string[]) => [names.length, ...names].join(' ')
    return [
      ...bars,
      {
        name: `attacks not flagged, of ${attacks}`,
        value: named(missed),
        reached: missed.length === 0,
      },
      {
        name: `false alarms, of ${UNTOUCHED.length} originals`,
        value: named(alarms),
        reached: alarms.length === 0,
      },
    ]
  }
  const unencrypted = rows.filter(({ outcome }) => outcome !== 'encrypted')
  const openable = judged ? unencrypted.filter(({ file }) => qpdfOpens(file)) : unencrypted
  const signed = openable.filter(({ outcome }) => outcome === 'signed').length
  const share = signed / openable.length
  bars.push({
    name: `signed, of the unencrypted files${judged ? ' that qpdf opens' : ''}, at least ${SHARE_BAR * 100} %`,
    value: `${signed} of ${openable.length} = ${(share * 100).toFixed(1)} %`,
    reached: share >= SHARE_BAR,
  })
  if (!judged) return bars
  const bad = rows.filter(({ judge = 'good' }) => judge !== 'good')
  const good = rows.filter(({ judge }) => judge === 'good').length
  return [
    ...bars,
    {
      name: 'pdfsig finds both signatures valid, qpdf --check is no worse than before',
      value: `${good} of ${good + bad.length}`,
      reached: bad.length === 0,
    },
  ]
}

async function main(args: readonly string[]): Promise<void> {
  const task = args[0] === 'signed' || args[0] === 'verify' ? 'verify' : 'sign'
  const option = (name: string) => {
    const at = args.indexOf(name)
    return at === -1 ? undefined : args[at + 1]
  }
  const folder = option('--dir') ?? join(corpusFolder(), task === 'sign' ? 'plain' : 'signed')
  const every = Number(option('--every') ?? 1)
  const judged = args.includes('--judge') && task === 'sign'
  const files = pdfFiles(folder).filter((_, i) => i % every === 0)
  const rows = await runCorpus(files, task, judged)
  const counts: Record<string, number> = {}
  for (const { outcome } of rows) {
    const name = outcome.startsWith('failed') ? 'failed' : outcome
    counts[name] = (counts[name] ?? 0) + 1
  }
  const bars = barsOf(rows, task, judged)
  if (bars.some(({ reached }) => !reached)) process.exitCode = 1
  if (args.includes('--json')) {
    console.log(JSON.stringify({ files: rows.length, counts, bars, rows }))
    return
  }
  for (const { file, outcome, detail, judge = 'good' } of rows) {
    const usual = ['signed', 'verified', 'encrypted'].includes(outcome) && judge === 'good'
    if (!usual)
      console.log(`${basename(file)}: ${outcome} ${detail} ${judge === 'good' ? '' : judge}`.trimEnd())
  }
  console.log(`\n${rows.length} files`)
  for (const [name, count] of Object.entries(counts).sort((a, b) => b[1] - a[1]))
    console.log(`${String(count).padStart(6)}  ${name === 'signed' ? 'signed twice' : name}`)
  console.log('')
  for (const { name, value, reached } of bars)
    console.log(`${reached ? 'reached' : 'MISSED '}  ${name}: ${value}`)
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main(process.argv.slice(2))
