import { useInfiniteQuery } from '@tanstack/react-query'
import type { Page, SignTask, TaskEvent } from '@yinxin/sdk/wire'
import { call } from '../api/client.ts'
import { Button } from '../design/controls.tsx'
import { Bones, ProblemNote } from '../design/notices.tsx'
import { formatTime, groupHash } from '../words/dates.ts'
import { useWords } from '../words/words.tsx'
import { eventWord } from './events.ts'

function useEvents(task: SignTask) {
  return useInfiniteQuery({
    queryKey: ['events', task.id, task.updatedAt],
    queryFn: ({ pageParam, signal }) =>
      call<Page<TaskEvent>>(
        'GET',
        `/sign-tasks/${task.id}/events?limit=50${pageParam ? `&cursor=${encodeURIComponent(pageParam)}` : ''}`,
        { signal },
      ),
    initialPageParam: '',
    getNextPageParam: (page) => page.nextCursor ?? undefined,
    // Events get their place in the log moments after they happen.
    refetchInterval: (query) =>
      query.state.data?.pages.some((page) => page.items.some((event) => event.logIndex === null))
        ? 5_000
        : false,
  })
}

/** What happened, newest first, for people. */
export function ProgressTab({ task }: { task: SignTask }) {
  const events = useEvents(task)
  const word = useEventWord()
  return (
    <EventList query={events}>
      {(items) => (
        <ol className="timeline">
          {[...items]
            .sort((a, b) => b.seq - a.seq)
            .map((event) => (
              <li key={event.seq}>
                <p>
                  <strong>{word(event.type)}</strong> {event.actor.name && <span>{event.actor.name}</span>}
                </p>
                <p className="muted small">{formatTime(event.at)}</p>
              </li>
            ))}
        </ol>
      )}
    </EventList>
  )
}

/** The same events as the proof sees them: hash, place in the log, contents. */
export function EvidenceTab({ task }: { task: SignTask }) {
  const { t } = useWords()
  const events = useEvents(task)
  const word = useEventWord()
  return (
    <div className="stack tight">
      <p className="muted small">{t('evidenceLead')}</p>
      <EventList query={events}>
        {(items) => (
          <ol className="evidence-list">
            {[...items]
              .sort((a, b) => a.seq - b.seq)
              .map((event) => (
                <li key={event.seq}>
                  <details>
                    <summary>
                      <span className="mono muted">#{event.seq}</span>
                      <span className="grow clip">{word(event.type)}</span>
                      {event.logIndex === null ? (
                        <span className="badge wait">{t('evidencePending')}</span>
                      ) : (
                        <span className="badge good">{t('evidenceLogged', { index: event.logIndex })}</span>
                      )}
                    </summary>
                    <dl className="facts">
                      <dt>{t('evidenceHash')}</dt>
                      <dd className="fingerprint">{groupHash(event.hash, 64)}</dd>
                      <dt>{t('doneTime')}</dt>
                      <dd>{formatTime(event.at)}</dd>
                      <dt>{t('evidenceData')}</dt>
                      <dd>
                        <pre>{JSON.stringify(event.data, null, 2)}</pre>
                      </dd>
                    </dl>
                  </details>
                </li>
              ))}
          </ol>
        )}
      </EventList>
    </div>
  )
}

function EventList({
  query,
  children,
}: {
  query: ReturnType<typeof useEvents>
  children(items: TaskEvent[]): React.ReactNode
}) {
  const { t } = useWords()
  if (query.isPending) return <Bones rows={4} />
  if (query.error) return <ProblemNote error={query.error} onRetry={query.refetch} />
  return (
    <>
      {children(query.data.pages.flatMap((page) => page.items))}
      {query.hasNextPage && (
        <Button slim busy={query.isFetchingNextPage} onClick={() => query.fetchNextPage()}>
          {t('more')}
        </Button>
      )}
    </>
  )
}

function useEventWord(): (type: string) => string {
  const { t } = useWords()
  return (type) => {
    const key = eventWord(type)
    return key ? t(key as 'event_created') : type
  }
}
