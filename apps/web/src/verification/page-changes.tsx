import type { VerificationReport } from '@yinxin/sdk/wire'
import type { PDFDocumentProxy } from 'pdfjs-dist/legacy/build/pdf.mjs'
import { type RefObject, useEffect, useRef, useState } from 'react'
import { Button } from '../design/controls.tsx'
import { useWords } from '../words/words.tsx'
import './page-changes.css'

type PageChange = VerificationReport['pageChanges'][number]

const AT_ONCE = 4
/** Wide enough to read a page by on a phone that enlarges it. */
const WIDTH_PX = 900
const HEIGHT_PX = 1800

/** Pages that later revisions changed, drawn from the file on this device: nothing is sent anywhere for it. */
export function PageChanges({ file, changes }: { file: File; changes: readonly PageChange[] }) {
  const { t } = useWords()
  const [shown, setShown] = useState(AT_ONCE)
  const open = useOpened(file)
  const beyond = changes.filter(
    ({ level }) => level === 'form' || level === 'annotations' || level === 'other',
  )
  const signed = changes.length - beyond.length
  if (beyond.length === 0) return null
  return (
    <section className="card stack">
      <header>
        <h3>{t('pageChanges')}</h3>
        <p className="muted small">{t('pageChangesLead')}</p>
      </header>
      {beyond.slice(0, shown).map((change) => (
        <ChangedPage
          key={`${change.afterBytes} ${change.pageBefore} ${change.pageAfter}`}
          change={change}
          open={open}
        />
      ))}
      {beyond.length > shown && (
        <Button slim onClick={() => setShown(shown + AT_ONCE)}>
          {t('pageChangesMore', { count: Math.min(AT_ONCE, beyond.length - shown) })}
        </Button>
      )}
      {signed > 0 && <p className="muted small">{t('pageChangesSigned', { count: signed })}</p>}
    </section>
  )
}

type Open = (sizeBytes: number) => Promise<PDFDocumentProxy>

/** The file as it was with its first so many bytes; each is opened once, and closed when the view goes. */
function useOpened(file: File): Open {
  const known = useRef(new Map<number, Promise<PDFDocumentProxy>>())
  useEffect(() => {
    const documents = known.current
    return () => {
      for (const document of documents.values()) {
        document.then((pdf) => pdf.loadingTask.destroy()).catch(() => undefined)
      }
      documents.clear()
    }
  }, [])
  return (sizeBytes) => {
    const before = known.current.get(sizeBytes)
    if (before) return before
    const made = (async () => {
      const { openBytes } = await import('../pdf/document.ts')
      return await openBytes(new Uint8Array(await file.slice(0, sizeBytes).arrayBuffer()))
    })()
    known.current.set(sizeBytes, made)
    return made
  }
}

type Drawing = 'drawing' | 'drawn' | 'same' | 'failed'

function ChangedPage({ change, open }: { change: PageChange; open: Open }) {
  const { t } = useWords()
  const before = useRef<HTMLCanvasElement>(null)
  const after = useRef<HTMLCanvasElement>(null)
  const [state, setState] = useState<Drawing>('drawing')
  // biome-ignore lint/correctness/useExhaustiveDependencies: one change is drawn once
  useEffect(() => {
    let stopped = false
    compare(change, open, before.current, after.current)
      .then((same) => !stopped && setState(same ? 'same' : 'drawn'))
      .catch((error: unknown) => {
        if (stopped) return
        console.error(error)
        setState('failed')
      })
    return () => {
      stopped = true
    }
  }, [change])
  const { pageBefore, pageAfter, level } = change
  const permitted = level === 'form' || level === 'annotations'
  const what =
    pageBefore === null
      ? t('pageChangesAdded')
      : pageAfter === null
        ? t('pageChangesRemoved')
        : permitted
          ? t(`pageLevel_${level}`)
          : t('pageLevel_other')
  return (
    <article className="page-change" data-state={state}>
      <h4>
        {t('pageChangesOf', { page: pageAfter ?? pageBefore ?? 0 })} · {what}
      </h4>
      {state === 'same' && <p className="small muted">{t('pageChangesSame')}</p>}
      {state === 'failed' && <p className="small problem-line">{t('pageChangesFailed')}</p>}
      <div className="page-pair">
        <Side title={t('pageChangesBefore')} missing={pageBefore === null} canvas={before} />
        <Side title={t('pageChangesAfter')} missing={pageAfter === null} canvas={after} />
      </div>
    </article>
  )
}

interface SideProps {
  title: string
  missing: boolean
  canvas: RefObject<HTMLCanvasElement | null>
}

function Side({ title, missing, canvas }: SideProps) {
  const { t } = useWords()
  return (
    <figure>
      <figcaption>{title}</figcaption>
      {missing ? (
        <p className="page-gone">{t('pageChangesGone')}</p>
      ) : (
        <canvas ref={canvas} role="img" aria-label={title} />
      )}
    </figure>
  )
}

/** Draws both sides with what differs framed; true if nothing does. */
async function compare(
  { pageBefore, pageAfter, beforeBytes, afterBytes }: PageChange,
  open: Open,
  before: HTMLCanvasElement | null,
  after: HTMLCanvasElement | null,
): Promise<boolean> {
  const old = before && pageBefore !== null ? await draw(await open(beforeBytes), pageBefore, before) : null
  const now = after && pageAfter !== null ? await draw(await open(afterBytes), pageAfter, after) : null
  if (!old || !now) return false
  const { comparePictures } = await import('@yinxin/pades')
  const { pixels, boxes } = comparePictures(old.picture, now.picture)
  for (const { context } of [old, now]) {
    context.strokeStyle = '#d62828'
    context.lineWidth = 4
    for (const { x, y, width, height } of boxes) context.strokeRect(x - 3, y - 3, width + 6, height + 6)
  }
  return pixels === 0
}

async function draw(pdf: PDFDocumentProxy, number: number, canvas: HTMLCanvasElement) {
  const page = await pdf.getPage(number)
  const natural = page.getViewport({ scale: 1 })
  const scale = Math.min(WIDTH_PX / natural.width, HEIGHT_PX / natural.height)
  const viewport = page.getViewport({ scale })
  // Drawn aside, so that drawing once more while the first still runs does no harm.
  const fresh = document.createElement('canvas')
  fresh.width = Math.ceil(viewport.width)
  fresh.height = Math.ceil(viewport.height)
  await page.render({ canvas: fresh, viewport }).promise
  const { width, height, data } = contextOf(fresh).getImageData(0, 0, fresh.width, fresh.height)
  canvas.width = fresh.width
  canvas.height = fresh.height
  const context = contextOf(canvas)
  context.drawImage(fresh, 0, 0)
  return { context, picture: { width, height, rgba: data } }
}

function contextOf(canvas: HTMLCanvasElement): CanvasRenderingContext2D {
  const context = canvas.getContext('2d')
  if (!context) throw new Error('no canvas')
  return context
}
