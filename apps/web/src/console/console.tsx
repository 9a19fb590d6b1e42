import { useMutation, useQueryClient } from '@tanstack/react-query'
import type { Me } from '@yinxin/sdk/wire'
import { lazy, Suspense } from 'react'
import { Navigate, NavLink, Route, Routes, useLocation } from 'react-router'
import { call } from '../api/client.ts'
import { useLogOut, useMe } from '../api/session.ts'
import { Button, IconButton } from '../design/controls.tsx'
import { Icon, type IconName } from '../design/icons.tsx'
import { Bones, EnvironmentBand, ProblemNote } from '../design/notices.tsx'
import { NotFound } from '../design/not-found.tsx'
import { useWords, type WordKey } from '../words/words.tsx'
import { CorpPage } from './corp.tsx'
import { DeveloperPage } from './developer.tsx'
import { HomePage } from './home.tsx'
import { IdentityProvider } from './page.tsx'
import { SealsPage } from './seals.tsx'
import { TasksPage } from './tasks.tsx'
import { VerifyPanel } from './verify.tsx'
import '../style/console.css'

const TaskPage = lazy(() => import('./task.tsx').then((m) => ({ default: m.TaskPage })))
const CustodyPage = lazy(() => import('./custody.tsx').then((m) => ({ default: m.CustodyPage })))
const CompensationPage = lazy(() =>
  import('./compensation.tsx').then((m) => ({ default: m.CompensationPage })),
)
const ExportsPage = lazy(() => import('./exports.tsx').then((m) => ({ default: m.ExportsPage })))
const ImportsPage = lazy(() => import('./imports.tsx').then((m) => ({ default: m.ImportsPage })))
const NewTaskPage = lazy(() => import('./new-task.tsx').then((m) => ({ default: m.NewTaskPage })))

const places: { to: string; icon: IconName; word: WordKey }[] = [
  { to: '/', icon: 'home', word: 'navHome' },
  { to: '/tasks', icon: 'task', word: 'navTasks' },
  { to: '/seals', icon: 'seal', word: 'navSeals' },
  { to: '/corp', icon: 'company', word: 'navCorp' },
  { to: '/console/verify', icon: 'shield', word: 'navVerify' },
  { to: '/custody', icon: 'globe', word: 'navCustody' },
  { to: '/developer', icon: 'code', word: 'navDeveloper' },
]

export function Console() {
  const { t } = useWords()
  const me = useMe()
  const location = useLocation()
  if (me.isPending) {
    return (
      <div className="waiting-room">
        <Bones rows={4} height={28} />
      </div>
    )
  }
  if (me.error) {
    return (
      <div className="waiting-room">
        <ProblemNote error={me.error} onRetry={me.refetch} />
      </div>
    )
  }
  if (!me.data)
    return <Navigate to={`/login?next=${encodeURIComponent(location.pathname + location.search)}`} replace />
  return (
    <IdentityProvider value={me.data}>
      <div className="console">
        <Rail me={me.data} />
        <div className="console-body">
          <header className="top-bar">
            <NavLink to="/" className="brand" aria-label={t('product')}>
              <i>印信</i>
            </NavLink>
            <Who me={me.data} />
          </header>
          <EnvironmentBand environment={me.data.environment} />
          <Suspense
            fallback={
              <div className="waiting-room">
                <Bones rows={5} height={28} />
              </div>
            }
          >
            {/* Another acting subject is another set of pages: nothing of the former may linger. */}
            <Routes key={me.data.acting.subjectId}>
              <Route path="/" element={<HomePage />} />
              <Route path="/tasks" element={<TasksPage />} />
              <Route path="/tasks/new" element={<NewTaskPage />} />
              <Route path="/tasks/:taskId" element={<TaskPage />} />
              <Route path="/seals" element={<SealsPage />} />
              <Route path="/corp" element={<CorpPage />} />
              <Route path="/console/verify" element={<VerifyPanel />} />
              <Route path="/custody" element={<CustodyPage />} />
              <Route path="/compensation" element={<CompensationPage />} />
              <Route path="/exports" element={<ExportsPage />} />
              <Route path="/imports" element={<ImportsPage />} />
              <Route path="/developer" element={<DeveloperPage />} />
              <Route path="*" element={<NotFound />} />
            </Routes>
          </Suspense>
        </div>
      </div>
    </IdentityProvider>
  )
}

function Rail({ me }: { me: Me }) {
  const { t } = useWords()
  return (
    <aside className="rail">
      <NavLink to="/" className="brand">
        <i>印信</i>
        <span>{t('product')}</span>
      </NavLink>
      <nav aria-label={t('navMain')}>
        {places.map((place) => (
          <NavLink key={place.to} to={place.to} end={place.to === '/'}>
            <Icon name={place.icon} />
            <span>{t(place.word as 'navHome')}</span>
          </NavLink>
        ))}
      </nav>
      <div className="rail-foot">
        <Who me={me} />
      </div>
    </aside>
  )
}

/** For whom the session acts, the language, the way out: in the rail, or above the page where that is narrow. */
function Who({ me }: { me: Me }) {
  const { t, language, setLanguage } = useWords()
  const logOut = useLogOut()
  return (
    <>
      <ActingSwitch me={me} />
      <div className="row">
        <Button look="quiet" slim icon="globe" onClick={() => setLanguage(language === 'zh' ? 'en' : 'zh')}>
          {t('language')}
        </Button>
        <IconButton icon="exit" label={t('logOut')} onClick={() => logOut()} />
      </div>
    </>
  )
}

function ActingSwitch({ me }: { me: Me }) {
  const { t } = useWords()
  const queries = useQueryClient()
  const change = useMutation({
    mutationFn: (subjectId: string) => call<Me>('PUT', '/me/acting', { body: { subjectId } }),
    onSuccess: (next) => {
      queries.removeQueries({
        predicate: ({ queryKey }) => queryKey[0] !== 'me' && queryKey[0] !== 'environment',
      })
      queries.setQueryData(['me'], next)
    },
  })
  return (
    <label className="acting">
      <span className="muted">{t('actingFor')}</span>
      <select
        value={me.acting.subjectId}
        disabled={change.isPending}
        onChange={(event) => change.mutate(event.target.value)}
      >
        <option value={me.person.id}>
          {t('noted', { what: me.person.name ?? me.login, note: t('actingSelf') })}
        </option>
        {me.memberships.map((membership) => (
          <option key={membership.corpId} value={membership.corpId}>
            {membership.corpName}
          </option>
        ))}
      </select>
    </label>
  )
}
