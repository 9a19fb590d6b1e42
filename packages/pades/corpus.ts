// Signs every file of a corpus twice, or verifies it, each in a worker with a time limit, and prints counts.
//   node packages/pades/corpus.ts [sign|verify] [--dir DIR] [--every N] [--judge] [--json]
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import type { CorpusAnswer } from './corpus-worker.ts'

const LIMIT_MS = 2000

export interface CorpusRow {
  readonly file: string
  /** `signed`, `verified`, a refusal code, `timeout`, or `failed: …`. */
  readonly outcome: string
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
        rows.push({ file, outcome: 'timeout', ms: LIMIT_MS, detail: '' })
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
        const limit = question.task === 'warm' ? 30_000 : LIMIT_MS
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

async function main(args: readonly string[]): Promise<void> {
  const task = args[0] === 'verify' ? 'verify' : 'sign'
  const option = (name: string) => {
    const at = args.indexOf(name)
    return at === -1 ? undefined : args[at + 1]
  }
  const folder = option('--dir') ?? join(corpusFolder(), task === 'sign' ? 'plain' : 'signed')
  const every = Number(option('--every') ?? 1)
  const files = pdfFiles(folder).filter((_, i) => i % every === 0)
  const rows = await runCorpus(files, task, args.includes('--judge'))
  const counts: Record<string, number> = {}
  const count = (key: string) => {
    counts[key] = (counts[key] ?? 0) + 1
  }
  for (const row of rows) {
    count(row.outcome.startsWith('failed') ? 'failed' : row.outcome)
    if (row.judge !== undefined) count(row.judge === 'good' ? 'judge.good' : 'judge.bad')
  }
  const unencrypted = rows.filter((row) => row.outcome !== 'encrypted')
  const openable = args.includes('--judge') ? unencrypted.filter((row) => qpdfOpens(row.file)) : unencrypted
  const done = openable.filter((row) => row.outcome === 'signed' || row.outcome === 'verified').length
  const summary = { files: rows.length, ...counts, openable: openable.length, share: done / openable.length }
  if (args.includes('--json')) {
    console.log(JSON.stringify({ summary, rows }))
    return
  }
  for (const row of rows) {
    const notable =
      !['signed', 'verified', 'encrypted'].includes(row.outcome) || (row.judge ?? 'good') !== 'good'
    if (notable) console.log(`${row.file}: ${row.outcome} ${row.detail} ${row.judge ?? ''}`)
  }
  console.log(`slowest ${Math.max(...rows.map((row) => row.ms)).toFixed(0)} ms`)
  console.log(JSON.stringify(summary))
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main(process.argv.slice(2))
