/**
 * Other signing libraries on the same file, by turns in the same run: RSA or P-256, level B-B, invisible, because
 * neither of them draws the seals of this platform. All start from the bytes of the unsigned file in memory and end
 * with the bytes of the signed one; each result is verified.
 */
import { spawn, spawnSync } from 'node:child_process'
import { KeyObject, webcrypto } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { CryptoKeySigner, PDF } from '@libpdf/core'
import { signPdf, verifyPdf } from '@yinxin/pades'
import { issueCertificate, type Signer, signerFromKey, toPem } from '@yinxin/pki'
import { benchFile } from '../../packages/pades/bench.ts'

const at = new Date('2026-11-24T10:00:00Z')
const pdf = benchFile(30_000)
/** Rounds before the compiler has seen enough of either side, and rounds that count. */
const WARM_UP = 800
const ROUNDS = 200
/** Python compiles nothing while it runs, and takes long. */
const PYTHON_WARM_UP = 10
const PYTHON_ROUNDS = 60

const keys = {
  rsa: {
    name: 'RSASSA-PKCS1-v1_5',
    modulusLength: 2048,
    publicExponent: Uint8Array.of(1, 0, 1),
    hash: 'SHA-256',
  },
  p256: { name: 'ECDSA', namedCurve: 'P-256' },
} as const

interface Contestant {
  readonly privateKey: webcrypto.CryptoKey
  readonly signer: Signer
  readonly certificate: Uint8Array
}

async function contestant(kind: keyof typeof keys): Promise<Contestant> {
  const made = await webcrypto.subtle.generateKey(keys[kind], true, ['sign', 'verify'])
  const { privateKey } = made as webcrypto.CryptoKeyPair
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
  return { privateKey, signer, certificate }
}

const signOurs = ({ signer, certificate }: Contestant) =>
  signPdf(pdf, { signer, certificates: [certificate], placements: [], signingTime: at })

function refuseInvalid(name: string, signed: Uint8Array): void {
  const { signatures } = verifyPdf(signed)
  if (signatures.length !== 1 || signatures[0]?.status !== 'valid')
    throw new Error(`what ${name} signed is not valid: ${JSON.stringify(signatures)}`)
}

/**
 * How many times faster the engine is than `@libpdf/core`, with a P-256 key: there the libraries are compared and not
 * OpenSSL with itself. With RSA-2048 the key's own work is most of the time; `.atMost` is that library's time as a
 * multiple of the RSA signature alone, which no engine can exceed.
 */
export async function benchLibpdf(): Promise<Record<string, number>> {
  const rsa = await contestant('rsa')
  const [ours, theirs, raw] = await againstLibpdf(rsa, 'RSASSA-PKCS1-v1_5')
  const [oursP256, theirsP256] = await againstLibpdf(await contestant('p256'), 'ECDSA')
  return {
    'engine.vsLibpdf.30KB': theirsP256 / oursP256,
    'engine.vsLibpdf.rsa2048.30KB': theirs / ours,
    'engine.vsLibpdf.rsa2048.30KB.atMost': theirs / raw,
  }
}

async function againstLibpdf(
  one: Contestant,
  scheme: 'RSASSA-PKCS1-v1_5' | 'ECDSA',
): Promise<[ours: number, theirs: number, raw: number]> {
  const { privateKey, certificate, signer } = one
  const libpdf = new CryptoKeySigner(privateKey, certificate, scheme === 'ECDSA' ? 'EC' : 'RSA', scheme)
  const sign = async () => (await (await PDF.load(pdf)).sign({ signer: libpdf })).bytes
  refuseInvalid('@libpdf/core', await sign())
  refuseInvalid('the engine', await signOurs(one))
  const block = new Uint8Array(200)
  const times: [number[], number[], number[]] = [[], [], []]
  for (let round = 0; round < WARM_UP + ROUNDS; round++) {
    for (const [i, act] of [() => signOurs(one), sign, () => signer.sign(block)].entries()) {
      const from = performance.now()
      await act()
      if (round >= WARM_UP) times[i]?.push(performance.now() - from)
    }
  }
  return [median(times[0]), median(times[1]), median(times[2])]
}

/** How many times faster the engine is than pyHanko in one warm Python process. Without pyHanko there is no figure. */
export async function benchPyhanko(): Promise<Record<string, number>> {
  if (spawnSync('python3', ['-c', 'import pyhanko.sign']).status !== 0)
    throw new Error('python3 with pyHanko is not installed')
  const rsa = await contestant('rsa')
  const folder = mkdtempSync(join(tmpdir(), 'yinxin-bench-'))
  try {
    const file = (name: string, content: string | Uint8Array) => {
      writeFileSync(join(folder, name), content, { mode: 0o600 })
      return join(folder, name)
    }
    const pem = KeyObject.from(rsa.privateKey).export({ format: 'pem', type: 'pkcs8' }) as string
    const out = join(folder, 'signed.pdf')
    const script = join(import.meta.dirname, 'pyhanko_sign.py')
    const files = [file('in.pdf', pdf), file('key.pem', pem)]
    const args = [script, ...files, file('certificate.pem', toPem(rsa.certificate, 'CERTIFICATE')), out]
    const [ours, theirs] = await againstPython(args, rsa)
    refuseInvalid('pyHanko', readFileSync(out))
    return { 'engine.vsPyhanko.30KB': theirs / ours }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

async function againstPython(args: string[], one: Contestant): Promise<[ours: number, theirs: number]> {
  for (let round = 0; round < WARM_UP; round++) await signOurs(one)
  const python = spawn('python3', args, { stdio: ['pipe', 'pipe', 'inherit'] })
  const ended = new Promise<number | null>((resolve) => python.once('close', resolve))
  const answers = createInterface({ input: python.stdout })[Symbol.asyncIterator]()
  const times: [number[], number[]] = [[], []]
  for (let round = 0; round < PYTHON_WARM_UP + PYTHON_ROUNDS; round++) {
    python.stdin.write('\n')
    const answer = await answers.next()
    if (answer.done) throw new Error('pyHanko stopped before the last round')
    if (round >= PYTHON_WARM_UP) times[1].push(Number(answer.value))
    // Several of ours for each of theirs: the machine has just waited, and one would measure its waking up.
    for (let again = 0; again < 10; again++) {
      const from = performance.now()
      await signOurs(one)
      if (round >= PYTHON_WARM_UP) times[0].push(performance.now() - from)
    }
  }
  python.stdin.end()
  if ((await ended) !== 0) throw new Error('pyHanko failed')
  return [median(times[0]), median(times[1])]
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN
}
