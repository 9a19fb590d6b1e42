/** What the writing subcommands of `yinxin pades` refuse, and how they write. */
import { once } from 'node:events'
import {
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { createServer, type Server } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { signPdf, verifyPdf } from '@yinxin/pades'
import {
  buildTimestampResponse,
  generateSigner,
  issueCertificate,
  issueTimestampToken,
  parseCertificate,
  parseTimestampRequest,
  toPem,
} from '@yinxin/pki'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { samplePdf } from '../../../packages/pades/test-files.ts'
import { writeLarge } from '../../../packages/pades/test-large.ts'
import { createTestPki } from '../../../packages/pades/test-pki.ts'
import { yinxin } from '../../../testing/children/run-command.ts'

const folder = mkdtempSync(join(tmpdir(), 'yinxin-pades-writing-'))
const now = new Date()
const day = (count: number) => new Date(now.getTime() + count * 86_400_000)
const pki = createTestPki(now)
const tsa = pki.issue('ecdsa-p256-sha256', 'Test TSA', 'timestamping')
let server: Server
let tsaUrl = ''
beforeAll(async () => {
  server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const { messageImprint, nonce } = parseTimestampRequest(Buffer.concat(chunks))
    const fields = {
      messageImprint,
      serial: Uint8Array.of(7),
      genTime: new Date(),
      policyOid: '1.3.6.1.4.1.99999.1',
    }
    const [own = pki.root, ...above] = tsa.certificates
    const token = issueTimestampToken({ ...fields, ...(nonce ? { nonce } : {}) }, tsa.signer, own, above)
    response.writeHead(200, { 'content-type': 'application/timestamp-reply' })
    response.end(buildTimestampResponse({ token }))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  tsaUrl = `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}/`
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

/** Options that name a key of the test authority, and the serial number of its certificate. */
function identity(name: string): { options: string[]; serial: Uint8Array } {
  const { signer, privateKey } = generateSigner('ecdsa-p256-sha256')
  const chain = pki.certify(signer, name)
  const key = file(`${name}.key`, privateKey.export({ type: 'pkcs8', format: 'pem' }).toString())
  const cert = file(`${name}.pem`, chain.map((der) => toPem(der, 'CERTIFICATE')).join(''))
  const serial = Buffer.from(parseCertificate(chain[0] as Uint8Array).serialHex, 'hex')
  return { options: ['--key', key, '--cert', cert], serial }
}

/** Options that name a key with a certificate of its own, valid between two days. */
function selfSigned(name: string, from: Date, to: Date): string[] {
  const { signer, privateKey } = generateSigner('ecdsa-p256-sha256')
  const certificate = issueCertificate(
    {
      subject: { CN: name },
      spki: signer.spki,
      serial: Uint8Array.of(5),
      notBefore: from,
      notAfter: to,
      issuer: 'self',
      profile: 'root-ca',
    },
    signer,
  )
  const key = file(`${name}.key`, privateKey.export({ type: 'pkcs8', format: 'pem' }).toString())
  return ['--key', key, '--cert', file(`${name}.pem`, toPem(certificate, 'CERTIFICATE'))]
}

/** Makes a process say what memory it took at most. */
const PEAK = "process.on('exit', () => console.error('PEAK', process.resourceUsage().maxRSS))"
const plain = file('plain.pdf', samplePdf())
const out = join(folder, 'out.pdf')
const parsed = (ran: { stdout: string }) => JSON.parse(ran.stdout) as Record<string, unknown>

describe('yinxin pades writes', () => {
  it('a signature, its data and its timestamp on a file that is too large to hold', async () => {
    const large = join(folder, 'large.pdf')
    const handle = openSync(large, 'w')
    writeLarge(handle, 300)
    closeSync(handle)
    const crl = file('root.crl', pki.crl(now))
    const long = ['--level', 'B-LTA', '--tsa', tsaUrl, '--crl', crl]
    const ran = await yinxin(['pades', 'sign', large, out, ...identity('large').options, ...long], {
      NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(PEAK)}`,
    })
    expect(ran.code, ran.stderr).toBe(0)
    const [, peakKb] = /PEAK (\d+)/.exec(ran.stderr) ?? []
    expect(Number(peakKb) / 1024, 'MB at most').toBeLessThan(250)
    const trust = file('root.pem', toPem(pki.root, 'CERTIFICATE'))
    const judged = await yinxin(['pades', 'verify', out, '--trust', trust, '--report', 'simple'])
    expect(judged.stdout).toContain('TOTAL_PASSED · B-LTA')
    expect(judged.code).toBe(0)
    rmSync(large)
    rmSync(out)
  }, 60_000)

  it('a signature on a large file whose cross-reference is broken, by mending it in memory', async () => {
    const broken = join(folder, 'broken.pdf')
    const handle = openSync(broken, 'w')
    writeLarge(handle, 66)
    closeSync(handle)
    const bytes = readFileSync(broken)
    bytes.write('startxref\n7\n', bytes.lastIndexOf('startxref'), 'latin1')
    writeFileSync(broken, bytes)
    const ran = await yinxin(['pades', 'sign', broken, out, ...identity('broken').options])
    expect(ran.code, ran.stderr).toBe(0)
    const [signature] = verifyPdf(readFileSync(out)).signatures
    expect(signature?.status).toBe('valid')
    rmSync(broken)
    rmSync(out)
  }, 60_000)

  it('onto the file itself by appending to it', async () => {
    const path = file('own.pdf', samplePdf())
    const { ino } = statSync(path)
    const { options } = identity('own')
    expect((await yinxin(['pades', 'sign', path, path, ...options])).code).toBe(0)
    expect((await yinxin(['pades', 'timestamp', path, path, '--tsa', tsaUrl])).code).toBe(0)
    const written = readFileSync(path)
    expect(statSync(path).ino).toBe(ino)
    expect(Buffer.compare(written.subarray(0, samplePdf().length), samplePdf())).toBe(0)
    const { signatures, documentTimestamps } = verifyPdf(written)
    expect([signatures.length, documentTimestamps.length]).toEqual([1, 1])
  })

  it('JSON on demand, for extend, timestamp and renew too', async () => {
    const crl = ['--crl', file('json.crl', pki.crl(now))]
    const signed = join(folder, 'signed.pdf')
    await yinxin(['pades', 'sign', plain, signed, ...identity('json').options, '--tsa', tsaUrl])
    const stamp = ['--tsa', tsaUrl, '--json']
    const extended = await yinxin(['pades', 'extend', signed, out, ...crl, ...stamp])
    expect(parsed(extended)).toEqual({ ok: true, output: out, level: 'B-LTA' })
    expect(parsed(await yinxin(['pades', 'renew', out, out, ...crl, ...stamp]))).toMatchObject({ ok: true })
    expect(parsed(await yinxin(['pades', 'timestamp', out, out, ...stamp]))).toEqual({
      ok: true,
      output: out,
    })
    const refused = await yinxin(['pades', 'extend', plain, out, ...crl, ...stamp])
    expect(refused.code).toBe(2)
    expect(parsed(refused)).toMatchObject({ ok: false, error: { code: 'nothing_to_extend' } })
    const missing = await yinxin(['pades', 'timestamp', join(folder, 'no.pdf'), out, ...stamp])
    expect(missing.code).toBe(2)
    expect(parsed(missing)).toMatchObject({ ok: false, error: { code: 'file_unreadable' } })
    const silent = await yinxin(['pades', 'timestamp', plain, out, '--tsa', 'http://127.0.0.1:9/', '--json'])
    expect(silent.code).toBe(2)
    const { error } = parsed(silent) as { error: { code: string; message: string } }
    expect(error.code).toBe('timestamp_unavailable')
    expect(error.message).not.toContain('✗')
  })

  it('no signature with a certificate that is not valid now, or that is revoked', async () => {
    rmSync(out, { force: true })
    const sign = (...options: string[]) => yinxin(['pades', 'sign', plain, out, ...options, '--json'])
    const expired = await sign(...selfSigned('expired', day(-9), day(-2)))
    expect(expired.code).toBe(2)
    expect(parsed(expired)).toMatchObject({ error: { code: 'certificate_expired' } })
    const early = await sign(...selfSigned('early', day(2), day(9)))
    expect(parsed(early)).toMatchObject({ error: { code: 'certificate_not_yet_valid' } })
    const { options, serial } = identity('revoked')
    const crl = file('revoked.crl', pki.crl(now, [{ serial, at: day(-1) }]))
    const revoked = await sign(...options, '--level', 'B-LT', '--tsa', tsaUrl, '--crl', crl)
    expect(revoked.code).toBe(2)
    expect(parsed(revoked)).toMatchObject({ error: { code: 'certificate_revoked' } })
    expect(existsSync(out)).toBe(false)
  })
})

describe('yinxin pades verify', () => {
  it('names the fields that wait for a signature', async () => {
    const form = samplePdf({
      catalog: '/AcroForm<</Fields[12 0 R]>>',
      extra: { 12: '<</FT/Sig/T(Buyer)/Subtype/Widget/Rect[0 0 0 0]>>' },
    })
    const signed = file(
      'waiting.pdf',
      await signPdf(form, { ...pki.p256, placements: [], signingTime: now, fieldName: 'Seller' }),
    )
    const ran = await yinxin(['pades', 'verify', signed])
    expect(ran.stdout).toContain('Buyer')
    expect(ran.stdout).toContain('待签')
    const json = parsed(await yinxin(['pades', 'verify', signed, '--json']))
    expect(json.unsignedFields).toEqual(['Buyer'])
  })

  it('says in the simple report that a timestamp is over something else', async () => {
    const elsewhere = (digest: Uint8Array, algorithm: 'sha256' | 'sha384' | 'sha512') =>
      pki.timestamp(new Uint8Array(digest.length), algorithm as never)
    const signed = await signPdf(samplePdf(), {
      ...pki.p256,
      placements: [],
      signingTime: now,
      timestamp: elsewhere as never,
    })
    const path = file('elsewhere.pdf', signed)
    const trust = ['--trust', file('anchor.pem', toPem(pki.root, 'CERTIFICATE'))]
    const report = async (lang: string) =>
      (await yinxin(['pades', 'verify', path, ...trust, '--report', 'simple', '--lang', lang])).stdout
    expect(await report('zh')).toContain('时间戳不是为它加盖的')
    expect(await report('en')).toContain('was made for something else')
  })

  it('counts document timestamps among what may be bad', async () => {
    const foreign = createTestPki(now)
    const stamped = await signPdf(samplePdf(), { ...pki.p256, placements: [], signingTime: now })
    const { timestampPdf } = await import('@yinxin/pades')
    const path = file('foreign.pdf', await timestampPdf(stamped, { timestamp: foreign.timestamp }))
    const trust = ['--trust', file('own-root.pem', toPem(pki.root, 'CERTIFICATE'))]
    const ran = await yinxin(['pades', 'verify', path, ...trust, '--lang', 'en'])
    expect(ran.code).toBe(1)
    expect(ran.stdout).toContain('1 of 2 signatures and timestamps')
  })
})
