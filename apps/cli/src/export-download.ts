/** An export fetched from a server far away, part by part; what is there already is checked and kept. */
import { createHash, randomUUID } from 'node:crypto'
import { type FileHandle, mkdir, open, rename } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { signRequest } from '@yinxin/sdk'

/** A server and the program by which it is asked. */
export interface FarAway {
  server: string
  appId: string
  appSecret: string
}

export interface DownloadInput extends FarAway {
  file: string
  since?: string
  exportId?: string
}

interface ExportState {
  id: string
  status: string
  snapshotAt: string | null
  sizeBytes: number
  partBytes: number
  progress: { items: number; settled: number }
  lossCount: number
  losses: { path: string; reason: string }[]
}

interface Part {
  number: number
  sizeBytes: number
  sha256: string
}

const ASK_MS = 1000
const TRIES = 6

/** Orders an export, or goes on with one, and writes its archive. @throws when the server refuses or stays away */
export async function downloadExport(
  input: DownloadInput,
  tell: (progress: unknown) => void,
): Promise<{
  exportId: string
  to: string
  snapshotAt: string | null
  bytes: number
  lossCount: number
  losses: { path: string; reason: string }[]
}> {
  const api = createExportApi(input)
  const begun =
    input.exportId === undefined
      ? await api.json<ExportState>(
          'POST',
          '/api/v1/exports',
          input.since === undefined ? {} : { since: input.since },
        )
      : await api.json<ExportState>('GET', `/api/v1/exports/${input.exportId}`)
  let state = begun
  tell({ step: 'begun', exportId: state.id })
  while (state.status === 'queued' || state.status === 'collecting') {
    tell({ step: 'collect', exportId: state.id, ...state.progress, bytes: state.sizeBytes })
    await pause(ASK_MS)
    state = await api.json<ExportState>('GET', `/api/v1/exports/${state.id}`)
  }
  if (state.status !== 'ready') throw new Error(`the export ended as ${state.status}`)
  const to = resolve(input.file)
  await mkdir(dirname(to), { recursive: true })
  // Kept open to read what an earlier try left, and to write behind it.
  const file = await open(`${to}.part`, 'a+', 0o600)
  await file.close()
  const written = await open(`${to}.part`, 'r+')
  try {
    for await (const part of api.parts(state.id)) {
      const at = (part.number - 1) * state.partBytes
      if (!(await holds(written, at, part))) {
        const bytes = await api.range(state.id, at, part)
        await written.write(bytes, 0, bytes.length, at)
      }
      tell({ step: 'download', exportId: state.id, bytes: at + part.sizeBytes })
    }
    await written.truncate(state.sizeBytes)
    await written.sync()
  } finally {
    await written.close()
  }
  await rename(`${to}.part`, to)
  const { id: exportId, snapshotAt, sizeBytes: bytes, lossCount, losses } = state
  return { exportId, to, snapshotAt, bytes, lossCount, losses }
}

/** Whether the bytes of a part are in the file already. */
async function holds(file: FileHandle, at: number, part: Part): Promise<boolean> {
  const bytes = Buffer.alloc(part.sizeBytes)
  const { bytesRead } = await file.read(bytes, 0, part.sizeBytes, at)
  return bytesRead === part.sizeBytes && sha256(bytes) === part.sha256
}

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

/** The exports of a server far away; reading is tried again, a refusal is final. */
export function createExportApi({ server, appId, appSecret }: FarAway) {
  const baseUrl = server.replace(/\/+$/, '')

  async function send(method: string, path: string, body?: unknown, range?: string): Promise<Response> {
    const text = body === undefined ? '' : JSON.stringify(body)
    const timestampMs = Date.now()
    const nonce = randomUUID()
    const signature = await signRequest(appSecret, {
      method,
      path,
      timestampMs,
      nonce,
      bodySha256Hex: sha256(Buffer.from(text, 'utf8')),
    })
    const response = await fetch(`${baseUrl}${path}`, {
      method,
      headers: {
        'x-yinxin-app': appId,
        'x-yinxin-timestamp': String(timestampMs),
        'x-yinxin-nonce': nonce,
        'x-yinxin-signature': signature,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(range === undefined ? {} : { range }),
      },
      ...(body === undefined ? {} : { body: text }),
      redirect: 'error',
    })
    if (response.ok) return response
    const told = (await response.json().catch(() => ({}))) as { code?: string; detail?: string }
    const refusal = new Error(`${response.status} ${told.code ?? ''} ${told.detail ?? ''}`.trim())
    throw response.status >= 500 ? refusal : Object.assign(refusal, { isFinal: true })
  }

  /** Lines break: reading is tried again, a refusal is not. Each part must have its hash. */
  async function again<T>(work: () => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await work()
      } catch (error) {
        if (attempt >= TRIES || (error as { isFinal?: boolean }).isFinal === true) throw error
        await pause(250 * 2 ** attempt)
      }
    }
  }

  async function json<T>(method: string, path: string, body?: unknown): Promise<T> {
    const ask = async () => (await (await send(method, path, body)).json()) as T
    return method === 'GET' ? await again(ask) : await ask()
  }

  return {
    json,
    async *parts(exportId: string): AsyncGenerator<Part> {
      let cursor: string | null = ''
      while (cursor !== null) {
        const query: string = cursor === '' ? '' : `?cursor=${encodeURIComponent(cursor)}`
        const page: { items: Part[]; nextCursor: string | null } = await json(
          'GET',
          `/api/v1/exports/${exportId}/parts${query}`,
        )
        yield* page.items
        cursor = page.nextCursor
      }
    },
    range: (exportId: string, at: number, part: Part) =>
      again(async () => {
        const range = `bytes=${at}-${at + part.sizeBytes - 1}`
        const response = await send('GET', `/api/v1/exports/${exportId}/archive`, undefined, range)
        const bytes = Buffer.from(await response.arrayBuffer())
        if (bytes.length !== part.sizeBytes || sha256(bytes) !== part.sha256)
          throw new Error(`part ${part.number} came damaged`)
        return bytes
      }),
  }
}
