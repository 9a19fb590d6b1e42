// Measures the engine against the work no such signature can avoid, in one run, one thread, in memory.
//   node packages/pades/bench.ts [--json] [--rounds N]
import { createHash, createPublicKey, generateKeyPairSync, verify as verifyRaw } from 'node:crypto'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import {
  type DigestAlgorithm,
  generateSigner,
  prepareTimestampAuthority,
  parseCertificate,
  prepareIssuer,
} from '@yinxin/pki'
import {
  drawCompanySeal,
  drawingContent,
  extendHashState,
  finishSignature,
  hashStateOf,
  type Placement,
  parseFont,
  prepareAppearance,
  prepareSignature,
  signDelta,
  signPrepared,
  verifyPdf,
} from './src/pades.ts'
import { samplePdf } from './test-files.ts'
import { createTestPki, type TestPki } from './test-pki.ts'

const at = new Date('2026-11-24T10:00:00Z')

/** A contract-like file of about this size: some pages, and pictures that make up the rest. */
export function benchFile(sizeBytes: number): Uint8Array {
  const extra: Record<number, string> = {}
  const pictures = Math.max(1, Math.round(sizeBytes / 400_000))
  const each = Math.floor((sizeBytes - 3000) / pictures)
  let seed = 42
  for (let i = 0; i < pictures; i++) {
    const data = Buffer.alloc(each)
    for (let j = 0; j < each; j++) {
      seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0
      data[j] = seed >>> 24
    }
    extra[10 + i] = `<</Length ${each}>>\nstream\n${data.toString('latin1')}\nendstream`
  }
  return samplePdf({ pages: 5, extra })
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[sorted.length >> 1] ?? Number.NaN
}

/** Runs two ways in turn, so that a slow moment of the machine hits both; medians in milliseconds. */
async function race(rounds: number, first: () => unknown, second: () => unknown): Promise<[number, number]> {
  const times: [number[], number[]] = [[], []]
  // A server signs for days: what it costs before the compiler has seen the code is not what is measured here. The
  // functions that run once for each signature are compiled last, after some thousand of them.
  const warmUp = rounds < 100 ? Math.max(8, rounds) : 8 * rounds
  for (let round = 0; round < rounds + warmUp; round++) {
    for (const [i, act] of [first, second].entries()) {
      const from = performance.now()
      await act()
      if (round >= warmUp) times[i]?.push(performance.now() - from)
    }
  }
  return [median(times[0]), median(times[1])]
}

export async function benchEngine(rounds: number): Promise<Record<string, number>> {
  const pki = createTestPki(at)
  const placements = [sealPlacement()]
  const figures: Record<string, number> = {}
  for (const [label, size] of [
    ['30KB', 30_000],
    ['500KB', 500_000],
    ['10MB', 10_000_000],
  ] as const) {
    const few = size > 1_000_000 ? Math.max(15, rounds >> 4) : rounds
    const [floor, engine] = await raceRsa(pki, benchFile(size), placements, few)
    figures[`engine.rsa2048.b-b.${label}`] = floor / engine
    figures[`engine.rsa2048.b-b.${label}.ms`] = engine
  }
  for (const [label, drawn] of [
    ['30KB', []],
    ['30KB.seal', placements],
  ] as const) {
    const [raw, event] = await raceEvent(pki, drawn, rounds)
    figures[`engine.p256-event.b-t.${label}`] = raw / event
    figures[`engine.p256-event.b-t.${label}.ms`] = event
  }
  figures['engine.fifty.10MB'] = await ratioFifty(pki)
  Object.assign(figures, await figuresVerify(pki))
  figures['engine.memory.100MB'] = memoryByRanges()
  return figures
}

function sealPlacement(): Placement {
  const path = createRequire(import.meta.url).resolve(
    '@expo-google-fonts/noto-serif-sc/600SemiBold/NotoSerifSC_600SemiBold.ttf',
  )
  const font = parseFont(readFileSync(path))
  const appearance = prepareAppearance(
    drawingContent(drawCompanySeal({ name: '北京印信科技有限公司', font })),
  )
  return { page: 0, rect: { x: 20, y: 20, width: 113, height: 113 }, appearance }
}

/** Floor: one RSA signature, SHA-256 of the signed bytes, one copy of the file. */
async function raceRsa(pki: TestPki, pdf: Uint8Array, placements: Placement[], rounds: number) {
  const options = { ...pki.rsa, placements, signingTime: at }
  const sample = await signDelta(pdf, options)
  const target = new Uint8Array(pdf.length + sample.length)
  const attributes = new Uint8Array(200)
  return race(
    rounds,
    () => {
      createHash('sha256').update(pdf).update(sample).digest()
      pki.rsa.signer.sign(attributes)
      target.set(pdf)
    },
    async () => {
      const delta = await signDelta(pdf, options)
      target.set(pdf)
      target.set(delta, pdf.length)
    },
  )
}

/** Raw: P-256 key generation, three P-256 signatures (certificate, signature, token), SHA-256 of the file. */
async function raceEvent(pki: TestPki, placements: readonly Placement[], rounds: number) {
  const pdf = benchFile(30_000)
  const authority = pki.issue('ecdsa-p256-sha256', 'Event Authority', 'issuing-ca')
  const tsa = pki.issue('ecdsa-p256-sha256', 'Event TSA', 'timestamping')
  const [caDer = pki.root] = authority.certificates
  const [tsaDer = pki.root] = tsa.certificates
  const issuer = prepareIssuer(parseCertificate(caDer), authority.signer)
  const clock = prepareTimestampAuthority(tsa.signer, tsaDer)
  const notAfter = new Date(at.getTime() + 3_600_000)
  let serial = 1
  const nextSerial = () => Uint8Array.of(1, serial >> 16, (serial >> 8) & 255, serial++ & 255)
  const block = new Uint8Array(400)
  const token = (algorithm: DigestAlgorithm, digest: Uint8Array) =>
    clock.issue({
      messageImprint: { algorithm, digest },
      serial: nextSerial(),
      genTime: at,
      policyOid: '1.3.6.1.4.1.99999.1',
    })
  // The server knows its authority's tokens; the signatures in them differ by a few bytes of DER.
  const tokenBytes = token('sha256', new Uint8Array(32)).length + 16
  return race(
    rounds,
    () => {
      const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
      void privateKey
      for (let i = 0; i < 3; i++) tsa.signer.sign(block)
      createHash('sha256').update(pdf).digest()
    },
    () => {
      const { signer } = generateSigner('ecdsa-p256-sha256')
      const leaf = issuer.issue({
        subject: { C: 'CN', CN: '王小明' },
        spki: signer.spki,
        serial: nextSerial(),
        notBefore: at,
        notAfter,
        profile: 'event-signing',
      })
      return signDelta(pdf, {
        signer,
        certificates: [leaf, caDer],
        placements,
        signingTime: at,
        timestampBytes: tokenBytes,
        timestamp: (digest, algorithm) => token(algorithm, digest),
      })
    },
  )
}

/** The median of some rounds, after as many that let the compiler see the way that is worth seeing. */
async function ratioFifty(pki: TestPki): Promise<number> {
  const pdf = benchFile(10_000_000)
  for (let round = 0; round < 20; round++) await carriedMs(pki, pdf)
  const ratios: number[] = []
  for (let round = 0; round < 5; round++) {
    const carried = await carriedMs(pki, pdf)
    ratios.push((await rehashedMs(pki, pdf)) / carried)
  }
  return median(ratios)
}

/** 50 signers on one file: the hash carried from one to the next, each appending in place. */
async function carriedMs(pki: TestPki, pdf: Uint8Array): Promise<number> {
  const room = new Uint8Array(pdf.length + 50 * 16_384)
  const options = { placements: [], signingTime: at, reserveBytes: 4096 }
  room.set(pdf)
  let length = pdf.length
  let hashState = hashStateOf(pdf)
  const carriedFrom = performance.now()
  for (let i = 0; i < 50; i++) {
    const prepared = prepareSignature(room.subarray(0, length), { ...options, hashState })
    const delta = finishSignature(prepared, await signPrepared(prepared, pki.p256))
    room.set(delta, length)
    length += delta.length
    hashState = extendHashState(hashState, delta)
  }
  const carried = performance.now() - carriedFrom
  if (!verifyPdf(room.subarray(0, length)).ok) throw new Error('the carried file does not verify')
  return carried
}

/** The same, hashing and copying the whole file for each. */
async function rehashedMs(pki: TestPki, pdf: Uint8Array): Promise<number> {
  const options = { placements: [], signingTime: at, reserveBytes: 4096 }
  let file = pdf
  const againFrom = performance.now()
  for (let i = 0; i < 50; i++) {
    const delta = await signDelta(file, { ...options, ...pki.p256 })
    const next = new Uint8Array(file.length + delta.length)
    next.set(file)
    next.set(delta, file.length)
    file = next
  }
  return performance.now() - againFrom
}

/** Growth of the peak of resident memory, in MB, when a file of 100 MB is signed by ranges on its handle. */
function memoryByRanges(): number {
  const folder = mkdtempSync(join(tmpdir(), 'yinxin-bench-'))
  try {
    const path = join(folder, 'large.pdf')
    writeFileSync(path, benchFile(100_000_000))
    const script = fileURLToPath(new URL('./bench-memory.ts', import.meta.url))
    const grown = Number(execFileSync(process.execPath, [script, path], { encoding: 'utf8' }))
    if (!verifyPdf(readFileSync(path)).ok) throw new Error('the file signed by ranges does not verify')
    return grown / 1_000_000
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Verification of 50 signatures as a multiple of hashing the file once and checking 50 raw signatures. */
async function figuresVerify(pki: TestPki): Promise<Record<string, number>> {
  let pdf = benchFile(500_000)
  for (let i = 0; i < 50; i++) {
    const delta = await signDelta(pdf, { ...pki.p256, placements: [], signingTime: at })
    pdf = Buffer.concat([pdf, delta])
  }
  const key = createPublicKey({ key: Buffer.from(pki.p256.signer.spki), format: 'der', type: 'spki' })
  const block = new Uint8Array(200)
  const signature = pki.p256.signer.sign(block)
  const [raw, own] = await race(
    100,
    () => {
      createHash('sha256').update(pdf).digest()
      for (let i = 0; i < 50; i++) verifyRaw('sha256', block, key, signature)
    },
    () => verifyPdf(pdf),
  )
  return { 'engine.verify.fifty.500KB': own / raw, 'engine.verify.fifty.500KB.ms': own }
}

async function main(args: readonly string[]): Promise<void> {
  const at = args.indexOf('--rounds')
  const figures = await benchEngine(at === -1 ? 400 : Number(args[at + 1]))
  if (args.includes('--json')) console.log(JSON.stringify(figures))
  else for (const [name, value] of Object.entries(figures)) console.log(name.padEnd(34), value.toFixed(3))
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main(process.argv.slice(2))
