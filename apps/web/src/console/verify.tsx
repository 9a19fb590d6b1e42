import type { VerificationReport } from '@yinxin/sdk/wire'
import { useState } from 'react'
import { upload } from '../api/client.ts'
import { useEnvironment } from '../api/session.ts'
import { Button } from '../design/controls.tsx'
import { DropZone } from '../design/drop-zone.tsx'
import { Icon } from '../design/icons.tsx'
import { EnvironmentBand, ProblemNote } from '../design/notices.tsx'
import { EvidenceFindings } from '../verification/evidence-findings.tsx'
import type { DeviceReport, EvidenceFindings as Findings } from '../verification/here.ts'
import { verifyOnDevice } from '../verification/on-device.ts'
import { PageChanges } from '../verification/page-changes.tsx'
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

type Shown = VerificationReport | DeviceReport

export function VerifyPanel() {
  const { t } = useWords()
  const [file, setFile] = useState<File | null>(null)
  const [busy, setBusy] = useState(false)
  const [share, setShare] = useState<number | null>(null)
  const [report, setReport] = useState<Shown | null>(null)
  const [evidence, setEvidence] = useState<Findings | null>(null)
  const [error, setError] = useState<unknown>(null)
  const start = () => {
    setError(null)
    setReport(null)
    setEvidence(null)
  }
  const attempt = async (work: () => Promise<void>) => {
    start()
    setBusy(true)
    try {
      await work()
    } catch (problem) {
      setError(problem)
    }
    setBusy(false)
    setShare(null)
  }
  const take = async ([chosen]: File[]) => {
    if (!chosen) return
    setFile(chosen)
    await attempt(async () => {
      const answer = await verifyOnDevice(chosen)
      if (answer.kind === 'unreadable') throw new Error(answer.reason)
      if (answer.kind === 'evidence') setEvidence(answer.report)
      else setReport(answer.report)
    })
  }
  const send = (chosen: File) =>
    attempt(async () => {
      setShare(0)
      setReport(await upload<VerificationReport>('/verifications', chosen, setShare))
    })
  const again = () => {
    start()
    setFile(null)
  }
  const isPdf = file !== null && !/\.zip$/i.test(file.name)
  return (
    <main className="page-body narrow">
      <header className="page-head">
        <div className="grow">
          <h1>{t('verifyTitle')}</h1>
          <p className="muted">{t('verifyLead')}</p>
        </div>
      </header>
      {!report && !evidence && (
        <DropZone
          busy={busy}
          archives
          title={busy ? t('verifyWorking') : t('verifyDrop')}
          hint={share === null ? t('verifyPrivacy') : t('verifyUploading')}
          share={share}
          onFiles={take}
          onWrong={() => setError(new Error(t('verifyNotPdf')))}
        />
      )}
      <ProblemNote error={error} />
      {report && <Report report={report} file={file} onAgain={again} />}
      {evidence && <EvidenceFindings report={evidence} onAgain={again} />}
      {file && isPdf && !busy && report?.knownHere == null && (
        <section className="card stack tight">
          <p className="small">{t('verifyUploadWhy')}</p>
          <div className="row">
            <Button slim icon="upload" onClick={() => send(file)}>
              {t('verifyUpload')}
            </Button>
          </div>
        </section>
      )}
      <p className="small muted">
        {t('verifyOffline')}{' '}
        <a href="/offline/yinxin-verify.html" download>
          {t('verifyOfflineGet')}
        </a>
      </p>
    </main>
  )
}

function Report({ report, file, onAgain }: { report: Shown; file: File | null; onAgain(): void }) {
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
            {t(
              report.knownHere === null ? 'verifyStayed' : report.knownHere ? 'verifyKnown' : 'verifyUnknown',
            )}
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
      {file && <PageChanges file={file} changes={report.pageChanges} />}
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
  if (changes === 'annotations') return t('changes_annotations')
  if (changes === 'other') return t('changes_other')
  return changes
}
