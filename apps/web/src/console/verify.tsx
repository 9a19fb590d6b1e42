import type { VerificationReport } from '@yinxin/sdk/wire'
import { useState } from 'react'
import { upload } from '../api/client.ts'
import { useEnvironment } from '../api/session.ts'
import { Button } from '../design/controls.tsx'
import { DropZone } from '../design/drop-zone.tsx'
import { Icon } from '../design/icons.tsx'
import { EnvironmentBand, ProblemNote } from '../design/notices.tsx'
import { formatTime } from '../words/dates.ts'
import { useWords } from '../words/words.tsx'
import '../style/console.css'

/** The public page: no log-in, nothing is stored. */
export function VerifyPage() {
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
      <VerifyPanel />
    </div>
  )
}

export function VerifyPanel() {
  const { t } = useWords()
  const [share, setShare] = useState<number | null>(null)
  const [report, setReport] = useState<VerificationReport | null>(null)
  const [error, setError] = useState<unknown>(null)
  const take = async ([file]: File[]) => {
    if (!file) return
    setError(null)
    setReport(null)
    setShare(0)
    try {
      setReport(await upload<VerificationReport>('/verifications', file, setShare))
    } catch (problem) {
      setError(problem)
    }
    setShare(null)
  }
  return (
    <main className="page-body narrow">
      <header className="page-head">
        <div className="grow">
          <h1>{t('verifyTitle')}</h1>
          <p className="muted">{t('verifyLead')}</p>
        </div>
      </header>
      {!report && (
        <DropZone
          busy={share !== null}
          title={share === null ? t('verifyDrop') : t('verifyWorking')}
          hint={t('verifyPrivacy')}
          share={share}
          onFiles={take}
          onWrong={() => setError(new Error(t('notPdf')))}
        />
      )}
      <ProblemNote error={error} />
      {report && <Report report={report} onAgain={() => setReport(null)} />}
    </main>
  )
}

function Report({ report, onAgain }: { report: VerificationReport; onAgain(): void }) {
  const { t } = useWords()
  const none = report.signatures.length === 0
  return (
    <div className="stack" aria-live="polite">
      <section className={report.ok ? 'verdict good' : none ? 'verdict' : 'verdict bad'}>
        <span className="verdict-mark">
          <Icon name={report.ok ? 'check' : none ? 'minus' : 'cross'} size={34} />
        </span>
        <div className="grow">
          <h2>{t(report.ok ? 'verifyGood' : none ? 'verifyNone' : 'verifyBad')}</h2>
          <p className="clip">{report.fileName}</p>
          <p className="small">
            {t('verifyCount', { count: report.signatures.length })} ·{' '}
            {t(report.knownHere ? 'verifyKnown' : 'verifyUnknown')}
          </p>
        </div>
        <Button slim onClick={onAgain}>
          {t('verifyAgain')}
        </Button>
      </section>
      {report.signatures.map((signature, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: signatures keep the order of the file
        <SignatureReport key={index} signature={signature} number={index + 1} />
      ))}
      <section className="card">
        <dl className="facts">
          <dt>SHA-256</dt>
          <dd className="fingerprint">{report.sha256}</dd>
        </dl>
      </section>
    </div>
  )
}

function SignatureReport({
  signature,
  number,
}: {
  signature: VerificationReport['signatures'][number]
  number: number
}) {
  const { t } = useWords()
  const look = {
    valid: { tone: 'good', icon: 'check', word: t('verifyValid') },
    invalid: { tone: 'bad', icon: 'cross', word: t('verifyInvalid') },
    indeterminate: { tone: 'wait', icon: 'warning', word: t('verifyIndeterminate') },
  }[signature.status] as { tone: string; icon: 'check'; word: string }
  const time = formatTime(signature.timestamp ?? signature.signedAt)
  const sentence =
    signature.status === 'valid'
      ? t('verifySentenceValid', { signer: signature.signer, time })
      : signature.status === 'invalid'
        ? t('verifySentenceInvalid', { signer: signature.signer })
        : t('verifySentenceUnknown', { signer: signature.signer })
  return (
    <section className="card stack tight">
      <div className="row">
        <h3>{t('verifySignature', { number })}</h3>
        <span className={`badge ${look.tone}`}>
          <Icon name={look.icon} size={14} />
          {look.word}
        </span>
      </div>
      <p>{sentence}</p>
      {signature.problems.map((problem) => (
        <p key={problem.code + problem.message} className="small problem-line">
          <Icon name="warning" size={16} /> {problem.message}{' '}
          <span className="mono muted">{problem.code}</span>
        </p>
      ))}
      <details>
        <summary>{t('details')}</summary>
        <dl className="facts">
          <dt>{t('verifyFactSigner')}</dt>
          <dd>{signature.signer}</dd>
          <dt>{t('verifyFactTime')}</dt>
          <dd>{formatTime(signature.signedAt)}</dd>
          <dt>{t('verifyFactStamp')}</dt>
          <dd>{formatTime(signature.timestamp)}</dd>
          <dt>{t('verifyFactLevel')}</dt>
          <dd>{signature.level}</dd>
          <dt>{t('verifyFactCovers')}</dt>
          <dd>{signature.coversWholeDocument ? t('yes') : t('verifyFactCoversNo')}</dd>
          <dt>{t('verifyFactChanges')}</dt>
          <dd>{changesWord(signature.changesAfter, t)}</dd>
          <dt>{t('verifyFactTrust')}</dt>
          <dd>
            {signature.trusted === null
              ? t('verifyTrustOpen')
              : t(signature.trusted ? 'verifyTrusted' : 'verifyUntrusted')}
          </dd>
        </dl>
      </details>
    </section>
  )
}

function changesWord(changes: string, t: ReturnType<typeof useWords>['t']): string {
  if (changes === 'none') return t('changes_none')
  if (changes === 'signatures') return t('changes_signatures')
  if (changes === 'form') return t('changes_form')
  if (changes === 'other') return t('changes_other')
  return changes
}
