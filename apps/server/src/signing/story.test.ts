import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { verifyBundle } from '@yinxin/evidence'
import { verifyPdf } from '@yinxin/pades'
import { parsePem } from '@yinxin/pki'
import type { Ceremony, Page, SignTask, TaskEvent, VerificationReport } from '@yinxin/sdk/wire'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { drawSampleContract, sampleKeywords } from '#src/sandbox/sample-contract.ts'
import { handwriting, openStage, type Stage, type StageCompany } from '../../../../testing/stage.ts'

let stage: Stage
let corp: StageCompany
let pdf: Uint8Array
const folder = mkdtempSync(join(tmpdir(), 'yinxin-story-'))

beforeAll(async () => {
  stage = await openStage()
  corp = await stage.company('示例科技有限公司')
  pdf = await drawSampleContract({
    corpName: corp.name,
    personName: '张三',
    number: 'YX-2026-0001',
    date: '2026年1月1日',
  })
})
afterAll(async () => {
  await stage.close()
  rmSync(folder, { recursive: true, force: true })
})

/** The company seals freely, then the named person signs. */
async function contract(over: Record<string, unknown> = {}): Promise<SignTask> {
  const fileId = await stage.upload(corp.token, pdf)
  return await stage.createTask(corp.token, {
    documents: [{ ref: 'contract', fileId }],
    actors: [
      {
        ref: 'corp',
        kind: 'corp',
        role: 'sign',
        name: corp.name,
        subjectId: corp.corpId,
        order: 1,
        freeSignBusinessId: corp.businessId,
      },
      { ref: 'person', kind: 'person', role: 'sign', name: '张三', mobile: mobile(), order: 2 },
      { ref: 'copy', kind: 'person', role: 'cc', name: '李四', email: 'li.si@example.com' },
    ],
    fields: [
      { documentRef: 'contract', actorRef: 'corp', kind: 'seal', position: { keyword: sampleKeywords.corp } },
      {
        documentRef: 'contract',
        actorRef: 'person',
        kind: 'signature',
        position: { keyword: sampleKeywords.person, offsetX: 90 },
      },
      {
        documentRef: 'contract',
        actorRef: 'person',
        kind: 'date',
        position: { keyword: sampleKeywords.person, offsetX: 90, offsetY: 40 },
      },
    ],
    autoStart: true,
    ...over,
  })
}

let mobiles = 0
function mobile(): string {
  mobiles += 1
  return `1370000${String(mobiles).padStart(4, '0')}`
}

function contactOf(index = mobiles): string {
  return `1370000${String(index).padStart(4, '0')}`
}

describe('a contract from upload to evidence', () => {
  it('is sealed by the company, signed by the person, finished, and verifiable by strangers', async () => {
    const made = await contract()
    const contact = contactOf()
    expect(made.status).toBe('signing')
    const sealed = await stage.until(corp.token, made.id, (task) => task.actors[0]?.status === 'signed')
    expect(sealed.documents[0]?.revision).toBe(1)

    // The invitation is a link that locates the task and opens nothing.
    const invitation = await stage.nextMessage(contact, [], (message) => message.link !== null)
    const linkToken = invitation.link?.split('/s/')[1] ?? ''
    const cover = await stage.ok('GET', `/api/v1/ceremonies/${linkToken}`)
    expect(cover).toMatchObject({ taskTitle: '技术服务合同', actor: { nameMasked: '张*' }, channel: 'sms' })
    expect(JSON.stringify(cover)).not.toContain(contact)
    expect((await stage.call('GET', `/api/v1/ceremonies/${linkToken}/view`)).status).toBe(401)

    const visit = await stage.visit(linkToken, contact, '张三')
    expect(visit.ceremony.step).toBe('read-and-sign')
    expect(visit.ceremony.consentText).toContain('张三')
    const signed = await stage.sign(visit, contact, { keepSignature: true })
    expect(signed.status, JSON.stringify(signed.body)).toBe(200)
    expect(signed.body.taskStatus).toBe('finished')

    const done = await stage.ok<Ceremony>('GET', `/api/v1/ceremonies/${linkToken}/result`, {
      token: visit.token,
    })
    expect(done.step).toBe('done')
    const task = await stage.task(corp.token, made.id)
    expect(task.actors.map((actor) => actor.status)).toEqual(['signed', 'signed', 'notified'])
    const file = await stage.download(
      `/api/v1/sign-tasks/${made.id}/documents/${task.documents[0]?.documentId}/content`,
      corp.token,
    )
    const root = await stage.download('/ca/root.pem')
    const [rootDer] = parsePem(Buffer.from(root).toString('utf8'))
    const verdict = verifyPdf(file, { trust: [rootDer as Uint8Array] })
    expect(verdict.ok, JSON.stringify(verdict.signatures.map((one) => one.problems))).toBe(true)
    expect(verdict.signatures.map((one) => [one.signer, one.level, one.trusted])).toEqual([
      [corp.name, 'B-T', true],
      ['张三', 'B-T', true],
    ])
    // The original is the prefix of the signed file, byte for byte.
    expect(Buffer.compare(Buffer.from(file.subarray(0, pdf.length)), Buffer.from(pdf))).toBe(0)

    // Everybody is told, copies included.
    await stage.nextMessage(
      'li.si@example.com',
      [],
      (message) => message.subject?.includes('已完成') ?? false,
    )

    const zip = await stage.download(`/api/v1/sign-tasks/${made.id}/evidence`, corp.token)
    const vkey = Buffer.from(await stage.download('/log/vkey')).toString('utf8')
    const report = verifyBundle(zip, { trust: [rootDer as Uint8Array], logKeys: [vkey.trim()] })
    expect(report.problems).toEqual([])
    expect(report).toMatchObject({ ok: true, trusted: true, logVerified: true })
    writeFileSync(join(folder, 'signed.pdf'), file)
    if (process.env.KEEP_PDF) writeFileSync(process.env.KEEP_PDF, file)
    judge('pdfsig', [join(folder, 'signed.pdf')], (text) => {
      expect(text.match(/Signature is Valid/g)).toHaveLength(2)
      expect(text).toContain('Total document signed')
    })

    const events = await stage.ok<Page<TaskEvent>>('GET', `/api/v1/sign-tasks/${made.id}/events?limit=100`, {
      token: corp.token,
    })
    expect(events.items.map((event) => event.type)).toEqual([
      'task.created',
      'document.added',
      'task.started',
      'actor.ready',
      'consent.given',
      'document.signed',
      'actor.signed',
      'actor.ready',
      'task.viewed',
      'document.read',
      'code.sent',
      'consent.given',
      'document.signed',
      'actor.signed',
      'actor.notified',
      'task.finished',
    ])
    expect(events.items.every((event) => event.logIndex !== null)).toBe(true)
    expect(events.items[8]?.actor.name).toBe('张三')
    // How the signer had been proven, and from where it signed, belongs to the proof of its will.
    expect(events.items[11]?.data).toMatchObject({
      will: 'code',
      identity: { method: 'person-2', simulated: true },
      address: expect.stringMatching(/^10\./),
    })

    const known = await stage.ok<VerificationReport>('POST', '/api/v1/verifications', { body: file })
    expect(known).toMatchObject({ ok: true, knownHere: true })
    const changed = Uint8Array.from(file)
    changed[pdf.length - 200] = (changed[pdf.length - 200] ?? 0) ^ 1
    const bad = await stage.ok<VerificationReport>('POST', '/api/v1/verifications', { body: changed })
    expect(bad).toMatchObject({ ok: false, knownHere: false })
  })

  it('keeps a drawn signature and signs the next contract with it', async () => {
    const contact = mobile()
    const sign = async (over: Record<string, unknown>) => {
      const task = await contract({
        actors: [{ ref: 'person', kind: 'person', role: 'sign', name: '张三', mobile: contact }],
        fields: [
          {
            documentRef: 'contract',
            actorRef: 'person',
            kind: 'signature',
            position: { page: 1, x: 100, y: 100 },
          },
        ],
      })
      const visit = await stage.visit(await stage.link(corp.token, task, 'person'), contact, '张三')
      const signatureId = visit.ceremony.signatures[0]?.id
      return {
        answer: await stage.sign(visit, contact, { ...over, ...(signatureId ? { signatureId } : {}) }),
        visit,
      }
    }
    const first = await sign({ handwriting, keepSignature: true })
    expect(first.answer.status, JSON.stringify(first.answer.body)).toBe(200)
    const second = await sign({ handwriting: undefined })
    expect(second.visit.ceremony.signatures).toHaveLength(1)
    expect(second.answer.status, JSON.stringify(second.answer.body)).toBe(200)
  })

  it('is sealed by a member in the ceremony when nothing was granted', async () => {
    const task = await contract({
      actors: [{ ref: 'corp', kind: 'corp', role: 'sign', name: corp.name, mobile: corp.admin.login }],
      fields: [
        { documentRef: 'contract', actorRef: 'corp', kind: 'seal', position: { page: 1, x: 60, y: 60 } },
      ],
    })
    const linkToken = await stage.link(corp.token, task, 'corp')
    const view = await stage.ok<Ceremony>('GET', `/api/v1/ceremonies/${linkToken}/view`, {
      token: corp.token,
    })
    expect(view.step).toBe('read-and-sign')
    expect(view.seals.map((seal) => seal.id)).toEqual([corp.sealId])
    const visitor = { linkToken, token: corp.token }
    const without = await stage.sign(visitor, corp.admin.login, { handwriting: undefined, code: '000000' })
    expect(without.body).toMatchObject({ code: 'seal_not_chosen' })
    const signed = await stage.sign(visitor, corp.admin.login, {
      handwriting: undefined,
      sealId: corp.sealId,
    })
    expect(signed.status, JSON.stringify(signed.body)).toBe(200)
    expect(signed.body.taskStatus).toBe('finished')
  })

  it('signs invisibly, over every document, for a signer without a field', async () => {
    const contact = mobile()
    const [one, two] = [await stage.upload(corp.token, pdf), await stage.upload(corp.token, pdf, '附件.pdf')]
    const task = await stage.createTask(corp.token, {
      documents: [
        { ref: 'one', fileId: one },
        { ref: 'two', fileId: two },
      ],
      actors: [{ ref: 'person', kind: 'person', role: 'sign', name: '赵六', mobile: contact }],
      autoStart: true,
    })
    const visit = await stage.visit(await stage.link(corp.token, task, 'person'), contact, '赵六')
    const signed = await stage.sign(visit, contact, { handwriting: undefined })
    expect(signed.status, JSON.stringify(signed.body)).toBe(200)
    for (const document of task.documents) {
      const file = await stage.download(
        `/api/v1/sign-tasks/${task.id}/documents/${document.documentId}/content`,
        corp.token,
      )
      expect(verifyPdf(file).ok).toBe(true)
    }
  })
})

function judge(command: string, args: string[], check: (text: string) => void): void {
  let text: string
  try {
    text = execFileSync(command, args, { encoding: 'utf8' })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    if (process.env.CI === 'true') throw new Error(`the judge ${command} is missing`)
    console.warn(`skipped the judge ${command}: not installed`)
    return
  }
  check(text)
}
