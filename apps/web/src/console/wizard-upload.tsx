import type { FileInfo } from '@yinxin/sdk/wire'
import { useRef, useState } from 'react'
import { upload } from '../api/client.ts'
import { newKey } from '../api/key.ts'
import { IconButton, TextField } from '../design/controls.tsx'
import { DropZone } from '../design/drop-zone.tsx'
import { Icon } from '../design/icons.tsx'
import { ProblemNote } from '../design/notices.tsx'
import { formatSize } from '../words/dates.ts'
import { useWords } from '../words/words.tsx'
import { fileOf, nextRef, type TaskDraft } from './draft.ts'

export function UploadStep({ draft, change }: { draft: TaskDraft; change(part: Partial<TaskDraft>): void }) {
  const { t } = useWords()
  const [running, setRunning] = useState<{ name: string; share: number } | null>(null)
  const [error, setError] = useState<unknown>(null)
  const latest = useRef(draft)
  latest.current = draft

  const take = async (files: File[]) => {
    setError(null)
    for (const file of files) {
      setRunning({ name: file.name, share: 0 })
      try {
        const info = await upload<FileInfo>(
          '/files',
          file,
          (share) => setRunning({ name: file.name, share }),
          newKey(),
        )
        const now = latest.current
        const next = { ...now, files: [...now.files, fileOf(info, nextRef('doc', now.files))] }
        if (!next.title) next.title = info.name.replace(/\.pdf$/i, '')
        latest.current = next
        change({ files: next.files, title: next.title })
      } catch (problem) {
        setError(problem)
        break
      }
    }
    setRunning(null)
  }
  return (
    <div className="stack">
      <DropZone
        multiple
        busy={running !== null}
        title={
          running
            ? running.share < 1
              ? t('wizardUploading', { percent: Math.floor(running.share * 100) })
              : t('wizardChecking')
            : t('wizardDrop')
        }
        hint={running ? running.name : t('wizardDropHint')}
        share={running?.share ?? null}
        onFiles={take}
        onWrong={() => setError(new Error(t('notPdf')))}
      />
      <ProblemNote error={error} />
      {draft.files.length > 0 && (
        <ul className="card flush file-list">
          {draft.files.map((file) => (
            <li key={file.ref}>
              <Icon name="task" />
              <div className="grow">
                <p className="clip">{file.name}</p>
                <p className="muted small">
                  {t('pages', { count: file.pages.length })} · {formatSize(file.sizeBytes)}
                  {file.signatureCount > 0 &&
                    ` · ${t('wizardHasSignatures', { count: file.signatureCount })}`}
                </p>
              </div>
              <IconButton
                icon="trash"
                label={`${t('remove')} ${file.name}`}
                onClick={() =>
                  change({
                    files: draft.files.filter((other) => other.ref !== file.ref),
                    fields: draft.fields.filter((field) => field.documentRef !== file.ref),
                  })
                }
              />
            </li>
          ))}
        </ul>
      )}
      {draft.files.length > 0 && (
        <TextField
          label={t('wizardTitle')}
          hint={t('wizardTitleHint')}
          maxLength={120}
          value={draft.title}
          onChange={(event) => change({ title: event.target.value })}
        />
      )}
    </div>
  )
}
