import type { SlaMaintenance, SlaMonth, SlaServiceMonth } from '@yinxin/sdk/wire'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { call } from '../api/client.ts'
import { useEnvironment } from '../api/session.ts'
import { Button, SelectField } from '../design/controls.tsx'
import { Icon } from '../design/icons.tsx'
import { Bones, Empty, EnvironmentBand, ProblemNote } from '../design/notices.tsx'
import { useWords } from '../words/words.tsx'
import { ExplainMinute } from './explain-minute.tsx'
import { type Recomputed, recompute, recomputePublished } from './recompute.ts'
import '../style/console.css'

/** The public page of the promise of availability: figures, and a calculator that needs no belief in them. */
export function ServiceLevelPage() {
  const { t, language, setLanguage } = useWords()
  const environment = useEnvironment()
  return (
    <div className="public">
      <EnvironmentBand environment={environment.data} />
      <header className="row apart public-head">
        <a className="brand" href="/">
          <i>印信</i>
          {t('product')}
        </a>
        <Button look="quiet" slim icon="globe" onClick={() => setLanguage(language === 'zh' ? 'en' : 'zh')}>
          {t('language')}
        </Button>
      </header>
      <main className="page-body narrow">
        <header className="page-head">
          <div className="grow">
            <h1>{t('slaTitle')}</h1>
            <p className="muted">{t('slaLead')}</p>
          </div>
        </header>
        <Months />
        <Planned />
      </main>
    </div>
  )
}

function Months() {
  const { t } = useWords()
  const [chosen, choose] = useState<string | null>(null)
  const months = useQuery({
    queryKey: ['sla', 'months'],
    queryFn: () => call<{ months: string[] }>('GET', '/sla/months'),
  })
  const name = chosen ?? months.data?.months[0] ?? null
  const month = useQuery({
    queryKey: ['sla', 'month', name],
    queryFn: () => call<SlaMonth>('GET', `/sla/months/${name}`),
    enabled: name !== null,
  })
  if (months.isPending) return <Bones rows={3} />
  if (name === null)
    return (
      <>
        <ProblemNote error={months.error} />
        <Empty icon="clock" title={t('slaNothing')}>
          {t('slaNothingText')}
        </Empty>
      </>
    )
  return (
    <div className="stack">
      <SelectField
        label={t('slaMonth')}
        value={name}
        options={(months.data?.months ?? []).map((value) => ({ value, label: value }))}
        onChange={choose}
      />
      <ProblemNote error={months.error ?? month.error} />
      {month.data && (
        <>
          <p className="small muted">
            {t(month.data.closed ? 'slaClosed' : 'slaOpen')} {month.data.servicePeriod ? '' : t('slaPartial')}
          </p>
          {month.data.services.map((one) => (
            <ServiceCard key={`${name}/${one.service}/${one.revision}`} month={month.data} one={one} />
          ))}
          <OwnFile month={name} timeZone={month.data.timeZone} />
          <ExplainMinute />
        </>
      )}
    </div>
  )
}

const percent = (share: number | null) => (share === null ? '—' : `${(share * 100).toFixed(4)}%`)

function ServiceCard({ month, one }: { month: SlaMonth; one: SlaServiceMonth }) {
  const { t } = useWords()
  const [busy, setBusy] = useState(false)
  const [result, setResult] = useState<Recomputed | null>(null)
  const [error, setError] = useState<unknown>(null)
  const { service, revision, verdict } = one
  const files = `/api/v1/sla/months/${month.month}/${service}/minutes`
  const query = revision > 0 ? `?revision=${revision}` : ''
  const again = async () => {
    setBusy(true)
    setError(null)
    try {
      setResult(await recomputePublished(month.month, month.timeZone, service, revision, verdict))
    } catch (problem) {
      setError(problem)
    }
    setBusy(false)
  }
  return (
    <section className="card stack tight">
      <div className="row apart">
        <h3>{t(`sla_${service}`)}</h3>
        <span className={verdict.pass ? 'badge good' : 'badge bad'}>
          <Icon name={verdict.pass ? 'check' : 'cross'} size={14} />
          {t(verdict.pass ? 'slaMet' : 'slaMissed')}
        </span>
      </div>
      <dl className="facts">
        <dt>{t('slaAvailability')}</dt>
        <dd>{percent(verdict.availability)}</dd>
        <dt>{t('slaDown')}</dt>
        <dd>{t('slaDownOf', { down: verdict.downMinutes, allowed: verdict.allowedDownMinutes })}</dd>
        <dt>{t('slaMaintenance')}</dt>
        <dd>{t('slaMinutes', { count: verdict.maintenanceMinutes })}</dd>
        <dt>{t('slaKnown')}</dt>
        <dd>{t('slaMinutes', { count: verdict.knownMinutes })}</dd>
        <dt>{t('slaRevision')}</dt>
        <dd>{revision === 0 ? t('slaRevisionOpen') : revision}</dd>
      </dl>
      {verdict.runs.map((run) => (
        <p key={run.from} className="small problem-line">
          <Icon name="warning" size={16} /> {t('slaRun', { from: run.from, minutes: run.minutes })}
        </p>
      ))}
      <div className="row">
        <Button slim busy={busy} icon="shield" onClick={again} title={t('slaRecomputeText')}>
          {t('slaRecompute')}
        </Button>
        <a className="small" href={`${files}.csv${query}`} download>
          {t('slaCsv')}
        </a>
        <a className="small" href={`${files}.note${query}`} download>
          {t('slaNote')}
        </a>
      </div>
      <ProblemNote error={error} />
      {result && <RecomputedNote result={result} />}
    </section>
  )
}

function RecomputedNote({ result }: { result: Recomputed }) {
  const { t } = useWords()
  const lines: [boolean, string][] = []
  if (result.same !== null) lines.push([result.same, t(result.same ? 'slaSame' : 'slaDiffers')])
  if (result.signed !== null) lines.push([result.signed, t(result.signed ? 'slaSigned' : 'slaUnsigned')])
  return (
    <div className="stack tight" aria-live="polite">
      {lines.map(([good, text]) => (
        <p key={text} className="small">
          <span className={good ? 'badge good' : 'badge bad'}>
            <Icon name={good ? 'check' : 'cross'} size={14} />
            {text}
          </span>
        </p>
      ))}
      <p className="small">
        {t('slaRecomputed', {
          down: result.verdict.downMinutes,
          availability: percent(result.verdict.availability),
          rows: result.rows,
        })}
      </p>
    </div>
  )
}

function OwnFile({ month, timeZone }: { month: string; timeZone: string }) {
  const { t } = useWords()
  const [result, setResult] = useState<Recomputed | null>(null)
  const [error, setError] = useState<unknown>(null)
  const take = async (file: File | undefined) => {
    setResult(null)
    setError(null)
    if (file === undefined) return
    try {
      setResult(recompute(await file.text(), month, timeZone))
    } catch (problem) {
      setError(problem)
    }
  }
  return (
    <section className="card stack tight">
      <h3>{t('slaOwnFile')}</h3>
      <p className="small muted">{t('slaOwnFileText')}</p>
      <input
        type="file"
        accept=".csv,text/csv"
        aria-label={t('slaOwnFile')}
        onChange={(event) => take(event.target.files?.[0])}
      />
      <ProblemNote error={error} />
      {result && <RecomputedNote result={result} />}
    </section>
  )
}

function Planned() {
  const { t, language } = useWords()
  const planned = useQuery({
    queryKey: ['sla', 'maintenance'],
    queryFn: () => call<{ maintenance: SlaMaintenance[] }>('GET', '/sla/maintenance'),
  })
  const windows = planned.data?.maintenance ?? []
  return (
    <section className="card stack tight">
      <h3>{t('slaPlanned')}</h3>
      <ProblemNote error={planned.error} />
      {planned.data && windows.length === 0 && <p className="small muted">{t('slaPlannedNone')}</p>}
      {windows.map((one) => (
        <p key={one.id} className="small">
          <span className="mono">
            {one.from} – {one.to}
          </span>{' '}
          {one.services.map((service) => t(`sla_${service}`)).join(' · ')}{' '}
          {language === 'zh' ? one.textZh : one.textEn} {one.withdrawnAt === null ? '' : t('slaWithdrawn')}
        </p>
      ))}
    </section>
  )
}
