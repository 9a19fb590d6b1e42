import { type DragEvent, useRef, useState } from 'react'
import { Icon } from './icons.tsx'

/** A place to drop files on, PDF alone unless told otherwise; also a button that opens the file picker. */
export function DropZone({
  title,
  hint,
  multiple,
  busy,
  share,
  archives = false,
  onFiles,
  onWrong,
}: {
  title: string
  hint: string
  multiple?: boolean
  busy: boolean
  /** 0..1 while something is under way. */
  share: number | null
  /** Evidence packages (ZIP) are welcome as well. */
  archives?: boolean
  onFiles(files: File[]): void
  /** Something else than what is taken was given. */
  onWrong(): void
}) {
  const input = useRef<HTMLInputElement>(null)
  const [over, setOver] = useState(false)
  const take = (list: FileList | null) => {
    const files = [...(list ?? [])]
    const fits = archives ? /\.(pdf|zip)$/i : /\.pdf$/i
    const taken = files.filter((file) => file.type === 'application/pdf' || fits.test(file.name))
    if (files.length > taken.length) onWrong()
    if (taken.length > 0) onFiles(multiple ? taken : taken.slice(0, 1))
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
        accept={archives ? 'application/pdf,.pdf,application/zip,.zip' : 'application/pdf,.pdf'}
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
