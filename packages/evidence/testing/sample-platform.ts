import { createHash } from 'node:crypto'
import { signPdf } from '@yinxin/pades'
import {
  type Certificate,
  type CertificateProfile,
  generateSigner,
  issueCertificate,
  issueCrl,
  issueTimestampToken,
  parseCertificate,
  type Signer,
} from '@yinxin/pki'
import {
  type BundleInput,
  type ManifestLogProof,
  type PreparedBundle,
  prepareBundle,
  writeBundle,
} from '../src/bundle-write.ts'
import { sha256Hex, toHex } from '../src/bytes.ts'
import type { JsonObject } from '../src/canonical-json.ts'
import {
  appendEvent,
  type ChainHead,
  commit,
  type Disclosure,
  type EvidenceEvent,
  eventBytes,
} from '../src/event-chain.ts'
import { appendLeaves, consistencyProof, inclusionProof, leafHash } from '../src/merkle.ts'
import { encodeVkey, type NoteSigner, parseCheckpoint, signCheckpoint } from '../src/note.ts'
import { collectBytes } from '../src/zip-write.ts'
import { samplePdf } from './sample-pdf.ts'

/** When the sample contract was signed. */
export const SIGNED_AT = Date.UTC(2025, 0, 31, 8, 0, 0)
const YEAR_MS = 365 * 86_400_000

/** Serial numbers and salts of the samples come from a counter: reproducible, and never the same twice. */
function createCounter(): (length: number) => Uint8Array {
  let n = 0
  return (length) => new Uint8Array(createHash('sha256').update(`sample ${n++}`).digest()).subarray(0, length)
}

/** A platform small enough for a test: root, issuing CA, timestamp authority and a log with foreign leaves in it. */
export function createSamplePlatform() {
  const fresh = createCounter()
  const root = issue('self', 'root-ca', 'Sample Root')
  const ca = issue(root, 'issuing-ca', 'Sample Issuing CA')
  const tsa = issue(ca, 'timestamping', 'Sample Timestamps')
  const log: NoteSigner = { name: 'log.example/sample', signer: generateSigner('ed25519').signer }
  const nodes = new Map<string, Uint8Array>()
  let size = 0

  function issue(issuer: Issued | 'self', profile: CertificateProfile, cn: string, at = SIGNED_AT): Issued {
    const { signer } = generateSigner('ecdsa-p256-sha256')
    const serial = fresh(16)
    serial[0] = ((serial[0] as number) & 0x3f) | 0x40
    const fields = {
      subject: { C: 'CN', O: 'Sample', CN: cn },
      spki: signer.spki,
      serial,
      notBefore: new Date(at - (profile === 'event-signing' ? 60_000 : YEAR_MS)),
      notAfter: new Date(at + (profile === 'event-signing' ? 86_400_000 : 9 * YEAR_MS)),
      profile,
      issuer: issuer === 'self' ? ('self' as const) : issuer.certificate,
    }
    const der = issueCertificate(fields, issuer === 'self' ? signer : issuer.signer)
    return { signer, certificate: parseCertificate(der), serial }
  }

  function stamp(digest: Uint8Array, at: number): Uint8Array {
    const fields = {
      messageImprint: { algorithm: 'sha256' as const, digest },
      serial: fresh(8),
      genTime: new Date(at),
      policyOid: '1.3.6.1.4.1.99999.1',
    }
    return issueTimestampToken(fields, tsa.signer, tsa.certificate.der, [ca.certificate.der])
  }

  const read = (level: number, index: number) => nodes.get(`${level}/${index}`) as Uint8Array
  function append(entries: readonly Uint8Array[]): { from: number; root: Uint8Array } {
    const grown = appendLeaves(size, entries.map(leafHash), read)
    for (const node of grown.nodes) nodes.set(`${node.level}/${node.index}`, node.hash)
    const from = size
    size = grown.size
    return { from, root: grown.root }
  }
  const checkpoint = (rootHash: Uint8Array) => signCheckpoint({ origin: log.name, size, root: rootHash }, log)
  const proofOf = (index: number) => ({ index, hashes: inclusionProof(index, size, read) })
  append(Array.from({ length: 5 }, (_, i) => new TextEncoder().encode(`leaf of another task ${i}`)))

  return {
    root,
    ca,
    tsa,
    log,
    vkey: encodeVkey(log),
    fresh,
    issue,
    stamp,
    append,
    checkpoint,
    proofOf,
    read,
    treeSize: () => size,
  }
}

export interface Issued {
  signer: Signer
  certificate: Certificate
  serial: Uint8Array
}
export type SamplePlatform = ReturnType<typeof createSamplePlatform>

/** Variations of the sample task. */
export interface SampleTask {
  /** The contract as it comes to the platform. */
  base?: Uint8Array
  /** Hashes of documents appear only as commitments, opened by disclosures. */
  commitHashes?: boolean
}

/** A task signed by a company and a person, with an attachment nobody signs. */
export async function signSampleTask(platform: SamplePlatform, task: SampleTask = {}): Promise<BundleInput> {
  const taskId = 'task-2025-0001'
  const events: EvidenceEvent[] = []
  const disclosures: Disclosure[] = []
  const certificates = [platform.ca.certificate.der, platform.tsa.certificate.der]
  let head: ChainHead | null = null

  function record(
    type: string,
    at: number,
    actor: JsonObject & { kind: string },
    data: JsonObject,
    name?: string,
  ) {
    const [full, told]: [typeof actor, JsonObject] = [{ ...actor }, { ...data }]
    const hide = (part: string, from: JsonObject, key: string, value: string) => {
      const salt = platform.fresh(16)
      delete from[key]
      from[`${key}Commit`] = commit(salt, value)
      disclosures.push({ seq: events.length, path: `/${part}/${key}Commit`, salt: toHex(salt), value })
    }
    if (name !== undefined) hide('actor', full, 'name', name)
    for (const key of task.commitHashes === true ? ['documentSha256', 'previousSha256'] : []) {
      if (typeof told[key] === 'string') hide('data', told, key, told[key])
    }
    const appended = appendEvent(head, { taskId, type, at: new Date(at), actor: full, data: told })
    events.push(appended.event)
    head = appended.head
  }

  const base = task.base ?? samplePdf('Sample contract')
  const attachment = samplePdf('Attachment')
  let current: Uint8Array = base
  record(
    'task.created',
    SIGNED_AT - 3600_000,
    { kind: 'corp', id: 'c1' },
    { title: '采购合同' },
    '示例科技有限公司',
  )
  for (const [documentId, pdf] of [
    ['d1', base],
    ['d2', attachment],
  ] as const) {
    const data = { documentId, documentSha256: sha256Hex(pdf), sizeBytes: pdf.length }
    record('document.added', SIGNED_AT - 3000_000, { kind: 'platform' }, data)
  }
  for (const [kind, name, at] of [
    ['corp', '示例科技有限公司', SIGNED_AT],
    ['person', '张三', SIGNED_AT + 60_000],
  ] as const) {
    const event = platform.issue(platform.ca, 'event-signing', name, at)
    const previousSha256 = sha256Hex(current)
    current = await signPdf(current, {
      signer: event.signer,
      certificates: [event.certificate.der, platform.ca.certificate.der],
      timestamp: (digest) => platform.stamp(digest, at + 1000),
      placements: [],
      signingTime: new Date(at),
      name,
    })
    certificates.push(event.certificate.der)
    const data = {
      documentId: 'd1',
      previousSha256,
      documentSha256: sha256Hex(current),
      certificateSerial: event.certificate.serialHex,
      certificateSha256: event.certificate.fingerprintSha256,
      timestamp: new Date(at + 1000).toISOString(),
    }
    record('document.signed', at + 2000, { kind, id: kind }, data, name)
  }
  record('task.finished', SIGNED_AT + 70_000, { kind: 'platform' }, {})

  const { from, root } = platform.append(events.map(eventBytes))
  const checkpoint = platform.checkpoint(root)
  const digest = new Uint8Array(createHash('sha256').update(checkpoint).digest())
  const { issueCrlNow } = crlOf(platform)
  return {
    taskId,
    title: '采购合同',
    createdAt: new Date(SIGNED_AT + 120_000),
    documents: [
      {
        documentId: 'd1',
        name: '采购合同.pdf',
        sha256: sha256Hex(current),
        sizeBytes: current.length,
        content: current,
      },
      {
        documentId: 'd2',
        name: '附件',
        sha256: sha256Hex(attachment),
        sizeBytes: attachment.length,
        content: attachment,
      },
    ],
    events,
    disclosures,
    log: {
      keys: [platform.vkey],
      checkpoint,
      timestampToken: platform.stamp(digest, SIGNED_AT + 100_000),
      proofs: events.map((_, seq) => platform.proofOf(from + seq)),
    },
    certificates,
    crls: [issueCrlNow([])],
    anchors: [platform.root.certificate.der],
    environment: { platform: 'sample', version: '0.1.0' },
  }
}

/** Makes revocation lists of the sample CA. */
export function crlOf(platform: SamplePlatform) {
  return {
    issueCrlNow(revoked: { serial: Uint8Array; at: Date }[]): Uint8Array {
      const fields = {
        issuer: platform.ca.certificate,
        number: 1,
        thisUpdate: new Date(SIGNED_AT + 90_000),
        nextUpdate: new Date(SIGNED_AT + YEAR_MS),
        revoked,
      }
      return issueCrl(fields, platform.ca.signer)
    },
  }
}

/** Puts the entry of a prepared package into the sample log, some leaves later. */
export function logPackage(platform: SamplePlatform, prepared: PreparedBundle): ManifestLogProof {
  const oldSize = parseCheckpoint(prepared.eventsCheckpoint).size
  platform.append([new TextEncoder().encode('leaf in between')])
  const { from, root } = platform.append([prepared.issuedEntry])
  return {
    ...platform.proofOf(from),
    checkpoint: platform.checkpoint(root),
    consistency: consistencyProof(oldSize, platform.treeSize(), platform.read),
  }
}

/** The whole way from signed task to the bytes of the package. */
export async function samplePackage(platform: SamplePlatform, input: BundleInput): Promise<Uint8Array> {
  const prepared = prepareBundle(input)
  return collectBytes(writeBundle(prepared, logPackage(platform, prepared)))
}
