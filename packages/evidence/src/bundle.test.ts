import { signPdf } from '@yinxin/pades'
import { buildTimestampResponse, generateSigner, toPem } from '@yinxin/pki'
import { beforeAll, describe, expect, it } from 'vitest'
import { samplePdf } from '../testing/sample-pdf.ts'
import {
  createSamplePlatform,
  crlOf,
  logPackage,
  type SamplePlatform,
  SIGNED_AT,
  samplePackage,
  signSampleTask,
} from '../testing/sample-platform.ts'
import { reissue, rewriteEvents, withEntries } from '../testing/tamper.ts'
import type { Manifest } from './bundle-layout.ts'
import { type VerifyBundleOptions, verifyBundle } from './bundle-verify.ts'
import { type BundleInput, prepareBundle, writeBundle } from './bundle-write.ts'
import { sha256Hex, utf8 } from './bytes.ts'
import { canonicalBytes, type JsonObject } from './canonical-json.ts'
import type { EvidenceEvent } from './event-chain.ts'
import { cosignCheckpoint, encodeVkey, parseVkey } from './note.ts'
import { encodeTlogProof, parseTlogProof, type TlogProof } from './tlog-proof.ts'
import { readZip } from './zip-read.ts'
import { collectBytes, type ZipInput } from './zip-write.ts'

let platform: SamplePlatform
let input: BundleInput
let zip: Uint8Array
let anchors: VerifyBundleOptions

beforeAll(async () => {
  platform = createSamplePlatform()
  input = await signSampleTask(platform)
  zip = await samplePackage(platform, input)
  anchors = { trust: [platform.root.certificate.der], logKeys: [platform.vkey] }
})

const named = (bytes: Uint8Array, options: VerifyBundleOptions = anchors) =>
  verifyBundle(bytes, options).problems.map(({ entry, code }) => `${entry} ${code}`)

describe('a package', () => {
  it('verifies against anchors from outside and says what it is about', () => {
    const report = verifyBundle(zip, anchors)
    expect(report.problems).toEqual([])
    expect(report).toMatchObject({
      ok: true,
      trusted: true,
      logVerified: true,
      events: 6,
      task: { taskId: 'task-2025-0001', title: '采购合同', createdAt: '2025-01-31T08:02:00.000Z' },
      checkpoint: { origin: 'log.example/sample', size: 11, timestamp: '2025-01-31T08:01:40.000Z' },
      manifest: { entries: 19, logIndex: 12 },
    })
    expect(report.documents.map(({ path, ok, signatures }) => [path, ok, signatures.length])).toEqual([
      ['documents/1-采购合同.pdf', true, 2],
      ['documents/2-附件.pdf', true, 0],
    ])
    expect(report.documents[0]?.signatures.map(({ signer, timestamp }) => [signer, timestamp])).toEqual([
      ['示例科技有限公司', '2025-01-31T08:00:01.000Z'],
      ['张三', '2025-01-31T08:01:01.000Z'],
    ])
  })

  it('without anchors is judged by its inner consistency, and says so', () => {
    expect(verifyBundle(zip)).toMatchObject({ ok: true, trusted: null, logVerified: null, problems: [] })
    expect(verifyBundle(zip, { trust: anchors.trust as Uint8Array[] })).toMatchObject({
      ok: true,
      trusted: true,
      logVerified: null,
    })
  })

  it('is refused when rebuilt under other keys, although consistent in itself', async () => {
    const forger = createSamplePlatform()
    const forged = await samplePackage(forger, await signSampleTask(forger))
    expect(verifyBundle(forged).ok).toBe(true)
    const report = verifyBundle(forged, anchors)
    expect(report).toMatchObject({ ok: false, trusted: false, logVerified: false })
    expect(named(forged)).toEqual([
      'checkpoint log_key_unknown',
      'manifest.tlog-proof log_key_unknown',
      'timestamps/checkpoint.tsr timestamp_untrusted',
      'documents/1-采购合同.pdf document_untrusted',
    ])
    // Each anchor alone finds it too.
    expect(verifyBundle(forged, { trust: anchors.trust as Uint8Array[] }).ok).toBe(false)
    expect(verifyBundle(forged, { logKeys: [platform.vkey] }).ok).toBe(false)
  })

  it('streams documents without holding them, and fails when one is not what its hash says', async () => {
    const content = input.documents[0]?.content as Uint8Array
    const pieces = async function* () {
      for (let at = 0; at < content.length; at += 1000) yield content.subarray(at, at + 1000)
    }
    const streamed = prepareBundle({
      ...input,
      documents: input.documents.map((one, i) => (i === 0 ? { ...one, content: pieces } : one)),
    })
    const bytes = await collectBytes(writeBundle(streamed, logPackage(platform, streamed)))
    expect(named(bytes)).toEqual([])
    const wrong = async function* () {
      yield utf8('another file')
    }
    const bad = prepareBundle({
      ...input,
      documents: input.documents.map((one, i) => (i === 0 ? { ...one, content: wrong } : one)),
    })
    await expect(collectBytes(writeBundle(bad, logPackage(platform, bad)))).rejects.toMatchObject({
      code: 'bad_bundle_input',
    })
  })

  it('is not issued when it could not be verified', () => {
    const refuses = (change: Partial<BundleInput>, code: string) =>
      expect(() => prepareBundle({ ...input, ...change })).toThrow(expect.objectContaining({ code }))
    refuses({ events: [] }, 'bad_bundle_input')
    refuses({ events: input.events.slice(1) }, 'bad_bundle_input')
    refuses({ taskId: 'another' }, 'bad_bundle_input')
    refuses({ log: { ...input.log, proofs: input.log.proofs.slice(1) } }, 'bad_bundle_input')
    refuses({ log: { ...input.log, proofs: [...input.log.proofs].reverse() } }, 'bad_proof')
    refuses({ log: { ...input.log, keys: [createSamplePlatform().vkey] } }, 'bad_note')
    refuses(
      { disclosures: [{ ...(input.disclosures[0] as BundleInput['disclosures'][0]), value: '李四' }] },
      'bad_bundle_input',
    )
    const prepared = prepareBundle(input)
    const proof = logPackage(platform, prepared)
    expect(() => writeBundle(prepared, { ...proof, consistency: proof.consistency.slice(1) })).toThrow(
      expect.objectContaining({ code: 'bad_bundle_input' }),
    )
    expect(() => writeBundle(prepared, { ...proof, index: proof.index - 1 })).toThrow(
      expect.objectContaining({ code: 'bad_proof' }),
    )
    expect(() => writeBundle(prepared, { ...proof, checkpoint: input.log.checkpoint })).toThrow(
      expect.objectContaining({ code: 'bad_proof' }),
    )
  })

  it('needs the cosignature of every witness that is given', async () => {
    const witness = {
      name: 'witness.example',
      signer: generateSigner('ed25519').signer,
    }
    const witnessKey = encodeVkey(witness, 'witness')
    const strict = { ...anchors, logKeys: [platform.vkey, witnessKey] }
    expect(named(zip, strict)).toEqual(['checkpoint witness_missing', 'manifest.tlog-proof witness_missing'])
    const at = new Date(SIGNED_AT + 95_000)
    const checkpoint = cosignCheckpoint(input.log.checkpoint, witness, at)
    const digest = Buffer.from(sha256Hex(utf8(checkpoint)), 'hex')
    const log = {
      ...input.log,
      keys: [platform.vkey, witnessKey],
      checkpoint,
      timestampToken: platform.stamp(digest, at.getTime()),
    }
    const prepared = prepareBundle({ ...input, log })
    const proof = logPackage(platform, prepared)
    const cosigned = { ...proof, checkpoint: cosignCheckpoint(proof.checkpoint, witness, at) }
    expect(named(await collectBytes(writeBundle(prepared, cosigned)), strict)).toEqual([])
    expect(parseVkey(witnessKey).role).toBe('witness')
  })
})

describe('a manifest', () => {
  it('that is logged but does not fit the package is refused', async () => {
    const prepared = prepareBundle(input)
    const judged = async (change: (manifest: Manifest) => Partial<Manifest>) =>
      named(await reissue(platform, prepared, (manifest) => ({ ...manifest, ...change(manifest) })))
    expect(await judged(() => ({}))).toEqual([])
    // The first two entries are the README and a certificate: only their order is wrong.
    const swapped = ({ entries: [first, second, ...rest] }: Manifest) => ({
      entries: [second, first, ...rest] as Manifest['entries'],
    })
    expect(await judged(swapped)).toEqual(['manifest.json manifest_invalid'])
    expect(await judged(({ documents }) => ({ documents: documents.slice(1) }))).toContain(
      'manifest.json manifest_invalid',
    )
    const sameIds = await judged(({ documents }) => ({
      documents: documents.map((one) => ({ ...one, documentId: 'd1' })),
    }))
    expect(sameIds).toContain('manifest.json manifest_invalid')
    expect(await judged(({ events }) => ({ events: { ...events, count: 5 } }))).toEqual([
      'events.jsonl chain_broken',
    ])
    expect(await judged(({ events }) => ({ events: { ...events, lastHash: '0'.repeat(64) } }))).toEqual([
      'events.jsonl chain_broken',
    ])
    expect(await judged(() => ({ taskId: 'another' }))).toEqual(['events.jsonl chain_broken'])
    expect(await judged(({ log }) => ({ log: { ...log, origin: 'log.example/another' } }))).toEqual([
      'checkpoint checkpoint_invalid',
      'manifest.tlog-proof checkpoint_invalid',
    ])
    expect(await judged(({ log }) => ({ log: { ...log, keys: ['x'] } }))).toContain(
      'manifest.json manifest_invalid',
    )
    const withoutProof = await judged(({ entries }) => ({
      entries: entries.filter(({ path }) => path !== 'proofs/3.tlog-proof'),
    }))
    expect(withoutProof).toEqual(['proofs/3.tlog-proof proof_invalid'])
    for (const [path, problem] of [
      ['checkpoint', 'checkpoint checkpoint_invalid'],
      ['events.jsonl', 'events.jsonl event_invalid'],
      ['disclosures.json', 'disclosures.json disclosure_invalid'],
      ['timestamps/checkpoint.tsr', 'timestamps/checkpoint.tsr timestamp_invalid'],
      ['README.txt', 'manifest.json manifest_invalid'],
    ] as const) {
      expect(
        await judged(({ entries }) => ({ entries: entries.filter((one) => one.path !== path) })),
        path,
      ).toContain(problem)
    }
  })
})

describe('a file', () => {
  it('that is listed and logged but wrong in itself is refused', async () => {
    const prepared = prepareBundle(input)
    const textOf = (path: string) =>
      new TextDecoder().decode(readZip(zip).entries.find(({ name }) => name === path)?.content)
    const judged = async (path: string, content: string) =>
      named(await reissue(platform, prepared, (manifest) => manifest, { [path]: utf8(content) }))

    const events = textOf('events.jsonl')
    const lines = events.trimEnd().split('\n')
    expect(await judged('events.jsonl', events.replace('"seq":2', '"seq":7'))).toContain(
      'events.jsonl chain_broken',
    )
    expect(await judged('events.jsonl', `${[lines[1], lines[0], ...lines.slice(2)].join('\n')}\n`)).toContain(
      'events.jsonl chain_broken',
    )
    expect(await judged('events.jsonl', events.trimEnd())).toContain('events.jsonl event_invalid')
    expect(await judged('events.jsonl', events.replace('"v":1', '"v": 1'))).toContain(
      'events.jsonl event_invalid',
    )
    const later = `${lines[0]}\n${events.slice(events.indexOf('\n') + 1).replace('"v":1', '"v":2')}`
    expect(await judged('events.jsonl', later)).toContain('events.jsonl event_invalid')
    expect(await judged('events.jsonl', '')).toContain('events.jsonl event_invalid')

    const disclosures = textOf('disclosures.json')
    for (const bent of [
      disclosures.replace('张三', '李四'),
      disclosures.replace('"seq":0', '"seq":"0"'),
      '{}',
      '[null]',
      '[1]',
      `${disclosures}\n`,
    ]) {
      expect(await judged('disclosures.json', bent), bent).toEqual(['disclosures.json disclosure_invalid'])
    }

    const proof = textOf('proofs/1.tlog-proof')
    const newer = platform.checkpoint(platform.append([]).root)
    const wrongProofs = [
      proof.replace('\nindex', '\nextra eA==\nindex'),
      proof.replace('index 6', 'index 5'),
      proof.slice(0, proof.indexOf('\n\n') + 2) + newer,
      textOf('proofs/2.tlog-proof'),
      'no proof',
    ]
    for (const bent of wrongProofs) {
      expect(await judged('proofs/1.tlog-proof', bent), bent).toEqual(['proofs/1.tlog-proof proof_invalid'])
    }

    const [certificate = ''] = prepared.manifest.entries
      .filter(({ role }) => role === 'certificate')
      .map(({ path }) => path)
    const pem = textOf(certificate)
    for (const bent of [
      `${pem}${pem}`,
      `text\n${pem}`,
      toPem(createSamplePlatform().ca.certificate.der, 'CERTIFICATE'),
      'x',
    ]) {
      expect(await judged(certificate, bent)).toContain(`${certificate} certificate_invalid`)
    }
    const [crl = ''] = prepared.manifest.entries.filter(({ role }) => role === 'crl').map(({ path }) => path)
    expect(await judged(crl, 'x')).toEqual([`${crl} crl_invalid`])
    const otherCrl = crlOf(platform).issueCrlNow([{ serial: Uint8Array.of(9), at: new Date(SIGNED_AT) }])
    const renamed = await reissue(platform, prepared, (manifest) => manifest, { [crl]: otherCrl })
    expect(named(renamed)).toEqual([`${crl} crl_invalid`])
  })

  it('that is a checkpoint or the proof of the manifest must hold in every part', async () => {
    const stranger = { name: 'stranger.example', signer: generateSigner('ed25519').signer }
    const proofFile = readZip(zip).entries.find(({ name }) => name === 'manifest.tlog-proof') as {
      content: Uint8Array
    }
    const proof = parseTlogProof(new TextDecoder().decode(proofFile.content))
    const extra = JSON.parse(new TextDecoder().decode(proof.extra)) as {
      consistency: string[]
      leaf: JsonObject
    }
    const judged = async (change: Partial<TlogProof>) => {
      const content = utf8(encodeTlogProof({ ...proof, ...change }))
      return named(
        await withEntries(zip, (list) =>
          list.map((one) => (one.name === 'manifest.tlog-proof' ? { ...one, content } : one)),
        ),
      )
    }
    const withExtra = (change: Partial<typeof extra>) => ({ extra: canonicalBytes({ ...extra, ...change }) })

    expect(await judged({})).toEqual([])
    expect(await judged({ checkpoint: cosignCheckpoint(proof.checkpoint, stranger, new Date(0)) })).toEqual([
      'manifest.tlog-proof log_signature_unknown',
    ])
    expect(await judged({ checkpoint: proof.checkpoint.replace('\n13\n', '\n14\n') })).toContain(
      'manifest.tlog-proof checkpoint_invalid',
    )
    expect(await judged({ index: proof.index - 1 })).toEqual(['manifest.tlog-proof manifest_not_logged'])
    expect(await judged({ extra: utf8('{}') })).toEqual(['manifest.tlog-proof manifest_not_logged'])
    const { extra: _, ...bare } = proof
    const withoutLeaf = utf8(encodeTlogProof(bare))
    const stripped = await withEntries(zip, (list) =>
      list.map((one) => (one.name === 'manifest.tlog-proof' ? { ...one, content: withoutLeaf } : one)),
    )
    expect(named(stripped)).toEqual(['manifest.tlog-proof manifest_not_logged'])
    // The log forgot what it had promised: the leaf is in it, but not behind the events' checkpoint.
    expect(await judged(withExtra({ consistency: extra.consistency.slice(1) }))).toEqual([
      'manifest.tlog-proof history_broken',
    ])
    expect(await judged(withExtra({ consistency: [...extra.consistency].reverse() }))).toEqual([
      'manifest.tlog-proof history_broken',
    ])
    // The proof of another package of the same log does not vouch for this one.
    const other = await samplePackage(platform, { ...input, createdAt: new Date(SIGNED_AT + 130_000) })
    const otherProof = readZip(other).entries.find(({ name }) => name === 'manifest.tlog-proof')
      ?.content as Uint8Array
    const swapped = await withEntries(zip, (list) =>
      list.map((one) => (one.name === 'manifest.tlog-proof' ? { ...one, content: otherProof } : one)),
    )
    expect(named(swapped)).toEqual(['manifest.json manifest_changed'])

    const bentCheckpoint = utf8(input.log.checkpoint.replace('\n11\n', '\n12\n'))
    const bent = await reissue(platform, prepareBundle(input), (manifest) => manifest, {
      checkpoint: bentCheckpoint,
    })
    expect(named(bent)).toContain('checkpoint checkpoint_invalid')
    const cosigned = utf8(cosignCheckpoint(input.log.checkpoint, stranger, new Date(0)))
    const extended = await reissue(platform, prepareBundle(input), (manifest) => manifest, {
      checkpoint: cosigned,
    })
    expect(named(extended)).toContain('checkpoint log_signature_unknown')
  })

  it('with a timestamp over something else, or none, is refused', async () => {
    const path = 'timestamps/checkpoint.tsr'
    const stamped = (token: Uint8Array) =>
      reissue(
        platform,
        prepareBundle({ ...input, log: { ...input.log, timestampToken: token } }),
        (manifest) => manifest,
      )
    const other = platform.stamp(new Uint8Array(32), SIGNED_AT + 100_000)
    expect(named(await stamped(other))).toEqual([`${path} timestamp_invalid`])
    const digest = Buffer.from(sha256Hex(utf8(input.log.checkpoint)), 'hex')
    expect(named(await stamped(platform.stamp(digest, SIGNED_AT - 3600_000)))).toEqual([
      'events.jsonl time_mismatch',
    ])
    const refused = buildTimestampResponse({ failure: 'systemFailure' })
    const bytes = await reissue(platform, prepareBundle(input), (manifest) => manifest, { [path]: refused })
    expect(named(bytes)).toEqual([`${path} timestamp_invalid`])
  })
})

describe('an entry', () => {
  it('is named when it is missing, added, renamed, repeated or moved', async () => {
    const { entries } = readZip(zip)
    for (const { name } of entries) {
      const rest = await withEntries(zip, (list) => list.filter((one) => one.name !== name))
      expect(named(rest)).toContain(`${name} entry_missing`)
      const renamed = await withEntries(zip, (list) =>
        list.map((one) => (one.name === name ? { ...one, name: 'x.txt' } : one)),
      )
      expect(named(renamed)).toContain(`${name} entry_missing`)
      if (name !== 'manifest.json') expect(named(renamed)).toContain('x.txt entry_added')
    }
    const added = await withEntries(zip, (list) => [...list, { name: 'note.txt', content: utf8('hello') }])
    expect(named(added)).toEqual(['note.txt entry_added'])
    const moved = await withEntries(zip, (list) => [...list.slice(1), list[0] as ZipInput])
    expect(named(moved)).toEqual(['manifest.tlog-proof entry_order'])
  })

  it('is named when any byte of it is changed, also with a matching checksum', {
    timeout: 300_000,
  }, async () => {
    const { entries } = readZip(zip)
    for (const { name, content } of entries) {
      // Every byte of the manifest's proof, which no hash covers; a spread of the others.
      const step = name === 'manifest.tlog-proof' ? 1 : Math.ceil(content.length / 25)
      for (let at = 0; at < content.length; at += step) {
        const bent = content.slice()
        bent[at] = (bent[at] as number) ^ (1 << (at % 7))
        const changed = await withEntries(zip, (list) =>
          list.map((one) => (one.name === name ? { name, content: bent } : one)),
        )
        // No anchor is needed to find a change.
        const problems = verifyBundle(changed).problems
        expect(
          problems.some(({ entry }) => entry === name),
          `${name} byte ${at}`,
        ).toBe(true)
      }
    }
  })

  it('is named when any byte of the archive is changed', { timeout: 300_000 }, () => {
    const { entries } = readZip(zip)
    const names = new Set(entries.map(({ name }) => name))
    const inContent = new Uint8Array(zip.length)
    for (const { content } of entries)
      inContent.fill(
        1,
        content.byteOffset - zip.byteOffset,
        content.byteOffset - zip.byteOffset + content.length,
      )
    let framing = 0
    for (let at = 0; at < zip.length; at++) {
      // All of the framing is too much for one run of whole verifications; zip.test.ts flips every bit of it.
      if (inContent[at] === 1 ? at % 97 !== 0 : at % 4 !== 0) continue
      framing += 1 - (inContent[at] as number)
      const bent = zip.slice()
      bent[at] = (bent[at] as number) ^ (1 << (at % 8))
      const report = verifyBundle(bent)
      expect(report.ok, `byte ${at}`).toBe(false)
      const isEnd = at >= zip.length - 22
      if (!isEnd)
        expect(
          report.problems.some(({ entry }) => names.has(entry)),
          `byte ${at}`,
        ).toBe(true)
    }
    expect(framing).toBeGreaterThan(700)
  })

  it('never makes the verifier throw', () => {
    for (const bytes of [
      new Uint8Array(0),
      utf8('PK'),
      utf8('not a zip at all'),
      zip.subarray(0, 1000),
      zip.subarray(1000),
    ]) {
      const report = verifyBundle(bytes, anchors)
      expect(report).toMatchObject({ ok: false, trusted: false, logVerified: false })
      expect(report.problems).not.toEqual([])
    }
    expect(() => verifyBundle(zip, { trust: [utf8('x')] })).toThrow(
      expect.objectContaining({ name: 'PkiError' }),
    )
    expect(() => verifyBundle(zip, { logKeys: ['x'] })).toThrow(expect.objectContaining({ code: 'bad_note' }))
  })
})

describe('documents and events', () => {
  const signedAt = (events: readonly EvidenceEvent[]) =>
    events
      .map((event, i) => [event.type, i] as const)
      .filter(([type]) => type === 'document.signed')
      .map(([, i]) => i)

  /** A package issued in good form whose events tell another story. */
  async function retold(
    change: (events: EvidenceEvent[]) => EvidenceEvent[],
    more: Partial<BundleInput> = {},
  ) {
    return named(await samplePackage(platform, rewriteEvents(platform, { ...input, ...more }, change)))
  }
  const edit = (at: number, data: Record<string, unknown>) => (events: EvidenceEvent[]) =>
    events.map((event, i) =>
      i === at ? ({ ...event, data: { ...event.data, ...data } } as EvidenceEvent) : event,
    )

  it('tell the same story in an honest package', async () => {
    expect(await retold((events) => events)).toEqual([])
  })

  it('may keep hashes of documents behind commitments, as long as these are disclosed', async () => {
    const hidden = await signSampleTask(platform, { commitHashes: true })
    expect(JSON.stringify(hidden.events)).not.toContain(hidden.documents[0]?.sha256)
    expect(named(await samplePackage(platform, hidden))).toEqual([])
    const disclosures = hidden.disclosures.filter(({ path }) => path.startsWith('/actor'))
    const closed = named(await samplePackage(platform, { ...hidden, disclosures }))
    expect(closed).toContain('documents/1-采购合同.pdf document_hash')
    expect(closed).toContain('documents/1-采购合同.pdf signature_without_event')
  })

  it('leave a signature alone that was in the file before it came', async () => {
    const outsider = createSamplePlatform()
    const event = outsider.issue(outsider.ca, 'event-signing', 'Outsider', SIGNED_AT - 5000_000)
    const base = await signPdf(samplePdf('Signed elsewhere'), {
      signer: event.signer,
      certificates: [event.certificate.der, outsider.ca.certificate.der],
      placements: [],
      signingTime: new Date(SIGNED_AT - 5000_000),
    })
    const report = verifyBundle(
      await samplePackage(platform, await signSampleTask(platform, { base })),
      anchors,
    )
    expect(report.problems).toEqual([])
    expect(report.documents[0]?.signatures.map(({ signer, trusted }) => [signer, trusted])).toEqual([
      ['Outsider', false],
      ['示例科技有限公司', true],
      ['张三', true],
    ])
  })

  it('disagree when a signature has no event or an event no signature', async () => {
    const [first = 0, second = 0] = signedAt(input.events)
    const withoutLast = await retold((events) => events.filter((_, i) => i !== second))
    expect(withoutLast).toContain('documents/1-采购合同.pdf signature_without_event')
    expect(withoutLast).toContain('documents/1-采购合同.pdf document_hash')
    const doubled = await retold((events) => [...events, events[second] as EvidenceEvent])
    expect(doubled).toContain('events.jsonl event_without_signature')
    expect(await retold(edit(first, { certificateSha256: '0'.repeat(64) }))).toEqual([
      'documents/1-采购合同.pdf signature_without_event',
      'events.jsonl event_without_signature',
    ])
    expect(await retold(edit(first, { certificateSerial: '00' }))).toEqual(['events.jsonl event_invalid'])
  })

  it('disagree when hashes do not lead from the added file to the signed one', async () => {
    const [first = 0] = signedAt(input.events)
    expect(await retold(edit(first, { previousSha256: '0'.repeat(64) }))).toEqual([
      'events.jsonl document_hash',
    ])
    expect(await retold(edit(1, { documentSha256: '0'.repeat(64) }))).toContain(
      'documents/1-采购合同.pdf document_hash',
    )
    expect(await retold(edit(2, { documentSha256: '0'.repeat(64) }))).toContain(
      'documents/2-附件.pdf document_hash',
    )
    expect(await retold((events) => events.filter((_, i) => i !== 1))).toContain('events.jsonl document_hash')
    expect(await retold(edit(2, { documentId: 'd3' }))).toContain('manifest.json document_missing')
  })

  it('disagree when times do not', async () => {
    const [first = 0] = signedAt(input.events)
    expect(await retold(edit(first, { timestamp: '2025-01-31T08:00:02.000Z' }))).toEqual([
      'events.jsonl time_mismatch',
    ])
    const late = (events: EvidenceEvent[]) =>
      events.map((event, i) => (i < first ? event : { ...event, at: '2025-01-31T09:00:00.000Z' }))
    expect(new Set(await retold(late))).toEqual(new Set(['events.jsonl time_mismatch']))
  })

  it('need the certificate that signed, not revoked at that time', async () => {
    const [first = 0] = signedAt(input.events)
    const fingerprint = String(input.events[first]?.data.certificateSha256)
    const withoutOne = input.certificates.filter((der) => sha256Hex(der) !== fingerprint)
    expect(await retold((events) => events, { certificates: withoutOne })).toEqual([
      `certificates/${fingerprint}.pem certificate_missing`,
    ])
    const serial = Buffer.from(String(input.events[first]?.data.certificateSerial), 'hex')
    const revokedOn = (at: number) => [crlOf(platform).issueCrlNow([{ serial, at: new Date(at) }])]
    expect(await retold((events) => events, { crls: revokedOn(SIGNED_AT - 1000) })).toEqual([
      `certificates/${fingerprint}.pem certificate_revoked`,
    ])
    expect(await retold((events) => events, { crls: revokedOn(SIGNED_AT + 80_000) })).toEqual([])
    const foreign = crlOf(createSamplePlatform()).issueCrlNow([])
    expect(await retold((events) => events, { crls: [foreign] })).toEqual([
      `crl/${sha256Hex(foreign)}.crl crl_invalid`,
    ])
  })

  it('name the file that was swapped for another one in the documents folder', async () => {
    const other = input.documents[1] as BundleInput['documents'][0]
    const swapped = [
      {
        ...(input.documents[0] as typeof other),
        content: other.content,
        sha256: other.sha256,
        sizeBytes: other.sizeBytes,
      },
      other,
    ]
    const problems = await retold((events) => events, { documents: swapped })
    expect(problems).toContain('documents/1-采购合同.pdf document_invalid')
    expect(problems).toContain('documents/1-采购合同.pdf document_hash')
    const broken = utf8('not a PDF')
    const unreadable = [
      {
        ...(input.documents[0] as typeof other),
        content: broken,
        sha256: sha256Hex(broken),
        sizeBytes: broken.length,
      },
      other,
    ]
    expect(await retold((events) => events, { documents: unreadable })).toEqual([
      'documents/1-采购合同.pdf document_unreadable',
    ])
  })
})
