/** What `npm run demo` leaves behind, judged by everybody who is not us. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { readZip } from '@yinxin/evidence'
import { verifyPdf } from '@yinxin/pades'
import { parsePem } from '@yinxin/pki'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { yinxin } from '../children/run-command.ts'
import { isPresent, run, type SignatureFiles, takeApart } from './judges.ts'

const folder = mkdtempSync(join(tmpdir(), 'yinxin-demo-test-'))
const out = join(folder, 'out')
const signed = join(out, 'signed.pdf')
const root = join(out, 'root.pem')

/** Entered by its owner alone: as root the database then has to stand elsewhere, and must go all the same. */
const temporary = join(folder, 'tmp')

function clustersOutside(): string[] {
  const place = '/var/lib/yinxin'
  if (!existsSync(place)) return []
  return readdirSync(place).filter((name) => {
    const owner = join(place, name, 'belongs-to')
    return existsSync(owner) && readFileSync(owner, 'utf8').startsWith(folder)
  })
}

let ran: Awaited<ReturnType<typeof yinxin>>
let tookMs = 0
let parts: SignatureFiles[]
/** Intermediate certificates and revocation lists, as the evidence package carries them. */
let chain = ''
const crls: string[] = []

beforeAll(async () => {
  mkdirSync(temporary, { mode: 0o700 })
  const fromMs = performance.now()
  ran = await yinxin(['demo', '--out', out, '--lang', 'en'], { TMPDIR: temporary })
  tookMs = performance.now() - fromMs
  if (ran.code !== 0) return
  const pieces = mkdtempSync(join(folder, 'pieces-'))
  parts = takeApart(readFileSync(signed), pieces)
  const pems: string[] = []
  for (const { name, content } of readZip(readFileSync(join(out, 'evidence.zip'))).entries) {
    if (name.startsWith('certificates/')) pems.push(Buffer.from(content).toString('utf8'))
    if (!name.startsWith('crl/')) continue
    const path = join(pieces, `${crls.length}.crl`)
    writeFileSync(path, content)
    crls.push(path)
  }
  chain = join(pieces, 'chain.pem')
  writeFileSync(chain, pems.join('\n'))
}, 180_000)

afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe('npm run demo', () => {
  it('verifies everything itself, within two minutes, and leaves six files and nothing else', () => {
    expect(ran.code, ran.stdout + ran.stderr).toBe(0)
    expect(ran.stderr).toBe('')
    expect(ran.stdout).toContain('All verified')
    expect(tookMs).toBeLessThan(120_000)
    expect(readdirSync(out).sort()).toEqual([
      'contract.pdf',
      'evidence.zip',
      'log.vkey',
      'root.pem',
      'signed.pdf',
      'summary.json',
    ])
    const summary = JSON.parse(readFileSync(join(out, 'summary.json'), 'utf8'))
    expect(summary).toMatchObject({
      ok: true,
      trust: 'root.pem',
      logKey: 'log.vkey',
      checks: { library: true, verify: true, evidenceVerify: true },
    })
    expect(readdirSync(temporary)).toEqual([])
    expect(clustersOutside()).toEqual([])
  })

  it('signs what was uploaded: the contract is the beginning of the signed file', () => {
    const contract = readFileSync(join(out, 'contract.pdf'))
    expect(readFileSync(signed).subarray(0, contract.length).equals(contract)).toBe(true)
    const report = verifyPdf(readFileSync(signed), { trust: parsePem(readFileSync(root, 'utf8')) })
    expect(report.signatures.map(({ level, trusted }) => [level, trusted])).toEqual([
      ['B-T', true],
      ['B-T', true],
    ])
  })

  it('pdfsig finds each signature valid and the last one over the total document', (context) => {
    if (!isPresent(context, 'pdfsig', ['-v'])) return
    const { text } = run('pdfsig', ['-nocert', signed])
    expect(text.match(/Signature is Valid/g)).toHaveLength(2)
    const last = text.slice(text.lastIndexOf('Signature #2'))
    expect(last).toContain('Total document signed')
  })

  it('mutool finds each digest good', (context) => {
    if (!isPresent(context, 'mutool', ['-v'])) return
    const { text } = run('mutool', ['sign', '-v', signed])
    expect(text.match(/Verifying signature/g)).toHaveLength(2)
    // Its line on the certificate fails for any root it does not ship with.
    expect(text.match(/The signature is valid but there have been edits since signing/g)).toHaveLength(1)
    expect(text.match(/The document is unchanged since signing/g)).toHaveLength(1)
    expect(text).not.toMatch(/Digest error|invalid/i)
  })

  it('qpdf finds no fault in the file', (context) => {
    if (!isPresent(context, 'qpdf', ['--version'])) return
    for (const path of [signed, join(out, 'contract.pdf')]) {
      const { status, text } = run('qpdf', ['--check', path])
      expect(status, text).toBe(0)
      expect(text).toContain('No syntax or stream encoding errors found')
    }
  })

  it('openssl verifies each signature over its bytes and up to the root', (context) => {
    if (!isPresent(context, 'openssl', ['version'])) return
    for (const { cms, covered } of parts) {
      const args = ['cms', '-verify', '-binary', '-inform', 'DER', '-in', cms, '-content', covered]
      const verdict = run('openssl', [
        ...args,
        '-CAfile',
        root,
        '-purpose',
        'any',
        '-out',
        join(folder, 'out.bin'),
      ])
      expect(verdict.text).toContain('Verification successful')
      expect(verdict.status).toBe(0)
      const other = join(folder, 'other.bin')
      writeFileSync(other, Buffer.concat([readFileSync(covered), Buffer.from(' ')]))
      const tampered = args.map((arg) => (arg === covered ? other : arg))
      expect(
        run('openssl', [...tampered, '-CAfile', root, '-purpose', 'any', '-out', '/dev/null']).status,
      ).not.toBe(0)
    }
  })

  it('openssl verifies each timestamp over its signature value and up to the root', (context) => {
    if (!isPresent(context, 'openssl', ['version'])) return
    for (const { token, value, report } of parts) {
      const args = ['ts', '-verify', '-token_in', '-in', token, '-data', value]
      const verdict = run('openssl', [...args, '-CAfile', root, '-untrusted', chain])
      expect(verdict.text).toContain('Verification: OK')
      expect(verdict.status).toBe(0)
      expect(report.timestamp).not.toBeNull()
    }
  })

  it('pyHanko trusts each signature and timestamp by our root and our revocation list, fetching nothing', (context) => {
    if (!isPresent(context, 'python3', ['-c', 'import pyhanko'])) return
    const judge = join(import.meta.dirname, 'pyhanko_judge.py')
    expect(crls.length).toBeGreaterThan(0)
    const { status, text } = run('python3', [judge, signed, root, ...crls])
    expect(status, text).toBe(0)
    expect(JSON.parse(text.split('\n')[0] ?? '')).toMatchObject([
      { good: true, trusted: true, timestamped: true, changes: 'FORM_FILLING' },
      { good: true, trusted: true, timestamped: true, coverage: 'ENTIRE_FILE', changes: 'NONE' },
    ])
  })

  it('yinxin verify notices one changed byte of the contract, and evidence verify names the entry', async () => {
    const changed = readFileSync(signed)
    changed[5000] = changed[5000]! ^ 1
    const path = join(folder, 'changed.pdf')
    writeFileSync(path, changed)
    expect((await yinxin(['verify', path, '--trust', root])).code).toBe(1)
    const zip = readFileSync(join(out, 'evidence.zip'))
    // Entries are stored as they are, so the contract lies open in the archive.
    const at = zip.indexOf('%PDF-', 0, 'latin1') + 5000
    zip[at] = zip[at]! ^ 1
    const zipPath = join(folder, 'changed.zip')
    writeFileSync(zipPath, zip)
    const verdict = await yinxin(['evidence', 'verify', zipPath, '--trust', root, '--json'])
    expect(verdict.code).toBe(1)
    expect(JSON.parse(verdict.stdout).problems[0].entry).toBe('documents/1-技术服务合同.pdf')
  })
})
