/** Another signing library on the same file, by turns in the same run. */

import { KeyObject, webcrypto } from 'node:crypto'
import { CryptoKeySigner, PDF } from '@libpdf/core'
import { signDelta } from '@yinxin/pades'
import { issueCertificate, signerFromKey } from '@yinxin/pki'
import { benchFile } from '../../packages/pades/bench.ts'

const at = new Date('2026-11-24T10:00:00Z')

/** How many times faster the engine signs than `@libpdf/core` signs: RSA-2048, level B-B, invisible, 30 KB. */
export async function benchLibpdf(): Promise<Record<string, number>> {
  const algorithm = {
    name: 'RSASSA-PKCS1-v1_5',
    modulusLength: 2048,
    publicExponent: Uint8Array.of(1, 0, 1),
    hash: 'SHA-256',
  }
  const { privateKey } = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
  const signer = signerFromKey(KeyObject.from(privateKey))
  const certificate = issueCertificate(
    {
      subject: { C: 'CN', CN: 'Bench' },
      issuer: 'self',
      spki: signer.spki,
      serial: Uint8Array.of(1),
      notBefore: new Date(at.getTime() - 86_400_000),
      notAfter: new Date(at.getTime() + 86_400_000),
      profile: 'root-ca',
    },
    signer,
  )
  const pdf = benchFile(30_000)
  const theirs = new CryptoKeySigner(privateKey, certificate, 'RSA', 'RSASSA-PKCS1-v1_5')
  const ours = () => signDelta(pdf, { signer, certificates: [certificate], placements: [], signingTime: at })
  const libpdf = async () => (await PDF.load(pdf)).sign({ signer: theirs })

  const times: [number[], number[]] = [[], []]
  for (let round = 0; round < 120; round++) {
    for (const [i, sign] of [ours, libpdf].entries()) {
      const from = performance.now()
      await sign()
      // The first rounds warm the compiler up.
      if (round >= 20) times[i]?.push(performance.now() - from)
    }
  }
  return { 'engine.vsLibpdf.30KB': median(times[1]) / median(times[0]) }
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN
}
