/** What the fuzzer starts from: files of our own with everything they carry, and signed files of the corpus. */
import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import {
  extendPdf,
  PdfRefusal,
  type PdfVerification,
  prepareAppearance,
  signPdf,
  verifyPdf,
} from '@yinxin/pades'
import {
  answerOcspRequest,
  buildCertificateRequest,
  buildOcspRequest,
  estCertificatesBody,
  estEnrollRequest,
  nameValue,
  parseCertificate,
  parseSignedData,
} from '@yinxin/pki'
import { corpusFolder, pdfFiles } from '../../packages/pades/corpus.ts'
import { appendUpdate, samplePdf } from '../../packages/pades/test-files.ts'
import { createTestPki, type TestPki } from '../../packages/pades/test-pki.ts'

export type Target = 'pdf' | 'revision' | 'cms' | 'certificate' | 'timestamp' | 'crl' | 'ocsp' | 'csr' | 'est'

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
  /** The root it leads to, where that is not the samples' own. */
  readonly root?: Uint8Array
  /** Of whom an OCSP response speaks, or what was asked for when EST answered with this. */
  readonly about?: Uint8Array
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
  list.push(...(await revisionSamples(pki, at)))
  list.push(...authoritySamples(pki, at, 'p256'))
  const sm2 = createTestPki(at, { algorithm: 'sm2-sm3' })
  const signer = sm2.issue('sm2-sm3', '王小明')
  const guomi = { ...sm2, p256: signer, rsa: signer }
  const signedBySm2 = await signPdf(samplePdf(), {
    ...signer,
    placements: [],
    signingTime: at,
    timestamp: sm2.timestamp,
  })
  list.push({ ...pdfSample('sm2.pdf', signedBySm2, true, signed), root: sm2.root })
  for (const one of [...partsOf('sm2.pdf', signedBySm2), ...authoritySamples(guomi, at, 'sm2')])
    list.push({ ...one, root: sm2.root })
  // Plain copies: slices of a Buffer would share their memory with it.
  return { root: pki.root, list: list.map((one) => ({ ...one, bytes: new Uint8Array(one.bytes) })), signed }
}

/** What an authority issues and answers. */
function authoritySamples(pki: TestPki, at: Date, name: string): Sample[] {
  const own = true
  const list: Sample[] = [pki.rsa, pki.p256]
    .flatMap(({ certificates }) => certificates)
    .map((bytes, i) => ({ target: 'certificate', name: `certificate-${name}-${i}`, bytes, own }))
  list.push({ target: 'crl', name: `crl-${name}`, bytes: pki.crl(at), own })
  const [leaf = pki.root] = pki.p256.certificates
  const issuer = parseCertificate(pki.root)
  const question = buildOcspRequest({ certificates: [{ certificate: parseCertificate(leaf), issuer }] })
  for (const [i, revokedAt] of [undefined, at].entries()) {
    const bytes = answerOcspRequest(question, pki.responder(at, revokedAt))
    list.push({ target: 'ocsp', name: `ocsp-${name}-${i}`, bytes, own, about: leaf })
  }
  const subject = { C: 'CN', CN: nameValue(parseCertificate(leaf).subject, 'CN') ?? '' }
  const request = buildCertificateRequest({ subject }, pki.p256.signer)
  list.push({ target: 'csr', name: `csr-${name}`, bytes: request, own })
  const { body = '' } = estEnrollRequest({ origin: 'https://ca.example' }, request)
  list.push({ target: 'est', name: `est-request-${name}`, bytes: Buffer.from(body), own, about: request })
  const answer = estCertificatesBody([leaf]).body
  list.push({ target: 'est', name: `est-answer-${name}`, bytes: Buffer.from(answer), own, about: request })
  return list
}

/** Files with everything that a later revision could change: text, a font, a form field, a seal, an annotation. */
async function revisionSamples(pki: TestPki, at: Date): Promise<Sample[]> {
  const seal = prepareAppearance({
    widthPt: 40,
    heightPt: 40,
    operators: '1 0 0 RG 1 1 38 38 re S',
    resources: [],
    objects: [],
  })
  const rich = {
    page: '/Annots[10 0 R 12 0 R]',
    catalog: '/AcroForm<</Fields[10 0 R]/DA(/F1 0 Tf 0 g)>>',
    extra: {
      10: '<</Type/Annot/Subtype/Widget/FT/Tx/T(amount)/V(1)/Rect[10 10 90 30]/P 3 0 R/AP<</N 11 0 R>>>>',
      11: '<</Type/XObject/Subtype/Form/BBox[0 0 80 20]/Length 12>>\nstream\n0 0 9 9 re f\nendstream',
      12: '<</Type/Annot/Subtype/Square/Rect[200 10 290 30]/P 3 0 R>>',
    },
  }
  const visible = [{ page: 0, rect: { x: 1, y: 1, width: 2, height: 2 }, appearance: seal }]
  const options = { ...pki.p256, placements: visible, signingTime: at, timestamp: pki.timestamp }
  const files: Record<string, Uint8Array> = {}
  for (const form of ['table', 'stream', 'hybrid'] as const) {
    const once = await signPdf(samplePdf({ ...rich, form, pages: 2 }), options)
    files[`${form}.pdf`] = once
    files[`${form}-twice.pdf`] = await signPdf(once, { ...options, ...pki.rsa })
  }
  for (const certify of [1, 2, 3] as const)
    files[`certified-${certify}.pdf`] = await signPdf(samplePdf(rich), { ...options, certify })
  files['lta.pdf'] = await extendPdf(await signPdf(samplePdf(rich), options), {
    level: 'B-LTA',
    timestamp: pki.timestamp,
    validationData: () => ({ crls: [pki.crl(at)] }),
  })
  return Object.entries(files).map(([name, bytes]) => {
    const { signatures, documentTimestamps } = verifyPdf(bytes)
    return {
      target: 'revision',
      name,
      bytes,
      own: true,
      signatures: signatures.length + documentTimestamps.length,
    }
  })
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
