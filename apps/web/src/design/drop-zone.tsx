import { type DragEvent, useRef, useState } from 'react'
import { Icon } from './icons.tsx'

/** A place to drop PDF files on, which is also a button that opens the file picker. */
export function DropZone({
  title,
  hint,
  multiple,
  busy,
  share,
  onFiles,
  onWrong,
}: {
  title: string
  hint: string
  multiple?: boolean
  busy: boolean
  /** 0..1 while something is under way. */
  share: number | null
  onFiles(files: File[]): void
  /** Something else than a PDF was given. */
  onWrong(): void
}) {
  const input = useRef<HTMLInputElement>(null)
  const [over, setOver] = useState(false)
  const take = (list: FileList | null) => {
    const files = [...(list ?? [])]
    const pdfs = files.filter((file) => file.type === 'application/pdf' || /\.pdf$/i.test(file.name))
    if (files.length > pdfs.length) onWrong()
    if (pdfs.length > 0) onFiles(multiple ? pdfs : pdfs.slice(0, 1))
  }
  const drop = (event: DragEvent) => {
    event.preventDefault()
    setOver(false)
    if (!busy) take(event.dataTransfer.files)
  }
  return (
    <>
      <button
        type="button"
        className={over ? 'drop-zone over' : 'drop-zone'}
        disabled={busy}
        onClick={() => input.current?.click()}
        onDragOver={(event) => {
          event.preventDefault()
          setOver(true)
        }}
        onDragLeave={() => setOver(false)}
        onDrop={drop}
      >
        {busy ? <span className="spinner" aria-hidden="true" /> : <Icon name="upload" size={32} />}
        <strong aria-live="polite">{title}</strong>
        <span className="muted small">{hint}</span>
        {share !== null && (
          <span className="meter">
            <i style={{ width: `${share * 100}%` }} />
          </span>
        )}
      </button>
      <input
        ref={input}
        type="file"
        accept="application/pdf,.pdf"
        multiple={multiple}
        hidden
        onChange={(event) => {
          take(event.target.files)
          // The same file chosen again must count as a new choice.
          event.target.value = ''
        }}
      />
    </>
  )
}
