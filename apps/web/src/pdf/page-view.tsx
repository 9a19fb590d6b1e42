import type { PDFDocumentProxy, PDFPageProxy } from 'pdfjs-dist/legacy/build/pdf.mjs'
import { type ReactNode, useEffect, useRef, useState } from 'react'
import { useWords } from '../words/words.tsx'

/** Phones refuse larger canvases; beyond this many pixels sharpness is given up, not the page. */
const canvasPixelLimit = 12_000_000

interface PageViewProps {
  pdf: PDFDocumentProxy | null
  pageNumber: number
  pageCount: number
  widthPt: number
  heightPt: number
  /** Width on the screen in CSS pixels. */
  width: number
  selectable?: boolean
  /** Told once when at least half of the page (or the screen) was filled with it. */
  onSeen?: ((pageNumber: number) => void) | undefined
  /** Drawn over the page, in percent of its size. */
  children?: ReactNode
  id?: string
}

/** One page at its place, drawn when it comes near the screen; its box stands from the beginning. */
export function PageView(props: PageViewProps) {
  const { pdf, pageNumber, pageCount, widthPt, heightPt, width, selectable, onSeen, children, id } = props
  const box = useRef<HTMLDivElement>(null)
  const canvas = useRef<HTMLCanvasElement>(null)
  const text = useRef<HTMLDivElement>(null)
  const [near, setNear] = useState(false)
  const { t } = useWords()

  useEffect(() => {
    const element = box.current
    if (!element) return
    const observer = new IntersectionObserver(([entry]) => setNear(entry?.isIntersecting ?? false), {
      rootMargin: '600px 0px',
    })
    observer.observe(element)
    return () => observer.disconnect()
  }, [])

  useEffect(() => {
    const element = box.current
    if (!element || !onSeen) return
    const observer = new IntersectionObserver(
      (entries) => {
        for (const entry of entries) {
          const seen = entry.intersectionRect.height
          if (seen >= entry.boundingClientRect.height * 0.5 || seen >= window.innerHeight * 0.4)
            onSeen(pageNumber)
        }
      },
      { threshold: [0.1, 0.3, 0.5, 0.7, 0.9] },
    )
    observer.observe(element)
    return () => observer.disconnect()
  }, [onSeen, pageNumber])

  useEffect(() => {
    if (!pdf || !near || width <= 0) return
    let stopped = false
    let stop: () => void = () => {}
    const draw = async () => {
      const page = await pdf.getPage(pageNumber)
      if (stopped || !canvas.current) return
      stop = drawPage(page, canvas.current, selectable ? text.current : null, width)
    }
    draw().catch((error: unknown) => console.error('page', pageNumber, error))
    return () => {
      stopped = true
      stop()
    }
  }, [pdf, near, pageNumber, width, selectable])

  return (
    // biome-ignore lint/a11y/useSemanticElements: a fieldset would bring the look of a form
    <div
      ref={box}
      id={id}
      className="page"
      style={{ width, height: (width * heightPt) / widthPt }}
      role="group"
      aria-label={t('pageOf', { page: pageNumber, count: pageCount })}
    >
      <canvas ref={canvas} />
      {selectable && <div ref={text} className="page-text" />}
      {children}
    </div>
  )
}

function drawPage(
  page: PDFPageProxy,
  canvas: HTMLCanvasElement,
  textBox: HTMLDivElement | null,
  width: number,
): () => void {
  const natural = page.getViewport({ scale: 1 })
  const scale = width / natural.width
  const height = natural.height * scale
  const wanted = Math.min(window.devicePixelRatio || 1, 3)
  const density = Math.min(wanted, Math.sqrt(canvasPixelLimit / (width * height)))
  const viewport = page.getViewport({ scale: scale * density })
  // Drawn aside and swapped in when finished: zooming never flashes white.
  const fresh = document.createElement('canvas')
  fresh.width = Math.floor(viewport.width)
  fresh.height = Math.floor(viewport.height)
  const task = page.render({ canvas: fresh, viewport })
  task.promise.then(
    () => {
      canvas.width = fresh.width
      canvas.height = fresh.height
      canvas.getContext('2d')?.drawImage(fresh, 0, 0)
      canvas.parentElement?.setAttribute('data-drawn', 'true')
    },
    (error: Error) => {
      if (error.name !== 'RenderingCancelledException') console.error(error)
    },
  )
  let cancelText: () => void = () => {}
  if (textBox) {
    textBox.replaceChildren()
    textBox.style.setProperty('--total-scale-factor', String(scale))
    import('pdfjs-dist/legacy/build/pdf.mjs').then(({ TextLayer }) => {
      const layer = new TextLayer({
        textContentSource: page.streamTextContent(),
        container: textBox,
        viewport: page.getViewport({ scale }),
      })
      cancelText = () => layer.cancel()
      layer.render().catch(() => undefined)
    })
  }
  return () => {
    task.cancel()
    cancelText()
  }
}
