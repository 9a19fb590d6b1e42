import type { SignTask } from '@yinxin/sdk/wire'
import { useRef, useState } from 'react'
import { useKindWord } from '../ceremony/marks.tsx'
import { IconButton, Segments } from '../design/controls.tsx'
import { ProblemNote } from '../design/notices.tsx'
import { PageView } from '../pdf/page-view.tsx'
import { usePdf } from '../pdf/use-pdf.ts'
import { useZoom } from '../pdf/use-zoom.ts'
import { useWords } from '../words/words.tsx'
import { partyColour } from './draft.ts'

/** The current revision of a task's documents, with the places that are still open. */
export function DocumentPane({ task }: { task: SignTask }) {
  const { t } = useWords()
  const word = useKindWord()
  const [chosen, setChosen] = useState(task.documents[0]?.documentId ?? '')
  const scroller = useRef<HTMLDivElement>(null)
  const { zoom, zoomTo, pageWidth } = useZoom(scroller, 900, 32)
  const document = task.documents.find((candidate) => candidate.documentId === chosen) ?? task.documents[0]
  const open = new Set(
    task.actorDetails
      .filter((actor) => actor.status !== 'signed' && actor.role === 'sign')
      .map((actor) => actor.actorId),
  )
  return (
    <section className="document-pane">
      <div className="row apart pane-head">
        {task.documents.length > 1 ? (
          <Segments
            label={t('taskDocuments')}
            value={document?.documentId ?? ''}
            onChange={setChosen}
            options={task.documents.map(({ documentId, name }) => ({ value: documentId, label: name }))}
          />
        ) : (
          <span className="clip grow">{document?.name}</span>
        )}
        <span className="row">
          <span className="muted small">{document && t('pages', { count: document.pageCount })}</span>
          <IconButton
            icon="minus"
            label={t('zoomOut')}
            disabled={zoom <= 1}
            onClick={() => zoomTo(zoom / 1.25)}
          />
          <IconButton
            icon="plus"
            label={t('zoomIn')}
            disabled={zoom >= 4}
            onClick={() => zoomTo(zoom * 1.25)}
          />
        </span>
      </div>
      <div ref={scroller} className="pane-pages">
        {document && (
          <Pages
            key={`${document.documentId}/${document.revision}`}
            url={`/api/v1/sign-tasks/${task.id}/documents/${document.documentId}/content?revision=${document.revision}`}
            pages={document.pages}
            width={pageWidth}
          >
            {(page, size) =>
              task.fields
                .filter(
                  (field) =>
                    field.documentId === document.documentId &&
                    field.page === page &&
                    open.has(field.actorId),
                )
                .map((field) => (
                  <span
                    key={field.fieldId}
                    className="field-mark placed"
                    style={{
                      left: `${(field.x / size.widthPt) * 100}%`,
                      top: `${(field.y / size.heightPt) * 100}%`,
                      width: `${(field.width / size.widthPt) * 100}%`,
                      height: `${(field.height / size.heightPt) * 100}%`,
                      color: partyColour(
                        task.actorDetails.findIndex((actor) => actor.actorId === field.actorId),
                      ),
                    }}
                  >
                    {word(field.kind)}
                    <small className="clip">
                      {task.actorDetails.find((actor) => actor.actorId === field.actorId)?.name}
                    </small>
                  </span>
                ))
            }
          </Pages>
        )}
      </div>
    </section>
  )
}

function Pages({
  url,
  pages,
  width,
  children,
}: {
  url: string
  pages: { widthPt: number; heightPt: number }[]
  width: number
  children(page: number, size: { widthPt: number; heightPt: number }): React.ReactNode
}) {
  const { t } = useWords()
  const state = usePdf(url)
  return (
    <div className="pane-column">
      {state.state === 'loading' && (
        <p className="read-loading" role="status">
          <span className="spinner" aria-hidden="true" />
          {t('documentLoading')} {Math.round(state.share * 100)}%
        </p>
      )}
      {state.state === 'failed' && <ProblemNote error={state.error} onRetry={state.retry} />}
      {pages.map((size, index) => (
        <PageView
          // biome-ignore lint/suspicious/noArrayIndexKey: a page is its number
          key={index}
          pdf={state.state === 'ready' ? state.opened.pdf : null}
          pageNumber={index + 1}
          pageCount={pages.length}
          widthPt={size.widthPt}
          heightPt={size.heightPt}
          width={width}
          selectable
        >
          {children(index + 1, size)}
        </PageView>
      ))}
    </div>
  )
}
