/** Sends a bundle in parts. What arrived with the same hash is not sent again, so that a broken upload goes on. */
import { ApiProblem, call, connectionProblem, readProblem } from '../api/client.ts'
import { sha256 } from '../pdf/sha256.ts'
import { currentLanguage } from '../words/words.tsx'

export interface UploadPlan {
  id: string
  partBytes: number
  parts: number
}

const TRIES = 4

export async function uploadBundle(
  plan: UploadPlan,
  file: File,
  onProgress: (share: number) => void,
): Promise<void> {
  const { items } = await call<{ items: { number: number; sha256: string }[] }>(
    'GET',
    `/imports/${plan.id}/parts`,
  )
  const there = new Map(items.map((one) => [one.number, one.sha256]))
  for (let number = 1; number <= plan.parts; number++) {
    const from = (number - 1) * plan.partBytes
    const bytes = new Uint8Array(await file.slice(from, from + plan.partBytes).arrayBuffer())
    const hash = await sha256(bytes)
    if (there.get(number) !== hash) await sendPart(plan.id, number, bytes, hash)
    onProgress(number / plan.parts)
  }
  await call('POST', `/imports/${plan.id}/start`)
}

/** A line that breaks is tried again; what the server refuses is not. */
async function sendPart(
  id: string,
  number: number,
  bytes: Uint8Array<ArrayBuffer>,
  hash: string,
): Promise<void> {
  for (let attempt = 1; ; attempt++)
    try {
      const response = await fetch(`/api/v1/imports/${id}/parts/${number}`, {
        method: 'PUT',
        credentials: 'same-origin',
        headers: {
          'Content-Type': 'application/octet-stream',
          'Content-SHA256': hash,
          'X-Yinxin-Request': '1',
          'Accept-Language': currentLanguage(),
        },
        body: bytes,
      }).catch(() => {
        throw connectionProblem()
      })
      if (!response.ok) throw new ApiProblem(readProblem(response.status, await response.text()))
      return
    } catch (error) {
      const isFinal = error instanceof ApiProblem && error.status >= 400 && error.status < 500
      if (isFinal || attempt >= TRIES) throw error
      await new Promise((resolve) => window.setTimeout(resolve, 500 * 2 ** attempt))
    }
}
