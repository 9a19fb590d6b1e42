import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { verifyPdf } from '@yinxin/pades'
import { parseCertificate, toPem } from '@yinxin/pki'
import { openPkcs11, pkcs11Signer } from '@yinxin/signers'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { samplePdf } from '../../../packages/pades/test-files.ts'
import { hasJudge, run } from '../../../packages/pades/test-judges.ts'
import { createTestPki } from '../../../packages/pades/test-pki.ts'
import { account, startCscStage } from '../../../packages/signers/testing/csc-stage.ts'
import { startSoftHsm } from '../../../packages/signers/testing/softhsm.ts'
import { makeKeyPair, putCertificate, rawSession } from '../../../packages/signers/testing/softhsm-keys.ts'
import { yinxin } from '../../../testing/children/run-command.ts'
import { openIdentity } from './pades-signer.ts'

const folder = mkdtempSync(join(tmpdir(), 'yinxin-signer-cli-'))
const hsm = startSoftHsm()
function file(name: string, content: Uint8Array | string): string {
  const path = join(folder, name)
  writeFileSync(path, content)
  return path
}
const plain = file('plain.pdf', samplePdf())
const out = join(folder, 'signed.pdf')
const json = (ran: { stdout: string }) => JSON.parse(ran.stdout) as Record<string, never>
afterAll(() => {
  hsm?.remove()
  rmSync(folder, { recursive: true, force: true })
})

describe.skipIf(hsm === undefined)('yinxin pades sign with a PKCS#11 token', () => {
  const env = { ...hsm?.env, YINXIN_PKCS11_PIN: '12345678' }
  const signIt = (environment: Record<string, string>, ...more: string[]) =>
    yinxin(
      ['pades', 'sign', plain, out, '--pkcs11', hsm?.module ?? '', '--token', 'cli', ...more],
      environment,
    )
  let bare = ''

  beforeAll(async () => {
    hsm?.newToken('cli', '12345678')
    const pki = createTestPki(new Date())
    const raw = rawSession(hsm?.module ?? '', 'cli', '12345678')
    makeKeyPair(raw, 'p256', { label: 'seal', id: 'a1' })
    makeKeyPair(raw, 'rsa', { label: 'bare', id: 'a2' })
    const token = await openPkcs11({ module: hsm?.module ?? '', tokenLabel: 'cli', pin: '12345678' })
    const leaf = parseCertificate(
      pki.certify(pkcs11Signer(token, { label: 'seal' }), '北京印信')[0] as Uint8Array,
    )
    putCertificate(raw, leaf.der, leaf.subjectDer, { label: 'seal', id: 'a1' })
    const chain = pki.certify(pkcs11Signer(token, { label: 'bare' }), '外部证书')
    bare = file('bare.pem', chain.map((der) => toPem(der, 'CERTIFICATE')).join(''))
    token.close()
  })

  it('takes key and certificate from the token', async (context) => {
    const ran = await signIt(env, '--key-label', 'seal', '--rect', '20,20,160,60')
    expect(ran.code, ran.stderr).toBe(0)
    expect(ran.stderr).toContain('模拟器（SoftHSM）')
    expect(verifyPdf(readFileSync(out)).signatures).toMatchObject([{ status: 'valid', signer: '北京印信' }])
    if (hasJudge(context, 'pdfsig', ['-v'])) expect(run('pdfsig', [out]).text).toContain('Signature is Valid')
  })

  it('takes the certificate from a file where the token has none, and the PIN from a file', async () => {
    const pin = file('pin', '12345678\n')
    const ran = await signIt(hsm?.env ?? {}, '--key-id', 'A2', '--cert', bare, '--pin-file', pin, '--json')
    expect(ran.code, ran.stderr).toBe(0)
    expect(json(ran)).toMatchObject({
      ok: true,
      level: 'B-B',
      signer: { kind: 'pkcs11', token: { label: 'cli' }, key: { label: 'bare', id: 'a2' }, simulator: true },
    })
    expect(ran.stdout + ran.stderr).not.toContain('12345678')
    expect(verifyPdf(readFileSync(out)).signatures).toMatchObject([{ status: 'valid', signer: '外部证书' }])
  })

  it('names what is wrong, with exit code 2, and wrong usage with 64', async () => {
    const wrongPin = await signIt({ ...env, YINXIN_PKCS11_PIN: '0000' }, '--key-label', 'seal', '--json')
    expect([wrongPin.code, json(wrongPin)]).toMatchObject([2, { ok: false, error: { code: 'pin_wrong' } }])
    const noKey = await signIt(env, '--key-label', 'nothing')
    expect([noKey.code, noKey.stderr]).toEqual([2, expect.stringContaining('令牌中没有这把密钥')])
    const noModule = await yinxin(
      ['pades', 'sign', plain, out, '--pkcs11', '/no.so', '--token', 'x', '--key-label', 'y', '--lang', 'en'],
      env,
    )
    expect([noModule.code, noModule.stderr]).toEqual([2, expect.stringContaining('module cannot be loaded')])
    const usage = await signIt(hsm?.env ?? {}, '--key-label', 'seal')
    expect([usage.code, usage.stderr]).toEqual([64, expect.stringContaining('YINXIN_PKCS11_PIN')])
    const noCertificate = await signIt(env, '--key-label', 'bare')
    expect([noCertificate.code, noCertificate.stderr]).toEqual([
      64,
      expect.stringContaining('没有这把密钥的证书'),
    ])
  })
})

describe('the options that say whose key signs', () => {
  it('are refused where they contradict or miss each other', async () => {
    for (const [said, values] of [
      ['三者之一', {}],
      ['三者之一', { pkcs11: '/m.so', csc: 'https://x' }],
      ['--credential 不能与 --pkcs11 同用', { pkcs11: '/m.so', credential: 'x' }],
      ['--cert 不能与 --csc 同用', { csc: 'https://x', cert: 'x' }],
      ['需要 --token', { pkcs11: '/m.so', 'key-label': 'x' }],
      ['--slot 须为数字', { pkcs11: '/m.so', slot: 'first', 'key-label': 'x' }],
      ['需要 --key-label', { pkcs11: '/m.so', token: 'x' }],
      ['--key-id 须为十六进制', { pkcs11: '/m.so', token: 'x', 'key-id': 'abc' }],
      ['需要 --credential', { csc: 'https://x' }],
      ['YINXIN_CSC_TOKEN', { csc: 'https://x', credential: 'x' }],
      ['--pin-file', { pkcs11: '/m.so', token: 'x', 'key-label': 'x', 'pin-file': '/no/file' }],
    ] as const)
      await expect(openIdentity(values, 'zh')).rejects.toMatchObject({
        name: 'UsageError',
        message: expect.stringContaining(said),
      })
  })
})

describe('yinxin pades sign with a CSC service', () => {
  let stage: Awaited<ReturnType<typeof startCscStage>>
  beforeAll(async () => {
    stage = await startCscStage()
  })
  afterAll(async () => {
    await stage.server.close()
  })
  const signIt = (credential: string, environment: Record<string, string>, ...more: string[]) =>
    yinxin(
      ['pades', 'sign', plain, out, '--csc', stage.server.url, '--credential', credential, ...more],
      environment,
    )
  const secrets = { YINXIN_CSC_SECRET: account.clientSecret, YINXIN_CSC_PIN: '123456' }
  const client = ['--csc-client', account.clientId]

  it('signs with a PIN, and says that a simulator answered', async (context) => {
    const ran = await signIt('rsa', secrets, ...client, '--json')
    expect(ran.code, ran.stderr).toBe(0)
    expect(json(ran)).toMatchObject({
      ok: true,
      signer: {
        kind: 'csc',
        credential: 'rsa',
        simulator: true,
        service: expect.stringContaining('simulator'),
      },
    })
    expect(verifyPdf(readFileSync(out)).signatures).toMatchObject([{ status: 'valid', signer: 'CSC rsa' }])
    if (hasJudge(context, 'pdfsig', ['-v'])) expect(run('pdfsig', [out]).text).toContain('Signature is Valid')
    const plainly = await signIt('loose', secrets, ...client)
    expect(plainly.stderr).toContain('⚠ 密钥由模拟器')
  })

  it('reads the one-time code after it was sent', async () => {
    const pipe = join(folder, 'otp')
    expect(spawnSync('mkfifo', [pipe]).status).toBe(0)
    const ran = signIt('p256', secrets, ...client, '--otp-file', pipe)
    // Opening the pipe waits for the command to read it, which it does when the code has been sent.
    const { open } = await import('node:fs/promises')
    const handle = await open(pipe, 'w')
    const code = stage.server.otps.get('p256') ?? ''
    expect(code).toMatch(/^\d{6}$/)
    await writeFile(handle, `${code}\n`)
    await handle.close()
    const { code: exit, stderr } = await ran
    expect(exit, stderr).toBe(0)
    expect(verifyPdf(readFileSync(out)).signatures).toMatchObject([{ status: 'valid', signer: 'CSC p256' }])
  })

  it('takes a ready token, and names refusals', async () => {
    const { accessToken } = await stage.oauth.byClientCredentials(account)
    const token = file('token', accessToken)
    expect((await signIt('p384', {}, '--csc-token-file', token)).code).toBe(0)
    const cases = [
      ['authorization_refused', 'rsa', { ...secrets, YINXIN_CSC_PIN: '999999' }],
      ['otp_wrong', 'p256', { ...secrets, YINXIN_CSC_OTP: '000000' }],
      ['credential_unknown', 'nobody', secrets],
      ['credential_unusable', 'disabled', secrets],
      ['invalid_request', 'rsa', { ...secrets, YINXIN_CSC_SECRET: 'guess' }],
    ] as const
    for (const [code, credential, environment] of cases) {
      const ran = await signIt(credential, environment, ...client, '--json')
      expect([ran.code, json(ran)]).toMatchObject([2, { ok: false, error: { code } }])
    }
    const ran = await signIt('rsa', { YINXIN_CSC_SECRET: account.clientSecret }, ...client)
    expect([ran.code, ran.stderr]).toEqual([64, expect.stringContaining('YINXIN_CSC_PIN')])
  })
})
