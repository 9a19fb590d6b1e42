import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import type { Page } from '@yinxin/sdk/wire'
import { useState } from 'react'
import { call } from '../api/client.ts'
import { Button, TextArea } from '../design/controls.tsx'
import { Icon, type IconName } from '../design/icons.tsx'
import { Bones, Empty, Note, ProblemNote } from '../design/notices.tsx'
import { Sheet } from '../design/sheet.tsx'
import { formatSize, formatTime } from '../words/dates.ts'
import { useWords } from '../words/words.tsx'
import { uploadBundle, type UploadPlan } from './import-upload.ts'
import { PageHead, useIdentity } from './page.tsx'

type Status = 'receiving' | 'queued' | 'working' | 'done' | 'failed' | 'canceled' | 'expired' | 'voided'
type SkipReason = 'not_over' | 'destroyed_here' | 'gone_at_origin' | 'lost_at_origin'

interface Taken {
  imported: number
  unchanged: number
}

interface DataImport extends UploadPlan {
  status: Status
  fileName: string
  sizeBytes: number
  received: number
  createdAt: string
  report: {
    source: { name: string; origin: string }
    trusted: boolean | null
    logVerified: boolean | null
    files: Taken
    contracts: Taken
    members: { invited: number; present: number } | null
    skipped: { id: string; title: string; reason: SkipReason }[]
  } | null
  problem: { code: string; message: string } | null
}

interface History {
  id: string
  sourceName: string
  origin: string
  snapshotAt: string
  records: number
}

const looks: Record<Status, { tone: string; icon: IconName }> = {
  receiving: { tone: 'wait', icon: 'clock' },
  queued: { tone: 'wait', icon: 'clock' },
  working: { tone: 'wait', icon: 'clock' },
  done: { tone: 'good', icon: 'check' },
  failed: { tone: 'bad', icon: 'cross' },
  canceled: { tone: '', icon: 'minus' },
  expired: { tone: '', icon: 'clock' },
  voided: { tone: '', icon: 'minus' },
}
const ASK_MS = 2000
const SKIPPED_SHOWN = 20
const isLiving = ({ status }: DataImport) =>
  status === 'receiving' || status === 'queued' || status === 'working'

/** What comes from another installation, for the administrators of a company. */
export function ImportsPage() {
  const { t } = useWords()
  const me = useIdentity()
  const queries = useQueryClient()
  const [ordering, setOrdering] = useState(false)
  const allowed = me.acting.kind === 'corp' && me.acting.role === 'admin'
  const imports = useQuery({
    queryKey: ['imports'],
    queryFn: ({ signal }) => call<Page<DataImport>>('GET', '/imports?limit=20', { signal }),
    enabled: allowed,
    refetchInterval: (query) => (query.state.data?.items.some(isLiving) ? ASK_MS : false),
  })
  const histories = useQuery({
    queryKey: ['imported-histories', imports.data?.items.filter((one) => one.status === 'done').length],
    queryFn: ({ signal }) => call<{ items: History[] }>('GET', '/imported-histories', { signal }),
    enabled: allowed && imports.data !== undefined,
  })
  const refresh = () => queries.invalidateQueries({ queryKey: ['imports'] })
  return (
    <main className="page-body narrow">
      <PageHead title={t('importsTitle')} lead={t('importsLead')}>
        {allowed && imports.data && !imports.data.items.some(isLiving) && (
          <Button look="primary" icon="upload" onClick={() => setOrdering(true)}>
            {t('importsNew')}
          </Button>
        )}
      </PageHead>
      {!allowed ? (
        <Note tone="wait">{t('importsNeedsAdmin')}</Note>
      ) : imports.isPending ? (
        <Bones rows={3} height={48} />
      ) : imports.error ? (
        <ProblemNote error={imports.error} onRetry={imports.refetch} />
      ) : imports.data.items.length === 0 ? (
        <section className="card">
          <Empty icon="upload" title={t('importsEmptyTitle')}>
            {t('importsEmptyText')}
          </Empty>
        </section>
      ) : (
        imports.data.items.map((one) => <ImportCard key={one.id} one={one} onChanged={refresh} />)
      )}
      {histories.data?.items.map((one) => (
        <HistoryCard key={one.id} one={one} />
      ))}
      {ordering && (
        <OrderSheet
          onClose={() => setOrdering(false)}
          onOrdered={() => {
            setOrdering(false)
            refresh()
          }}
        />
      )}
    </main>
  )
}

function ImportCard({ one, onChanged }: { one: DataImport; onChanged(): void }) {
  const { t } = useWords()
  const [ending, setEnding] = useState(false)
  const [share, setShare] = useState<number | null>(null)
  const resume = useMutation({
    mutationFn: async (file: File) => {
      if (file.size !== one.sizeBytes) throw new Error(t('importsWrongFile'))
      await uploadBundle(one, file, setShare)
    },
    onSettled: () => {
      setShare(null)
      onChanged()
    },
  })
  const cancel = useMutation({
    mutationFn: () => call<DataImport>('POST', `/imports/${one.id}/cancel`),
    onSuccess: () => {
      setEnding(false)
      onChanged()
    },
  })
  const { tone, icon } = looks[one.status]
  return (
    <section className="card stack" data-import={one.id}>
      <div className="row apart">
        <span className={`badge ${tone}`}>
          <Icon name={icon} size={14} />
          {t(`import_${one.status}`)}
        </span>
        <time className="muted small" dateTime={one.createdAt}>
          {formatTime(one.createdAt)}
        </time>
      </div>
      <p className="muted small">
        {one.fileName} · {formatSize(one.sizeBytes)}
      </p>
      {one.status === 'receiving' && (
        <div className="stack tight">
          <progress value={share ?? one.received / one.parts} max={1} aria-label={t('importsUploading')} />
          <p className="muted small">{t('importsReceived', one)}</p>
          {share === null && (
            <FileField
              label={t('importsResume')}
              hint={t('importsResumeText', { name: one.fileName })}
              onFile={(file) => file && resume.mutate(file)}
            />
          )}
        </div>
      )}
      {(one.status === 'queued' || one.status === 'working') && (
        <progress aria-label={t(`import_${one.status}`)} />
      )}
      {resume.error && <ProblemNote error={resume.error} />}
      {one.problem !== null && <Note tone="bad">{one.problem.message}</Note>}
      {one.report !== null && <Report report={one.report} />}
      {isLiving(one) && (
        <div className="row">
          <Button onClick={() => setEnding(true)}>{t('importsCancel')}</Button>
        </div>
      )}
      {ending && isLiving(one) && (
        <Sheet
          title={t('importsCancel')}
          onClose={() => setEnding(false)}
          footer={
            <Button look="danger" busy={cancel.isPending} onClick={() => cancel.mutate()}>
              {t('importsCancel')}
            </Button>
          }
        >
          <p>{t('importsCancelText')}</p>
          {cancel.error && <ProblemNote error={cancel.error} />}
        </Sheet>
      )}
    </section>
  )
}

function Report({ report }: { report: NonNullable<DataImport['report']> }) {
  const { t } = useWords()
  const judged =
    report.trusted === true && report.logVerified === true
      ? 'importsJudgedBoth'
      : report.trusted === null && report.logVerified === null
        ? 'importsJudgedNone'
        : 'importsJudgedPart'
  return (
    <>
      <dl className="facts">
        <dt>{t('importsOrigin')}</dt>
        <dd>
          {report.source.name} · {report.source.origin}
        </dd>
        <dt>{t('importsContracts')}</dt>
        <dd>{t('importsTaken', { ...report.contracts })}</dd>
        <dt>{t('importsFiles')}</dt>
        <dd>{t('importsTaken', { ...report.files })}</dd>
        {report.members !== null && (
          <>
            <dt>{t('importsInvited')}</dt>
            <dd>{t('importsInvitedText', { ...report.members })}</dd>
          </>
        )}
        <dt>{t('importsJudged')}</dt>
        <dd>{t(judged)}</dd>
      </dl>
      {report.skipped.length > 0 && (
        <div className="stack tight">
          <p className="small">{t('importsSkipped', { count: report.skipped.length })}</p>
          {report.skipped.slice(0, SKIPPED_SHOWN).map((one) => (
            <p key={one.id} className="muted small">
              {one.title}: {t(`importSkip_${one.reason}`)}
            </p>
          ))}
        </div>
      )}
      <p className="muted small">{t('importsStaying')}</p>
    </>
  )
}

function HistoryCard({ one }: { one: History }) {
  const { t } = useWords()
  const address = `/api/v1/imported-histories/${one.id}`
  return (
    <section className="card stack" data-history={one.id}>
      <h2>{t('importsHistory')}</h2>
      <p className="muted small">
        {one.sourceName} · {one.origin} · {formatTime(one.snapshotAt)} ·{' '}
        {t('importsHistoryText', { records: one.records })}
      </p>
      <div className="row">
        <a className="button" href={`${address}/audit.jsonl`} download>
          <Icon name="download" size={18} />
          audit.jsonl
        </a>
        <a className="button quiet" href={`${address}/proof.zip`} download>
          {t('importsProof')}
        </a>
      </div>
    </section>
  )
}

function FileField({
  label,
  hint,
  onFile,
}: {
  label: string
  hint?: string
  onFile(file: File | null): void
}) {
  return (
    <div className="field">
      <label>
        {label}
        <input
          className="input"
          type="file"
          accept=".tar,application/x-tar"
          onChange={(event) => onFile(event.target.files?.[0] ?? null)}
        />
      </label>
      {hint !== undefined && <p className="muted small">{hint}</p>}
    </div>
  )
}

function OrderSheet({ onClose, onOrdered }: { onClose(): void; onOrdered(): void }) {
  const { t } = useWords()
  const [file, setFile] = useState<File | null>(null)
  const [trustPem, setTrustPem] = useState('')
  const [logKey, setLogKey] = useState('')
  const [intoOther, setIntoOther] = useState(false)
  const [members, setMembers] = useState(false)
  const [share, setShare] = useState<number | null>(null)
  const order = useMutation({
    mutationFn: async (chosen: File) => {
      const made = await call<DataImport>('POST', '/imports', {
        body: {
          fileName: chosen.name,
          sizeBytes: chosen.size,
          intoOther,
          members,
          trustPem: trustPem.trim() === '' ? [] : [trustPem],
          logKeys: logKey.split(/\s+/).filter((one) => one !== ''),
        },
      })
      setShare(0)
      await uploadBundle(made, chosen, setShare)
    },
    onSuccess: onOrdered,
  })
  return (
    <Sheet
      title={t('importsNew')}
      onClose={onClose}
      footer={
        <Button
          look="primary"
          busy={order.isPending}
          disabled={file === null}
          onClick={() => file && order.mutate(file)}
        >
          {t('importsBegin')}
        </Button>
      }
    >
      <div className="stack">
        <FileField label={t('importsFile')} onFile={setFile} />
        <label className="check">
          <input
            type="checkbox"
            checked={intoOther}
            onChange={(event) => setIntoOther(event.target.checked)}
          />
          {t('importsOther')}
        </label>
        <label className="check">
          <input type="checkbox" checked={members} onChange={(event) => setMembers(event.target.checked)} />
          {t('importsMembers')}
        </label>
        <TextArea
          label={t('importsTrust')}
          hint={t('importsAnchorHint')}
          rows={3}
          value={trustPem}
          onChange={(event) => setTrustPem(event.target.value)}
        />
        <TextArea
          label={t('importsLogKey')}
          rows={2}
          value={logKey}
          onChange={(event) => setLogKey(event.target.value)}
        />
        {share !== null && <progress value={share} max={1} aria-label={t('importsUploading')} />}
        {order.error && <ProblemNote error={order.error} />}
      </div>
    </Sheet>
  )
}
