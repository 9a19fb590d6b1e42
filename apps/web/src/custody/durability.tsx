import type { DurabilityNow, DurabilityReportSummary } from '@yinxin/sdk/wire'
import { Icon } from '../design/icons.tsx'
import { formatTime } from '../words/dates.ts'
import { useWords } from '../words/words.tsx'

const probability = (value: number) =>
  value === 0 ? '0' : value >= 0.01 ? value.toPrecision(3) : value.toExponential(2)

/** The figure of now: first the verdict in plain words, then why, then every term. */
export function DurabilityCard({ now }: { now: DurabilityNow }) {
  const { t, language } = useWords()
  const { figures, design, contract, verdict, reasons, measurements, failures } = now.report
  const isMet = verdict === 'met'
  const terms: [string, string][] = [
    [t('termDisk'), probability(figures.disk)],
    [t('termLatent'), probability(figures.latent)],
    [t('termSite'), probability(figures.site)],
    [t('termKey'), probability(figures.key)],
    [t('termRootKey'), probability(figures.rootKey)],
    [t('termActual'), String(measurements.objects.lost)],
    [t('factAfr'), t('noted', { what: probability(failures.afr), note: t(`afr_${failures.basis}`) })],
    [t('factWindow'), t('hours', { hours: Number(figures.windowHours.toPrecision(3)) })],
    [t('factUnverified'), t('hours', { hours: Number((measurements.unverifiedHours ?? 0).toPrecision(3)) })],
    ...figures.bySite.map(({ site, w, n, loss }): [string, string] => [
      t('factSite', { site: t(`site_${site as 'primary'}`), w, n }),
      probability(loss),
    ]),
  ]
  return (
    <section className="stack">
      <h2>{t('durabilityTitle')}</h2>
      <div className={`verdict ${isMet ? 'good' : 'bad'}`}>
        <span className="verdict-mark">
          <Icon name={isMet ? 'check' : 'warning'} size={28} />
        </span>
        <div className="grow">
          <p className="verdict-word">{t(isMet ? 'durabilityMet' : 'durabilityMissed')}</p>
          <p>
            {t('labelled', { label: t('durabilityLoss'), value: probability(figures.model) })}
            {figures.nines !== null && ` · ${t('durabilityNines', { nines: figures.nines.toFixed(2) })}`}
          </p>
          <p className="small">
            {[
              { line: design, word: t('durabilityDesign', { limit: '1e-11' }) },
              { line: contract, word: t('durabilityContract', { limit: '1e-10' }) },
            ]
              .map(({ line, word }) =>
                t('labelled', { label: word, value: t(line.met ? 'durabilityMeets' : 'durabilityMisses') }),
              )
              .join(' · ')}
          </p>
        </div>
      </div>
      {reasons.length > 0 && (
        <div className="card stack tight">
          <h3>{t('durabilityWhy')}</h3>
          <ol className="drift">
            {reasons.map((reason) => (
              <li key={reason.code + reason.en}>{reason[language]}</li>
            ))}
          </ol>
        </div>
      )}
      <details className="card">
        <summary>{t('durabilityTerms')}</summary>
        <dl className="facts terms">
          {terms.map(([label, value]) => (
            <div key={label}>
              <dt>{label}</dt>
              <dd>{value}</dd>
            </div>
          ))}
        </dl>
      </details>
    </section>
  )
}

/** What was published, with everything that lets others check it. */
export function ReportList({ reports }: { reports: readonly DurabilityReportSummary[] }) {
  const { t } = useWords()
  return (
    <section className="stack">
      <h2>{t('reportsTitle')}</h2>
      {reports.length === 0 ? (
        <p className="muted">{t('reportsNone')}</p>
      ) : (
        <ul className="reports">
          {reports.map(({ month, revision, verdict, createdAt }) => {
            const base = `/api/v1/durability/reports/${month}`
            return (
              <li key={`${month} ${revision}`} className="card row apart">
                <div>
                  <p className="row">
                    <strong>{month}</strong>
                    <span className={`badge ${verdict === 'met' ? 'good' : 'bad'}`}>
                      {t(verdict === 'met' ? 'durabilityMeets' : 'durabilityMisses')}
                    </span>
                  </p>
                  <p className="muted small">
                    {t('reportRevision', { revision })} · {formatTime(createdAt)}
                  </p>
                </div>
                <div className="row">
                  <a className="button slim" href={`${base}/pdf?revision=${revision}`} download>
                    <Icon name="download" size={18} />
                    {t('reportPdf')}
                  </a>
                  <a
                    className="button slim"
                    href={`${base}?revision=${revision}`}
                    download={`durability-${month}-r${revision}.json`}
                  >
                    {t('reportJson')}
                  </a>
                  <a className="button slim" href={`${base}/proof?revision=${revision}`} download>
                    {t('reportProof')}
                  </a>
                </div>
              </li>
            )
          })}
        </ul>
      )}
    </section>
  )
}
