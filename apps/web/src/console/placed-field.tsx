import { type KeyboardEvent, type PointerEvent as ReactPointerEvent, useState } from 'react'
import { useKindWord } from '../ceremony/marks.tsx'
import type { DraftField } from './draft.ts'
import { type Box, type Guides, keepInside, snap } from './snap.ts'

const smallest = 12

/** A field on a page: dragged, resized at its corner, nudged by the arrow keys. */
export function PlacedField({
  field,
  page,
  scale,
  colour,
  name,
  others,
  selected,
  onSelect,
  onChange,
  onRemove,
}: {
  field: DraftField
  page: { widthPt: number; heightPt: number }
  /** CSS pixels per point. */
  scale: number
  colour: string
  name: string
  others: Box[]
  selected: boolean
  onSelect(): void
  onChange(box: Box): void
  onRemove(): void
}) {
  const word = useKindWord()(field.kind)
  // While it moves the box lives here; the draft gets it once, when it is let go.
  const [moving, setMoving] = useState<{ box: Box; guides: Guides } | null>(null)
  const box = moving?.box ?? field

  const drag = (resize: boolean) => (event: ReactPointerEvent<HTMLElement>) => {
    if (event.button !== 0) return
    event.preventDefault()
    event.stopPropagation()
    const target = event.currentTarget
    target.setPointerCapture(event.pointerId)
    if (target instanceof HTMLButtonElement && !resize) target.focus()
    onSelect()
    const from = { x: event.clientX, y: event.clientY }
    const start: Box = { x: field.x, y: field.y, width: field.width, height: field.height }
    let last: Box = start
    const move = (next: PointerEvent) => {
      const dx = (next.clientX - from.x) / scale
      const dy = (next.clientY - from.y) / scale
      const wanted = resize
        ? resized(start, dx, dy, field.kind === 'seal', page)
        : { ...start, x: start.x + dx, y: start.y + dy }
      const result = resize
        ? { box: wanted, guides: { vertical: [], horizontal: [] } }
        : snap(wanted, next.altKey ? [] : others, page, next.altKey ? 0 : 5 / scale)
      last = result.box
      setMoving(result)
    }
    const end = () => {
      target.removeEventListener('pointermove', move)
      target.removeEventListener('pointerup', end)
      target.removeEventListener('pointercancel', end)
      setMoving(null)
      if (last !== start) onChange(last)
    }
    target.addEventListener('pointermove', move)
    target.addEventListener('pointerup', end)
    target.addEventListener('pointercancel', end)
  }
  const key = (event: KeyboardEvent) => {
    const step = event.shiftKey ? 10 : 1
    const moves: Record<string, [number, number]> = {
      ArrowLeft: [-step, 0],
      ArrowRight: [step, 0],
      ArrowUp: [0, -step],
      ArrowDown: [0, step],
    }
    const by = moves[event.key]
    if (by) {
      event.preventDefault()
      onChange(
        keepInside(
          { x: field.x + by[0], y: field.y + by[1], width: field.width, height: field.height },
          page,
        ),
      )
    }
    if (event.key === 'Delete' || event.key === 'Backspace') {
      event.preventDefault()
      onRemove()
    }
  }
  return (
    <>
      <div
        className={selected ? 'placed selected' : 'placed'}
        style={
          {
            '--party': colour,
            left: `${(box.x / page.widthPt) * 100}%`,
            top: `${(box.y / page.heightPt) * 100}%`,
            width: `${(box.width / page.widthPt) * 100}%`,
            height: `${(box.height / page.heightPt) * 100}%`,
            borderRadius: field.kind === 'seal' && box.width === box.height ? '50%' : undefined,
          } as React.CSSProperties
        }
      >
        <button
          type="button"
          aria-label={`${word} ${name}`}
          aria-pressed={selected}
          onPointerDown={drag(false)}
          onFocus={onSelect}
          onKeyDown={key}
        >
          <span>{word}</span>
          <small className="clip">{name}</small>
        </button>
        {selected && (
          <button
            type="button"
            className="handle"
            tabIndex={-1}
            aria-hidden="true"
            onPointerDown={drag(true)}
          />
        )}
      </div>
      {moving?.guides.vertical.map((x) => (
        <i key={`v${x}`} className="guide vertical" style={{ left: `${(x / page.widthPt) * 100}%` }} />
      ))}
      {moving?.guides.horizontal.map((y) => (
        <i key={`h${y}`} className="guide horizontal" style={{ top: `${(y / page.heightPt) * 100}%` }} />
      ))}
    </>
  )
}

/** A round seal keeps its shape. */
function resized(
  start: Box,
  dx: number,
  dy: number,
  square: boolean,
  page: { widthPt: number; heightPt: number },
): Box {
  const width = Math.max(smallest, Math.min(start.width + dx, page.widthPt - start.x))
  const height = Math.max(smallest, Math.min(start.height + dy, page.heightPt - start.y))
  if (!square) return { ...start, width, height }
  const side = Math.min(Math.max(width, height), page.widthPt - start.x, page.heightPt - start.y)
  return { ...start, width: side, height: side }
}
