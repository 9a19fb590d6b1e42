import { type ReactNode, useEffect, useId, useRef } from 'react'
import { useWords } from '../words/words.tsx'
import { IconButton } from './controls.tsx'

/**
 * A dialog on the desktop, a sheet from below on the phone. The native element keeps the focus
 * inside and gives it back to where it came from.
 */
export function Sheet({
  title,
  onClose,
  children,
  footer,
  broad,
}: {
  title: ReactNode
  onClose(): void
  children: ReactNode
  footer?: ReactNode
  broad?: boolean
}) {
  const dialog = useRef<HTMLDialogElement>(null)
  const heading = useId()
  const { t } = useWords()
  useEffect(() => {
    const element = dialog.current
    if (element && !element.open) element.showModal()
    return () => element?.close()
  }, [])
  return (
    <dialog
      ref={dialog}
      className={`sheet ${broad ? 'broad' : ''}`}
      aria-labelledby={heading}
      onCancel={(event) => {
        event.preventDefault()
        onClose()
      }}
    >
      <header>
        <h2 id={heading}>{title}</h2>
        <IconButton icon="cross" label={t('close')} onClick={onClose} />
      </header>
      <div className="body">{children}</div>
      {footer && <footer>{footer}</footer>}
    </dialog>
  )
}
