import { useInfiniteQuery } from '@tanstack/react-query'
import type { Page, SignTaskSummary, TaskStatus } from '@yinxin/sdk/wire'
import { useEffect, useRef, useState } from 'react'
import { Link, useNavigate, useSearchParams } from 'react-router'
import { call } from '../api/client.ts'
import { Button, Segments } from '../design/controls.tsx'
import { Icon } from '../design/icons.tsx'
import { ActorBadge, Bones, Empty, ProblemNote, TaskBadge } from '../design/notices.tsx'
import { formatRelative, formatTime } from '../words/dates.ts'
import { useWords } from '../words/words.tsx'
import { PageHead } from './page.tsx'

const statuses: TaskStatus[] = ['signing', 'finished', 'draft', 'rejected', 'canceled', 'expired']

/** All tasks of the acting subject. The filters live in the address bar: they can be kept and sent. */
export function TasksPage() {
  const { t, language } = useWords()
  const [params, setParams] = useSearchParams()
  const navigate = useNavigate()
  const search = useRef<HTMLInputElement>(null)
  const status = params.get('status') ?? ''
  const role = params.get('role') ?? ''
  const words = params.get('q') ?? ''
  const filtered = Boolean(status || role || words)
  const tasks = useInfiniteQuery({
    queryKey: ['tasks', status, role, words],
    queryFn: ({ pageParam, signal }) => {
      const query = new URLSearchParams({ limit: '20' })
      if (status) query.set('status', status)
      if (role) query.set('role', role)
      if (words) query.set('q', words)
      if (pageParam) query.set('cursor', pageParam)
      return call<Page<SignTaskSummary>>('GET', `/sign-tasks?${query}`, { signal })
    },
    initialPageParam: '',
    getNextPageParam: (page) => page.nextCursor ?? undefined,
  })
  const filter = (name: string, value: string) =>
    setParams(
      (before) => {
        if (value) before.set(name, value)
        else before.delete(name)
        return before
      },
      { replace: true },
    )

  useEffect(() => {
    const key = (event: KeyboardEvent) => {
      if (event.target instanceof HTMLElement && event.target.matches('input,textarea,select')) return
      if (event.metaKey || event.ctrlKey || event.altKey) return
      if (event.key === '/') {
        event.preventDefault()
        search.current?.focus()
      }
      if (event.key === 'n') navigate('/tasks/new')
    }
    window.addEventListener('keydown', key)
    return () => window.removeEventListener('keydown', key)
  }, [navigate])

  const items = tasks.data?.pages.flatMap((page) => page.items) ?? []
  return (
    <main className="page-body">
      <PageHead title={t('navTasks')}>
        <Link className="button primary" to="/tasks/new">
          <Icon name="plus" size={18} />
          {t('newTask')}
        </Link>
      </PageHead>
      <div className="filters">
        <SearchBox inputRef={search} value={words} onChange={(value) => filter('q', value)} />
        <Segments
          label={t('tasksRole')}
          value={role}
          onChange={(value) => filter('role', value)}
          options={[
            { value: '', label: t('tasksAnyRole') },
            { value: 'initiated', label: t('tasksInitiated') },
            { value: 'received', label: t('tasksReceived') },
          ]}
        />
        <select
          className="input"
          aria-label={t('tasksStatus')}
          value={status}
          onChange={(event) => filter('status', event.target.value)}
        >
          <option value="">{t('labelled', { label: t('tasksStatus'), value: t('tasksAll') })}</option>
          {statuses.map((value) => (
            <option key={value} value={value}>
              {t(statusWord[value])}
            </option>
          ))}
        </select>
      </div>
      <section className="card flush">
        {tasks.isPending ? (
          <div className="padded">
            <Bones rows={6} />
          </div>
        ) : tasks.error ? (
          <div className="padded">
            <ProblemNote error={tasks.error} onRetry={tasks.refetch} />
          </div>
        ) : items.length === 0 ? (
          filtered ? (
            <Empty
              icon="search"
              title={t('tasksNoneTitle')}
              action={<Button onClick={() => setParams({}, { replace: true })}>{t('tasksClear')}</Button>}
            >
              {t('tasksNoneText')}
            </Empty>
          ) : (
            <Empty
              icon="task"
              title={t('tasksEmptyTitle')}
              action={
                <Link className="button primary" to="/tasks/new">
                  {t('newTask')}
                </Link>
              }
            >
              {t('tasksEmptyText')}
            </Empty>
          )
        ) : (
          <table className="task-table">
            <thead>
              <tr>
                <th>{t('tasksTitle')}</th>
                <th>{t('tasksParties')}</th>
                <th>{t('tasksDeadline')}</th>
                <th>{t('tasksUpdated')}</th>
              </tr>
            </thead>
            <tbody>
              {items.map((task) => (
                <tr key={task.id} onClick={() => navigate(`/tasks/${task.id}`)}>
                  <td>
                    <Link
                      to={`/tasks/${task.id}`}
                      className="task-title"
                      onClick={(event) => event.stopPropagation()}
                    >
                      {task.title}
                    </Link>
                    <span className="row">
                      <TaskBadge status={task.status} />
                      {task.myTurn && <span className="badge bad">{t('myTurn')}</span>}
                      <span className="muted small clip">{task.initiator.name}</span>
                    </span>
                  </td>
                  <td>
                    <ul className="party-stack">
                      {task.actors.slice(0, 3).map((actor) => (
                        <li key={actor.actorId}>
                          <span className="clip">{actor.name}</span>
                          <ActorBadge status={actor.status} />
                        </li>
                      ))}
                      {task.actors.length > 3 && <li className="muted small">+{task.actors.length - 3}</li>}
                    </ul>
                  </td>
                  <td className="small">
                    {task.deadline ? formatTime(task.deadline) : t('arriveNoDeadline')}
                  </td>
                  <td className="small muted" title={formatTime(task.updatedAt)}>
                    {formatRelative(task.updatedAt, language)}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        )}
      </section>
      {tasks.hasNextPage && (
        <div className="centered">
          <Button busy={tasks.isFetchingNextPage} onClick={() => tasks.fetchNextPage()}>
            {t('more')}
          </Button>
        </div>
      )}
    </main>
  )
}

export const statusWord = {
  draft: 'statusDraft',
  signing: 'statusSigning',
  finished: 'statusFinished',
  rejected: 'statusRejected',
  canceled: 'statusCanceled',
  expired: 'statusExpired',
} as const

/** Types into the address after a pause, so that each letter is not a request. */
function SearchBox({
  inputRef,
  value,
  onChange,
}: {
  inputRef: React.RefObject<HTMLInputElement | null>
  value: string
  onChange(value: string): void
}) {
  const { t } = useWords()
  const [text, setText] = useState(value)
  const latest = useRef(onChange)
  latest.current = onChange
  useEffect(() => setText(value), [value])
  useEffect(() => {
    if (text === value) return
    const timer = window.setTimeout(() => latest.current(text), 300)
    return () => window.clearTimeout(timer)
  }, [text, value])
  return (
    <label className="search">
      <Icon name="search" size={18} />
      <span className="unseen">{t('tasksSearch')}</span>
      <input
        ref={inputRef}
        className="input"
        type="search"
        placeholder={t('tasksSearch')}
        value={text}
        onChange={(event) => setText(event.target.value)}
      />
      <kbd>/</kbd>
    </label>
  )
}

/** One task in a short list. */
export function TaskLine({ task }: { task: SignTaskSummary }) {
  const { language } = useWords()
  const signers = task.actors.filter((actor) => actor.role === 'sign')
  const signed = signers.filter((actor) => actor.status === 'signed').length
  return (
    <li className="task-line">
      <Link to={`/tasks/${task.id}`}>
        <span className="grow">
          <strong className="clip">{task.title}</strong>
          <span className="muted small clip">{task.actors.map((actor) => actor.name).join(' · ')}</span>
        </span>
        <span className="task-line-state">
          {task.status === 'signing' ? (
            <span className="badge wait">
              <Icon name="clock" size={14} />
              {signed}/{signers.length}
            </span>
          ) : (
            <TaskBadge status={task.status} />
          )}
          <span className="muted small">{formatRelative(task.updatedAt, language)}</span>
        </span>
      </Link>
    </li>
  )
}
