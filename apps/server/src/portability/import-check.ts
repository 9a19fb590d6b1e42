/** Everything that is looked at before an import writes anything: the bundle as a whole, its tables, and what is here. */
import {
  type ExportEntry,
  type ExportManifest,
  type ExportReport,
  parseExportEntry,
  type TarDamage,
  verifyExport,
} from '@yinxin/evidence'
import { sql } from 'kysely'
import type { z } from 'zod'
import type { Tx } from '#src/db/db.ts'
import type { BundleSource } from './bundle-source.ts'
import { refuse } from './errors.ts'
import type { ImportCall, ImportInput } from './import.ts'
import { IMPORT_LIMITS } from './import-limits.ts'
import {
  type ContractLine,
  contractLine,
  type FileLine,
  fileLine,
  type MemberLine,
  memberLine,
} from './imported-rows.ts'

export interface Checked {
  manifest: ExportManifest
  manifestSha256: string
  /** Null when no root, or no log key, was given from outside. */
  trusted: boolean | null
  logVerified: boolean | null
  entries: Map<string, ExportEntry>
  files: Map<string, FileLine>
  contracts: Map<string, ContractLine>
  members: MemberLine[]
}

const TABLES = ['entries.jsonl', 'tables/files.jsonl', 'tables/contracts.jsonl', 'tables/members.jsonl']
const NAMED_MAX = 20

/** The whole bundle once. @throws `import_bundle_bad` */
export async function checkBundle(
  source: BundleSource,
  input: Pick<ImportInput, 'trust' | 'logKeys'>,
  call: ImportCall,
): Promise<Checked> {
  const damage: TarDamage[] = []
  const kept = new Map<string, string>()
  async function* watched() {
    for await (const item of source.items(damage)) {
      call.signal.throwIfAborted()
      yield TABLES.includes(item.path) ? { ...item, content: keeping(item.path, item.content) } : item
    }
  }
  async function* keeping(path: string, content: AsyncIterable<Uint8Array>) {
    const parts: Uint8Array[] = []
    for await (const chunk of content) {
      parts.push(new Uint8Array(chunk))
      yield chunk
    }
    kept.set(path, Buffer.concat(parts).toString('utf8'))
  }
  const proven = new Map<string, Proven>()
  const report: ExportReport = await verifyExport(
    watched(),
    {
      onContract: ({ taskId, report: { task, documents, checkpoint } }) =>
        void proven.set(taskId, {
          taskId: task?.taskId ?? '',
          title: task?.title ?? null,
          documents: documents.map((one) => `${one.documentId}/${one.sha256}`).sort(),
          origin: checkpoint?.origin ?? null,
        }),
      ordered: source.ordered,
      ...(input.trust === undefined ? {} : { trust: input.trust }),
      ...(input.logKeys === undefined ? {} : { logKeys: input.logKeys }),
      onProgress: throttled((progress) => call.report({ step: 'verify', ...progress })),
    },
    damage,
  )
  const [problem] = report.problems
  if (!report.ok || report.manifest === null || report.manifestSha256 === null)
    throw refuse('import_bundle_bad', { problem: problem?.message_en ?? 'manifest.json' })
  const lines = (path: string) => (kept.get(path) ?? '').split('\n').filter((line) => line !== '')
  const parse = <S extends z.ZodType>(path: string, schema: S) =>
    lines(path).map((line, at): z.output<S> => {
      const parsed = schema.safeParse(readJson(line))
      if (!parsed.success)
        throw refuse('import_bundle_bad', {
          problem: `${path}:${at + 1} ${parsed.error.issues[0]?.path.join('.') ?? ''} ${parsed.error.issues[0]?.message ?? ''}`,
        })
      return parsed.data
    })
  const members = parse('tables/members.jsonl', memberLine)
  if (members.length > IMPORT_LIMITS.members)
    throw refuse('import_entry_large', { path: 'tables/members.jsonl', limit: IMPORT_LIMITS.members })
  const files = parse('tables/files.jsonl', fileLine)
  const contracts = parse('tables/contracts.jsonl', contractLine)
  requireSingle(files, contracts)
  for (const contract of contracts) requireProven(report.manifest, contract, proven.get(contract.id))
  return {
    manifest: report.manifest,
    manifestSha256: report.manifestSha256,
    trusted: report.trusted,
    logVerified: report.logVerified,
    entries: new Map(
      lines('entries.jsonl').map((line) => {
        const entry = parseExportEntry(line)
        return [entry.path, entry]
      }),
    ),
    files: new Map(files.map((one) => [one.id, one])),
    contracts: new Map(contracts.map((one) => [one.id, one])),
    members,
  }
}

function readJson(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}

/** What the evidence of a contract tells, to hold its row against. */
interface Proven {
  taskId: string
  title: string | null
  documents: string[]
  origin: string | null
}

/** What the tables say of a contract must be what its evidence proves, and that be of the log that the bundle names. */
function requireProven(manifest: ExportManifest, contract: ContractLine, proven: Proven | undefined): void {
  if (proven === undefined) return
  const listed = contract.documents.map((one) => `${one.id}/${one.sha256}`).sort()
  const isSame =
    proven.taskId === contract.id &&
    (proven.title === null || proven.title === contract.title) &&
    proven.documents.join() === listed.join() &&
    proven.origin === (contract.imported?.origin ?? manifest.log.origin)
  if (!isSame)
    throw refuse('import_bundle_bad', {
      problem: `tables/contracts.jsonl: ${contract.id} is not what its evidence proves`,
    })
}

/** Every id once, over all tables: keys of content are named by them. */
function requireSingle(files: readonly FileLine[], contracts: readonly ContractLine[]): void {
  const scopes = [...files, ...contracts].map((one) => one.id)
  const kinds: Record<string, string[]> = {
    'files and contracts': scopes,
    documents: contracts.flatMap((one) => one.documents.map(({ id }) => id)),
    actors: contracts.flatMap((one) => one.actors.map(({ id }) => id)),
    fields: contracts.flatMap((one) => one.fields.map(({ id }) => id)),
  }
  for (const [kind, ids] of Object.entries(kinds)) {
    const seen = new Set<string>()
    for (const id of ids) {
      if (seen.has(id)) throw refuse('import_bundle_bad', { problem: `${kind}: ${id} occurs twice` })
      seen.add(id)
    }
  }
  for (const { id, documents, actors, fields } of contracts) {
    const documentIds = new Set(documents.map((one) => one.id))
    const actorIds = new Set(actors.map((one) => one.id))
    for (const field of fields)
      if (!documentIds.has(field.documentId) || !actorIds.has(field.actorId))
        throw refuse('import_bundle_bad', { problem: `contracts/${id}: a field of something else` })
  }
}

/** What is here already, the same; anything else under an id of the bundle refuses the whole. @throws `import_conflict` */
export async function findPresent(tx: Tx, checked: Checked, corpId: string): Promise<Set<string>> {
  const fileIds = [...checked.files.keys()]
  const contractIds = [...checked.contracts.keys()]
  const documents = new Map<string, string>()
  const inner: string[] = []
  for (const contract of checked.contracts.values()) {
    for (const one of contract.documents) documents.set(one.id, contract.id)
    inner.push(...contract.actors.map((one) => one.id), ...contract.fields.map((one) => one.id))
  }
  const { rows } = await sql<{ kind: 'file' | 'contract'; id: string; tenant_id: string; hashes: string[] }>`
    select 'file' as kind, id, tenant_id, array[sha256] as hashes from file
    where id = any(${[...fileIds, ...contractIds]}::uuid[])
    union all
    select 'contract', t.id, t.tenant_id, (select coalesce(array_agg(d.id || '/' || d.sha256 order by d.id), '{}')
      from task_document d where d.task_id = t.id) as hashes
    from sign_task t where t.id = any(${[...fileIds, ...contractIds]}::uuid[])`.execute(tx)
  const conflicts = rows
    .filter(({ kind, id, tenant_id, hashes }) => {
      const wanted =
        kind === 'file'
          ? [checked.files.get(id)?.sha256]
          : checked.contracts
              .get(id)
              ?.documents.map((one) => `${one.id}/${one.sha256}`)
              .sort()
      return tenant_id !== corpId || wanted?.join() !== hashes.join()
    })
    .map((row) => row.id)
  // Parts of a contract that are parts of another one here.
  const { rows: parts } = await sql<{ id: string; task_id: string }>`
    select id, task_id from task_document where id = any(${[...documents.keys()]}::uuid[])
    union all select id, task_id from task_actor where id = any(${inner}::uuid[])
    union all select id, task_id from task_field where id = any(${inner}::uuid[])`.execute(tx)
  const present = new Set(rows.map((row) => row.id))
  for (const part of parts) if (!present.has(part.task_id)) conflicts.push(part.id)
  if (conflicts.length > 0) {
    const more = conflicts.length > NAMED_MAX ? ` … (${conflicts.length})` : ''
    throw refuse('import_conflict', { ids: `${conflicts.slice(0, NAMED_MAX).join(', ')}${more}` })
  }
  return present
}

/** Progress a few times a second at most. */
function throttled<T>(tell: (value: T) => void): (value: T) => void {
  let lastMs = 0
  return (value) => {
    const nowMs = performance.now()
    if (nowMs - lastMs < 250) return
    lastMs = nowMs
    tell(value)
  }
}
