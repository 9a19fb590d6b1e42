/** Takes files and contracts of a bundle that was checked, each whole or not at all. */
import { createHash } from 'node:crypto'
import {
  type BundleReport,
  type Disclosure,
  documentPath,
  evidenceRestPath,
  joinEvidence,
  parseEvent,
  parseManifest,
  readZip,
  verifyBundle,
} from '@yinxin/evidence'
import type { Tx } from '#src/db/db.ts'
import { adoptTask, type SegmentRow } from '#src/sign-tasks/sign-tasks.ts'
import type { StoredObject } from '#src/storage/storage.ts'
import { refuse } from './errors.ts'
import type { ImporterDeps } from './import.ts'
import type { Checked } from './import-check.ts'
import { type ContractLine, type FileLine, rowsOf } from './imported-rows.ts'
import type { PortabilityTables } from './tables.ts'

export type Taker = ReturnType<typeof createTaker>

export function createTaker(deps: ImporterDeps) {
  const { db, clock, kms, storage } = deps

  async function importFile(
    checked: Checked,
    corpId: string,
    file: FileLine,
    content: Buffer,
  ): Promise<'imported' | 'destroyed_here'> {
    if (!(await openScope(corpId, file.id))) return 'destroyed_here'
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
    return 'imported'
  }

  /** False when the key of this id was destroyed here: that does not come back by the back door. */
  async function openScope(corpId: string, scopeId: string): Promise<boolean> {
    try {
      await kms.createScopeKey(corpId, scopeId)
      return true
    } catch (error) {
      if ((error as { code?: string }).code === 'content_key_missing') return false
      throw error
    }
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
    if (!(await openScope(corpId, contract.id))) return 'destroyed_here'
    const put = (content: Uint8Array) =>
      storage.put({ tenantId: corpId, scopeId: contract.id, class: 'signed', content })
    const { segments, stored } = await storeDocuments(corpId, contract, documents, put)
    const evidence = await put(rest)
    // 3. One transaction that makes it be here.
    await db
      .work(async (tx) => {
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
      .catch((error: unknown) => {
        // SQLSTATE classes 22 and 23: what the tables say does not fit here, whatever the log of the origin vouches for.
        if (!/^2[23]/.test((error as { code?: string }).code ?? '')) throw error
        throw refuse('import_bundle_bad', { problem: `contracts/${contract.id}` }, error)
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

  return { importFile, importContract }
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
