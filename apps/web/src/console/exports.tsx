import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import type { Page } from '@yinxin/sdk/wire'
import { useState } from 'react'
import { Link } from 'react-router'
import { call } from '../api/client.ts'
import { CodeField } from '../design/code-field.tsx'
import { Button } from '../design/controls.tsx'
import { Icon, type IconName } from '../design/icons.tsx'
import { Bones, Empty, Note, ProblemNote } from '../design/notices.tsx'
import { Sheet } from '../design/sheet.tsx'
import { formatSize, formatTime } from '../words/dates.ts'
import { useWords } from '../words/words.tsx'
import { BucketForm, type BucketFields, emptyBucket, isFilled } from './export-bucket.tsx'
import { PageHead, useIdentity } from './page.tsx'

interface DataExport {
  id: string
  status: 'queued' | 'collecting' | 'ready' | 'failed' | 'canceled' | 'expired' | 'voided'
  snapshotAt: string | null
  createdAt: string
  expiresAt: string | null
  counts: { files: number; contracts: number } | null
  progress: { items: number; settled: number }
  sizeBytes: number
  lossCount: number
  losses: { path: string; reason: keyof typeof lossWord }[]
  bucket: { bucket: string; deliveredAt: string | null } | null
  problem: string | null
}

const looks: Record<DataExport['status'], { tone: string; icon: IconName }> = {
  queued: { tone: 'wait', icon: 'clock' },
  collecting: { tone: 'wait', icon: 'clock' },
  ready: { tone: 'good', icon: 'check' },
  failed: { tone: 'bad', icon: 'cross' },
  canceled: { tone: '', icon: 'minus' },
  expired: { tone: '', icon: 'clock' },
  voided: { tone: '', icon: 'minus' },
}

const lossWord = {
  unreadable: 'exportsLossUnreadable',
  damaged: 'exportsLossDamaged',
  key_missing: 'exportsLossKeyMissing',
  failed: 'exportsLossFailed',
} as const
const LOSSES_SHOWN = 10
const ASK_MS = 3000
const isRunning = (one: DataExport) => one.status === 'queued' || one.status === 'collecting'

/** Everything that the company or person owns, to be taken away. */
export function ExportsPage() {
  const { t } = useWords()
  const me = useIdentity()
  const queries = useQueryClient()
  const [ordering, setOrdering] = useState(false)
  const allowed = me.acting.kind === 'person' || me.acting.role === 'admin'
  const exports = useQuery({
    queryKey: ['exports'],
    queryFn: ({ signal }) => call<Page<DataExport>>('GET', '/exports?limit=20', { signal }),
    enabled: allowed,
    refetchInterval: (query) => (query.state.data?.items.some(isRunning) ? ASK_MS : false),
  })
  const refresh = () => queries.invalidateQueries({ queryKey: ['exports'] })
  const newButton = (
    <Button look="primary" icon="download" onClick={() => setOrdering(true)}>
      {t('exportsNew')}
    </Button>
  )
  return (
    <main className="page-body narrow">
      <PageHead title={t('exportsTitle')} lead={t('exportsLead')}>
        {me.acting.kind === 'corp' && allowed && (
          <Link className="button quiet" to="/imports">
            {t('importsLink')}
          </Link>
        )}
        {allowed && !exports.data?.items.some(isRunning) && newButton}
      </PageHead>
      {!allowed ? (
        <Note tone="wait">{t('exportsNeedsAdmin')}</Note>
      ) : exports.isPending ? (
        <Bones rows={3} height={48} />
      ) : exports.error ? (
        <ProblemNote error={exports.error} onRetry={exports.refetch} />
      ) : exports.data.items.length === 0 ? (
        <section className="card">
          <Empty icon="download" title={t('exportsEmptyTitle')}>
            {t('exportsEmptyText')}
          </Empty>
        </section>
      ) : (
        exports.data.items.map((one) => <ExportCard key={one.id} one={one} onChanged={refresh} />)
      )}
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

function ExportCard({ one, onChanged }: { one: DataExport; onChanged(): void }) {
  const { t } = useWords()
  const [ending, setEnding] = useState(false)
  const cancel = useMutation({
    mutationFn: () => call<DataExport>('POST', `/exports/${one.id}/cancel`),
    onSuccess: () => {
      setEnding(false)
      onChanged()
    },
  })
  const living = isRunning(one) || one.status === 'ready'
  const { tone, icon } = looks[one.status]
  const content = [
    one.counts && t('exportsCounts', { contracts: one.counts.contracts, files: one.counts.files }),
    one.status === 'ready' && formatSize(one.sizeBytes),
  ].filter((part) => part)
  return (
    <section className="card stack" data-export={one.id}>
      <div className="row apart">
        <span className={`badge ${tone}`}>
          <Icon name={icon} size={14} />
          {t(`export_${one.status}`)}
        </span>
        <time className="muted small" dateTime={one.createdAt}>
          {formatTime(one.createdAt)}
        </time>
      </div>
      {isRunning(one) && (
        <div className="stack tight">
          <progress
            aria-label={t('exportsHowFar')}
            {...(one.progress.items > 0 ? { value: one.progress.settled, max: one.progress.items } : {})}
          />
          {one.progress.items > 0 && <p className="muted small">{t('exportsProgress', one.progress)}</p>}
        </div>
      )}
      {(one.snapshotAt !== null || one.bucket !== null) && (
        <dl className="facts">
          {one.snapshotAt !== null && (
            <>
              <dt>{t('exportsAsOf')}</dt>
              <dd>{formatTime(one.snapshotAt)}</dd>
            </>
          )}
          {content.length > 0 && (
            <>
              <dt>{t('exportsContent')}</dt>
              <dd>{content.join(' · ')}</dd>
            </>
          )}
          {one.bucket !== null && (
            <>
              <dt>{t('exportsBucket')}</dt>
              <dd>
                {one.bucket.bucket}
                {one.bucket.deliveredAt !== null && ` · ${formatTime(one.bucket.deliveredAt)}`}
              </dd>
            </>
          )}
          {one.status === 'ready' && one.expiresAt !== null && (
            <>
              <dt>{t('exportsUntil')}</dt>
              <dd>{formatTime(one.expiresAt)}</dd>
            </>
          )}
        </dl>
      )}
      {one.status === 'ready' && one.problem !== null && (
        <Note tone="wait">{t('exportsBucketFailed', { problem: one.problem })}</Note>
      )}
      {one.status === 'ready' && one.lossCount > 0 && (
        <Note tone="bad">
          {t('exportsLost', { count: one.lossCount })}
          {one.losses.slice(0, LOSSES_SHOWN).map((loss) => (
            <span key={loss.path} className="small" style={{ display: 'block', overflowWrap: 'anywhere' }}>
              {loss.path}: {t(lossWord[loss.reason])}
            </span>
          ))}
        </Note>
      )}
      {living && (
        <div className="row">
          {one.status === 'ready' && (
            // The browser's own download: it goes on where it broke off, and takes no memory.
            <a className="button primary" href={`/api/v1/exports/${one.id}/archive`} download>
              <Icon name="download" size={18} />
              {t('exportsDownload')}
            </a>
          )}
          <Button
            {...(one.status === 'ready' ? { look: 'quiet' as const } : {})}
            onClick={() => setEnding(true)}
          >
            {t(one.status === 'ready' ? 'exportsDestroy' : 'exportsCancel')}
          </Button>
        </div>
      )}
      {ending && living && (
        <Sheet
          title={t(one.status === 'ready' ? 'exportsDestroy' : 'exportsCancel')}
          onClose={() => setEnding(false)}
          footer={
            <Button look="danger" busy={cancel.isPending} onClick={() => cancel.mutate()}>
              {t(one.status === 'ready' ? 'exportsDestroy' : 'exportsCancel')}
            </Button>
          }
        >
          <p>{t('exportsEndingText')}</p>
          {cancel.error && <ProblemNote error={cancel.error} />}
        </Sheet>
      )}
    </section>
  )
}

function OrderSheet({ onClose, onOrdered }: { onClose(): void; onOrdered(): void }) {
  const { t } = useWords()
  const [code, setCode] = useState('')
  const [sentAt, setSentAt] = useState<number | null>(null)
  const send = useMutation({
    mutationFn: () => call<{ sentTo: string }>('POST', '/export-codes'),
    onSuccess: () => setSentAt(Date.now()),
  })
  const [bucket, setBucket] = useState<BucketFields | null>(null)
  const order = useMutation({
    mutationFn: () =>
      call<DataExport>('POST', '/exports', { body: { code, ...(bucket === null ? {} : { bucket }) } }),
    onSuccess: onOrdered,
    // Wrong or right, they are typed anew for the next try: nothing of them stays in the page.
    onSettled: () => setBucket((given) => given && { ...given, secret: '' }),
  })
  const isReady = code !== '' && (bucket === null || isFilled(bucket))
  return (
    <Sheet
      title={t('exportsNew')}
      onClose={onClose}
      footer={
        <Button look="primary" busy={order.isPending} disabled={!isReady} onClick={() => order.mutate()}>
          {t('exportsBegin')}
        </Button>
      }
    >
      <div className="stack">
        <label className="check">
          <input
            type="checkbox"
            checked={bucket !== null}
            onChange={(event) => setBucket(event.target.checked ? emptyBucket : null)}
          />
          {t('exportsToBucket')}
        </label>
        {bucket !== null && <BucketForm value={bucket} onChange={setBucket} />}
        <p>{t('exportsProve')}</p>
        <CodeField
          value={code}
          onChange={setCode}
          onSend={() => send.mutate()}
          sending={send.isPending}
          sentAt={sentAt}
          hint={send.data?.sentTo}
        />
        {(send.error ?? order.error) && <ProblemNote error={(send.error ?? order.error) as Error} />}
      </div>
    </Sheet>
  )
}
