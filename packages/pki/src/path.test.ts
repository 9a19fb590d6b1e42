import { describe, expect, it } from 'vitest'
import {
  caExtensions,
  daysFromNoon,
  makeChild,
  makeRoot,
  nextSerial,
  noon,
  oddCertificate,
  type Party,
  signerExtensions,
} from '../testing/authority.ts'
import {
  boolean,
  element,
  encode,
  explicit,
  implicit,
  integer,
  oid,
  sequence,
  utf8String,
} from './der-write.ts'
import {
  encodeBasicConstraints,
  encodeExtendedKeyUsage,
  encodeExtension,
  encodeKeyUsage,
  encodePolicies,
  encodeSubjectAltNames,
} from './extensions.ts'
import {
  encodeName,
  generateSigner,
  issueCrl,
  OID,
  type PathOptions,
  type PathResult,
  validatePath,
} from './pki.ts'

const root = makeRoot()
const authority = makeChild(root, 'issuing-ca', 'ecdsa-p256-sha256', {
  C: 'CN',
  O: '印信测试',
  CN: 'issuing',
})
const leaf = makeChild(authority, 'event-signing')

function judge(end: Party, between: readonly Party[], more: Partial<PathOptions> = {}): PathResult {
  return validatePath({
    leaf: end.certificate,
    intermediates: between.map(({ certificate }) => certificate),
    anchors: [root.certificate],
    at: noon,
    ...more,
  })
}
const errors = (result: PathResult): string[] =>
  result.problems.filter(({ severity }) => severity === 'error').map(({ code }) => code)

describe('a good path', () => {
  it('is found in any order, among strangers, and reported from leaf to anchor', () => {
    const strangers = [makeRoot('ed25519', 'stranger'), makeChild(root, 'timestamping'), leaf]
    const result = judge(leaf, [...strangers, authority, root], { purpose: 'signing' })
    expect(result).toMatchObject({ ok: true, problems: [] })
    expect(result.chain).toEqual([leaf.certificate, authority.certificate, root.certificate])
  })

  it('may be the anchor itself', () => {
    expect(judge(leaf, [], { anchors: [leaf.certificate] }).ok).toBe(true)
    expect(judge(root, []).ok).toBe(true)
  })

  it('is good at its first and last second', () => {
    expect(judge(leaf, [authority], { at: leaf.certificate.notBefore }).ok).toBe(true)
    expect(judge(leaf, [authority], { at: leaf.certificate.notAfter }).ok).toBe(true)
  })

  it('is found though another CA has the same name', () => {
    const twin = oddCertificate(root, {
      subject: { C: 'CN', O: '印信测试', CN: 'issuing' },
      extensions: caExtensions(),
    })
    expect(judge(leaf, [twin, authority])).toMatchObject({ ok: true, problems: [] })
    expect(errors(judge(leaf, [twin]))).toContain('chain-signature')
  })

  it('is found though an expired certificate of the same CA stands first', () => {
    const old = oddCertificate(root, {
      subject: { C: 'CN', O: '印信测试', CN: 'issuing' },
      signer: authority.signer,
      extensions: caExtensions(),
      notAfter: daysFromNoon(-1),
    })
    expect(judge(leaf, [old, authority]).ok).toBe(true)
    expect(errors(judge(leaf, [old]))).toEqual(['expired'])
  })
})

describe('a bad path', () => {
  it('expired or not yet valid', () => {
    expect(errors(judge(leaf, [authority], { at: daysFromNoon(2000) }))).toContain('expired')
    expect(errors(judge(leaf, [authority], { at: daysFromNoon(-500) }))).toContain('not-yet-valid')
  })

  it('at no time at all is a mistake of the caller', () => {
    expect(() => judge(leaf, [authority], { at: new Date(Number.NaN) })).toThrowError(
      expect.objectContaining({ code: 'argument' }),
    )
  })

  it('without its intermediate or its anchor', () => {
    expect(errors(judge(leaf, []))).toEqual(['untrusted'])
    const other = makeRoot('ed25519', 'other')
    const result = judge(leaf, [authority, root], { anchors: [other.certificate] })
    expect(errors(result)).toEqual(['untrusted'])
    expect(result.chain).toHaveLength(3)
  })

  it('signed by a stranger that took the name of the issuer', () => {
    const thief = { signer: generateSigner('ecdsa-p256-sha256').signer, certificate: authority.certificate }
    expect(errors(judge(oddCertificate(thief), [authority]))).toEqual(['untrusted', 'chain-signature'])
  })

  it('through a certificate that is no CA', () => {
    const person = makeChild(authority, 'event-signing', 'ecdsa-p256-sha256', { CN: 'person' })
    expect(errors(judge(oddCertificate(person), [person, authority]))).toEqual(
      expect.arrayContaining(['not-a-ca', 'key-usage', 'path-length']),
    )
    const plain = oddCertificate(root, { subject: { CN: 'v1' }, version: undefined, extensions: [] })
    expect(errors(judge(oddCertificate(plain), [plain]))).toEqual(['not-a-ca'])
  })

  it('through a CA without the right to sign certificates', () => {
    const ca = oddCertificate(root, {
      subject: { CN: 'no key usage' },
      extensions: [encodeBasicConstraints(true), encodeKeyUsage(['cRLSign'])],
    })
    expect(errors(judge(oddCertificate(ca), [ca]))).toEqual(['key-usage'])
  })

  it('longer than a CA allows', () => {
    const below = oddCertificate(authority, { subject: { CN: 'below' }, extensions: caExtensions() })
    expect(errors(judge(oddCertificate(below), [below, authority]))).toEqual(['path-length'])
    const wide = oddCertificate(root, { subject: { CN: 'wide' }, extensions: caExtensions(1) })
    const inner = oddCertificate(wide, { subject: { CN: 'inner' }, extensions: caExtensions() })
    expect(errors(judge(oddCertificate(inner), [inner, wide]))).toEqual([])
  })

  it('with a critical extension nobody knows, or one twice, or one that is broken', () => {
    const with_ = (...more: Uint8Array[]) => {
      const { signer } = generateSigner('ecdsa-p256-sha256')
      return errors(
        judge(
          oddCertificate(authority, {
            signer,
            extensions: [...signerExtensions(authority, signer), ...more],
          }),
          [authority],
        ),
      )
    }
    expect(with_(encodeExtension('1.2.3.4', true, utf8String('x')))).toEqual(['critical-extension'])
    expect(with_(encodeExtension('1.2.3.4', false, utf8String('x')))).toEqual([])
    expect(with_(encodeKeyUsage(['digitalSignature']))).toEqual(['extension-malformed'])
    expect(with_(encodeExtension(OID.subjectAltName, true, utf8String('x')))).toEqual(['extension-malformed'])
    expect(with_(encodeExtension(OID.subjectAltName, false, utf8String('x')))).toEqual([])
    expect(with_(encodeExtension(OID.certificatePolicies, false, utf8String('x')))).toContain(
      'extension-malformed',
    )
  })

  it('used for another purpose', () => {
    const tsa = makeChild(authority, 'timestamping')
    expect(errors(judge(tsa, [authority], { purpose: 'timestamping' }))).toEqual([])
    expect(errors(judge(tsa, [authority], { purpose: 'signing' }))).toEqual(['extended-key-usage'])
    expect(errors(judge(leaf, [authority], { purpose: 'timestamping' }))).toEqual(['extended-key-usage'])
    expect(errors(judge(authority, [], { purpose: 'signing' }))).toEqual(['key-usage'])
    const bare = oddCertificate(authority, {
      extensions: [encodeExtendedKeyUsage([OID.anyExtendedKeyUsage], false)],
    })
    expect(errors(judge(bare, [authority], { purpose: 'signing' }))).toEqual([])
  })

  it('of certificates that sign each other in circles ends', () => {
    const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']
    const signers = names.map(() => generateSigner('ecdsa-p256-sha256').signer)
    const parties: Party[] = []
    for (const [to, subject] of names.entries())
      for (const [from, issuer] of names.entries()) {
        const parent = {
          signer: signers[from]!,
          certificate: { ...root.certificate, subjectDer: encodeName({ CN: issuer }) },
        }
        parties.push(
          oddCertificate(parent, {
            subject: { CN: subject },
            signer: signers[to]!,
            extensions: caExtensions(),
          }),
        )
      }
    const result = judge(oddCertificate(parties[0]!), parties)
    expect(errors(result)).toEqual(expect.arrayContaining(['untrusted', 'chain-too-complex']))
  })
})

describe('revocation', () => {
  const crl = (issuer: Party, revoked: Party[], thisUpdate = noon, nextUpdate = daysFromNoon(7)) =>
    issueCrl(
      {
        issuer: issuer.certificate,
        number: 1,
        thisUpdate,
        nextUpdate,
        revoked: revoked.map(({ certificate }) => ({
          serial: Buffer.from(certificate.serialHex, 'hex'),
          at: daysFromNoon(-5),
          reason: 'keyCompromise',
        })),
      },
      issuer.signer,
    )

  it('good, revoked, and revoked only after the time in question', () => {
    const clean = judge(leaf, [authority], { crls: [crl(authority, []), crl(root, [])] })
    expect(clean).toMatchObject({
      ok: true,
      problems: [],
      revocation: [{ status: 'good' }, { status: 'good' }],
    })
    const revoked = judge(leaf, [authority], { crls: [crl(authority, [leaf]), crl(root, [])] })
    expect(errors(revoked)).toEqual(['revoked'])
    expect(revoked.revocation[0]).toEqual({
      status: 'revoked',
      at: daysFromNoon(-5),
      reason: 'keyCompromise',
      source: { kind: 'crl', index: 0, thisUpdate: noon, nextUpdate: daysFromNoon(7) },
    })
    expect(
      errors(
        judge(leaf, [authority], { at: daysFromNoon(-6), crls: [crl(authority, [leaf]), crl(root, [])] }),
      ),
    ).toEqual([])
  })

  it('of the CA counts as well', () => {
    expect(errors(judge(leaf, [authority], { crls: [crl(root, [authority])] }))).toEqual(['revoked'])
  })

  it('is unknown with a stale, foreign, forged or unreadable list', () => {
    const forged = {
      signer: generateSigner('ecdsa-p256-sha256').signer,
      certificate: { ...authority.certificate },
    }
    const forgedCrl = crl(
      { ...forged, certificate: { ...authority.certificate, spki: forged.signer.spki } },
      [leaf],
    )
    const stale = crl(authority, [], daysFromNoon(-9), daysFromNoon(-2))
    const lists = [
      [stale, 'stale'],
      [crl(root, [leaf]), 'other-issuer'],
      [forgedCrl, 'signature'],
    ] as const
    for (const [list, reason] of lists) {
      const result = judge(leaf, [authority], { crls: [list] })
      expect(result.ok).toBe(true)
      expect(result.revocation[0]).toEqual({
        status: 'unknown',
        rejected: [{ kind: 'crl', index: 0, reason }],
      })
      expect(result.problems.map(({ code }) => code)).toContain('revocation-unknown')
      expect(errors(judge(leaf, [authority], { crls: [list], requireRevocation: true }))).toContain(
        'revocation-unknown',
      )
    }
    const unreadable = judge(leaf, [authority], { crls: [Uint8Array.of(1, 2, 3)] })
    expect(unreadable.problems.map(({ code }) => code)).toContain('crl-unreadable')
    expect(errors(judge(leaf, [authority], { requireRevocation: true }))).toEqual([
      'revocation-unknown',
      'revocation-unknown',
    ])
  })
})

describe('name constraints', () => {
  const subtree = (base: Uint8Array) => sequence(base)
  const ascii = (tag: number, text: string) => encode(implicit(tag, new TextEncoder().encode(text)))
  const directory = (name: Parameters<typeof encodeName>[0]) => encode(element(0xa4, encodeName(name)))
  function under(
    permitted: Uint8Array[],
    excluded: Uint8Array[],
    end: {
      subject?: Parameters<typeof encodeName>[0]
      names?: Parameters<typeof encodeSubjectAltNames>[0]
      raw?: Uint8Array
    },
  ) {
    const parts = []
    if (permitted.length > 0) parts.push(element(0xa0, ...permitted.map(subtree)))
    if (excluded.length > 0) parts.push(element(0xa1, ...excluded.map(subtree)))
    const ca = oddCertificate(root, {
      subject: { CN: 'constrained' },
      extensions: caExtensions(0, encodeExtension(OID.nameConstraints, true, sequence(...parts))),
    })
    const extensions =
      end.raw !== undefined ? [end.raw] : end.names === undefined ? [] : [encodeSubjectAltNames(end.names)]
    return errors(
      judge(oddCertificate(ca, { subject: end.subject ?? { C: 'CN', O: 'A', CN: 'x' }, extensions }), [ca]),
    )
  }
  const outside = ['name-constraints']

  it('on directory names', () => {
    const allowed = [directory({ C: 'CN', O: 'A' })]
    expect(under(allowed, [], {})).toEqual([])
    expect(under(allowed, [], { subject: { C: 'CN', O: 'B', CN: 'x' } })).toEqual(outside)
    expect(under(allowed, [], { subject: { C: 'CN' } })).toEqual(outside)
    expect(under([], allowed, {})).toEqual(outside)
    expect(under([], allowed, { subject: { C: 'CN', O: 'B' } })).toEqual([])
  })

  it('on e-mail addresses, in the alternative name and in the subject', () => {
    const email = (value: string) => ({ names: [{ type: 'email' as const, value }] })
    expect(under([ascii(1, 'example.cn')], [], email('a@EXAMPLE.cn'))).toEqual([])
    expect(under([ascii(1, 'example.cn')], [], email('a@sub.example.cn'))).toEqual(outside)
    expect(under([ascii(1, '.example.cn')], [], email('a@sub.example.cn'))).toEqual([])
    expect(under([ascii(1, 'a@example.cn')], [], email('b@example.cn'))).toEqual(outside)
    expect(under([ascii(1, 'example.cn')], [], { subject: { CN: 'x', emailAddress: 'a@other.cn' } })).toEqual(
      outside,
    )
  })

  it('on hosts, addresses of pages and IP addresses', () => {
    const dns = (value: string) => ({ names: [{ type: 'dns' as const, value }] })
    const uri = (value: string) => ({ names: [{ type: 'uri' as const, value }] })
    expect(under([ascii(2, 'example.cn')], [], dns('www.example.cn'))).toEqual([])
    expect(under([ascii(2, 'example.cn')], [], dns('notexample.cn'))).toEqual(outside)
    expect(under([], [ascii(2, 'example.cn')], dns('www.example.cn'))).toEqual(outside)
    expect(under([ascii(6, 'example.cn')], [], uri('https://u@example.cn:8443/p'))).toEqual([])
    expect(under([ascii(6, 'example.cn')], [], uri('https://evil.cn/?example.cn'))).toEqual(outside)
    const ip = (octets: number[]) => ({
      raw: encodeExtension(OID.subjectAltName, false, sequence(implicit(7, Uint8Array.from(octets)))),
    })
    const range = encode(implicit(7, Uint8Array.of(10, 0, 0, 0, 255, 0, 0, 0)))
    expect(under([range], [], ip([10, 9, 8, 7]))).toEqual([])
    expect(under([range], [], ip([11, 9, 8, 7]))).toEqual(outside)
  })

  it('on names written in unusual ways', () => {
    const uri = (value: string) => ({ names: [{ type: 'uri' as const, value }] })
    const dns = (value: string) => ({ names: [{ type: 'dns' as const, value }] })
    // A host named by number, or none, is inside whatever is excluded and outside whatever is permitted.
    for (const odd of ['https://[::1]/', 'https://10.0.0.1/', 'urn:x:y', 'https://a@b@evil.cn/']) {
      expect(under([], [ascii(6, 'example.cn')], uri(odd)), odd).toEqual(outside)
      expect(under([ascii(6, 'example.cn')], [], uri(odd)), odd).toEqual(outside)
    }
    expect(under([], [ascii(2, '.example.cn')], dns('www.example.cn.'))).toEqual(outside)
    expect(under([], [ascii(2, '.example.cn')], dns('example.cn'))).toEqual([])
    const badRange = encode(implicit(7, Uint8Array.of(10, 0, 0, 0, 255)))
    expect(under([badRange], [], dns('x.cn'))).toEqual(outside)
  })

  it('that cannot be compared or read are errors', () => {
    const other = (text: string) => encode(element(0xa0, oid('1.2.3'), explicit(0, utf8String(text))))
    const raw = encodeExtension(OID.subjectAltName, false, sequence(other('a')))
    expect(under([other('a')], [], { raw })).toEqual(outside)
    expect(under([], [other('b')], { raw })).toEqual(outside)
    const ca = oddCertificate(root, {
      subject: { CN: 'broken' },
      extensions: caExtensions(0, encodeExtension(OID.nameConstraints, true, boolean(true))),
    })
    expect(errors(judge(oddCertificate(ca), [ca]))).toEqual(outside)
  })
})

describe('policies', () => {
  const [one, two] = ['1.3.6.1.4.1.99999.1', '1.3.6.1.4.1.99999.2'] as [string, string]
  const required = encodeExtension(OID.policyConstraints, true, sequence(implicit(0, Uint8Array.of(0))))
  const noAny = encodeExtension(OID.inhibitAnyPolicy, true, integer(0))
  const mapping = encodeExtension(OID.policyMappings, false, sequence(sequence(oid(one), oid(two))))
  function path(ofCa: Uint8Array[], ofLeaf: Uint8Array[]) {
    const ca = oddCertificate(root, {
      subject: { CN: 'policy' },
      extensions: caExtensions(undefined, ...ofCa),
    })
    return judge(oddCertificate(ca, { extensions: ofLeaf }), [ca])
  }

  it('that hold for the whole path are reported', () => {
    expect(path([encodePolicies([one, two])], [encodePolicies([two])])).toMatchObject({
      ok: true,
      policies: [two],
    })
    expect(path([encodePolicies([OID.anyPolicy])], [encodePolicies([two])]).policies).toEqual([two])
    expect(path([encodePolicies([OID.anyPolicy])], [encodePolicies([OID.anyPolicy])]).policies).toBe('any')
    expect(path([encodePolicies([one])], [])).toMatchObject({ ok: true, policies: [] })
  })

  it('are an error only when one is required', () => {
    expect(errors(path([encodePolicies([one]), required], [encodePolicies([two])]))).toEqual(['policy'])
    expect(errors(path([encodePolicies([one]), required], [encodePolicies([one])]))).toEqual([])
    expect(errors(path([encodePolicies([one]), required, noAny], [encodePolicies([OID.anyPolicy])]))).toEqual(
      ['policy'],
    )
    expect(errors(path([encodePolicies([one]), required], [encodePolicies([OID.anyPolicy])]))).toEqual([])
  })

  it('may be required from the next certificate on, or by the last one', () => {
    const afterOne = encodeExtension(OID.policyConstraints, true, sequence(implicit(0, Uint8Array.of(1))))
    const afterTwo = encodeExtension(OID.policyConstraints, true, sequence(implicit(0, Uint8Array.of(2))))
    expect(errors(path([encodePolicies([one]), afterOne], [encodePolicies([two])]))).toEqual(['policy'])
    expect(errors(path([encodePolicies([one]), afterTwo], [encodePolicies([two])]))).toEqual([])
    expect(errors(path([encodePolicies([one])], [encodePolicies([two]), required]))).toEqual(['policy'])
    expect(errors(path([encodePolicies([one])], [encodePolicies([one]), required]))).toEqual([])
  })

  it('may be named by the caller, in the words of the anchor', () => {
    const judgeWith = (acceptablePolicies: string[]) => {
      const ca = oddCertificate(root, {
        subject: { CN: 'policy' },
        extensions: caExtensions(undefined, encodePolicies([one]), mapping),
      })
      const end = oddCertificate(ca, { extensions: [encodePolicies([two])] })
      return judge(end, [ca], { acceptablePolicies, requireExplicitPolicy: true })
    }
    expect(judgeWith([one])).toMatchObject({ ok: true, policies: [two] })
    expect(errors(judgeWith([two]))).toEqual(['policy'])
  })

  it('that are mapped to or from any, or are too many, are an error', () => {
    const any = encodeExtension(OID.policyMappings, false, sequence(sequence(oid(OID.anyPolicy), oid(two))))
    expect(errors(path([encodePolicies([one]), any], [encodePolicies([two])]))).toEqual(['policy'])
    const many = Array.from({ length: 300 }, (_, index) => `${one}.${index}`)
    expect(errors(path([encodePolicies([one])], [encodePolicies(many)]))).toEqual(['policy'])
  })

  it('may be mapped', () => {
    expect(path([encodePolicies([one]), required, mapping], [encodePolicies([two])])).toMatchObject({
      ok: true,
      policies: [two],
    })
    expect(errors(path([encodePolicies([one]), required, mapping], [encodePolicies([one])]))).toEqual([
      'policy',
    ])
  })
})

describe('weak algorithms', () => {
  it('are warnings', () => {
    const { signer } = generateSigner('rsa-pkcs1-sha256', { rsaBits: 1024 })
    const weak = oddCertificate(authority, { signer, serial: nextSerial() })
    const result = judge(weak, [authority])
    expect(result.ok).toBe(true)
    expect(result.problems.map(({ code, severity }) => `${code} ${severity}`)).toEqual(['weak-key warning'])
  })
})
