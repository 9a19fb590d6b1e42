import type { Ceremony, TaskDocument } from '@yinxin/sdk/wire'
import { useCallback, useEffect, useMemo, useRef, useState } from 'react'
import { call } from '../api/client.ts'
import { Button, IconButton } from '../design/controls.tsx'
import { Icon } from '../design/icons.tsx'
import { EnvironmentBand, Note, ProblemNote } from '../design/notices.tsx'
import { DrawingPad } from '../drawing/pad.tsx'
import { PageView } from '../pdf/page-view.tsx'
import { usePdf } from '../pdf/use-pdf.ts'
import { useZoom } from '../pdf/use-zoom.ts'
import { useWords } from '../words/words.tsx'
import { Confirm } from './confirm.tsx'
import { FieldPreview, neededMarks, useCeremonyDraft, useKindWord } from './marks.tsx'
import { RejectSheet } from './reject.tsx'
import { SealSheet, SignatureSheet } from './mark-sheets.tsx'

type Open = 'none' | 'draw' | 'signatures' | 'seals' | 'reject' | 'confirm'

/** Read, fill and sign: the pages at full width, my fields in place, one action at the bottom. */
export function Reading({
  token,
  ceremony,
  onChanged,
  onStale,
}: {
  token: string
  ceremony: Ceremony
  onChanged(ceremony: Ceremony): void
  onStale(): void
}) {
  const { t } = useWords()
  const task = ceremony.task
  if (!task) throw new Error('a ceremony to read comes with its task')
  const [draft, setDraft] = useCeremonyDraft(task.id)
  const [open, setOpen] = useState<Open>(draft.confirming ? 'confirm' : 'none')
  const [hashes, setHashes] = useState<Record<string, string>>({})
  const [at, setAt] = useState({ documentId: task.documents[0]?.documentId ?? '', page: 1 })
  const scroller = useRef<HTMLDivElement>(null)
  const { zoom, zoomTo, pageWidth } = useZoom(scroller)

  const mine = useMemo(
    () =>
      task.fields
        .filter((field) => field.mine && !field.signed)
        .sort((a, b) => order(task.documents, a) - order(task.documents, b)),
    [task],
  )
  const [visited, setVisited] = useState(-1)
  const needs = neededMarks(ceremony)
  const marked = (!needs.ink || draft.ink !== null) && (!needs.seal || draft.sealId !== null)
  const pageTotal = task.documents.reduce((sum, document) => sum + document.pageCount, 0)
  const percent = Math.round((Math.min(draft.seen.length, pageTotal) / Math.max(1, pageTotal)) * 100)
  const opened = task.documents.every((document) => hashes[document.documentId] === document.sha256)

  const onSeen = useCallback(
    (documentId: string, page: number) => {
      setAt({ documentId, page })
      const key = `${documentId}/${page}`
      setDraft((before) => (before.seen.includes(key) ? before : { ...before, seen: [...before.seen, key] }))
    },
    [setDraft],
  )
  const onOpened = useCallback(
    (documentId: string, sha256: string) => setHashes((before) => ({ ...before, [documentId]: sha256 })),
    [],
  )
  useReadReceipts(token, task.documents, draft.seen, hashes)

  const goToNext = () => {
    const next = (visited + 1) % mine.length
    setVisited(next)
    const target = document.getElementById(`field-${mine[next]?.fieldId}`)
    target?.scrollIntoView({ block: 'center', inline: 'center', behavior: smoothness() })
    target?.focus({ preventScroll: true })
  }
  const openMark = (kind: 'ink' | 'seal') =>
    setOpen(kind === 'seal' ? 'seals' : ceremony.signatures.length > 0 ? 'signatures' : 'draw')
  const proceed = () => {
    if (needs.seal && !draft.sealId) return openMark('seal')
    if (needs.ink && !draft.ink) return openMark('ink')
    setDraft((before) => ({ ...before, confirming: true }))
    setOpen('confirm')
  }
  const primaryWord = marked
    ? t('confirmOpen')
    : needs.seal && !draft.sealId
      ? t('chooseSeal')
      : t('chooseMark')
  const current = task.documents.find((document) => document.documentId === at.documentId)

  return (
    <div className="reading">
      <EnvironmentBand environment={ceremony.cover.environment} />
      <header className="reading-head">
        <h1 className="serif clip">{task.title}</h1>
        <span className="muted small reading-at" aria-live="polite">
          {t('pageOf', { page: at.page, count: current?.pageCount ?? 1 })}
        </span>
        <IconButton
          icon="minus"
          label={t('zoomOut')}
          disabled={zoom <= 1}
          onClick={() => zoomTo(zoom / 1.3)}
        />
        <IconButton icon="plus" label={t('zoomIn')} disabled={zoom >= 4} onClick={() => zoomTo(zoom * 1.3)} />
        <div
          className="meter"
          role="progressbar"
          aria-valuenow={percent}
          aria-valuemin={0}
          aria-valuemax={100}
          aria-label={t('readProgress', { percent })}
        >
          <i style={{ width: `${percent}%` }} />
        </div>
      </header>
      <main ref={scroller} className="reading-pages" aria-label={task.title}>
        <div className="reading-column">
          {mine.length === 0 && <Note>{t('noFields')}</Note>}
          {task.documents.map((document) => (
            <ReadDocument
              key={`${document.documentId}/${document.revision}`}
              token={token}
              ceremony={ceremony}
              document={document}
              draft={draft}
              pageWidth={pageWidth}
              titled={task.documents.length > 1}
              onSeen={onSeen}
              onOpened={onOpened}
              onField={(kind) => openMark(kind)}
            />
          ))}
        </div>
      </main>
      <footer className="reading-bar">
        <Button look="quiet" onClick={() => setOpen('reject')}>
          {t('reject')}
        </Button>
        {mine.length > 0 && (
          <Button icon="down" onClick={goToNext}>
            {t('nextField')} {visited >= 0 && mine.length > 1 ? `${visited + 1}/${mine.length}` : mine.length}
          </Button>
        )}
        <Button look="primary" disabled={!opened} onClick={proceed}>
          {primaryWord}
        </Button>
      </footer>

      {open === 'draw' && (
        <DrawingPad
          name={ceremony.me?.name ?? null}
          onClose={() => setOpen(ceremony.signatures.length > 0 ? 'signatures' : 'none')}
          onUse={(handwriting) => {
            setDraft((before) => ({ ...before, ink: { kind: 'drawn', handwriting } }))
            setOpen('none')
          }}
        />
      )}
      {open === 'signatures' && (
        <SignatureSheet
          signatures={ceremony.signatures}
          onClose={() => setOpen('none')}
          onDraw={() => setOpen('draw')}
          onPick={(signature) => {
            setDraft((before) => ({ ...before, ink: { kind: 'stored', ...signature } }))
            setOpen('none')
          }}
        />
      )}
      {open === 'seals' && (
        <SealSheet
          seals={ceremony.seals}
          chosen={draft.sealId}
          onClose={() => setOpen('none')}
          onPick={(sealId) => {
            setDraft((before) => ({ ...before, sealId }))
            setOpen('none')
          }}
        />
      )}
      {open === 'reject' && (
        <RejectSheet token={token} onClose={() => setOpen('none')} onRejected={onChanged} />
      )}
      {open === 'confirm' && opened && marked && (
        <Confirm
          token={token}
          ceremony={ceremony}
          draft={draft}
          setDraft={setDraft}
          onClose={() => {
            setDraft((before) => ({ ...before, confirming: false }))
            setOpen('none')
          }}
          onStale={onStale}
          onRedraw={() => setOpen(needs.seal ? 'seals' : 'draw')}
        />
      )}
    </div>
  )
}

function ReadDocument({
  token,
  ceremony,
  document,
  draft,
  pageWidth,
  titled,
  onSeen,
  onOpened,
  onField,
}: {
  token: string
  ceremony: Ceremony
  document: TaskDocument
  draft: Parameters<typeof FieldPreview>[0]['draft']
  pageWidth: number
  titled: boolean
  onSeen(documentId: string, page: number): void
  onOpened(documentId: string, sha256: string): void
  onField(kind: 'ink' | 'seal'): void
}) {
  const { t } = useWords()
  const word = useKindWord()
  // The revision is part of the address so that a file signed meanwhile is fetched anew.
  const url = `/api/v1/ceremonies/${encodeURIComponent(token)}/documents/${document.documentId}/content?revision=${document.revision}`
  const state = usePdf(url)
  const { documentId } = document
  const seen = useCallback((page: number) => onSeen(documentId, page), [documentId, onSeen])
  const hash = state.state === 'ready' ? state.opened.sha256 : null
  useEffect(() => {
    if (hash) onOpened(documentId, hash)
  }, [hash, documentId, onOpened])
  const corp = ceremony.cover.actor.kind === 'corp'
  const fields = ceremony.task?.fields.filter((field) => field.documentId === documentId) ?? []
  const wrong = hash !== null && hash !== document.sha256

  return (
    <section className="read-document" aria-label={document.name}>
      {titled && <h2 className="serif">{document.name}</h2>}
      {state.state === 'loading' && (
        <p className="read-loading" role="status">
          <span className="spinner" aria-hidden="true" />
          {t('documentLoading')} {Math.round(state.share * 100)}%
        </p>
      )}
      {state.state === 'failed' && <ProblemNote error={state.error} onRetry={state.retry} />}
      {wrong && <Note tone="bad">{t('documentHashWrong')}</Note>}
      {!wrong &&
        document.pages.map((size, index) => (
          <PageView
            // biome-ignore lint/suspicious/noArrayIndexKey: a page is its number
            key={index}
            pdf={state.state === 'ready' ? state.opened.pdf : null}
            pageNumber={index + 1}
            pageCount={document.pageCount}
            widthPt={size.widthPt}
            heightPt={size.heightPt}
            width={pageWidth}
            selectable
            onSeen={state.state === 'ready' ? seen : undefined}
          >
            {fields
              .filter((field) => field.page === index + 1)
              .map((field) => {
                const place = {
                  left: `${(field.x / size.widthPt) * 100}%`,
                  top: `${(field.y / size.heightPt) * 100}%`,
                  width: `${(field.width / size.widthPt) * 100}%`,
                  height: `${(field.height / size.heightPt) * 100}%`,
                  fontSize: Math.min(16, (field.height / size.widthPt) * pageWidth * 0.5),
                }
                if (!field.mine) {
                  return field.signed ? null : (
                    <span key={field.fieldId} className="field-mark other" style={place}>
                      {word(field.kind)}
                    </span>
                  )
                }
                return (
                  <button
                    key={field.fieldId}
                    type="button"
                    id={`field-${field.fieldId}`}
                    className={`field-mark mine ${field.kind}`}
                    style={place}
                    aria-label={t('fieldMine', { kind: word(field.kind) })}
                    onClick={() =>
                      onField(
                        field.kind === 'seal' && corp
                          ? 'seal'
                          : field.kind === 'date' && corp
                            ? 'seal'
                            : 'ink',
                      )
                    }
                  >
                    <FieldPreview field={field} ceremony={ceremony} draft={draft} />
                    {field.kind !== 'date' && <Icon name="pen" size={14} />}
                  </button>
                )
              })}
          </PageView>
        ))}
    </section>
  )
}

/** Tells the server once per document that its last unseen page came on the screen. */
function useReadReceipts(
  token: string,
  documents: TaskDocument[],
  seen: string[],
  hashes: Record<string, string>,
): void {
  const told = useRef(new Set<string>())
  useEffect(() => {
    for (const document of documents) {
      const sha256 = hashes[document.documentId]
      const pages = seen.filter((key) => key.startsWith(`${document.documentId}/`)).length
      const key = `${document.documentId}/${sha256}`
      if (sha256 !== document.sha256 || pages < document.pageCount || told.current.has(key)) continue
      told.current.add(key)
      call('POST', `/ceremonies/${encodeURIComponent(token)}/read`, {
        body: { documentId: document.documentId, sha256 },
      }).catch((error: unknown) => {
        told.current.delete(key)
        console.error('the reading receipt was not taken', error)
      })
    }
  }, [token, documents, seen, hashes])
}

function order(
  documents: TaskDocument[],
  field: { documentId: string; page: number; y: number; x: number },
): number {
  const index = documents.findIndex((document) => document.documentId === field.documentId)
  return index * 1e9 + field.page * 1e5 + field.y * 10 + field.x / 1e3
}

function smoothness(): ScrollBehavior {
  return window.matchMedia('(prefers-reduced-motion: reduce)').matches ? 'auto' : 'smooth'
}
