import { drawPaper, type PaperBlock } from './paper.ts'

/** The shape this reads back from the canonical JSON. */
interface Certificate {
  number: string
  stage: 'provisional' | 'final'
  contractId: string
  extent: 'access' | 'contract'
  basis: {
    trigger: 'own' | 'term-end' | 'consent'
    requestId: string
    agreementContractId: string | null
    agreementSha256: string | null
  }
  requester: string
  approvers: string[]
  method: string[]
  objects: {
    objectId: string
    bytes: number
    ciphertextSha256: string
    what: string
    replicas: { domain: string; site: string | null }[]
  }[]
  keys: { keyId: string | null; keyType: string; epoch: number; deletedAt: string; receiptSha256: string }[]
  keyCopies: { name: string; site: string; state: string }[]
  verification: { check: string; ok: boolean; detail: string }[]
  tool: { name: string; version: string }
  times: Record<string, string | null>
  residual: { zh: string; en: string }
  issuer: { certificateSha256: string; developmentCa: boolean; simulators: string[] }
}

const TRIGGERS = {
  own: '当事方自行要求 · asked for by the party itself',
  'term-end': '服务期满 · end of the service term',
  consent: '各方书面协议一致 · written agreement of all parties',
}
const CHECKS: Record<string, string> = {
  'replicas-absent': '各存储域均无副本 · no replica in any storage domain',
  'key-absent': '密钥库各副本均无密钥 · no key in any copy of the keys database',
  'sample-unreadable': '留样无法解密 · held-back sample does not decrypt',
  'reconcile-clean': '对账无残留 · reconciliation finds no remains',
  'others-still-read': '其他各方不受影响 · other parties unaffected',
}
const TIMES: readonly [string, string][] = [
  ['requested', '申请 · requested'],
  ['approved', '批准 · approved'],
  ['promised', '约定 · promised'],
  ['shredded', '执行 · shredded'],
  ['provisional', '初步证明 · provisional'],
  ['finalExpectedBy', '最终证明不晚于（预计）· final expected by'],
  ['final', '最终（备份亦不可恢复）· final (backups too)'],
]
const LISTED_MAX = 40

/** The certificate for people. What it says is read from the very JSON whose digest it prints. */
export async function drawCertificate(canonicalJson: string, sha256: string): Promise<Buffer> {
  const one = JSON.parse(canonicalJson) as Certificate
  const isFinal = one.stage === 'final'
  const rows = (list: readonly (readonly [string, string])[]): PaperBlock => ({ kind: 'rows', rows: list })
  const heading = (text: string): PaperBlock => ({ kind: 'heading', text })
  const notice = [
    ...(one.issuer.developmentCa ? ['开发测试证书机构 · development certificate authority'] : []),
    ...(one.issuer.simulators.length > 0 ? [`模拟器 · simulators: ${one.issuer.simulators.join(', ')}`] : []),
  ]
  return await drawPaper({
    title: isFinal ? '数据销毁证明（最终）' : '数据销毁证明（初步）',
    subtitle: isFinal ? 'Certificate of Destruction (final)' : 'Certificate of Destruction (provisional)',
    number: one.number,
    blocks: [
      ...(notice.length > 0 ? [{ kind: 'text', text: notice.join('；') } as const] : []),
      {
        kind: 'text',
        text:
          one.extent === 'contract'
            ? '兹证明下列合同的内容密钥及其全部副本已销毁。This certifies that the key of the contract below and all its copies were destroyed.'
            : '兹证明下列一方对合同的访问密钥已销毁，该方无法再读取合同；其他各方不受影响。This certifies that the access key of the party below was destroyed; it can no longer read the contract, and the other parties are not affected.',
      },
      {
        kind: 'text',
        text: isFinal
          ? '销毁前备份所依赖的期密钥亦已销毁，任何备份均无法恢复。The epoch keys that older backups hang on are destroyed too: no backup brings it back.'
          : '销毁前的密钥库备份将随期密钥销毁而失效，届时出具最终证明。Backups of the keys from before die with their epoch key; the final certificate tells when.',
      },
      rows([
        ['合同编号 · contract', one.contractId],
        ['依据 · basis', TRIGGERS[one.basis.trigger]],
        ['申请编号 · request', one.basis.requestId],
        ['申请方 · requester', one.requester],
        ['同意方 · approvers', one.approvers.join('\n')],
        ...(one.basis.agreementContractId === null
          ? []
          : ([
              ['销毁协议 · agreement', one.basis.agreementContractId],
              ['协议哈希 · its SHA-256', one.basis.agreementSha256 ?? ''],
            ] as const)),
      ]),
      heading('时间 · Times (UTC)'),
      rows(TIMES.map(([key, name]) => [name, one.times[key] ?? '—'] as const)),
      heading('方法 · Method'),
      ...one.method.map((text): PaperBlock => ({ kind: 'text', text })),
      heading('验证 · Verification'),
      rows(
        one.verification.map(
          (check) =>
            [
              CHECKS[check.check] ?? check.check,
              `${check.ok ? '通过 · passed' : '未通过 · failed'}：${check.detail}`,
            ] as const,
        ),
      ),
      heading('密钥 · Keys'),
      rows(
        one.keys
          .slice(0, LISTED_MAX)
          .map(
            (key) =>
              [
                `${key.keyType} · ${key.deletedAt}`,
                `${key.keyId ?? ''}\nepoch ${key.epoch} · receipt ${key.receiptSha256}`,
              ] as const,
          ),
      ),
      ...(one.keyCopies.length > 0
        ? [rows(one.keyCopies.map((copy) => [`${copy.name}（${copy.site}）`, copy.state] as const))]
        : []),
      heading(
        one.extent === 'contract'
          ? '已移除的密文对象 · Ciphertext objects removed'
          : '密文对象（仍供其他各方读取）· Ciphertext objects (still there for the others)',
      ),
      rows(
        one.objects
          .slice(0, LISTED_MAX)
          .map(
            (object) =>
              [
                `${object.bytes} bytes · ${object.replicas.length} ×`,
                `${object.objectId}\n${object.ciphertextSha256}\n${object.replicas.map((replica) => replica.domain).join(', ')}`,
              ] as const,
          ),
      ),
      ...(one.objects.length > LISTED_MAX
        ? [
            {
              kind: 'text',
              text: `共 ${one.objects.length} 个，其余见 JSON · the others stand in the JSON`,
            } as const,
          ]
        : []),
      heading('保留事项 · What stays'),
      { kind: 'text', text: one.residual.zh },
      { kind: 'text', text: one.residual.en },
      heading('核验 · How to check'),
      {
        kind: 'text',
        text: '本页与同名 JSON 内容一致。离线核验：yinxin destruction verify destruction-proof.json --log-key LOG.vkey --trust ROOT.pem。This page tells what the JSON tells; verify it offline with the command above.',
      },
      rows([
        ['JSON SHA-256', sha256],
        ['工具 · tool', `${one.tool.name} ${one.tool.version}`],
        ['平台签章证书 · platform seal', one.issuer.certificateSha256],
      ]),
    ],
  })
}
