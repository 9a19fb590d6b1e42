import { useQuery } from '@tanstack/react-query'
import type { Copies, DurabilityNow, DurabilityReportSummary, Page, SignTask } from '@yinxin/sdk/wire'
import { Link } from 'react-router'
import { call } from '../api/client.ts'
import { CopiesMap } from '../custody/copies-map.tsx'
import { DurabilityCard, ReportList } from '../custody/durability.tsx'
import { Bones, Empty, ProblemNote } from '../design/notices.tsx'
import { useWords } from '../words/words.tsx'
import { PageHead } from './page.tsx'

/** Where everything is that the acting subject owns, and how safe that is. */
export function CustodyPage() {
  const { t } = useWords()
  const copies = useQuery({
    queryKey: ['copies'],
    queryFn: ({ signal }) => call<Copies>('GET', '/replicas', { signal }),
  })
  const now = useQuery({
    queryKey: ['durability'],
    queryFn: ({ signal }) => call<DurabilityNow>('GET', '/durability', { signal }),
  })
  const reports = useQuery({
    queryKey: ['durability', 'reports'],
    queryFn: ({ signal }) => call<Page<DurabilityReportSummary>>('GET', '/durability/reports', { signal }),
  })
  return (
    <main className="page-body narrow custody-page">
      <PageHead title={t('custodyTitle')} lead={t('custodyLead')} />
      {copies.isPending ? (
        <Bones rows={6} height={32} />
      ) : copies.error ? (
        <ProblemNote error={copies.error} onRetry={copies.refetch} />
      ) : (
        <CopiesMap copies={copies.data} title={t('copiesOfSubject', { objects: copies.data.objects })} />
      )}
      {now.isPending ? (
        <Bones rows={3} height={32} />
      ) : now.error ? (
        <ProblemNote error={now.error} onRetry={now.refetch} />
      ) : (
        <DurabilityCard now={now.data} />
      )}
      {reports.error ? (
        <ProblemNote error={reports.error} onRetry={reports.refetch} />
      ) : (
        reports.data && <ReportList reports={reports.data.items} />
      )}
    </main>
  )
}

/** The copies of one contract, for its parties. */
export function CopiesTab({ task }: { task: SignTask }) {
  const { t } = useWords()
  const copies = useQuery({
    queryKey: ['copies', task.id, task.updatedAt],
    queryFn: ({ signal }) => call<Copies>('GET', `/sign-tasks/${task.id}/replicas`, { signal }),
  })
  if (copies.isPending) return <Bones rows={4} />
  if (copies.error) return <ProblemNote error={copies.error} onRetry={copies.refetch} />
  return (
    <div className="stack">
      {copies.data.objects === 0 ? (
        <Empty icon="shield" title={t('copiesNone')}>
          {t('copiesNoneText')}
        </Empty>
      ) : (
        <>
          <p className="muted small">{t('custodyLead')}</p>
          <CopiesMap copies={copies.data} title={t('copiesOfContract', { objects: copies.data.objects })} />
        </>
      )}
      <Link to="/custody">{t('copiesAll')}</Link>
    </div>
  )
}
