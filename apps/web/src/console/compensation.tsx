import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import type { Page } from '@yinxin/sdk/wire'
import { type ChangeEvent, useRef, useState } from 'react'
import { call, upload } from '../api/client.ts'
import { Button, TextArea, TextField } from '../design/controls.tsx'
import { Bones, Empty, Note, ProblemNote } from '../design/notices.tsx'
import { Sheet } from '../design/sheet.tsx'
import { formatTime } from '../words/dates.ts'
import { useWords } from '../words/words.tsx'
import { type Claim, type ClaimBrief, fenOf, type OwnAction, tones, yuan } from './claim.ts'
import { PageHead, useIdentity } from './page.tsx'

/** What the company is owed for service it did not get. */
export function CompensationPage() {
  const { t } = useWords()
  const me = useIdentity()
  const queries = useQueryClient()
  const [beginning, setBeginning] = useState(false)
  const allowed = me.acting.kind === 'person' || me.acting.role === 'admin'
  const claims = useQuery({
    queryKey: ['claims'],
    queryFn: ({ signal }) => call<Page<ClaimBrief>>('GET', '/compensation/claims?limit=50', { signal }),
    enabled: allowed,
  })
  return (
    <main className="page-body narrow">
      <PageHead title={t('claimsTitle')} lead={t('claimsLead')}>
        {allowed && (
          <Button look="primary" icon="plus" onClick={() => setBeginning(true)}>
            {t('claimsNew')}
          </Button>
        )}
      </PageHead>
      {!allowed ? (
        <Note tone="wait">{t('claimsNeedsAdmin')}</Note>
      ) : claims.isPending ? (
        <Bones rows={3} height={48} />
      ) : claims.error ? (
        <ProblemNote error={claims.error} onRetry={claims.refetch} />
      ) : claims.data.items.length === 0 ? (
        <section className="card">
          <Empty icon="clock" title={t('claimsEmptyTitle')}>
            {t('claimsEmptyText')}
          </Empty>
        </section>
      ) : (
        claims.data.items.map((one) => <ClaimCard key={one.id} id={one.id} />)
      )}
      {beginning && (
        <BeginSheet
          onClose={() => setBeginning(false)}
          onBegun={() => {
            setBeginning(false)
            void queries.invalidateQueries({ queryKey: ['claims'] })
          }}
        />
      )}
    </main>
  )
}

function BeginSheet({ onClose, onBegun }: { onClose(): void; onBegun(): void }) {
  const { t } = useWords()
  const [month, setMonth] = useState('')
  const begin = useMutation({
    mutationFn: () => call<Claim>('POST', '/compensation/claims', { body: { month } }),
    onSuccess: onBegun,
  })
  const isMonth = /^\d{4}-\d{2}$/.test(month)
  return (
    <Sheet
      title={t('claimsNew')}
      onClose={onClose}
      footer={
        <Button look="primary" busy={begin.isPending} disabled={!isMonth} onClick={() => begin.mutate()}>
          {t('claimsNew')}
        </Button>
      }
    >
      <TextField
        label={t('claimMonth')}
        hint={t('claimMonthHint')}
        value={month}
        inputMode="numeric"
        onChange={(event) => setMonth(event.target.value)}
      />
      {begin.error && <ProblemNote error={begin.error} />}
    </Sheet>
  )
}

function ClaimCard({ id }: { id: string }) {
  const { t } = useWords()
  const queries = useQueryClient()
  const [asking, setAsking] = useState<'loss' | OwnAction | null>(null)
  const claim = useQuery({
    queryKey: ['claim', id],
    queryFn: ({ signal }) => call<Claim>('GET', `/compensation/claims/${id}`, { signal }),
  })
  if (claim.isPending) return <Bones rows={3} height={48} />
  if (claim.error) return <ProblemNote error={claim.error} onRetry={claim.refetch} />
  const one = claim.data
  const done = (next: Claim) => {
    queries.setQueryData(['claim', id], next)
    setAsking(null)
  }
  const isOpen = one.state === 'drafted' || one.state === 'proof_wanted'
  return (
    <section className="card stack" data-claim={one.id}>
      <div className="row apart">
        <h2>{t('claimOf', { month: one.month })}</h2>
        <span className={`badge ${tones[one.state]}`}>{t(`claim_${one.state}`)}</span>
      </div>
      <Facts one={one} />
      {one.causes.length > 0 && (
        <div className="stack tight">
          <h3>{t('claimCauses')}</h3>
          {one.causes.map((cause) => (
            <p key={`${cause.from}${cause.decidedAt}`} className="small">
              {t('claimCause', {
                from: formatTime(cause.from),
                to: formatTime(cause.to),
                cause: t(`claimCause_${cause.cause}`),
              })}
              {cause.evidence.length > 0 && <span className="muted"> · {cause.evidence.join(' · ')}</span>}
            </p>
          ))}
        </div>
      )}
      <h3>{t('claimLosses')}</h3>
      {one.losses.length === 0 && <p className="muted small">{t('claimNoLosses')}</p>}
      {one.losses.map((loss) => (
        <Loss key={loss.id} loss={loss} isOpen={isOpen} onChanged={() => void claim.refetch()} />
      ))}
      <div className="row">
        {isOpen && (
          <Button icon="plus" onClick={() => setAsking('loss')}>
            {t('claimAddLoss')}
          </Button>
        )}
        {one.actions.map((action) => (
          <Button
            key={action}
            look={action === 'submit' || action === 'accept' ? 'primary' : 'quiet'}
            onClick={() => setAsking(action)}
          >
            {t(`claimDo_${action}`)}
          </Button>
        ))}
      </div>
      <details>
        <summary>{t('claimHistory')}</summary>
        {one.steps.map((step) => (
          <p key={step.at} className="small">
            <span className="muted">{formatTime(step.at)}</span> {t(`claimStep_${step.action}`)}
            {step.words !== null && ` · ${step.words}`}
          </p>
        ))}
      </details>
      {asking === 'loss' && <LossSheet id={id} onClose={() => setAsking(null)} onDone={done} />}
      {asking !== null && asking !== 'loss' && (
        <ActSheet id={id} action={asking} onClose={() => setAsking(null)} onDone={done} />
      )}
    </section>
  )
}

function Facts({ one }: { one: Claim }) {
  const { t } = useWords()
  const failed = one.failures.reduce((sum, each) => sum + each.failed, 0)
  return (
    <dl className="facts">
      <dt>{t('claimMinutes')}</dt>
      <dd>{t('claimMinutesOf', one.minutes)}</dd>
      <dt>{t('claimFailed')}</dt>
      <dd>{failed}</dd>
      <dt>{t('claimAgreement')}</dt>
      <dd>
        {one.agreement === null
          ? t('claimNoAgreement')
          : `${one.agreement.number} · ${yuan(one.agreement.amountFen)}`}
      </dd>
      {one.awardFen !== null && (
        <>
          <dt>{t('claimAward')}</dt>
          <dd>
            {yuan(one.awardFen)}
            {one.limitFen !== null && ` · ${t('claimLimit', { amount: yuan(one.limitFen) })}`}
          </dd>
        </>
      )}
      {one.settlement !== null && (
        <>
          <dt>{t('claimPayable')}</dt>
          <dd>
            {yuan(one.settlement.payableFen)} ·{' '}
            {t(one.settlement.method === 'cash' ? 'claimCash' : 'claimCredit')}
          </dd>
        </>
      )}
    </dl>
  )
}

function Loss({
  loss,
  isOpen,
  onChanged,
}: {
  loss: Claim['losses'][number]
  isOpen: boolean
  onChanged(): void
}) {
  const { t } = useWords()
  const remove = useMutation({
    mutationFn: () => call('DELETE', `/compensation/losses/${loss.id}`),
    onSuccess: onChanged,
  })
  const send = useMutation({
    mutationFn: (file: File) =>
      upload<{ id: string }>(`/compensation/losses/${loss.id}/proofs`, file, () => undefined),
    onSuccess: onChanged,
  })
  const input = useRef<HTMLInputElement>(null)
  const take = (event: ChangeEvent<HTMLInputElement>) => {
    const [file] = event.target.files ?? []
    if (file !== undefined) send.mutate(file)
    event.target.value = ''
  }
  const error = remove.error ?? send.error
  return (
    <div className="stack tight">
      <div className="row apart">
        <span style={{ overflowWrap: 'anywhere' }}>{loss.description}</span>
        <strong>{yuan(loss.claimedFen)}</strong>
      </div>
      {loss.verifiedFen !== null && (
        <p className="small muted">
          {t('claimVerified', { amount: yuan(loss.verifiedFen) })}
          {loss.direct === false && ` · ${t('claimIndirect')}`}
          {loss.note && ` · ${loss.note}`}
        </p>
      )}
      {loss.proofs.map((proof) => (
        <a key={proof.id} className="small" href={`/api/v1/compensation/proofs/${proof.id}`} download>
          {proof.name}
        </a>
      ))}
      {isOpen && (
        <div className="row">
          <input
            ref={input}
            type="file"
            hidden
            aria-label={t('claimAddProof')}
            accept="application/pdf,image/png,image/jpeg"
            onChange={take}
          />
          <Button slim busy={send.isPending} onClick={() => input.current?.click()}>
            {t('claimAddProof')}
          </Button>
          <Button look="quiet" slim busy={remove.isPending} onClick={() => remove.mutate()}>
            {t('claimRemoveLoss')}
          </Button>
        </div>
      )}
      {isOpen && <p className="small muted">{t('claimProofHint')}</p>}
      {error && <ProblemNote error={error} />}
    </div>
  )
}

interface Asking {
  id: string
  onClose(): void
  onDone(next: Claim): void
}

function LossSheet({ id, onClose, onDone }: Asking) {
  const { t } = useWords()
  const [description, setDescription] = useState('')
  const [amount, setAmount] = useState('')
  const claimedFen = fenOf(amount)
  const add = useMutation({
    mutationFn: () =>
      call<Claim>('POST', `/compensation/claims/${id}/losses`, { body: { description, claimedFen } }),
    onSuccess: onDone,
  })
  return (
    <Sheet
      title={t('claimAddLoss')}
      onClose={onClose}
      footer={
        <Button
          look="primary"
          busy={add.isPending}
          disabled={description.trim() === '' || claimedFen === null}
          onClick={() => add.mutate()}
        >
          {t('claimAddLoss')}
        </Button>
      }
    >
      <TextArea
        label={t('claimDescription')}
        value={description}
        maxLength={500}
        onChange={(event) => setDescription(event.target.value)}
      />
      <TextField
        label={t('claimAmount')}
        hint={t('claimAmountHint')}
        inputMode="decimal"
        value={amount}
        error={amount !== '' && claimedFen === null ? t('claimAmountBad') : undefined}
        onChange={(event) => setAmount(event.target.value)}
      />
      {add.error && <ProblemNote error={add.error} />}
    </Sheet>
  )
}

function ActSheet({ id, action, onClose, onDone }: Asking & { action: OwnAction }) {
  const { t } = useWords()
  const [reason, setReason] = useState('')
  const act = useMutation({
    mutationFn: () =>
      call<Claim>('POST', `/compensation/claims/${id}/${action}`, {
        body: reason.trim() === '' ? {} : { reason },
      }),
    onSuccess: onDone,
  })
  const needsReason = action === 'appeal'
  return (
    <Sheet
      title={t(`claimDo_${action}`)}
      onClose={onClose}
      footer={
        <Button
          look="primary"
          busy={act.isPending}
          disabled={needsReason && reason.trim() === ''}
          onClick={() => act.mutate()}
        >
          {t(`claimDo_${action}`)}
        </Button>
      }
    >
      <p>{t(`claimSure_${action}`)}</p>
      {needsReason && (
        <TextArea
          label={t('claimReason')}
          value={reason}
          maxLength={2000}
          onChange={(event) => setReason(event.target.value)}
        />
      )}
      {act.error && <ProblemNote error={act.error} />}
    </Sheet>
  )
}
