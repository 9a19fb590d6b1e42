import { useQuery } from '@tanstack/react-query'
import type { Ceremony, SignResult } from '@yinxin/sdk/wire'
import { useState } from 'react'
import { call } from '../api/client.ts'
import { downloadChecked } from '../api/download.ts'
import { Button } from '../design/controls.tsx'
import { Icon } from '../design/icons.tsx'
import { ActorBadge, ProblemNote } from '../design/notices.tsx'
import { formatTime, groupHash } from '../words/dates.ts'
import { useWords } from '../words/words.tsx'
import { StepHeading } from './frame.tsx'

/** The sealed copy at once, how to check it, and who still has to act. */
export function Done({ token, ceremony }: { token: string; ceremony: Ceremony }) {
  const { t } = useWords()
  const fresh = useQuery({
    queryKey: ['result', token],
    queryFn: ({ signal }) =>
      call<Ceremony>('GET', `/ceremonies/${encodeURIComponent(token)}/result`, { signal }),
    initialData: ceremony,
    refetchInterval: (query) => (query.state.data?.cover.taskStatus === 'signing' ? 10_000 : false),
  })
  const task = fresh.data.task ?? ceremony.task
  const [evidenceError, setEvidenceError] = useState<unknown>(null)
  const [fetching, setFetching] = useState(false)
  const result = task ? readResult(task.id) : null
  const all = fresh.data.cover.taskStatus === 'finished'
  return (
    <div className="stack done">
      <section className="ended">
        <span className="stamp" aria-hidden="true">
          <Icon name="check" size={44} />
        </span>
        <StepHeading>{t(all ? 'doneAllTitle' : 'doneTitle')}</StepHeading>
        <p className="serif">{t('titled', { title: ceremony.cover.taskTitle })}</p>
        <p className="muted">{t('doneText')}</p>
      </section>
      {task && (
        <>
          <div className="stack tight">
            {task.documents.map((document) => (
              <a
                key={document.documentId}
                className="button primary wide"
                href={`/api/v1/sign-tasks/${task.id}/documents/${document.documentId}/content`}
                download={document.name}
              >
                <Icon name="download" size={18} />
                {t('doneDownload')}
                {task.documents.length > 1 && ` · ${document.name}`}
              </a>
            ))}
            <Button
              icon="shield"
              wide
              busy={fetching}
              onClick={async () => {
                setFetching(true)
                setEvidenceError(null)
                try {
                  await downloadChecked(`/api/v1/sign-tasks/${task.id}/evidence`, `evidence-${task.id}.zip`)
                } catch (error) {
                  setEvidenceError(error)
                }
                setFetching(false)
              }}
            >
              {t('doneEvidence')}
            </Button>
            <p className="muted small centered">{t('doneEvidenceHint')}</p>
            <ProblemNote error={evidenceError} />
          </div>
          <section className="card">
            <h2>{t('doneProgress')}</h2>
            <ol className="party-list">
              {task.actors.map((actor) => (
                <li key={`${actor.order}${actor.name}`}>
                  <Icon name={actor.kind === 'corp' ? 'company' : 'person'} size={18} />
                  <span className="grow">{actor.name}</span>
                  <ActorBadge status={actor.status} />
                </li>
              ))}
            </ol>
          </section>
          <section className="card stack tight">
            <h2>{t('doneVerify')}</h2>
            <p className="muted small">{t('doneVerifyText')}</p>
            <dl className="facts">
              {result && (
                <>
                  <dt>{t('doneTime')}</dt>
                  <dd>{formatTime(result.signedAt)}</dd>
                  <dt>{t('doneSerial')}</dt>
                  <dd className="mono">{result.certificateSerial}</dd>
                </>
              )}
              {task.documents.map((document) => (
                <div key={document.documentId} style={{ display: 'contents' }}>
                  <dt>SHA-256</dt>
                  <dd className="fingerprint">{groupHash(document.sha256, 64)}</dd>
                </div>
              ))}
            </dl>
            <a className="button" href="/verify">
              <Icon name="shield" size={18} />
              {t('navVerify')}
            </a>
          </section>
        </>
      )}
    </div>
  )
}

function readResult(taskId: string): SignResult | null {
  const stored = sessionStorage.getItem(`yinxin.signed.${taskId}`)
  return stored ? (JSON.parse(stored) as SignResult) : null
}
