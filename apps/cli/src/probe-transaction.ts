/** One synthetic transaction from outside, the way a customer's program goes: page, upload, task, seal, download, proof. */
import { randomUUID } from 'node:crypto'
import { verifyPdf } from '@yinxin/pades'
import { parsePem } from '@yinxin/pki'
import { type Client, createClient, type SignTask, type SlaService } from '@yinxin/sdk'
import { latencyLimitMs } from '@yinxin/sla'

export interface ProbeTarget {
  baseUrl: string
  credential: { appId: string; appSecret: string }
  /** Scene in which the company's seal signs without a code. */
  businessId: string
  /** DER of the platform's root; fetched from the platform when not given, and then it only proves consistency. */
  trust?: readonly Uint8Array[]
}

export interface StepResult {
  id: string
  service: SlaService
  at: string
  ok: boolean
  latencyMs: number
  detail?: string
}

/** Distances between looks at a task that is being signed. */
const pollMs = 100

export type Transactions = ReturnType<typeof createTransactions>

export function createTransactions(target: ProbeTarget) {
  const { baseUrl, credential, businessId } = target
  const limited = (service: SlaService): Client =>
    createClient({
      baseUrl,
      credential,
      fetch: (input, init) => fetch(input, { ...init, signal: AbortSignal.timeout(latencyLimitMs(service)) }),
    })
  const backend = limited('backend')
  let company: { subjectId: string; name: string } | undefined
  let trust = target.trust

  /** Who the app belongs to, as a task that it begins says; asked once. */
  async function whoami(): Promise<{ subjectId: string; name: string }> {
    if (company !== undefined) return company
    const draft = await backend.signTasks.create({
      title: '探测 probe',
      documents: [],
      actors: [],
      fields: [],
    })
    company = draft.initiator
    await backend.signTasks.cancel(draft.id, 'probe')
    return company
  }

  async function anchors(): Promise<readonly Uint8Array[]> {
    trust ??= parsePem(await page('/ca/root.pem'), 'CERTIFICATE')
    return trust
  }

  async function page(path: string): Promise<string> {
    const signal = AbortSignal.timeout(latencyLimitMs('frontend'))
    const answer = await fetch(`${baseUrl}${path}`, { signal, headers: { accept: 'text/html' } })
    if (!answer.ok) throw new Error(`HTTP ${answer.status}`)
    return await answer.text()
  }

  /** Runs to the end or to the first step that fails; what was not tried has no result. */
  return async function transact(): Promise<StepResult[]> {
    const results: StepResult[] = []

    async function step<T>(service: SlaService, work: () => Promise<T>): Promise<T | undefined> {
      const at = new Date().toISOString()
      const startMs = performance.now()
      let failure: unknown
      let made: T | undefined
      try {
        made = await work()
      } catch (error) {
        failure = error ?? new Error('failed')
      }
      const latencyMs = Math.round(performance.now() - startMs)
      const ok = failure === undefined && latencyMs <= latencyLimitMs(service)
      const detail = failure === undefined ? undefined : describe(failure)
      results.push({
        id: randomUUID(),
        service,
        at,
        ok,
        latencyMs,
        ...(detail === undefined ? {} : { detail }),
      })
      return made
    }

    await step('frontend', async () => {
      // A page of somebody else's is no page of ours.
      if (!(await page('/')).includes('id="root"')) throw new Error('the page is not the expected one')
    })
    const name = `probe ${new Date().toISOString()}`
    const file = await step('upload', () => limited('upload').files.upload(drawProbePdf(name), `${name}.pdf`))
    if (file === undefined) return results
    const task = await step('backend', async () => {
      const corp = await whoami()
      return await backend.signTasks.create(
        {
          title: '探测 probe',
          documents: [{ ref: 'probe', fileId: file.id }],
          actors: [{ ref: 'company', kind: 'corp', role: 'sign', ...corp, freeSignBusinessId: businessId }],
          fields: [],
          autoStart: true,
        },
        { idempotencyKey: randomUUID() },
      )
    })
    if (task === undefined) return results
    const signed = await step('signing', () => finished(backend, task.id))
    if (signed === undefined) return results
    const pdf = await step('backend', async () => {
      const [document] = signed.documents
      if (document === undefined) throw new Error('the finished task has no document')
      return await backend.signTasks.document(signed.id, document.documentId)
    })
    if (pdf === undefined) return results
    await step('certificate', async () => {
      const report = verifyPdf(pdf, { trust: await anchors() })
      const [signature] = report.signatures
      if (!report.ok || signature?.status !== 'valid' || signature.trusted !== true)
        throw new Error(`the signature does not verify: ${signature?.problems[0]?.code ?? 'none there'}`)
    })
    return results
  }
}

async function finished(client: Client, taskId: string): Promise<SignTask> {
  const untilMs = performance.now() + latencyLimitMs('signing')
  for (;;) {
    const task = await client.signTasks.get(taskId)
    if (task.status === 'finished') return task
    if (task.status !== 'signing') throw new Error(`the task is ${task.status}`)
    if (performance.now() > untilMs) throw new Error('the seal did not sign in time')
    await new Promise((resolve) => setTimeout(resolve, pollMs))
  }
}

function describe(error: unknown): string {
  const { cause, message } = error as { cause?: { code?: string; message?: string }; message?: string }
  return `${message ?? String(error)}${cause === undefined ? '' : ` (${cause.code ?? cause.message ?? ''})`}`.slice(
    0,
    300,
  )
}

/** A page with one line, below a kilobyte; each is another file. */
export function drawProbePdf(line: string): Uint8Array {
  const content = `BT /F1 12 Tf 72 770 Td (${line.replace(/[()\\]/g, '')}) Tj ET`
  const objects = [
    '<< /Type /Catalog /Pages 2 0 R >>',
    '<< /Type /Pages /Kids [3 0 R] /Count 1 >>',
    '<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>',
    `<< /Length ${content.length} >>\nstream\n${content}\nendstream`,
    '<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>',
  ]
  let text = '%PDF-1.7\n'
  const offsets = objects.map((object, index) => {
    const offset = text.length
    text += `${index + 1} 0 obj\n${object}\nendobj\n`
    return offset
  })
  const xref = text.length
  const rows = offsets.map((offset) => `${String(offset).padStart(10, '0')} 00000 n \n`).join('')
  text += `xref\n0 ${objects.length + 1}\n0000000000 65535 f \n${rows}`
  text += `trailer\n<< /Size ${objects.length + 1} /Root 1 0 R >>\nstartxref\n${xref}\n%%EOF\n`
  return Buffer.from(text, 'latin1')
}
