import { signPdf } from '@yinxin/pades'
import { generateSigner, issueCertificate } from '@yinxin/pki'
import { beforeAll, describe, expect, it } from 'vitest'
import { drawSampleContract } from '#src/sandbox/sample-contract.ts'
import { createVerification } from './verification.ts'

let pdf: Uint8Array
let signed: Uint8Array
let own: Uint8Array
let foreign: Uint8Array

function root(name: string) {
  const { signer } = generateSigner('ecdsa-p256-sha256')
  const certificate = issueCertificate(
    {
      subject: [['CN', name]],
      spki: signer.spki,
      serial: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8),
      notBefore: new Date('2025-01-01T00:00:00Z'),
      notAfter: new Date('2045-01-01T00:00:00Z'),
      issuer: 'self',
      profile: 'root-ca',
    },
    signer,
  )
  return { signer, certificate }
}

function verification(
  trust: Uint8Array,
  over: { deadlineMs?: number; heapMb?: number; script?: URL; known?: boolean } = {},
) {
  return createVerification({
    ca: { anchors: () => ({ rootDer: trust, issuingDer: trust, tsaDer: trust }) },
    signTasks: { knows: async () => over.known ?? false },
    ...(over.script === undefined ? {} : { script: over.script }),
    ...(over.heapMb === undefined ? {} : { heapMb: over.heapMb }),
    ...(over.deadlineMs === undefined ? {} : { deadlineMs: over.deadlineMs }),
  })
}

beforeAll(async () => {
  pdf = await drawSampleContract({ corpName: '甲公司', personName: '张三', number: 'n', date: 'd' })
  const ours = root('Ours')
  own = ours.certificate
  foreign = root('Theirs').certificate
  signed = await signPdf(pdf, {
    signer: ours.signer,
    certificates: [ours.certificate],
    placements: [],
    signingTime: new Date('2026-01-01T00:00:00Z'),
  })
})

const asked = { fileName: 'a.pdf', lang: 'zh' } as const

/** The signed file with other words on its first page, as an incremental update. */
function withOtherWords(pdf: Uint8Array): Uint8Array {
  const text = Buffer.from(pdf).toString('latin1')
  const root = /\/Root (\d+ \d+ R)/.exec(text)?.[1] ?? ''
  const previous = /startxref\s+(\d+)\s+%%EOF\s*$/.exec(text)?.[1] ?? ''
  const content = Number(/\/Contents (\d+) 0 R/.exec(text)?.[1])
  const words = '1 0 0 rg 100 600 200 50 re f'
  const object = `${content} 0 obj\n<</Length ${words.length}>>\nstream\n${words}\nendstream\nendobj\n`
  const row = `${String(text.length).padStart(10, '0')} 00000 n `
  const section = `xref\n${content} 1\n${row}\ntrailer\n<</Size 9999/Root ${root}/Prev ${previous}>>\n`
  return Buffer.from(`${text}${object}${section}startxref\n${text.length + object.length}\n%%EOF\n`, 'latin1')
}

/** Pixels by colour that matter here, of a picture. */
async function coloursOf(png: Uint8Array): Promise<{ red: number; dark: number; width: number }> {
  const { createCanvas, loadImage } = await import('@napi-rs/canvas')
  const image = await loadImage(Buffer.from(png))
  const canvas = createCanvas(image.width, image.height)
  const context = canvas.getContext('2d')
  context.drawImage(image, 0, 0)
  const { data } = context.getImageData(0, 0, image.width, image.height)
  let [red, dark] = [0, 0]
  for (let i = 0; i < data.length; i += 4) {
    const [r = 0, g = 0, b = 0] = data.subarray(i, i + 3)
    if (r > 200 && g < 60 && b < 60) red++
    if (r < 90 && g < 90 && b < 90) dark++
  }
  return { red, dark, width: image.width }
}

describe('the pictures of a page that was changed later', () => {
  it('show it before, after, and what differs', async () => {
    const room = verification(own)
    const changed = withOtherWords(signed)
    const report = await room.verify(changed, asked)
    expect(report.signatures[0]).toMatchObject({ status: 'invalid', changesAfter: 'other' })
    expect(report.pageChanges).toEqual([
      {
        level: 'other',
        pageBefore: 1,
        pageAfter: 1,
        areas: [],
        beforeBytes: signed.length,
        afterBytes: changed.length,
      },
    ])
    const picture = async (view: 'before' | 'after' | 'difference') =>
      coloursOf(await room.picture(changed, { change: 0, view, lang: 'zh' }))
    const [before, after, difference] = [
      await picture('before'),
      await picture('after'),
      await picture('difference'),
    ]
    expect(before.red).toBe(0)
    expect(before.dark).toBeGreaterThan(1000)
    // 200 × 50 points, drawn at one and a half.
    expect(after.red).toBeGreaterThan(22_000)
    expect(after.dark).toBe(0)
    expect(difference.red).toBeGreaterThan(after.red)
    expect(difference.width).toBe(before.width)
  })

  it('do not exist for pages that did not change, nor for what is no PDF', async () => {
    const room = verification(own)
    expect((await room.verify(signed, asked)).pageChanges).toEqual([])
    const wanted = { change: 0, view: 'before', lang: 'zh' } as const
    await expect(room.picture(signed, wanted)).rejects.toMatchObject({ code: 'verification_no_picture' })
    await expect(room.picture(Buffer.from('hello'), wanted)).rejects.toMatchObject({
      code: 'verification_unreadable',
    })
  })

  it('end with the deadline', async () => {
    const room = verification(own, { deadlineMs: 1 })
    await expect(
      room.picture(withOtherWords(signed), { change: 0, view: 'after', lang: 'en' }),
    ).rejects.toMatchObject({ code: 'verification_too_long' })
  })
})

describe('the report on a file', () => {
  it('names every signature and whether it leads to our root', async () => {
    const trusted = await verification(own, { known: true }).verify(signed, asked)
    expect(trusted).toMatchObject({ fileName: 'a.pdf', knownHere: true })
    expect(trusted.signatures).toMatchObject([{ signer: 'Ours', level: 'B-B', coversWholeDocument: true }])
    const stranger = await verification(foreign).verify(signed, asked)
    expect(stranger).toMatchObject({ ok: false, knownHere: false, signatures: [{ trusted: false }] })
    expect(stranger.signatures[0]?.problems.length).toBeGreaterThan(0)
    expect(stranger.signatures[0]?.problems.every((one) => /\p{Script=Han}/u.test(one.message))).toBe(true)
  })

  it('is not good for an unsigned file, and refuses what is no PDF in words', async () => {
    expect(await verification(own).verify(pdf, asked)).toMatchObject({ ok: false, signatures: [] })
    await expect(verification(own).verify(Buffer.from('hello'), asked)).rejects.toMatchObject({
      code: 'verification_unreadable',
    })
    await expect(verification(own).verify(new Uint8Array(), asked)).rejects.toMatchObject({
      code: 'verification_unreadable',
    })
  })

  it('gives a thread only so much memory', async () => {
    // Many small things, as a hostile file makes them: one huge array would end the process before the limit speaks.
    const greedy = 'let held; for (;;) held = { held }'
    const script = new URL(`data:text/javascript,${encodeURIComponent(greedy)}`)
    await expect(verification(own, { heapMb: 64, script }).verify(signed, asked)).rejects.toMatchObject({
      code: 'verification_too_complex',
    })
  })

  it('ends a thread that takes too long', async () => {
    await expect(verification(own, { deadlineMs: 1 }).verify(signed, asked)).rejects.toMatchObject({
      code: 'verification_too_long',
    })
  })
})
