/** The written agreement by which all parties consent: an ordinary sign task over a page that names the contract. */
import { createHash } from 'node:crypto'
import type { ActorInput, FieldInput, SignTask } from '@yinxin/sdk/wire'
import type { SessionCaller } from '#src/accounts/accounts.ts'
import type { Tx } from '#src/db/db.ts'
import type { Documents } from '#src/documents/documents.ts'
import type { SignTasks, Task } from '#src/sign-tasks/sign-tasks.ts'
import { refuse } from './errors.ts'
import { drawPaper } from './paper.ts'

interface Signatory {
  ref: string
  kind: 'person' | 'corp'
  name: string
  subjectId: string | null
  mobile: string | null
  email: string | null
}

/** Everybody who signed or was to sign, and the initiator. Who only received a copy is told, not asked. */
export function signatoriesOf(task: Task, initiatorKind: 'person' | 'corp'): Signatory[] {
  const signers = task.actors
    .filter((actor) => actor.role === 'sign')
    .map((actor) => ({
      kind: actor.kind,
      name: actor.name,
      subjectId: actor.subject_id,
      mobile: actor.mobile,
      email: actor.email,
    }))
  const isAmong = signers.some((one) => one.subjectId === task.row.tenant_id)
  const initiator = {
    kind: initiatorKind,
    name: task.row.initiator_name,
    subjectId: task.row.tenant_id,
    mobile: null,
    email: null,
  }
  const all = isAmong ? signers : [initiator, ...signers]
  // One signature per party, however often it signed the contract.
  const seen = new Set<string>()
  return all
    .filter((one) => {
      const key = one.subjectId ?? `${one.kind}|${one.name}|${one.mobile}|${one.email}`
      return !seen.has(key) && seen.add(key)
    })
    .map((one, i) => ({ ref: `party-${i + 1}`, ...one }))
}

export async function sendAgreement(
  { documents, signTasks }: { documents: Pick<Documents, 'receive'>; signTasks: Pick<SignTasks, 'create'> },
  caller: SessionCaller,
  request: { id: string; promisedAt: Date | null; deadline: Date },
  task: Task,
  signatories: readonly Signatory[],
  on: {
    /** Its page is stored, and nobody has been asked yet. */
    stored: () => Promise<void>
    /** Runs in the transaction that makes the agreement exist. */
    link: (tx: Tx, agreement: SignTask) => Promise<void>
  },
): Promise<SignTask> {
  for (const one of signatories)
    if (one.subjectId === null && one.mobile === null && one.email === null)
      throw refuse('destruction_party_unreachable', { name: one.name })
  const pdf = await drawPaper({
    title: '合同销毁协议',
    subtitle: 'Agreement to Destroy a Contract',
    number: request.id,
    blocks: [
      {
        kind: 'text',
        text: '各签署方一致同意销毁下列合同：销毁其内容密钥与全部副本，使其无法恢复。本协议由全体签署方签署后生效；任何一方拒签则不销毁整份合同。',
      },
      {
        kind: 'text',
        text: 'The signing parties agree that the contract below be destroyed: its key and all its copies, so that it cannot be restored. This takes effect when all have signed; if one refuses, the contract as a whole is not destroyed.',
      },
      {
        kind: 'rows',
        rows: [
          ['合同名称 · title', task.row.title],
          ['合同编号 · contract id', task.row.id],
          ...task.documents.map((one) => [one.name, `SHA-256 ${one.sha256}`] as const),
          [
            '约定销毁时间 · to be destroyed',
            request.promisedAt?.toISOString() ?? '冷静期届满后 · after the cooling-off period',
          ],
          ['销毁申请 · request', request.id],
        ],
      },
      ...signatories.map((one, i) => ({
        kind: 'signature' as const,
        keyword: keywordOf(i),
        name: one.name,
      })),
    ],
  })
  const file = await documents.receive(caller, {
    name: '合同销毁协议.pdf',
    content: (async function* () {
      yield pdf
    })(),
    expectedSha256: createHash('sha256').update(pdf).digest('hex'),
  })
  await on.stored()
  return await signTasks.create(
    caller,
    {
      title: `合同销毁协议：${task.row.title}`.slice(0, 200),
      documents: [{ ref: 'agreement', fileId: file.id }],
      actors: signatories.map(
        ({ ref, kind, name, subjectId, mobile, email }): ActorInput => ({
          ref,
          kind,
          role: 'sign',
          name,
          ...(subjectId === null ? {} : { subjectId }),
          ...(mobile === null ? {} : { mobile }),
          ...(email === null ? {} : { email }),
        }),
      ),
      fields: signatories.map(
        ({ ref, kind }, i): FieldInput => ({
          documentRef: 'agreement',
          actorRef: ref,
          kind: kind === 'corp' ? 'seal' : 'signature',
          position: { keyword: keywordOf(i), offsetX: 110 },
        }),
      ),
      ordered: false,
      deadline: request.deadline.toISOString(),
      autoStart: true,
    },
    (tx, answer) => on.link(tx, answer as SignTask),
  )
}

const keywordOf = (i: number) => `签署方 ${i + 1}（签章）`
