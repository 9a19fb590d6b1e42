import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { signPdf } from '@yinxin/pades'
import { toPem } from '@yinxin/pki'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { appendUpdate, samplePdf } from '../../../packages/pades/test-files.ts'
import { createTestPki, type Identity } from '../../../packages/pades/test-pki.ts'
import { yinxin } from '../../../testing/children/run-command.ts'

const folder = mkdtempSync(join(tmpdir(), 'yinxin-verify-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const pki = createTestPki(new Date())
const base = samplePdf()
let signed: Uint8Array

function file(name: string, content: Uint8Array | string): string {
  const path = join(folder, name)
  writeFileSync(path, content)
  return path
}

function sign(pdf: Uint8Array, identity: Identity): Promise<Uint8Array> {
  return signPdf(pdf, { ...identity, placements: [], signingTime: new Date(), timestamp: pki.timestamp })
}

async function json(args: string[]) {
  const ran = await yinxin(['verify', ...args, '--json'])
  expect(ran.stderr).toBe('')
  expect(ran.stdout.trim().split('\n')).toHaveLength(1)
  return { code: ran.code, report: JSON.parse(ran.stdout) }
}

beforeAll(async () => {
  signed = await sign(await sign(base, pki.rsa), pki.p256)
})

describe('yinxin verify', () => {
  it('finds two good signatures, and the second is no change after the first', async () => {
    const { code, report } = await json([file('good.pdf', signed)])
    expect(code).toBe(0)
    expect(report.ok).toBe(true)
    expect(report.signatures).toHaveLength(2)
    expect(report.signatures[0]).toMatchObject({
      status: 'valid',
      signer: '北京印信科技有限公司',
      level: 'B-T',
      coversWholeDocument: false,
      changesAfter: 'none',
      trusted: null,
      problems: [],
    })
    expect(report.signatures[1]).toMatchObject({ signer: '王小明', coversWholeDocument: true, trusted: null })
    for (const { signedAt, timestamp } of report.signatures) {
      expect(Date.parse(signedAt)).toBeGreaterThan(0)
      expect(Date.parse(timestamp)).toBeGreaterThan(0)
    }
  })

  it('judges identity only by a root given from outside', async () => {
    const path = file('good.pdf', signed)
    const root = file('root.pem', toPem(pki.root, 'CERTIFICATE'))
    const stranger = file('stranger.pem', toPem(createTestPki(new Date()).root, 'CERTIFICATE'))
    const good = await json([path, '--trust', root])
    expect(good).toMatchObject({
      code: 0,
      report: { ok: true, signatures: [{ trusted: true }, { trusted: true }] },
    })
    const bad = await json([path, '--trust', stranger])
    expect(bad).toMatchObject({
      code: 1,
      report: { ok: false, signatures: [{ trusted: false }, { trusted: false }] },
    })
    expect((await json([path, '--trust', stranger, '--trust', root])).code).toBe(0)
    expect((await json([path, '--trust', file('root.der', pki.root)])).code).toBe(0)
  })

  it('fails a changed byte, a change appended after the signatures, and a file without signatures', async () => {
    const flipped = Uint8Array.from(signed)
    flipped[base.length - 150] = flipped[base.length - 150]! ^ 1
    const changed = await json([file('flipped.pdf', flipped)])
    expect(changed.code).toBe(1)
    expect(changed.report.ok).toBe(false)

    const covered = 'BT /F1 24 Tf 40 120 Td (Another) Tj ET'
    const later = appendUpdate(signed, { 4: `<</Length ${covered.length}>>\nstream\n${covered}\nendstream` })
    const appended = await json([file('appended.pdf', later)])
    expect(appended).toMatchObject({ code: 1, report: { ok: false } })
    expect(appended.report.signatures[1]).toMatchObject({ changesAfter: 'other' })

    expect(await json([file('plain.pdf', base)])).toEqual({
      code: 1,
      report: expect.objectContaining({ ok: false, signatures: [] }),
    })
  })

  it('calls unreadable what cannot be read, with exit code 2 and still one JSON object', async () => {
    const cases: [string, string][] = [
      [file('text.pdf', 'not a PDF at all'), 'not_a_pdf'],
      [file('empty.pdf', ''), 'empty'],
      [join(folder, 'absent.pdf'), 'file_unreadable'],
      [folder, 'file_unreadable'],
    ]
    for (const [path, code] of cases) {
      expect(await json([path])).toMatchObject({
        code: 2,
        report: { ok: false, signatures: [], error: { code } },
      })
    }
    const said = await yinxin(['verify', join(folder, 'text.pdf')])
    expect(said).toMatchObject({ code: 2, stdout: '' })
    expect(said.stderr).toContain('这不是 PDF 文件')
  })

  it('speaks Chinese unless asked for English, by option or environment', async () => {
    const path = file('good.pdf', signed)
    expect((await yinxin(['verify', path])).stdout).toContain('2 个签名全部有效')
    expect((await yinxin(['verify', path, '--lang', 'en'])).stdout).toContain('2 valid signature(s)')
    expect((await yinxin(['verify', path], { LANG: 'en_US.UTF-8' })).stdout).toContain('2 valid signature(s)')
    expect((await yinxin(['verify', path, '--lang=zh'], { LANG: 'en_US.UTF-8' })).stdout).toContain(
      '全部有效',
    )
  })

  it('answers wrong usage with exit code 64 and the usage', async () => {
    const path = file('good.pdf', signed)
    const wrong = [
      ['verify'],
      ['verify', path, 'another.pdf'],
      ['verify', path, '--colour'],
      ['verify', path, '--trust'],
      ['verify', path, '--trust', join(folder, 'absent.pem')],
      ['verify', path, '--trust', file('bad.pem', 'no certificate')],
      ['verify', path, '--lang', 'fr'],
      ['no-such-command'],
    ]
    for (const args of wrong) {
      const ran = await yinxin(args)
      expect(ran, args.join(' ')).toMatchObject({ code: 64, stdout: '' })
      expect(ran.stderr).toContain('用法')
    }
    const help = await yinxin(['verify', '--help'])
    expect(help).toMatchObject({ code: 0, stderr: '' })
    expect(help.stdout).toContain('--trust')
    expect((await yinxin(['verify', '--lang', 'en'])).stderr).toContain('usage: yinxin verify')
  })
})
