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
