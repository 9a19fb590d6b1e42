/**
 * Constant load on a platform: people of one company upload, create, start, read and sign contracts, each as fast as the
 * answers come. Nothing is tried again; every answer that is not the wanted one is kept.
 */
import { createHash, randomUUID } from 'node:crypto'
import type { Stage, StageCompany } from '../stage.ts'

export interface Load {
  /** Answers as wanted. */
  answered: number
  failures: { what: string; status: number; at: number; detail: string }[]
  /** When changes were acknowledged. */
  writtenAt: number[]
  /** How long each answer took. */
  tookMs: number[]
  /** Contents that were acknowledged, by file. */
  files: ReadonlyMap<string, string>
  /** Tasks whose start was acknowledged. */
  started: ReadonlySet<string>
  /** Ends it and waits for what is under way. */
  stop(): Promise<void>
}

export function startLoad(
  stage: Stage,
  corp: StageCompany,
  pdf: Uint8Array,
  { lanes = 4 }: { lanes?: number } = {},
): Load {
  const files = new Map<string, string>()
  const started = new Set<string>()
  let stopped = false
  const load: Load = {
    answered: 0,
    failures: [],
    writtenAt: [],
    tookMs: [],
    files,
    started,
    async stop() {
      stopped = true
      await Promise.all(running)
    },
  }

  /** The body of an answer, or null with the failure kept. */
  async function ask<Body>(method: string, path: string, body?: unknown): Promise<Body | null> {
    const at = performance.now()
    const what = `${method} ${path.replace(/[0-9a-f-]{36}/g, '…')}`
    const headers: Record<string, string> = method === 'POST' ? { 'idempotency-key': randomUUID() } : {}
    if (body instanceof Uint8Array) headers['content-sha256'] = sha256(body)
    try {
      const answer = await stage.call<Body>(method, path, {
        token: corp.token,
        headers,
        ...(body === undefined ? {} : { body }),
      })
      load.tookMs.push(performance.now() - at)
      if (answer.status < 300) {
        load.answered += 1
        if (method === 'POST') load.writtenAt.push(performance.now())
        return answer.body
      }
      const detail = answer.headers.get('x-balancer') ?? JSON.stringify(answer.body).slice(0, 200)
      load.failures.push({ what, status: answer.status, at, detail })
    } catch (error) {
      load.failures.push({ what, status: 0, at, detail: String((error as Error).cause ?? error) })
    }
    // A person looks at the refusal for a moment.
    await new Promise((resolve) => setTimeout(resolve, 50))
    return null
  }

  async function contract(lane: number, n: number): Promise<void> {
    const bytes = new Uint8Array([...pdf, ...Buffer.from(`\n% ${lane}-${n}\n`)])
    const file = await ask<{ id: string }>('POST', '/api/v1/files', bytes)
    if (file === null) return
    files.set(file.id, sha256(bytes))
    const task = await ask<{ id: string }>('POST', '/api/v1/sign-tasks', {
      title: `合同 ${lane}-${n}`,
      documents: [{ ref: 'contract', fileId: file.id }],
      actors: [
        { ref: 'c', kind: 'corp', role: 'sign', name: corp.name, freeSignBusinessId: corp.businessId },
      ],
      fields: [],
    })
    if (task === null) return
    if ((await ask('POST', `/api/v1/sign-tasks/${task.id}/start`)) !== null) started.add(task.id)
    await ask('GET', `/api/v1/sign-tasks/${task.id}`)
    await ask('GET', '/api/v1/sign-tasks?limit=5')
  }

  const running = Array.from({ length: lanes }, async (_, lane) => {
    for (let n = 0; !stopped; n++) await contract(lane, n)
  })
  return load
}

export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

/** The share `q` of all values that lies below the answer. */
export function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? 0
}
