/**
 * What was counted, on disk before the database has it: one line a minute, synced. A process that is killed loses at
 * most the minute it was in; what it had written is taken over by the next one that starts.
 */
import { createHash } from 'node:crypto'
import { mkdir, open, readdir, readFile, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { CountDelta } from './meter.ts'

export interface FlushRecord {
  sourceId: string
  seq: number
  /** The process lived through these minutes; half open. */
  fromMinute: number
  toMinute: number
  counts: CountDelta[]
}

/** A journal nobody has written to for so long has lost its process. */
const abandonedMs = 10 * 60_000

export type Journal = Awaited<ReturnType<typeof openJournal>>

/** Opens a new journal; the name of the source must be new. */
export async function openJournal(folder: string, sourceId: string) {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const path = join(folder, `${sourceId}.log`)
  const handle = await open(path, 'wx', 0o600)
  await syncFolder(folder)
  let sizeBytes = 0
  return {
    /** Resolves when the line is on disk. */
    async append(record: FlushRecord): Promise<void> {
      const text = JSON.stringify(record)
      const line = Buffer.from(`${digest(text)} ${text}\n`, 'utf8')
      // At a place of its own: a line half written by a full disk is written over by the next.
      await handle.write(line, 0, line.length, sizeBytes)
      await handle.datasync()
      sizeBytes += line.length
    },
    /** The database has everything. */
    async clear(): Promise<void> {
      await handle.truncate(0)
      sizeBytes = 0
    },
    /** With `remove` nothing is left to take over. */
    async close(remove: boolean): Promise<void> {
      await handle.close()
      if (remove) await rm(path, { force: true })
    },
  }
}

/** What other processes wrote and the database may lack; a line torn by the end of its process is left out. */
export async function readJournals(
  folder: string,
  nowMs: number,
  ownSourceId: string,
): Promise<{ path: string; records: FlushRecord[]; abandoned: boolean }[]> {
  const names = await readdir(folder).catch(() => [])
  const found = []
  for (const name of names) {
    if (!name.endsWith('.log') || name === `${ownSourceId}.log`) continue
    const path = join(folder, name)
    // A process that ended cleanly meanwhile has removed its own.
    const [text, info] = await Promise.all([readFile(path, 'utf8'), stat(path)]).catch(() => [null, null])
    if (text === null || info === null) continue
    const records = text.split('\n').flatMap((line) => readLine(line) ?? [])
    found.push({ path, records, abandoned: nowMs - info.mtimeMs > abandonedMs })
  }
  return found
}

export async function removeJournal(path: string): Promise<void> {
  await rm(path, { force: true })
}

function readLine(line: string): FlushRecord | undefined {
  const [sum, text] = [line.slice(0, 16), line.slice(17)]
  if (text === '' || digest(text) !== sum) return undefined
  return JSON.parse(text) as FlushRecord
}

function digest(text: string): string {
  return createHash('sha256').update(text, 'utf8').digest('hex').slice(0, 16)
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
