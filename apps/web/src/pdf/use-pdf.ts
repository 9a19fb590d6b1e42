import { useEffect, useState } from 'react'
import type { OpenedPdf } from './document.ts'

export type PdfState =
  | { state: 'loading'; share: number }
  | { state: 'ready'; opened: OpenedPdf }
  | { state: 'failed'; error: unknown; retry(): void }

/** Opens the PDF behind an address and closes it again when the address changes or the view goes. */
export function usePdf(url: string): PdfState {
  const [attempt, setAttempt] = useState(0)
  const [state, setState] = useState<PdfState>({ state: 'loading', share: 0 })
  // biome-ignore lint/correctness/useExhaustiveDependencies: a retry opens the same address again
  useEffect(() => {
    const abort = new AbortController()
    let opened: OpenedPdf | null = null
    setState({ state: 'loading', share: 0 })
    // pdf.js is half a megabyte: fetched when the first document is.
    import('./document.ts')
      .then(({ openPdf }) =>
        openPdf(url, (share) => !abort.signal.aborted && setState({ state: 'loading', share }), abort.signal),
      )
      .then((result) => {
        opened = result
        if (abort.signal.aborted) void result.pdf.loadingTask.destroy()
        else setState({ state: 'ready', opened: result })
      })
      .catch((error: unknown) => {
        if (!abort.signal.aborted) {
          setState({ state: 'failed', error, retry: () => setAttempt((count) => count + 1) })
        }
      })
    return () => {
      abort.abort()
      void opened?.pdf.loadingTask.destroy()
    }
  }, [url, attempt])
  return state
}
