import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { documentPath, type Manifest, parseManifest } from './bundle-layout.ts'
import { canonicalBytes } from './canonical-json.ts'
import { isSafeName } from './zip-format.ts'

describe('names of documents in a package', () => {
  it('keep what reads well', () => {
    expect(documentPath(0, '采购合同（2025）.pdf')).toBe('documents/1-采购合同（2025）.pdf')
    expect(documentPath(9, 'Annex A.PDF')).toBe('documents/10-Annex A.pdf')
    expect(documentPath(1, '../../etc/passwd')).toBe('documents/2-_.._etc_passwd.pdf')
    expect(documentPath(1, ' . ')).toBe('documents/2-document.pdf')
  })

  it('are safe whatever their owner wrote', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 200 }), fc.nat({ max: 999 }), (name, index) => {
        const path = documentPath(index, name)
        expect(isSafeName(path), JSON.stringify(path)).toBe(true)
        expect(path.split('/')).toHaveLength(2)
      }),
      { numRuns: 2000 },
    )
  })
})

describe('manifest', () => {
  const hash = 'a'.repeat(64)
  const good: Manifest = {
    format: 'yinxin-evidence',
    v: 1,
    taskId: 't',
    createdAt: '2025-01-31T08:00:00.000Z',
    documents: [{ documentId: 'd', path: 'documents/1-a.pdf', name: 'a', sha256: hash, sizeBytes: 1 }],
    events: { count: 1, lastHash: hash },
    log: { origin: 'log', keys: ['k'] },
    trust: { anchors: [hash] },
    environment: {},
    entries: [{ path: 'documents/1-a.pdf', role: 'document', sha256: hash, sizeBytes: 1 }],
  }
  const [entry] = good.entries as [Manifest['entries'][number]]
  const [document] = good.documents as [Manifest['documents'][number]]

  it('is read in its exact form only', () => {
    expect(parseManifest(canonicalBytes(good))).toEqual(good)
    expect(parseManifest(canonicalBytes({ ...good, title: '合同' })).title).toBe('合同')
    const bad: Record<string, unknown>[] = [
      { v: 2 },
      { format: 'x' },
      { extra: 1 },
      { taskId: '' },
      { title: '' },
      { createdAt: '2025-01-31T08:00:00Z' },
      { createdAt: '2025-02-30T08:00:00.000Z' },
      { documents: {} },
      { documents: [{ ...document, sha256: 'A'.repeat(64) }] },
      { documents: [{ ...document, more: 1 }] },
      { events: { count: -1, lastHash: hash } },
      { log: { origin: 'log', keys: 'k' } },
      { trust: { anchors: ['x'] } },
      { environment: [] },
      { entries: [{ ...entry, role: 'other' }] },
      { entries: [{ ...entry, role: 'toString' }] },
      { entries: [{ ...entry, path: 'documents/../x.pdf' }] },
      { entries: [{ ...entry, path: 'x.pdf' }] },
      { entries: [{ ...entry, sizeBytes: '1' }] },
    ]
    for (const change of bad) {
      expect(() => parseManifest(canonicalBytes({ ...good, ...change })), JSON.stringify(change)).toThrow(
        expect.objectContaining({ code: 'bad_bundle_input' }),
      )
    }
    expect(() => parseManifest(new TextEncoder().encode(JSON.stringify(good)))).toThrow(
      expect.objectContaining({ code: 'not_canonical' }),
    )
    expect(() => parseManifest(Uint8Array.of(0xff))).toThrow(
      expect.objectContaining({ code: 'bad_bundle_input' }),
    )
  })
})
