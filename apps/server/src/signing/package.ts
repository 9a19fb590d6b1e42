/** Composes the evidence package of a task for one of its parties. */
import { createHash } from 'node:crypto'
import type { Caller } from '#src/accounts/accounts.ts'
import type { Ca } from '#src/ca/ca.ts'
import type { Db } from '#src/db/db.ts'
import { type Evidence, refuseEvidence } from '#src/evidence/evidence.ts'
import {
  type DocumentRow,
  readSegments,
  readTask,
  requireAccess,
  type SegmentRow,
  type SignTasks,
} from '#src/sign-tasks/sign-tasks.ts'
import { actCertificates } from './act-store.ts'

export interface PackageDeps {
  db: Db
  evidence: Pick<Evidence, 'bundle'>
  ca: Pick<Ca, 'chain' | 'anchors' | 'crl'>
  signTasks: Pick<SignTasks, 'revisions' | 'access'>
  environment: () => { mode: string; developmentCa: boolean; simulators: string[] }
  /** The package of a contract that was signed elsewhere; null for one of this installation. */
  imported: (taskId: string) => Promise<ForeignPackage | null>
}

/** An evidence package of another installation, as it came. */
export interface ForeignPackage {
  whole(
    documents: readonly { document: DocumentRow; segments: readonly SegmentRow[] }[],
  ): AsyncIterable<Uint8Array>
  withoutDocuments(): AsyncIterable<Uint8Array>
}

/** Contacts and addresses go to the initiator alone; an account's id says nothing to the other parties. */
const INITIATOR_ONLY = new Set([
  '/data/toCommit',
  '/data/addressCommit',
  '/data/userAgentCommit',
  '/actor/personCommit',
  '/actor/appCommit',
])

/** A task as it was at an earlier moment, its documents kept elsewhere: what an export asks for. */
export interface PackageAsOf {
  events: number
  /** By document. */
  revisions: ReadonlyMap<string, number>
}

export function createPackages({ db, evidence, ca, signTasks, environment, imported }: PackageDeps) {
  return async function evidencePackage(
    caller: Pick<Caller, 'subjectId'>,
    taskId: string,
    asOf?: PackageAsOf,
  ): Promise<{ fileName: string; content: AsyncIterable<Uint8Array> }> {
    const partyId = caller.subjectId
    const { task, documents } = await db.as(partyId, async (tx) => {
      const task = await readTask(tx, taskId)
      requireAccess(task, partyId)
      const documents = []
      for (const document of task.documents) {
        const revision = asOf?.revisions.get(document.id) ?? document.revision
        documents.push({ document, segments: await readSegments(tx, document.id, revision) })
      }
      return { task, documents }
    })
    // A draft has no frozen document, so there is nothing to prove yet.
    if (task.row.started_at === null) throw refuseEvidence('evidence_not_ready')
    const shortId = createHash('sha256').update(taskId).digest('hex').slice(0, 8)
    const fileName = `${task.row.title}-evidence-${shortId}.zip`
    // What another installation signed is proven by that one's log, and by nothing that could be made here.
    const foreign = await imported(taskId)
    if (foreign !== null)
      return { fileName, content: asOf === undefined ? foreign.whole(documents) : foreign.withoutDocuments() }
    // The openings and the documents are opened with the wrap of whom the package is for.
    await signTasks.access.admit(task.row, partyId)
    const isInitiator = task.row.tenant_id === caller.subjectId
    const { mode, developmentCa, simulators } = environment()
    const certificates = await db.ask((tx) => actCertificates(tx, taskId))
    const { rootDer, tsaDer } = ca.anchors()
    const content = await evidence.bundle({
      taskId,
      title: task.row.title,
      documents: documents.map(({ document, segments }) => ({
        documentId: document.id,
        name: document.name,
        sha256: segments.at(-1)?.sha256 ?? document.sha256,
        sizeBytes: segments.at(-1)?.size_bytes ?? document.size_bytes,
        content:
          signTasks.revisions.inMemory(segments) ?? (() => signTasks.revisions.stream(segments, { partyId })),
      })),
      certificates: [...certificates, ...ca.chain(), tsaDer],
      crls: [await ca.crl()],
      anchors: [rootDer],
      environment: { platform: 'yinxin', mode, developmentCa, simulators: [...simulators] },
      partyId,
      ...(asOf === undefined ? {} : { eventCount: asOf.events, parts: 'without-documents' as const }),
      mayOpen: (disclosure) => isInitiator || !INITIATOR_ONLY.has(disclosure.path),
    })
    return { fileName, content }
  }
}

export type EvidencePackages = ReturnType<typeof createPackages>
