/** Composes the evidence package of a task for one of its parties. */
import { createHash } from 'node:crypto'
import type { Caller } from '#src/accounts/accounts.ts'
import type { Ca } from '#src/ca/ca.ts'
import type { Db } from '#src/db/db.ts'
import { type Evidence, refuseEvidence } from '#src/evidence/evidence.ts'
import { readSegments, readTask, requireAccess, type SignTasks } from '#src/sign-tasks/sign-tasks.ts'
import { actCertificates } from './act-store.ts'

export interface PackageDeps {
  db: Db
  evidence: Pick<Evidence, 'bundle'>
  ca: Pick<Ca, 'chain' | 'anchors' | 'crl'>
  signTasks: Pick<SignTasks, 'revisions' | 'access'>
  environment: () => { mode: string; developmentCa: boolean; simulators: string[] }
}

/** Contacts and addresses go to the initiator alone; an account's id says nothing to the other parties. */
const INITIATOR_ONLY = new Set([
  '/data/toCommit',
  '/data/addressCommit',
  '/data/userAgentCommit',
  '/actor/personCommit',
  '/actor/appCommit',
])

export function createPackages({ db, evidence, ca, signTasks, environment }: PackageDeps) {
  return async function evidencePackage(
    caller: Pick<Caller, 'subjectId'>,
    taskId: string,
  ): Promise<{ fileName: string; content: AsyncIterable<Uint8Array> }> {
    const partyId = caller.subjectId
    const { task, documents } = await db.as(partyId, async (tx) => {
      const task = await readTask(tx, taskId)
      requireAccess(task, partyId)
      const documents = []
      for (const document of task.documents) {
        documents.push({ document, segments: await readSegments(tx, document.id, document.revision) })
      }
      return { task, documents }
    })
    // A draft has no frozen document, so there is nothing to prove yet.
    if (task.row.started_at === null) throw refuseEvidence('evidence_not_ready')
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
        sha256: document.sha256,
        sizeBytes: document.size_bytes,
        content: signTasks.revisions.inMemory(segments) ?? (() => signTasks.revisions.stream(segments, { partyId })),
      })),
      certificates: [...certificates, ...ca.chain(), tsaDer],
      crls: [await ca.crl()],
      anchors: [rootDer],
      environment: { platform: 'yinxin', mode, developmentCa, simulators: [...simulators] },
      partyId,
      mayOpen: (disclosure) => isInitiator || !INITIATOR_ONLY.has(disclosure.path),
    })
    const shortId = createHash('sha256').update(taskId).digest('hex').slice(0, 8)
    return { fileName: `${task.row.title}-evidence-${shortId}.zip`, content }
  }
}

export type EvidencePackages = ReturnType<typeof createPackages>
