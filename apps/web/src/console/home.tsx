import { useQuery } from '@tanstack/react-query'
import type { Page, Seal, SignTaskSummary } from '@yinxin/sdk/wire'
import { useState } from 'react'
import { Link } from 'react-router'
import { call } from '../api/client.ts'
import { Button } from '../design/controls.tsx'
import { Icon } from '../design/icons.tsx'
import { Bones, ProblemNote } from '../design/notices.tsx'
import { useWords } from '../words/words.tsx'
import { PageHead, useIdentity } from './page.tsx'
import { PasswordSheet } from './password-sheet.tsx'
import { TaskLine } from './tasks.tsx'

export function HomePage() {
  const { t } = useWords()
  const me = useIdentity()
  const [sheet, setSheet] = useState<'none' | 'password'>('none')
  const received = useTasks('received')
  const initiated = useTasks('initiated')
  const seals = useQuery({
    queryKey: ['seals'],
    queryFn: ({ signal }) => call<Page<Seal>>('GET', '/seals?limit=100', { signal }),
  })
  const toSign = received.data?.items.filter((task) => task.myTurn) ?? []
  const running = initiated.data?.items ?? []
  const ended = running.filter((task) => task.status !== 'signing' && task.status !== 'draft')
  const steps = [
    {
      done: me.person.identity.verified,
      to: '/corp',
      word: t('homeSetupIdentity'),
      why: t('homeSetupIdentityWhy'),
    },
    { done: me.memberships.length > 0, to: '/corp', word: t('homeSetupCorp'), why: t('homeSetupCorpWhy') },
    {
      // Members see the seals granted to them; to cut one is for the administrators.
      done: me.acting.role === 'member' || (seals.data?.items.length ?? 0) > 0,
      to: '/seals',
      word: t('homeSetupSeal'),
      why: t('homeSetupSealWhy'),
    },
    { done: running.length > 0, to: '/tasks/new', word: t('homeSetupTask'), why: t('homeSetupTaskWhy') },
  ]
  const settled = !initiated.isPending && !seals.isPending
  return (
    <main className="page-body">
      <PageHead title={t('homeHello', { name: me.person.name ?? me.login })} lead={me.acting.name}>
        <Button look="quiet" onClick={() => setSheet('password')}>
          {t('passwordSet')}
        </Button>
        <Link className="button primary" to="/tasks/new">
          <Icon name="plus" size={18} />
          {t('newTask')}
        </Link>
      </PageHead>
      {sheet === 'password' && <PasswordSheet login={me.login} onClose={() => setSheet('none')} />}
      {settled && steps.some((step) => !step.done) && (
        <section className="card setup">
          <h2>{t('homeSetup')}</h2>
          <ol>
            {steps.map((step, index) => (
              <li key={step.word} className={step.done ? 'done' : ''}>
                <Link to={step.to}>
                  <span className="setup-mark">
                    {step.done ? <Icon name="check" size={16} /> : index + 1}
                  </span>
                  <span>
                    <strong>{step.word}</strong>
                    <span className="muted small">{step.why}</span>
                  </span>
                </Link>
              </li>
            ))}
          </ol>
        </section>
      )}
      <div className="home-lists">
        <TaskSection
          title={t('homeToSign')}
          none={t('homeToSignNone')}
          query={received}
          tasks={toSign}
          to="/tasks?role=received"
          urgent
        />
        <TaskSection
          title={t('homeRunning')}
          none={t('homeRunningNone')}
          query={initiated}
          tasks={running.filter((task) => task.status === 'signing')}
          to="/tasks?role=initiated"
        />
        {ended.length > 0 && (
          <TaskSection
            title={t('homeEnded')}
            none=""
            query={initiated}
            tasks={ended}
            to="/tasks?status=finished"
          />
        )}
      </div>
    </main>
  )
}

function useTasks(role: 'received' | 'initiated') {
  return useQuery({
    queryKey: ['tasks', 'home', role],
    queryFn: ({ signal }) =>
      call<Page<SignTaskSummary>>(
        'GET',
        `/sign-tasks?role=${role}&limit=50${role === 'received' ? '&status=signing' : ''}`,
        {
          signal,
        },
      ),
    refetchInterval: 30_000,
  })
}

function TaskSection({
  title,
  none,
  query,
  tasks,
  to,
  urgent,
}: {
  title: string
  none: string
  query: ReturnType<typeof useTasks>
  tasks: SignTaskSummary[]
  to: string
  urgent?: boolean
}) {
  const { t } = useWords()
  return (
    <section className="card flush">
      <header className="row apart section-head">
        <h2>
          {title}{' '}
          {tasks.length > 0 && <span className={urgent ? 'count urgent' : 'count'}>{tasks.length}</span>}
        </h2>
        <Link to={to}>{t('seeAll')}</Link>
      </header>
      {query.isPending ? (
        <div className="padded">
          <Bones rows={3} />
        </div>
      ) : query.error ? (
        <div className="padded">
          <ProblemNote error={query.error} onRetry={query.refetch} />
        </div>
      ) : tasks.length === 0 ? (
        <p className="muted padded">{none}</p>
      ) : (
        <ul>
          {tasks.slice(0, 6).map((task) => (
            <TaskLine key={task.id} task={task} />
          ))}
        </ul>
      )}
    </section>
  )
}
