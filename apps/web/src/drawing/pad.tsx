import type { Handwriting } from '@yinxin/sdk/wire'
import { useCallback, useEffect, useLayoutEffect, useRef, useState } from 'react'
import SignaturePad from 'signature_pad'
import { Button, IconButton } from '../design/controls.tsx'
import { useWords } from '../words/words.tsx'
import { fromScreen, type PadLayout, toHandwriting, toScreen } from './handwriting.ts'

/**
 * The landscape sheet to sign on. On an upright phone the sheet is turned by a quarter, so that the
 * writer turns the phone instead of squeezing the name into its width. The canvas itself stays
 * unturned (touch points need no rotation while drawing); the strokes are turned when taken.
 */
export function DrawingPad({
  name,
  onUse,
  onClose,
}: {
  name: string | null
  onUse(handwriting: Handwriting): void
  onClose(): void
}) {
  const dialog = useRef<HTMLDialogElement>(null)
  const area = useRef<HTMLDivElement>(null)
  const canvas = useRef<HTMLCanvasElement>(null)
  const pad = useRef<SignaturePad | null>(null)
  const layout = useRef<PadLayout>({ width: 1, height: 1, turned: false })
  const [turned, setTurned] = useState(false)
  const [empty, setEmpty] = useState(true)
  const { t } = useWords()

  useLayoutEffect(() => {
    if (dialog.current && !dialog.current.open) dialog.current.showModal()
  }, [])

  useEffect(() => {
    const element = canvas.current
    if (!element) return
    const made = new SignaturePad(element, {
      penColor: '#1c1b19',
      minWidth: 1.2,
      maxWidth: 4.2,
      minDistance: 2,
      throttle: 8,
      velocityFilterWeight: 0.6,
    })
    pad.current = made
    const drawn = () => setEmpty(made.isEmpty())
    made.addEventListener('endStroke', drawn)
    return () => {
      made.removeEventListener('endStroke', drawn)
      made.off()
    }
  }, [])

  /** Lays the canvas over the writing area and carries ink over when the screen turns. */
  const place = useCallback(() => {
    const element = canvas.current
    const host = dialog.current
    const target = area.current
    if (!element || !host || !target) return
    const box = target.getBoundingClientRect()
    const origin = host.getBoundingClientRect()
    const density = Math.min(window.devicePixelRatio || 1, 3)
    const next: PadLayout = {
      width: box.width,
      height: box.height,
      turned: target.closest('.turned') !== null,
    }
    const before = layout.current
    const ink = pad.current?.toData() ?? []
    element.style.left = `${box.left - origin.left - host.clientLeft}px`
    element.style.top = `${box.top - origin.top - host.clientTop}px`
    element.style.width = `${box.width}px`
    element.style.height = `${box.height}px`
    element.width = Math.round(box.width * density)
    element.height = Math.round(box.height * density)
    element.getContext('2d')?.scale(density, density)
    layout.current = next
    const long = (pad: PadLayout) => (pad.turned ? pad.height : pad.width)
    const factor = long(next) / long(before)
    const carried = ink.map((group) => ({
      ...group,
      points: group.points.map((point) => {
        const seen = fromScreen(point, before)
        return { ...point, ...toScreen({ x: seen.x * factor, y: seen.y * factor }, next) }
      }),
    }))
    pad.current?.clear()
    if (carried.length > 0) pad.current?.fromData(carried)
  }, [])

  useEffect(() => {
    const watch = window.matchMedia('(max-width: 767px) and (orientation: portrait)')
    const follow = () => setTurned(watch.matches)
    follow()
    watch.addEventListener('change', follow)
    return () => watch.removeEventListener('change', follow)
  }, [])

  // biome-ignore lint/correctness/useExhaustiveDependencies: a turned sheet is another layout
  useEffect(() => {
    place()
    const observer = new ResizeObserver(place)
    if (area.current) observer.observe(area.current)
    window.addEventListener('resize', place)
    return () => {
      observer.disconnect()
      window.removeEventListener('resize', place)
    }
  }, [place, turned])

  const use = () => {
    const strokes = (pad.current?.toData() ?? []).map((group) => group.points)
    const handwriting = toHandwriting(strokes, layout.current)
    if (handwriting) onUse(handwriting)
  }
  const undo = () => {
    const ink = pad.current?.toData() ?? []
    pad.current?.fromData(ink.slice(0, -1))
    setEmpty(ink.length <= 1)
  }
  const clear = () => {
    pad.current?.clear()
    setEmpty(true)
  }

  return (
    <dialog
      ref={dialog}
      className="drawing"
      aria-label={t('drawTitle')}
      onCancel={(event) => {
        event.preventDefault()
        onClose()
      }}
    >
      <div className={turned ? 'drawing-stage turned' : 'drawing-stage'}>
        <header>
          <IconButton icon="cross" label={t('close')} onClick={onClose} />
          <div className="grow">
            <h2>{t('drawTitle')}</h2>
            {turned && <p className="muted small">{t('drawTurn')}</p>}
          </div>
          <Button look="quiet" icon="undo" disabled={empty} onClick={undo}>
            {t('drawUndo')}
          </Button>
          <Button look="quiet" disabled={empty} onClick={clear}>
            {t('drawClear')}
          </Button>
          <Button look="primary" disabled={empty} onClick={use}>
            {t('drawUse')}
          </Button>
        </header>
        <div ref={area} className="drawing-area">
          {name && empty && <span aria-hidden="true">{name}</span>}
          <i aria-hidden="true" />
        </div>
      </div>
      <canvas ref={canvas} role="img" aria-label={t('drawArea')} />
    </dialog>
  )
}
