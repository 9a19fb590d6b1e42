import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import type { Destruction, DestructionBasis, DestructionOverview, SignTask } from '@yinxin/sdk/wire'
import { type FormEvent, useState } from 'react'
import { Link } from 'react-router'
import { call } from '../api/client.ts'
import { downloadChecked } from '../api/download.ts'
import { CodeField } from '../design/code-field.tsx'
import { Button, Segments, TextField } from '../design/controls.tsx'
import { Bones, Note, ProblemNote, useToast } from '../design/notices.tsx'
import { Sheet } from '../design/sheet.tsx'
import { formatDay, formatTime } from '../words/dates.ts'
import { useWords } from '../words/words.tsx'
import { useIdentity } from './page.tsx'

const MOVING: readonly Destruction['state'][] = ['HOLD_CHECK', 'SHREDDING', 'VERIFYING']
const LIVING: readonly Destruction['state'][] = [
  'REQUESTED',
  'CONSENT_PENDING',
  'APPROVED',
  'COOLING_OFF',
  ...MOVING,
]

function useDestruction(taskId: string) {
  return useQuery({
    queryKey: ['destruction', taskId],
    queryFn: ({ signal }) =>
      call<DestructionOverview>('GET', `/sign-tasks/${encodeURIComponent(taskId)}/destruction`, { signal }),
    refetchInterval: ({ state }) => (state.data?.requests.some(isOnItsWay) ? 3_000 : false),
  })
}

/** Something will change within moments: a step under way, or a certificate that is being made. */
function isOnItsWay(one: Destruction): boolean {
  const isDue = one.state === 'COOLING_OFF' && Date.parse(one.dueAt ?? '') <= Date.now()
  return isDue || MOVING.includes(one.state) || one.certificates.some((made) => !made.ready)
}

/** Asking for destruction, the way of what was asked, and the certificates. */
export function DestructionTab({ task }: { task: SignTask }) {
  const { t } = useWords()
  const me = useIdentity()
  const query = useDestruction(task.id)
  const [asking, setAsking] = useState<DestructionBasis | null>(null)
  if (query.isPending) return <Bones rows={4} />
  if (query.error) return <ProblemNote error={query.error} onRetry={query.refetch} />
  const { requests, holds, termEndedAt, coolingOffDays } = query.data
  const isUnderWay = requests.some((one) => one.mine && LIVING.includes(one.state))
  const mayAsk = me.acting.role !== 'member'
  const hasOthers = task.actors.filter((actor) => actor.role === 'sign').length > 1
  const isOpen = !isUnderWay && holds.length === 0 && task.status !== 'signing'
  return (
    <div className="stack">
      <p className="muted small">{t('destroyLead')}</p>
      {holds.map((hold) => (
        <Note key={hold.placedAt} tone="wait">
          {t('destroyHeld', { since: formatTime(hold.placedAt) })}
        </Note>
      ))}
      <Requests taskId={task.id} requests={requests} />
      {isOpen && !mayAsk && <p className="muted small">{t('destroyAdminOnly')}</p>}
      {isOpen && mayAsk && (
        <>
          <Choice title={t('destroyOwn')} why={t('destroyOwnWhy')} onAsk={() => setAsking('own')} />
          {hasOthers && task.status !== 'draft' && (
            <Choice
              title={t('destroyConsent')}
              why={t('destroyConsentWhy', { days: coolingOffDays })}
              onAsk={() => setAsking('consent')}
            />
          )}
          {termEndedAt !== null && task.initiator.subjectId === me.acting.subjectId && (
            <Choice
              title={t('destroyTermEnd')}
              why={t('destroyTermEndWhy')}
              onAsk={() => setAsking('term-end')}
            />
          )}
        </>
      )}
      {asking && (
        <AskSheet
          taskId={task.id}
          basis={asking}
          coolingOffDays={coolingOffDays}
          onClose={() => setAsking(null)}
        />
      )}
    </div>
  )
}

/** In place of a contract that the acting subject can no longer read. */
export function DestroyedPage({ taskId }: { taskId: string }) {
  const { t } = useWords()
  const query = useDestruction(taskId)
  const gone = query.data?.requests.some(
    (one) => one.extent === 'contract' && one.state.startsWith('DESTROYED'),
  )
  return (
    <main className="page-body">
      <section className="stack">
        <h1 className="serif">{t(gone ? 'destroyedContractTitle' : 'destroyedTitle')}</h1>
        {query.isPending ? <Bones rows={4} /> : <ProblemNote error={query.error} onRetry={query.refetch} />}
        {query.data && <Requests taskId={taskId} requests={query.data.requests} />}
      </section>
    </main>
  )
}

function Choice({ title, why, onAsk }: { title: string; why: string; onAsk(): void }) {
  const { t } = useWords()
  return (
    <div className="card stack tight">
      <h3>{title}</h3>
      <p className="muted small">{why}</p>
      <div className="row">
        <Button slim look="danger" onClick={onAsk} aria-label={`${t('destroyAsk')} · ${title}`}>
          {t('destroyAsk')}
        </Button>
      </div>
    </div>
  )
}

function Requests({ taskId, requests }: { taskId: string; requests: readonly Destruction[] }) {
  const { t } = useWords()
  if (requests.length === 0) return <p className="muted small">{t('destroyNone')}</p>
  return (
    <>
      {requests.map((one) => (
        <RequestCard key={one.id} taskId={taskId} one={one} />
      ))}
    </>
  )
}

function RequestCard({ taskId, one }: { taskId: string; one: Destruction }) {
  const { t } = useWords()
  const queries = useQueryClient()
  const toast = useToast()
  const path = `/sign-tasks/${taskId}/destruction/${one.id}`
  const cancel = useMutation({
    mutationFn: () => call<Destruction>('POST', `${path}/cancel`),
    onSuccess: () => {
      queries.invalidateQueries({ queryKey: ['destruction', taskId] })
      toast(t('destroyCancelled'))
    },
  })
  const download = useMutation({
    mutationFn: ({ form, number }: { form: 'pdf' | 'zip'; number: string }) =>
      downloadChecked(`/api/v1${path}/certificate?form=${form}`, `${number}.${form}`),
  })
  const [newest] = one.certificates
  return (
    <article className="card stack tight">
      <div className="row">
        <strong>{t(`state${one.state}`)}</strong>
        <span className="muted small">
          {t(one.extent === 'contract' ? 'destroyOfContract' : 'destroyOfAccess')} ·{' '}
          {formatTime(one.requestedAt)}
        </span>
      </div>
      {one.state === 'COOLING_OFF' && one.dueAt && <Countdown until={one.dueAt} />}
      {one.problem === 'destruction_task_is_signed_now' ? (
        <Note tone="wait">{t('destroyWaitsForSigning')}</Note>
      ) : (
        one.problem !== null &&
        one.nextTryAt !== null && (
          <Note tone="wait">
            {t('destroyRetry', {
              count: one.attempts,
              problem: one.problem,
              time: formatTime(one.nextTryAt),
            })}
          </Note>
        )
      )}
      {one.state === 'DESTROYED_PROVISIONAL' && (
        <p className="muted small">
          {t(one.extent === 'contract' ? 'destroyProvisionalWhy' : 'destroyProvisionalAccessWhy')}
        </p>
      )}
      <div className="row">
        {one.agreementTaskId && (
          <Link className="button slim" to={`/tasks/${one.agreementTaskId}`}>
            {t('destroyAgreement')}
          </Link>
        )}
        {newest?.ready && (
          <>
            <Button
              slim
              look="ink"
              icon="download"
              busy={download.isPending}
              onClick={() => download.mutate({ form: 'pdf', number: newest.number })}
            >
              {t('destroyCertificate')}
            </Button>
            <Button
              slim
              icon="shield"
              busy={download.isPending}
              onClick={() => download.mutate({ form: 'zip', number: newest.number })}
            >
              {t('destroyProof')}
            </Button>
          </>
        )}
        {newest && !newest.ready && <span className="muted small">{t('destroyMaking')}</span>}
        {one.cancellable && (
          <Button slim busy={cancel.isPending} onClick={() => cancel.mutate()}>
            {t('destroyCancel')}
          </Button>
        )}
      </div>
      <ProblemNote error={cancel.error ?? download.error} />
    </article>
  )
}

/** How long until a moment, in the largest unit that says something. */
function Countdown({ until }: { until: string }) {
  const { t } = useWords()
  const minutes = Math.max(0, Math.ceil((Date.parse(until) - Date.now()) / 60_000))
  const left =
    minutes >= 48 * 60
      ? t('destroyDays', { days: Math.floor(minutes / 1440) })
      : minutes >= 120
        ? t('destroyHours', { hours: Math.floor(minutes / 60) })
        : t('destroyMinutes', { minutes })
  return <p role="timer">{t('destroyDue', { time: formatTime(until), left })}</p>
}

function AskSheet({
  taskId,
  basis,
  coolingOffDays,
  onClose,
}: {
  taskId: string
  basis: DestructionBasis
  coolingOffDays: number
  onClose(): void
}) {
  const { t } = useWords()
  const queries = useQueryClient()
  const [code, setCode] = useState('')
  const [sentAt, setSentAt] = useState<number | null>(null)
  const [when, setWhen] = useState<'soon' | 'date'>('soon')
  const [date, setDate] = useState('')
  const path = `/sign-tasks/${taskId}/destruction`
  const send = useMutation({
    mutationFn: () => call('POST', `${path}/code`),
    onSuccess: () => setSentAt(Date.now()),
  })
  const ask = useMutation({
    mutationFn: () =>
      call<Destruction>('POST', path, {
        body: { basis, code, ...(when === 'date' ? { at: new Date(`${date}T00:00`).toISOString() } : {}) },
      }),
    onSuccess: () => {
      queries.invalidateQueries({ queryKey: ['destruction', taskId] })
      queries.invalidateQueries({ queryKey: ['tasks'] })
      onClose()
    },
  })
  const words = {
    own: [t('destroyOwn'), t('destroyOwnWhy')],
    consent: [t('destroyConsent'), t('destroyConsentWhy', { days: coolingOffDays })],
    'term-end': [t('destroyTermEnd'), t('destroyTermEndWhy')],
  }[basis]
  const submit = (event: FormEvent) => {
    event.preventDefault()
    ask.mutate()
  }
  return (
    <Sheet title={words[0]} onClose={onClose}>
      <form className="stack" onSubmit={submit} noValidate>
        <p>{words[1]}</p>
        <Segments
          label={t('destroyWhen')}
          value={when}
          onChange={setWhen}
          options={[
            { value: 'soon', label: t(basis === 'own' ? 'destroyAtOnce' : 'destroyEarliest') },
            { value: 'date', label: t('destroyOnDate') },
          ]}
        />
        {when === 'date' && (
          <TextField
            label={t('destroyDate')}
            type="date"
            value={date}
            min={formatDay(new Date(Date.now() + 86_400_000))}
            onChange={(event) => setDate(event.target.value)}
          />
        )}
        <p className="muted small">{t('destroyCodeLead')}</p>
        <CodeField
          value={code}
          onChange={setCode}
          sending={send.isPending}
          sentAt={sentAt}
          hint={sentAt ? t('codeSent') : undefined}
          onSend={() => send.mutate()}
        />
        <ProblemNote error={ask.error ?? send.error} />
        <Button
          look="danger"
          type="submit"
          wide
          busy={ask.isPending}
          disabled={code.length < 6 || (when === 'date' && date === '')}
        >
          {t('destroyConfirm')}
        </Button>
      </form>
    </Sheet>
  )
}
