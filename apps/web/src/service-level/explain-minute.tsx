import type { SlaMinute, SlaService } from '@yinxin/sdk/wire'
import { slaServices } from '@yinxin/sla'
import { type FormEvent, useState } from 'react'
import { call } from '../api/client.ts'
import { Button, SelectField, TextField } from '../design/controls.tsx'
import { Icon } from '../design/icons.tsx'
import { ProblemNote } from '../design/notices.tsx'
import { useWords } from '../words/words.tsx'

/** Asks why a minute counted as it did, and shows everything that was said of it. */
export function ExplainMinute() {
  const { t } = useWords()
  const [service, setService] = useState<SlaService>('signing')
  const [minute, setMinute] = useState(() =>
    new Date(Date.now() - 15 * 60_000).toISOString().replace(/:\d{2}\.\d+Z$/, 'Z'),
  )
  const [answer, setAnswer] = useState<SlaMinute | null>(null)
  const [error, setError] = useState<unknown>(null)
  const ask = async (event: FormEvent) => {
    event.preventDefault()
    setError(null)
    setAnswer(null)
    try {
      setAnswer(await call<SlaMinute>('GET', `/sla/minutes/${service}/${encodeURIComponent(minute.trim())}`))
    } catch (problem) {
      setError(problem)
    }
  }
  return (
    <section className="card">
      <form className="stack tight" onSubmit={ask}>
        <h3>{t('slaExplain')}</h3>
        <SelectField
          label={t('slaExplainService')}
          value={service}
          options={slaServices.map((value) => ({ value, label: t(`sla_${value}`) }))}
          onChange={setService}
        />
        <TextField
          label={t('slaExplainMinute')}
          value={minute}
          onChange={(event) => setMinute(event.target.value)}
        />
        <div className="row">
          <Button slim icon="search" type="submit">
            {t('slaExplainAsk')}
          </Button>
        </div>
        <ProblemNote error={error} />
        {answer && <Explanation answer={answer} />}
      </form>
    </section>
  )
}

function Explanation({ answer }: { answer: SlaMinute }) {
  const { t } = useWords()
  const { traffic } = answer
  const tone = answer.counted === 'down' ? 'bad' : answer.state === 'good' ? 'good' : 'wait'
  return (
    <div className="stack tight" aria-live="polite">
      <p>
        <span className={`badge ${tone}`}>{t(`slaState_${answer.state}`)}</span>{' '}
        {t(`slaCounted_${answer.counted}`)}
      </p>
      {answer.source && (
        <p className="small">{t(`slaSource_${answer.source}`, { valid: answer.valid, ok: answer.ok })}</p>
      )}
      {answer.run && (
        <p className="small">{t('slaRun', { from: answer.run.from, minutes: answer.run.minutes })}</p>
      )}
      <p className="small">
        {t('slaTrafficDetail', {
          ok: traffic.ok,
          errors: traffic.errors,
          slow: traffic.slow,
          broken: traffic.broken,
          excluded: traffic.excluded,
        })}
      </p>
      <p className="small">{t('slaProcesses', { count: answer.processes })}</p>
      {answer.probes.map((probe, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: probes keep their order
        <p key={index} className="small mono">
          <Icon name={probe.ok ? 'check' : 'cross'} size={14} /> {probe.vantage} (
          {t(probe.official ? 'slaProbeOurs' : 'slaProbeOwn')}) {probe.latencyMs} ms {probe.detail}
        </p>
      ))}
    </div>
  )
}
