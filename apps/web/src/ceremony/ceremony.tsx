import { useQuery, useQueryClient } from '@tanstack/react-query'
import type { Ceremony, CeremonyCover } from '@yinxin/sdk/wire'
import { useParams } from 'react-router'
import { ApiProblem, call } from '../api/client.ts'
import { useLogOut } from '../api/session.ts'
import { Button } from '../design/controls.tsx'
import { Icon } from '../design/icons.tsx'
import { ActorBadge, Bones, ProblemNote } from '../design/notices.tsx'
import { IdentityForm } from '../identity/identity-form.tsx'
import { formatTime } from '../words/dates.ts'
import { useWords } from '../words/words.tsx'
import { useActing } from './acting.ts'
import { Arrive } from './arrive.tsx'
import { Done } from './done.tsx'
import { Framed, StepHeading } from './frame.tsx'
import { Reading } from './reading.tsx'
import '../style/ceremony.css'

/** The page behind a signing link. The server says which step is next; nothing here decides it. */
export function CeremonyPage() {
  const token = useParams<'token'>().token ?? ''
  const queries = useQueryClient()
  const cover = useQuery({
    queryKey: ['cover', token],
    queryFn: ({ signal }) =>
      call<CeremonyCover>('GET', `/ceremonies/${encodeURIComponent(token)}`, { signal }),
  })
  const view = useQuery({
    queryKey: ['ceremony', token],
    queryFn: async ({ signal }): Promise<Ceremony | null> => {
      try {
        return await call<Ceremony>('GET', `/ceremonies/${encodeURIComponent(token)}/view`, { signal })
      } catch (error) {
        if (error instanceof ApiProblem && error.status === 401) return null
        throw error
      }
    },
    enabled: cover.isSuccess,
    refetchInterval: (query) => (query.state.data?.step === 'wait' ? 8_000 : false),
  })
  const show = (ceremony: Ceremony) => queries.setQueryData(['ceremony', token], ceremony)
  const refresh = () => queries.invalidateQueries({ queryKey: ['ceremony', token] })
  const acting = useActing(view.data ?? null)

  if (cover.error) {
    const gone =
      cover.error instanceof ApiProblem && (cover.error.status === 404 || cover.error.status === 410)
    return (
      <Framed>
        {gone ? (
          <Closed cover={null} detail={cover.error.message} />
        ) : (
          <ProblemNote error={cover.error} onRetry={cover.refetch} />
        )}
      </Framed>
    )
  }
  if (view.error) {
    return (
      <Framed cover={cover.data}>
        <ProblemNote error={view.error} onRetry={view.refetch} />
      </Framed>
    )
  }
  if (acting.error) {
    return (
      <Framed cover={cover.data}>
        <ProblemNote error={acting.error} onRetry={acting.refetch} />
      </Framed>
    )
  }
  if (!cover.data || view.data === undefined || acting.isLoading) {
    return (
      <Framed>
        <Bones rows={5} height={28} />
      </Framed>
    )
  }
  const ceremony = view.data
  if (ceremony === null || ceremony.step === 'log-in') {
    return (
      <Framed cover={cover.data}>
        {isOver(cover.data) ? (
          <Closed cover={cover.data} />
        ) : (
          <Arrive token={token} cover={cover.data} onArrived={show} />
        )}
      </Framed>
    )
  }
  switch (ceremony.step) {
    case 'prove-identity':
      return (
        <Framed cover={ceremony.cover}>
          <StepHeading>
            <Icon name="shield" /> <IdentityTitle />
          </StepHeading>
          <IdentityForm
            environment={ceremony.cover.environment}
            initialName={ceremony.me?.name ?? null}
            onPassed={refresh}
          />
        </Framed>
      )
    case 'wrong-person':
      return (
        <Framed cover={ceremony.cover}>
          <WrongPerson ceremony={ceremony} onLoggedOut={refresh} />
        </Framed>
      )
    case 'wait':
      return (
        <Framed cover={ceremony.cover}>
          <Waiting ceremony={ceremony} />
        </Framed>
      )
    case 'read-and-sign':
      return <Reading token={token} ceremony={ceremony} onChanged={show} onStale={refresh} />
    case 'done':
      return (
        <Framed cover={ceremony.cover}>
          <Done token={token} ceremony={ceremony} />
        </Framed>
      )
    case 'rejected':
      return (
        <Framed cover={ceremony.cover}>
          <Ended icon="cross" title="rejectedTitle" text="rejectedText" cover={ceremony.cover} />
        </Framed>
      )
    case 'closed':
      return (
        <Framed cover={ceremony.cover}>
          <Closed cover={ceremony.cover} />
        </Framed>
      )
  }
}

function isOver(cover: CeremonyCover): boolean {
  return cover.taskStatus === 'canceled' || cover.taskStatus === 'expired' || cover.taskStatus === 'rejected'
}

function IdentityTitle() {
  return useWords().t('identityTitle')
}

function WrongPerson({ ceremony, onLoggedOut }: { ceremony: Ceremony; onLoggedOut(): void }) {
  const { t } = useWords()
  const logOut = useLogOut()
  const expected = ceremony.cover.actor.nameMasked
  const actual = ceremony.me?.name ?? ceremony.me?.contactMasked ?? '—'
  return (
    <div className="stack">
      <StepHeading>{t('wrongTitle')}</StepHeading>
      <p>{t(ceremony.cover.actor.kind === 'corp' ? 'wrongCorp' : 'wrongText', { expected, actual })}</p>
      <Button
        look="primary"
        wide
        onClick={async () => {
          await logOut()
          onLoggedOut()
        }}
      >
        {t('wrongSwitch')}
      </Button>
    </div>
  )
}

function Waiting({ ceremony }: { ceremony: Ceremony }) {
  const { t } = useWords()
  return (
    <div className="stack">
      <Ended icon="clock" title="waitTitle" text="waitText" cover={ceremony.cover} />
      {ceremony.task && (
        <ol className="card party-list">
          {ceremony.task.actors.map((actor) => (
            <li key={`${actor.order}${actor.name}`}>
              <span className="grow">
                {actor.name}
                {actor.mine && <span className="muted"> · {t('arriveFor')}</span>}
              </span>
              <ActorBadge status={actor.status} />
            </li>
          ))}
        </ol>
      )}
    </div>
  )
}

function Closed({ cover, detail }: { cover: CeremonyCover | null; detail?: string }) {
  const text =
    cover?.taskStatus === 'canceled'
      ? 'closedCanceled'
      : cover?.taskStatus === 'expired'
        ? 'closedExpired'
        : cover?.taskStatus === 'finished'
          ? 'closedFinished'
          : cover?.taskStatus === 'rejected'
            ? 'rejectedText'
            : 'closedUnknown'
  return <Ended icon="link" title="closedTitle" text={text} detail={detail} cover={cover} />
}

function Ended({
  icon,
  title,
  text,
  detail,
  cover,
}: {
  icon: 'cross' | 'clock' | 'link'
  title: 'rejectedTitle' | 'waitTitle' | 'closedTitle'
  text: 'rejectedText' | 'waitText' | 'closedCanceled' | 'closedExpired' | 'closedFinished' | 'closedUnknown'
  /** The server's own words, when it gave the reason. */
  detail?: string | undefined
  cover: CeremonyCover | null
}) {
  const { t } = useWords()
  return (
    <section className="ended">
      <span className="glyph">
        <Icon name={icon} size={32} />
      </span>
      <StepHeading>{t(title)}</StepHeading>
      {cover && <p className="serif">{t('titled', { title: cover.taskTitle })}</p>}
      <p className="muted">{detail ?? t(text)}</p>
      {cover?.deadline && title === 'waitTitle' && (
        <p className="muted small">
          {t('arriveUntil')} {formatTime(cover.deadline)}
        </p>
      )}
    </section>
  )
}
