import { Button } from '../design/controls.tsx'
import { Icon } from '../design/icons.tsx'
import { formatTime } from '../words/dates.ts'
import { useWords } from '../words/words.tsx'
import type { EvidenceFindings as Findings } from './here.ts'

/** What became of an evidence package that was verified on this device. */
export function EvidenceFindings({ report, onAgain }: { report: Findings; onAgain(): void }) {
  const { t, language } = useWords()
  const open = (value: boolean | null) =>
    t(value === null ? 'verifyTrustOpen' : value ? 'evidenceConfirmed' : 'evidenceNotConfirmed')
  return (
    <div className="stack" aria-live="polite">
      <section className={report.ok ? 'verdict good' : 'verdict bad'}>
        <span className="verdict-mark">
          <Icon name={report.ok ? 'check' : 'cross'} size={34} />
        </span>
        <div className="grow">
          <h2>{t(report.ok ? 'evidenceGood' : 'evidenceBad')}</h2>
          <p className="clip">{report.fileName}</p>
          <p className="small">
            {t('evidenceCount', { documents: report.documents.length, events: report.events })}
          </p>
        </div>
        <Button slim onClick={onAgain}>
          {t('verifyAgain')}
        </Button>
      </section>
      {report.problems.length > 0 && (
        <section className="card stack tight">
          {report.problems.map((problem) => (
            <p key={problem.entry + problem.code + problem.message_en} className="small problem-line">
              <Icon name="warning" size={16} /> {language === 'zh' ? problem.message_zh : problem.message_en}{' '}
              <span className="mono muted">{problem.code}</span>
            </p>
          ))}
        </section>
      )}
      {report.documents.map((document) => (
        <section key={document.path} className="card stack tight">
          <div className="row">
            <h3 className="clip">{document.name}</h3>
            <span className={`badge ${document.ok ? 'good' : 'bad'}`}>
              <Icon name={document.ok ? 'check' : 'cross'} size={14} />
              {t(document.ok ? 'verifyValid' : 'verifyInvalid')}
            </span>
          </div>
          {document.signatures.map((signature) => (
            <p key={signature.fieldName}>
              {signature.signer || t('verifyInvalid')} ·{' '}
              {formatTime(signature.timestamp ?? signature.signedAt)}
            </p>
          ))}
        </section>
      ))}
      <section className="card">
        <dl className="facts">
          {report.task && (
            <>
              <dt>{t('evidenceFactTask')}</dt>
              <dd>{report.task.title ?? report.task.taskId}</dd>
              <dt>{t('evidenceFactMade')}</dt>
              <dd>{formatTime(report.task.createdAt)}</dd>
            </>
          )}
          <dt>{t('verifyFactTrust')}</dt>
          <dd>{open(report.trusted)}</dd>
          <dt>{t('evidenceFactLog')}</dt>
          <dd>{open(report.logVerified)}</dd>
          <dt>SHA-256</dt>
          <dd className="fingerprint">{report.sha256}</dd>
        </dl>
      </section>
    </div>
  )
}
