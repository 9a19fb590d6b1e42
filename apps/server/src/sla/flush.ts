/** Brings the counters home at the end of every minute: to the journal on disk, then to the database. */
import type { Clock } from '#src/clock.ts'
import { newId } from '#src/ids.ts'
import type { Log } from '#src/log.ts'
import { type FlushRecord, type Journal, openJournal, readJournals, removeJournal } from './journal.ts'
import type { Meter } from './meter.ts'
import type { SlaStore } from './store.ts'

/** After the minute has ended, so that its last requests are in it. */
const afterMinuteMs = 200
/** Journals of ended processes are looked for at the start and again every so many minutes. */
const takeOverEvery = 5

export interface FlushDeps {
  meter: Meter
  /** Counts requests that hang beyond their limit, before the counters are taken. */
  sweep(): void
  store: Pick<SlaStore, 'insertFlushes'>
  clock: Clock
  log: Log
  folder: string
}

export type Flush = ReturnType<typeof createFlush>

export function createFlush({ meter, sweep, store, clock, log, folder }: FlushDeps) {
  const sourceId = newId()
  let journal: Journal | undefined
  let seq = 0
  let nextMinute = meter.minute()
  /** On disk, not yet in the database. */
  let pending: FlushRecord[] = []
  let timer: NodeJS.Timeout | undefined
  let stopped = false
  let running: Promise<void> = Promise.resolve()

  async function bringHome(): Promise<void> {
    sweep()
    const counts = meter.take()
    const toMinute = meter.minute() + 1
    const fromMinute = Math.min(nextMinute, toMinute - 1)
    const record = { sourceId, seq: seq + 1, fromMinute, toMinute, counts }
    try {
      journal ??= await openJournal(folder, sourceId)
      await journal.append(record)
    } catch (error) {
      // The database alone must do; without it too the counts wait in memory.
      log.error({ err: error }, 'the journal of the meter cannot be written')
    }
    seq += 1
    nextMinute = toMinute - 1
    pending.push(record)
    await deliver()
  }

  async function deliver(): Promise<void> {
    try {
      const sending = pending
      await store.insertFlushes(sending)
      pending = pending.slice(sending.length)
      await journal?.clear()
    } catch (error) {
      log.warn({ err: error, waiting: pending.length }, 'the meter could not reach the database')
    }
  }

  /** What killed processes left. A live one's is only read: taking it twice changes nothing. */
  async function takeOver(): Promise<number> {
    let taken = 0
    for (const { path, records, abandoned } of await readJournals(folder, clock.now().getTime(), sourceId)) {
      try {
        if (records.length > 0) taken += await store.insertFlushes(records)
        if (abandoned) await removeJournal(path)
      } catch (error) {
        log.warn({ err: error }, 'the journal of an ended process could not be taken over')
      }
    }
    if (taken > 0) log.info({ flushes: taken }, 'counts of an ended process were taken over')
    return taken
  }

  function schedule(): void {
    if (stopped) return
    const waitMs = 60_000 - (clock.now().getTime() % 60_000) + afterMinuteMs
    timer = setTimeout(() => {
      void flush()
        .then(() => (seq % takeOverEvery === 0 ? takeOver() : 0))
        .finally(schedule)
    }, waitMs)
    timer.unref()
  }

  /** One at a time. */
  function flush(): Promise<void> {
    running = running.then(bringHome).catch((error: unknown) => log.error({ err: error }, 'the meter failed'))
    return running
  }

  return {
    sourceId,
    flush,
    takeOver,
    /** Flushes at the end of every minute from now on. */
    async start(): Promise<void> {
      nextMinute = meter.minute()
      await takeOver()
      schedule()
    },
    /** Brings home what is left. */
    async stop(): Promise<void> {
      stopped = true
      clearTimeout(timer)
      await flush()
      await journal?.close(pending.length === 0)
    },
  }
}
