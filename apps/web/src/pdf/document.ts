import { getDocument, GlobalWorkerOptions, type PDFDocumentProxy } from 'pdfjs-dist/legacy/build/pdf.mjs'
import workerUrl from 'pdfjs-dist/legacy/build/pdf.worker.min.mjs?url'
import { ApiProblem, connectionProblem, readProblem } from '../api/client.ts'
import { currentLanguage } from '../words/words.tsx'
import { sha256 } from './sha256.ts'

GlobalWorkerOptions.workerSrc = workerUrl

export interface OpenedPdf {
  pdf: PDFDocumentProxy
  /** Of exactly the bytes that are drawn. */
  sha256: string
}

/**
 * Fetches the whole file and opens it. Whole, not in ranges: what a signer confirms is the hash of
 * all bytes, and this device can only vouch for bytes that it has.
 */
export async function openPdf(
  url: string,
  onProgress: (share: number) => void,
  signal: AbortSignal,
): Promise<OpenedPdf> {
  const bytes = await fetchBytes(url, onProgress, signal)
  const hash = await sha256(bytes)
  return { pdf: await openBytes(bytes), sha256: hash }
}

/** Opens a file that is in memory; pdf.js keeps the bytes it is given. */
export function openBytes(bytes: Uint8Array): Promise<PDFDocumentProxy> {
  return getDocument({
    data: bytes,
    cMapUrl: '/pdf/cmaps/',
    cMapPacked: true,
    standardFontDataUrl: '/pdf/standard_fonts/',
    wasmUrl: '/pdf/wasm/',
    iccUrl: '/pdf/iccs/',
    enableXfa: false,
  }).promise
}

async function fetchBytes(
  url: string,
  onProgress: (share: number) => void,
  signal: AbortSignal,
): Promise<Uint8Array<ArrayBuffer>> {
  let response: Response
  try {
    response = await fetch(url, {
      credentials: 'same-origin',
      headers: { 'Accept-Language': currentLanguage() },
      signal,
    })
  } catch (cause) {
    if (signal.aborted) throw cause
    throw connectionProblem()
  }
  if (!response.ok) throw new ApiProblem(readProblem(response.status, await response.text()))
  const total = Number(response.headers.get('content-length') ?? 0)
  const reader = response.body?.getReader()
  if (!reader) return new Uint8Array(await response.arrayBuffer())
  const chunks: Uint8Array[] = []
  let received = 0
  for (;;) {
    const { done, value } = await reader.read()
    if (done) break
    chunks.push(value)
    received += value.length
    if (total > 0) onProgress(Math.min(1, received / total))
  }
  const bytes = new Uint8Array(received)
  let offset = 0
  for (const chunk of chunks) {
    bytes.set(chunk, offset)
    offset += chunk.length
  }
  return bytes
}
