import { currentLanguage } from '../words/words.tsx'
import { ApiProblem, connectionProblem, readProblem } from './client.ts'

/** Downloads through fetch, so that a refusal is said in words instead of saved as a file. */
export async function downloadChecked(address: string, fileName: string): Promise<void> {
  let response: Response
  try {
    response = await fetch(address, {
      credentials: 'same-origin',
      headers: { 'Accept-Language': currentLanguage() },
    })
  } catch {
    throw connectionProblem()
  }
  if (!response.ok) throw new ApiProblem(readProblem(response.status, await response.text()))
  const link = document.createElement('a')
  link.href = URL.createObjectURL(await response.blob())
  link.download = fileName
  link.click()
  // The browser needs the address until it has begun to write.
  window.setTimeout(() => URL.revokeObjectURL(link.href), 60_000)
}
