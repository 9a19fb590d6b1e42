import type { FieldKind } from '@yinxin/sdk/wire'
import { type PointerEvent as ReactPointerEvent, useRef, useState } from 'react'
import { useKindWord } from '../ceremony/marks.tsx'
import { newKey } from '../api/key.ts'
import { Button, IconButton } from '../design/controls.tsx'
import { Icon } from '../design/icons.tsx'
import { ProblemNote } from '../design/notices.tsx'
import { PageView } from '../pdf/page-view.tsx'
import { usePdf } from '../pdf/use-pdf.ts'
import { useZoom } from '../pdf/use-zoom.ts'
import { useWords } from '../words/words.tsx'
import { type DraftField, type DraftFile, fieldSize, partyColour, type TaskDraft } from './draft.ts'
import { KeywordPlacement } from './keyword-placement.tsx'
import { PlacedField } from './placed-field.tsx'
import { keepInside } from './snap.ts'

const kindIcons = { seal: 'seal', signature: 'pen', date: 'calendar' } as const

/** The real pages with the fields of all parties on them, and a palette to drag more from. */
export function PlaceFields({ draft, change }: { draft: TaskDraft; change(part: Partial<TaskDraft>): void }) {
  const { t } = useWords()
  const word = useKindWord()
  const signers = draft.parties.filter((party) => party.role === 'sign')
  const [partyRef, setPartyRef] = useState(signers[0]?.ref ?? '')
  const [selected, setSelected] = useState<string | null>(null)
  const [ghost, setGhost] = useState<{ kind: FieldKind; x: number; y: number } | null>(null)
  const scroller = useRef<HTMLDivElement>(null)
  const { zoom, zoomTo, pageWidth } = useZoom(scroller, 820, 48)
  const party = signers.find((candidate) => candidate.ref === partyRef) ?? signers[0]
  const kinds: FieldKind[] = party?.kind === 'corp' ? ['seal', 'date'] : ['signature', 'date']

  const setFields = (fields: DraftField[]) => change({ fields })
  const add = (fields: Omit<DraftField, 'id'>[]) => {
    const made = fields.map((field) => ({ ...field, id: newKey() }))
    setFields([...draft.fields, ...made])
    setSelected(made.at(-1)?.id ?? null)
  }
  const addAt = (kind: FieldKind, spot: { file: DraftFile; page: number; x: number; y: number }) => {
    const size = spot.file.pages[spot.page - 1]
    if (!size || !party) return
    const { width, height } = fieldSize(kind, party.kind)
    const box = keepInside({ x: spot.x - width / 2, y: spot.y - height / 2, width, height }, size)
    add([{ documentRef: spot.file.ref, partyRef: party.ref, kind, page: spot.page, ...box }])
  }

  /** From the palette: dragged onto a page, or put onto the page in sight when only clicked. */
  const grab = (kind: FieldKind) => (event: ReactPointerEvent<HTMLButtonElement>) => {
    if (event.button !== 0) return
    const from = { x: event.clientX, y: event.clientY }
    let moved = false
    const tile = event.currentTarget
    tile.setPointerCapture(event.pointerId)
    const move = (next: PointerEvent) => {
      moved ||= Math.hypot(next.clientX - from.x, next.clientY - from.y) > 6
      if (moved) setGhost({ kind, x: next.clientX, y: next.clientY })
    }
    const drop = (next: PointerEvent) => {
      end()
      if (!moved) return
      const spot = spotAt(next.clientX, next.clientY, draft.files)
      if (spot) addAt(kind, spot)
    }
    const end = () => {
      setGhost(null)
      tile.removeEventListener('pointermove', move)
      tile.removeEventListener('pointerup', drop)
      tile.removeEventListener('pointercancel', end)
    }
    tile.addEventListener('pointermove', move)
    tile.addEventListener('pointerup', drop)
    tile.addEventListener('pointercancel', end)
    // The click that follows a drag must not add a second field.
    tile.addEventListener('click', (click) => moved && click.stopPropagation(), { once: true, capture: true })
  }
  const addInSight = (kind: FieldKind) => {
    const box = scroller.current?.getBoundingClientRect()
    if (!box) return
    const spot = spotAt(box.left + box.width / 2, box.top + box.height / 2, draft.files)
    const first = draft.files[0]
    if (spot) addAt(kind, spot)
    else if (first) addAt(kind, { file: first, page: 1, x: 0, y: 0 })
  }

  return (
    <div className="placing">
      <aside className="palette">
        <section className="stack tight">
          <h2>{t('wizardPlaceFor')}</h2>
          {signers.map((signer) => (
            <button
              key={signer.ref}
              type="button"
              className="party-chip"
              aria-pressed={signer.ref === party?.ref}
              style={{ '--party': partyColour(draft.parties.indexOf(signer)) } as React.CSSProperties}
              onClick={() => setPartyRef(signer.ref)}
            >
              <i />
              <span className="grow clip">{signer.name}</span>
              <span className="muted small">
                {draft.fields.filter((field) => field.partyRef === signer.ref).length}
              </span>
            </button>
          ))}
        </section>
        <section
          className="stack tight"
          style={
            {
              '--party': partyColour(draft.parties.findIndex((p) => p.ref === party?.ref)),
            } as React.CSSProperties
          }
        >
          <p className="muted small">{t('wizardPlaceKinds')}</p>
          <div className="tiles">
            {kinds.map((kind) => (
              <button
                key={kind}
                type="button"
                className="tile"
                onPointerDown={grab(kind)}
                onClick={() => addInSight(kind)}
              >
                <Icon name={kindIcons[kind]} />
                {word(kind)}
              </button>
            ))}
          </div>
          {party && <KeywordPlacement draft={draft} party={party} kinds={kinds} onPlace={add} />}
        </section>
        <p className="muted small palette-hint">{t('wizardPlaceHint')}</p>
      </aside>
      <section className="placing-pages">
        <div className="zoom-float">
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
        </div>
        <div ref={scroller} className="pane-pages">
          <div className="pane-column">
            {draft.files.map((file) => (
              <FilePages
                key={file.ref}
                file={file}
                draft={draft}
                width={pageWidth}
                selected={selected}
                onSelect={setSelected}
                onFields={setFields}
              />
            ))}
          </div>
        </div>
      </section>
      {ghost && party && (
        <div
          className="ghost"
          style={{
            ...ghostBox(
              ghost,
              fieldSize(ghost.kind, party.kind),
              pageWidth / (draft.files[0]?.pages[0]?.widthPt ?? 595),
            ),
            color: partyColour(draft.parties.indexOf(party)),
          }}
        >
          {word(ghost.kind)}
        </div>
      )}
      {selected && (
        <Button
          className="delete-float"
          look="danger"
          icon="trash"
          onClick={() => {
            setFields(draft.fields.filter((field) => field.id !== selected))
            setSelected(null)
          }}
        >
          {t('wizardFieldDelete')}
        </Button>
      )}
    </div>
  )
}

function FilePages({
  file,
  draft,
  width,
  selected,
  onSelect,
  onFields,
}: {
  file: DraftFile
  draft: TaskDraft
  width: number
  selected: string | null
  onSelect(id: string | null): void
  onFields(fields: DraftField[]): void
}) {
  const { t } = useWords()
  const state = usePdf(`/api/v1/files/${file.fileId}/content`)
  return (
    <>
      {draft.files.length > 1 && <h2 className="serif">{file.name}</h2>}
      {state.state === 'loading' && (
        <p className="read-loading" role="status">
          <span className="spinner" aria-hidden="true" />
          {t('documentLoading')} {Math.round(state.share * 100)}%
        </p>
      )}
      {state.state === 'failed' && <ProblemNote error={state.error} onRetry={state.retry} />}
      {file.pages.map((size, index) => (
        <PageView
          // biome-ignore lint/suspicious/noArrayIndexKey: a page is its number
          key={index}
          id={`place-${file.ref}-${index + 1}`}
          pdf={state.state === 'ready' ? state.opened.pdf : null}
          pageNumber={index + 1}
          pageCount={file.pages.length}
          widthPt={size.widthPt}
          heightPt={size.heightPt}
          width={width}
        >
          {draft.fields
            .filter((field) => field.documentRef === file.ref && field.page === index + 1)
            .map((field) => (
              <PlacedField
                key={field.id}
                field={field}
                page={size}
                scale={width / size.widthPt}
                colour={partyColour(draft.parties.findIndex((party) => party.ref === field.partyRef))}
                name={draft.parties.find((party) => party.ref === field.partyRef)?.name ?? ''}
                others={draft.fields.filter(
                  (other) =>
                    other.id !== field.id && other.documentRef === file.ref && other.page === field.page,
                )}
                selected={field.id === selected}
                onSelect={() => onSelect(field.id)}
                onChange={(box) =>
                  onFields(
                    draft.fields.map((other) => (other.id === field.id ? { ...other, ...box } : other)),
                  )
                }
                onRemove={() => {
                  onFields(draft.fields.filter((other) => other.id !== field.id))
                  onSelect(null)
                }}
              />
            ))}
        </PageView>
      ))}
    </>
  )
}

/** Which page lies under a point of the screen, and where on it, in PDF points. */
function spotAt(clientX: number, clientY: number, files: DraftFile[]) {
  for (const file of files) {
    for (const [index, size] of file.pages.entries()) {
      const box = document.getElementById(`place-${file.ref}-${index + 1}`)?.getBoundingClientRect()
      if (!box || clientX < box.left || clientX > box.right || clientY < box.top || clientY > box.bottom)
        continue
      const scale = box.width / size.widthPt
      return { file, page: index + 1, x: (clientX - box.left) / scale, y: (clientY - box.top) / scale }
    }
  }
  return null
}

function ghostBox(at: { x: number; y: number }, size: { width: number; height: number }, scale: number) {
  const width = size.width * scale
  const height = size.height * scale
  return { left: at.x - width / 2, top: at.y - height / 2, width, height }
}
