import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import {
  appendFileSync,
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { createServer, type Server } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { deflateSync } from 'node:zlib'
import { signDelta, verifyPdf } from '@yinxin/pades'
import {
  buildTimestampResponse,
  generateSigner,
  issueCertificate,
  issueTimestampToken,
  parseTimestampRequest,
  toPem,
} from '@yinxin/pki'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { appendUpdate, samplePdf } from '../../../packages/pades/test-files.ts'
import { writeLarge } from '../../../packages/pades/test-large.ts'
import { createTestPki } from '../../../packages/pades/test-pki.ts'
import { yinxin } from '../../../testing/children/run-command.ts'

const folder = mkdtempSync(join(tmpdir(), 'yinxin-pades-cli-'))
const pki = createTestPki(new Date())
const tsa = pki.issue('ecdsa-p256-sha256', 'Test TSA', 'timestamping')
let server: Server
let tsaUrl = ''

beforeAll(async () => {
  // A timestamp authority as others run them: DER over HTTP (RFC 3161 §3.4).
  server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const asked = parseTimestampRequest(Buffer.concat(chunks))
    const token = issueTimestampToken(
      {
        messageImprint: asked.messageImprint,
        serial: Uint8Array.of(7),
        genTime: new Date(),
        policyOid: '1.3.6.1.4.1.99999.1',
        ...(asked.nonce === undefined ? {} : { nonce: asked.nonce }),
      },
      tsa.signer,
      tsa.certificates[0] as Uint8Array,
      tsa.certificates.slice(1),
    )
    response.writeHead(200, { 'content-type': 'application/timestamp-reply' })
    response.end(buildTimestampResponse({ token }))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  tsaUrl = `http://127.0.0.1:${address.port}/`
})
afterAll(() => {
  server.close()
  rmSync(folder, { recursive: true, force: true })
})

function file(name: string, content: Uint8Array | string): string {
  const path = join(folder, name)
  writeFileSync(path, content)
  return path
}

/** Key and self-signed certificate in files. */
function identity(algorithm: 'rsa-pkcs1-sha256' | 'ecdsa-p256-sha256' | 'ecdsa-p384-sha384'): string[] {
  const { signer, privateKey } = generateSigner(algorithm)
  const now = Date.now()
  const certificate = issueCertificate(
    {
      subject: { C: 'CN', CN: '王小明' },
      spki: signer.spki,
      serial: Uint8Array.of(9),
      notBefore: new Date(now - 86_400_000),
      notAfter: new Date(now + 86_400_000 * 300),
      issuer: 'self',
      profile: 'root-ca',
    },
    signer,
  )
  const key = file(`${algorithm}.key`, privateKey.export({ type: 'pkcs8', format: 'pem' }).toString())
  return ['--key', key, '--cert', file(`${algorithm}.pem`, toPem(certificate, 'CERTIFICATE'))]
}

/** Key, certificate and issuer in files, of the test authority. */
function issued(): string[] {
  const { signer, privateKey } = generateSigner('ecdsa-p256-sha256')
  const chain = pki.certify(signer, '李四')
  return [
    '--key',
    file('leaf.key', privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()),
    '--cert',
    file('leaf.pem', chain.map((der) => toPem(der, 'CERTIFICATE')).join('')),
  ]
}

/** One signature by ranges. */
function signLarge(path: string): Promise<Uint8Array> {
  const handle = openSync(path, 'r')
  const source = {
    length: statSync(path).size,
    read: (offset: number, length: number) => {
      const bytes = new Uint8Array(length)
      return bytes.subarray(0, readSync(handle, bytes, 0, length, offset))
    },
  }
  return signDelta(source, { ...pki.p256, placements: [], signingTime: new Date() }).finally(() =>
    closeSync(handle),
  )
}

const plain = file('plain.pdf', samplePdf())
const out = join(folder, 'signed.pdf')
const signIt = (...options: string[]) => yinxin(['pades', 'sign', plain, out, ...options])

describe('yinxin pades', () => {
  it('signs with RSA and both curves, at B-B and B-T', async () => {
    for (const algorithm of ['rsa-pkcs1-sha256', 'ecdsa-p256-sha256', 'ecdsa-p384-sha384'] as const) {
      for (const [level, ...more] of [
        ['B-B'],
        // The first authority is down; the second answers.
        ['B-T', '--tsa', 'http://127.0.0.1:1/tsa', '--tsa', tsaUrl],
      ] as const) {
        const ran = await signIt(...identity(algorithm), '--level', level, ...more, '--reason', '同意')
        expect(ran.code, ran.stderr).toBe(0)
        const report = verifyPdf(readFileSync(out))
        expect(report.signatures).toMatchObject([
          { status: 'valid', level, signer: '王小明', reason: '同意', coversWholeDocument: true },
        ])
        expect((await yinxin(['pades', 'verify', out])).code).toBe(0)
      }
    }
  })

  it('writes B-B without being asked, and B-T where only an authority is named', async () => {
    const keys = identity('ecdsa-p256-sha256')
    await signIt(...keys)
    expect(verifyPdf(readFileSync(out)).signatures[0]?.level).toBe('B-B')
    await signIt(...keys, '--tsa', tsaUrl)
    expect(verifyPdf(readFileSync(out)).signatures[0]?.level).toBe('B-T')
  })

  it('draws the pages that were changed later, before and after, into a folder', async () => {
    await signIt(...identity('ecdsa-p256-sha256'))
    const changed = file(
      'changed.pdf',
      appendUpdate(readFileSync(out), { 4: '<</Length 17>>\nstream\n1 0 0 rg 9 9 re f\nendstream' }),
    )
    const pictures = join(folder, 'pictures')
    const ran = await yinxin(['pades', 'verify', changed, '--compare', pictures, '--json'])
    expect(ran.code).toBe(1)
    const { compared } = JSON.parse(ran.stdout) as { compared: Record<string, unknown>[] }
    expect(compared).toMatchObject([
      { level: 'other', pageBefore: 1, pageAfter: 1, before: '001-before.png' },
    ])
    expect(compared[0]?.pixels).toBeGreaterThan(500)
    const page = readFileSync(join(pictures, 'index.html'), 'utf8')
    for (const view of ['before', 'after', 'difference']) {
      expect(
        readFileSync(join(pictures, `001-${view}.png`))
          .subarray(1, 4)
          .toString(),
      ).toBe('PNG')
      expect(page).toContain(`001-${view}.png`)
    }
    const words = await yinxin(['pades', 'verify', out, '--compare', pictures, '--lang', 'en'])
    expect(words.stdout).toContain('no page was changed after signing')
    expect((await yinxin(['pades', 'verify', changed, '--compare', plain])).code).toBe(2)
  })

  it('shows name and date, or a picture, at the place given, and refuses a place outside the page', async () => {
    const keys = identity('ecdsa-p256-sha256')
    expect((await signIt(...keys, '--page', '1', '--rect', '20,20,120,40')).code).toBe(0)
    expect(readFileSync(out).toString('latin1')).toContain('/Rect[20 20 140 60]')
    expect(verifyPdf(readFileSync(out)).signatures[0]?.pages).toEqual([0])

    const png = file('stamp.png', redPng())
    expect((await signIt(...keys, '--rect', '20,20,120,40', '--image', png)).code).toBe(0)
    expect(readFileSync(out).toString('latin1')).toContain('/Subtype/Image')

    const picture = (body: string) =>
      `<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9">${body}</svg>`
    const svg = file('seal.svg', picture('<circle cx="5" cy="5" r="4" fill="red" opacity=".9"/>'))
    expect((await signIt(...keys, '--rect', '20,20,60,60', '--image', svg)).code).toBe(0)
    expect(verifyPdf(readFileSync(out)).ok).toBe(true)
    expect(readFileSync(out).toString('latin1')).not.toContain('/Subtype/Image')
    const written = file('text.svg', picture('<text>x</text>'))
    const refused = await signIt(...keys, '--rect', '20,20,60,60', '--image', written, '--lang', 'en')
    expect([refused.code, refused.stderr]).toEqual([2, expect.stringContaining('<text>')])

    rmSync(out)
    for (const [rect, page] of [
      ['250,20,120,40', '1'],
      ['20,20,120,40', '2'],
    ] as const) {
      const ran = await signIt(...keys, '--rect', rect, '--page', page)
      expect(ran.code).toBe(2)
      expect(existsSync(out)).toBe(false)
    }
    expect((await signIt(...keys, '--rect', '250,20,120,40', '--lang', 'en')).stderr).toContain(
      'outside the page',
    )
  })

  it('certifies, and then lets only signatures follow', async () => {
    const keys = identity('ecdsa-p256-sha256')
    expect((await signIt(...keys, '--certify', '2')).code).toBe(0)
    expect(verifyPdf(readFileSync(out)).signatures[0]?.certifies).toBe(2)
    const again = join(folder, 'again.pdf')
    expect((await yinxin(['pades', 'sign', out, again, ...keys])).code).toBe(0)
    expect(verifyPdf(readFileSync(again)).ok).toBe(true)
    expect((await yinxin(['pades', 'sign', again, again, ...keys, '--certify', '2'])).code).toBe(2)
  })

  it('refuses what it cannot do, by name and before writing', async () => {
    rmSync(out, { force: true })
    const keys = identity('ecdsa-p256-sha256')
    const [, key = '', , cert = ''] = keys
    const leafKeys = issued()
    const [, , , otherCert = ''] = identity('rsa-pkcs1-sha256')
    const cases: [number, string, string[]][] = [
      [2, '没有', [...leafKeys, '--level', 'B-LTA', '--tsa', tsaUrl]],
      [64, 'B-LTA 需要', [...keys, '--level', 'B-LTA']],
      [64, '--certify 只能是', [...keys, '--certify', '4']],
      [2, '未取得时间戳', [...keys, '--tsa', `${tsaUrl.slice(0, -1).replace(/\d+$/, '')}9/`]],
      [64, 'B-T 需要', [...keys, '--level', 'B-T']],
      [64, '--level 只能是', [...keys, '--level', 'B-X']],
      [64, '需要 --key', ['--cert', cert]],
      [64, '不匹配', ['--key', key, '--cert', otherCert]],
      [64, '不是可用的私钥', ['--key', cert, '--cert', cert]],
      [64, '--rect 须为', [...keys, '--rect', '1,2,3']],
      [64, '需要 --rect', [...keys, '--page', '1']],
      [64, '--page 从 1 起', [...keys, '--rect', '1,1,9,9', '--page', '0']],
    ]
    for (const [code, text, options] of cases) {
      const ran = await signIt(...options)
      expect(ran.code, options.join(' ')).toBe(code)
      expect(ran.stderr).toContain(text)
      expect(existsSync(out)).toBe(false)
    }
    expect((await yinxin(['pades', 'sign', file('no.pdf', 'x'), out, ...keys])).code).toBe(2)
    expect((await yinxin(['pades', 'sign', plain, join(folder, 'no/such/folder.pdf'), ...keys])).code).toBe(2)
  })

  it('signs for the long term, extends, renews, and reports at a moment', async () => {
    const crl = ['--crl', file('root.crl', pki.crl(new Date()))]
    const trust = ['--trust', file('root.pem', toPem(pki.root, 'CERTIFICATE'))]
    const stamped = ['--tsa', tsaUrl, ...crl]
    const lasting = await signIt(...issued(), '--level', 'B-LTA', ...stamped)
    expect(lasting.code, lasting.stderr).toBe(0)
    const simple = await yinxin(['pades', 'verify', out, ...trust, '--report', 'simple'])
    expect(simple.stdout).toContain('李四 的签名有效')
    expect(simple.stdout).toContain('TOTAL_PASSED · B-LTA')
    expect(simple.code).toBe(0)

    const [renewed, stepwise] = [join(folder, 'renewed.pdf'), join(folder, 'stepwise.pdf')]
    expect((await yinxin(['pades', 'renew', out, renewed, ...stamped])).code).toBe(0)
    expect(verifyPdf(readFileSync(renewed)).documentTimestamps.length).toBe(2)

    await signIt(...issued(), '--tsa', tsaUrl)
    expect((await yinxin(['pades', 'extend', out, stepwise, '--level', 'B-LT', ...crl])).code).toBe(0)
    expect((await yinxin(['pades', 'timestamp', stepwise, stepwise, '--tsa', tsaUrl])).code).toBe(0)
    const detailed = await yinxin(['pades', 'verify', stepwise, ...trust, '--report', 'detailed', '--json'])
    expect(JSON.parse(detailed.stdout)).toMatchObject({
      ok: true,
      signatures: [{ level: 'B-LTA', blocks: expect.any(Array) }, { kind: 'document-timestamp' }],
    })
    const early = await yinxin(['pades', 'verify', stepwise, ...trust, '--at', '2001-01-01T00:00:00Z'])
    expect(early.code).toBe(1)
    expect(early.stdout).toContain('OUT_OF_BOUNDS_NO_POE')
    const unanchored = await yinxin(['pades', 'verify', stepwise, '--report', 'simple', '--json'])
    expect(unanchored.code).toBe(0)
    expect(JSON.parse(unanchored.stdout)).toMatchObject({
      ok: true,
      trusted: null,
      indication: 'INDETERMINATE',
      signatures: [{ subIndication: 'NO_CERTIFICATE_CHAIN_FOUND' }, {}],
    })
    expect((await yinxin(['pades', 'extend', plain, out, ...stamped])).code).toBe(2)
  })

  it('extends and verifies a file that is too large to hold', async () => {
    const large = join(folder, 'large.pdf')
    const handle = openSync(large, 'w')
    writeLarge(handle, 70)
    closeSync(handle)
    appendFileSync(large, await signLarge(large))
    const longer = join(folder, 'longer.pdf')
    const extended = await yinxin(['pades', 'extend', large, longer, '--level', 'B-T', '--tsa', tsaUrl])
    expect(extended.code, extended.stderr).toBe(0)
    const ran = await yinxin(['pades', 'verify', longer, '--json'])
    expect(ran.code, ran.stderr).toBe(0)
    const report = JSON.parse(ran.stdout) as { sha256: string; documentTimestamps: unknown[] }
    expect(report.documentTimestamps).toHaveLength(1)
    expect(report.sha256).toBe(createHash('sha256').update(readFileSync(longer)).digest('hex'))
    expect(
      (await yinxin(['pades', 'timestamp', longer, join(folder, 'no', 'x.pdf'), '--tsa', tsaUrl])).code,
    ).toBe(2)
  })

  it('signs in a field that waits', async () => {
    const form = samplePdf({
      catalog: '/AcroForm<</Fields[12 0 R]>>',
      page: '/Annots[12 0 R]',
      extra: { 12: '<</Type/Annot/Subtype/Widget/FT/Sig/T(Buyer)/Rect[20 20 140 60]/P 3 0 R>>' },
    })
    const ran = await yinxin(['pades', 'sign', file('form.pdf', form), out, ...issued(), '--field', 'Buyer'])
    expect(ran.code, ran.stderr).toBe(0)
    expect(verifyPdf(readFileSync(out)).signatures).toMatchObject([{ fieldName: 'Buyer', pages: [0] }])
  })

  it('rewrites a file before its first signature when told to, and never after', async () => {
    expect((await signIt(...issued(), '--normalize')).code).toBe(0)
    expect(verifyPdf(readFileSync(out))).toMatchObject({ ok: true, revisions: 2, repaired: false })
    const again = await yinxin(['pades', 'sign', out, join(folder, 'never.pdf'), ...issued(), '--normalize'])
    expect(again.code).toBe(2)
    expect(existsSync(join(folder, 'never.pdf'))).toBe(false)
  })

  it('inspects', async () => {
    const ran = await yinxin(['pades', 'inspect', plain, '--json'])
    expect(JSON.parse(ran.stdout)).toMatchObject({ ok: true, pageCount: 1, signatures: 0 })
    expect((await yinxin(['pades', 'inspect', plain])).stdout).toContain('页数')
    expect(await yinxin(['pades', 'inspect', file('no.pdf', 'x'), '--json'])).toMatchObject({ code: 2 })
  })

  it('accepts a certificate made by openssl as it is', async (context) => {
    const key = join(folder, 'openssl.key')
    const cert = join(folder, 'openssl.pem')
    try {
      execFileSync(
        'openssl',
        [
          'req',
          '-x509',
          '-newkey',
          'rsa:2048',
          '-nodes',
          '-keyout',
          key,
          '-out',
          cert,
          '-days',
          '9',
          '-subj',
          '/CN=Anybody',
        ],
        { stdio: 'ignore' },
      )
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
      if (process.env.CI === 'true') throw new Error('openssl is missing')
      console.warn('SKIPPED: openssl is not installed')
      return context.skip()
    }
    expect((await signIt('--key', key, '--cert', cert)).code).toBe(0)
    expect((await yinxin(['pades', 'verify', out, '--trust', cert])).code).toBe(0)
  })
})

/** A red picture of 4 × 2 pixels. */
function redPng(): Uint8Array {
  const chunk = (type: string, data: Uint8Array) => {
    const length = Buffer.alloc(4)
    length.writeUInt32BE(data.length)
    return Buffer.concat([length, Buffer.from(type, 'latin1'), data, Buffer.alloc(4)])
  }
  const head = Buffer.from([0, 0, 0, 4, 0, 0, 0, 2, 8, 2, 0, 0, 0])
  const row = Buffer.from([0, ...Array.from({ length: 4 }, () => [200, 0, 0]).flat()])
  return Buffer.concat([
    Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]),
    chunk('IHDR', head),
    chunk('IDAT', deflateSync(Buffer.concat([row, row]))),
    chunk('IEND', Buffer.alloc(0)),
  ])
}
