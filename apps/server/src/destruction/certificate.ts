/**
 * The certificate of destruction (fields after NIST SP 800-88 appendix G): canonical JSON whose digest is an event of
 * the contract's chain and so a leaf of the log, an RFC 3161 token over it, and a sealed PDF that tells the same.
 * It rests on cryptographic erase and on verified removal, never on demagnetising anything.
 */
import { createHash } from 'node:crypto'
import {
  canonicalBytes,
  type DestructionProof,
  type JsonObject,
  parseCanonicalJson,
  writeZip,
} from '@yinxin/evidence'
import { extendPdf, PdfRefusal, signPdf } from '@yinxin/pades'
import type { Ca } from '#src/ca/ca.ts'
import type { Clock } from '#src/clock.ts'
import type { Db, Tx } from '#src/db/db.ts'
import type { Evidence } from '#src/evidence/evidence.ts'
import type { Receipt } from '#src/kms/kms.ts'
import { authorActor, lockTask, type Task } from '#src/sign-tasks/sign-tasks.ts'
import type { Timestamps } from '#src/timestamps/timestamps.ts'
import { drawCertificate } from './certificate-pdf.ts'
import { refuse } from './errors.ts'
import { recordOf } from './record.ts'
import {
  type CertificateRow,
  certificatesOf,
  type DestructionRow,
  insertCertificate,
  updateCertificate,
} from './store.ts'

export interface CertificateDeps {
  db: Db
  clock: Clock
  ca: Pick<Ca, 'platformSigner' | 'crl' | 'anchors'>
  timestamps: Pick<Timestamps, 'stamp'>
  evidence: Pick<Evidence, 'append' | 'proveEvent'>
  version: string
  environment: () => { mode: string; developmentCa: boolean; simulators: readonly string[] }
}

export type Stage = CertificateRow['stage']

/** What is left, said openly. */
const RESIDUAL = {
  zh: '保留：不含内容的记录（编号、时间、哈希与承诺值）、法定保存期内的证书、计费与操作日志、公开存证日志中的哈希，以及各方此前自行下载或收到的副本。其中文件的哈希未加盐，持有同一文件者可据此认出它。',
  en: 'What stays: records without content (numbers, times, hashes and commitments), certificate, billing and action logs for as long as law requires, hashes in the public log, and whatever copies the parties downloaded or received before. The hashes of files are not salted: whoever holds the same file can recognise it by them.',
}

export function createCertificates(deps: CertificateDeps) {
  const { db, clock, evidence, timestamps } = deps

  /** The certificate as of now. */
  function compose(
    row: DestructionRow,
    task: Pick<Task, 'row'>,
    stage: Stage,
    at: Date,
    epochs: { expected: Date | null; final: Date | null },
  ): JsonObject {
    const record = recordOf(row)
    const removed = row.extent === 'contract'
    const iso = (date: Date | null) => date?.toISOString() ?? null
    const { mode, developmentCa, simulators } = deps.environment()
    return {
      v: 1,
      kind: 'yinxin-destruction-certificate',
      number: numberOf(row, stage),
      stage,
      contractId: row.task_id,
      tenant: task.row.tenant_id,
      extent: row.extent,
      objects: (record.objects ?? []).map((one) => ({
        objectId: one.objectId,
        what: one.what,
        bytes: one.bytes,
        ciphertextSha256: one.ciphertextSha256,
        removed,
        replicas: one.replicas.map(({ domain, site }) => ({ domain, site })),
      })),
      basis: {
        trigger: row.basis,
        requestId: row.id,
        agreementContractId: row.agreement_task_id,
        agreementSha256: row.agreement_sha256,
      },
      requester: row.tenant_id,
      approvers: record.approvers ?? [row.tenant_id],
      method: removed
        ? [
            'CE: every wrap of the AES-256 contract key deleted (cryptographic erase, NIST SP 800-88 Rev. 2)',
            'every replica removed through its storage interface, and looked for afterwards',
            'content, names and contacts erased from the database; media are retired apart, see the register',
          ]
        : [
            'CE: this party’s wrap of the AES-256 contract key deleted (cryptographic erase, NIST SP 800-88 Rev. 2)',
          ],
      keys: (record.receipts ?? []).map(({ receipt, sha256 }) => ({
        ...(receipt.scopeId === undefined ? {} : { scopeId: receipt.scopeId }),
        keyId: receipt.keyId ?? null,
        keyType: 'AES-256',
        party: receipt.partyId,
        epoch: receipt.epoch,
        deletedAt: receipt.at,
        tombstoneId: receipt.tombstoneId,
        receiptSha256: sha256,
      })),
      keyCopies: (record.keyCopies ?? []).map((one) => ({ ...one })),
      shredded: (record.items ?? []).map((one) => ({ ...one })),
      verification: (record.checks ?? []).map((one) => ({ ...one })),
      tool: { name: 'Yinxin', version: deps.version },
      times: {
        requested: iso(row.requested_at),
        approved: iso(row.approved_at),
        promised: iso(row.promised_at),
        shredded: iso(row.shredded_at),
        provisional: stage === 'provisional' ? iso(at) : iso(row.provisional_at),
        finalExpectedBy: iso(epochs.expected),
        final: iso(epochs.final),
      },
      backups:
        stage === 'final'
          ? 'The epoch keys under which backups still held these keys are destroyed: no backup brings the content back.'
          : 'Backups of the keys database from before the destruction still hold these keys under their epoch key until that is destroyed. The final certificate tells when.',
      residual: RESIDUAL,
      issuer: {
        certificateSha256: createHash('sha256').update(deps.ca.platformSigner().certificateDer).digest('hex'),
        mode,
        developmentCa,
        simulators: [...simulators],
      },
    }
  }

  /** Enters the certificate into the contract's chain, in the caller's transaction; the rest follows in {@link complete}. */
  async function enter(tx: Tx, row: DestructionRow, certificate: JsonObject, stage: Stage): Promise<number> {
    const task = await lockTask(tx, row.task_id)
    const bytes = canonicalBytes(certificate)
    const sha256 = createHash('sha256').update(bytes).digest('hex')
    const [event] = await evidence.append(tx, row.task_id, task.row.tenant_id, [
      {
        type: row.extent === 'contract' ? 'contract.destroyed' : 'access.destroyed',
        ...authorActor({ kind: 'system', duty: 'destruction' }),
        data: { destructionId: row.id, stage, certificateSha256: sha256 },
      },
    ])
    await insertCertificate(tx, {
      destruction_id: row.id,
      stage,
      number: numberOf(row, stage),
      tenant_id: row.tenant_id,
      task_id: row.task_id,
      certificate: Buffer.from(bytes).toString('utf8'),
      sha256,
      entry: '',
      timestamp_token: null,
      proof: null,
      pdf: null,
      made_at: clock.now(),
    })
    return event?.seq ?? 0
  }

  /** Timestamp, place in the log and PDF of what was entered; to be repeated until it is done. */
  async function complete(row: DestructionRow): Promise<void> {
    for (const made of await db.work((tx) => certificatesOf(tx, row.id))) {
      if (made.pdf !== null) continue
      const seq = recordOf(row).events?.[made.stage]
      if (seq === undefined) continue
      const { token } = await timestamps.stamp(Buffer.from(made.sha256, 'hex'))
      const { entry, proof } = await evidence.proveEvent(row.task_id, seq)
      const pdf = await sealed(await drawCertificate(made.certificate, made.sha256))
      await db.work((tx) =>
        updateCertificate(tx, made, {
          entry,
          proof,
          timestamp_token: Buffer.from(token),
          pdf: Buffer.from(pdf),
        }),
      )
    }
  }

  /** The platform's seal with a timestamp, and the revocation data where they can be had without asking anybody. */
  async function sealed(pdf: Uint8Array): Promise<Uint8Array> {
    const { signer, certificateDer, chain } = deps.ca.platformSigner()
    const stamp = async (digest: Uint8Array) => (await timestamps.stamp(digest)).token
    const signed = await signPdf(pdf, {
      signer,
      certificates: [certificateDer, ...chain],
      timestamp: stamp,
      placements: [],
      reason: '销毁证明 · certificate of destruction',
      signingTime: clock.now(),
    })
    const crl = await deps.ca.crl()
    try {
      return await extendPdf(signed, {
        level: 'B-LT',
        validationData: () => ({ crls: [crl] }),
        trust: [deps.ca.anchors().rootDer],
      })
    } catch (error) {
      // An outside timestamp authority has a chain of its own; the file then stays at B-T.
      if (error instanceof PdfRefusal) return signed
      throw error
    }
  }

  function proofOf(made: CertificateRow): DestructionProof {
    if (made.pdf === null || made.timestamp_token === null || made.proof === null)
      throw refuse('destruction_certificate_not_ready')
    return {
      kind: 'yinxin-destruction-proof',
      v: 1,
      certificate: parseCanonicalJson(made.certificate) as JsonObject,
      entry: made.entry,
      proof: made.proof,
      timestamp: made.timestamp_token.toString('base64'),
      pdfSha256: createHash('sha256').update(made.pdf).digest('hex'),
    }
  }

  return {
    compose,
    enter,
    complete,
    proofOf,
    /** Everything in one archive. */
    zip(made: CertificateRow): AsyncIterable<Uint8Array> {
      const proof = proofOf(made)
      return writeZip([
        { name: 'destruction-proof.json', content: Buffer.from(`${JSON.stringify(proof, undefined, 2)}\n`) },
        { name: 'certificate.json', content: Buffer.from(made.certificate) },
        { name: 'certificate.pdf', content: made.pdf ?? Buffer.alloc(0) },
        { name: 'certificate.tsr', content: made.timestamp_token ?? Buffer.alloc(0) },
        { name: 'certificate.tlog-proof', content: Buffer.from(made.proof ?? '') },
      ])
    },
  }
}

export type Certificates = ReturnType<typeof createCertificates>

/** The last epoch under which a backup still holds one of the keys. */
export const epochsOf = (receipts: readonly Receipt[]) => [
  ...new Set(receipts.map((one) => one.receipt.epoch)),
]

function numberOf(row: DestructionRow, stage: Stage): string {
  const day = row.requested_at.toISOString().slice(0, 10).replaceAll('-', '')
  return `YXD-${day}-${row.id.replaceAll('-', '').slice(-12).toUpperCase()}-${stage === 'final' ? 'F' : 'P'}`
}
