/**
 * Takes an export of another installation: 1. the bundle is verified as a whole, 2. conflicts are looked for, 3. files
 * and contracts are taken one by one, each whole or not at all. Done again it changes nothing, so a broken import is
 * simply done again.
 */
import { createHash } from 'node:crypto'
import {
  type BundleReport,
  contractOfPath,
  type Disclosure,
  documentPath,
  type ExportEntry,
  type ExportManifest,
  type ExportReport,
  evidenceRestPath,
  joinEvidence,
  parseEvent,
  parseExportEntry,
  parseManifest,
  readZip,
  type TarDamage,
  verifyBundle,
  verifyExport,
} from '@yinxin/evidence'
import { sql } from 'kysely'
import type { z } from 'zod'
import type { Accounts } from '#src/accounts/accounts.ts'
import type { Audit } from '#src/audit/audit.ts'
import type { Clock } from '#src/clock.ts'
import type { Db, Tx } from '#src/db/db.ts'
import type { Documents } from '#src/documents/documents.ts'
import type { Evidence } from '#src/evidence/evidence.ts'
import type { Kms } from '#src/kms/kms.ts'
import { adoptTask, type SegmentRow } from '#src/sign-tasks/sign-tasks.ts'
import type { Storage, StoredObject } from '#src/storage/storage.ts'
import { type BundleSource, openBundle } from './bundle-source.ts'
import { refuse } from './errors.ts'
import { type ContractLine, contractLine, type FileLine, fileLine } from './imported-rows.ts'
import type { PortabilityTables } from './tables.ts'

export interface ImporterDeps {
  db: Db
  clock: Clock
  kms: Pick<Kms, 'createScopeKey'>
  storage: Pick<Storage, 'put' | 'record'>
  audit: Audit
  accounts: Pick<Accounts, 'corp' | 'corpByCreditCode'>
  documents: Pick<Documents, 'adopt'>
  evidence: Pick<Evidence, 'adopt'>
}

export interface ImportInput {
  path: string
  /** Id or credit code of the company that takes it. */
  corp: string
  /** The bundle may be of another company. */
  intoOther?: boolean
  trust?: readonly Uint8Array[]
  logKeys?: readonly string[]
}

export type SkipReason = 'not_over' | 'destroyed_here' | 'gone_at_origin' | 'lost_at_origin'

export interface ImportReport {
  exportId: string
  source: { id: string; name: string; origin: string }
  corpId: string
  files: { imported: number; unchanged: number }
  contracts: { imported: number; unchanged: number }
  /** Contracts that stay where they are, and why. */
  skipped: { id: string; title: string; reason: SkipReason }[]
  /** What a bundle carries and an installation decides for itself. */
  notImported: string[]
}

export interface ImportCall {
  report(progress: unknown): void
  signal: AbortSignal
}

/** Who may act and what is billed is no matter of documents; it stays readable in the bundle. */
const NOT_IMPORTED = [
  'members',
  'apps',
  'seals',
  'seal-grants',
  'free-sign-scenes',
  'usage',
  'audit',
  'callbacks',
]
const NAMED_MAX = 20

export type Importer = ReturnType<typeof createImporter>

interface Checked {
  manifest: ExportManifest
  manifestSha256: string
  entries: Map<string, ExportEntry>
  files: Map<string, FileLine>
  contracts: Map<string, ContractLine>
}

export function createImporter(deps: ImporterDeps) {
  const { db, clock, kms, storage } = deps

  return async function importBundle(input: ImportInput, call: ImportCall): Promise<ImportReport> {
    const source = await openSource(input.path)
    const checked = await check(source, input, call)
    const corp = (await deps.accounts.corpByCreditCode(input.corp)) ?? (await corpById(input.corp))
    if (corp === null) throw refuse('import_corp_unknown', { corp: input.corp })
    const { tenant } = checked.manifest
    if (tenant.creditCode !== corp.creditCode && input.intoOther !== true)
      throw refuse('import_other_company', {
        source: tenant.name,
        sourceCode: tenant.creditCode ?? tenant.id,
        target: corp.name,
        targetCode: corp.creditCode,
      })
    const present = await findPresent(checked, corp.id)
    const report: ImportReport = {
      exportId: checked.manifest.exportId,
      source: { id: tenant.id, name: tenant.name, origin: checked.manifest.log.origin },
      corpId: corp.id,
      files: { imported: 0, unchanged: 0 },
      contracts: { imported: 0, unchanged: 0 },
      skipped: [],
      notImported: NOT_IMPORTED,
    }
    await take(source, checked, corp.id, present, report, call)
    return report
  }

  async function corpById(id: string) {
    return /^[0-9a-f-]{36}$/.test(id) ? await deps.accounts.corp(id) : null
  }

  /** The whole bundle once, before anything is written. */
  async function check(source: BundleSource, input: ImportInput, call: ImportCall): Promise<Checked> {
    const damage: TarDamage[] = []
    const kept = new Map<string, string>([
      ['entries.jsonl', ''],
      ['tables/files.jsonl', ''],
      ['tables/contracts.jsonl', ''],
    ])
    async function* watched() {
      for await (const item of source.items(damage)) {
        call.signal.throwIfAborted()
        yield kept.has(item.path) ? { ...item, content: keeping(item.path, item.content) } : item
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
    const report: ExportReport = await verifyExport(
      watched(),
      {
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
        const parsed = schema.safeParse(JSON.parse(line))
        if (!parsed.success)
          throw refuse('import_bundle_bad', {
            problem: `${path}:${at + 1} ${parsed.error.issues[0]?.message ?? ''}`,
          })
        return parsed.data
      })
    return {
      manifest: report.manifest,
      manifestSha256: report.manifestSha256,
      entries: new Map(
        lines('entries.jsonl').map((line) => {
          const entry = parseExportEntry(line)
          return [entry.path, entry]
        }),
      ),
      files: new Map(parse('tables/files.jsonl', fileLine).map((one) => [one.id, one])),
      contracts: new Map(parse('tables/contracts.jsonl', contractLine).map((one) => [one.id, one])),
    }
  }

  /** What is here already, the same; anything else under an id of the bundle refuses the whole. */
  async function findPresent(checked: Checked, corpId: string): Promise<Set<string>> {
    const { rows } = await db.ask(
      async (tx) =>
        await sql<{ id: string; tenant_id: string; hashes: string[] }>`
        select id, tenant_id, array[sha256] as hashes from file where id = any(${[...checked.files.keys()]}::uuid[])
        union all
        select t.id, t.tenant_id, (select coalesce(array_agg(d.id || '/' || d.sha256 order by d.id), '{}')
          from task_document d where d.task_id = t.id) as hashes
        from sign_task t where t.id = any(${[...checked.contracts.keys()]}::uuid[])`.execute(tx),
    )
    const conflicts = rows.filter(({ id, tenant_id, hashes }) => {
      const file = checked.files.get(id)
      const wanted = file
        ? [file.sha256]
        : (checked.contracts.get(id)?.documents ?? []).map((one) => `${one.id}/${one.sha256}`).sort()
      return tenant_id !== corpId || wanted.join() !== hashes.join()
    })
    if (conflicts.length > 0) {
      const ids = conflicts.slice(0, NAMED_MAX).map((one) => one.id)
      const more = conflicts.length > NAMED_MAX ? ` … (${conflicts.length})` : ''
      throw refuse('import_conflict', { ids: `${ids.join(', ')}${more}` })
    }
    return new Set(rows.map((row) => row.id))
  }

  async function take(
    source: BundleSource,
    checked: Checked,
    corpId: string,
    present: ReadonlySet<string>,
    report: ImportReport,
    call: ImportCall,
  ): Promise<void> {
    const lost = new Set((checked.manifest.lost ?? []).map((one) => one.subjectId))
    let current: { taskId: string; contents: Map<string, Uint8Array> } | null = null
    const settle = async () => {
      if (current !== null) await takeContract(current.taskId, current.contents)
      current = null
    }
    const takeContract = async (taskId: string, contents: Map<string, Uint8Array>) => {
      const contract = checked.contracts.get(taskId)
      if (contract === undefined) throw refuse('import_bundle_bad', { problem: `contracts/${taskId}` })
      if (lost.has(taskId)) return
      const outcome = present.has(taskId)
        ? 'unchanged'
        : await importContract(checked, corpId, contract, contents)
      if (outcome === 'imported' || outcome === 'unchanged') report.contracts[outcome] += 1
      else report.skipped.push({ id: taskId, title: contract.title, reason: outcome })
      call.report({ step: 'import', ...report.contracts })
    }
    for await (const { path, content } of source.items([])) {
      call.signal.throwIfAborted()
      const inner = contractOfPath(path)
      if (inner !== null) {
        if (current !== null && (current as { taskId: string }).taskId !== inner.taskId) await settle()
        current ??= { taskId: inner.taskId, contents: new Map() }
        ;(current as { contents: Map<string, Uint8Array> }).contents.set(
          inner.inner,
          await readEntry(checked, path, content),
        )
        continue
      }
      const fileId = /^files\/([0-9a-f-]{36})\.pdf$/.exec(path)?.[1]
      const file = fileId === undefined ? undefined : checked.files.get(fileId)
      if (file === undefined) continue
      if (present.has(file.id)) report.files.unchanged += 1
      else {
        await importFile(checked, corpId, file, await readEntry(checked, path, content))
        report.files.imported += 1
      }
    }
    await settle()
    for (const contract of checked.contracts.values()) {
      if (checked.manifest.gone.includes(contract.id))
        report.skipped.push({ id: contract.id, title: contract.title, reason: 'gone_at_origin' })
      // A contract that came in parts is no contract: it stays where its rest may be found.
      else if (lost.has(contract.id))
        report.skipped.push({ id: contract.id, title: contract.title, reason: 'lost_at_origin' })
      else if (contract.startedAt === null)
        report.skipped.push({ id: contract.id, title: contract.title, reason: 'not_over' })
    }
    for (const file of checked.files.values())
      if (lost.has(file.id)) report.skipped.push({ id: file.id, title: file.name, reason: 'lost_at_origin' })
  }

  /** The bundle may have changed since it was verified: every entry is held to the list once more. */
  async function readEntry(
    checked: Checked,
    path: string,
    content: AsyncIterable<Uint8Array>,
  ): Promise<Buffer> {
    const parts: Uint8Array[] = []
    for await (const chunk of content) parts.push(new Uint8Array(chunk))
    const bytes = Buffer.concat(parts)
    if (createHash('sha256').update(bytes).digest('hex') !== checked.entries.get(path)?.sha256)
      throw refuse('import_bundle_bad', { problem: path })
    return bytes
  }

  async function importFile(
    checked: Checked,
    corpId: string,
    file: FileLine,
    content: Buffer,
  ): Promise<void> {
    await kms.createScopeKey(corpId, file.id)
    const stored = await storage.put({
      tenantId: corpId,
      scopeId: file.id,
      class: 'draft',
      content,
      expectedSha256: file.sha256,
    })
    await db.work(async (tx) => {
      await storage.record(tx, stored)
      await deps.documents.adopt(tx, corpId, { ...file, objectId: stored.id })
      await deps.audit.record(tx, {
        tenantId: corpId,
        caller: { kind: 'system', duty: 'import' },
        action: 'file.imported',
        subjectKind: 'file',
        subjectId: file.id,
        data: { exportId: checked.manifest.exportId, sha256: file.sha256 },
      })
    })
  }

  async function importContract(
    checked: Checked,
    corpId: string,
    contract: ContractLine,
    contents: ReadonlyMap<string, Uint8Array>,
  ): Promise<'imported' | 'not_over' | 'destroyed_here'> {
    if (contract.status === 'draft' || contract.status === 'signing') return 'not_over'
    // 1. The evidence once more, by itself: it is what the contract here will stand on.
    const rest = contents.get(evidenceRestPath(contract.id).split('/').slice(2).join('/'))
    if (rest === undefined) throw refuse('import_bundle_bad', { problem: evidenceRestPath(contract.id) })
    const documents = new Map([...contents].filter(([path]) => path.startsWith('documents/')))
    const { zip } = await joinEvidence(rest, documents)
    const verified = verifyBundle(zip)
    if (!verified.ok)
      throw refuse('import_bundle_bad', { problem: verified.problems[0]?.message_en ?? contract.id })
    // 2. Everything stored, durable, under a key of its own.
    try {
      await kms.createScopeKey(corpId, contract.id)
    } catch (error) {
      // What was destroyed here does not come back by the back door.
      if ((error as { code?: string }).code === 'content_key_missing') return 'destroyed_here'
      throw error
    }
    const put = (content: Uint8Array) =>
      storage.put({ tenantId: corpId, scopeId: contract.id, class: 'signed', content })
    const { segments, stored } = await storeDocuments(corpId, contract, documents, put)
    const evidence = await put(rest)
    // 3. One transaction that makes it be here.
    await db.work(async (tx) => {
      await storage.record(tx, [...stored, evidence])
      await adoptTask(tx, { ...rowsOf(contract, corpId, checked.manifest.tenant.id), segments })
      await deps.evidence.adopt(tx, { taskId: contract.id, tenantId: corpId, ...chainOf(zip) })
      await insertImported(tx, checked, corpId, contract, verified, zip, evidence.id)
      await deps.audit.record(tx, {
        tenantId: corpId,
        caller: { kind: 'system', duty: 'import' },
        action: 'sign-task.imported',
        subjectKind: 'sign-task',
        subjectId: contract.id,
        data: { exportId: checked.manifest.exportId, origin: verified.checkpoint?.origin ?? '' },
      })
    })
    return 'imported'
  }

  /** A document comes whole; its revisions are its beginnings, each with the hash that was recorded. */
  async function storeDocuments(
    corpId: string,
    contract: ContractLine,
    contents: ReadonlyMap<string, Uint8Array>,
    put: (content: Uint8Array) => Promise<StoredObject>,
  ): Promise<{ segments: SegmentRow[]; stored: StoredObject[] }> {
    const segments: SegmentRow[] = []
    const stored: StoredObject[] = []
    const ordered = [...contract.documents].sort((a, b) => a.position - b.position)
    for (const [index, document] of ordered.entries()) {
      const path = documentPath(index, document.name)
      const bytes = contents.get(path)
      const bad = () => refuse('import_bundle_bad', { problem: `contracts/${contract.id}/${path}` })
      if (bytes === undefined || bytes.length !== document.sizeBytes) throw bad()
      let from = 0
      for (const revision of document.revisions.filter((one) => one.revision <= document.revision)) {
        const end = from + revision.segmentBytes
        const hash = createHash('sha256').update(bytes.subarray(0, end)).digest('hex')
        if (end !== revision.sizeBytes || hash !== revision.sha256) throw bad()
        const object = await put(bytes.subarray(from, end))
        stored.push(object)
        segments.push({
          document_id: document.id,
          revision: revision.revision,
          tenant_id: corpId,
          task_id: contract.id,
          object_id: object.id,
          segment_bytes: revision.segmentBytes,
          size_bytes: revision.sizeBytes,
          sha256: revision.sha256,
          created_at: revision.createdAt,
        })
        from = end
      }
      if (from !== bytes.length) throw bad()
    }
    return { segments, stored }
  }

  async function insertImported(
    tx: Tx,
    checked: Checked,
    corpId: string,
    contract: ContractLine,
    verified: BundleReport,
    zip: Uint8Array,
    evidenceObjectId: string,
  ): Promise<void> {
    const { manifest, manifestSha256 } = checked
    await tx
      .$extendTables<PortabilityTables>()
      .insertInto('imported_contract')
      .values({
        task_id: contract.id,
        tenant_id: corpId,
        origin: verified.checkpoint?.origin ?? manifest.log.origin,
        // A contract that had come to the origin from elsewhere keeps the log that it was signed under.
        log_keys: contract.imported?.logKeys ?? manifest.log.keys,
        source_tenant_id: manifest.tenant.id,
        source_tenant_name: manifest.tenant.name,
        export_id: manifest.exportId,
        manifest_sha256: manifestSha256,
        package_sha256: createHash('sha256').update(zip).digest('hex'),
        evidence_object_id: evidenceObjectId,
        imported_at: clock.now(),
      })
      .execute()
  }
}

async function openSource(path: string): Promise<BundleSource> {
  try {
    return await openBundle(path)
  } catch (error) {
    throw refuse('import_unreadable', {
      path,
      problem: error instanceof Error ? error.message : String(error),
    })
  }
}

/** Events and openings out of a verified package. */
function chainOf(zip: Uint8Array) {
  const entries = new Map(readZip(zip).entries.map(({ name, content }) => [name, content]))
  const text = (name: string) => Buffer.from(entries.get(name) ?? new Uint8Array()).toString('utf8')
  // Held to the manifest's form: what is adopted is what was verified.
  parseManifest(entries.get('manifest.json') ?? new Uint8Array())
  const events = text('events.jsonl')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => parseEvent(Buffer.from(line, 'utf8')))
  return { events, disclosures: JSON.parse(text('disclosures.json')) as Disclosure[] }
}

function rowsOf(contract: ContractLine, corpId: string, sourceId: string) {
  const ids = { task_id: contract.id, tenant_id: corpId }
  return {
    row: {
      id: contract.id,
      tenant_id: corpId,
      initiator_name: contract.initiatorName,
      creator_person_id: null,
      title: contract.title,
      status: contract.status,
      ordered: contract.ordered,
      deadline: contract.deadline,
      reference: contract.reference,
      end_reason: contract.endReason,
      created_at: contract.createdAt,
      updated_at: contract.updatedAt,
      started_at: contract.startedAt,
      finished_at: contract.finishedAt,
      destroyed_at: null,
    },
    documents: contract.documents.map((one) => ({
      ...ids,
      id: one.id,
      ref: one.ref,
      name: one.name,
      position: one.position,
      file_id: one.fileId,
      page_count: one.pageCount,
      pages: one.pages,
      revision: one.revision,
      sha256: one.sha256,
      size_bytes: one.sizeBytes,
    })),
    actors: contract.actors.map((one) => ({
      ...ids,
      id: one.id,
      ref: one.ref,
      position: one.position,
      kind: one.kind,
      role: one.role,
      name: one.name,
      // Ids of people and companies are of the other installation; only the holder is known on both.
      subject_id: one.subjectId === sourceId ? corpId : null,
      person_id: null,
      mobile: one.mobile,
      email: one.email,
      sign_order: one.signOrder,
      status: one.status,
      seal_id: null,
      free_sign_business_id: null,
      signed_at: one.signedAt,
      certificate_serial: one.certificateSerial,
      reject_reason: one.rejectReason,
    })),
    fields: contract.fields.map((one) => ({
      ...ids,
      id: one.id,
      document_id: one.documentId,
      actor_id: one.actorId,
      kind: one.kind,
      page: one.page,
      x: one.x,
      y: one.y,
      width: one.width,
      height: one.height,
    })),
  }
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
