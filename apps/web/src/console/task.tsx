import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import type { Actor, SignTask } from '@yinxin/sdk/wire'
import { useRef, useState } from 'react'
import { useNavigate, useParams } from 'react-router'
import { ApiProblem, call } from '../api/client.ts'
import { newKey } from '../api/key.ts'
import { downloadChecked } from '../api/download.ts'
import { Button, TextArea } from '../design/controls.tsx'
import { Icon } from '../design/icons.tsx'
import { ActorBadge, Bones, CopyButton, Note, ProblemNote, TaskBadge, useToast } from '../design/notices.tsx'
import { QrCode } from '../design/qr-code.tsx'
import { Sheet } from '../design/sheet.tsx'
import { formatTime } from '../words/dates.ts'
import { useWords } from '../words/words.tsx'
import { useIdentity } from './page.tsx'
import { CopiesTab } from './custody.tsx'
import { DestroyedPage, DestructionTab } from './destruction.tsx'
import { DocumentPane } from './document-pane.tsx'
import { EvidenceTab, ProgressTab } from './task-events.tsx'

type Tab = 'progress' | 'evidence' | 'copies' | 'facts' | 'destruction'

export function TaskPage() {
  const { t } = useWords()
  const taskId = useParams<'taskId'>().taskId ?? ''
  const task = useQuery({
    queryKey: ['task', taskId],
    queryFn: ({ signal }) => call<SignTask>('GET', `/sign-tasks/${encodeURIComponent(taskId)}`, { signal }),
    refetchInterval: (query) => (query.state.data?.status === 'signing' ? 8_000 : false),
  })
  const [tab, setTab] = useState<Tab>('progress')
  if (task.isPending) {
    return (
      <main className="page-body">
        <Bones rows={8} />
      </main>
    )
  }
  if (task.error instanceof ApiProblem && task.error.code === 'access_destroyed')
    return <DestroyedPage taskId={taskId} />
  if (task.error) {
    return (
      <main className="page-body">
        <ProblemNote error={task.error} onRetry={task.refetch} />
      </main>
    )
  }
  const tabs: { id: Tab; word: string }[] = [
    { id: 'progress', word: t('taskTabProgress') },
    { id: 'evidence', word: t('taskTabEvidence') },
    { id: 'copies', word: t('taskTabCopies') },
    { id: 'facts', word: t('taskTabFacts') },
    { id: 'destruction', word: t('taskTabDestruction') },
  ]
  return (
    <main className="task-page">
      <DocumentPane task={task.data} />
      <section className="task-side">
        <TaskHead task={task.data} />
        <Parties task={task.data} />
        <div className="tabs" role="tablist">
          {tabs.map(({ id, word }) => (
            <button
              key={id}
              type="button"
              role="tab"
              id={`tab-${id}`}
              aria-selected={tab === id}
              aria-controls="task-tab"
              onClick={() => setTab(id)}
            >
              {word}
            </button>
          ))}
        </div>
        <div id="task-tab" role="tabpanel" aria-labelledby={`tab-${tab}`}>
          {tab === 'progress' && <ProgressTab task={task.data} />}
          {tab === 'evidence' && <EvidenceTab task={task.data} />}
          {tab === 'copies' && <CopiesTab task={task.data} />}
          {tab === 'facts' && <Facts task={task.data} />}
          {tab === 'destruction' && <DestructionTab task={task.data} />}
        </div>
      </section>
    </main>
  )
}

function TaskHead({ task }: { task: SignTask }) {
  const { t } = useWords()
  const me = useIdentity()
  const navigate = useNavigate()
  const queries = useQueryClient()
  const toast = useToast()
  const [canceling, setCanceling] = useState(false)
  const mine = task.initiator.subjectId === me.acting.subjectId
  const keep = (next: SignTask) => {
    queries.setQueryData(['task', task.id], next)
    queries.invalidateQueries({ queryKey: ['events', task.id] })
    queries.invalidateQueries({ queryKey: ['tasks'] })
  }
  const path = `/sign-tasks/${task.id}`
  const urge = useMutation({
    mutationFn: () => call<SignTask>('POST', `${path}/urge`, { idempotencyKey: newKey() }),
    onSuccess: (next) => {
      keep(next)
      toast(t('taskUrged'))
    },
  })
  const start = useMutation({
    mutationFn: () => call<SignTask>('POST', `${path}/start`, { idempotencyKey: newKey() }),
    onSuccess: keep,
  })
  const remove = useMutation({
    mutationFn: () => call('DELETE', path),
    onSuccess: () => navigate('/tasks', { replace: true }),
  })
  const signNow = useMutation({
    mutationFn: () =>
      call<{ url: string; token: string }>('POST', `${path}/actors/${task.myActorId}/link`, {
        idempotencyKey: newKey(),
      }),
    onSuccess: (link) => navigate(`/s/${link.token}`),
  })
  const evidence = useMutation({
    mutationFn: () => downloadChecked(`/api/v1${path}/evidence`, `evidence-${task.id}.zip`),
  })
  const error = urge.error ?? start.error ?? remove.error ?? signNow.error ?? evidence.error
  return (
    <header className="stack tight">
      <div className="row">
        <TaskBadge status={task.status} />
        {task.deadline && task.status === 'signing' && (
          <span className="muted small">
            {t('tasksDeadline')} {formatTime(task.deadline)}
          </span>
        )}
      </div>
      <h1 className="serif">{task.title}</h1>
      <p className="muted small">
        {t('taskInitiator')} {task.initiator.name}
      </p>
      {task.endReason && (
        <Note tone={task.status === 'rejected' ? 'bad' : 'wait'}>
          {t('labelled', { label: t('taskEndReason'), value: task.endReason ?? '' })}
        </Note>
      )}
      <div className="row">
        {task.myTurn && task.myActorId && (
          <Button slim look="primary" icon="pen" busy={signNow.isPending} onClick={() => signNow.mutate()}>
            {t('taskSignNow')}
          </Button>
        )}
        {task.status === 'draft' && mine && (
          <>
            <Button slim look="primary" busy={start.isPending} onClick={() => start.mutate()}>
              {t('taskStart')}
            </Button>
            <Button slim look="danger" icon="trash" busy={remove.isPending} onClick={() => remove.mutate()}>
              {t('taskDelete')}
            </Button>
          </>
        )}
        {task.status !== 'draft' &&
          task.documents.map((document) => (
            <a
              key={document.documentId}
              className={task.status === 'finished' ? 'button slim ink' : 'button slim'}
              href={`/api/v1${path}/documents/${document.documentId}/content`}
              download={document.name}
              title={document.name}
            >
              <Icon name="download" size={18} />
              {t('taskDownload')}
            </a>
          ))}
        {task.status !== 'draft' && (
          <Button slim icon="shield" busy={evidence.isPending} onClick={() => evidence.mutate()}>
            {t('taskEvidence')}
          </Button>
        )}
        {task.status === 'signing' && mine && (
          <>
            <Button slim icon="bell" busy={urge.isPending} onClick={() => urge.mutate()}>
              {t('taskUrge')}
            </Button>
            <Button slim look="danger" onClick={() => setCanceling(true)}>
              {t('taskCancel')}
            </Button>
          </>
        )}
      </div>
      <ProblemNote error={error} />
      {canceling && <CancelSheet task={task} onClose={() => setCanceling(false)} onCanceled={keep} />}
    </header>
  )
}

function CancelSheet({
  task,
  onClose,
  onCanceled,
}: {
  task: SignTask
  onClose(): void
  onCanceled(task: SignTask): void
}) {
  const { t } = useWords()
  const [reason, setReason] = useState('')
  const key = useRef(newKey())
  const cancel = useMutation({
    mutationFn: () =>
      call<SignTask>('POST', `/sign-tasks/${task.id}/cancel`, {
        body: { reason: reason.trim() },
        idempotencyKey: key.current,
      }),
    onSuccess: (next) => {
      onCanceled(next)
      onClose()
    },
  })
  return (
    <Sheet
      title={t('labelled', { label: t('taskCancel'), value: task.title })}
      onClose={onClose}
      footer={
        <>
          <Button onClick={onClose}>{t('taskCancelKeep')}</Button>
          <Button
            look="danger"
            disabled={!reason.trim()}
            busy={cancel.isPending}
            onClick={() => cancel.mutate()}
          >
            {t('taskCancelConfirm')}
          </Button>
        </>
      }
    >
      <div className="stack">
        <Note tone="bad">{t('taskCancelText')}</Note>
        <TextArea
          label={t('taskCancelReason')}
          value={reason}
          maxLength={500}
          onChange={(event) => {
            setReason(event.target.value)
            key.current = newKey()
          }}
        />
        <ProblemNote error={cancel.error} />
      </div>
    </Sheet>
  )
}

function Parties({ task }: { task: SignTask }) {
  const { t } = useWords()
  const me = useIdentity()
  const [link, setLink] = useState<{ actor: Actor; url: string } | null>(null)
  const mine = task.initiator.subjectId === me.acting.subjectId
  const makeLink = useMutation({
    mutationFn: async (actor: Actor) => {
      const made = await call<{ url: string }>(
        'POST',
        `/sign-tasks/${task.id}/actors/${actor.actorId}/link`,
        {
          idempotencyKey: newKey(),
        },
      )
      return { actor, url: made.url }
    },
    onSuccess: setLink,
  })
  return (
    <section className="stack tight">
      <h2>{t('taskParties')}</h2>
      <ol className="party-cards">
        {task.actorDetails.map((actor) => (
          <li key={actor.actorId} className={`party-card ${actor.status}`}>
            <span className="party-icon">
              <Icon name={actor.kind === 'corp' ? 'company' : 'person'} size={18} />
            </span>
            <div className="grow">
              <p className="row">
                <strong>{actor.name}</strong>
                <ActorBadge status={actor.status} />
              </p>
              <p className="muted small">
                {[
                  task.ordered && actor.role === 'sign' ? t('taskOrder', { order: actor.order }) : null,
                  actor.role === 'cc' ? t('roleCc') : null,
                  actor.freeSign ? t('taskFreeSign') : actor.contact,
                ]
                  .filter(Boolean)
                  .join(' · ')}
              </p>
              {actor.signedAt && (
                <p className="muted small">{t('signedBy', { time: formatTime(actor.signedAt) })}</p>
              )}
              {actor.certificateSerial && (
                <p className="muted small">
                  {t('certificate')} <span className="mono">{actor.certificateSerial}</span>
                </p>
              )}
              {actor.rejectReason && <p className="small">{actor.rejectReason}</p>}
            </div>
            {mine && task.status === 'signing' && !actor.freeSign && isOpen(actor) && (
              <Button
                slim
                icon="link"
                busy={makeLink.isPending && makeLink.variables?.actorId === actor.actorId}
                onClick={() => makeLink.mutate(actor)}
              >
                {t('taskLink')}
              </Button>
            )}
          </li>
        ))}
      </ol>
      <ProblemNote error={makeLink.error} />
      {link && (
        <Sheet
          title={`${t('taskLink')} · ${link.actor.name}`}
          onClose={() => setLink(null)}
          footer={<CopyButton text={link.url} label={t('taskCopyLink')} slim={false} />}
        >
          <div className="link-sheet">
            <QrCode text={link.url} />
            <div className="stack tight">
              <p className="mono link-text">{link.url}</p>
              <p className="muted small">{t('taskLinkText')}</p>
            </div>
          </div>
        </Sheet>
      )}
    </section>
  )
}

function isOpen(actor: Actor): boolean {
  return actor.status === 'ready' || actor.status === 'viewed' || actor.status === 'waiting'
}

function Facts({ task }: { task: SignTask }) {
  const { t } = useWords()
  return (
    <dl className="facts">
      <dt>ID</dt>
      <dd className="mono">{task.id}</dd>
      <dt>{t('taskSequence')}</dt>
      <dd>{t(task.ordered ? 'taskOrdered' : 'taskParallel')}</dd>
      <dt>{t('taskCreated')}</dt>
      <dd>{formatTime(task.createdAt)}</dd>
      <dt>{t('taskStarted')}</dt>
      <dd>{formatTime(task.startedAt)}</dd>
      <dt>{t('taskFinished')}</dt>
      <dd>{formatTime(task.finishedAt)}</dd>
      {task.reference && (
        <>
          <dt>{t('taskReference')}</dt>
          <dd className="mono">{task.reference}</dd>
        </>
      )}
      {task.documents.map((document) => (
        <div key={document.documentId} style={{ display: 'contents' }}>
          <dt>{t('taskDocuments')}</dt>
          <dd>
            {document.name} · {t('pages', { count: document.pageCount })}
            <br />
            <span className="fingerprint">{document.sha256}</span>
          </dd>
        </div>
      ))}
    </dl>
  )
}
