import { buildTimestampResponse, startDigest } from '@yinxin/pki'
import { beforeAll, describe, expect, it } from 'vitest'
import { createSamplePlatform, type SamplePlatform, SIGNED_AT } from '../testing/sample-platform.ts'
import { sha256, sha256Hex, toHex, utf8 } from './bytes.ts'
import { canonicalBytes } from './canonical-json.ts'
import {
  EXPORT_ENTRIES,
  EXPORT_MANIFEST,
  EXPORT_PROOF,
  EXPORT_TIMESTAMP,
  type ExportLoss,
  type ExportManifest,
  exportEntryLine,
  exportLeafBytes,
  parseExportManifest,
} from './export-layout.ts'
import { verifyExport } from './export-verify.ts'
import { encodeTlogProof } from './tlog-proof.ts'

type Files = Map<string, Uint8Array>

let platform: SamplePlatform
let files: Files

/** An export without contracts: what binds it is the same. */
function makeExport(
  of: SamplePlatform,
  stampOf = (token: Uint8Array) => buildTimestampResponse({ token }),
  lost: ExportLoss[] = [],
) {
  const made: Files = new Map([
    ['README.txt', utf8('an export\n')],
    ['tables/tenant.jsonl', utf8('{"name":"示例科技有限公司"}\n')],
  ])
  const lines: Uint8Array[] = []
  for (const [path, bytes] of made) {
    const role = path === 'README.txt' ? ('readme' as const) : ('table' as const)
    const [hash, sm3] = [sha256Hex(bytes), sm3Of(bytes)]
    lines.push(exportEntryLine({ path, role, sizeBytes: bytes.length, sha256: hash, sm3 }))
  }
  const list = new Uint8Array(Buffer.concat(lines))
  const manifest: ExportManifest = {
    format: 'yinxin-export',
    v: 1,
    exportId: '01900000-0000-7000-8000-000000000001',
    tenant: {
      id: '01900000-0000-7000-8000-000000000002',
      kind: 'corp',
      name: '示例科技有限公司',
      creditCode: '91330106MA2CFLDQ68',
    },
    createdAt: new Date(SIGNED_AT + 1000).toISOString(),
    snapshotAt: new Date(SIGNED_AT).toISOString(),
    since: new Date(SIGNED_AT - 86_400_000).toISOString(),
    counts: { files: 0, contracts: 0, documents: 0, events: 0, tables: { tenant: 1 } },
    gone: ['01900000-0000-7000-8000-000000000003'],
    ...(lost.length === 0 ? {} : { lost }),
    entries: {
      count: made.size,
      sizeBytes: [...made.values()].reduce((sum, bytes) => sum + bytes.length, 0),
      sha256: sha256Hex(list),
      sm3: sm3Of(list),
    },
    log: { origin: of.log.name, keys: [of.vkey] },
    trust: { anchors: [sha256Hex(of.root.certificate.der)] },
    environment: { platform: 'yinxin', mode: 'sandbox', developmentCa: true, simulators: ['sms'] },
  }
  const bytes = canonicalBytes(manifest)
  const stamp = stampOf(of.stamp(sha256(bytes), SIGNED_AT + 1000))
  const leaf = exportLeafBytes(manifest, sha256Hex(bytes), sha256Hex(stamp))
  const { from, root } = of.append([leaf])
  const proof = encodeTlogProof({ ...of.proofOf(from), extra: leaf, checkpoint: of.checkpoint(root) })
  made.set(EXPORT_ENTRIES, list)
  made.set(EXPORT_MANIFEST, bytes)
  made.set(EXPORT_PROOF, utf8(proof))
  made.set(EXPORT_TIMESTAMP, stamp)
  return made
}

function sm3Of(bytes: Uint8Array): string {
  const hash = startDigest('sm3')
  hash.update(bytes)
  return toHex(hash.digest())
}

async function* items(given: Files) {
  for (const [path, bytes] of given) yield { path, content: once(bytes) }
}
async function* once(bytes: Uint8Array) {
  yield bytes
}

const judge = (given: Files, options: Parameters<typeof verifyExport>[1] = {}) =>
  verifyExport(items(given), { ordered: true, ...options })
const changed = (path: string, bytes: Uint8Array): Files => new Map(files).set(path, bytes)
const anchors = () => ({ trust: [platform.root.certificate.der], logKeys: [platform.vkey] })

beforeAll(() => {
  platform = createSamplePlatform()
  files = makeExport(platform)
})

describe('what binds an export', () => {
  it('holds by itself and against anchors from outside', async () => {
    expect((await judge(files)).problems).toEqual([])
    expect(await judge(files, anchors())).toMatchObject({
      ok: true,
      problems: [],
      trusted: true,
      logVerified: true,
      logIndex: 5,
      timestamp: '2025-01-31T08:00:01.000Z',
    })
  })

  for (const path of [
    'README.txt',
    'tables/tenant.jsonl',
    EXPORT_ENTRIES,
    EXPORT_MANIFEST,
    EXPORT_PROOF,
    EXPORT_TIMESTAMP,
  ])
    it(`each byte of ${path} is covered: changed, it is refused by name, without any anchor`, async () => {
      const good = files.get(path) as Uint8Array
      const unnoticed: string[] = []
      // The lowest bit, the one of upper and lower case, and the highest: of each byte.
      for (let at = 0; at < good.length; at++)
        for (const mask of [0x01, 0x20, 0x80]) {
          const bytes = new Uint8Array(good)
          bytes[at] = (bytes[at] as number) ^ mask
          const report = await judge(changed(path, bytes))
          if (report.ok || !report.problems.some(({ entry }) => entry === path))
            unnoticed.push(`@${at} ^${mask}: ${report.problems.map((one) => one.message_en).join('; ')}`)
        }
      expect(unnoticed).toEqual([])
    }, 60_000)

  it('no byte can be taken from its files or added to them', async () => {
    for (const [path, good] of files)
      for (const bytes of [
        good.subarray(1),
        good.subarray(0, -1),
        new Uint8Array([...good, 0]),
        new Uint8Array(),
      ]) {
        const report = await judge(changed(path, bytes))
        expect(report.ok).toBe(false)
        expect(report.problems.map(({ entry }) => entry)).toContain(path)
      }
  })

  it('another timestamp over the same manifest is not the one of this export', async () => {
    const token = platform.stamp(sha256(files.get(EXPORT_MANIFEST) as Uint8Array), SIGNED_AT + 5000)
    const report = await judge(changed(EXPORT_TIMESTAMP, buildTimestampResponse({ token })), anchors())
    expect(report.problems.map(({ entry, code }) => [entry, code])).toEqual([
      [EXPORT_TIMESTAMP, 'entry_changed'],
    ])
  })

  it('a proof of another export convicts the manifest, and keys from outside convict another platform', async () => {
    const other = makeExport(platform)
    const mixed = changed(EXPORT_PROOF, files.get(EXPORT_PROOF) as Uint8Array).set(
      EXPORT_MANIFEST,
      utf8(
        Buffer.from(other.get(EXPORT_MANIFEST) as Uint8Array)
          .toString()
          .replace('示例', '样本'),
      ),
    )
    expect((await judge(mixed)).problems.map(({ entry }) => entry)).toContain(EXPORT_MANIFEST)
    const forged = makeExport(createSamplePlatform())
    expect((await judge(forged)).ok).toBe(true)
    expect((await judge(forged, anchors())).problems.map(({ code }) => code)).toEqual([
      'log_key_unknown',
      'timestamp_untrusted',
    ])
  })
})

describe('what an export declares as lost', () => {
  const lost: ExportLoss = {
    path: 'files/01900000-0000-7000-8000-000000000004.pdf',
    subjectId: '01900000-0000-7000-8000-000000000004',
    reason: 'unreadable',
    sizeBytes: 12_345,
    sha256: 'a'.repeat(64),
  }
  const losing = (...all: ExportLoss[]) => makeExport(platform, undefined, all)

  it('is told as lost, and is no problem of the export', async () => {
    const report = await judge(losing(lost), anchors())
    expect(report).toMatchObject({ ok: true, problems: [], lost: [lost], trusted: true, logVerified: true })
    expect((await judge(files, anchors())).lost).toEqual([])
  })

  it('is not believed when the log does not vouch for the declaration', async () => {
    const declared = losing(lost)
    const bytes = declared.get(EXPORT_MANIFEST) as Uint8Array
    const other = utf8(Buffer.from(bytes).toString().replace('unreadable', 'key_missing'))
    const report = await judge(new Map(declared).set(EXPORT_MANIFEST, other), anchors())
    expect(report).toMatchObject({ ok: false, lost: [] })
    expect(report.problems.map(({ entry }) => entry)).toContain(EXPORT_MANIFEST)
  })

  it('cannot stand in the list of what is there', async () => {
    const report = await judge(losing({ ...lost, path: 'README.txt' }))
    expect(report.problems.map(({ entry, code }) => [entry, code])).toEqual([['README.txt', 'loss_present']])
  })

  it('is read strictly', () => {
    const bytes = (losses: unknown[]) =>
      utf8(
        Buffer.from(losing(lost).get(EXPORT_MANIFEST) as Uint8Array)
          .toString()
          .replace(/"lost":\[.*?\]/, `"lost":${Buffer.from(canonicalBytes(losses as never)).toString()}`),
      )
    expect(parseExportManifest(bytes([lost])).lost).toEqual([lost])
    for (const wrong of [
      [],
      [lost, lost],
      [{ ...lost, path: '../evil' }],
      [{ ...lost, path: EXPORT_MANIFEST }],
      [{ ...lost, reason: 'eaten' }],
      [{ ...lost, more: 1 }],
    ])
      expect(() => parseExportManifest(bytes(wrong)), JSON.stringify(wrong)).toThrow()
  })
})
