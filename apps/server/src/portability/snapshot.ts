/** One moment of a tenant: every table as JSON lines, and the list of what is to be read afterwards. */
import type { ExportRole } from '@yinxin/evidence'
import { sql } from 'kysely'
import type { Db, Tx } from '#src/db/db.ts'
import type { Storage, StoredObject } from '#src/storage/storage.ts'
import { csvHeader, csvLine } from './contract-index.ts'
import { fileObjects, type SnapshotOf, sources } from './sources.ts'
import type { ContractDetail, Counts, FileDetail } from './tables.ts'

export interface SnapshotItem {
  kind: 'file' | 'contract'
  subjectId: string
  detail: FileDetail | ContractDetail
}

export interface SnapshotEntry {
  path: string
  role: ExportRole
  stored: StoredObject
}

export interface Snapshot {
  at: Date
  entries: SnapshotEntry[]
  items: SnapshotItem[]
  sealIds: string[]
  counts: Counts
  tenant: { id: string; kind: string; name: string; creditCode: string | null }
  /** What the contents take, for the size of parts. */
  estimatedBytes: number
}

/** A contract as its table tells of it, as far as it is needed here. */
export interface ExportedContract {
  id: string
  initiatorId: string
  initiatorName: string
  title: string
  status: string
  startedAt: string | null
  finishedAt: string | null
  createdAt: string
  events: number
  documents: {
    id: string
    name: string
    position: number
    revision: number
    sizeBytes: number
    sha256: string
  }[]
  actors: { name: string; role: string; status: string }[]
}

const ROWS_AT_A_TIME = 500
const CHUNK_BYTES = 256 * 1024

export interface SnapshotDeps {
  db: Db
  storage: Pick<Storage, 'put'>
  now: () => Date
}

/**
 * Reads everything in one transaction of the level `repeatable read`, so that all tables show the same moment. Tables
 * go to storage as they are read; nothing refers to them until the caller records them.
 */
export async function takeSnapshot(
  { db, storage, now }: SnapshotDeps,
  of: SnapshotOf & { exportId: string },
): Promise<Snapshot> {
  return await db.work(async (tx) => {
    await sql`set transaction isolation level repeatable read, read only`.execute(tx)
    // Before the first statement: whatever commits later is not in.
    const at = now()
    const snapshot: Snapshot = {
      at,
      entries: [],
      items: [],
      sealIds: [],
      counts: { files: 0, contracts: 0, documents: 0, events: 0, tables: {} },
      tenant: { id: of.tenantId, kind: 'corp', name: '', creditCode: null },
      estimatedBytes: 0,
    }
    const put = async (path: string, role: ExportRole, content: AsyncIterable<Uint8Array>) => {
      const stored = await storage.put({
        tenantId: of.tenantId,
        scopeId: of.exportId,
        class: 'draft',
        content,
      })
      snapshot.entries.push({ path, role, stored })
    }
    for (const { name, page } of sources)
      await put(`tables/${name}.jsonl`, 'table', table(tx, of, name, page, snapshot))
    for (const lang of ['zh', 'en'] as const) await put(`index.${lang}.csv`, 'index', index(tx, of, lang))
    return snapshot
  })
}

async function* table(
  tx: Tx,
  of: SnapshotOf,
  name: string,
  page: (typeof sources)[number]['page'],
  snapshot: Snapshot,
): AsyncGenerator<Uint8Array> {
  let count = 0
  for await (const rows of pages(tx, of, page)) {
    count += rows.length
    await gather(tx, name, rows, snapshot)
    yield Buffer.from(rows.map((row) => `${row.line}\n`).join(''), 'utf8')
  }
  snapshot.counts.tables[name] = count
}

async function* pages(tx: Tx, of: SnapshotOf, page: (typeof sources)[number]['page']) {
  let after = ''
  for (;;) {
    const rows = await page(tx, of, after, ROWS_AT_A_TIME)
    if (rows.length > 0) yield rows
    const last = rows.at(-1)
    if (last === undefined || rows.length < ROWS_AT_A_TIME) return
    after = last.key
  }
}

/** What must be read afterwards: files, and contracts that were started. */
async function gather(
  tx: Tx,
  name: string,
  rows: readonly { line: string }[],
  snapshot: Snapshot,
): Promise<void> {
  const { counts, items } = snapshot
  if (name === 'tenant') {
    const { id, kind, name: tenantName, creditCode } = JSON.parse(rows[0]?.line ?? '{}') as Snapshot['tenant']
    snapshot.tenant = { id, kind, name: tenantName ?? '', creditCode: creditCode ?? null }
  } else if (name === 'seals') {
    snapshot.sealIds.push(...rows.map((row) => (JSON.parse(row.line) as { id: string }).id))
  } else if (name === 'files') {
    const ids = rows.map((row) => (JSON.parse(row.line) as { id: string }).id)
    const objects = await fileObjects(tx, ids)
    for (const subjectId of ids) {
      const detail = objects.get(subjectId)
      if (detail === undefined) continue
      items.push({ kind: 'file', subjectId, detail })
      snapshot.estimatedBytes += detail.sizeBytes
      counts.files += 1
    }
  } else if (name === 'contracts') {
    for (const row of rows) {
      const { id, initiatorId, startedAt, events, documents } = JSON.parse(row.line) as ExportedContract
      counts.contracts += 1
      if (startedAt === null) continue
      const detail: ContractDetail = {
        ownerId: initiatorId,
        events,
        documents: documents.map(({ id: documentId, name: documentName, revision }) => ({
          id: documentId,
          name: documentName,
          revision,
        })),
      }
      items.push({ kind: 'contract', subjectId: id, detail })
      counts.documents += documents.length
      counts.events += events
      snapshot.estimatedBytes += documents.reduce((sum, one) => sum + one.sizeBytes, CHUNK_BYTES)
    }
  }
}

/** A table for a spreadsheet: what there is and where it lies. */
async function* index(tx: Tx, of: SnapshotOf, lang: 'zh' | 'en'): AsyncGenerator<Uint8Array> {
  yield Buffer.from(csvHeader(lang), 'utf8')
  const contracts = sources.find((one) => one.name === 'contracts')
  if (contracts === undefined) return
  for await (const rows of pages(tx, of, contracts.page)) {
    const lines = rows.map((row) => csvLine(lang, JSON.parse(row.line) as ExportedContract))
    yield Buffer.from(lines.join(''), 'utf8')
  }
}
