/** The same demands on every signer, wherever its key lives: in memory, on a token, with a remote service. */
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type AsyncSigner, digestForSigning, generateSigner, type Signer, toPem } from '@yinxin/pki'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { finishSignature, prepareSignature, signPdf, signPrepared, verifyPdf } from '../../pades/src/pades.ts'
import { samplePdf } from '../../pades/test-files.ts'
import { hasJudge, type JudgeContext, run, withFile } from '../../pades/test-judges.ts'
import { startCscStage } from '../testing/csc-stage.ts'
import { makeKeyPair, rawSession } from '../testing/softhsm-keys.ts'
import { startSoftHsm } from '../testing/softhsm.ts'
import { cscSigner, openPkcs11, type Pkcs11Token, pkcs11Signer, type RemoteAlgorithm } from './signers.ts'

const hsm = startSoftHsm()
const place = { module: hsm?.module ?? '', tokenLabel: 'conformance', pin: '12345678' }
let stage: Awaited<ReturnType<typeof startCscStage>>
let token: Pkcs11Token | undefined
beforeAll(async () => {
  stage = await startCscStage()
  if (hsm === undefined) return
  hsm.newToken(place.tokenLabel, place.pin)
  token = await openPkcs11(place)
  const raw = rawSession(place.module, place.tokenLabel, place.pin)
  for (const [at, type] of (['rsa', 'p256', 'p384', 'ed25519'] as const).entries())
    makeKeyPair(raw, type, { label: type, id: `1${at}` })
})
afterAll(async () => {
  token?.close()
  hsm?.remove()
  await stage.server.close()
})

const keyNames: Record<RemoteAlgorithm, string> = {
  'rsa-pkcs1-sha256': 'rsa',
  'rsa-pss-sha256': 'rsa',
  'ecdsa-p256-sha256': 'p256',
  'ecdsa-p384-sha384': 'p384',
  ed25519: 'ed25519',
}

interface Held {
  signer: Signer | AsyncSigner
  certificates: readonly Uint8Array[]
}
type Opener = (algorithm: RemoteAlgorithm) => Promise<Held>

const kinds: Record<string, { without: RemoteAlgorithm[]; missing?: boolean; open: Opener }> = {
  'in memory': {
    without: [],
    open: async (algorithm) => {
      const { signer } = generateSigner(algorithm)
      return { signer, certificates: stage.pki.certify(signer, '内存') }
    },
  },
  'on a PKCS#11 token': {
    without: [],
    missing: hsm === undefined,
    open: async (algorithm) => {
      const signer = pkcs11Signer(token as Pkcs11Token, { label: keyNames[algorithm], algorithm })
      return { signer, certificates: stage.pki.certify(signer, '令牌') }
    },
  },
  'with a CSC service': {
    // A service gets hashes, and Ed25519 signs none.
    without: ['ed25519'],
    open: async (algorithm) => {
      const signer = await cscSigner({
        client: stage.client,
        credentialId: keyNames[algorithm],
        algorithm,
        authenticate: async ({ objects, credentialId, challenge }) => {
          for (const { id } of objects) if (id === 'OTP') await challenge(id)
          return objects.map(({ id }) => ({
            id,
            value: id === 'PIN' ? '123456' : (stage.server.otps.get(credentialId) ?? ''),
          }))
        },
        wait: stage.wait,
        at: new Date(),
      })
      return { signer, certificates: signer.certificates }
    },
  },
}

/** pdfsig, and openssl over the bytes the signature covers; pyHanko for Ed25519, which neither of them does in a CMS. */
function judge(context: JudgeContext, signed: Uint8Array, algorithm: RemoteAlgorithm): void {
  withFile(signed, (path, folder) => {
    const root = join(folder, 'root.pem')
    writeFileSync(root, toPem(stage.pki.root, 'CERTIFICATE'))
    if (algorithm === 'ed25519') {
      if (!hasJudge(context, 'pyhanko')) return
      const options = ['--pretty-print', '--no-revocation-check', '--trust-replace', '--trust', root]
      expect(run('pyhanko', ['sign', 'validate', ...options, path]).text).toContain(
        'The signature is judged VALID',
      )
      return
    }
    if (hasJudge(context, 'pdfsig', ['-v']))
      expect(run('pdfsig', [path]).text).toContain('Signature is Valid')
    if (!hasJudge(context, 'openssl', ['version'])) return
    const [, first = 0, second = 0, length = 0] = verifyPdf(signed).signatures[0]?.byteRange ?? []
    const file = (name: string, content: Uint8Array | string) => {
      writeFileSync(join(folder, name), content)
      return join(folder, name)
    }
    const hex = Buffer.from(signed.subarray(first + 1, second - 1)).toString('latin1')
    const { text } = run('openssl', [
      ...['cms', '-verify', '-cades', '-binary', '-inform', 'DER', '-purpose', 'any', '-out', '/dev/null'],
      ...['-in', file('cms.der', Buffer.from(hex, 'hex'))],
      ...[
        '-content',
        file(
          'covered.bin',
          Buffer.concat([signed.subarray(0, first), signed.subarray(second, second + length)]),
        ),
      ],
      ...['-CAfile', root],
    ])
    expect(text).toMatch(/verification successful/i)
  })
}

for (const [kind, { without, missing, open }] of Object.entries(kinds)) {
  describe.skipIf(missing === true)(`a signer whose key is ${kind}`, () => {
    for (const algorithm of Object.keys(keyNames) as RemoteAlgorithm[]) {
      if (without.includes(algorithm)) {
        it(`refuses ${algorithm} by name`, async () => {
          await expect(open(algorithm)).rejects.toMatchObject({
            code: expect.stringMatching(/^(algorithm_unsupported|credential_unknown)$/),
          })
        })
        continue
      }
      it(`signs a PDF with ${algorithm}, at once and in two phases, and the judges agree`, async (context) => {
        const { signer, certificates } = await open(algorithm)
        expect(signer.algorithm).toBe(algorithm)
        const pdf = samplePdf()
        const options = { placements: [], signingTime: new Date(), reason: '同意' }
        const signed = await signPdf(pdf, { ...options, signer, certificates })
        judge(context, signed, algorithm)
        // Between its phases the work is plain data.
        const prepared = prepareSignature(pdf, { ...options, digestAlgorithm: digestForSigning(algorithm) })
        const stored = JSON.stringify({
          ...prepared,
          delta: base64(prepared.delta),
          digest: base64(prepared.digest),
        })
        const back = JSON.parse(stored) as Record<string, string>
        const revived = {
          ...(JSON.parse(stored) as typeof prepared),
          delta: bytes(back.delta),
          digest: bytes(back.digest),
        }
        const delta = finishSignature(revived, await signPrepared(revived, { signer, certificates }))
        const twoPhase = Buffer.concat([pdf, delta])
        expect(verifyPdf(twoPhase).signatures).toMatchObject([{ status: 'valid', coversWholeDocument: true }])
        judge(context, twoPhase, algorithm)
      })
    }
  })
}

const base64 = (given: Uint8Array) => Buffer.from(given).toString('base64')
const bytes = (given: string | undefined) => new Uint8Array(Buffer.from(given ?? '', 'base64'))

describe.skipIf(hsm === undefined)('a signature prepared here', () => {
  it('is made by another process that holds the token, and finished here', (context) => {
    const chain = stage.pki.certify(pkcs11Signer(token as Pkcs11Token, { label: 'p256' }), '另一进程')
    const pdf = samplePdf()
    const prepared = prepareSignature(pdf, { placements: [], signingTime: new Date() })
    const child = spawnSync(process.execPath, [join(import.meta.dirname, '../testing/sign-child.ts')], {
      input: JSON.stringify({
        ...place,
        label: 'p256',
        digest: base64(prepared.digest),
        digestAlgorithm: prepared.digestAlgorithm,
        chain: chain.map(base64),
      }),
      env: { ...process.env, ...hsm?.env },
      encoding: 'utf8',
    })
    expect(child.stderr).toBe('')
    const signed = Buffer.concat([pdf, finishSignature(prepared, bytes(child.stdout))])
    expect(verifyPdf(signed).signatures).toMatchObject([{ status: 'valid', signer: '另一进程' }])
    judge(context, signed, 'ecdsa-p256-sha256')
  })
})
