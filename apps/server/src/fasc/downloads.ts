/** What a download link opens. The right to it stands in the link; the rows are read as its subject sees them. */
import { writeZip, type ZipInput } from '@yinxin/evidence'
import type { Seals } from '#src/seals/seals.ts'
import type { SignTasks } from '#src/sign-tasks/sign-tasks.ts'
import { refuse } from './errors.ts'
import type { LinkTarget } from './links.ts'

export type Download =
  | { kind: 'svg'; content: string }
  | { kind: 'zip'; fileName: string; content: AsyncIterable<Uint8Array> }
  | {
      kind: 'pdf'
      fileName: string
      sizeBytes: number
      sha256: string
      read(range: { start: number; end: number } | undefined): AsyncIterable<Uint8Array>
    }

export type Downloads = ReturnType<typeof createDownloads>

/** The evidence package of a task, for one of its parties. */
export type EvidencePackage = (
  caller: { subjectId: string },
  taskId: string,
) => Promise<{ fileName: string; content: AsyncIterable<Uint8Array> }>

export function createDownloads({
  signTasks,
  seals,
  evidencePackage,
}: {
  signTasks: SignTasks
  seals: Pick<Seals, 'svg'>
  evidencePackage: EvidencePackage
}) {
  return async function open(target: LinkTarget): Promise<Download> {
    // The link was made for an app of this company; it acts as one that may read.
    const caller = {
      kind: 'app',
      appId: 'download-link',
      subjectId: target.subjectId,
      environment: 'production',
    } as const
    if (target.kind === 'seal') return { kind: 'svg', content: await seals.svg(caller, target.sealId) }
    if (target.kind === 'evidence') return { kind: 'zip', ...(await evidencePackage(caller, target.taskId)) }

    const reader = { partyId: target.subjectId }
    const task = await signTasks.get(caller, target.taskId)
    const chosen = task.documents.filter((one) => target.docRef === undefined || one.ref === target.docRef)
    const files = []
    for (const document of chosen) {
      const { segments } = await signTasks.document(caller, task.id, document.documentId, document.revision)
      files.push({ name: document.name, segments, last: segments.at(-1) })
    }
    const [first] = files
    if (first?.last === undefined) throw refuse('fasc_not_downloadable')
    if (target.form === 'pdf') {
      return {
        kind: 'pdf',
        fileName: withEnding(target.name ?? first.name, 'pdf'),
        sizeBytes: first.last.size_bytes,
        sha256: first.last.sha256,
        read: (range) => signTasks.revisions.stream(first.segments, reader, range),
      }
    }
    const names = entryNames(files.map((file) => file.name))
    const entries: ZipInput[] = files.map(({ segments }, i) => ({
      name: names[i] ?? `${i + 1}.pdf`,
      content: () => signTasks.revisions.stream(segments, reader),
    }))
    return {
      kind: 'zip',
      fileName: withEnding(target.name ?? task.title, 'zip'),
      content: writeZip(entries),
    }
  }
}

/** Names that unpack anywhere and never meet, in the order of the documents. */
export function entryNames(names: readonly string[]): string[] {
  const taken = new Set<string>()
  return names.map((name, i) => {
    const plain = withEnding(
      name
        .normalize('NFC')
        .replace(/[\p{C}\\/:*?"<>|]/gu, '_')
        .replace(/\.pdf$/i, '')
        .replace(/[. ]+$/, '')
        .slice(0, 80) || String(i + 1),
      'pdf',
    )
    const unique = taken.has(plain.toLowerCase()) ? `${i + 1}-${plain}` : plain
    taken.add(unique.toLowerCase())
    return unique
  })
}

function withEnding(name: string, ending: 'pdf' | 'zip'): string {
  return name.toLowerCase().endsWith(`.${ending}`) ? name : `${name}.${ending}`
}
