import type { Problem } from '@yinxin/sdk/wire'
import { sha256 } from '../pdf/sha256.ts'
import { currentLanguage, translate } from '../words/words.tsx'

/** A refusal of the server, or a connection that failed, in words a person can act on. */
export class ApiProblem extends Error {
  override readonly name = 'ApiProblem'
  readonly problem: Problem
  constructor(problem: Problem) {
    super(problem.detail)
    this.problem = problem
  }
  get code(): string {
    return this.problem.code
  }
  get status(): number {
    return this.problem.status
  }
}

export interface CallOptions {
  body?: unknown
  /** For every call that creates or signs: repeating it with the same key changes nothing twice. */
  idempotencyKey?: string
  signal?: AbortSignal
}

/** One request to `/api/v1`; the answer is trusted to have the wire type, which the server enforces. */
export async function call<Answer>(method: string, path: string, options: CallOptions = {}): Promise<Answer> {
  const headers: Record<string, string> = { 'Accept-Language': currentLanguage(), Accept: 'application/json' }
  if (method !== 'GET') headers['X-Yinxin-Request'] = '1'
  if (options.idempotencyKey) headers['Idempotency-Key'] = options.idempotencyKey
  const request: RequestInit = { method, headers, credentials: 'same-origin' }
  // A POST always carries a JSON object, so that the server reads every one of them alike.
  const body = options.body ?? (method === 'POST' ? {} : undefined)
  if (body !== undefined) {
    headers['Content-Type'] = 'application/json'
    request.body = JSON.stringify(body)
  }
  if (options.signal) request.signal = options.signal
  let response: Response
  try {
    response = await fetch(`/api/v1${path}`, request)
  } catch (cause) {
    if (options.signal?.aborted) throw cause
    throw connectionProblem()
  }
  const text = await response.text()
  if (!response.ok) throw new ApiProblem(readProblem(response.status, text))
  return (text ? JSON.parse(text) : undefined) as Answer
}

/**
 * Sends a file with the progress that XMLHttpRequest alone can tell truly. With a key the hash of the
 * file goes along, so that a repeated sending is known to be the same file.
 */
export async function upload<Answer>(
  path: string,
  file: File,
  onProgress: (share: number) => void,
  idempotencyKey?: string,
): Promise<Answer> {
  const hash = idempotencyKey ? await sha256(new Uint8Array(await file.arrayBuffer())) : null
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest()
    request.open('POST', `/api/v1${path}`)
    request.setRequestHeader('Content-Type', 'application/pdf')
    request.setRequestHeader('X-File-Name', encodeURIComponent(file.name))
    request.setRequestHeader('X-Yinxin-Request', '1')
    request.setRequestHeader('Accept-Language', currentLanguage())
    if (idempotencyKey) request.setRequestHeader('Idempotency-Key', idempotencyKey)
    if (hash) request.setRequestHeader('Content-SHA256', hash)
    request.upload.onprogress = (event) => {
      if (event.lengthComputable) onProgress(event.loaded / event.total)
    }
    request.onerror = () => reject(connectionProblem())
    request.onload = () => {
      if (request.status >= 200 && request.status < 300) resolve(JSON.parse(request.responseText) as Answer)
      else reject(new ApiProblem(readProblem(request.status, request.responseText)))
    }
    request.send(file)
  })
}

export function connectionProblem(): ApiProblem {
  const language = currentLanguage()
  return new ApiProblem({
    type: 'about:blank',
    title: translate(language, 'networkTitle'),
    detail: translate(language, 'networkText'),
    status: 0,
    code: 'network',
    requestId: '',
  })
}

export function readProblem(status: number, text: string): Problem {
  try {
    const problem = JSON.parse(text) as Partial<Problem>
    if (typeof problem.code === 'string' && typeof problem.detail === 'string') return problem as Problem
  } catch {
    // A proxy in between answers in HTML: said below in our own words.
  }
  return {
    type: 'about:blank',
    title: `HTTP ${status}`,
    detail: translate(currentLanguage(), 'answerBroken'),
    status,
    code: 'answer_unreadable',
    requestId: '',
  }
}

/** The words for the field of a problem with code `input_invalid`, if it names that field. */
export function fieldError(error: unknown, path: string): string | undefined {
  if (!(error instanceof ApiProblem)) return undefined
  return error.problem.errors?.find((entry) => entry.path === path || entry.path.endsWith(`.${path}`))
    ?.message
}
