import { describe, expect, it } from 'vitest'
import { daysFromNoon, makeRoot, nextSerial, noon } from '../testing/authority.ts'
import {
  generateSigner,
  issueCertificate,
  lintCertificate,
  parseCertificate,
  prepareIssuer,
  type SubjectFields,
} from './pki.ts'
import { createTemplateLint } from './lint-template.ts'
import { lintSubject } from './lint.ts'

const root = makeRoot()
const fields = (more: Partial<SubjectFields> = {}): SubjectFields => ({
  profile: 'event-signing',
  subject: { C: 'CN', CN: '王小明' },
  spki: generateSigner('ecdsa-p256-sha256').signer.spki,
  serial: nextSerial(),
  notBefore: noon,
  notAfter: daysFromNoon(1),
  ...more,
})
const issuer = () => prepareIssuer(root.certificate, root.signer, { crlUrls: ['http://ca.example.cn/1.crl'] })
const tbsOf = (more?: Partial<SubjectFields>) => parseCertificate(issuer().issue(fields(more))).tbsDer

/** The position of some bytes in others. */
const find = (bytes: Uint8Array, part: Uint8Array) => Buffer.from(bytes).indexOf(Buffer.from(part))

describe('lint of a template', () => {
  it('finds in a later certificate what is wrong with its subject, as the first time', () => {
    const bad: [string, Partial<SubjectFields>][] = [
      ['country-code', { subject: { C: 'China' as 'CN', CN: '王小明' } }],
      ['attribute-length', { subject: { C: 'CN', CN: '王'.repeat(65) } }],
      ['subject-named', { subject: {} }],
      ['serial-positive-20-octets', { serial: Uint8Array.of(0) }],
      ['validity-order', { notAfter: daysFromNoon(-1) }],
      ['validity-inside-issuer', { notAfter: daysFromNoon(100_000) }],
      ['key-strength', { spki: generateSigner('rsa-pkcs1-sha256', { rsaBits: 1024 }).signer.spki }],
    ]
    for (const [rule, more] of bad) {
      const prepared = issuer()
      let used = 0
      const counting = prepareIssuer(root.certificate, {
        ...root.signer,
        sign(data) {
          used += 1
          return root.signer.sign(data)
        },
      })
      counting.issue(fields())
      expect(() => prepared.issue(fields(more)), rule).toThrow(rule)
      prepared.issue(fields())
      expect(() => prepared.issue(fields(more)), `${rule} again`).toThrow(rule)
      expect(() => counting.issue(fields(more)), rule).toThrow(rule)
      expect(used, 'the key was used for the good one alone').toBe(1)
    }
  })

  it('applies every rule again as soon as one shared byte differs', () => {
    const lint = createTemplateLint('event-signing', root.certificate)
    const good = tbsOf()
    expect(lint(good)).toEqual([])
    const shared = [
      Uint8Array.of(0x06, 0x03, 0x55, 0x1d, 0x0f),
      Uint8Array.of(0x06, 0x03, 0x55, 0x1d, 0x25),
      Uint8Array.of(0x06, 0x03, 0x55, 0x1d, 0x0e),
      new TextEncoder().encode('http://ca'),
    ]
    for (const part of shared) {
      const at = find(good, part)
      expect(at).toBeGreaterThan(0)
      const altered = good.slice()
      altered[at + part.length - 1]! ^= 0x40
      const found = lint(altered)
      expect(found).toEqual(lintCertificate(altered, 'event-signing', root.certificate))
      if (part[0] === 0x06) expect(found).not.toEqual([])
    }
    expect(lint(tbsOf())).toEqual([])
  })

  it('is not misled by bytes that change after they were judged', () => {
    const lint = createTemplateLint('event-signing', root.certificate)
    const first = tbsOf()
    const usage = find(first, Uint8Array.of(0x06, 0x03, 0x55, 0x1d, 0x0f)) + 4
    lint(first)
    first[usage]! ^= 1
    expect(lint(first)).toEqual(lintCertificate(first, 'event-signing', root.certificate))
    expect(lint(first)).not.toEqual([])
  })

  it('answers as the whole lint for good certificates of every profile, with and without other names', () => {
    for (const profile of ['event-signing', 'document-signing', 'timestamping', 'ocsp-responder'] as const) {
      const prepared = issuer()
      for (const subjectAltNames of [
        undefined,
        [{ type: 'email', value: 'a@example.cn' } as const],
        undefined,
      ]) {
        const der = prepared.issue(fields({ profile, ...(subjectAltNames && { subjectAltNames }) }))
        expect(lintCertificate(der, profile, root.certificate)).toEqual([])
      }
    }
  })

  it('about the subject looks at nothing else', () => {
    const body = parseCertificate(issuer().issue(fields()))
    expect(
      lintSubject({ ...body, keyUsage: new Set() } as typeof body, 'event-signing', root.certificate),
    ).toEqual([])
    expect(() =>
      issueCertificate({ ...fields(), issuer: root.certificate, crlUrls: ['ftp://x'] }, root.signer),
    ).toThrow('urls')
  })
})
