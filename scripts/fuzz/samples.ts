/** What the fuzzer starts from: files of our own with everything they carry, and signed files of the corpus. */
import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { extendPdf, PdfRefusal, type PdfVerification, signPdf, verifyPdf } from '@yinxin/pades'
import { parseSignedData } from '@yinxin/pki'
import { corpusFolder, pdfFiles } from '../../packages/pades/corpus.ts'
import { appendUpdate, samplePdf } from '../../packages/pades/test-files.ts'
import { createTestPki, type TestPki } from '../../packages/pades/test-pki.ts'

export type Target = 'pdf' | 'cms' | 'certificate' | 'timestamp' | 'crl'

export interface Sample {
  readonly target: Target
  readonly name: string
  readonly bytes: Uint8Array
  /** Of our own making: the certificate is bound to the signature, so it must not change either. */
  readonly own: boolean
  /** What a CMS signs, or what a timestamp is over. */
  readonly content?: Uint8Array
  /** Where a PDF's signatures cover it: `[from, to)` each. */
  readonly covered?: readonly (readonly [number, number])[]
  /** How many signatures and timestamps it has. */
  readonly signatures?: number
}

/** Plain data, so that it may be handed to a thread. */
export interface Samples {
  readonly root: Uint8Array
  readonly list: readonly Sample[]
  /** SHA-256 of everything that one of the samples' signatures covers, whether a PDF's ranges or a CMS's attributes. */
  readonly signed: ReadonlySet<string>
}

const LARGEST_BYTES = 150_000

/** Our own files have fresh keys each time; the mutations of a seed are the same all the same. */
export async function makeSamples(at: Date): Promise<Samples> {
  const pki = createTestPki(at)
  const signed = new Set<string>()
  const list: Sample[] = []
  for (const [name, bytes] of Object.entries(await ownFiles(pki, at))) {
    list.push(pdfSample(name, bytes, true, signed))
    list.push(...partsOf(name, bytes))
  }
  for (const path of corpusFiles()) {
    const bytes = new Uint8Array(readFileSync(path))
    if (bytes.length > LARGEST_BYTES) continue
    const sample = readable(() => pdfSample(basename(path), bytes, false, signed))
    if (sample) list.push(sample)
  }
  const bodies = [pki.rsa, pki.p256].flatMap(({ certificates }) => certificates)
  for (const [i, bytes] of bodies.entries())
    list.push({ target: 'certificate', name: `certificate-${i}`, bytes, own: true })
  list.push({ target: 'crl', name: 'crl', bytes: pki.crl(at), own: true })
  // Plain copies: slices of a Buffer would share their memory with it.
  return { root: pki.root, list: list.map((one) => ({ ...one, bytes: new Uint8Array(one.bytes) })), signed }
}

async function ownFiles(pki: TestPki, at: Date): Promise<Record<string, Uint8Array>> {
  const sign = (pdf: Uint8Array, who = pki.p256) =>
    signPdf(pdf, { ...who, placements: [], signingTime: at, timestamp: pki.timestamp })
  const once = await sign(samplePdf())
  const validationData = () => ({ crls: [pki.crl(at)] })
  return {
    'table.pdf': once,
    'stream.pdf': await sign(samplePdf({ form: 'stream', nested: true, pages: 3 })),
    'hybrid.pdf': await sign(samplePdf({ form: 'hybrid' }), pki.rsa),
    'twice.pdf': await sign(once, pki.rsa),
    'plain.pdf': await signPdf(samplePdf(), { ...pki.rsa, placements: [], signingTime: at, certify: 2 }),
    'updated.pdf': appendUpdate(once, { 90: '<</Nothing/Refers>>' }),
    'lta.pdf': await extendPdf(once, { level: 'B-LTA', timestamp: pki.timestamp, validationData }),
  }
}

function corpusFiles(): string[] {
  const folder = join(corpusFolder(), 'signed')
  if (existsSync(folder)) return pdfFiles(folder)
  console.warn(`no corpus at ${folder}: only files of our own`)
  return []
}

function readable<T>(make: () => T): T | undefined {
  try {
    return make()
  } catch (fault) {
    if (fault instanceof PdfRefusal) return undefined
    throw fault
  }
}

export function hashOf(...parts: readonly Uint8Array[]): string {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return hash.digest('hex')
}

/** The two ranges a report names. */
export function rangesOf(bytes: Uint8Array, byteRange: readonly number[]): [Uint8Array, Uint8Array] {
  const [from = 0, first = 0, second = 0, length = 0] = byteRange
  return [bytes.subarray(from, from + first), bytes.subarray(second, second + length)]
}

function everySignature(report: PdfVerification) {
  return [...report.signatures, ...report.documentTimestamps]
}

function pdfSample(name: string, bytes: Uint8Array, own: boolean, signed: Set<string>): Sample {
  const reports = everySignature(verifyPdf(bytes))
  const covered: [number, number][] = []
  for (const { byteRange, status } of reports) {
    const [from = 0, first = 0, second = 0, length = 0] = byteRange
    signed.add(hashOf(...rangesOf(bytes, byteRange)))
    if (status === 'valid') covered.push([from, from + first], [second, second + length])
  }
  return { target: 'pdf', name, bytes, own, covered, signatures: reports.length }
}

/** The containers and tokens inside one of our own files. */
function partsOf(name: string, bytes: Uint8Array): Sample[] {
  return verifyPdf(bytes).signatures.flatMap(({ byteRange }, i): Sample[] => {
    const [first, second] = rangesOf(bytes, byteRange)
    const digits = Buffer.from(bytes.subarray(first.length + 1, (byteRange[2] ?? 0) - 1)).toString('latin1')
    const container = parseSignedData(Buffer.from(digits, 'hex'), { allowZeroPadding: true })
    const content = new Uint8Array(Buffer.concat([first, second]))
    const cms: Sample = { target: 'cms', name: `${name}-${i}.cms`, bytes: container.der, own: true, content }
    const [signer] = container.signers
    const [token] = signer?.timestampTokens ?? []
    if (!signer || !token) return [cms]
    return [
      cms,
      { target: 'timestamp', name: `${name}-${i}.tst`, bytes: token, own: true, content: signer.signature },
    ]
  })
}
